"""The bundle that comes with the package: whole, small enough, and the default of every command that reads one."""

import json
import re
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest

from lstmtext.bundle import load_bundle
from lstmtext.runtime.export import export_bundle
from lstmtext.runtime.predictors import SentencePredictor, TextPredictor
from lstmtext.shipped import BYTES_PER_TOKEN
from lstmtext.train.auto import LEAST_SHARE, bytes_per_token

ROOT = Path(__file__).parent.parent
ENGLISH = ROOT / "checkpoints" / "en"
DATA = ROOT.parent / "shared" / "data"
MOST_BYTES = 25_000_000
SETS = {"SST-2 test": ("sentiment", "sst2/test.tsv"), "EWT test": ("upos", "ewt/en_ewt-ud-test.conllu")}


def test_it_is_small_enough_and_has_all_heads():
    files = [path.read_bytes() for path in ENGLISH.rglob("*") if path.is_file()]
    assert sum(len(zlib.compress(content)) for content in files) <= MOST_BYTES  # as in a wheel, and in git
    heads = {name: own.task for name, own in load_bundle(ENGLISH).info.heads.items()}
    assert heads == {"sentiment": "classify", "upos": "tag", "ner": "tag", "lm": "generate"}


def test_it_names_no_path_of_the_machine_that_made_it():
    text = (ENGLISH / "bundle.json").read_text() + (ENGLISH / "README.md").read_text()
    assert not re.search(r"[\s\"'](/\w|\.\./|~/|[A-Z]:\\)|(?<![\w:/.])/(tmp|home|root|work|Users)\b", text)


def test_an_opinion_is_understood_with_no_word_of_a_model(run_process):
    texts = {
        "I loved every minute of it.": "positive",
        "What a waste of time.": "negative",
        "The food was cold and the waiter was rude.": "negative",
        "Great acting and a wonderful story!": "positive",
        "it is n't funny , and it never ends .": "negative",
    }
    done = run_process("classify", given="\n".join(texts).encode())
    assert (done.code, done.err) == (0, "")
    assert [line.split("\t")[0] for line in done.out.decode().splitlines()] == list(texts.values())


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("The room was clean, but nobody answered the bell before nine in the morning.", True),
        ("@maria lol no way, r u serious? gonna miss the game tonight smh #football", True),
        ("Shall I compare thee to a summer's day? Thou art more lovely and more temperate.", True),
        ("Das Zimmer war sauber, aber vor neun Uhr morgens öffnete niemand die Tür.", False),
        ("La chambre était propre, mais personne ne répondait avant neuf heures du matin.", False),
        ("部屋はきれいでしたが、朝九時前には誰も出ませんでした。", False),
        ("for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }", False),
        ('{"id": 4711, "ok": true, "values": [0.25, 1e-3, -17], "tag": "x9_ab"}', False),
    ],
)
def test_its_tokenizer_tells_what_it_is_of_use_for(text, fits):
    tokenizer = load_bundle(ENGLISH).tokenizer
    assert (bytes_per_token(tokenizer, [text]) >= LEAST_SHARE * BYTES_PER_TOKEN) == fits


def test_words_have_classes_and_names(run_process):
    done = run_process("tag", "--head", "upos", "--head", "ner", given=b"Ms Haugen flew to Lisbon .\n")
    assert done.code == 0, done.err
    wanted = "Ms PROPN B-PER Haugen PROPN I-PER flew VERB O to ADP O Lisbon PROPN B-LOC . PUNCT O"
    assert " ".join(done.out.decode().split()) == wanted


def test_text_goes_on_from_a_prompt(run_process):
    done = run_process("generate", "--prompt", "The film", "--max-tokens", "30")
    assert done.code == 0, done.err
    assert done.out.startswith(b"The film")
    assert len(set(re.findall(rb"\w+", done.out))) > 8


def test_what_it_is_can_be_asked(run_process):
    done = run_process("info", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["heads"].keys() == {"sentiment", "upos", "ner", "lm"}


def test_the_card_says_what_users_must_know():
    card = (ENGLISH / "README.md").read_text()
    for title in ("Data", "Scores", "Size and precision", "What it is bad at", "Known biases", "How it was made"):
        assert f"\n## {title}\n" in card
    for name in ("IMDb", "SST-2", "EWT", "Broad Twitter Corpus", "WNUT-17", "Gutenberg", "newswire", "licence"):
        assert name in card
    rows = re.findall(r"^\| (.+) \| (?:accuracy|span_f1) \| [0-9.]+% \|$", card, re.MULTILINE)
    assert {"SST-2 test", "IMDb test", "EWT test", "Broad Twitter Corpus test"} <= set(rows)
    assert re.findall("^## Head `(.+)`", card, re.MULTILINE) == list(load_bundle(ENGLISH).info.heads)


def test_its_language_is_the_one_that_others_are_compared_with():
    from lstmtext.shipped import BYTES_PER_TOKEN
    from lstmtext.train.auto import bytes_per_token

    texts = (ROOT / "data" / "prose.txt").read_text().split("\n\n")
    assert bytes_per_token(load_bundle(ENGLISH).tokenizer, texts) == pytest.approx(BYTES_PER_TOKEN, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_its_answers_depend_on_no_neighbours(tmp_path, precision):
    """512 units, where the products take their rows and columns in blocks, and texts of 1 to 400 words."""
    bundle = load_bundle(shutil.copytree(ENGLISH, tmp_path / "en"))
    if precision == "float32":
        export_bundle(bundle, "float32")
        bundle = load_bundle(bundle.folder)
    words = (ROOT / "data" / "prose.txt").read_text().split()
    texts = [" ".join(words[7 * count : 8 * count]) for count in range(1, 400, 9)]
    classify = TextPredictor(bundle, *bundle.head("sentiment")).predict
    tag = SentencePredictor(bundle, bundle.head("upos"), bundle.head("ner")).predict
    together = classify(texts)
    for others in ([[text] for text in texts], [texts[::-1]], [texts[::2], texts[1::2]]):
        found = {text: answer for some in others for text, answer in zip(some, classify(some), strict=True)}
        for text, answer in zip(texts, together, strict=True):
            assert np.array_equal(found[text].probabilities_K, answer.probabilities_K)
    whole = tag([text.split() for text in texts]).by_head
    alone = [tag([text.split()]).by_head for text in texts]
    assert whole == [[own[head][0] for own in alone] for head in range(2)]


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.skipif(not DATA.exists(), reason="the development data do not stand beside the project")
@pytest.mark.parametrize("name", SETS)
def test_the_scores_of_the_card_are_its_own(run_process, name):
    head, path = SETS[name]
    done = run_process("evaluate", DATA / path, "--head", head, "--json")
    assert done.code == 0, done.err
    said = re.search(rf"\| {name} \| accuracy \| ([0-9.]+)% \|", (ENGLISH / "README.md").read_text())
    assert 100 * json.loads(done.out)["scores"]["accuracy"] == pytest.approx(
        float(said[1]), abs=0.3
    )  # other processors round otherwise
