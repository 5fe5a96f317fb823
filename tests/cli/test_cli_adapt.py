"""`train --adapt-on`: a language model of unlabelled text first, then the head on its encoder."""

import shutil

import numpy as np
import pytest

from lstmtext.bundle import load_bundle

FEW = "text,label\n" + "Anna was good.,yes\nClara was bad.,no\n" * 6


@pytest.fixture
def few(tmp_path):
    (tmp_path / "few.csv").write_text(FEW, encoding="utf-8")
    return tmp_path / "few.csv"


def test_the_head_begins_on_the_encoder_of_the_language_model(run_here, data, few, tiny, tmp_path):
    options = ["--set", "transfer.adapt_epochs=3", "--set", "train.learning_rate=1e-8", "--epochs", 1]
    done = run_here("train", few, "--adapt-on", data / "prose.txt", "-o", tmp_path / "out", *options, *tiny)
    assert (done.code, done.out) == (0, b""), done.err
    place = tmp_path / "out.lm"
    assert f"first a language model, {place}; if it is cut short, --resume {place}" in done.err
    language, head = load_bundle(place), load_bundle(tmp_path / "out")
    assert [own.task for own in language.info.heads.values()] == ["generate"]
    assert language.head()[1].training["epochs"] == 3
    assert head.head()[1].training["epochs"] == 1
    assert head.head()[1].training["started_from"] == "out.lm"
    assert np.abs(head.encoder_arrays()["embedding_VD"] - language.encoder_arrays()["embedding_VD"]).max() < 1e-5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.csv", "out", "out.lm", "out.report.html"]


def test_a_bundle_lends_its_encoder_to_the_language_model(run_here, data, few, tiny, generate_bundle, tmp_path):
    options = ["--encoder", generate_bundle, "--set", "transfer.adapt_epochs=1", "--epochs", 1, *tiny]
    done = run_here("train", few, "--adapt-on", data / "prose.txt", "-o", tmp_path / "out", *options)
    assert done.code == 0, done.err
    assert f"the whole of {generate_bundle} goes on" in done.err
    assert f"the encoder of {tmp_path / 'out.lm'} goes on" in done.err
    tokenizers = [(folder / "tokenizer.json").read_text() for folder in (generate_bundle, tmp_path / "out")]
    assert tokenizers[0] == tokenizers[1]


def test_a_budget_is_shared(run_here, data, few, tiny, tmp_path):
    options = ["--budget", "2s", "--set", "transfer.adapt_share=0.25"]
    done = run_here("train", few, "--adapt-on", data / "prose.txt", "-o", tmp_path / "out", *options, *tiny)
    assert done.code == 0, done.err
    budgets = [load_bundle(tmp_path / name).head()[1].settings.train.budget for name in ("out.lm", "out")]
    assert budgets == [0.5, 1.5]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["absent.csv"], "absent.csv: no such file"),
        (["PROSE"], "--adapt-on: the data are for a language model anyway"),
        (["FEW", "--label-column", "stars"], "no column 'stars'"),
        (["FEW", "--find-lr"], "--adapt-on: cannot be had with --find-lr"),
        (["ENCODED"], "is encoded already, with another tokenizer than the language model's; give train the raw files"),
        (["-", "--task", "classify", "--adapt-on", "-"], "standard input: named more than once"),
    ],
)
def test_what_is_wrong_is_told_before_any_time_is_spent(words, said, run_here, data, few, tiny, tmp_path):
    encoded = tmp_path.parent / "encoded"
    assert "ENCODED" not in words or run_here("preprocess", few, "-o", encoded, *tiny[2:]).code == 0
    named = {"PROSE": data / "prose.txt", "FEW": few, "ENCODED": encoded}
    words = [named.get(word, word) for word in words]
    done = run_here("train", *words, "--adapt-on", data / "prose.txt", "-o", tmp_path / "out", *tiny)
    assert said in done.err
    assert done.code != 0
    assert done.out == b""
    assert [path.name for path in tmp_path.iterdir()] == ["few.csv"]


def test_the_text_without_labels_is_what_the_language_model_learned(run_here, data, few, tiny, tmp_path):
    done = run_here("train", few, "--adapt-on", data / "prose.txt", "-o", tmp_path / "out", "--epochs", 1, *tiny)
    assert done.code == 0, done.err
    facts = [load_bundle(tmp_path / name).head()[1].data["files"] for name in ("out.lm", "out")]
    assert [list(files) for files in facts] == [[str(data / "prose.txt")], [str(few)]]


def test_a_bundle_that_is_there_is_not_replaced_by_one_that_nobody_named(
    run_here, data, few, tiny, generate_bundle, tmp_path
):
    shutil.copytree(generate_bundle, tmp_path / "out.lm")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out.lm").iterdir()}
    done = run_here("train", few, "--adapt-on", data / "prose.txt", "-o", tmp_path / "out", *tiny)
    assert (done.code, f"--adapt-on: {tmp_path / 'out.lm'} is there already" in done.err) == (2, True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out.lm").iterdir()} == before


def test_the_text_may_stand_in_a_column(run_here, data, tiny, tmp_path):
    (tmp_path / "pile.csv").write_text(
        "id,said\n" + "1,Anna went to Oslo and the room was good.\n" * 40, encoding="utf-8"
    )
    (tmp_path / "few.csv").write_text(FEW.replace("text,", "said,"), encoding="utf-8")
    words = ["--adapt-on", tmp_path / "pile.csv", "-o", tmp_path / "out", "--text-column", "said", "--epochs", 1]
    done = run_here("train", tmp_path / "few.csv", *words, "--set", "transfer.adapt_epochs=1", *tiny)
    assert done.code == 0, done.err


def test_texts_may_have_several_labels(run_here, data, tiny, tmp_path):
    (tmp_path / "few.csv").write_text(FEW.replace("yes", "yes|sure"), encoding="utf-8")
    words = ["--adapt-on", data / "prose.txt", "-o", tmp_path / "out", "--multi-label", "--epochs", 1]
    done = run_here("train", tmp_path / "few.csv", *words, "--set", "transfer.adapt_epochs=1", *tiny)
    assert done.code == 0, done.err
    assert load_bundle(tmp_path / "out").head()[1].labels == ("no", "sure", "yes")
