"""From what a command line says of several heads that train together to a job, with the data of each prepared."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil
from pathlib import Path

from lstmtext.bundle import Bundle
from lstmtext.config import Settings
from lstmtext.data.encoded import EncodedData, is_encoded
from lstmtext.data.parts import DataPlan
from lstmtext.data.plan import columns_remark, make_plan
from lstmtext.data.prepare import prepare_together
from lstmtext.description import check_head_name
from lstmtext.errors import UsageError
from lstmtext.sizes import fit_training
from lstmtext.text.tokenizer import Tokenizer
from lstmtext.train.before import about_run
from lstmtext.train.job import FROM_SCRATCH, HeadJob, TrainJob, TrainRequest
from lstmtext.train.making import set_threads
from lstmtext.train.ranks import Ranks
from lstmtext.train.request import ChooseSettings, data_remarks, start_bundle
from lstmtext.train.staying import staying_heads, staying_remarks
from lstmtext.train.transfer import FROZEN, head_for, old_head, with_encoder

FLAG = "--task-data"


def make_joint_job(
    request: TrainRequest,
    choose: ChooseSettings,
    ranks: Ranks,
    work: Path,
    remark: Callable[[str], None],
    tokenizer: str = "",
    *,
    earlier: Mapping[str, Settings] | None = None,
) -> TrainJob:
    """What to train, with the data of all heads prepared.

    Settings of encoder and training are those of the first head's task. `tokenizer` and `earlier` are those of a run
    that is gone on with, as JSON and by head.
    """
    _check(request, ranks)
    bundle = start_bundle(request)
    plans = _plans(request, remark)
    settings = earlier or _settings(plans, choose, bundle)
    _check_settings(settings)
    plans = {name: _from_bundle(name, plan, settings[name], bundle) for name, plan in plans.items()}
    if bundle is None and tokenizer:
        known = Tokenizer.from_json(tokenizer, request.output)
        plans = {name: replace(plan, tokenizer=known) for name, plan in plans.items()}
    prepared = prepare_together(plans, settings, work)
    if tokenizer:  # the size that was asked for is a bound, and stands in the bundle as it was given
        prepared = {name: _with_text(own, settings[name]) for name, own in prepared.items()}
    heads = _fitted(prepared, bundle)
    for head in heads:
        for text in _remarks(head, request, plans[head.name], bundle):
            remark(f"{head.name}: {text}")
    set_threads(heads[0].settings.train)
    staying = staying_heads(bundle, heads[0].settings, list(request.together))
    gone_on = [head.before.name for head in heads if head.before]
    for text in staying_remarks(bundle, heads[0].settings, staying, gone_on):
        remark(text)
    about = about_run(request, heads, bundle, staying, ranks)
    return TrainJob(heads, request.output, bundle, staying=staying, about=about, ranks=ranks)


def _check(request: TrainRequest, ranks: Ranks) -> None:
    """Raise UsageError for what does not fit together."""
    names = list(request.together)
    for name, asked in request.together.items():
        check_head_name(name)
        if any(is_encoded(Path(place)) for place in asked.data):
            found = f"{name}={asked.data[0]} is encoded already, with a tokenizer of its own"
            raise UsageError(FLAG, found, hint="give it the raw files")
    if len({name.lower() for name in names}) < len(names):
        raise UsageError(FLAG, f"found {', '.join(names)}", expected="names that differ by more than case")
    if sum(place == "-" for own in request.together.values() for place in (*own.data, *own.valid)) > 1:
        raise UsageError("standard input", "named more than once", expected="- once")
    if ranks.size > 1:
        found = "cannot be had with torchrun"
        raise UsageError(FLAG, found, hint="one process trains several heads; a head at a time can have more")
    if request.encoder != FROM_SCRATCH and Path(request.encoder).absolute() == request.output.absolute():
        hint = "write another beside it, so that both can be compared"
        raise UsageError("-o/--output", f"{request.output} is the model to go on from", hint=hint)


def _plans(request: TrainRequest, remark: Callable[[str], None]) -> dict[str, DataPlan]:
    plans = {}
    for name, asked in request.together.items():
        weight = asked.columns.weight
        plan, remarks = make_plan(replace(asked, columns=replace(asked.columns, weight=None)))
        if weight is not None and plan.task == "classify":  # rows of others have no weights
            plan, remarks = make_plan(replace(asked, task=plan.task))
        plans[name] = plan
        for text in remarks:
            remark(f"{name}: {text.removesuffix('; --task chooses another')}")
    if weight is not None and all(plan.task != "classify" for plan in plans.values()):
        raise UsageError("--weight-column", "no data are for classify", expected="rows with a column of labels")
    if request.weighs and all(plan.task != "classify" for plan in plans.values()):
        raise UsageError(request.weighs, "no data are for classify", expected="rows with a column of labels")
    return plans


def _settings(plans: Mapping[str, DataPlan], choose: ChooseSettings, bundle: Bundle | None) -> dict[str, Settings]:
    """Settings of each head; all but the sections of the tasks are shared."""
    first = next(iter(plans.values())).task
    shared = choose(first)
    if shared.classify.multi_label and all(plan.task != "classify" for plan in plans.values()):
        raise UsageError("--multi-label", "no data are for classify", expected="a column of labels")
    if bundle is not None:
        shared = with_encoder(shared, first, bundle)
    return {name: _of_task(name, plan, shared, bundle) for name, plan in plans.items()}


def _check_settings(settings: Mapping[str, Settings]) -> None:
    """Raise UsageError for settings that are for one head alone, be they given now or as a run goes on."""
    if any(own.transfer.language_loss != FROZEN["transfer.language_loss"] for own in settings.values()):
        hint = f"give a head of its own, {FLAG} lm=TEXT"
        raise UsageError("--set transfer.language_loss", f"cannot be had with {FLAG}", hint=hint)


def _of_task(name: str, plan: DataPlan, shared: Settings, bundle: Bundle | None) -> Settings:
    """The shared settings for one head, which goes on only where the bundle has one of its name.

    Raises UsageError where it has none and the heads are to be kept.
    """
    several = shared.classify.multi_label and plan.task == "classify"
    made = replace(shared, classify=replace(shared.classify, multi_label=several))
    old = bundle.info.heads.get(name) if bundle is not None else None
    if old is not None and old.task == plan.task:
        return made
    if bundle is not None and shared.transfer.head == "keep":
        hint = "leave it out, or give the head the name of one there"
        raise UsageError("--set transfer.head=keep", f"{bundle.folder} has no head '{name}' to {plan.task}", hint=hint)
    return replace(made, transfer=replace(made.transfer, head="new"))


def _from_bundle(name: str, plan: DataPlan, settings: Settings, bundle: Bundle | None) -> DataPlan:
    if bundle is None:
        return plan
    found = head_for(bundle, plan.task, settings, name)
    return replace(plan, tokenizer=bundle.tokenizer, head=found and found[1])


def _with_text(data: EncodedData, settings: Settings) -> EncodedData:
    return replace(data, settings=replace(data.settings, text=settings.text))


def _fitted(prepared: Mapping[str, EncodedData], bundle: Bundle | None) -> tuple[HeadJob, ...]:
    """Heads with what is left to the amount of data: of each its own, and passes that all share.

    There are as many as make all heads together read what each would alone.
    """
    before = {
        name: old_head(bundle, data.task, data.settings, data.labels, name) if bundle else None
        for name, data in prepared.items()
    }
    fitted = {
        name: fit_training(
            data.settings, data.task, data.facts.train_tokens, data.facts.words, old.ngrams if old else 0
        )
        for (name, data), old in zip(prepared.items(), before.values(), strict=True)
    }
    every = sum(data.facts.train_tokens for data in prepared.values())
    read = sum(fitted[name].train.epochs * data.facts.train_tokens for name, data in prepared.items())
    epochs = ceil(read / max(1, every))
    heads = []
    for name, data in prepared.items():
        settings = replace(fitted[name], train=replace(fitted[name].train, epochs=epochs))
        heads.append(HeadJob(name, data, settings, before[name]))
    return tuple(heads)


def _remarks(head: HeadJob, request: TrainRequest, plan: DataPlan, bundle: Bundle | None) -> list[str]:
    """What the user should know of a head and its data."""
    data = head.data
    said = list(data_remarks(request.together[head.name], data, data.settings, encoded=False))
    if data.facts.columns != plan.columns.known():  # what could not be read ahead
        said.append(columns_remark(data.facts.columns))
    if bundle is not None and head.before is not None:
        said.append(f"the whole of {bundle.folder} goes on, this head too")
    elif bundle is not None and head.settings.transfer.head == "keep":
        found = f"head '{head.name}' of {bundle.folder} is of another kind or shape"
        raise UsageError("--set transfer.head=keep", found, hint="leave it out, or give the head another name")
    elif bundle is not None:
        said.append(f"the encoder of {bundle.folder} goes on")
    return said
