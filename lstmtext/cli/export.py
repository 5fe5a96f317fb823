"""`lstmtext export`: the graph of a bundle anew, in another precision."""

from typing import Annotated

import typer

from lstmtext.cli import options
from lstmtext.cli.streams import remark
from lstmtext.errors import UsageError

PRECISIONS = ("float32", "int8")


def export(
    model: options.ModelToChange,
    precision: Annotated[str, typer.Option("--precision", help="float32 or int8.")],
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
    smaller for good, of the heads that --head names or of all: evaluate shows what that cost. So does --drop, which
    also makes room for a head that `train --add-to` trains anew.

    \b
    lstmtext export -m checkpoints/reviews --precision float32
    lstmtext export -m checkpoints/reviews --precision int8 --rows 20000
    lstmtext export -m checkpoints/both --precision int8 --drop ner
    """
    from lstmtext.bundle import load_bundle
    from lstmtext.runtime.export import export_bundle

    options.chosen("--precision", precision, PRECISIONS)
    if head and rows is None:
        raise UsageError("--head", "is for --rows", hint="say how many rows to keep")
    bundle = load_bundle(model)
    dropped = {bundle.head(name)[0] for name in drop or ()}
    left = [name for name in bundle.info.heads if name not in dropped]
    if not left:
        raise UsageError("--drop", f"names all heads of {model}", hint="keep one, or delete the folder")
    chosen = [bundle.head(name)[0] for name in head] if head else left
    if both := dropped.intersection(chosen):
        raise UsageError(f"--head {min(both)}", "is dropped", hint="leave one of the two out")
    kept = dict.fromkeys(chosen, rows) if rows is not None else {}
    export_bundle(bundle, "int8" if precision == "int8" else "float32", kept, dropped)
    remark(f"saved {model} in {precision}", quiet=quiet)
