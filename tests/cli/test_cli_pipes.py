"""What stands around a command in a pipe: readers that leave, slow producers, full disks."""

import gzip
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lstmtext.cli.streams import GROUP_BYTES, GROUP_LINES, read_groups
from tests.conftest import COMMAND, ENVIRONMENT

LINE = b"Anna was good.\n"
WAIT_SECONDS = 60


@pytest.mark.parametrize("task", ["classify", "tag", "generate"])
def test_a_reader_that_leaves_early_ends_the_command_quietly(start_process, bundle_of, tmp_path, task):
    (tmp_path / "many.txt").write_bytes(LINE * 20_000)
    words = ["--prompt", "Anna", "--samples", "100000"] if task == "generate" else [tmp_path / "many.txt"]
    process = start_process(task, *words, "-m", bundle_of(task), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(WAIT_SECONDS) == 0
    assert process.stderr.read() == b""


@pytest.mark.parametrize("task", ["classify", "tag"])
def test_the_first_answer_arrives_while_standard_input_is_open(start_process, bundle_of, task):
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = start_process(task, "-m", bundle_of(task), **streams)
    for _ in range(2):
        process.stdin.write(LINE)
        process.stdin.flush()
        assert select.select([process.stdout], [], [], WAIT_SECONDS)[0], "no answer while the input is open"
        answer = process.stdout.read1()
        assert answer.endswith(b"\n")
    process.stdin.close()
    assert process.wait(WAIT_SECONDS) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
@pytest.mark.parametrize(
    "words",
    [("classify", "{file}"), ("tag", "{file}"), ("info",), ("generate", "--prompt", "Anna")],
    ids=lambda words: words[0],
)
def test_a_full_disk_gives_one_clear_line(start_process, bundle_of, tmp_path, words):
    (tmp_path / "one.txt").write_bytes(LINE)
    model = bundle_of("classify" if words[0] == "info" else words[0])
    filled = [word.format(file=tmp_path / "one.txt") for word in words]
    with Path("/dev/full").open("wb") as full:
        process = start_process(*filled, "-m", model, stdout=full, stderr=subprocess.PIPE)
    said = process.communicate(timeout=WAIT_SECONDS)[1].decode()
    assert process.returncode == 1
    assert said.startswith("lstmtext: ")
    assert said.count("\n") == 1
    assert said == "lstmtext: standard output: No space left on device\n"


def test_a_reader_that_never_reads_ends_info_quietly(start_process, classify_bundle):
    process = start_process("info", "-m", classify_bundle, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(WAIT_SECONDS) == 0
    assert process.stderr.read() == b""


def test_text_files_may_be_compressed(run_here, classify_bundle, tmp_path):
    (tmp_path / "plain.txt").write_bytes(LINE * 3)
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress(LINE * 3))
    plain = run_here("classify", tmp_path / "plain.txt", "-m", classify_bundle)
    assert run_here("classify", tmp_path / "packed.txt.gz", "-m", classify_bundle) == plain


@pytest.mark.parametrize("task", ["classify", "tag"])
def test_an_interrupt_while_waiting_for_input_ends_with_exit_130_without_a_traceback(start_process, bundle_of, task):
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = start_process(task, "-m", bundle_of(task), **streams)
    process.stdin.write(LINE)
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(WAIT_SECONDS) == 130
    assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize("task", ["classify", "tag", "generate"])
def test_an_interrupt_in_the_middle_of_work_ends_with_exit_130(start_process, bundle_of, tmp_path, task):
    """Once something was answered, more than a pipe holds is still to come."""
    (tmp_path / "many.txt").write_bytes(LINE * 300_000)
    more = ["--prompt", "Anna", "--samples", 1_000_000] if task == "generate" else [tmp_path / "many.txt"]
    process = start_process(task, *more, "-m", bundle_of(task), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(1000)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    assert said.count(b"\n") <= 1
    assert b"Traceback" not in said


def test_an_interrupt_in_the_middle_of_a_long_line_does_not_wait_for_it(start_process, tag_bundle):
    """It would take half a minute; another short one would be answered within the second."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = start_process("tag", "-m", tag_bundle, "--threads", 2, **streams)
    process.stdin.write(LINE)
    process.stdin.flush()
    process.stdout.readline()
    process.stdin.write(LINE.rstrip() * 1_000_000 + b"\n")
    process.stdin.flush()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 130
    assert process.stderr.read() == b"lstmtext: interrupted\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_disk_that_fills_in_the_middle_of_an_answer_is_told_of(classify_bundle, tmp_path, unbuffered):
    """Where Python does not buffer, a write may take a part of what it is given."""
    (tmp_path / "many.txt").write_bytes(LINE * 3000)
    words = [COMMAND, "classify", str(tmp_path / "many.txt"), "-m", str(classify_bundle)]
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))"
    script = f"import os, resource, sys; {limit}; os.execv(sys.argv[1], sys.argv[1:])"
    with (tmp_path / "answers.txt").open("wb") as answers:
        done = subprocess.run(
            [sys.executable, "-c", script, *words],
            env={**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered},
            stdout=answers,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"lstmtext: standard output: File too large\n")
    assert (tmp_path / "answers.txt").stat().st_size == 30_000


def test_standard_input_that_does_not_wait_is_waited_for(start_process, classify_bundle):
    """Some programs hand on such pipes; a pause of the writer is no end."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    process = start_process("classify", "-m", classify_bundle, stdin=reader, stdout=subprocess.PIPE)
    with open(writer, "wb", buffering=0) as lines:  # noqa: PTH123
        for _ in range(3):
            lines.write(LINE)
            assert process.stdout.readline().count(b"\t") == 1
            time.sleep(0.1)
    assert process.wait(WAIT_SECONDS) == 0
    os.close(reader)


def test_what_was_cut_or_broken_is_told_of_though_the_input_ends_in_an_error(start_process, classify_bundle, tmp_path):
    packed = gzip.compress(b"soup " * 3000 + b"\xff\n" + LINE * 100_000)
    (tmp_path / "broken.txt.gz").write_bytes(packed[: len(packed) * 9 // 10])
    process = start_process("classify", tmp_path / "broken.txt.gz", "-m", classify_bundle, stderr=subprocess.PIPE)
    said = process.communicate(timeout=WAIT_SECONDS)[1].decode().splitlines()
    assert process.returncode == 3
    assert said[0] == "lstmtext: texts longer than the model reads, without their middle: 1"
    assert said[1].startswith("lstmtext: lines with bytes that are not UTF-8")
    assert "cannot be read" in said[2]
    assert len(said) == 3


def test_a_group_has_no_more_than_so_many_lines(tmp_path):
    (tmp_path / "empty.txt").write_bytes(b"\n" * 3 * GROUP_LINES + b"x")
    sizes = [len(group) for group in read_groups(str(tmp_path / "empty.txt"))]
    assert sum(sizes) == 3 * GROUP_LINES + 1
    assert max(sizes) == GROUP_LINES


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_few_lines_are_several_groups_for_several_threads_and_many_lines_full_ones(tmp_path, mark):
    line = b"x" * 63 + b"\n"

    def sizes(total, threads):
        (tmp_path / "lines.txt").write_bytes(mark + line * (total // len(line)))
        groups = [group for group in read_groups(str(tmp_path / "lines.txt"), threads) if group]
        found = [len(line) * len(group) for group in groups]
        assert sum(found) == total
        return found

    few = sizes(GROUP_BYTES, 2)
    assert len(few) >= 4
    assert max(few) <= GROUP_BYTES // 4 + len(mark) * len(line), "no thread has most of the work"
    assert len(sizes(GROUP_BYTES, 1)) <= 2, "one thread gains nothing from small groups"
    many = sizes(20 * GROUP_BYTES, 2)
    assert abs(max(many) - GROUP_BYTES) <= 2 * len(line)


INTERRUPTED_WHILE_LOADING = """
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from lstmtext.__main__ import main
main()
"""


def test_an_interrupt_while_the_commands_are_loaded_is_told_as_any_other():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_LOADING], env=ENVIRONMENT, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, b"lstmtext: interrupted\n")


def test_the_runtime_writes_nothing_and_reports_nothing(classify_bundle, tmp_path):
    """ONNX Runtime keeps a queue of events to report under the home folder unless it was told not to."""
    kept = {name: value for name, value in ENVIRONMENT.items() if not name.startswith(("XDG_", "ORT_"))}
    words = [COMMAND, "classify", "-m", str(classify_bundle)]
    environment = {**kept, "HOME": str(tmp_path)}
    subprocess.run(words, input=LINE, env=environment, check=True, capture_output=True, timeout=WAIT_SECONDS)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(("closed", "name"), [("<&-", "standard input"), (">&-", "standard output")])
def test_a_closed_stream_is_one_clear_line(classify_bundle, closed, name):
    command = f"{sys.executable} -m lstmtext classify -m {classify_bundle} {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode in (2, 3)
    assert f"{name}: is closed" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "given", [b"\xef\xbb\xbfgood\nbad\n", b"\xef\xbb\xbf", b"\xef\xbb", b"\xef\xbb\xef\xbb\xbf", b"\xef"]
)
def test_a_mark_at_the_beginning_is_the_same_in_one_read_and_byte_by_byte(tmp_path, given):
    (tmp_path / "whole.txt").write_bytes(given)
    whole = [line for group in read_groups(str(tmp_path / "whole.txt")) for line in group]
    os.mkfifo(tmp_path / "pipe")

    def send():
        with (tmp_path / "pipe").open("wb", buffering=0) as pipe:
            for byte in given:
                pipe.write(bytes([byte]))
                time.sleep(0.01)

    sender = threading.Thread(target=send)
    sender.start()
    slowly = [line for group in read_groups(str(tmp_path / "pipe")) for line in group]
    sender.join()
    assert slowly == whole
    assert whole == given.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").splitlines()


@pytest.mark.parametrize("words", [("info",), ("evaluate", "{data}/reviews.csv"), ("classify", "{data}/prose.txt")])
def test_standard_output_is_the_same_on_a_terminal_and_in_a_pipe(start_process, classify_bundle, data, words):
    filled = [word.format(data=data) for word in words]
    piped = start_process(*filled, "-m", classify_bundle, stdout=subprocess.PIPE).communicate(timeout=WAIT_SECONDS)[0]
    mine, theirs = pty.openpty()
    process = start_process(*filled, "-m", classify_bundle, stdout=theirs)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # which a terminal gives instead of an end
        while block := os.read(mine, 1 << 16):
            shown += block
    assert process.wait(WAIT_SECONDS) == 0
    assert shown.replace(b"\r\n", b"\n") == piped
