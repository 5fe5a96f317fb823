"""Memory while a long stream of lines goes through `lstmtext classify`."""

import subprocess
import threading
import time

from tests.benchmarks.contenders.classifying import texts_of
from tests.benchmarks.data import COMMAND, BenchData
from tests.benchmarks.measure import Result, Row
from tests.benchmarks.memory import MemoryWatch

BYTES = 1_000_000_000


def run(data: BenchData, rounds: int) -> list[Result]:
    """A small encoder, so that a gigabyte takes minutes; memory is that of lines, batches and answers."""
    settings = ("encoder.hidden_size=16", "encoder.embedding_size=16", "export.precision=int8")
    bundle = data.bundle("small", data.sentences_train, *settings, options=("--epochs", "1"))
    texts = [" ".join(text.split()) for text, _ in texts_of(data.sentences_train, 5000)]
    block = "".join(text + "\n" for text in texts).encode()
    started = time.perf_counter()
    words = [str(COMMAND), "classify", "-m", str(bundle)]
    with (
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        MemoryWatch(process, "VmRSS", "VmHWM") as memory,
    ):
        answers: list[int] = []
        reader = threading.Thread(target=lambda: answers.append(_count_lines(process.stdout)))
        reader.start()
        sent = 0
        while sent < BYTES:
            process.stdin.write(block)
            sent += len(block)
        process.stdin.close()
        reader.join()
    seconds = time.perf_counter() - started
    lines = sent // len(block) * len(texts)
    assert answers == [lines], "a line of output for each of input"
    sizes = memory.samples["VmRSS"]
    tenth = len(sizes) // 10
    parts = {"first tenth": sizes[:tenth], "middle": sizes[tenth:-tenth], "last tenth": sizes[-tenth:]}
    rows = [Row(name, sorted(part)[len(part) // 2], min(part), max(part)) for name, part in parts.items()]
    most = max(memory.samples["VmHWM"])
    notes = [f"{sent / 1e9:.2f} GB, {lines:,} lines in {seconds:.0f} s; most at any time {most:.0f} MB"]
    return [Result("Memory over a long stream", "MB", rows, notes)]


def _count_lines(stream) -> int:
    return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 16), b""))
