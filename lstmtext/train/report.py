"""The report of a training: one page of HTML beside the bundle that needs neither network nor scripts.

Pictures are drawn by matplotlib and stand in the page as SVG. The page quotes validation records, so it is no part of
the bundle, which may be passed on.
"""

import base64
import io
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lstmtext.bundle import REPORT
from lstmtext.data.encoded import EncodedData
from lstmtext.description import HeadInfo
from lstmtext.text.arrays import Floats
from lstmtext.train.worst import Miss

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTHED = 50
"""Losses of so many steps make a point of the smooth curve, at most so many points stand in a picture of them."""
POINTS = 2000
MOST_LABELS = 40
"""Labels that a picture can hold."""
WORST = {
    "classify": ("gold label", "predicted", "nats"),
    "tag": ("gold tags", "predicted", "wrong"),
    "generate": ("hardest token", "its nats", "nats a token"),
}
"""What is said of the worst records."""
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #222 }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
figure { display: inline-block; margin: 0 1rem 1rem 0 } img { max-width: 100% }
table { border-collapse: collapse; width: 100% } th, td { border-bottom: 1px solid #ddd; padding: .3rem .6rem }
th, td { text-align: left; vertical-align: top } td.number { text-align: right; font-variant-numeric: tabular-nums }
td.text { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 5rem }
"""


@dataclass(frozen=True)
class Section:
    """What a report says of a head."""

    name: str
    info: HeadInfo
    data: EncodedData
    worst: Sequence[Miss]


def write_report(path: Path, sections: Sequence[Section], log: Sequence[dict[str, Any]]) -> None:
    """Write the report of a training, with a section for each of its heads. Raises OSError."""
    title = path.name.removesuffix(REPORT)
    steps = [record for record in log if record["kind"] == "step"]
    looks = [record for record in log if record["kind"] == "validation"]
    page = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        "<p>Scores and examples are of the validation data.</p>",
        _figure("Loss of training, nats", lambda axes: _losses(axes, steps)),
        _figure(f"Validation: {looks[-1]['name'] if looks else 'score'}", lambda axes: _looks(axes, looks)),
        _figure("Learning rate", lambda axes: _rates(axes, steps)),
    ]
    for section in sections:
        page += [f"<h2>Head {escape(section.name)}</h2>"] if len(sections) > 1 else []
        page += _of_head(section)
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode=0o600)  # it quotes what the model was trained on
    fresh.write_text("\n".join([*page, "</body></html>"]) + "\n", encoding="utf-8", errors="replace")
    fresh.replace(path)


def _of_head(section: Section) -> Iterator[str]:
    info, data = section.info, section.data
    if data.task != "generate":
        yield _figure("Tokens of a training record", lambda axes: _lengths(axes, data))
    if "labels" in info.scores:
        height = _height(info.scores["labels"])
        yield _figure("F1 of each label", lambda axes: _bars(axes, info), height=height)
    if "confusion" in info.scores:
        yield _figure("Validation: rows are gold, columns predicted", lambda axes: _confusion(axes, info))
    yield "<h2>Worst records</h2>"
    misses = [(miss.text, miss.gold, miss.predicted, f"{miss.weight:.2f}") for miss in section.worst]
    yield _table(("text", *WORST[data.task]), misses)
    yield "<h2>Facts</h2>"
    scores = {score: f"{value:.4f}" for score, value in info.scores.items() if isinstance(value, float)}
    facts = {**scores, "head": section.name, "task": info.task, **info.training}
    facts |= {"changes": "\n".join(info.changes)} if info.changes else {}
    yield _table(("what", "value"), [(key, str(value)) for key, value in facts.items()])


def _losses(axes: "Axes", steps: Sequence[dict[str, Any]]) -> None:
    epochs, losses = _columns(steps, "epochs", "loss")
    thin = slice(None, None, 1 + len(losses) // POINTS)
    axes.plot(epochs[thin], losses[thin], linewidth=0.6, alpha=0.4, label="step")
    width = min(SMOOTHED, max(1, len(losses) // 5))
    smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
    axes.plot(epochs[width - 1 :][thin], smooth[thin], label=f"mean of {width}")
    axes.set_xlabel("epoch")
    axes.legend()


def _looks(axes: "Axes", looks: Sequence[dict[str, Any]]) -> None:
    epochs, scores, best = _columns(looks, "epochs", "score", "best")
    axes.plot(epochs, scores, marker="o", markersize=3, label="this epoch")
    axes.plot(epochs, best, linestyle="--", label="kept")
    axes.set_xlabel("epoch")
    axes.legend()


def _rates(axes: "Axes", steps: Sequence[dict[str, Any]]) -> None:
    epochs, rates = _columns(steps, "epochs", "rate")
    axes.plot(epochs, rates)
    axes.set_xlabel("epoch")


def _lengths(axes: "Axes", data: EncodedData) -> None:
    records = data.texts("train") if data.task == "classify" else data.sentences("train")
    axes.hist(records.lengths, bins=40)
    axes.set_xlabel("tokens, boundaries included")
    axes.set_ylabel("records")


def _bars(axes: "Axes", head: HeadInfo) -> None:
    labels = cast(dict[str, dict[str, float]], head.scores["labels"])
    chosen = sorted(labels, key=lambda name: -labels[name]["support"])[:MOST_LABELS][::-1]
    bars = axes.barh(range(len(chosen)), [labels[name]["f1"] for name in chosen])
    axes.bar_label(bars, [f"{labels[name]['f1']:.2f} of {labels[name]['support']:.0f}" for name in chosen], fontsize=7)
    axes.set_yticks(range(len(chosen)), [_short(name) for name in chosen])
    axes.set_xlim(0, 1.2)


def _confusion(axes: "Axes", head: HeadInfo) -> None:
    confusion = cast(dict[str, dict[str, int]], head.scores["confusion"])
    rows = list(confusion)[:MOST_LABELS]
    columns = list(next(iter(confusion.values())))[:MOST_LABELS]
    counts = np.array([[confusion[row][column] for column in columns] for row in rows])
    axes.imshow(counts / np.maximum(1, counts.sum(1, keepdims=True)), vmin=0, vmax=1, cmap="Blues")
    axes.set_xticks(range(len(columns)), [_short(name) for name in columns], rotation=90)
    axes.set_yticks(range(len(rows)), [_short(name) for name in rows])
    if len(rows) <= MOST_LABELS // 2:
        for (row, column), count in np.ndenumerate(counts):
            axes.text(column, row, str(count), ha="center", va="center", fontsize=7, color="tab:orange")


def _columns(records: Sequence[dict[str, Any]], *names: str) -> list[Floats]:
    return [np.array([record[name] for record in records], dtype=np.float64) for name in names]


def _height(labels: object) -> float:
    return 1.0 + 0.22 * min(MOST_LABELS, len(cast(dict[str, object], labels)))


def _short(name: str) -> str:
    """A label as a picture can show it: without control characters, and with no formula between dollar signs."""
    shown = "".join(character if character.isprintable() else " " for character in name).replace("$", r"\$")
    return shown if len(shown) <= 24 else shown[:23].rstrip("\\") + "…"


def _figure(title: str, draw: Callable[["Axes"], None], *, height: float = 3.4) -> str:
    """A picture with a caption, drawn into axes."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault("MPLCONFIGDIR", cache)  # nothing is written under the home folder
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.4, max(3.4, height)), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        drawn = io.BytesIO()
        with rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the browser's fonts have what those here lack
            figure.savefig(drawn, format="svg")
    source = base64.b64encode(drawn.getvalue()).decode("ascii")
    alt = escape(title, quote=True)
    return f'<figure><figcaption>{alt}</figcaption><img alt="{alt}" src="data:image/svg+xml;base64,{source}"></figure>'


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f'<td class="text">{escape(cell)}</td>' for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
