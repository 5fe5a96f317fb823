"""From what a command line says of a training to a job, with the data prepared."""

import platform
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from lstmtext.bundle import Bundle, load_bundle
from lstmtext.config import Settings, TaskName
from lstmtext.data.encoded import EncodedData, is_encoded, load_encoded, save_encoded
from lstmtext.data.plan import DataRequest, columns_remark, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.errors import DataError, UsageError
from lstmtext.resolve import with_kept
from lstmtext.sizes import fit_training
from lstmtext.text.tokenizer import Tokenizer
from lstmtext.train.before import machine_of, records_of
from lstmtext.train.job import FROM_SCRATCH, TrainJob, TrainRequest
from lstmtext.train.making import set_threads
from lstmtext.train.ranks import Ranks
from lstmtext.train.transfer import head_for, old_head, with_bundle

ENCODED = "encoded"
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
    if request.encoder == FROM_SCRATCH and request.data.replay:
        raise UsageError("--replay", "there is no model to go on from", hint="name it with --encoder BUNDLE")
    if request.encoder != FROM_SCRATCH and Path(request.encoder).absolute() == request.output.absolute():
        hint = "write another beside it, so that both can be compared"
        raise UsageError("-o/--output", f"{request.output} is the model to go on from", hint=hint)
    if ranks.size > 1 and "-" in (*request.data.data, *request.data.valid, *request.data.replay):
        raise UsageError("standard input", "cannot be shared by processes", hint="use files, or lstmtext preprocess")
    encoder = None if request.encoder == FROM_SCRATCH else load_bundle(Path(request.encoder))

    def make() -> tuple[EncodedData, Settings]:
        return _prepared(request, choose, encoder, work, remark, tokenizer)

    alone = ranks.size == 1 or is_encoded(Path(request.data.data[0]))
    data, settings = make() if alone else _once_a_host(ranks, work, make)
    if data.facts.repaired_tags:
        remark(f"broken tags repaired: {data.facts.repaired_tags}")
    if data.facts.truncated:
        remark(f"texts cut to {settings.text.max_tokens} tokens (text.max_tokens): {data.facts.truncated}")
    if data.facts.unknown_labels:
        names = ", ".join(data.facts.unknown[:5])
        remark(f"validation labels or tags that do not occur in training: {data.facts.unknown_labels} ({names})")
    head = request.head
    if encoder is not None:
        head, told = _taken(encoder, request.head, data, settings)
        remark(told)
    fitted = fit_training(settings, data.task, data.facts.train_tokens, data.facts.words)
    set_threads(fitted.train)
    fingerprint = data.fingerprint()
    if len(set(ranks.gathered(fingerprint))) > 1:
        raise DataError(request.data.data[0], "is not the same for all processes", hint="copy it to all hosts anew")
    about = {
        "request": asdict(request) | {"output": str(request.output)},
        "settings": fitted.as_dict(),
        "data": {"files": data.facts.sources, "records": records_of(data), "fingerprint": fingerprint},
        "machine": machine_of(ranks),
        "tokenizer": data.tokenizer.to_json(),
    }
    return TrainJob(data, fitted, request.output, head, encoder, about=about, ranks=ranks)


def _once_a_host(
    ranks: Ranks, work: Path, make: Callable[[], tuple[EncodedData, Settings]]
) -> tuple[EncodedData, Settings]:
    """What one process of each host makes; all of that host map the same files, and each reads its own records."""
    place, settings = work / ENCODED, None
    if ranks.local == 0:
        data, settings = make()
        save_encoded(data, place)
    made = ranks.gathered((platform.node(), settings, place))
    place, settings = next((at, own) for host, own, at in made if host == platform.node() and own is not None)
    return load_encoded(place), settings


def _taken(encoder: Bundle, head: str | None, data: EncodedData, settings: Settings) -> tuple[str | None, str]:
    """The name of the head to train, and what is taken from a bundle to start from, in words."""
    found = head_for(encoder, data.task, settings)
    if found is None or old_head(encoder, data.task, settings, data.labels) is None:
        own = f"; its labels ({', '.join(found[1].labels[:5])}) are not in the data" if found else ""
        more = "; --set transfer.head=keep keeps its head" if found else ""
        return head, f"the encoder of {encoder.folder} goes on{own}{more}"
    name, old = found
    counts = data.facts.label_counts
    lists = {
        "new": [label for label in counts if label not in old.labels],
        "kept without a record": [label for label in old.labels if not counts[label]],
    }
    told = "".join(f"; {kind}: {', '.join(labels)}" for kind, labels in lists.items() if labels)
    return head or name, f"the whole of {encoder.folder} goes on, head '{name}' too{told}"


def _prepared(
    request: TrainRequest,
    choose: ChooseSettings,
    encoder: Bundle | None,
    work: Path,
    remark: Callable[[str], None],
    tokenizer: str,
) -> tuple[EncodedData, Settings]:
    """The encoded data and the settings that fit them; what is written on the way goes into the work folder."""
    names = request.data.data
    if len(names) == 1 and is_encoded(Path(names[0])):
        data = load_encoded(Path(names[0]))
        _check_encoded(request.data, data.task)
        return data, _settings_for_encoded(data, choose(data.task), names[0], encoder)
    plan, remarks = make_plan(request.data)
    for text in remarks:
        remark(text)
    settings = choose(plan.task)
    if encoder is not None:
        settings = with_bundle(settings, plan.task, encoder)
        head = head_for(encoder, plan.task, settings)
        plan = replace(plan, tokenizer=encoder.tokenizer, known=head[1].labels if head else ())
    elif tokenizer:
        plan = replace(plan, tokenizer=Tokenizer.from_json(tokenizer, request.output))
    data = prepare(plan, settings, work)
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
        "--replay": request.replay,
        "--format": request.format,
        "--text-column": request.columns.text,
        "--label-column": request.columns.label,
        "--tag-column": request.columns.tag,
        "--weight-column": request.columns.weight,
    }
    for flag, value in given.items():
        if value:
            raise UsageError(flag, f"{request.data[0]} is encoded already", hint="give it to lstmtext preprocess")


def _settings_for_encoded(data: EncodedData, settings: Settings, name: str, encoder: Bundle | None) -> Settings:
    made = data.settings.as_dict()
    kept = {f"text.{key}": value for key, value in made["text"].items()}
    kept |= {f"classify.{key}": made["classify"][key] for key in ("bypass_ngrams", "bypass_characters", "multi_label")}
    kept |= {f"train.{key}": made["train"][key] for key in ("validation_share", "validation_records")}
    if not made["classify"]["bypass"]:
        kept["classify.bypass"] = False
    settings = with_kept(settings, data.task, kept, f"{name} was encoded with")
    if encoder is None:
        return settings
    if encoder.tokenizer.to_json() != data.tokenizer.to_json():
        raise UsageError("--encoder", f"{name} was encoded with another tokenizer", hint="give train the raw files")
    return with_bundle(settings, data.task, encoder)
