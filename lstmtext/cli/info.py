"""`lstmtext info`: what a bundle is."""

from typing import Annotated

import typer

from lstmtext.cli import options
from lstmtext.cli.streams import json_line, write_lines


def info(
    model: options.Model,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    r"""Tell what a bundle is: heads, labels, sizes, scores, data and settings.

    \b
    lstmtext info -m checkpoints/reviews
    """
    from dataclasses import asdict

    from lstmtext.bundle import load_bundle

    bundle = load_bundle(model)
    if as_json:
        write_lines([json_line(asdict(bundle.info))])
        return
    from lstmtext.cli.tables import print_info

    print_info(bundle)
