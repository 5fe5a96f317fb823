"""Memory while a language model is trained on a text that is larger than memory should have to be."""

import gzip
import itertools
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.data import COMMAND, BenchData
from tests.benchmarks.measure import Result, Row
from tests.benchmarks.memory import MemoryWatch

BYTES = 1_000_000_000
BLOCK = 1 << 20
FIELDS = {"private": "RssAnon", "with mapped files": "VmRSS"}


def run(data: BenchData, rounds: int) -> list[Result]:
    """A small encoder, so that memory is that of text and tokens; the text is what there is, over and over."""
    text = data.work / "large.txt"
    with text.open("wb") as stream:
        for block in itertools.chain.from_iterable(
            _blocks(file) for file in itertools.cycle(data.pile or (data.prose,))
        ):
            stream.write(block)
            if stream.tell() >= BYTES:
                break
    small = [word for name in ("hidden", "embedding") for word in ("--set", f"encoder.{name}_size=32")]
    words = [COMMAND, "train", text, "-o", data.work / "large", "--task", "generate", "--budget", "60s", "-q", *small]
    started = time.perf_counter()
    with (
        subprocess.Popen([str(word) for word in words]) as process,
        MemoryWatch(process, *FIELDS.values()) as memory,
    ):
        pass
    assert process.returncode == 0
    seconds = time.perf_counter() - started
    found = {name: sorted(memory.samples[field]) for name, field in FIELDS.items()}
    rows = [Row(name, sizes[len(sizes) // 2], sizes[0], sizes[-1]) for name, sizes in found.items()]
    notes = [f"{text.stat().st_size / 1e9:.2f} GB of text; {seconds:.0f} s, of which 60 s are steps"]
    text.unlink()
    return [Result("Memory of training on a large text", "MB", rows, notes)]


def _blocks(file: Path) -> Iterator[bytes]:
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
        yield from iter(lambda: stream.read(BLOCK), b"")
