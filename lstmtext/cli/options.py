"""Options that more than one command has, each defined once, and what they are turned into."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lstmtext.config import Setting, Settings, TaskName
from lstmtext.data.columns import Columns
from lstmtext.errors import UsageError
from lstmtext.resolve import changed_settings, chosen_keys, option_of, resolve_settings
from lstmtext.shipped import usual_bundle

if TYPE_CHECKING:
    from lstmtext.data.plan import DataRequest

FORMATS = "csv, tsv, jsonl, parquet, text, conll or conllu"

Model = Annotated[
    Path,
    typer.Option(
        "-m",
        "--model",
        help="The bundle, a folder that train wrote.",
        default_factory=usual_bundle,
        show_default="the English one, where lstmtext came with it",
    ),
]
ModelToChange = Annotated[Path, typer.Option("-m", "--model", help="The bundle, a folder that train wrote.")]
Encoder = Annotated[
    str,
    typer.Option("--encoder", help="A bundle to go on from; none: from scratch; auto: the English one, if it fits."),
]
Heads = Annotated[list[str] | None, typer.Option("--head", help="Name of the head; see lstmtext info.")]
DataFormat = Annotated[str | None, typer.Option("--format", help=f"Format of the data: {FORMATS}.")]
Valid = Annotated[list[str] | None, typer.Option("--valid", help="Validation data; else a part is held out.")]
TextColumn = Annotated[str | None, typer.Option("--text-column", help="Column that holds the text.")]
TextKey = Annotated[
    str | None, typer.Option("--text-column", help="Lines are JSON objects with the text under this key ('text').")
]
LabelColumn = Annotated[str | None, typer.Option("--label-column", help="Column that holds the label.")]
TagColumn = Annotated[
    str | None, typer.Option("--tag-column", help="Column that holds the tag: a number from 1, or a name.")
]
MultiLabel = Annotated[
    bool, typer.Option("--multi-label", help="A text may have several labels or none: a|b, or a list.")
]
WeightColumn = Annotated[
    str | None,
    typer.Option("--weight-column", help="Column that holds how much a training row counts; 1 is usual, 2 is twice."),
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", help="A setting, such as train.clip=0.5; see lstmtext settings.")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of every random choice.")]
Threads = Annotated[int, typer.Option("--threads", min=0, help="CPU threads; 0 takes all.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no remarks on stderr.")]
Task = Annotated[str | None, typer.Option("--task", help="classify, tag or generate; read from the data if not given.")]
File = Annotated[str, typer.Argument(help="Text file, one text a line, whatever its name; - is standard input.")]


@dataclass(frozen=True)
class Choices:
    """What a command was given of settings: `--config`, `--set`, and flags that stand for one setting each."""

    file: Path | None
    assignments: Sequence[str]
    flags: Mapping[str, Setting | None]

    def settings_of(self, task: TaskName) -> Settings:
        """The settings of a task, with these."""
        return resolve_settings(task, file=self.file, assignments=self.assignments, flags=self.flags)

    def changed(self, settings: Settings) -> Settings:
        """Settings of an earlier run, changed by these."""
        return changed_settings(settings, file=self.file, assignments=self.assignments, flags=self.flags)

    def keys(self) -> frozenset[str]:
        """The settings that these name."""
        return chosen_keys(self.file, self.assignments, self.flags)

    def weighing(self) -> str:
        """The option that lets classes count alike; empty where none does."""
        return option_of("classify.class_weight", "balanced", self.assignments, self.flags)


def one_head(names: list[str] | None) -> str | None:
    """The name that `--head` gives, if any. Raises UsageError for several."""
    if names and len(names) > 1:
        raise UsageError("--head", f"found {', '.join(names)}", expected="one", hint="lstmtext tag takes several")
    return names[0] if names else None


def known_task(name: str, place: str = "--task") -> TaskName:
    """The task of a name. Raises UsageError for one that does not exist."""
    from lstmtext.tasks import TASKS

    found = next((task for task in TASKS if task == name), None)
    if found is None:
        raise UsageError(place, f"found '{name}'", expected=", ".join(TASKS))
    return found


def chosen(flag: str, name: str | None, allowed: tuple[str, ...]) -> str | None:
    """The value of a flag that has few. Raises UsageError for one that is not allowed here."""
    if name is not None and name not in allowed:
        raise UsageError(flag, f"found '{name}'", expected=", ".join(allowed))
    return name


def chosen_format(name: str | None, allowed: tuple[str, ...]) -> str | None:
    """A `--format` value. Raises UsageError for one that is not allowed here."""
    return chosen("--format", name, allowed)


def seconds(text: str | None) -> float | None:
    """A duration such as 90, 90s, 5m, 1.5h. Raises UsageError for anything else."""
    if text is None:
        return None
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        value = float(number) * units[unit]
    except ValueError as error:
        raise UsageError("--budget", f"found '{text}'", expected="a duration such as 90s, 5m or 1h") from error
    if not value > 0:
        raise UsageError("--budget", f"found '{text}'", expected="a duration above 0")
    return value


def bytes_of(text: str | None) -> int:
    """A size such as 5MB or 800k; 0 if none is given. Raises UsageError for anything else."""
    if text is None:
        return 0
    units = {"k": 1e3, "m": 1e6, "g": 1e9}
    number = text.lower().removesuffix("b")
    unit = units.get(number[-1:], 1.0)
    try:
        value = float(number[:-1] if number[-1:] in units else number) * unit
    except ValueError as error:
        raise UsageError("--max-size", f"found '{text}'", expected="a size such as 5MB") from error
    if not 0 < value < math.inf:
        raise UsageError("--max-size", f"found '{text}'", expected="a size above 0")
    return int(value)


def joint_requests(
    data: list[str], valid: list[str], format_name: str | None, columns: Columns
) -> "dict[str, DataRequest]":
    """Data of several heads, from NAME=DATA each. Raises UsageError for one that is not, and for fewer than two."""
    train, held = by_name("--task-data", data), by_name("--valid-data", valid)
    for name in held.keys() - train.keys():
        raise UsageError("--valid-data", f"found '{name}'", expected=f"a head of --task-data: {', '.join(train)}")
    if len(train) < 2:
        hint = "for one head, give DATA, and its name by --head"
        raise UsageError("--task-data", f"found {len(train)} heads", expected="two at least", hint=hint)
    return {name: data_request(own, held.get(name), None, format_name, columns) for name, own in train.items()}


def by_name(flag: str, values: list[str]) -> dict[str, list[str]]:
    """What a flag of NAME=VALUE gives for each name, in order. Raises UsageError where one has no name or value."""
    found: dict[str, list[str]] = {}
    for text in values:
        name, _, value = text.partition("=")
        if not name or not value:
            raise UsageError(flag, f"found '{text}'", expected="NAME=DATA, such as ner=data/entities.conll")
        found.setdefault(name, []).append(value)
    return found


def data_request(
    data: list[str], valid: list[str] | None, task: str | None, format_name: str | None, columns: Columns
) -> "DataRequest":
    """What the data options of a command ask for. Raises UsageError for an unknown task or format."""
    from lstmtext.data.plan import DataRequest
    from lstmtext.data.readers import READERS

    return DataRequest(
        data, valid or (), chosen_format(format_name, READERS), columns, known_task(task) if task is not None else None
    )
