"""Cold start: one line through `lstmtext classify` from an empty process, beside `import torch`.

Runs both in turn and reports medians, so that a busy machine weighs on both alike.
"""

import json
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNS = 10


def main() -> None:
    command = Path(sysconfig.get_path("scripts")) / "lstmtext"
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "reviews"
        train = [command, "train", ROOT / "data/reviews.csv", "-o", bundle, "--epochs", "3", "-q"]
        subprocess.run(train, check=True)
        cases = {
            "classify one line": [command, "classify", "-m", bundle],
            "lstmtext --help": [command, "--help"],
            "import torch": [sys.executable, "-c", "import torch"],
        }
        seconds: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(RUNS):
            for name, words in cases.items():
                started = time.perf_counter()
                subprocess.run(words, input=b"A lovely place.\n", check=True, capture_output=True)
                seconds[name].append(time.perf_counter() - started)
    medians = {name: round(statistics.median(values), 3) for name, values in seconds.items()}
    print(json.dumps({"unit": "seconds", "runs": RUNS, "median": medians}))


if __name__ == "__main__":
    main()
