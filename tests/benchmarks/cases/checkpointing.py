"""What a checkpoint costs: its seconds, as a share of the time between two."""

from tests.benchmarks.cases.training import encoded
from tests.benchmarks.data import BenchData
from tests.benchmarks.measure import Result, race

SECONDS_BETWEEN = 30


def run(data: BenchData, rounds: int) -> list[Result]:
    asked = {
        title: ("checkpointing", {"data": folder, "task": task, "settings": settings})
        for title, (task, folder, settings) in encoded(data).items()
    }
    result = race("Checkpoints of a training", "checkpoints/s", asked, rounds)
    for row in result.rows:
        row.ratio = None  # the models have different sizes
        share = 1 / row.median / SECONDS_BETWEEN
        result.notes.append(f"{row.name}: one every {SECONDS_BETWEEN} s takes {share:.2%} of the time")
    return [result]
