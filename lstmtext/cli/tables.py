"""Rich tables for people: evaluations, bundles, and what preprocessing found."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from lstmtext.cli.streams import write_text

if TYPE_CHECKING:
    from lstmtext.bundle import Bundle
    from lstmtext.data.report import Report

WIDTH = 80
MOST_LABELS = 30
"""A longer confusion matrix is left to --json."""


def print_evaluation(result: Mapping[str, Any]) -> None:
    """Scores, rates per label, and the confusion matrix where it is small."""
    tables = []
    scores = result["scores"]
    title = f"{result['task']} · head {result['head']} · {result['records']:,} records"
    plain = [(name, f"{value:.4f}") for name, value in scores.items() if isinstance(value, float)]
    if unknown := scores.get("unknown"):
        plain.append(("records with a label that the model does not have", f"{unknown:,}"))
    tables.append(_table(title, ("score", "value"), plain))
    if "labels" in scores:
        rows = [
            (name, *(f"{rates[key]:.4f}" for key in ("precision", "recall", "f1")), f"{rates['support']:,}")
            for name, rates in scores["labels"].items()
        ]
        tables.append(_table("per label", ("label", "precision", "recall", "F1", "support"), rows))
    if 0 < len(scores.get("confusion", {})) <= MOST_LABELS:
        names = list(next(iter(scores["confusion"].values())))
        rows = [(gold, *(f"{counts[name]:,}" for name in names)) for gold, counts in scores["confusion"].items()]
        tables.append(_table("confusion, gold in rows", ("", *names), rows))
    _show(tables)


def print_info(bundle: "Bundle") -> None:
    """What a bundle holds: the encoder and each head, in tables of their own."""
    info, encoder = bundle.info, bundle.info.encoder
    size = sum(path.stat().st_size for path in bundle.folder.iterdir())
    every = info.parameters + sum(head.parameters for head in info.heads.values())
    rows = [
        ("encoder", f"{encoder.layers} x {encoder.hidden_size} LSTM units, {encoder.directions}"),
        ("embedding", f"{info.vocabulary_size:,} x {encoder.embedding_size} ({info.unit})"),
        ("parameters", f"{every:,}"),
        ("on disk", f"{size / 1e6:.1f} MB"),
    ]
    for name, head in info.heads.items():
        labels = ", ".join(head.labels) or "the vocabulary"
        rows.append((f"head '{name}'", f"{head.task}:{' any of' if head.multi_label else ''} {labels}"))
        rows += [
            (f"  {score}", f"{value:.4f} (validation)")
            for score, value in head.scores.items()
            if isinstance(value, float)
        ]
    tables = [_table(str(bundle.folder), ("", ""), rows)]
    if info.runtime:
        tables.append(_table("runtime of the encoder", ("", ""), _flat(info.runtime)))
    for name, head in info.heads.items():
        of = "" if len(info.heads) == 1 else f" of head '{name}'"
        tables.append(_table(f"runtime{of}", ("", ""), _flat(head.runtime)))
        facts = {"parameters of its own": head.parameters, **head.training, **head.data}
        tables.append(_table(f"training{of}", ("", ""), _flat(facts)))
        sections = head.settings.as_dict()
        settings = [(f"{section}.{k}", str(v)) for section, values in sections.items() for k, v in values.items()]
        tables.append(_table(f"settings{of}", ("", ""), settings))
    _show(tables)


def print_report(report: "Report", console: Console) -> None:
    """What preprocessing found."""
    console.print(_table(f"{report.task} data", ("", *report.splits), report.rows()))
    if report.label_counts:
        # Of several labels a text, each has its share of the texts.
        total = report.splits["train"].records if report.task == "classify" else sum(report.label_counts.values())
        rows = [(name, f"{count:,}", f"{count / total:.1%}") for name, count in report.label_counts.items()]
        console.print(_table("labels in the training data", ("label", "count", "share"), rows))


def _flat(values: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    return ((name, _plain(value)) for name, value in values.items())


def _plain(value: object) -> str:
    """A value without the marks of a programming language."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_plain(own)}" for name, own in value.items())
    return f"{value:,}" if type(value) is int else str(value)


def _show(tables: Iterable[Table]) -> None:
    """Print tables, the same on a terminal as in a pipe.

    Rich draws them only, since it would end the program itself where a reader has left.
    """
    console = Console(force_terminal=False, color_system=None, width=WIDTH)
    with console.capture() as drawn:
        for table in tables:
            console.print(table)
    write_text(drawn.get())


def _table(title: str, columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Table:
    from rich.markup import escape

    names = list(columns)
    table = Table(title=escape(title), title_justify="left", show_header=any(names))
    for place, name in enumerate(names):
        table.add_column(escape(name), justify="left" if place == 0 or not any(names) else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
