"""Learning curves as a picture, the one that the README shows."""

from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.measure import Result, Row

COLOURS = ("#1b6ca8", "#8fb8de", "#d08c2c")


def draw_curves(results: Sequence[Result], path: Path) -> None:
    """A panel for each set of data: medians over draws, and least to most behind them."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "lstmtext", "font.size": 9}):  # the same results give the same file
        figure = Figure(figsize=(3.3 * len(results), 2.9), layout="constrained")
        for axes, result in zip(figure.subplots(1, len(results), squeeze=False)[0], results, strict=True):
            for colour, (kind, rows) in zip(COLOURS, by_kind(result.rows).items(), strict=False):
                sizes = list(rows)
                axes.plot(sizes, [row.median for row in rows.values()], "o-", color=colour, label=kind, markersize=3)
                bounds = ([getattr(row, end) for row in rows.values()] for end in ("least", "most"))
                axes.fill_between(sizes, *bounds, color=colour, alpha=0.2, linewidth=0)
            axes.set_xscale("log")
            axes.set_title(result.title.partition(": ")[2])
            axes.set_xlabel("training records")
            axes.set_ylabel(result.unit)
            axes.grid(alpha=0.3)
            axes.legend(fontsize=7, loc="lower right")
        figure.savefig(path, metadata={"Date": None})


def by_kind(rows: Sequence[Row]) -> dict[str, dict[int, Row]]:
    """The rows of each contender by the number of records."""
    found: dict[str, dict[int, Row]] = {}
    for row in rows:
        kind, _, size = row.name.rpartition(", ")
        found.setdefault(kind, {})[int(size)] = row
    return found
