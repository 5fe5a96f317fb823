"""`lstmtext export`: the graph of a bundle anew, in another precision."""

from typing import Annotated

import typer

from lstmtext.cli import options
from lstmtext.cli.streams import remark

PRECISIONS = ("float32", "int8")


def export(
    model: options.ModelToChange,
    precision: Annotated[str, typer.Option("--precision", help="float32 or int8.")],
    quiet: options.Quiet = False,
) -> None:
    r"""Make the graph that a bundle runs on anew, from its weights.

    int8 is faster and smaller; `lstmtext info` shows what it cost when the bundle was trained.

    \b
    lstmtext export -m checkpoints/reviews --precision float32
    """
    from lstmtext.bundle import load_bundle
    from lstmtext.runtime.export import export_bundle

    options.chosen("--precision", precision, PRECISIONS)
    export_bundle(load_bundle(model), "int8" if precision == "int8" else "float32")
    remark(f"saved {model} in {precision}", quiet=quiet)
