"""What one command writes another reads, and no input column is lost."""

import itertools
import json

import pytest

LINES = b"Anna saw Oslo.\n\nThe room was fine.\n"


@pytest.mark.parametrize("suffix", ["conll", "conllu", "jsonl"])
def test_a_span_tagger_agrees_with_what_it_wrote(tag_bundle, tmp_path, suffix, run_here, run_process):
    written = run_process("tag", "-m", tag_bundle, "--format", suffix, given=LINES)
    path = tmp_path / f"tagged.{suffix}"
    path.write_bytes(written.out)
    scores = json.loads(run_here("evaluate", path, "-m", tag_bundle, "--json").out)["scores"]
    assert scores["accuracy"] == 1.0


def test_every_line_of_a_span_tagger_has_the_same_keys(tag_bundle, run_process):
    written = run_process("tag", "-m", tag_bundle, "--format", "jsonl", given=LINES)
    records = [json.loads(line) for line in written.out.splitlines()]
    assert [set(record) for record in records] == [{"text", "words", "tags", "offsets", "spans"}] * 3


def test_a_gold_label_passes_through(classify_bundle, run_process):
    line = json.dumps({"text": "a good room", "label": "gold", "id": 7}).encode() + b"\n"
    written = run_process("classify", "-m", classify_bundle, "--format", "jsonl", given=line)
    record = json.loads(written.out)
    assert (record["label"], record["id"]) == ("gold", 7)
    assert record["predicted_label"] in ("positive", "negative", "good", "bad")


def test_a_chain_of_classifiers_loses_no_answer(classify_bundle, run_process):
    lines = json.dumps({"text": "a good room", "probability": "mine", "labels": [1]}).encode() + b"\n"
    seen = [json.loads(lines)]
    for _ in range(3):
        lines = run_process("classify", "-m", classify_bundle, "--format", "jsonl", "--top", 2, given=lines).out
        seen.append(json.loads(lines))
    for before, after in itertools.pairwise(seen):
        assert before.items() <= after.items()
        assert len(after) == len(before) + 3


def test_a_chain_of_taggers_keeps_what_each_said(tag_bundle, run_process):
    lines = json.dumps({"text": "Anna saw Oslo.", "offsets": "mine", "gold_tags": "theirs"}).encode() + b"\n"
    for _ in range(2):
        lines = run_process("tag", "-m", tag_bundle, "--format", "jsonl", given=lines).out
    record = json.loads(lines)
    assert {"mine", "theirs"} <= {str(own) for own in record.values()}
    assert record["gold_gold_tags"] == record["tags"] != record["gold_tags"]
    assert record["gold_words"] == record["words"] == ["Anna", "saw", "Oslo", "."]


@pytest.mark.parametrize("output", ["inline", "conllu"])
def test_a_line_end_inside_a_json_text_stays_inside_its_answer(tag_bundle, run_process, tmp_path, run_here, output):
    line = json.dumps({"text": "Anna\nBerg\r\nlives in Oslo."}).encode() + b"\n"
    done = run_process("tag", "-m", tag_bundle, "--text-column", "text", "--format", output, given=line * 2)
    if output == "inline":
        assert len(done.out.splitlines()) == 2
        return
    (tmp_path / "tagged.conllu").write_bytes(done.out)
    evaluated = run_here("evaluate", tmp_path / "tagged.conllu", "-m", tag_bundle, "--json")
    assert json.loads(evaluated.out)["records"] == 2
