"""One process with two threads against two processes with one each, which share every batch."""

import json
import subprocess
import sys

from tests.benchmarks.cases.training import encoded
from tests.benchmarks.data import COMMAND, BenchData
from tests.benchmarks.measure import Result, rows_of

LARGER = {
    "classify": (4096, "train.batch_tokens=4096"),
    "tag": (4096, "train.batch_tokens=4096"),
    "generate": (8192, "generate.rows=256"),
}
"""Tokens of a large step, and how they are asked for."""
MORE = ("--epochs", "2", "--set", "train.report=false", "--set", "export.precision=float32", "-q")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "lstmtext")


def run(data: BenchData, rounds: int) -> list[Result]:
    """With the usual batches, and with large ones, whose products outweigh what does not shrink with the rows."""
    results = []
    works = dict(encoded(data))
    for title, (task, folder, settings) in list(works.items()):
        tokens, setting = LARGER[task]
        works[f"{title}, {tokens:,} tokens a step"] = (task, folder, (*settings, setting))
    for number, (title, (_, folder, settings)) in enumerate(works.items()):
        common = [word for setting in settings if not setting.startswith("text.") for word in ("--set", setting)]
        ways = {
            "2 processes, 1 thread each": [*TORCHRUN, "train", folder, "--threads", 1],
            "1 process, 2 threads": [COMMAND, "train", folder, "--threads", 2],
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(rounds):
            for name, words in ways.items():
                logs = data.work / f"logs-{number}-{turn}-{name[0]}"
                output = ["-o", data.work / "shared", "--log-dir", logs, *common, *MORE]
                subprocess.run([str(word) for word in [*words, *output]], check=True, capture_output=True)
                rates[name].append(_tokens_a_second(logs))
        results.append(Result(f"Processes for the {title}", "tokens/s", rows_of(rates, higher_is_better=True)))
    return results


def _tokens_a_second(logs) -> float:
    """Of the second pass, with its validation: the first has the preparation."""
    records = [json.loads(line) for line in (logs / "steps.jsonl").read_text().splitlines()]
    first, last = (record for record in records if record["kind"] == "validation")
    steps = (record for record in records if record["kind"] == "step" and record["step"] > first["step"])
    return sum(record["tokens"] for record in steps) / (last["seconds"] - first["seconds"])
