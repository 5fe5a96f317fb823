"""From what a command line says of a training to a job, with the data prepared."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from lstmtext.bundle import Bundle, load_bundle
from lstmtext.config import Setting, Settings, TaskName
from lstmtext.data.encoded import EncodedData, is_encoded, load_encoded
from lstmtext.data.plan import DataRequest, columns_remark, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.data.rows import MakeRows, make_alone
from lstmtext.description import check_head_name
from lstmtext.errors import DataError, UsageError
from lstmtext.resolve import with_kept
from lstmtext.sizes import fit_training
from lstmtext.tasks import TASKS
from lstmtext.text.tokenizer import Tokenizer
from lstmtext.train.before import about_run, check_new_head
from lstmtext.train.job import FROM_SCRATCH, HeadJob, TrainJob, TrainRequest
from lstmtext.train.making import set_threads
from lstmtext.train.ranks import Ranks
from lstmtext.train.shared_data import encoded_together
from lstmtext.train.staying import staying_heads, staying_remarks
from lstmtext.train.transfer import (
    OldHead,
    head_for,
    heads_of,
    old_head,
    same_kind,
    with_encoder,
    with_head_for_encoded,
)

KEEPS = "--set transfer.head=keep keeps its head"
READ_ONCE: dict[str, Setting] = {"train.adversarial": 0.0}
"""Settings of a language model by itself, whose text goes on from where it was read before."""
USUAL_WEIGHTS = (0.1, 10.0)
"""Between these, weights of rows need no remark."""
ChooseSettings = Callable[[TaskName], Settings]
"""Settings of a task, once the data have told which it is."""


def make_job(
    request: TrainRequest,
    choose: ChooseSettings,
    ranks: Ranks,
    work: Path,
    remark: Callable[[str], None],
    tokenizer: str = "",
) -> TrainJob:
    """What to train, with the data prepared; `tokenizer` is that of an earlier run, as JSON."""
    check_request(request)
    if ranks.size > 1 and "-" in (*request.data.data, *request.data.valid, *request.data.replay):
        raise UsageError("standard input", "cannot be shared by processes", hint="use files, or lstmtext preprocess")
    encoder = start_bundle(request)
    if encoder is not None and request.add_to and request.head and not tokenizer:
        check_new_head(encoder, request.head)  # before time is spent on the data

    def make(make_rows: MakeRows = make_alone) -> tuple[EncodedData, Settings]:
        return _prepared(request, choose, encoder, work, remark, tokenizer, make_rows)

    encoded = is_encoded(Path(request.data.data[0]))
    data, settings = make() if ranks.size == 1 or encoded else encoded_together(ranks, work, make)
    for text in data_remarks(request.data, data, settings, encoded=encoded):
        remark(text)
    before = old_head(encoder, data.task, settings, data.labels, request.head) if encoder else None
    if encoder is not None:
        remark(_taken(request, encoder, before, data, settings, encoded=encoded))
    facts, ngrams = data.facts, before.ngrams if before else 0
    fitted = fit_training(settings, data.task, facts.train_tokens, facts.words, ngrams)
    set_threads(fitted.train)
    if len(set(ranks.gathered(data.fingerprint()))) > 1:
        raise DataError(request.data.data[0], "is not the same for all processes", hint="copy it to all hosts anew")
    name = request.head or (before.name if before else TASKS[data.task].head)
    heads, added = (HeadJob(name, data, fitted, before),), bool(request.add_to)
    if added and encoder is not None:
        check_new_head(encoder, name, heads[0] if tokenizer else None)
    staying = {} if added else staying_heads(encoder, fitted, [name])
    for text in staying_remarks(encoder, fitted, staying, [before.name] if before else []):
        remark(text)
    about = about_run(request, heads, encoder, staying, ranks)
    return TrainJob(heads, request.output, encoder, added, staying, about=about, ranks=ranks)


def start_bundle(request: TrainRequest) -> Bundle | None:
    """The bundle whose encoder a training starts from, if there is one."""
    start = request.add_to or (request.encoder if request.encoder != FROM_SCRATCH else "")
    return load_bundle(Path(start)) if start else None


def check_request(request: TrainRequest) -> None:
    """Raise UsageError for what does not fit together."""
    if request.head is not None:
        check_head_name(request.head)
    started = request.encoder != FROM_SCRATCH
    if request.add_to:
        others = {"--encoder": started, "--adapt-on": request.adapt_on, "--replay": request.data.replay}
        for flag in (flag for flag, given in others.items() if given):
            hint = "without --add-to, a bundle of the whole is written"
            raise UsageError(flag, "cannot be had with --add-to, whose encoder stays as it is", hint=hint)
    elif not started and not request.adapt_on and request.data.replay:
        raise UsageError("--replay", "there is no model to go on from", hint="name it with --encoder BUNDLE")
    if started and Path(request.encoder).absolute() == request.output.absolute():
        hint = "write another beside it, so that both can be compared"
        raise UsageError("-o/--output", f"{request.output} is the model to go on from", hint=hint)


def chosen_for(task: TaskName, choose: ChooseSettings) -> Settings:
    """The settings of a task. Raises UsageError for what is asked for and cannot be had."""
    settings = choose(task)
    return with_kept(settings, task, READ_ONCE, "running text is read once") if task == "generate" else settings


def check_weighs(request: TrainRequest, task: TaskName) -> None:
    """Raise UsageError where classes are to count alike and the task has none."""
    if request.weighs and task != "classify":
        raise UsageError(request.weighs, f"the task is {task}", expected="classify, whose texts have classes")


def data_remarks(request: DataRequest, data: EncodedData, settings: Settings, *, encoded: bool) -> Iterator[str]:
    """What the user should know of the data."""
    facts, train = data.facts, settings.train
    if facts.repaired_tags:
        yield f"broken tags repaired: {facts.repaired_tags}"
    if facts.truncated:
        yield f"texts cut to {settings.text.max_tokens} tokens (text.max_tokens): {facts.truncated}"
    if facts.unknown_labels:
        names = ", ".join(facts.unknown[:5])
        yield f"validation labels or tags that do not occur in training: {facts.unknown_labels} ({names})"
    held = len(data.tables["validation"]) - facts.replayed_held
    every = len(data.tables["train"]) - facts.replayed + held
    if not request.valid and not encoded and train.validation_share * every > held >= train.validation_records:
        yield f"held out for validation: {held:,} records (train.validation_records)"
    if "weight" in facts.columns:
        mean = float(data.texts("train").weights.mean())
        if not USUAL_WEIGHTS[0] <= mean <= USUAL_WEIGHTS[1]:
            yield f"rows count {mean:.3g} on average; n-grams are fitted best where that is about 1"


def _taken(
    request: TrainRequest,
    encoder: Bundle,
    before: OldHead | None,
    data: EncodedData,
    settings: Settings,
    *,
    encoded: bool,
) -> str:
    """What is taken from a bundle to start from, in words. Raises UsageError for a head that cannot be kept."""
    task, place = data.task, encoder.folder
    if request.add_to:
        return (
            f"a head on the encoder of {place}, which stays as it is, as do its heads: {', '.join(encoder.info.heads)}"
        )
    if before is not None:
        counts = data.facts.label_counts
        lists = {
            "new": [label for label in counts if label not in before.labels],
            "kept without a record": [label for label in before.labels if not counts[label]],
        }
        told = "".join(f"; {kind}: {', '.join(labels)}" for kind, labels in lists.items() if labels)
        return f"the whole of {place} goes on, head '{before.name}' too{told}"
    heads = heads_of(encoder, task, request.head)
    reason, hint = "", ""
    if len(heads) > 1:
        reason, hint = f"it has several heads for {task}", "--head names the one that goes on"
    elif heads and not same_kind(heads[0][1], settings):
        reason = f"its head gives {'several labels' if heads[0][1].multi_label else 'one label'} a text"
    elif heads and encoded:
        reason, hint = "the data were encoded without its labels, or otherwise", "raw files would keep its head"
    elif heads:
        reason, hint = f"its labels ({', '.join(heads[0][1].labels[:5])}) are not in the data", KEEPS
    if settings.transfer.head == "keep":
        raise UsageError("--set transfer.head=keep", reason or f"{place} has no head for {task}", hint=hint)
    said = [f"the encoder of {place} goes on"]
    return "; ".join([*said, *(text for text in (reason, hint) if text and settings.transfer.head == "auto")])


def _prepared(
    request: TrainRequest,
    choose: ChooseSettings,
    encoder: Bundle | None,
    work: Path,
    remark: Callable[[str], None],
    tokenizer: str,
    make_rows: MakeRows,
) -> tuple[EncodedData, Settings]:
    """The encoded data and the settings that fit them; what is written on the way goes into the work folder."""
    names = request.data.data
    if len(names) == 1 and is_encoded(Path(names[0])):
        data = load_encoded(Path(names[0]))
        _check_encoded(request.data, data.task)
        check_weighs(request, data.task)
        return data, _settings_for_encoded(data, chosen_for(data.task, choose), request, encoder)
    plan, remarks = make_plan(request.data)
    for text in remarks:
        remark(text)
    check_weighs(request, plan.task)
    settings = chosen_for(plan.task, choose)
    if encoder is not None:
        settings = with_encoder(settings, plan.task, encoder, added=bool(request.add_to))
        found = head_for(encoder, plan.task, settings, request.head)
        plan = replace(plan, tokenizer=encoder.tokenizer, head=found and found[1])
    elif tokenizer:
        plan = replace(plan, tokenizer=Tokenizer.from_json(tokenizer, request.output))
    data = prepare(plan, settings, work, make_rows)
    if tokenizer:  # the size that was asked for is a bound, and stands in the bundle as it was given
        data = replace(data, settings=replace(data.settings, text=settings.text))
    if data.facts.columns != plan.columns.known():  # what could not be read ahead
        remark(columns_remark(data.facts.columns))
    return data, data.settings


def _check_encoded(request: DataRequest, task: TaskName) -> None:
    """Raise UsageError for options that say how to read raw data."""
    if request.task not in (None, task):
        raise UsageError("--task", f"found {request.task}", expected=f"{task}, as {request.data[0]} was encoded for")
    given = {
        "--valid": request.valid,
        "--format": request.format,
        "--text-column": request.columns.text,
        "--label-column": request.columns.label,
        "--tag-column": request.columns.tag,
        "--weight-column": request.columns.weight,
    }
    if request.replay:
        raise UsageError("--replay", f"{request.data[0]} is encoded already", hint="give train the raw files")
    for flag, value in given.items():
        if value:
            raise UsageError(flag, f"{request.data[0]} is encoded already", hint="give it to lstmtext preprocess")


def _settings_for_encoded(
    data: EncodedData, settings: Settings, request: TrainRequest, encoder: Bundle | None
) -> Settings:
    made, name = data.settings.as_dict(), request.data.data[0]
    kept = {f"text.{key}": value for key, value in made["text"].items()}
    kept |= {f"classify.{key}": made["classify"][key] for key in ("bypass_ngrams", "bypass_characters", "multi_label")}
    kept |= {f"train.{key}": made["train"][key] for key in ("validation_share", "validation_records")}
    if not made["classify"]["bypass"]:
        kept["classify.bypass"] = False
    settings = with_kept(settings, data.task, kept, f"{name} was encoded with")
    if encoder is None:
        return settings
    if encoder.tokenizer.to_json() != data.tokenizer.to_json():
        flag = "--add-to" if request.add_to else "--encoder"
        raise UsageError(flag, f"{name} was encoded with another tokenizer", hint="give train the raw files")
    settings = with_encoder(settings, data.task, encoder, added=bool(request.add_to))
    return with_head_for_encoded(settings, data, encoder, request.head)
