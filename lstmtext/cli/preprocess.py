"""`lstmtext preprocess`: files to an encoded dataset, and a report of what is in it."""

from pathlib import Path
from typing import Annotated

import typer

from lstmtext.cli import options
from lstmtext.cli.streams import remark
from lstmtext.data.columns import Columns


def preprocess(
    data: Annotated[list[str], typer.Argument(help="Files, folders, hf://owner/name, or - for standard input.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write; train takes it as DATA.")],
    valid: options.Valid = None,
    task: options.Task = None,
    format_name: options.DataFormat = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    tag_column: options.TagColumn = None,
    weight_column: options.WeightColumn = None,
    multi_label: options.MultiLabel = False,
    tokenizer: Annotated[Path | None, typer.Option("--tokenizer", help="A bundle whose tokenizer to use.")] = None,
    seed: options.Seed = None,
    assignments: options.Assignments = None,
    config: options.ConfigFile = None,
    quiet: options.Quiet = False,
) -> None:
    r"""Learn a tokenizer, encode the data for training, and report on them.

    \b
    lstmtext preprocess data/reviews.csv -o checkpoints/reviews-data
    lstmtext train checkpoints/reviews-data -o checkpoints/reviews
    """
    from rich.console import Console

    from lstmtext.bundle import load_bundle
    from lstmtext.cli.tables import print_report
    from lstmtext.data.preprocess import preprocess as preprocess_data

    columns = Columns(text_column, label_column, tag_column, weight_column)
    request = options.data_request(data, valid, task, format_name, columns)
    flags = {"train.seed": seed, "classify.multi_label": multi_label or None}
    choices = options.Choices(config, assignments or (), flags)
    report = preprocess_data(
        request,
        output,
        choose=choices.settings_of,
        tokenizer=load_bundle(tokenizer).tokenizer if tokenizer else None,
        remark=lambda text: remark(text, quiet=quiet),
    )
    print_report(report, Console(stderr=True, quiet=quiet))
