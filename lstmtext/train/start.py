"""Everything before the first step: what `lstmtext train` was given becomes a job, and the job is run."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lstmtext.bundle import Bundle, BundleInfo, is_bundle, load_bundle
from lstmtext.config import Settings, TaskName
from lstmtext.data.encoded import EncodedData, is_encoded, load_encoded
from lstmtext.data.plan import DataRequest, columns_remark, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.errors import UsageError
from lstmtext.folders import check_output, work_folder
from lstmtext.resolve import with_kept
from lstmtext.sizes import fit_training
from lstmtext.train.run import Listener, TrainJob, train

FROM_SCRATCH = "none"

ChooseSettings = Callable[[TaskName], Settings]
"""Settings of a task, once the data have told which it is."""


@dataclass(frozen=True)
class TrainRequest:
    """What a command line says of a training."""

    data: DataRequest
    output: Path
    encoder: str = FROM_SCRATCH
    head: str | None = None


def start_training(
    request: TrainRequest, choose: ChooseSettings, listener: Listener, remark: Callable[[str], None]
) -> BundleInfo:
    """Prepare the data, train, and save the bundle."""
    check_output(request.output, is_bundle)
    encoder = None if request.encoder == FROM_SCRATCH else load_bundle(Path(request.encoder))
    with _prepared(request, choose, encoder, remark) as (data, settings):
        if data.facts.repaired_tags:
            remark(f"broken tags repaired: {data.facts.repaired_tags}")
        if data.facts.truncated:
            remark(f"texts cut to {settings.text.max_tokens} tokens (text.max_tokens): {data.facts.truncated}")
        if data.facts.unknown_labels:
            names = ", ".join(data.facts.unknown[:5])
            remark(f"validation labels or tags that do not occur in training: {data.facts.unknown_labels} ({names})")
        fitted = fit_training(settings, data.task, data.facts.train_tokens, data.facts.words)
        return train(TrainJob(data, fitted, request.output, request.head, encoder), listener)


@contextmanager
def _prepared(
    request: TrainRequest, choose: ChooseSettings, encoder: Bundle | None, remark: Callable[[str], None]
) -> Iterator[tuple[EncodedData, Settings]]:
    """The encoded data and the settings that fit them; what was written on the way is removed at the end."""
    names = request.data.data
    if len(names) == 1 and is_encoded(Path(names[0])):
        data = load_encoded(Path(names[0]))
        _check_encoded(request.data, data.task)
        shutil.rmtree(work_folder(request.output))  # a place that cannot be written shows before the training
        yield data, _settings_for_encoded(data, choose(data.task), names[0], encoder)
        return
    plan, remarks = make_plan(request.data)
    for text in remarks:
        remark(text)
    settings = choose(plan.task)
    if encoder is not None:
        settings = with_encoder(settings, plan.task, encoder)
        plan = replace(plan, tokenizer=encoder.tokenizer)
    work = work_folder(request.output)
    try:
        data = prepare(plan, settings, work)
        if data.facts.columns != plan.columns.known():  # what could not be read ahead
            remark(columns_remark(data.facts.columns))
        yield data, data.settings
    finally:
        shutil.rmtree(work, ignore_errors=True)


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
    }
    for flag, value in given.items():
        if value:
            raise UsageError(flag, f"{request.data[0]} is encoded already", hint="give it to lstmtext preprocess")


def _settings_for_encoded(data: EncodedData, settings: Settings, name: str, encoder: Bundle | None) -> Settings:
    made = data.settings.as_dict()
    kept = {f"text.{key}": value for key, value in made["text"].items()}
    kept |= {f"classify.{key}": made["classify"][key] for key in ("bypass_ngrams", "bypass_characters")}
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
