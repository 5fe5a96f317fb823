"""`lstmtext tune`: the best settings for some data within a time."""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lstmtext.cli import options
from lstmtext.cli.streams import remark, write_text
from lstmtext.data.columns import Columns

Data = Annotated[list[str], typer.Argument(help="Training data, as for train.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder of the best bundle.")]
Budget = Annotated[str, typer.Option("--budget", help="Time to search, such as 90s or 20m.")]
Trials = Annotated[int, typer.Option("--trials", min=0, help="Most trials of this process; 0 is any.")]
Metric = Annotated[str | None, typer.Option("--metric", help="Score to search for, such as macro_f1 or f1:LABEL.")]
MaxSize = Annotated[str | None, typer.Option("--max-size", help="Largest bundle that counts, such as 5MB.")]
Storage = Annotated[
    str | None, typer.Option("--storage", help="URL of an Optuna storage that several processes or machines share.")
]


def tune(
    data: Data,
    output: Output,
    budget: Budget = "10m",
    metric: Metric = None,
    max_size: MaxSize = None,
    storage: Storage = None,
    trials: Trials = 0,
    valid: options.Valid = None,
    task: options.Task = None,
    format_name: options.DataFormat = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    tag_column: options.TagColumn = None,
    weight_column: options.WeightColumn = None,
    multi_label: options.MultiLabel = False,
    encoder: options.Encoder = "auto",
    head: options.Heads = None,
    seed: options.Seed = None,
    threads: options.Threads = 0,
    assignments: options.Assignments = None,
    config: options.ConfigFile = None,
    quiet: options.Quiet = False,
) -> None:
    r"""Search for the settings that suit some data; print the best as TOML, and keep their bundle.

    Trials start from where train starts. A search that was cut short goes on when it is started again; several
    processes search together where they have the same output folder, or the same --storage and name of -o.

    \b
    lstmtext tune data/reviews.csv -o checkpoints/tuned --budget 2m > best.toml
    lstmtext tune data/reviews.csv -o checkpoints/small --encoder none --max-size 20MB --budget 2m
    """
    began = time.monotonic()
    from lstmtext.resolve import as_toml, differences, resolve_settings
    from lstmtext.train.job import TrainRequest
    from lstmtext.train.ranks import ALONE
    from lstmtext.train.request import make_job
    from lstmtext.tune.found import SETTINGS_FILE, as_comments, train_command, verdict
    from lstmtext.tune.start import with_start_within
    from lstmtext.tune.storage import check_storage
    from lstmtext.tune.study import data_folder, search, search_folder
    from lstmtext.tune.trials import Search

    say = partial(remark, quiet=quiet)
    seconds, most_bytes = options.seconds(budget) or 0.0, options.bytes_of(max_size)
    if storage is not None:
        check_storage(storage)
    columns = Columns(text_column, label_column, tag_column, weight_column)
    flags = {"train.seed": seed, "train.threads": threads or None, "classify.multi_label": multi_label or None}
    choices = options.Choices(config, assignments or (), flags)
    asked_data = options.data_request(data, valid, task, format_name, columns)
    asked = TrainRequest(asked_data, output, encoder, options.one_head(head), weighs=choices.weighing())
    request, choose = with_start_within(asked, choices.settings_of, most_bytes, say)
    folder = search_folder(output)
    with data_folder(folder) as work:
        job = make_job(request, choose, ALONE, work, say)
        task_name = job.data.task
        brought = differences(resolve_settings(task_name), choose(task_name))  # by an optimizer, say
        fixed = choices.keys() | frozenset(brought)
        wanted = Search(job, folder, seconds, began, fixed)
        found = search(replace(wanted, storage=storage, metric=metric, most_bytes=most_bytes, trials=trials), say)
    command = train_command(request)
    write_text("\n".join([*as_comments(found, command), "", as_toml(task_name, found.settings)]))
    for text in verdict(found):
        remark(text, quiet=quiet and not text.startswith("WARNING"))
    say(f"saved {output}" if found.here else "the best bundle is not here: it was made on another machine, or changed")
    say(f"with these settings as {SETTINGS_FILE}, this trains {'so again' if found.here else 'it anew'}: {command}")
