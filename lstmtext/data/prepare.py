"""From files to encoded datasets: read, check, split, learn a tokenizer, encode.

Records pass through Arrow files in a work folder that the caller owns and removes, so memory stays flat and no
private text lands in a shared cache. What is particular to a task stands in `preparers`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

from lstmtext.config import Setting, Settings, TaskName
from lstmtext.data.encoded import EncodedData
from lstmtext.data.parts import DataPlan
from lstmtext.data.preparers import PREPARERS, Readied
from lstmtext.data.rows import MakeRows, make_alone
from lstmtext.errors import UsageError, UserError
from lstmtext.folders import NO_ROOM
from lstmtext.resolve import with_kept
from lstmtext.sizes import fit_vocabulary
from lstmtext.text.tokenizer import Tokenizer


def prepare(plan: DataPlan, settings: Settings, work: Path, make_rows: MakeRows = make_alone) -> EncodedData:
    """Read and encode the data of a plan; Arrow files go into the `work` folder. `make_rows` says who encodes.

    Raises DataError for data that nothing can be learned from, UserError where the work folder is full.
    """
    with room(work):
        ready = _ready(plan, settings, work)
        settings, tokenizer = _tokenizer(plan.tokenizer, plan.task, ready.settings, [ready])
        return ready.encode(settings, tokenizer, make_rows)


def prepare_together(
    plans: Mapping[str, DataPlan], settings: Mapping[str, Settings], work: Path
) -> dict[str, EncodedData]:
    """The data of several heads, with one tokenizer of the texts of all, or that of the first plan.

    Each has a folder of its own in `work`. Raises as `prepare` does.
    """
    with room(work):
        ready = {}
        for name, plan in plans.items():
            (work / name).mkdir(exist_ok=True)
            ready[name] = _ready(plan, settings[name], work / name)
        first = next(iter(plans))
        kept, tokenizer = _tokenizer(
            plans[first].tokenizer, plans[first].task, ready[first].settings, list(ready.values())
        )
        chosen = {name: replace(own.settings, text=kept.text) for name, own in ready.items()}
        return {name: own.encode(chosen[name], tokenizer, make_alone) for name, own in ready.items()}


@contextmanager
def room(work: Path) -> Iterator[None]:
    """Raise UserError where there is no room for the Arrow files."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise UserError(work.parent, f"cannot be written: {error.strerror}", hint="make room there") from error
        raise


def _ready(plan: DataPlan, settings: Settings, work: Path) -> Readied:
    if settings.classify.multi_label and plan.task != "classify":
        raise UsageError("--multi-label", f"the task is {plan.task}", expected="classify")
    return PREPARERS[plan.task](plan, settings, work)


def _tokenizer(
    tokenizer: Tokenizer | None, task: TaskName, settings: Settings, ready: Sequence[Readied]
) -> tuple[Settings, Tokenizer]:
    """The tokenizer that is given, or one learned from all texts, and settings with its size."""
    if tokenizer is not None:
        kept: dict[str, Setting] = {"text.unit": tokenizer.unit, "text.vocabulary_size": tokenizer.size}
        return with_kept(settings, task, kept, "the tokenizer to use has"), tokenizer

    def texts() -> Iterator[str]:
        return chain.from_iterable(own.texts() for own in ready)

    text = fit_vocabulary(settings.text, sum(map(len, texts())))
    return replace(settings, text=text), Tokenizer.train(texts(), text)
