"""`lstmtext evaluate`: the scores of a bundle on labelled data."""

from typing import Annotated

import typer

from lstmtext.cli import options
from lstmtext.cli.streams import json_line, remark_cut, write_lines
from lstmtext.data.columns import Columns


def evaluate(
    data: Annotated[list[str], typer.Argument(help="Files, folders, hf://owner/name, or - for standard input.")],
    model: options.Model,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    head: options.Heads = None,
    format_name: options.DataFormat = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    tag_column: options.TagColumn = None,
    threads: options.Threads = 0,
) -> None:
    r"""Score a bundle on labelled data: accuracy and F1, span F1, or perplexity.

    \b
    lstmtext evaluate data/reviews.csv -m checkpoints/reviews
    lstmtext evaluate data/reviews.csv -m checkpoints/reviews --json
    """
    from lstmtext.bundle import load_bundle
    from lstmtext.data.readers import READERS
    from lstmtext.data.sources import find_sources
    from lstmtext.runtime.evaluate import evaluate as evaluate_bundle

    bundle = load_bundle(model)
    chosen = options.chosen_format(format_name, READERS)
    sources = find_sources(data, chosen)
    columns, name = Columns(text_column, label_column, tag_column), options.one_head(head)
    result = evaluate_bundle(bundle, sources, columns, head=name, threads=threads)
    remark_cut(result["task"], result["cut"])
    if as_json:
        write_lines([json_line(result)])
        return
    from lstmtext.cli.tables import print_evaluation

    print_evaluation(result)
