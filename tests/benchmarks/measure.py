"""The measuring instrument: contenders in processes of their own, asked in turn, and what came of it.

Every contender prepares itself (loads or trains its model), then does the same work whenever it is told to. Rounds go
through all contenders one after the other, so that a busy machine weighs on all alike; a ratio is the median of the
ratios of each round.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
CURVE = "Learning curve"
"""Begins the titles of results that are drawn."""


@dataclass
class Row:
    """What was measured of one contender."""

    name: str
    median: float
    least: float
    most: float
    peak_mb: float | None = None
    ratio: tuple[float, float, float] | None = None
    """Of the first contender to this one: median, least and most over the rounds; above 1, the first is better."""


@dataclass
class Result:
    """One benchmark."""

    title: str
    unit: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)


class Contender:
    """A process that does its work once for every line it is sent."""

    def __init__(self, name: str, module: str, arguments: Mapping[str, object]) -> None:
        self.name = name
        self.absent = ""
        words = [sys.executable, "-m", "tests.benchmarks.worker", module, json.dumps(arguments, default=str)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        answer = self._answer()
        self.absent = str(answer.get("absent", ""))
        self.extra = answer.get("extra", {})

    def rate(self) -> float:
        """Do the work once; amount of it in a second."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        answer = self._answer()
        return float(answer["amount"]) / float(answer["seconds"])

    def close(self) -> float:
        """End the process; its peak memory in MB."""
        self._process.stdin.close()
        peak = float(self._answer()["peak_mb"])
        self._process.wait()
        return peak

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self._process.wait()}")
        return json.loads(line)


def race(title: str, unit: str, contenders: Mapping[str, tuple[str, Mapping[str, object]]], rounds: int) -> Result:
    """Rates of contenders (amount of work in a second); the first is compared with each of the others."""
    notes, running = [], []
    for name, (module, arguments) in contenders.items():
        contender = Contender(name, module, arguments)
        if contender.absent:
            notes.append(f"{name}: left out, {contender.absent}")
        else:
            running.append(contender)
            notes += [f"{name}: {key} {value}" for key, value in contender.extra.items()]
    for contender in running:
        contender.rate()  # caches fill
    rates: dict[str, list[float]] = {contender.name: [] for contender in running}
    for _ in range(rounds):
        for contender in running:
            rates[contender.name].append(contender.rate())
    rows = rows_of(rates, higher_is_better=True)
    for row, contender in zip(rows, running, strict=True):
        row.peak_mb = round(contender.close())
    return Result(title, unit, rows, notes)


def rows_of(measured: Mapping[str, Sequence[float]], *, higher_is_better: bool) -> list[Row]:
    """Rows of what was measured in the same rounds."""
    first = next(iter(measured.values()))
    rows = []
    for name, values in measured.items():
        pairs = zip(first, values, strict=True)
        ratios = sorted(a / b if higher_is_better else b / a for a, b in pairs)
        row = Row(name, statistics.median(values), min(values), max(values))
        row.ratio = None if values is first else (statistics.median(ratios), ratios[0], ratios[-1])
        rows.append(row)
    return rows


def time_commands(commands: Mapping[str, Sequence[object]], rounds: int, given: bytes = b"") -> list[Row]:
    """Rows of the seconds of whole processes, in turn, with their peak memory."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    peaks = dict.fromkeys(commands, 0.0)
    for _ in range(rounds + 1):
        for name, words in commands.items():
            taken, peak = _ran([str(word) for word in words], given)
            seconds[name].append(taken)
            peaks[name] = max(peaks[name], peak)
    rows = rows_of({name: values[1:] for name, values in seconds.items()}, higher_is_better=False)
    for row in rows:  # the first round fills caches
        row.peak_mb = round(peaks[row.name])
    return rows


def _ran(words: Sequence[str], given: bytes) -> tuple[float, float]:
    """Seconds and peak memory in MB of one process."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = time.perf_counter()
    process = subprocess.Popen(words, stdin=subprocess.PIPE, cwd=ROOT, **quiet)
    process.stdin.write(given)
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    taken = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    return taken, usage.ru_maxrss / 1024
