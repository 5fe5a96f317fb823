"""The pictures of a report, drawn by matplotlib as SVG: curves, lengths, and where the labels go wrong.

Left out: the page that they stand in (`report`).
"""

import io
import os
import tempfile
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lstmtext.data.encoded import EncodedData
from lstmtext.data.ragged import Ragged
from lstmtext.text.arrays import Floats
from lstmtext.text.tokenizer import BOUNDARY_ID

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTHED = 50
"""Losses of so many steps make a point of the smooth curve, at most so many points stand in a picture of them."""
POINTS = 2000
MOST_LABELS = 40
"""Labels that a picture can hold."""
WIDTH, HEIGHT = 5.4, 3.4
"""Inches of a picture that holds no labels."""
DECISIONS = {
    "true_positives": "has it,\nfound",
    "false_negatives": "has it,\nmissed",
    "false_positives": "has it not,\nfound",
    "true_negatives": "has it not,\nleft out",
}
"""The counts of a label where a text may have several, in words: whether a text has it, and what was said."""

Records = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Picture:
    """What to draw into axes, and of which size, in inches."""

    title: str
    draw: Callable[["Axes"], None]
    width: float = WIDTH
    height: float = HEIGHT


def losses(steps: Records) -> Picture:
    """The loss of each step, and its running mean."""

    def draw(axes: "Axes") -> None:
        epochs, values = _columns(steps, "epochs", "loss")
        thin = slice(None, None, 1 + len(values) // POINTS)
        axes.plot(epochs[thin], values[thin], linewidth=0.6, alpha=0.4, label="step")
        width = min(SMOOTHED, max(1, len(values) // 5))
        smooth = np.convolve(values, np.ones(width) / width, mode="valid")
        axes.plot(epochs[width - 1 :][thin], smooth[thin], label=f"mean of {width}")
        axes.set_xlabel("epoch")
        axes.legend()

    return Picture("Loss of training, nats", draw)


def looks(validations: Records) -> Picture:
    """The score of each look at the validation data, and of the weights that were kept."""

    def draw(axes: "Axes") -> None:
        epochs, scores, best = _columns(validations, "epochs", "score", "best")
        axes.plot(epochs, scores, marker="o", markersize=3, label="this epoch")
        axes.plot(epochs, best, linestyle="--", label="kept")
        axes.set_xlabel("epoch")
        axes.legend()

    return Picture(f"Validation: {validations[-1]['name'] if validations else 'score'}", draw)


def looks_of_head(validations: Records, head: str, score: str) -> Picture:
    """A score of one of the heads that trained together, at each look."""

    def draw(axes: "Axes") -> None:
        (epochs,) = _columns(validations, "epochs")
        axes.plot(epochs, [look["heads"][head]["scores"][score] for look in validations], marker="o", markersize=3)
        axes.set_xlabel("epoch")

    return Picture(f"Validation of {head}: {score}", draw)


def rates(steps: Records) -> Picture:
    """The learning rate of each step."""

    def draw(axes: "Axes") -> None:
        epochs, values = _columns(steps, "epochs", "rate")
        axes.plot(epochs, values)
        axes.set_xlabel("epoch")

    return Picture("Learning rate", draw)


def lengths(data: EncodedData) -> Picture:
    """Tokens of the training records; of running text its documents, or the passages of a single one."""
    kind, tokens = "record", Ragged(data.tables["train"].data.column("ids")).lengths
    if data.task == "generate":
        tokens = tokens[tokens > 0]
        ends = np.cumsum(tokens)
        whole = ends[data.stream("train").ids[ends - 1] == BOUNDARY_ID]
        kind, tokens = ("document", np.diff(whole, prepend=0)) if len(whole) > 1 else ("passage", tokens)

    def draw(axes: "Axes") -> None:
        axes.hist(tokens, bins=40)
        axes.set_xlabel("tokens, boundaries included")
        axes.set_ylabel(f"{kind}s")

    return Picture(f"Tokens of a training {kind}", draw)


def bars(labels: Mapping[str, Mapping[str, float]]) -> Picture:
    """F1 of each label, or of the most frequent ones."""
    chosen = _first(labels, lambda name: labels[name]["support"])
    shown = sorted(chosen, key=lambda name: labels[name]["support"])

    def draw(axes: "Axes") -> None:
        drawn = axes.barh(range(len(shown)), [labels[name]["f1"] for name in shown])
        said = [f"{labels[name]['f1']:.2f} of {labels[name]['support']:.0f}" for name in shown]
        axes.bar_label(drawn, said, fontsize=7)
        axes.set_yticks(range(len(shown)), [_short(name) for name in shown])
        axes.set_xlim(0, 1.2)

    return Picture(f"F1 of {_which(shown, labels, 'that are most frequent')}", draw, height=_inches(shown))


def confusion(counts: Mapping[str, Mapping[str, int]]) -> Picture:
    """How often each gold label was taken for which, or those that were mistaken most."""
    predicted = list(next(iter(counts.values())))
    every = list(dict.fromkeys([*counts, *predicted]))
    wrong = dict.fromkeys(every, 0)
    for gold, row in counts.items():
        for name, count in row.items():
            if name != gold:
                wrong[gold] += count
                wrong[name] += count
    chosen = _first(every, lambda name: wrong[name])
    rows, columns = ([name for name in names if name in chosen] for names in (counts, predicted))

    def draw(axes: "Axes") -> None:
        sums = np.array([[sum(counts[row].values())] for row in rows])
        table = np.array([[counts[row][column] for column in columns] for row in rows])
        _shaded(axes, table, table / np.maximum(1, sums), numbered=len(rows) <= MOST_LABELS // 2)
        axes.set_xticks(range(len(columns)), [_short(name) for name in columns], rotation=90)
        axes.set_yticks(range(len(rows)), [_short(name) for name in rows])

    which = "" if len(chosen) == len(every) else f"; {_which(chosen, every, 'with most errors')}"
    side = _inches(rows)
    return Picture(f"Validation: rows are gold, columns predicted{which}", draw, width=max(WIDTH, side), height=side)


def decisions(counts: Mapping[str, Mapping[str, int]]) -> Picture:
    """Of each label that a text may have or not, how often which of both was found."""
    shown = _first(counts, lambda name: counts[name]["false_negatives"] + counts[name]["false_positives"])

    def draw(axes: "Axes") -> None:
        table = np.array([[counts[name][kind] for kind in DECISIONS] for name in shown])
        sums = table.reshape(-1, 2, 2).sum(2).repeat(2, axis=1)
        _shaded(axes, table, table / np.maximum(1, sums), numbered=True)
        axes.set_aspect("auto")
        axes.set_xticks(range(len(DECISIONS)), list(DECISIONS.values()), fontsize=8)
        axes.set_yticks(range(len(shown)), [_short(name) for name in shown])

    title = f"Validation: found and missed, of {_which(shown, counts, 'with most errors')}"
    return Picture(title, draw, height=_inches(shown))


def svg_of(picture: Picture) -> bytes:
    """A picture as SVG."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault("MPLCONFIGDIR", cache)  # nothing is written under the home folder
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        figure = Figure(figsize=(picture.width, picture.height), layout="constrained")
        picture.draw(figure.subplots())
        drawn = io.BytesIO()
        with rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the browser's fonts have what those here lack
            figure.savefig(drawn, format="svg")
    return drawn.getvalue()


def _columns(records: Records, *names: str) -> list[Floats]:
    return [np.array([record[name] for record in records], dtype=np.float64) for name in names]


def _first(names: Collection[str], weight: Callable[[str], float]) -> list[str]:
    """As many of the names as a picture can hold, those of most weight, in the order that they have."""
    chosen = set(sorted(names, key=lambda name: -weight(name))[:MOST_LABELS])
    return [name for name in names if name in chosen]


def _which(shown: Collection[str], every: Collection[str], why: str) -> str:
    """What to call the labels of a picture."""
    return "each label" if len(shown) == len(every) else f"the {len(shown)} of {len(every)} labels {why}"


def _inches(names: Collection[str]) -> float:
    return max(HEIGHT, 1.0 + 0.22 * len(names))


def _shaded(axes: "Axes", counts: Floats, shares: Floats, *, numbered: bool) -> None:
    """A table of counts as squares, the darker the larger their share."""
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for (row, column), count in np.ndenumerate(counts) if numbered else ():
        axes.text(column, row, str(count), ha="center", va="center", fontsize=7, color="tab:orange")


def _short(name: str) -> str:
    """A label as a picture can show it: without control characters, and with no formula between dollar signs."""
    shown = "".join(character if character.isprintable() else " " for character in name).replace("$", r"\$")
    return shown if len(shown) <= 24 else shown[:23].rstrip("\\") + "…"
