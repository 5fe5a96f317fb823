"""Everything before the first step: what `lstmtext train` was given becomes a job, and the job is run."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lstmtext import __version__
from lstmtext.bundle import Bundle, BundleInfo, is_bundle, load_bundle
from lstmtext.config import Settings, TaskName
from lstmtext.data.columns import Columns
from lstmtext.data.encoded import EncodedData, is_encoded, load_encoded
from lstmtext.data.plan import DataRequest, columns_remark, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.errors import DataError, ModelError, UsageError
from lstmtext.folders import check_output
from lstmtext.resolve import differences, settings_from_sections, with_kept
from lstmtext.sizes import fit_training
from lstmtext.train.run import Listener, TrainJob, set_threads, train
from lstmtext.train.runs import RunFolder

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
    with RunFolder.new(request.output) as run:
        for other in run.unfinished:
            remark(f"an earlier training was cut short; --resume {other} goes on with it")
        return _train(request, choose, run, listener, remark)


def resume_training(
    name: Path,
    data: Sequence[str],
    valid: Sequence[str],
    change: Callable[[Settings], Settings],
    listener: Listener,
    remark: Callable[[str], None],
    *,
    force: bool = False,
) -> TrainRequest:
    """Go on with a run that was cut short, from its last checkpoint, as if it never had been; what was asked for then.

    `data` and `valid`, if given, stand where the run's own are named otherwise now. Raises DataError or UsageError
    that names what differs from the run, unless it is to go on by `force`.
    """
    with RunFolder.existing(name) as run:
        about = run.description()
        try:
            request = _request_from(about["request"])
            before = settings_from_sections(about["settings"])
            known, threads, versions = about["data"], int(about["threads"]), about["versions"]
        except (KeyError, TypeError, UsageError) as error:
            raise ModelError(run.folder, f"is not complete: {error!r}", hint="train anew without --resume") from error
        given = replace(request.data, data=data or request.data.data, valid=valid or request.data.valid)
        request = replace(request, data=given)
        check_output(request.output, is_bundle)

        def check(data: EncodedData, settings: Settings) -> None:
            differing = _changed_settings(run.folder, before, settings) or _changed_data(known, data, given.data[0])
            if differing and not force:
                raise differing
            if differing:
                remark(f"{differing}")
            for what, old, new in (("threads", threads, torch.get_num_threads()), ("versions", versions, _versions())):
                if old != new:
                    remark(f"{what} differ, so the last bits of the weights may: {old} before, {new} now")

        _train(request, lambda task: change(before), run, listener, remark, check)
        return request


def _train(
    request: TrainRequest,
    choose: ChooseSettings,
    run: RunFolder,
    listener: Listener,
    remark: Callable[[str], None],
    check: Callable[[EncodedData, Settings], None] | None = None,
) -> BundleInfo:
    """Train in a run's folder; `check` looks at data and settings of a run that is gone on with."""
    encoder = None if request.encoder == FROM_SCRATCH else load_bundle(Path(request.encoder))
    data, settings = _prepared(request, choose, encoder, run, remark)
    if data.facts.repaired_tags:
        remark(f"broken tags repaired: {data.facts.repaired_tags}")
    if data.facts.truncated:
        remark(f"texts cut to {settings.text.max_tokens} tokens (text.max_tokens): {data.facts.truncated}")
    if data.facts.unknown_labels:
        names = ", ".join(data.facts.unknown[:5])
        remark(f"validation labels or tags that do not occur in training: {data.facts.unknown_labels} ({names})")
    fitted = fit_training(settings, data.task, data.facts.train_tokens, data.facts.words)
    set_threads(fitted.train)
    if check:
        check(data, fitted)
    about = {
        "request": asdict(replace(request, output=str(request.output))),  # type: ignore[arg-type]  # JSON has no paths
        "settings": fitted.as_dict(),
        "data": {"files": data.facts.sources, "records": _records(data), "fingerprint": data.fingerprint()},
        "threads": torch.get_num_threads(),
        "versions": _versions(),
    }
    job = TrainJob(data, fitted, request.output, request.head, encoder, run, about, resume=check is not None)
    return train(job, listener)


def _request_from(content: dict[str, Any]) -> TrainRequest:
    data = content["data"]
    asked = DataRequest(**{**data, "columns": Columns(**data["columns"])})
    return TrainRequest(asked, Path(content["output"]), content["encoder"], content["head"])


def _changed_data(known: dict[str, Any], data: EncodedData, name: str) -> DataError | None:
    """What says that the data are not those of a run, if so."""
    if known["fingerprint"] == data.fingerprint():
        return None
    changed = [file for file, digest in data.facts.sources.items() if known["files"].get(file, digest) != digest]
    found = "is not what the run was trained on"
    if not changed:
        found = f"gives {_records(data)} records for training and validation that differ"
    return DataError(
        changed[0] if changed else name,
        found,
        expected=f"the {known['records']} records of before",
        hint="use --force to go on with it",
    )


def _changed_settings(folder: Path, before: Settings, now: Settings) -> UsageError | None:
    """What says that settings are not those of a run, if so."""
    found = differences(before, now, besides="checkpoint")
    if not found:
        return None
    words = ", ".join(f"{key}={old} before, {new} now" for key, (old, new) in found.items())
    return UsageError(folder, f"other settings: {words}", hint="use --force to go on with them")


def _records(data: EncodedData) -> str:
    return f"{len(data.tables['train'])} and {len(data.tables['validation'])}"


def _versions() -> str:
    return f"lstmtext {__version__}, torch {torch.__version__}"


def _prepared(
    request: TrainRequest,
    choose: ChooseSettings,
    encoder: Bundle | None,
    run: RunFolder,
    remark: Callable[[str], None],
) -> tuple[EncodedData, Settings]:
    """The encoded data and the settings that fit them; what is written on the way goes into the run's folder."""
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
    data = prepare(plan, settings, run.data)
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
