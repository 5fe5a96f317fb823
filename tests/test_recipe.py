"""The recipe of the shipped bundle: its two ways of writing, how it keeps the card, and all of it on small data."""

import csv
import gzip
import importlib.util
import json
import os
import sys
import sysconfig
from pathlib import Path

import pytest

from lstmtext.bundle import load_bundle

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "checkpoints" / "en.py"


@pytest.fixture(scope="module")
def recipe():
    sys.path.insert(0, str(SOURCE.parent))  # as running it does
    spec = importlib.util.spec_from_file_location("recipe", SOURCE)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("It's good, and I can't say why.", "it 's good , and i ca n't say why ."),
        ("They've said \"fine\" (isn't it?)", "they 've said \" fine \" ( is n't it ? )"),
        ("He said 'hello'. The dogs' 90's...", "he said ' hello ' . the dogs ' 90 's ..."),
        ("3.5/10. The U.S. film, for $5", "3.5/10 . the u.s . film , for $ 5"),
    ],
)
def test_plain_form_parts_words_clitics_and_marks(recipe, written, plain):
    assert recipe.en_texts.plain(written) == plain


@pytest.mark.parametrize(
    ("written", "natural"),
    [
        ("it 's good , and i ca n't say why .", "It's good, and I can't say why."),
        ("the best little `` horror '' movie i 've seen .", 'The best little "horror" movie I\'ve seen.'),
        ("the irwins ' scenes -lrb- and more -rrb- are ` tap ' fun !", "The irwins' scenes (and more) are 'tap' fun!"),
        ("bÃ©art in a comedy\\/drama", "Béart in a comedy/drama"),
    ],
)
def test_natural_form_joins_them(recipe, written, natural):
    assert recipe.en_texts.natural(written) == natural


def test_long_documents_come_in_pieces_of_whole_lines(recipe):
    text = "\n".join(f"line {number} " + "x" * (number % 300) for number in range(500))
    made = list(recipe.en_texts.pieces(text))
    assert "\n".join(made) == text
    assert all(recipe.en_texts.PIECE < len(piece) <= recipe.en_texts.PIECE + 400 for piece in made[:-1])
    assert list(recipe.en_texts.pieces("short")) == ["short"]


def test_the_card_keeps_what_people_wrote_and_has_the_scores_of_the_bundle(recipe, tmp_path):
    card = tmp_path / "en" / "README.md"
    card.parent.mkdir()
    card.write_text("# en\n\nSomething.\n\n## Head `new`: tag\n\nFacts.\n", encoding="utf-8")
    recipe.write_card(
        tmp_path,
        {
            "SST-2 test": {"accuracy": 0.5, "macro_f1": 0.4},
            "BTC": {"span_f1": 0.25},
            "Text": {"nats_per_character": 1.25},
        },
    )
    kept = (SOURCE.parent / "en" / "README.md").read_text(encoding="utf-8")
    made = card.read_text(encoding="utf-8")
    assert made.startswith(kept[: kept.index(recipe.TABLE)] + recipe.TABLE)
    rows = ["| SST-2 test | accuracy | 50.00% |", "| BTC | span_f1 | 25.00% |", "| Text | nats_per_character | 1.250 |"]
    assert "\n".join(["|---|---|---|", *rows, "", "The epoch"]) in made
    assert made.endswith("\n\n## Head `new`: tag\n\nFacts.\n")
    assert made.count("## Head") == 1


def test_a_step_is_done_again_only_where_it_was_cut_short(recipe, tmp_path):
    done = []
    recipe.make(tmp_path / "lm", lambda: done.append("new"))
    (tmp_path / "lm").mkdir()
    recipe.make(tmp_path / "lm", lambda: done.append("again"))
    (tmp_path / ".runs" / "lm").mkdir(parents=True)
    recipe.make(tmp_path / "lm", lambda: done.append("cut short"))
    assert done == ["new", "cut short"]


def test_a_sentence_is_labelled_by_itself_and_by_its_review(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe.en_texts, "OWN_SENTENCES", 3)
    (tmp_path / "heads").mkdir()
    recipe.en_texts.write_rows(tmp_path / "heads" / "short.jsonl", [{"text": "short", "label": "negative"}])
    said = [
        {"review": review, "whole": whole, "text": text, "label": label, "probability": share}
        for review, whole, text, label, share in [
            (0, True, "a", "positive", 1.0), (1, True, "b", "negative", 1.0), (2, True, "c", "positive", 0.5),
            (0, False, "so so", "negative", 0.55), (1, False, "as said", "negative", 0.9),
            (2, False, "who knows", "positive", 0.6),
            (2, False, "fine", "positive", 0.95), (1, False, "not sure", "positive", 0.78),
            (2, False, "bad", "negative", 0.95),
        ]
    ]  # fmt: skip
    recipe.en_texts.own_labels(tmp_path, map(json.dumps, said))
    rows = [json.loads(line) for line in (tmp_path / "heads" / "own.jsonl").read_text().splitlines()]
    found = {row["text"]: (row["label"], row["weight"]) for row in rows}
    # 0.45 with odds of 0.78, 0.1 with 0.22, even ones, and two that lean nowhere
    assert found == {
        "short": ("negative", 1),
        "so so": ("positive", 0.341),
        "as said": ("negative", 0.657),
        "fine": ("positive", 0.63),
        "bad": ("negative", 0.63),
    }


@pytest.fixture
def small_data(tmp_path):
    """A folder with the layout of the data that the recipe reads, made of the samples."""
    rows = list(csv.DictReader((ROOT / "data" / "reviews.csv").read_text(encoding="utf-8").splitlines()))[:60]
    tagged = (ROOT / "data" / "entities.conll").read_text(encoding="utf-8").split("\n\n")[:30]
    prose = (ROOT / "data" / "prose.txt").read_text(encoding="utf-8")[:6000]
    kinds = {"PER": "person", "LOC": "location", "ORG": "group"}

    def put(name, text):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())

    for part in ("train", "test"):
        put(f"imdb/{part}.jsonl.gz", "".join(json.dumps(row) + "\n" for row in rows))
    put("imdb/unlabelled.txt.gz", "".join(f"{row['text']}<br />Indeed.\n" for row in rows))
    for part in ("train", "dev", "test", "phrases"):
        put(f"sst2/{part}.tsv", "label\ttext\n" + "".join(f"{row['label']}\t{row['text']}\n" for row in rows))
    for name in ("books", "news"):
        put(f"text/{name}.txt.gz", prose)
    for part in ("train", "dev", "test"):
        put(f"btc/{part}.conll", "\n\n".join(tagged))
        rare = "\n\n".join(tagged)
        for kind, written in kinds.items():
            rare = rare.replace(f"-{kind}", f"-{written}")
        put(f"wnut17/{part}.conll", rare)
        put(f"ewt/en_ewt-ud-{part}.conllu", "\n".join(map(_as_conllu, tagged)) + "\n")
    return tmp_path / "data"


def _as_conllu(sentence):
    words = [line.split("\t") for line in sentence.split("\n") if line]
    classes = ("NOUN" if tag == "O" else "PROPN" for _, tag in words)
    places = enumerate(zip(words, classes, strict=True), 1)
    return "".join(f"{n}\t{word}\t_\t{name}" + "\t_" * 6 + "\n" for n, ((word, _), name) in places)


@pytest.mark.slow
def test_the_recipe_makes_a_bundle_of_all_heads_and_its_card(recipe, small_data, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}")
    small = " --epochs 1 --budget 60s --set train.report=false"
    monkeypatch.setattr(recipe.en_texts, "HELD_OUT", 10)
    monkeypatch.setattr(recipe.en_texts, "EVERY", 5)
    monkeypatch.setattr(recipe.en_texts, "HELD_TEXTS", 12)
    monkeypatch.setattr(recipe, "LANGUAGE_MODEL", recipe.LANGUAGE_MODEL + small + " --set encoder.hidden_size=16")
    monkeypatch.setattr(recipe, "TOGETHER", recipe.TOGETHER + small)
    for heads in ("ANEW", "LAST"):
        monkeypatch.setattr(recipe, heads, {head: words + small for head, words in getattr(recipe, heads).items()})
    for step in ("OPINIONS", "CLASSES", "OWN"):
        monkeypatch.setattr(recipe, step, getattr(recipe, step) + small)
    monkeypatch.setattr(recipe, "SMALLER", {"sentiment": "300", "upos": "300"})
    recipe.main(small_data, tmp_path / "work")
    bundle = load_bundle(tmp_path / "work" / "en")
    assert set(bundle.info.heads) == {"sentiment", "upos", "ner", "lm"}
    assert bundle.info.heads["ner"].labels == load_bundle(SOURCE.parent / "en").info.heads["ner"].labels
    trained = {name: head.training["encoder"] for name, head in bundle.info.heads.items()}
    assert trained == {"sentiment": "trained", "ner": "frozen", "upos": "frozen", "lm": "frozen"}
    read = (tmp_path / "work" / "text.txt").read_text(encoding="utf-8")
    held = json.loads((tmp_path / "work" / "heads" / "sentiment.dev.jsonl").read_text(encoding="utf-8").split("\n")[0])
    assert held["text"] not in read.split("\n\n")  # as it stands in train, test, and what is held out
    assert f"{held['text']} Indeed." in read.split("\n\n")  # as it stands among those without labels
    alone = (tmp_path / "work" / "heads" / "lm.dev.txt").read_text(encoding="utf-8").strip().split("\n\n")
    assert len(alone) == 12
    assert not {form for text in alone for form in (text, recipe.en_texts.plain(text))} & set(read.split("\n\n"))
    named = (tmp_path / "work" / "heads" / "ner.conll").read_text(encoding="utf-8")
    assert ("B-PER" in named, "B-person" in named) == (True, False)
    card = (tmp_path / "work" / "en" / "README.md").read_text(encoding="utf-8")
    assert "| WNUT-17 test, its kinds as above | span_f1 |" in card
    made = (tmp_path / "work" / "en" / "bundle.json").stat().st_mtime_ns
    recipe.main(small_data, tmp_path / "work")  # all is there: it is only scored again
    assert (tmp_path / "work" / "en" / "bundle.json").stat().st_mtime_ns == made
