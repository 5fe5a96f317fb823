"""The measuring instrument measures: on the samples, with whatever peers are installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.cases.learning_curves import Scores
from tests.benchmarks.measure import rows_of
from tests.benchmarks.report import as_summary, read

ROOT = Path(__file__).parents[1]


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds():
    first, second = rows_of({"a": [4.0, 9.0, 10.0], "b": [2.0, 3.0, 10.0]}, higher_is_better=True)
    assert (first.median, first.least, first.most, first.ratio) == (9.0, 4.0, 10.0, None)
    assert second.ratio == (2.0, 1.0, 3.0)
    assert rows_of({"a": [2.0], "b": [3.0]}, higher_is_better=False)[1].ratio == (1.5, 1.5, 1.5)


def test_the_readme_quotes_the_results_that_are_kept():
    summary = as_summary(read(ROOT / "tests" / "benchmarks" / "results"))
    assert summary in (ROOT / "README.md").read_text(encoding="utf-8")


def test_learning_curves_that_were_cut_short_go_on_with_what_they_have(tmp_path):
    file, key = tmp_path / "out" / "scores.jsonl", ("digest", "train.tsv", 50, 0, "n-grams")
    assert Scores(file).of(key, lambda: 57.5) == 57.5
    assert Scores(file).of(("other", *key[1:]), lambda: 60.0) == 60.0
    with file.open("a") as out:
        out.write('[["cut sho')
    assert [Scores(file).of(key, lambda: 0.0), Scores(file).of(("other", *key[1:]), lambda: 0.0)] == [57.5, 60.0]
    assert Scores(file).of(("third",), lambda: 58.0) == Scores(file).of(("third",), lambda: 0.0) == 58.0
    Scores(file).forget()
    assert Scores(file).of(key, lambda: 0.0) == 0.0
    assert Scores(None).of(key, lambda: 1.0) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("case", ["tagging", "generating"])
def test_a_benchmark_runs_on_the_samples_and_writes_its_results(tmp_path, case):
    words = [sys.executable, "-m", "tests.benchmarks", case, "--samples", "--rounds", "1", "--out", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads((tmp_path / "results.json").read_text())
    assert result["rows"][0]["name"].startswith("lstmtext")
    assert all(row["median"] > 0 and row["peak_mb"] > 0 for row in result["rows"])
    assert (tmp_path / "results.md").read_text() in done.stdout + "\n"
