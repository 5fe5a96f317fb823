"""What `--class-weight balanced` gives where one label is rare: macro F1 of texts cut alike, a seed a round."""

import random
import statistics

from tests.benchmarks.contenders.classifying import texts_of
from tests.benchmarks.data import BenchData
from tests.benchmarks.measure import Result, rows_of
from tests.benchmarks.trained import trained_scores

RARE = 0.05
"""Share of the rarer label."""
CONTENDERS = {"lstmtext, balanced": "balanced", "lstmtext, unweighted": "none"}


def run(data: BenchData, rounds: int) -> list[Result]:
    name, curve = next((name, curve) for name, curve in data.curves.items() if curve.task == "classify")
    records = {part: _cut([*texts_of(getattr(curve, part), None)]) for part in ("train", "valid", "test")}
    found: dict[str, list[dict]] = {kind: [] for kind in CONTENDERS}
    for seed in range(1, rounds + 1):
        for kind, weight in CONTENDERS.items():
            options = ("--encoder", data.encoder or "none", "--class-weight", weight, "--seed", seed)
            found[kind].append(trained_scores("classify", records, options))
    scores = {kind: [100 * own["macro_f1"] for own in scored] for kind, scored in found.items()}
    notes = [f"{part}: {len(own)} texts" for part, own in records.items()]
    for kind, scored in found.items():
        for label in scored[0]["labels"]:
            figures = (f"{_mean(scored, label, which):.3f} {which}" for which in ("precision", "recall", "f1"))
            notes.append(f"{kind}, {label}: {', '.join(figures)} (means over {rounds} seeds)")
    rows = [row for kind, own in scores.items() for row in rows_of({kind: own}, higher_is_better=True)]
    return [Result(f"{name} cut to 95:5", "macro F1, %", rows, notes)]


def _cut(records: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """All texts of the label that comes last in the alphabet, and as many others as make up the rare share."""
    most = max(label for _, label in records)
    common, others = ([own for own in records if (own[1] == most) is kept] for kept in (True, False))
    rare = random.Random(0).sample(others, min(len(others), round(len(common) * RARE / (1 - RARE))))
    return sorted([*common, *rare])


def _mean(scored: list[dict], label: str, which: str) -> float:
    return statistics.mean(own["labels"][label][which] for own in scored)
