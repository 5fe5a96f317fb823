"""A language model of the task's own kind of text first, then the head on its encoder (Howard and Ruder, 2018).

What `--adapt-on` does. Both are trainings like any other: the language model is a bundle beside that of the head, and
can be started from again.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lstmtext.config import Settings
from lstmtext.data.encoded import is_encoded
from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.errors import UsageError
from lstmtext.train.job import TrainRequest
from lstmtext.train.request import ChooseSettings

SUFFIX = ".lm"


def adapted_path(output: Path) -> Path:
    """Where the language model goes, beside the bundle of the head."""
    return output.with_name(output.name + SUFFIX)


def adapting_request(request: TrainRequest, remark: Callable[[str], None]) -> TrainRequest:
    """The training of the language model.

    Raises UsageError where that is what is asked for anyway, and whatever can be seen to be wrong with the data of the
    head, as long as no time is spent.
    """
    place, named = adapted_path(request.output), (*request.data.data, *request.data.valid, *request.data.replay)
    if "-" in named and "-" in request.adapt_on:
        raise UsageError("standard input", "named more than once", expected="- once")
    encoded = is_encoded(Path(request.data.data[0]))
    task = request.data.task if encoded or "-" in named else make_plan(request.data)[0].task
    if task == "generate":
        raise UsageError("--adapt-on", "the data are for a language model anyway", hint="give train all of the text")
    remark(f"first a language model, {place}; --encoder {place} takes it again")
    return TrainRequest(DataRequest(request.adapt_on, task="generate"), place, request.encoder)


def adapting_settings(choose: ChooseSettings) -> ChooseSettings:
    """Settings of the language model: its own number of passes, its share of the budget, and no page of its own."""

    def chosen(settings: Settings) -> Settings:
        own = settings.transfer
        train = replace(settings.train, epochs=own.adapt_epochs, budget=settings.train.budget * own.adapt_share)
        return replace(settings, train=replace(train, report=False))

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
