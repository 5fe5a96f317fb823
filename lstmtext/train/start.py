"""A training from its beginning or its last checkpoint to the bundle and the report."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from lstmtext.bundle import is_bundle, load_bundle, report_path
from lstmtext.config import Settings, TaskName
from lstmtext.data.plan import DataRequest
from lstmtext.description import BundleInfo
from lstmtext.errors import UsageError, UserError, reason
from lstmtext.folders import check_output
from lstmtext.train.adapt import (
    adapted_path,
    adapted_request,
    adapted_settings,
    adapting_request,
    adapting_settings,
)
from lstmtext.train.auto import with_start
from lstmtext.train.before import EarlierRun
from lstmtext.train.find_rate import RateStep, rate_steps
from lstmtext.train.job import TrainJob, TrainRequest
from lstmtext.train.listener import Listener
from lstmtext.train.ranks import ALONE, Ranks, joined_ranks, started_processes
from lstmtext.train.report import Section, write_report
from lstmtext.train.request import ChooseSettings, check_request, make_job, start_bundle
from lstmtext.train.run import train
from lstmtext.train.runs import RunFolder
from lstmtext.train.together import make_joint_job
from lstmtext.train.track import STEPS, Tracker, open_sinks, read_log
from lstmtext.train.workplace import workplace
from lstmtext.train.worst import worst_records


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
        if (earlier := _begun(ranks, request.output)) is not None:
            again = partial(_resume, earlier, request.data, lambda settings: settings, ranks, listener, remark)
            again(force=False, log_dir=log_dir)
            return
        request, choose = with_start(request, choose, ranks, remark)
        check_request(request)
        check_output(request.output, is_bundle)
        if request.adapt_on:
            _adapt(request, choose, ranks, listener, remark)
            request, choose = adapted_request(request), adapted_settings(choose)
        _start(request, choose, ranks, listener, remark, log_dir)


def _adapt(
    request: TrainRequest, choose: ChooseSettings, ranks: Ranks, listener: Listener, remark: Callable[[str], None]
) -> None:
    """Train the language model that the head is to begin on; where `torchrun` starts anew, what is left of it."""
    place = adapted_path(request.output)
    whole = ranks.from_first(ranks.first and bool(ranks.recalled(f"run of {place}")) and place.exists())
    if (earlier := _begun(ranks, place)) is not None:
        asked = DataRequest(request.adapt_on)
        _resume(earlier, asked, lambda settings: settings, ranks, listener, remark, force=False, log_dir=None)
    elif not whole:
        adapting = adapting_request(request)
        remark(
            f"first a language model, {place}; if it is cut short, --resume {place}, then --encoder {place} for this"
        )
        _start(adapting, adapting_settings(choose), ranks, listener, remark)
    ranks.gathered(None)  # others read it once it is written


def _begun(ranks: Ranks, output: Path) -> Path | None:
    """The run for a bundle that this launcher's processes began before it started them anew, if it can be gone on with.

    What another training left for the same bundle is none of theirs.
    """
    name = ranks.recalled(f"run of {output}") if ranks.first else ""
    return ranks.from_first([Path(name) if name and RunFolder.can_go_on(Path(name)) else None])[0]


ENOUGH_TOKENS: dict[TaskName, int] = {"classify": 2048, "tag": 2048, "generate": 4096}
"""Of a step, for each process of one host: with a quarter of that, one by itself may be faster (CONTRIBUTING.md)."""


def _start(
    request: TrainRequest,
    choose: ChooseSettings,
    ranks: Ranks,
    listener: Listener,
    remark: Callable[[str], None],
    log_dir: Path | None = None,
) -> None:
    check_output(request.output, is_bundle)
    with workplace(ranks, request.output, lambda: RunFolder.new(request.output)) as (run, work):
        if run:
            ranks.remember(f"run of {request.output}", str(run.folder.absolute()))
        for other in run.unfinished if run else ():
            remark(f"an earlier training was cut short; --resume {other} goes on with it")
        make = make_joint_job if request.together else make_job
        job = make(request, choose, ranks, work, remark)
        if advice := _of_small_steps(job):
            remark(advice)
        _run(replace(job, run=run), log_dir, listener)


def _of_small_steps(job: TrainJob) -> str:
    """What to do where the processes of a host have too little to do in each step, if they have."""
    settings, processes = job.settings, job.ranks.size
    train, generate = settings.train, settings.generate
    task = job.heads[0].task.name
    enough = ENOUGH_TOKENS[task]
    if task == "generate":
        name, count, each = "generate.rows", generate.rows, generate.window
    else:
        name, count, each = "train.batch_tokens", train.batch_tokens, 1
    own = train.accumulate * count * each // processes
    if job.ranks.near is None or torch.cuda.is_available() or own >= enough:
        return ""
    wanted = math.ceil(enough * processes / (train.accumulate * each))
    larger = f"larger steps: --set {name}={wanted}, with a rate of its own (--find-lr)"
    return f"each of {processes} processes reads {own} tokens a step, and one by itself may be faster; {larger}"


def find_rate(
    request: TrainRequest, choose: ChooseSettings, remark: Callable[[str], None]
) -> tuple[str, list[RateStep]]:
    """The optimizer and losses at rising learning rates, one at least, without a bundle."""
    if (found := started_processes()) > 1:
        expected = "one, whose steps are as large as theirs together"
        raise UsageError(
            "--find-lr", f"found {found} processes", expected=expected, hint="find the rate without torchrun"
        )
    if request.adapt_on:
        raise UsageError("--adapt-on", "cannot be had with --find-lr", hint="train that language model first")
    if request.together:
        raise UsageError("--task-data", "cannot be had with --find-lr", hint="find the rate of a head alone")
    request, choose = with_start(request, choose, ALONE, remark)
    with TemporaryDirectory(prefix="lstmtext.") as work:
        job = make_job(request, choose, ALONE, Path(work), remark)
        steps = list(rate_steps(job))
    if not steps:
        raise UsageError("--find-lr", "the loss is no number from the first step on")
    return job.settings.train.optimizer, steps


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
    with workplace(ranks, name, lambda: RunFolder.existing(name)) as (run, work):
        held = (run.description(), run.latest(remark), run.fixed(), run.output) if run else None
        about, snapshot, fixed, output = ranks.from_first(held)
        before = EarlierRun.of(about, name)
        asked = before.request.data
        asked = replace(asked, data=given.data or asked.data, valid=given.valid or asked.valid)
        request = replace(before.request, data=asked, output=output)
        if before.request.add_to and Path(before.request.add_to) == before.request.output:
            request = replace(request, add_to=str(output))  # wherever both are by now
        check_output(request.output, is_bundle)
        _admit([before.changed_encoder(start_bundle(request))], remark, force=force)
        settings = {head: change(own) for head, own in before.settings.items()}
        first = next(iter(settings.values()))
        if request.together:
            if given.data or given.valid:
                raise UsageError("DATA", "the run has data of several heads", expected="them where they were")
            make = partial(make_joint_job, earlier=settings)
        else:
            make = partial(make_job)
        job = make(request, lambda task: first, ranks, work, remark, before.tokenizer)
        before.check_heads(name, job.heads)
        before.check_labels(job.heads)
        before.check_optimizer(job.heads)
        before.check_retained(job.heads, job.staying, job.encoder)
        changes = [before.changed_settings(name, job.heads), before.changed_data(job.heads)]
        _admit(changes, remark, force=force)
        if machine := before.changed_machine(ranks):
            remark(machine)
        _run(replace(job, run=run, snapshot=snapshot, fixed=fixed, precision=before.precision), log_dir, listener)
        return request.output


def _admit(changes: Sequence[UserError | None], remark: Callable[[str], None], *, force: bool) -> None:
    """Raise what says that something is not as in the run, unless it is to go on by `force`."""
    for differing in filter(None, changes):
        if not force:
            raise differing
        remark(str(differing))


def _run(job: TrainJob, log_dir: Path | None, listener: Listener) -> None:
    """Train, track how it goes, and report on the bundle, be the training done or cut short."""
    step = job.snapshot.facts["position"]["step"] if job.snapshot else 0
    sinks = []
    if job.run:
        logged = f"log in {log_dir}"
        sinks = open_sinks(job.run.folder, log_dir, after=step, taken_over=bool(step or job.ranks.recalled(logged)))
        job.ranks.remember(logged, "begun")
    tracker = Tracker(listener, sinks)

    def report(info: BundleInfo) -> None:
        tracker.close()
        path = report_path(job.output, job.head if job.added else "")
        try:
            _renew_report(path, job, info)
        except Exception as error:  # whatever the drawing library makes of somebody's labels: the bundle is there
            listener.noted(f"{path}: cannot be written: {reason(error)}")

    try:
        info = train(job, tracker, report)
    finally:
        tracker.close()
    if info is None:
        return
    for change in (text for head in job.heads for text in info.heads[head.name].changes):
        listener.noted(change)


def _renew_report(path: Path, job: TrainJob, info: BundleInfo) -> None:
    """Put the report of a bundle that was just saved in place of the one before, or none where none is wanted."""
    path.unlink(missing_ok=True)
    if job.run is None or not job.settings.train.report:
        return
    bundle = load_bundle(job.output)
    sections = [
        Section(head.name, info.heads[head.name], head.data, worst_records(head.data, bundle, head.name))
        for head in job.heads
    ]
    write_report(path, sections, read_log(job.run.folder / STEPS))
