"""The report of a training: one page of HTML beside the bundle that needs neither network nor scripts.

Pictures are drawn by matplotlib and stand in the page as SVG. The page quotes validation records, so it is no part of
the bundle, which may be passed on.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, cast

from lstmtext.bundle import REPORT
from lstmtext.data.encoded import EncodedData
from lstmtext.description import HeadInfo
from lstmtext.tasks import TASKS, first_of
from lstmtext.train import pictures
from lstmtext.train.pictures import Picture, svg_of
from lstmtext.train.worst import Miss

WORST = {
    "classify": ("gold label", "predicted", "nats"),
    "tag": ("gold tags", "predicted", "wrong"),
    "generate": ("hardest token", "its nats", "nats a token"),
}
"""What is said of the worst records."""
OF_SCORES = {"labels": pictures.bars, "confusion": pictures.confusion, "decisions": pictures.decisions}
"""The pictures of scores that hold more than a number."""
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
        *map(_figure, (pictures.losses(steps), pictures.looks(looks), pictures.rates(steps))),
    ]
    for section in sections:
        if len(sections) > 1:
            page += [f"<h2>Head {escape(section.name)}</h2>", *_curves(section, looks)]
        page += _of_head(section)
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode=0o600)  # it quotes what the model was trained on
    fresh.write_text("\n".join([*page, "</body></html>"]) + "\n", encoding="utf-8", errors="replace")
    fresh.replace(path)


def _curves(section: Section, looks: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The score to show of a head that trained with others, and the one that counts where that is another."""
    task, scores = TASKS[section.info.task], section.info.scores
    for name in dict.fromkeys(first_of(names, scores)[0] for names in (task.shown, task.selects)):
        yield _figure(pictures.looks_of_head(looks, section.name, name))


def _of_head(section: Section) -> Iterator[str]:
    info, data = section.info, section.data
    yield _figure(pictures.lengths(data))
    for score, picture in OF_SCORES.items():
        if held := info.scores.get(score):
            yield _figure(picture(cast(dict[str, Any], held)))
    yield "<h2>Worst records</h2>"
    misses = [(miss.text, miss.gold, miss.predicted, f"{miss.weight:.2f}") for miss in section.worst]
    yield _table(("text", *WORST[data.task]), misses)
    yield "<h2>Facts</h2>"
    scores = {score: f"{value:.4f}" for score, value in info.scores.items() if isinstance(value, float)}
    facts = {**scores, "head": section.name, "task": info.task, **info.training}
    facts |= {"changes": "\n".join(info.changes)} if info.changes else {}
    yield _table(("what", "value"), [(key, str(value)) for key, value in facts.items()])


def _figure(picture: Picture) -> str:
    """A picture with a caption."""
    source, alt = base64.b64encode(svg_of(picture)).decode("ascii"), escape(picture.title, quote=True)
    return f'<figure><figcaption>{alt}</figcaption><img alt="{alt}" src="data:image/svg+xml;base64,{source}"></figure>'


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f'<td class="text">{escape(cell)}</td>' for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
