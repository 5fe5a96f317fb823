"""One training from data to bundle: the caller of the loop, who validates, keeps the best, stops and saves.

A run tells a listener what happens and never prints. An interrupt (Ctrl-C, or a signal to end) ends it after the
current step, with the best weights so far saved as a bundle.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch

from lstmtext.description import BundleInfo
from lstmtext.errors import Interrupted, UsageError, UserError, reason
from lstmtext.nn.joint import JointModel, models_of
from lstmtext.nn.model import Model, fixed_tensors
from lstmtext.train.checkpoint import Snapshot
from lstmtext.train.course import Course
from lstmtext.train.feeds import Feed, train_feed
from lstmtext.train.interrupts import interruptible
from lstmtext.train.job import TrainJob
from lstmtext.train.listener import Listener, Validation
from lstmtext.train.looks import better, deciding, look, shown, shown_of_heads
from lstmtext.train.loop import StepReport, Trainee, training_steps
from lstmtext.train.making import count_parameters, make_model, set_up
from lstmtext.train.mixing import JointFeed
from lstmtext.train.precision import choose_precision
from lstmtext.train.saving import save, widens


def train(
    job: TrainJob, listener: Listener, saved: Callable[[BundleInfo], None] = lambda info: None
) -> BundleInfo | None:
    """Train and save a bundle, whose description the first rank gets, and `saved` before all else.

    Raises Interrupted after Ctrl-C, UsageError for divergence, with the best saved; but a bundle that a head was to be
    added to is left as it is by a divergence, so that the head can be trained again.
    """
    settings = job.settings
    device = set_up(settings, job.ranks)
    started = time.monotonic()
    begun = _begin(job, device, listener)
    course, precision = begun.course, begun.precision
    parameters = count_parameters(models_of(course.model, [head.name for head in job.heads]))
    learning = sum(parameters.heads.values()) if job.added else parameters.whole
    listener.started(parameters=learning, precision=precision, device=str(device))
    with interruptible() as interrupted:  # saving too, or a late Ctrl-C would lose the training
        diverged, stopped = _train_until_done(job, begun, interrupted, listener, started)
        if diverged and widens(job):
            raise _diverged(diverged, f"{job.output} is unchanged")
        if course.best.scores is None:
            raise _diverged(diverged, "nothing is saved")
        training = {
            "epochs": round(course.epochs, 3),
            "best_epoch": round(course.best.epochs, 3),
            "tokens": course.tokens,
            "precision": precision,
            "device": str(device),
            "threads": torch.get_num_threads(),
            "processes": job.ranks.size,
            "torch": torch.__version__,
            "started_from": str(job.encoder.folder.name) if job.encoder else "none",
            "encoder": "frozen" if job.added else "trained",
            "interrupted": stopped,
            "diverged": bool(diverged),
        }
        training |= {"together": [head.name for head in job.heads]} if len(job.heads) > 1 else {}
        info = save(job, course, training, parameters) if job.ranks.first else None
        if info is not None:
            saved(info)
    if diverged:
        raise _diverged(diverged, f"the best weights before are in {job.output}")
    if stopped:
        resume = f"; go on with: lstmtext train --resume {job.run.folder}" if job.run else ""
        raise Interrupted(f"interrupted; the best weights so far are in {job.output}{resume}")
    if job.run is not None:
        job.run.finish()
    if interrupted:
        raise Interrupted(f"interrupted; the training was done, and {job.output} is whole")
    return info


class Begun(NamedTuple):
    """A training that can take its next step."""

    course: Course
    feed: Feed
    precision: str


def _begin(job: TrainJob, device: torch.device, listener: Listener) -> Begun:
    """A course at its beginning, or at the last checkpoint of its run."""
    settings, run, ranks = job.settings, job.run, job.ranks
    model = _made_once(job, listener).to(device)
    course = Course(model, settings, fresh_head=job.fresh_head, taken=job.taken)
    if ranks.rank:  # other dropout than the first
        torch.manual_seed(settings.train.seed + SEEDS_APART * ranks.rank)
    if job.snapshot is not None:
        course.restore(job.snapshot, job.output, ranks.rank, ranks.size)
    feed = _feed(job)
    precision = job.precision if settings.train.precision == "auto" else settings.train.precision
    precision = precision or ranks.from_first(choose_precision(settings.train, model, feed) if ranks.first else None)
    if run:
        try:
            run.keep_fixed(course.fixed())
            run.describe({**job.about, "precision": precision})
        except OSError as error:
            raise UserError(
                run.folder, f"cannot be written: {reason(error)}", hint="nothing was trained; make room"
            ) from error
    return Begun(course, feed, precision)


def _made_once(job: TrainJob, listener: Listener) -> Model | JointModel:
    """A new model on each rank, with what the first has fitted to the data.

    Weights that the first took over from a bundle reach the others' models as gradients are first shared. What they
    keep beside those (the running average) is never used: the first alone validates and saves.
    """
    ranks = job.ranks
    if ranks.size == 1 or job.fixed is not None:
        return make_model(job, listener.noted)
    if not ranks.first:
        return make_model(replace(job, fixed=Snapshot(ranks.from_first(None), {})))
    with ranks.threads_of_all():
        model = make_model(job, listener.noted)
    ranks.from_first({name: value.cpu() for name, value in fixed_tensors(model).items()})
    return model


SEEDS_APART = 1_000_003
"""Between the seeds of two ranks."""


class Diverged(UsageError):
    """The loss of a training is no number any more."""


def _diverged(step: int, saved: str) -> Diverged:
    found = f"training diverged at step {step}; {saved}"
    return Diverged("--set train.learning_rate", found, hint="lower it")


def _train_until_done(
    job: TrainJob, begun: Begun, interrupted: list[int], listener: Listener, started: float
) -> tuple[int, bool]:
    """Run the loop with validations and checkpoints; the step at which it diverged, else 0, and if it was stopped."""
    course, feed, precision = begun
    settings, best, ranks = job.settings, course.best, job.ranks
    if best.misses >= settings.train.patience:  # the run was cut short after its end
        return 0, False
    keeper = _Keeper(job, course, listener)
    trainee = Trainee(course.model, course.optimizer, settings.train, precision, ranks)
    stops = partial(bool, interrupted)
    for report in training_steps(trainee, feed, course.position, started=started, stops=stops):
        listener.stepped(report)
        course.average(report.step)
        course.tokens += report.tokens
        course.epochs = report.epochs
        due = report.epochs >= (course.looks + 1) / settings.train.validations_per_epoch - 1e-9
        ended = report.progress >= 1.0
        saves = keeper.is_due(report) or report.stops
        if diverged := course.losses.add(report) or ((due or ended or saves) and course.losses.settle()):
            return diverged, False
        if due or ended:
            course.looks += 1
            _look(job, course, precision, report, listener)
        if saves:
            keeper.save(report)  # before the look that an interrupt asks for, which the whole training would not take
        if report.stops and not (due or ended):
            _look(job, course, precision, report, listener)
        if (due or ended or report.stops) and best.scores is None:  # broken weights, though the losses are numbers
            return report.step, False
        if best.misses >= settings.train.patience and not ended and not report.stops:
            listener.noted(f"no better in {best.misses} validations (train.patience): the training ends here")
        if report.stops or best.misses >= settings.train.patience:
            return 0, report.stops and not ended
    return 0, False


def _feed(job: TrainJob) -> Feed:
    """The training batches of the head, or of all heads mixed."""
    ranks = job.ranks
    feeds = {head.name: train_feed(head.data, head.settings, ranks.rank, ranks.size) for head in job.heads}
    if len(feeds) == 1:
        return feeds[job.head]
    tokens = {head.name: head.data.facts.train_tokens for head in job.heads}
    return JointFeed(feeds, tokens, job.settings.train.mixing)


def _look(job: TrainJob, course: Course, precision: str, report: StepReport, listener: Listener) -> None:
    """Validate on the first rank, and keep the weights if they are the best."""
    best = course.best
    own = None
    if job.ranks.first:
        with job.ranks.threads_of_all():
            own = look(job, course.kept, precision, best.scores)
    scores = job.ranks.from_first(own)
    improved = better(job, scores, best.scores)
    if improved:
        best.take(course.kept, scores, report.epochs)
    elif not course.is_frozen(report.progress):  # what does not learn yet cannot be given up
        best.misses += 1
        course.position.misses += 1
    if best.scores is None:
        return
    if 0 < job.settings.train.average_after <= best.misses and not course.averaged:
        course.averaged = 1
        best.misses = 0  # the mean has as long to get better
    seconds = course.position.seconds
    name, value = shown(job, scores)
    _, best_value = shown(job, best.scores)
    speed = course.tokens / max(1e-9, seconds)
    loss, each = course.losses.mean(), shown_of_heads(job, scores)
    listener.validated(
        Validation(report, loss, name, value, best_value, scores, improved, seconds, speed, each, deciding(job, scores))
    )


FIRST_SECONDS = 2.0
"""Until the first checkpoint of several processes, any of which may be killed. The time between two then doubles up to
`checkpoint.seconds`, so that no more is lost than was kept."""


class _Keeper:
    """Writes a checkpoint where one is due; a disk that is full ends no training."""

    def __init__(self, job: TrainJob, course: Course, listener: Listener) -> None:
        self._run, self._settings, self._ranks = job.run, job.settings.checkpoint, job.ranks
        self._course, self._listener = course, listener
        self._last = course.position.seconds

    def is_due(self, report: StepReport) -> bool:
        """Whether a checkpoint is wanted after this step; all ranks say the same."""
        own = self._settings
        between = own.seconds if self._ranks.size == 1 else min(own.seconds, max(FIRST_SECONDS, self._last))
        late = own.seconds > 0 and self._course.position.seconds - self._last >= between
        return late or bool(own.steps and report.step % own.steps == 0)

    def save(self, report: StepReport) -> None:
        """Write one, and remove the oldest."""
        self._last = self._course.position.seconds
        self._listener.saving()
        own = self._ranks.gathered(self._course.of_rank())
        if self._run is None:
            return
        try:
            self._run.save(self._course.snapshot(own), self._settings.keep)
        except (OSError, UserError) as error:
            self._listener.noted(f"no checkpoint at step {report.step}: {reason(error)}; training goes on")
