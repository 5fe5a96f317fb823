"""Run benchmarks: `python -m tests.benchmarks [CASE ...] [--data FOLDER] [--rounds N] [--out FOLDER]`.

Without --data, the development data that stand beside the project are read, or else the samples in data/.
"""

import argparse
import importlib
import tempfile
from pathlib import Path

from tests.benchmarks.data import BenchData
from tests.benchmarks.measure import ROOT, Result
from tests.benchmarks.report import as_markdown, write

CASES = ("cold_start", "classifying", "tagging", "generating", "training", "streaming")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Benchmarks beside peers.")
    parser.add_argument("cases", nargs="*", help=f"which of {', '.join(CASES)}; all if none is named")
    parser.add_argument("--data", type=Path, help="folder with imdb, sst2, ewt and shakespeare")
    parser.add_argument("--samples", action="store_true", help="read the samples in data/")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "benchmarks")
    asked = parser.parse_args()
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as work:
        data = BenchData.samples(Path(work)) if asked.samples else BenchData.find(asked.data, Path(work))
        for name in asked.cases or CASES:
            case = importlib.import_module(f"tests.benchmarks.cases.{name}")
            for result in case.run(data, asked.rounds):
                print(as_markdown([result]), flush=True)
                results.append(result)
                write(results, asked.out)
    print(f"written to {asked.out}")


if __name__ == "__main__":
    main()
