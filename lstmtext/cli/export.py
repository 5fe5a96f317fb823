"""`lstmtext export`: the graphs of a bundle anew, in another precision, of fewer rows or of fewer heads."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lstmtext.cli import options
from lstmtext.cli.streams import remark
from lstmtext.errors import ModelError, UsageError, UserError

if TYPE_CHECKING:
    from lstmtext.bundle import Bundle
    from lstmtext.runtime.layers import Precision

PRECISIONS: "tuple[Precision, ...]" = ("float32", "int8")


def export(
    model: options.ModelToChange,
    precision: Annotated[
        str | None, typer.Option("--precision", help="float32 or int8; with --rows or --drop, what it is if not given.")
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option("--rows", min=1, help="Keep so many rows of a head's n-grams or features, those that weigh most."),
    ] = None,
    head: options.Heads = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", metavar="<name>", help="Leave a head out for good; repeated, several.")
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    r"""Make the graph that a bundle runs on anew, from its weights.

    int8 is faster and smaller; `lstmtext info` shows what it cost when the bundle was trained. --rows makes a bundle
    smaller for good, weights and graph, of the heads that --head names or of all: evaluate shows what that cost.
    --drop makes room for a head that `train --add-to` trains anew.

    \b
    lstmtext export -m checkpoints/reviews --precision float32
    lstmtext export -m checkpoints/reviews --precision int8 --rows 20000
    lstmtext export -m checkpoints/both --drop ner
    """
    options.chosen("--precision", precision, PRECISIONS)
    if head and rows is None:
        raise UsageError("--head", "is for --rows", hint="say how many rows to keep")
    if precision is None and rows is None and not drop:
        raise UsageError("--precision", "is not given", expected=_one_of(PRECISIONS))
    for line in _export(model, precision, rows, head or (), drop or ()):
        remark(line, quiet=quiet)
    remark(f"saved {model}" + (f" in {precision}" if precision else ""), quiet=quiet)


def _export(
    model: Path, precision: str | None, rows: int | None, named: Sequence[str], drop: Sequence[str]
) -> list[str]:
    """Write the bundle anew, alone with it; what there is to say of it. Raises UserError where it cannot be."""
    from lstmtext.bundle import load_bundle, report_path
    from lstmtext.folders import alone_with
    from lstmtext.runtime.export import export_bundle

    load_bundle(model)  # a lock beside a folder that is no bundle would be in the way
    try:
        with alone_with(model):
            bundle = load_bundle(model)
            left = _left(bundle, drop)
            kept = {} if rows is None else dict.fromkeys(_to_prune(bundle, left, named), rows)
            dropped = [name for name in bundle.info.heads if name not in left]
            chosen: Precision | None = next((name for name in PRECISIONS if name == precision), None)
            said = export_bundle(bundle, chosen, rows=kept, dropped=dropped)
    except OSError as error:
        hint = "make room, or write where you may; it is as it was"
        raise UserError(model, f"cannot be written: {error.strerror}", hint=hint) from error
    reports = (report_path(model, name) for name in dropped)
    return said + [f"{report} is still there, and quotes the data" for report in reports if report.exists()]


def _left(bundle: "Bundle", drop: Sequence[str]) -> list[str]:
    """Heads that are not dropped. Raises ModelError for one that is not there, UsageError where none is left."""
    for name in drop:
        if name not in bundle.info.heads:
            raise ModelError("--drop", f"no head '{name}' in {bundle.folder}", expected=_one_of(bundle.info.heads))
    left = [name for name in bundle.info.heads if name not in drop]
    if not left:
        raise UsageError("--drop", f"names all heads of {bundle.folder}", hint="keep one, or delete the folder")
    return left


def _to_prune(bundle: "Bundle", left: Sequence[str], named: Sequence[str]) -> list[str]:
    """Heads of which rows are left out: those that are named, or all that have some. Raises UserError."""
    from lstmtext.weights import filled_rows

    able = [name for name in left if filled_rows(bundle.head_arrays(name))]
    if not able:
        raise UsageError("--rows", f"no head of {bundle.folder} has n-grams or features", hint="leave --rows out")
    for name in named:
        if bundle.head(name)[0] not in left:
            raise UsageError(f"--head {name}", "is dropped", hint="leave one of the two out")
        if name not in able:
            raise UsageError(f"--head {name}", "has no rows of n-grams or features", expected=_one_of(able))
    return [*named] or able


def _one_of(names: Iterable[str]) -> str:
    return f"one of {', '.join(names)}"
