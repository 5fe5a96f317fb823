"""N lines in, N lines out, in order, whatever the lines hold."""

import json

import pytest

from tests.conftest import Outcome

NASTY = [
    b"The room was good.",
    b"",
    b"bad \xff\xfe bytes",
    b"nul \x00 inside",
    b"ends in CRLF\r",
    b"   \t ",
    "line separators \u2028 \u0085 \x0b \x0c \x1c inside".encode(),
    "Anna Berg lives in Oslo. \U0001f600 e\u0301 \u05d0".encode(),
    b"a carriage \r return",
    b'{"text": "broken',
    b'{"text": 7}',
    b'{"text": "\\ud800 half a pair", "n": "\\udfff"}',
    b"[1, 2]",
    b"long " * 3000,
    b"no line end after this",
]
INPUTS = {"last line unfinished": b"\n".join(NASTY), "last line finished": b"\n".join(NASTY) + b"\n"}


def answers_of(done: Outcome) -> list[str]:
    """The lines of output, once it is sure that there is one for each of input."""
    assert done.code == 0, done.err
    lines = done.out.decode("utf-8").split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(NASTY)
    return lines


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("output", ["tsv", "jsonl"])
def test_classify_answers_every_line_with_one_line(run_process, classify_bundle, output, given):
    done = run_process("classify", "-m", classify_bundle, "--format", output, "--threads", 1, given=given)
    lines = answers_of(done)
    if output == "jsonl":
        assert all(json.loads(line)["label"] in ("positive", "negative") for line in lines)
        assert json.loads(lines[4])["text"] == "ends in CRLF"
        assert json.loads(lines[9])["text"] == NASTY[9].decode()
    else:
        assert all(line.split("\t")[0] in ("positive", "negative") for line in lines)


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("output", ["inline", "jsonl"])
def test_tag_answers_every_line_with_one_line(run_process, tag_bundle, output, given):
    done = run_process("tag", "-m", tag_bundle, "--format", output, "--threads", 1, given=given)
    lines = answers_of(done)
    if output == "jsonl":
        assert [json.loads(line)["words"] for line in lines][1] == []
        assert all({"text", "words", "tags", "offsets"} <= json.loads(line).keys() for line in lines)
    else:
        assert lines[1] == ""


@pytest.mark.parametrize("output", ["conll", "conllu"])
def test_tag_writes_one_block_for_every_line(run_process, tag_bundle, output):
    done = run_process(
        "tag", "-m", tag_bundle, "--format", output, "--threads", 1, given=INPUTS["last line unfinished"]
    )
    assert done.code == 0, done.err
    assert done.out.split(b"\n").count(b"") - 1 == len(NASTY)
    assert done.out.endswith(b"\n\n")


def test_no_input_gives_no_output(run_process, classify_bundle):
    assert run_process("classify", "-m", classify_bundle, given=b"") == (0, b"", "")


def test_an_answer_does_not_depend_on_its_neighbours_or_the_batch(run_here, classify_bundle, tag_bundle, tmp_path):
    texts = [
        f"The {word} was {'good' if place % 3 else 'bad'}." * (1 + place % 7)
        for place, word in enumerate(["soup", "Anna Berg", "x"] * 9)
    ]
    (tmp_path / "all.txt").write_text("\n".join(texts) + "\n")
    (tmp_path / "reversed.txt").write_text("\n".join(reversed(texts)))
    commands = {"classify": ["-m", classify_bundle, "--format", "tsv"], "tag": ["-m", tag_bundle, "--format", "inline"]}
    for command, options in commands.items():
        together = run_here(command, tmp_path / "all.txt", *options).out.splitlines()
        backwards = run_here(command, tmp_path / "reversed.txt", *options).out.splitlines()
        assert together == backwards[::-1]
        for place in (0, 5, 13):
            (tmp_path / "one.txt").write_text(texts[place])
            assert run_here(command, tmp_path / "one.txt", *options).out.splitlines() == [together[place]]


def test_other_keys_of_json_lines_pass_through(run_here, classify_bundle, tag_bundle, tmp_path):
    record = {"id": 7, "text": "Anna Berg lives in Oslo.", "more": {"a": [1, None, "é"]}}
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps(record) + "\n")
    for command, model in (("classify", classify_bundle), ("tag", tag_bundle)):
        answer = json.loads(run_here(command, path, "-m", model, "--format", "jsonl").out)
        assert {key: answer[key] for key in record} == record
    renamed = json.dumps({"body": "The room was good.", "id": 1})
    path.write_text(renamed)
    answer = json.loads(
        run_here("classify", path, "-m", classify_bundle, "--format", "jsonl", "--text-column", "body").out
    )
    assert (answer["body"], answer["id"], answer["label"]) == ("The room was good.", 1, "positive")


def test_tag_reports_offsets_into_the_line_as_it_came(run_here, tag_bundle, tmp_path):
    text = "  \U0001f600 Anna  Berg lives in Oslo."
    (tmp_path / "one.txt").write_text(text)
    answer = json.loads(run_here("tag", tmp_path / "one.txt", "-m", tag_bundle, "--format", "jsonl").out)
    assert answer["text"] == text
    assert [text[start:end] for start, end in answer["offsets"]] == answer["words"]
    assert all(text[span["start"] : span["end"]] == span["text"] for span in answer["spans"])
    assert {"label": "LOC", "start": text.index("Oslo"), "end": text.index("Oslo") + 4, "text": "Oslo"} in answer[
        "spans"
    ]


def test_a_label_with_a_line_end_stays_one_line(run_here, run_process, tiny, tmp_path):
    rows = "".join(f'good {number},"very\ngood"\nbad {number},bad\n' for number in range(10))
    (tmp_path / "a.csv").write_text("text,label\n" + rows)
    assert run_here("train", tmp_path / "a.csv", "-o", tmp_path / "out", "--epochs", 1, *tiny).code == 0
    done = run_process("classify", "-m", tmp_path / "out", "--top", 2, given=b"good 1\nbad 2\n")
    assert len(done.out.splitlines()) == 2
    assert b"very good" in done.out


@pytest.mark.parametrize("given", [b"", b"\xef\xbb\xbf"])
def test_no_lines_have_no_answers(run_process, classify_bundle, given):
    done = run_process("classify", "-m", classify_bundle, given=given)
    assert (done.code, done.out) == (0, b"")
