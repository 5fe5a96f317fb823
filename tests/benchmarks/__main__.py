"""Run benchmarks: `python -m tests.benchmarks [CASE ...] [--data FOLDER] [--rounds N] [--out FOLDER]`.

Without --data, the development data that stand beside the project are read, or else the samples in data/. Results of
benchmarks that are not run stay in the folder.
"""

import argparse
import importlib
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.data import BenchData
from tests.benchmarks.measure import ROOT
from tests.benchmarks.report import as_markdown, read, write

CASES = (
    "cold_start",
    "shipped",
    "classifying",
    "tagging",
    "generating",
    "training",
    "checkpointing",
    "processes",
    "large_text",
    "streaming",
    "class_weights",
    "learning_curves",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Benchmarks beside peers.")
    parser.add_argument("cases", nargs="*", help=f"which of {', '.join(CASES)}; all if none is named")
    parser.add_argument("--data", type=Path, help="folder with imdb, sst2, ewt and shakespeare")
    parser.add_argument("--samples", action="store_true", help="read the samples in data/")
    parser.add_argument("--encoder", type=Path, help="what learning curves and class weights start from")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "benchmarks")
    asked = parser.parse_args()
    if unknown := set(asked.cases) - set(CASES):
        parser.error(f"no benchmark {min(unknown)}; there are {', '.join(CASES)}")
    results = read(asked.out) if (asked.out / "results.json").exists() else []
    with tempfile.TemporaryDirectory() as work:
        data = BenchData.samples(Path(work)) if asked.samples else BenchData.find(asked.data, Path(work))
        data = replace(data, encoder=asked.encoder, scores=asked.out / "learning_curves.jsonl")
        for name in asked.cases or CASES:
            case = importlib.import_module(f"tests.benchmarks.cases.{name}")
            for result in case.run(data, asked.rounds):
                print(as_markdown([result]), flush=True)
                known = [own.title for own in results]
                place = known.index(result.title) if result.title in known else len(results)
                results[place : place + 1] = [result]
                write(results, asked.out)
    print(f"written to {asked.out}")


if __name__ == "__main__":
    main()
