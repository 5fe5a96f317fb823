"""Results as JSON and as a Markdown table, the one that the README quotes."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.measure import CURVE, Result, Row
from tests.benchmarks.pictures import draw_curves


def as_json(results: Sequence[Result]) -> str:
    return json.dumps([asdict(result) for result in results], indent=2) + "\n"


def as_markdown(results: Sequence[Result]) -> str:
    lines = []
    for result in results:
        lines += [f"**{result.title}** ({result.unit})", ""]
        lines += ["| | median | least to most | peak memory | first is better by |", "|---|---|---|---|---|"]
        for row in result.rows:
            peak = f"{row.peak_mb:,.0f} MB" if row.peak_mb else ""
            ratio = "{:.2f} ({:.2f} to {:.2f})".format(*row.ratio) if row.ratio else ""
            spread = f"{_number(row.least)} to {_number(row.most)}"
            lines.append(f"| {row.name} | {_number(row.median)} | {spread} | {peak} | {ratio} |")
        lines += ["", *(f"- {note}" for note in result.notes), *([""] if result.notes else [])]
    return "\n".join(lines).rstrip() + "\n"


def as_summary(results: Sequence[Result]) -> str:
    """The table that the README quotes: medians, and how many times better the first contender is."""
    lines = ["| work | lstmtext | beside it, in the same rounds |", "|---|---|---|"]
    for result in (result for result in results if any(row.ratio for row in result.rows)):
        first, *others = result.rows
        beside = [f"{row.name} {_number(row.median)}{_times(row)}" for row in others]
        lines.append(f"| {result.title}, {result.unit} | {_number(first.median)} | {', '.join(beside)} |")
    return "\n".join(lines) + "\n"


def _times(row: Row) -> str:
    return f" ({_number(row.ratio[0])} x)" if row.ratio else ""


def write(results: Sequence[Result], folder: Path) -> None:
    """`results.json`, `results.md` and the picture of the learning curves in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(as_json(results), encoding="utf-8")
    (folder / "results.md").write_text(as_markdown(results), encoding="utf-8")
    if curves := [result for result in results if result.title.startswith(CURVE)]:
        draw_curves(curves, folder / "learning_curves.svg")


def read(folder: Path) -> list[Result]:
    """What `write` wrote."""
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return [Result(**{**result, "rows": [Row(**row) for row in result["rows"]]}) for result in found]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
