"""`lstmtext train`: data to a bundle."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from lstmtext.cli import options
from lstmtext.cli.streams import remark, write_lines
from lstmtext.config import Settings, TaskName
from lstmtext.data.columns import Columns
from lstmtext.errors import UsageError

if TYPE_CHECKING:
    from lstmtext.train.job import TrainRequest

Value = TypeVar("Value")
Data = Annotated[
    list[str] | None,
    typer.Argument(help="Files, folders, hf://owner/name, - for standard input, or a folder of preprocess."),
]
Replay = Annotated[
    list[str] | None,
    typer.Option(
        "--replay",
        help="With --encoder: old data, a part of which is learned again, each row counting 1.",
    ),
]
AdaptOn = Annotated[
    list[str] | None,
    typer.Option(
        "--adapt-on", help="Text without labels of the same kind: a language model of it first, written to OUTPUT.lm."
    ),
]
AddTo = Annotated[
    Path | None,
    typer.Option("--add-to", help="A bundle to add the head to; its encoder and its heads stay as they are."),
]
TaskData = Annotated[
    list[str] | None,
    typer.Option(
        "--task-data", help="Instead of DATA: NAME=DATA, a head and its data; repeated, heads that train together."
    ),
]
ValidData = Annotated[
    list[str] | None, typer.Option("--valid-data", help="With --task-data: NAME=DATA, validation data of a head.")
]
Resume = Annotated[
    Path | None, typer.Option("--resume", help="Go on with a training that was cut short: its folder, or its bundle.")
]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Most passes over the data.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Folder of the bundle to write.")]
Budget = Annotated[str | None, typer.Option("--budget", help="Time to train, such as 90s or 5m.")]
ClassWeight = Annotated[
    str | None, typer.Option("--class-weight", help="balanced: each label counts alike, however rare.")
]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda.")]
Force = Annotated[bool, typer.Option("--force", help="With --resume: go on though data or settings changed.")]
LogDir = Annotated[
    Path | None, typer.Option("--log-dir", help="Folder for TensorBoard's files and each step as a line of JSON.")
]
FindRate = Annotated[bool, typer.Option("--find-lr", help="Print losses at rising learning rates instead.")]

NOT_TOGETHER = {"data", "valid", "task", "head", "replay", "adapt_on", "add_to"}
"""What does not go with heads that train together."""
OF_THE_RUN = {
    "output", "task", "format_name", "text_column", "label_column", "tag_column", "weight_column", "head", "replay",
    "encoder", "adapt_on", "add_to", "task_data", "valid_data",
}  # fmt: skip
"""What a training that goes on has from its beginning."""


def train(
    context: typer.Context,
    data: Data = None,
    output: Output = None,
    valid: options.Valid = None,
    task: options.Task = None,
    format_name: options.DataFormat = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    tag_column: options.TagColumn = None,
    weight_column: options.WeightColumn = None,
    multi_label: options.MultiLabel = False,
    encoder: options.Encoder = "auto",
    adapt_on: AdaptOn = None,
    add_to: AddTo = None,
    task_data: TaskData = None,
    valid_data: ValidData = None,
    replay: Replay = None,
    head: options.Heads = None,
    epochs: Epochs = None,
    budget: Budget = None,
    class_weight: ClassWeight = None,
    seed: options.Seed = None,
    device: Device = None,
    threads: options.Threads = 0,
    assignments: options.Assignments = None,
    config: options.ConfigFile = None,
    resume: Resume = None,
    force: Force = False,
    log_dir: LogDir = None,
    find_lr: FindRate = False,
    quiet: options.Quiet = False,
) -> None:
    r"""Train a model; the task is read from the data.

    Labelled rows train a classifier, CoNLL columns a tagger, bare text a language model.

    \b
    lstmtext train data/reviews.csv -o checkpoints/reviews
    lstmtext train data/entities.conll -o checkpoints/entities
    lstmtext train data/prose.txt -o checkpoints/prose --budget 1m
    lstmtext train data/entities.conll --add-to checkpoints/reviews --head ner -o checkpoints/both
    lstmtext train --task-data topic=data/reviews.csv --task-data ner=data/entities.conll -o checkpoints/two --epochs 5
    lstmtext train --resume checkpoints/reviews
    lstmtext train data/reviews.csv --find-lr
    """
    from lstmtext.cli.progress import TrainingProgress
    from lstmtext.train.job import TrainRequest
    from lstmtext.train.ranks import leads
    from lstmtext.train.start import resume_training, start_training

    quiet = quiet or not leads()
    flags = {
        "train.epochs": epochs,
        "train.budget": options.seconds(budget),
        "classify.class_weight": class_weight,
        "classify.multi_label": multi_label or None,
        "train.seed": seed,
        "train.device": device,
        "train.threads": threads or None,
    }
    choices = options.Choices(config, assignments or (), flags)

    def request(output: Path) -> TrainRequest:
        weighs = choices.weighing()
        columns = Columns(text_column, label_column, tag_column, weight_column)
        if task_data or valid_data:
            _refuse(context, NOT_TOGETHER, "--task-data", "leave it out, or train one head")
            together = options.joint_requests(task_data or [], valid_data or [], format_name, columns)
            first = next(iter(together.values()))
            return TrainRequest(first, output, encoder, together=together, weighs=weighs)
        asked = options.data_request(_given(data, "DATA"), valid, task, format_name, columns)
        asked = replace(asked, replay=replay or ())
        heads = options.one_head(head), adapt_on or (), str(add_to or "")
        return TrainRequest(asked, output, encoder, *heads, weighs=weighs)

    if find_lr:
        if resume is not None:
            raise UsageError("--resume", "cannot be had with --find-lr", hint="find the rate of a training anew")
        _print_rates(request(Path()), choices.settings_of, quiet=quiet)
        return
    with TrainingProgress(quiet=quiet) as progress:
        if resume is None:
            output = _given(output or add_to, "-o/--output")
            start_training(request(output), choices.settings_of, progress, progress.remark, log_dir=log_dir)
        else:
            _refuse(context, OF_THE_RUN, "--resume", "the run has its own; train anew without it")
            resuming = partial(resume_training, resume, data or (), valid or (), choices.changed, force=force)
            output = resuming(progress, progress.remark, log_dir=log_dir)
    remark(f"saved {output}", quiet=quiet)


def _print_rates(request: "TrainRequest", settings_of: Callable[[TaskName], Settings], *, quiet: bool) -> None:
    """Losses at rising learning rates on stdout, their curve on stderr."""
    from lstmtext.cli.progress import sparkline
    from lstmtext.train.find_rate import suggested_rate
    from lstmtext.train.start import find_rate

    optimizer, steps = find_rate(request, settings_of, partial(remark, quiet=quiet))
    write_lines(["rate\tloss\tsmooth", *(f"{s.rate:.3e}\t{s.loss:.4f}\t{s.smooth:.4f}" for s in steps)])
    curve, rate = sparkline([step.smooth for step in steps]), suggested_rate(steps, optimizer)
    remark(f"loss from {steps[0].rate:g} on  {curve}  try --set train.learning_rate={rate:.1e}", quiet=quiet)


def _given(value: Value | None, name: str) -> Value:
    if value is None:
        raise UsageError(name, "is missing", hint="see lstmtext train --help")
    return value


def _refuse(context: typer.Context, names: Collection[str], flag: str, hint: str) -> None:
    """Raise UsageError for a parameter that was given and does not go with a flag."""
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name in names and source is not None and source.name == "COMMANDLINE":
            given = name.upper() if parameter.param_type_name == "argument" else "/".join(parameter.opts)
            raise UsageError(given, f"cannot be had with {flag}", hint=hint)
