"""One training after the other, each with settings that the study suggests, within the budget."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lstmtext.bundle import report_path
from lstmtext.config import Settings
from lstmtext.data.encoded import EncodedData
from lstmtext.errors import UserError
from lstmtext.resolve import changed_settings
from lstmtext.sizes import least_bytes
from lstmtext.tasks import TASKS
from lstmtext.train.job import TrainJob
from lstmtext.train.listener import Listener
from lstmtext.train.run import train
from lstmtext.tune.clock import Clock
from lstmtext.tune.found import Found
from lstmtext.tune.kept import digest_of
from lstmtext.tune.metric import NoSuchScore, score_of
from lstmtext.tune.space import Limits, suggested
from lstmtext.tune.watcher import DEFAULT, Watcher, pruned
from lstmtext.tune.workers import WORKER, signature

if TYPE_CHECKING:
    import optuna

BUNDLE, DIGEST, BYTES, SECONDS, SPAN = "bundle", "digest", "bytes", "seconds", "span"
"""What a trial is marked with: where its bundle lies, what tells that from others, how large it is, how long it took,
and the `Span` of its training."""


Talk = Callable[[str], None]


@dataclass(frozen=True)
class Search:
    """What to search for, with what, and for how long."""

    training: TrainJob
    """What trials train, from what, with the settings that the search starts from; the best goes to its output."""
    folder: Path
    """Where the bundles of trials and, by default, the storage lie."""
    budget: float
    """Seconds, from `began`, a time of the monotonic clock."""
    began: float
    fixed: frozenset[str] = frozenset()
    """Settings that somebody chose, which are not searched."""
    storage: str | None = None
    """URL of an Optuna storage to share; None is a SQLite file in the folder."""
    metric: str | None = None
    """Score to search for: a name, or f1:LABEL; None is the task's own."""
    most_bytes: int = 0
    """Largest bundle that counts; 0 is any."""
    trials: int = 0
    """Most trials of this process; 0 is as many as the budget holds."""

    @property
    def data(self) -> EncodedData:
        """What is learned from."""
        return self.training.data

    @property
    def settings(self) -> Settings:
        """Those that the search starts from."""
        return self.training.settings

    @property
    def output(self) -> Path:
        """Where the best bundle goes."""
        return self.training.output


class NotTried(Exception):
    """A trial that was not begun: another one tries the same, or no time is left."""


MOST_TOO_LARGE = 8
"""Suggestions in a row that would take longer than is left, after which a search ends."""


class Trials:
    """Runs trials."""

    def __init__(self, job: Search, metric: str, study: "optuna.Study", clock: Clock, remark: Talk) -> None:
        self._job, self._metric, self._study, self._clock, self._remark = job, metric, study, clock, remark
        self.began = 0
        """How many trainings were begun."""
        self._too_large = 0
        """How many suggestions in a row were too large for the time."""

    def has_time(self) -> bool:
        """Whether one more trial is worth beginning."""
        if self._too_large >= MOST_TOO_LARGE or (self._job.trials and self.began >= self._job.trials):
            return False
        return self._clock.for_training() > 0

    def run(self, trial: "optuna.Trial") -> float:
        """One training with suggested settings; its score."""
        job = self._job
        trial.set_user_attr(WORKER, signature())
        if trial.user_attrs.get(DEFAULT) and self._is_tried(trial.number):
            raise NotTried
        chosen = suggested(trial, job.data.task, job.settings, limits_of(job, self._metric))
        settings = changed_settings(job.settings, flags={**chosen, "train.report": False})
        least = least_size(job, settings)
        if 0 < job.most_bytes < least:
            raise pruned()
        most = self._clock.for_training(least)
        if not most:
            self._too_large += 1
            raise NotTried
        self._too_large = 0
        settings = changed_settings(settings, flags={"train.budget": most})
        self.began += 1
        output = job.folder / f"trial-{trial.number}"
        try:
            return self._train(trial, settings, output)
        except BaseException as error:
            shutil.rmtree(output, ignore_errors=True)
            if isinstance(error, NoSuchScore) or not isinstance(error, MemoryError | RuntimeError | UserError):
                raise
            self._remark(f"trial {trial.number} failed: {error}")
            raise pruned() from error

    def _is_tried(self, number: int) -> bool:
        """Whether the default settings have an earlier trial too, as two workers that begin together queue two."""
        import optuna

        states = [optuna.trial.TrialState[name] for name in ("WAITING", "RUNNING", "COMPLETE")]
        trials = self._study.get_trials(deepcopy=False, states=states)
        return any(trial.user_attrs.get(DEFAULT) and trial.number < number for trial in trials)

    def train_anew(self, found: Found) -> bool:
        """Train the best trial, whose bundle is not here, once more to the output, if time suffices; if it did."""
        import optuna

        most = self._clock.for_training(least_size(self._job, found.settings))
        if found.seconds > most:
            return False
        settings = changed_settings(found.settings, flags={"train.budget": most, "train.report": False})
        watcher = Watcher(optuna.trial.FixedTrial({}), self._metric, settings.train.epochs)
        try:
            score = self._trained(settings, self._job.output, watcher)
        except (MemoryError, RuntimeError, UserError) as error:
            self._remark(f"the best trial, trained anew, failed: {error}")
            return False
        report_path(self._job.output).unlink(missing_ok=True)
        self._remark(f"the best trial, whose bundle is not here, trained anew: {self._metric} {score:.4f}")
        return True

    def drop_all_but_best(self) -> None:
        """Remove what completed trials that are not the best left here, and trials whose worker died."""
        import optuna

        over = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL)
        done = self._study.get_trials(deepcopy=False, states=over)
        complete = any(trial.state == optuna.trial.TrialState.COMPLETE for trial in done)
        best = self._study.best_trial.number if complete else -1
        for trial in done:
            if trial.number != best:
                shutil.rmtree(self._job.folder / f"trial-{trial.number}", ignore_errors=True)

    def _train(self, trial: "optuna.Trial", settings: Settings, output: Path) -> float:
        job, began = self._job, time.monotonic()
        watcher = Watcher(trial, self._metric, settings.train.epochs)
        score = self._trained(settings, output, watcher)
        took = time.monotonic() - began
        self._clock.learn(took, set_up=watcher.set_up, ending=took - watcher.seconds, size=least_size(job, settings))
        size = sum(path.stat().st_size for path in output.iterdir())
        trial.set_user_attr(BYTES, size)
        trial.set_user_attr(SPAN, watcher.span())
        trial.set_user_attr(SECONDS, took)
        trial.set_user_attr(DIGEST, digest_of(output))
        trial.set_user_attr(BUNDLE, str(output.resolve()))
        self._remark(f"trial {trial.number}: {self._metric} {score:.4f}, {size / 1e6:.1f} MB, {took:.0f} s")
        if 0 < job.most_bytes < size:
            raise pruned()
        return score

    def _trained(self, settings: Settings, output: Path, listener: Listener) -> float:
        """Train with some settings to a bundle; its score."""
        training = self._job.training
        head = replace(training.heads[0], settings=settings)
        info = train(replace(training, heads=(head,), output=output), listener)
        assert info is not None, "one process trains, so it has the bundle"
        return score_of(info.heads[head.name].scores, self._metric)


def limits_of(job: Search, metric: str = "") -> Limits:
    """What a search for a metric leaves alone, and what it may change besides."""
    training, weigh = job.training, metric == "macro_f1" or ":" in metric
    taken, goes_on = training.encoder is not None, training.before is not None
    return Limits(job.fixed, weigh=weigh, sizes=job.most_bytes > 0, taken=taken, goes_on=goes_on)


def least_size(job: Search, settings: Settings) -> int:
    """Bytes that a bundle of some settings has at least: its tokenizer's, and those of the encoder."""
    tokenizer = job.data.tokenizer
    reads = TASKS[job.data.task].reads_encoder
    return len(tokenizer.to_json().encode()) + least_bytes(settings, tokenizer.size, reads_encoder=reads)
