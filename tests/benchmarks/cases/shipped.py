"""The bundle that comes with lstmtext: start-up of one line, and reviews in one process."""

import sys

from lstmtext.shipped import shipped_bundle
from tests.benchmarks.cases.classifying import TEXTS
from tests.benchmarks.cases.cold_start import LINE
from tests.benchmarks.data import COMMAND, BenchData
from tests.benchmarks.measure import Result, race, time_commands


def run(data: BenchData, rounds: int) -> list[Result]:
    bundle = shipped_bundle()
    if bundle is None:
        raise SystemExit("shipped: no bundle came with lstmtext here")
    size = sum(path.stat().st_size for path in bundle.iterdir()) / 1e6
    commands = {
        "lstmtext classify": [COMMAND, "classify"],
        "lstmtext tag": [COMMAND, "tag", "--head", "upos", "--head", "ner"],
        "import torch": [sys.executable, "-c", "import torch"],
    }
    rows, notes = time_commands(commands, 2 * rounds, LINE), [f"bundle of {size:.1f} MB"]
    cold = Result("Cold start of one line, shipped bundle", "seconds", rows, notes)
    shared = {"train": data.reviews_train, "test": data.reviews_test, "count": TEXTS}
    contenders = {
        "lstmtext": {"kind": "lstmtext", "bundle": bundle, "precision": "", "head": "sentiment"},
        "spaCy textcat": {"kind": "spacy"},
    }
    asked = {name: ("classifying", {**shared, **own}) for name, own in contenders.items()}
    return [cold, race("Classifying reviews, shipped bundle", "words/s", asked, rounds)]
