"""A language model of the task's own kind of text first, then the head on its encoder (Howard and Ruder, 2018).

What `--adapt-on` does. Both are trainings like any other: the language model is a bundle beside that of the head, and
can be started from again.
"""

from dataclasses import replace
from pathlib import Path

from lstmtext.bundle import load_bundle
from lstmtext.config import Settings, TaskName
from lstmtext.data.columns import Columns
from lstmtext.data.encoded import is_encoded, load_encoded
from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.errors import UsageError
from lstmtext.train.job import FROM_SCRATCH, TrainRequest
from lstmtext.train.request import ChooseSettings, check_weighs

SUFFIX = ".lm"


def adapted_path(output: Path) -> Path:
    """Where the language model goes, beside the bundle of the head."""
    return output.with_name(output.name + SUFFIX)


def adapting_request(request: TrainRequest) -> TrainRequest:
    """The training of the language model, of the same column, if one is named, and format, if it is standard input.

    Raises UsageError where that is what is asked for anyway, where it would replace something, or where the data of the
    head cannot be read or are encoded for another tokenizer.
    """
    own, place = request.data, adapted_path(request.output)
    if "-" in (*own.data, *own.valid, *own.replay) and "-" in request.adapt_on:
        raise UsageError("standard input", "named more than once", expected="- once")
    if place.exists():
        hint = f"--encoder {place} begins on it; or remove it, or use another -o/--output"
        raise UsageError("--adapt-on", f"{place} is there already", hint=hint)
    task = _task_of(request)
    if task == "generate":
        raise UsageError("--adapt-on", "the data are for a language model anyway", hint="give train all of the text")
    if task is not None:
        check_weighs(request, task)
    kind = own.format if "-" in request.adapt_on else None
    asked = DataRequest(request.adapt_on, (), kind, Columns(own.columns.text), "generate")
    return TrainRequest(asked, place, request.encoder)


def _task_of(request: TrainRequest) -> TaskName | None:
    """What the data of the head are for, as far as can be said before they are read."""
    own = request.data
    if is_encoded(Path(own.data[0])):
        data = load_encoded(Path(own.data[0]))
        known = None if request.encoder == FROM_SCRATCH else load_bundle(Path(request.encoder)).tokenizer.to_json()
        if known != data.tokenizer.to_json():
            found = f"{own.data[0]} is encoded already, with another tokenizer than the language model's"
            raise UsageError("--adapt-on", found, hint="give train the raw files")
        return data.task
    return own.task if "-" in (*own.data, *own.valid, *own.replay) else make_plan(own)[0].task


def adapting_settings(choose: ChooseSettings) -> ChooseSettings:
    """Settings of the language model: its own number of passes, its share of the budget, and no page of its own."""

    def chosen(settings: Settings) -> Settings:
        own = settings.transfer
        budget = settings.train.budget * own.adapt_share
        train = replace(settings.train, epochs=own.adapt_epochs, budget=budget, adversarial=0.0)
        transfer = replace(own, retain=0.0)  # that is for what the head learns, and other heads are none of its own
        classify = replace(settings.classify, multi_label=False)
        return replace(settings, classify=classify, transfer=transfer, train=replace(train, report=False))

    return lambda task: chosen(choose(task))


def adapted_request(request: TrainRequest) -> TrainRequest:
    """The training of the head."""
    return replace(request, encoder=str(adapted_path(request.output)), adapt_on=())


def adapted_settings(choose: ChooseSettings) -> ChooseSettings:
    """Settings of the head, with what is left of the budget."""

    def chosen(settings: Settings) -> Settings:
        left = settings.train.budget * (1.0 - settings.transfer.adapt_share)
        return replace(settings, train=replace(settings.train, budget=left))

    return lambda task: chosen(choose(task))
