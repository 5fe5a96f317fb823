"""From what a user named to what is read: sources, task, columns, each guess put into words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lstmtext.config import TaskName
from lstmtext.data.columns import NO_COLUMNS, Columns
from lstmtext.data.parts import DataPlan
from lstmtext.data.readers import ROW_READERS, SENTENCE_READERS, columns_of, infer_task
from lstmtext.data.sources import find_sources
from lstmtext.errors import UsageError

TAG_COLUMNS = {"conll": "the last column", "conllu": "column upos"}
"""Where column files hold the tag if no column is named."""


@dataclass(frozen=True)
class DataRequest:
    """What a command line says of its data."""

    data: Sequence[str]
    valid: Sequence[str] = ()
    format: str | None = None
    columns: Columns = NO_COLUMNS
    task: TaskName | None = None
    replay: Sequence[str] = ()
    """Data that the model to go on from was trained on."""


def make_plan(request: DataRequest) -> tuple[DataPlan, list[str]]:
    """What to read, and remarks on everything that was guessed.

    Raises DataError and UsageError as `find_sources` and `Columns` do.
    """
    train = tuple(find_sources(request.data, request.format))
    valid = tuple(find_sources(request.valid, request.format))
    replay = tuple(find_sources(request.replay, request.format))
    every = (*train, *valid, *replay)
    if [source.name for source in every].count("-") > 1:
        raise UsageError("standard input", "named more than once", expected="- once")
    remarks = []
    if len(every) > len(request.data) + len(request.valid) + len(request.replay):
        remarks.append("folders stand for " + ", ".join(source.name for source in every))
    if request.columns.text is not None and request.columns.text == request.columns.label:
        raise UsageError(
            "--label-column", f"'{request.columns.text}' is the column of the text too", expected="another"
        )
    _check_weights(request.columns)
    columns = replace(request.columns, usual={"format": train[0].format})
    unseen_rows = train[0].once and train[0].format in ROW_READERS  # cannot be looked at twice
    task = request.task
    if task is None:
        if unseen_rows and columns.label:
            task, reason = "classify", f"a column '{columns.label}'"
        elif unseen_rows:
            raise UsageError(train[0].place(), "its task cannot be read ahead", hint="name it with --task")
        else:
            task, reason = infer_task(train[0], columns)
        remarks.append(f"task {task}, from {reason}; --task chooses another")
    if columns.weight is not None and task != "classify":
        raise UsageError("--weight-column", f"the task is {task}", expected="classify, whose rows can have weights")
    if train[0].format in ROW_READERS and not unseen_rows and task != "tag":
        place = train[0].place()
        found = columns_of(train[0])
        text = columns.text_of(found, place)
        label = columns.label_of(found, place) if task == "classify" else None
        guessed = {"text": text} | ({"label": label} if label else {})
        columns = replace(columns, usual={**columns.usual, **guessed})  # other files may call them otherwise
        weight = {} if columns.weight is None else {"weight": columns.weight}
        remarks.append(columns_remark(guessed | weight))
    if train[0].format in SENTENCE_READERS:
        remarks.append(f"tags from {f'column {columns.tag}' if columns.tag else TAG_COLUMNS[train[0].format]}")
    return DataPlan(task, train, valid, columns, replay=replay), remarks


def columns_remark(columns: Mapping[str, str]) -> str:
    """Which columns are read, in words."""
    labels = f", labels from column '{columns['label']}'" if "label" in columns else ""
    weights = f", weights from column '{columns['weight']}'" if "weight" in columns else ""
    return f"text from column '{columns['text']}'{labels}{weights}"


def _check_weights(columns: Columns) -> None:
    """Raise UsageError where the weights are to come from a column that holds something else."""
    held = {columns.text: "text", columns.label: "label"}
    if columns.weight is not None and columns.weight in held:
        found = f"'{columns.weight}' is the column of the {held[columns.weight]} too"
        raise UsageError("--weight-column", found, expected="another")
