"""Tokens a second of training, and how much of the machine it uses: a roofline of matrix products alone."""

import subprocess
from pathlib import Path

from tests.benchmarks.data import COMMAND, BenchData
from tests.benchmarks.measure import Result, race

CHARACTERS = ("text.unit=char", "encoder.directions=forward")


def encoded(data: BenchData) -> dict[str, tuple[str, Path, tuple[str, ...]]]:
    """Task, encoded data and settings of each training, by title."""
    works = {
        "classifier (SST-2)": ("classify", data.sentences_train, ()),
        "tagger (EWT)": ("tag", data.tagged_train, ()),
        "language model (tiny Shakespeare)": ("generate", data.prose, CHARACTERS),
    }
    made = {}
    for title, (task, file, settings) in works.items():
        folder = data.work / f"encoded-{task}"
        assignments = [word for setting in settings if setting.startswith("text.") for word in ("--set", setting)]
        words = [COMMAND, "preprocess", file, "-o", folder, "--task", task, *assignments]
        subprocess.run([str(word) for word in words], check=True, capture_output=True)
        made[title] = (task, folder, settings)
    return made


def run(data: BenchData, rounds: int) -> list[Result]:
    files = {"classify": data.sentences_train, "tag": data.tagged_train}
    results = []
    for title, (task, folder, settings) in encoded(data).items():
        ours = {"kind": "lstmtext", "data": folder, "task": task, "settings": settings}
        contenders = {"lstmtext": ("training", ours)}
        if task in files:
            contenders["spaCy"] = ("training", {"kind": "spacy", "data": files[task], "task": task})
        results.append(race(f"Training the {title}", "tokens/s", contenders, rounds))
        useful = {**ours, "flops": True}
        asked = {"lstmtext": ("training", useful), "products alone": ("training", {**useful, "kind": "roofline"})}
        results.append(race(f"Roofline of the {title}", "billion operations/s", asked, rounds))
    return results
