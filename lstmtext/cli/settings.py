"""`lstmtext settings`: what `--set` and `--config` can say."""

from typing import Annotated

import typer

from lstmtext.cli import options
from lstmtext.cli.streams import write_text


def settings(task: Annotated[str, typer.Argument(help="classify, tag or generate.")]) -> None:
    r"""Print what --set and --config can say of a task: each setting with its default, its meaning and its bounds.

    The defaults are comments: a file for --config, of which you uncomment what you change.

    \b
    lstmtext settings classify > run.toml
    lstmtext train data/reviews.csv -o checkpoints/reviews --config run.toml
    """
    from lstmtext.reference import settings_reference

    write_text(settings_reference(options.known_task(task, "TASK")))
