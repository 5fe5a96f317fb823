"""Everything before the first step: what `lstmtext train` was given becomes a job, and the job is run."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from lstmtext import __version__
from lstmtext.bundle import Bundle, is_bundle, load_bundle
from lstmtext.config import Settings, TaskName
from lstmtext.data.columns import Columns
from lstmtext.data.encoded import EncodedData, is_encoded, load_encoded
from lstmtext.data.plan import DataRequest, columns_remark, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.errors import DataError, ModelError, UsageError
from lstmtext.folders import check_output, work_folder
from lstmtext.resolve import differences, settings_from_sections, with_kept
from lstmtext.sizes import fit_training
from lstmtext.text.tokenizer import Tokenizer
from lstmtext.train.find_rate import RateStep, rate_steps
from lstmtext.train.ranks import ALONE, Ranks, joined_ranks
from lstmtext.train.report import report_path, write_report
from lstmtext.train.run import Listener, TrainJob, set_threads, train
from lstmtext.train.runs import RunFolder
from lstmtext.train.track import STEPS, Tracker, open_sinks, read_log
from lstmtext.train.worst import worst_records

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
    request: TrainRequest,
    choose: ChooseSettings,
    listener: Listener,
    remark: Callable[[str], None],
    *,
    log_dir: Path | None = None,
) -> None:
    """Prepare the data, train, and save the bundle; where `torchrun` starts anew, go on from the last checkpoint."""
    with joined_ranks() as ranks:
        earlier = ranks.from_first([RunFolder.of_bundle(request.output)])[0] if ranks.restarts else None
        if earlier is not None:
            again = partial(_resume, earlier, request.data, lambda settings: settings, ranks, listener, remark)
            again(force=False, log_dir=log_dir)
            return
        check_output(request.output, is_bundle)
        with _work(ranks, request.output, lambda: RunFolder.new(request.output)) as (run, work):
            for other in run.unfinished if run else ():
                remark(f"an earlier training was cut short; --resume {other} goes on with it")
            job = make_job(request, choose, ranks, work, remark)
            _run(replace(job, run=run), log_dir, listener)


def find_rate(request: TrainRequest, choose: ChooseSettings, remark: Callable[[str], None]) -> list[RateStep]:
    """Losses at rising learning rates, without a bundle."""
    with TemporaryDirectory(prefix="lstmtext.") as work:
        return list(rate_steps(make_job(request, choose, ALONE, Path(work), remark)))


def resume_training(
    name: Path,
    data: Sequence[str],
    valid: Sequence[str],
    change: Callable[[Settings], Settings],
    listener: Listener,
    remark: Callable[[str], None],
    *,
    force: bool = False,
    log_dir: Path | None = None,
) -> Path:
    """Go on with a run that was cut short, from its last checkpoint, as if it never had been; where its bundle is.

    `data` and `valid`, if given, stand where the run's own are named otherwise now. Raises DataError or UsageError
    that names what differs from the run, unless it is to go on by `force`.
    """
    with joined_ranks() as ranks:
        asked = DataRequest(data, valid)
        return _resume(name, asked, change, ranks, listener, remark, force=force, log_dir=log_dir)


def _resume(
    name: Path,
    given: DataRequest,
    change: Callable[[Settings], Settings],
    ranks: Ranks,
    listener: Listener,
    remark: Callable[[str], None],
    *,
    force: bool,
    log_dir: Path | None,
) -> Path:
    with _work(ranks, name, lambda: RunFolder.existing(name)) as (run, work):
        held = (run.description(), run.latest(), run.fixed(), run.output) if run else None
        about, snapshot, fixed, output = ranks.from_first(held)
        before = _Before.of(about, name)
        asked = before.request.data
        asked = replace(asked, data=given.data or asked.data, valid=given.valid or asked.valid)
        request = replace(before.request, data=asked, output=output)
        check_output(request.output, is_bundle)
        job = make_job(request, lambda task: change(before.settings), ranks, work, remark, before.tokenizer)
        data_now = before.changed_data(job.data, asked.data[0])
        for differing in filter(None, (before.changed_settings(name, job.settings), data_now)):
            if not force:
                raise differing
            remark(str(differing))
        if machine := before.changed_machine(ranks):
            remark(machine)
        _run(replace(job, run=run, snapshot=snapshot, fixed=fixed, precision=before.precision), log_dir, listener)
        return request.output


def _run(job: TrainJob, log_dir: Path | None, listener: Listener) -> None:
    """Train, track how it goes, and write the report."""
    step = job.snapshot.facts["position"]["step"] if job.snapshot else 0
    sinks = open_sinks(job.run.folder, log_dir, after=step) if job.run else []
    tracker = Tracker(listener, sinks)
    try:
        info = train(job, tracker)
    finally:
        tracker.close()
    if info is None or job.run is None or not job.settings.train.report:
        return
    path, worst = report_path(job.output), worst_records(job.data, load_bundle(job.output))
    try:
        write_report(path, info, job.data, read_log(job.run.folder / STEPS), worst)
    except Exception as error:  # whatever the drawing library makes of somebody's labels: the bundle is there
        listener.noted(f"{path}: cannot be written: {error}")


@contextmanager
def _work(ranks: Ranks, beside: Path, open_run: Callable[[], RunFolder]) -> Iterator[tuple[RunFolder | None, Path]]:
    """The run's folder, which the first rank alone has, and a folder for encoded data."""
    if ranks.first:
        with open_run() as run:
            yield run, run.data
        return
    work = work_folder(beside)
    try:
        yield None, work
    finally:
        shutil.rmtree(work, ignore_errors=True)


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
        "data": {"files": data.facts.sources, "records": _records(data), "fingerprint": fingerprint},
        "machine": _machine(ranks),
        "tokenizer": data.tokenizer.to_json(),
    }
    return TrainJob(data, fitted, request.output, request.head, encoder, about=about, ranks=ranks)


@dataclass(frozen=True)
class _Before:
    """What a run was, to be compared with what it is to go on as."""

    request: TrainRequest
    settings: Settings
    data: dict[str, Any]
    machine: str
    precision: str
    tokenizer: str

    @classmethod
    def of(cls, about: dict[str, Any], place: object) -> "_Before":
        """From a run's description. Raises ModelError where something is missing."""
        try:
            asked = about["request"]
            data = DataRequest(**{**asked["data"], "columns": Columns(**asked["data"]["columns"])})
            request = TrainRequest(data, Path(asked["output"]), asked["encoder"], asked["head"])
            settings = settings_from_sections(about["settings"])
            return cls(request, settings, about["data"], about["machine"], about["precision"], about["tokenizer"])
        except (KeyError, TypeError, UsageError) as error:
            raise ModelError(place, f"is not complete: {error!r}", hint="train anew without --resume") from error

    def changed_data(self, data: EncodedData, name: str) -> DataError | None:
        """What says that the data are not those of the run, if so."""
        if self.data["fingerprint"] == data.fingerprint():
            return None
        files = self.data["files"]
        changed = [file for file, digest in data.facts.sources.items() if files.get(file, digest) != digest]
        found = "is not what the run was trained on"
        if not changed:
            found = f"gives {_records(data)} records for training and validation that differ"
        expected = f"the {self.data['records']} records of before"
        return DataError(changed[0] if changed else name, found, expected=expected, hint="--force goes on with it")

    def changed_settings(self, place: object, now: Settings) -> UsageError | None:
        """What says that settings are not those of the run, if so."""
        found = differences(self.settings, now, besides="checkpoint")
        if not found:
            return None
        words = ", ".join(f"{key}={old} before, {new} now" for key, (old, new) in found.items())
        return UsageError(place, f"other settings: {words}", hint="--force goes on with them")

    def changed_machine(self, ranks: Ranks) -> str:
        """What says that the machine is not that of the run, or nothing."""
        now = _machine(ranks)
        return "" if now == self.machine else f"the last bits may differ: {self.machine} before, {now} now"


def _records(data: EncodedData) -> str:
    return f"{len(data.tables['train'])} and {len(data.tables['validation'])}"


def _machine(ranks: Ranks) -> str:
    """What the bits of a training depend on besides data and settings."""
    threads = torch.get_num_threads()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return f"lstmtext {__version__}, torch {torch.__version__}, {device}, {ranks.size} x {threads} threads"


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
