"""Long and strange streams through the pipe commands: a line for every line, the same whatever stands beside it."""

import json
import subprocess
import sys
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lstmtext.cli.streams import GROUP_BYTES
from tests.conftest import COMMAND, ENVIRONMENT

ONE_LINE_A_TEXT = [("classify", "tsv"), ("classify", "jsonl"), ("tag", "inline"), ("tag", "jsonl")]
LINES = st.one_of(st.binary(max_size=30), st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")))
MANY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def line_count(content: bytes) -> int:
    """Lines as `wc -l` counts them, and one more for an end without a newline."""
    return content.count(b"\n") + (not content.endswith(b"\n") and content != b"")


@pytest.mark.parametrize(("command", "output"), ONE_LINE_A_TEXT)
@MANY
@given(lines=st.lists(LINES, max_size=6), ending=st.sampled_from([b"\n", b"\r\n"]), finished=st.booleans())
def test_any_bytes_give_a_line_for_every_line(run_here, bundle_of, command, output, lines, ending, finished):
    content = ending.join(lines) + (ending if finished else b"")
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:
        file.write(content)
        file.flush()
        done = run_here(command, file.name, "-m", bundle_of(command), "--format", output, "--threads", 1)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    assert done.out.count(b"\n") == line_count(content.removeprefix(b"\xef\xbb\xbf"))
    assert done.out == b"" or done.out.endswith(b"\n")


@pytest.mark.parametrize("command", ["classify", "tag"])
def test_only_empty_lines_are_answered_too(run_process, bundle_of, command):
    done = run_process(command, "-m", bundle_of(command), "--format", "jsonl", given=b"\n\n\r\n\n")
    assert (done.code, done.out.count(b"\n")) == (0, 4)


@pytest.mark.parametrize(("command", "output"), [("classify", "jsonl"), ("tag", "inline")])
def test_answers_are_the_same_for_any_number_of_threads_and_any_way_lines_arrive(
    start_process, run_process, bundle_of, tmp_path, command, output
):
    lines = [f"{'The soup was good. ' * (n % 7)}Anna Berg {n} lives in Oslo\n".encode() for n in range(8000)]
    (tmp_path / "lines.txt").write_bytes(b"".join(lines))
    assert (tmp_path / "lines.txt").stat().st_size > 4 * GROUP_BYTES, "several groups are under way at once"
    words = [command, "-m", bundle_of(command), "--format", output]
    answers = {run_process(*words, tmp_path / "lines.txt", "--threads", n) for n in (0, 1, 3)}
    assert len(answers) == 1
    dripping = start_process(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    answered = b""
    for start, end in ((0, 1), (1, 3), (3, 90)):
        content = b"".join(lines[start:end])
        for part in (content[:-3], content[-3:]):  # a line may come in two parts
            dripping.stdin.write(part)
            dripping.stdin.flush()
        while answered.count(b"\n") < end:  # the next lines are another group
            answered += dripping.stdout.read1()
    dripping.stdin.close()
    assert answers.pop().out.startswith(answered)


def test_unread_columns_of_tables_in_json_lines_pass_through_both_commands(run_process, classify_bundle, tag_bundle):
    record = {"id": 3, "text": "Anna was good.", "stars": None, "more": [1, {"a": "é"}]}
    classified = run_process("classify", "-m", classify_bundle, "--format", "jsonl", given=json.dumps(record).encode())
    tagged = json.loads(run_process("tag", "-m", tag_bundle, "--format", "jsonl", given=classified.out).out)
    assert {key: tagged[key] for key in record} == record
    assert {"label", "probability", "words", "tags", "offsets"} <= tagged.keys()


@pytest.mark.slow
def test_a_million_short_lines(classify_bundle, tmp_path):
    kinds = [b"good\n", b"bad soup\n", b"\n", b"x\n"]
    (tmp_path / "million.txt").write_bytes(b"".join(kinds) * 250_000)
    words = [COMMAND, "classify", "-m", str(classify_bundle)]
    few = subprocess.run(words, input=b"".join(kinds), env=ENVIRONMENT, capture_output=True, check=True).stdout
    with (tmp_path / "million.txt").open("rb") as lines, (tmp_path / "answers.txt").open("wb") as answers:
        subprocess.run(words, stdin=lines, stdout=answers, env=ENVIRONMENT, check=True, timeout=600)
    assert (tmp_path / "answers.txt").read_bytes() == few * 250_000


PROGRAM = (
    "import resource, subprocess, sys;"
    "subprocess.run(sys.argv[1:], stdin=open(0, 'rb', closefd=False), check=True);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=sys.stderr)"
)


@pytest.mark.slow
def test_a_line_of_fifty_megabytes_is_one_answer_and_says_that_it_was_cut(classify_bundle, tmp_path):
    (tmp_path / "long.txt").write_bytes(b"The soup was good, so Anna said. " * 1_600_000 + b"\nbad\n")
    words = [sys.executable, "-c", PROGRAM, COMMAND, "classify", "-m", str(classify_bundle)]
    with (tmp_path / "long.txt").open("rb") as lines:
        done = subprocess.run(words, stdin=lines, capture_output=True, env=ENVIRONMENT, check=True, timeout=600)
    assert done.stdout.count(b"\n") == 2
    *said, peak = done.stderr.decode().splitlines()
    assert said == ["lstmtext: texts longer than the model reads, without their middle: 1"]
    assert int(peak) < 1500, "megabytes"


@pytest.mark.slow
@pytest.mark.parametrize(("format_name", "megabytes"), [("conll", 200), ("jsonl", 380)])
def test_tag_reads_a_line_of_four_megabytes_in_bounded_memory(tag_bundle, tmp_path, format_name, megabytes):
    """A million words, of which only the places are held, not the words."""
    text = "Anna Berg lives in Oslo . " * 160_000
    (tmp_path / "long.txt").write_text(text)
    command = [COMMAND, "tag", str(tmp_path / "long.txt"), "-m", str(tag_bundle), "--pretokenized"]
    words = [sys.executable, "-c", PROGRAM, *command, "--format", format_name]
    done = subprocess.run(words, capture_output=True, env=ENVIRONMENT, check=True, timeout=600, text=True)
    assert int(done.stderr) < megabytes
    if format_name == "conll":
        rows = [row.split("\t") for row in done.stdout.splitlines()[:-1]]
        found, tags = map(list, zip(*rows, strict=True))
    else:
        record = json.loads(done.stdout)
        found, tags = record["words"], record["tags"]
        assert list(record) == ["text", "words", "tags", "offsets", "spans"]
        assert [text[start:end] for start, end in record["offsets"]] == found
        assert all(text[span["start"] : span["end"]] == span["text"] for span in record["spans"])
    assert found == text.split()
    assert tags[:6] == tags[6:12] == tags[-6:]
