"""`evaluate` and `info`; and what `tag` and `classify` write is data again."""

import json
import re
import shutil

import pytest

from lstmtext.bundle import load_bundle
from tests.conftest import TINY

SOURCES = {"classify": "reviews.csv", "tag": "entities.conll", "generate": "held.txt"}
SCORE = {"classify": "accuracy", "tag": "span_f1", "generate": "nats_per_character"}
HEADS = {"classify": "labels", "tag": "tags", "generate": "lm"}


@pytest.mark.parametrize("task", SOURCES)
def test_evaluate_prints_one_json_object_or_tables(run_here, bundle_of, data, task):
    words = ["evaluate", data / SOURCES[task], "-m", bundle_of(task)]
    done = run_here(*words, "--json")
    assert (done.code, done.err) == (0, "")
    assert done.out.count(b"\n") == 1
    result = json.loads(done.out)
    assert list(result) == ["task", "head", "records", "cut", "scores"]
    assert (result["task"], result["head"]) == (task, HEADS[task])
    assert SCORE[task] in result["scores"]
    assert result["records"] == {"classify": 48, "tag": 12, "generate": 1}[task]
    tables = run_here(*words)
    assert tables.code == 0
    assert f"{result['scores'][SCORE[task]]:.4f}" in tables.out.decode()


@pytest.mark.parametrize(
    ("task", "source", "kind"),
    [
        ("classify", "text,label\n{long},positive\ngood,negative\n", "texts"),
        ("tag", "{word}\tO\nOslo\tB-LOC\n", "words"),
    ],
)
def test_what_is_read_without_its_middle_is_counted_and_told(run_here, bundle_of, tmp_path, task, source, kind):
    path = tmp_path / ("a.csv" if task == "classify" else "a.conll")
    path.write_text(source.format(long="soup and room " * 400, word="qx7" * 60))
    done = run_here("evaluate", path, "-m", bundle_of(task), "--json")
    assert json.loads(done.out)["cut"] == 1
    assert done.err == f"lstmtext: {kind} longer than the model reads, without their middle: 1\n"


@pytest.mark.parametrize(("task", "least"), [("classify", 0.9), ("tag", 0.9)])
def test_the_tiny_bundles_have_learned_their_data(run_here, bundle_of, data, task, least):
    done = run_here("evaluate", data / SOURCES[task], "-m", bundle_of(task), "--json")
    assert json.loads(done.out)["scores"][SCORE[task]] >= least


def test_evaluate_reads_standard_input(run_process, run_here, classify_bundle, data):
    content = (data / "reviews.csv").read_bytes()
    done = run_process("evaluate", "-", "-m", classify_bundle, "--json", "--format", "csv", given=content)
    assert done.code == 0, done.err
    assert done.out == run_here("evaluate", data / "reviews.csv", "-m", classify_bundle, "--json").out


def test_likelihood_is_left_out_where_no_label_is_known(run_here, classify_bundle, tmp_path):
    (tmp_path / "a.csv").write_text("text,label\nbad,neutral\n")
    scores = json.loads(run_here("evaluate", tmp_path / "a.csv", "-m", classify_bundle, "--json").out)["scores"]
    assert (scores["accuracy"], "nats_per_text" in scores) == (0.0, False)


def test_labels_that_the_model_does_not_have_are_told(run_here, classify_bundle, tmp_path):
    (tmp_path / "a.csv").write_text("text,label\ngood,positive\nbad,neutral\nbad,neutral\n")
    shown = run_here("evaluate", tmp_path / "a.csv", "-m", classify_bundle).out.decode()
    assert "records with a label that the model does not have | 2" in " ".join(shown.replace("│", "|").split())
    scores = json.loads(run_here("evaluate", tmp_path / "a.csv", "-m", classify_bundle, "--json").out)["scores"]
    assert scores["unknown"] == 2
    assert scores["accuracy"] <= 1 / 3


@pytest.mark.parametrize("task", SOURCES)
def test_info_tells_heads_and_settings(run_here, bundle_of, task):
    done = run_here("info", "-m", bundle_of(task), "--json")
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    assert told["heads"][HEADS[task]]["task"] == task
    assert told["encoder"]["hidden_size"] == told["heads"][HEADS[task]]["settings"]["encoder"]["hidden_size"] == 16
    shown = run_here("info", "-m", bundle_of(task))
    assert shown.code == 0
    assert "encoder.hidden_size" in shown.out.decode()


@pytest.mark.parametrize("output", ["conll", "jsonl"])
def test_what_tag_writes_can_be_evaluated_and_agrees_with_itself(run_here, tag_bundle, tmp_path, output):
    (tmp_path / "raw.txt").write_text(
        "Anna Berg lives in Oslo.\n\nDag  said: “it's # 5” -DOCSTART- \x00 \u00a0 x\nClara\n"
    )
    written = run_here("tag", tmp_path / "raw.txt", "-m", tag_bundle, "--format", output)
    assert written.code == 0
    (tmp_path / f"tagged.{output}").write_bytes(written.out)
    done = run_here("evaluate", tmp_path / f"tagged.{output}", "-m", tag_bundle, "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["scores"]["accuracy"] == 1.0
    assert result["records"] == (4 if output == "jsonl" else 3)


@pytest.fixture(scope="module")
def upos_bundle(run_here, tiny, tmp_path_factory):
    """A tagger whose tags are no spans."""
    folder = tmp_path_factory.mktemp("upos")
    rows = [(name, verb) for name in ("Anna", "Dag", "Clara", "Bjorn") for verb in ("sings", "runs", "waits")]
    lines = [f"1\t{n}\t_\tPROPN\t_\t_\t_\t_\t_\t_\n2\t{v}\t_\tVERB\t_\t_\t_\t_\t_\t_\n\n" for n, v in rows]
    (folder / "words.conllu").write_text("".join(lines))
    done = run_here("train", folder / "words.conllu", "-o", folder / "upos", "--epochs", 8, *tiny)
    assert done.code == 0, done.err
    assert "task tag, from conllu columns" in done.err
    return folder / "upos"


@pytest.mark.parametrize("output", ["conllu", "conll", "jsonl"])
def test_what_a_word_class_tagger_writes_can_be_evaluated_and_trained_on(run_here, upos_bundle, tiny, tmp_path, output):
    (tmp_path / "raw.txt").write_text("Anna sings\n\nDag waits and runs\nClara\n")
    written = run_here("tag", tmp_path / "raw.txt", "-m", upos_bundle, "--format", output)
    (tmp_path / f"tagged.{output}").write_bytes(written.out)
    done = run_here("evaluate", tmp_path / f"tagged.{output}", "-m", upos_bundle, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["scores"]["accuracy"] == 1.0
    trained = run_here("train", tmp_path / f"tagged.{output}", "-o", tmp_path / "again", "--epochs", 1, *tiny)
    assert trained.code == 0, trained.err


def test_what_classify_writes_as_jsonl_can_be_evaluated(run_here, classify_bundle, tmp_path):
    (tmp_path / "raw.txt").write_text("The room was good.\nThe soup was awful.\n")
    written = run_here("classify", tmp_path / "raw.txt", "-m", classify_bundle, "--format", "jsonl")
    (tmp_path / "answers.jsonl").write_bytes(written.out)
    done = run_here("evaluate", tmp_path / "answers.jsonl", "-m", classify_bundle, "--json")
    assert json.loads(done.out)["scores"]["accuracy"] == 1.0


def test_top_prints_more_labels_in_falling_order(run_here, classify_bundle, tmp_path):
    (tmp_path / "raw.txt").write_text("The room was good.\n")
    fields = run_here("classify", tmp_path / "raw.txt", "-m", classify_bundle, "--top", 5).out.decode().split("\t")
    assert (fields[0], fields[2]) == ("positive", "negative")
    assert float(fields[1]) + float(fields[3]) == pytest.approx(1.0, abs=1e-3)


def test_evaluate_reads_the_columns_that_the_bundle_was_trained_on(run_here, tmp_path, data):
    reviews = (data / "reviews.csv").read_text()
    own, other = tmp_path / "own.csv", tmp_path / "other.csv"
    own.write_text(reviews.replace("text,label", "words of it,mood"))
    other.write_text(reviews)
    columns = ["--text-column", "words of it", "--label-column", "mood"]
    done = run_here("train", own, "-o", tmp_path / "out", *columns, "--epochs", "1", *TINY)
    assert done.code == 0, done.err
    for path in (own, other):
        assert run_here("evaluate", path, "-m", tmp_path / "out", "--json").code == 0
    assert "text: words of it, label: mood" in run_here("info", "-m", tmp_path / "out").out.decode()


def test_evaluate_reads_the_tag_column_that_the_bundle_was_trained_on(run_here, tmp_path, data):
    path = tmp_path / "columns.conll"
    lines = (data / "entities.conll").read_text().split("\n")
    path.write_text("\n".join(f"{line}\tX" if line else line for line in lines))
    done = run_here("train", path, "-o", tmp_path / "out", "--tag-column", "2", "--epochs", "1", *TINY)
    assert done.code == 0, done.err
    usual = run_here("evaluate", path, "-m", tmp_path / "out", "--json")
    named = run_here("evaluate", path, "-m", tmp_path / "out", "--json", "--tag-column", "2")
    assert usual.out == named.out
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"words": ["Anna", "saw"], "tags": ["B-PER", "O"]}\n')
    assert run_here("evaluate", rows, "-m", tmp_path / "out").code == 0  # where a column has no number


def test_a_tag_column_with_a_name_is_not_asked_of_a_format_without_names(run_here, tmp_path, data):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"words": ["Anna", "saw"], "mine": ["B-PER", "O"]}\n' * 20)
    done = run_here(
        "train", rows, "-o", tmp_path / "out", "--tag-column", "mine", "--task", "tag", "--epochs", "1", *TINY
    )
    assert done.code == 0, done.err
    for path in (rows, data / "entities.conll"):
        done = run_here("evaluate", path, "-m", tmp_path / "out")
        assert done.code == 0, done.err


def test_export_changes_the_graph_and_info_tells_of_it(run_here, classify_bundle, tmp_path):
    bundle = shutil.copytree(classify_bundle, tmp_path / "copy")
    given = tmp_path / "given.txt"
    given.write_text("The room was good.\nThe soup was awful.\n")
    shown = {}
    measured = {name: own for name, own in load_bundle(bundle).head()[1].runtime.items() if name.startswith("accuracy")}
    assert [*measured] == ["accuracy in float32", "accuracy in int8"]
    for precision in ("int8", "float32"):
        done = run_here("export", "-m", bundle, "--precision", precision)
        assert (done.code, done.err) == (0, f"lstmtext: saved {bundle} in {precision}\n")
        assert re.search(rf"precision +│ {precision}", run_here("info", "-m", bundle).out.decode())
        told = run_here("info", "-m", bundle).out.decode()
        assert all(re.search(rf"{name} +│ {own}", told) for name, own in measured.items())
        shown[precision] = run_here("classify", given, "-m", bundle).out.decode().split("\n")
    assert [line.split("\t")[0] for line in shown["int8"]] == [line.split("\t")[0] for line in shown["float32"]]
    done = run_here("export", "-m", bundle, "--precision", "int4")
    assert (done.code, done.err) == (2, "lstmtext: --precision: found 'int4'; expected float32, int8\n")


def test_a_graph_in_int8_that_nothing_was_measured_of_says_so(run_here, data, tiny, tmp_path):
    words = ["train", data / "reviews.csv", "-o", tmp_path / "out", "--epochs", 1, *tiny]
    assert run_here(*words, "--set", "export.precision=float32").code == 0
    runtime = {}
    for precision in ("int8", "float32"):
        assert run_here("export", "-m", tmp_path / "out", "--precision", precision).code == 0
        runtime[precision] = load_bundle(tmp_path / "out").head()[1].runtime
    assert runtime == {
        "int8": {"precision": "int8", "cost of int8": "not measured"},
        "float32": {"precision": "float32"},
    }
