"""What one command writes another reads, and no input column is lost."""

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
