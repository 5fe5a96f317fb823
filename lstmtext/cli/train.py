"""`lstmtext train`: data to a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from lstmtext.cli import options
from lstmtext.cli.streams import remark
from lstmtext.data.columns import Columns

Data = Annotated[
    list[str], typer.Argument(help="Files, folders, hf://owner/name, - for standard input, or a folder of preprocess.")
]
Encoder = Annotated[str, typer.Option("--encoder", help="A bundle to start from; none is from scratch.")]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Most passes over the data.")]


def train(
    data: Data,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the bundle to write.")],
    valid: options.Valid = None,
    task: options.Task = None,
    format_name: options.DataFormat = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    tag_column: options.TagColumn = None,
    encoder: Encoder = "none",
    head: options.Head = None,
    epochs: Epochs = None,
    budget: Annotated[str | None, typer.Option("--budget", help="Time to train, such as 90s or 5m.")] = None,
    seed: options.Seed = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda.")] = None,
    threads: options.Threads = 0,
    assignments: options.Assignments = None,
    config: options.ConfigFile = None,
    quiet: options.Quiet = False,
) -> None:
    r"""Train a model; the task is read from the data.

    Labelled rows train a classifier, CoNLL columns a tagger, bare text a language model.

    \b
    lstmtext train data/reviews.csv -o checkpoints/reviews
    lstmtext train data/entities.conll -o checkpoints/entities
    lstmtext train data/prose.txt -o checkpoints/prose --budget 1m
    """
    from lstmtext.cli.progress import TrainingProgress
    from lstmtext.train.start import TrainRequest, start_training

    columns = Columns(text_column, label_column, tag_column)
    request = TrainRequest(options.data_request(data, valid, task, format_name, columns), output, encoder, head)
    flags = {
        "train.epochs": epochs,
        "train.budget": options.seconds(budget),
        "train.seed": seed,
        "train.device": device,
        "train.threads": threads or None,
    }
    with TrainingProgress(quiet=quiet) as progress:
        start_training(
            request,
            lambda name: options.settings_of(name, config, assignments, flags),
            progress,
            progress.remark,
        )
    remark(f"saved {output}", quiet=quiet)
