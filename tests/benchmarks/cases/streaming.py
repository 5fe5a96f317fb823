"""Memory while a long stream of lines goes through `lstmtext classify`."""

import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.benchmarks.contenders.classifying import texts_of
from tests.benchmarks.data import COMMAND, BenchData
from tests.benchmarks.measure import Result, Row

BYTES = 1_000_000_000
SAMPLE_SECONDS = 0.5


def run(data: BenchData, rounds: int) -> list[Result]:
    """A small encoder, so that a gigabyte takes minutes; memory is that of lines, batches and answers."""
    settings = ("encoder.hidden_size=16", "encoder.embedding_size=16", "export.precision=int8")
    bundle = data.bundle("small", data.sentences_train, *settings, options=("--epochs", "1"))
    texts = [" ".join(text.split()) for text, _ in texts_of(data.sentences_train, 5000)]
    block = "".join(text + "\n" for text in texts).encode()
    started = time.perf_counter()
    words = [str(COMMAND), "classify", "-m", str(bundle)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        answers: list[int] = []
        reader = threading.Thread(target=lambda: answers.append(_count_lines(process.stdout)))
        sizes: list[float] = []
        peaks: list[float] = []
        watcher = threading.Thread(target=_watch, args=(process, sizes, peaks))
        reader.start()
        watcher.start()
        sent = 0
        while sent < BYTES:
            process.stdin.write(block)
            sent += len(block)
        process.stdin.close()
        reader.join()
        process.wait()
        watcher.join()
    seconds = time.perf_counter() - started
    lines = sent // len(block) * len(texts)
    assert answers == [lines], "a line of output for each of input"
    tenth = len(sizes) // 10
    parts = {"first tenth": sizes[:tenth], "middle": sizes[tenth:-tenth], "last tenth": sizes[-tenth:]}
    rows = [Row(name, sorted(part)[len(part) // 2], min(part), max(part)) for name, part in parts.items()]
    notes = [f"{sent / 1e9:.2f} GB, {lines:,} lines in {seconds:.0f} s; most at any time {max(peaks):.0f} MB"]
    return [Result("Memory over a long stream", "MB", rows, notes)]


def _count_lines(stream) -> int:
    return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 16), b""))


def _watch(process, sizes: list[float], peaks: list[float]) -> None:
    """Memory of a process now, and the most so far as the system counts it, in MB, until the process ends."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        with suppress(OSError):
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            if "VmRSS" in fields:
                sizes.append(int(fields["VmRSS"].split()[0]) / 1024)
                peaks.append(int(fields["VmHWM"].split()[0]) / 1024)
        time.sleep(SAMPLE_SECONDS)
