"""From what a command line says of a training to a job, with the data prepared."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from lstmtext.bundle import Bundle, load_bundle
from lstmtext.config import Settings, TaskName
from lstmtext.data.encoded import EncodedData, is_encoded, load_encoded
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
    if ranks.size > 1 and "-" in (*request.data.data, *request.data.valid):
        raise UsageError("standard input", "cannot be shared by processes", hint="use files, or lstmtext preprocess")
    encoder = None if request.encoder == FROM_SCRATCH else load_bundle(Path(request.encoder))
    data, settings = _prepared(request, choose, encoder, work, remark, tokenizer)
    if data.facts.repaired_tags:
        remark(f"broken tags repaired: {data.facts.repaired_tags}")
    if data.facts.truncated:
        remark(f"texts cut to {settings.text.max_tokens} tokens (text.max_tokens): {data.facts.truncated}")
    if data.facts.unknown_labels:
        names = ", ".join(data.facts.unknown[:5])
        remark(f"validation labels or tags that do not occur in training: {data.facts.unknown_labels} ({names})")
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
    return TrainJob(data, fitted, request.output, request.head, encoder, about=about, ranks=ranks)


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
        settings = with_encoder(settings, plan.task, encoder)
        plan = replace(plan, tokenizer=encoder.tokenizer)
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
    kept["train.validation_share"] = made["train"]["validation_share"]
    if not made["classify"]["bypass"]:
        kept["classify.bypass"] = False
    settings = with_kept(settings, data.task, kept, f"{name} was encoded with")
    if encoder is None:
        return settings
    if encoder.tokenizer.to_json() != data.tokenizer.to_json():
        raise UsageError("--encoder", f"{name} was encoded with another tokenizer", hint="give train the raw files")
    return with_encoder(settings, data.task, encoder)


def with_encoder(settings: Settings, task: TaskName, encoder: Bundle) -> Settings:
    """Settings whose text unit and encoder sizes are those of a bundle to start from; dropouts stay.

    Raises UsageError where the user chose others.
    """
    old = encoder.info.settings.as_dict()
    kept = {f"encoder.{key}": old["encoder"][key] for key in ("directions", "embedding_size", "hidden_size", "layers")}
    kept |= {"text.unit": old["text"]["unit"], "text.vocabulary_size": encoder.info.vocabulary_size}
    return with_kept(settings, task, kept, f"{encoder.folder} has")
