"""Where no bundle is named: the shipped one is used, where it fits what it is used for."""

import os
import re
import shutil

import pytest

from lstmtext import shipped
from lstmtext.bundle import load_bundle
from lstmtext.data.plan import DataRequest
from lstmtext.resolve import resolve_settings
from lstmtext.train import auto
from lstmtext.train.job import FROM_SCRATCH, TrainRequest
from lstmtext.train.ranks import ALONE

QUICK = ["--threads", "1", "--epochs", "1", "--set", "train.precision=float32", "--set", "train.report=false"]
FEW_ROWS = ["--set", "classify.bypass_rows=1024", "--set", "tag.bypass_rows=1024"]


@pytest.fixture
def english(monkeypatch, tmp_path, generate_bundle):
    """The tiny language model in the place of the shipped bundle."""
    shutil.copytree(generate_bundle, tmp_path / "shipped" / shipped.NAME)
    monkeypatch.setattr(shipped, "PLACES", (tmp_path / "nowhere", tmp_path / "shipped"))
    monkeypatch.setattr(auto, "BYTES_PER_TOKEN", 2.0)
    return tmp_path / "shipped" / shipped.NAME


def begins_as(bundle, english):
    """Whether a bundle has the vocabulary of the shipped one."""
    return load_bundle(bundle).tokenizer.to_json() == load_bundle(english).tokenizer.to_json()


@pytest.mark.parametrize("name", ["reviews.csv", "entities.conll", "prose.txt"])
def test_text_like_its_own_starts_from_it(run_here, data, english, tmp_path, name):
    done = run_here("train", data / name, "-o", tmp_path / "out", *QUICK, *FEW_ROWS)
    assert done.code == 0, done.err
    assert "starts from the English encoder that comes with lstmtext: its tokenizer reads " in done.err
    assert f"of {english} goes on" in done.err
    assert begins_as(tmp_path / "out", english)


def test_other_text_starts_anew(run_here, english, tmp_path):
    rows = "text,label\n" + "部屋はきれいでした。,良い\nスープは冷たかった。,悪い\n" * 10
    (tmp_path / "other.csv").write_text(rows, encoding="utf-8")
    done = run_here("train", tmp_path / "other.csv", "-o", tmp_path / "out", *QUICK, "--set", "encoder.layers=1")
    assert done.code == 0, done.err
    assert re.search(
        r"starts anew: its tokenizer reads 1\.\d bytes a token here, 2\.0 in English; 1\.4 would do\n", done.err
    )
    assert not begins_as(tmp_path / "out", english)


def test_what_comes_late_is_looked_at_too_and_filled_columns_are_no_long_tokens(english, tmp_path):
    tokenizer = load_bundle(english).tokenizer
    assert auto.bytes_per_token(tokenizer, ["Anna  " + " " * 500 + "spoke."]) == auto.bytes_per_token(
        tokenizer, ["Anna spoke."]
    )
    rows = "The room was clean.,good\n" * 250 + "部屋はきれいでした。,良い\n" * 750
    (tmp_path / "late.csv").write_text("text,label\n" + rows, encoding="utf-8")
    asked = TrainRequest(DataRequest([str(tmp_path / "late.csv")]), tmp_path / "out", auto.AUTO)
    said = []
    assert auto.with_start(asked, resolve_settings, ALONE, said.append)[0].encoder == FROM_SCRATCH, said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "encoder.hidden_size=9"], "does not fit, --set encoder.hidden_size: found 9; expected 16"),
        (["--set", "text.unit=word"], "does not fit, --set text.unit: found word; expected bpe"),
        (["--encoder", "none"], ""),
    ],
)
def test_what_was_asked_for_goes_first(run_here, data, english, tmp_path, words, said):
    small = ["--set", "encoder.embedding_size=8"] if words[0] == "--set" else []
    done = run_here("train", data / "reviews.csv", "-o", tmp_path / "out", *QUICK, *FEW_ROWS, *words, *small)
    assert done.code == 0, done.err
    assert (f"starts anew: the English encoder {said}" if said else "training") in done.err
    assert said or "starts" not in done.err
    assert not begins_as(tmp_path / "out", english)


@pytest.fixture
def labelled(monkeypatch, tmp_path, classify_bundle):
    """The tiny classifier in the place of the shipped bundle."""
    shutil.copytree(classify_bundle, tmp_path / "shipped" / shipped.NAME)
    monkeypatch.setattr(shipped, "PLACES", (tmp_path / "shipped",))
    monkeypatch.setattr(auto, "BYTES_PER_TOKEN", 2.0)
    return tmp_path / "shipped" / shipped.NAME


@pytest.mark.parametrize("words", [[], ["--set", "classify.pooling=mean"], ["--set", "classify.bypass=false"]])
def test_its_encoder_alone_is_taken_though_labels_have_the_same_names(run_here, labelled, tmp_path, words):
    rows = "text,label\n" + "The room was odd.,mixed\nThe soup was poor.,negative\n" * 8
    (tmp_path / "new.csv").write_text(rows, encoding="utf-8")
    done = run_here("train", tmp_path / "new.csv", "-o", tmp_path / "out", *QUICK, *FEW_ROWS, *words)
    assert done.code == 0, done.err
    assert begins_as(tmp_path / "out", labelled)
    assert load_bundle(tmp_path / "out").head()[1].labels == ("mixed", "negative")


def test_its_head_goes_on_where_that_is_asked_for(run_here, data, labelled, tmp_path):
    words = ["--set", "transfer.head=keep", *QUICK, *FEW_ROWS]
    done = run_here("train", data / "reviews.csv", "-o", tmp_path / "out", *words)
    assert done.code == 0, done.err
    assert "the whole of" in done.err


def test_weights_of_rows_are_for_the_heads_that_have_them(run_here, data, english, tmp_path):
    rows = "text,label,count\n" + "The room was odd.,bad,1\nThe soup was good.,fine,2\n" * 8
    (tmp_path / "rows.csv").write_text(rows, encoding="utf-8")
    together = ["--task-data", f"mood={tmp_path / 'rows.csv'}", "--task-data", f"ner={data / 'entities.conll'}"]
    done = run_here("train", *together, "--weight-column", "count", "-o", tmp_path / "out", *QUICK, *FEW_ROWS)
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "train.clipp=1"], "--set train.clipp: no such setting"),
        (["--set", "encoder.hidden_size=-3"], "--set encoder.hidden_size: found -3"),
    ],
)
def test_what_is_wrong_is_said_once(run_here, data, english, tmp_path, words, said):
    done = run_here("train", data / "reviews.csv", "-o", tmp_path / "out", *words)
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert said in done.err


def test_no_data_are_said_to_be_none(run_here, english, tmp_path):
    (tmp_path / "none.txt").write_text("", encoding="utf-8")
    done = run_here("train", tmp_path / "none.txt", "-o", tmp_path / "out")
    assert done.code == 3
    assert "starts" not in done.err


def test_rates_are_tried_from_it(run_here, data, english):
    done = run_here("train", data / "reviews.csv", "--find-lr", *QUICK[:2], *FEW_ROWS)
    assert done.code == 0, done.err
    assert "starts from the English encoder" in done.err


def test_several_heads_start_from_it_too(run_here, data, english, tmp_path):
    together = ["--task-data", f"mood={data / 'reviews.csv'}", "--task-data", f"ner={data / 'entities.conll'}"]
    done = run_here("train", *together, "-o", tmp_path / "out", *QUICK, *FEW_ROWS)
    assert done.code == 0, done.err
    assert done.err.count("starts from the English encoder") == 1
    assert begins_as(tmp_path / "out", english)


@pytest.mark.parametrize("name", ["-", "pipe.csv"])
def test_what_can_be_read_only_once_starts_anew_and_is_not_read(english, tmp_path, name):
    os.mkfifo(tmp_path / "pipe.csv")  # whoever opened it would wait for ever
    place = "-" if name == "-" else str(tmp_path / name)
    asked = TrainRequest(DataRequest([place], format="csv", task="classify"), tmp_path / "out", auto.AUTO)
    said = []
    assert auto.with_start(asked, resolve_settings, ALONE, said.append)[0].encoder == FROM_SCRATCH
    shown = "standard input" if name == "-" else place
    assert said == [f"starts anew: {shown} cannot be looked at ahead; --encoder names a bundle"]


def test_data_encoded_otherwise_start_anew(run_here, data, english, tmp_path, tiny):
    assert run_here("preprocess", data / "reviews.csv", "-o", tmp_path / "encoded", *tiny[2:]).code == 0
    done = run_here("train", tmp_path / "encoded", "-o", tmp_path / "out", *QUICK, *FEW_ROWS)
    assert done.code == 0, done.err
    assert "encoded was encoded with another tokenizer" in done.err


def test_where_none_came_all_starts_from_scratch(run_here, data, tmp_path, tiny):
    done = run_here("train", data / "reviews.csv", "-o", tmp_path / "out", "--epochs", 1, *tiny)
    assert done.code == 0, done.err
    assert "starts" not in done.err
    assert load_bundle(tmp_path / "out").head()[1].training["started_from"] == "none"


@pytest.mark.parametrize("command", ["classify", "tag", "generate", "evaluate", "info"])
def test_commands_without_a_model_use_it(run_here, data, english, command):
    words = {"evaluate": [data / "prose.txt"], "generate": ["--prompt", "Anna"]}.get(command, [])
    done = run_here(command, *words)
    if command in ("classify", "tag"):  # it has no such head
        assert (done.code, f"{english}: no head for {command}" in done.err) == (4, True), done.err
    else:
        assert done.code == 0, done.err


def test_where_none_came_a_model_must_be_named(run_here):
    done = run_here("info")
    assert done.code == 2
    assert done.err == (
        "lstmtext: -m/--model: is not given, and no bundle came with this installation; "
        "name one with -m FOLDER; lstmtext train writes one\n"
    )


def test_a_bundle_to_change_must_be_named(run_here, english):
    done = run_here("export", "--precision", "int8")
    assert (done.code, "Missing option '-m'" in done.err) == (2, True), done.err
