"""A search for settings: trials on one Optuna storage, by as many processes and machines as share it.

The default settings are the first trial, so the search never ends below them. Trials that fall behind the median of
the others are pruned (Golovin et al., 2017); the others come from a tree-structured Parzen estimator (Bergstra et
al., 2011). The time of a trial is a part of what is left, and its schedule ends with it.
"""

import os
import shutil
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from lstmtext.bundle import is_bundle
from lstmtext.config import Settings
from lstmtext.data.encoded import EncodedData
from lstmtext.errors import DataError, Interrupted, UsageError, UserError
from lstmtext.folders import check_output, replacing
from lstmtext.metrics import Scores
from lstmtext.resolve import changed_settings
from lstmtext.sizes import least_bytes
from lstmtext.tasks import TASKS
from lstmtext.train.loop import StepReport
from lstmtext.train.run import Diverged, TrainJob, Validation, train
from lstmtext.train.runs import OWNER_ONLY, RUNS
from lstmtext.tune.baseline import baseline_scores
from lstmtext.tune.space import defaults, suggested

if TYPE_CHECKING:
    import optuna

MOST_OF_BUDGET = 0.25
"""Share of the budget that one trial may take."""
LEAST_OF_TRIAL = 0.3
"""Share of an usual trial's time below which none is begun."""
PRUNING_POINTS = 20
"""Progress is compared in so many parts."""
BEATS = 60
"""Seconds between a worker's signs of life; one without them for longer is dead, and its trial open again."""
ASIDE = 0.03
"""Share of the budget that is kept for the end."""


@dataclass(frozen=True)
class Search:
    """What to search for, with what, and for how long."""

    data: EncodedData
    settings: Settings
    output: Path
    folder: Path
    """Where the bundles of trials and, by default, the storage lie."""
    budget: float
    """Seconds, from `began`, a time of the monotonic clock."""
    began: float
    storage: str | None = None
    """URL of an Optuna storage to share; None is a SQLite file in the folder."""
    metric: str | None = None
    """Score to search for: a name, or f1:LABEL; None is the task's own."""
    most_bytes: int = 0
    """Largest bundle that counts; 0 is any."""
    trials: int = 0
    """Most trials of this process; 0 is as many as the budget holds."""


@dataclass(frozen=True)
class Found:
    """What a search ended with."""

    settings: Settings
    score: float
    metric: str
    default: float | None
    """The score of the default settings, if their trial was completed."""
    baseline: str
    baseline_score: float | None
    trials: int
    pruned: int


Talk = Callable[[str], None]


def search(job: Search, remark: Talk) -> Found:
    """Run trials until the budget is used up; the best bundle goes to the output.

    Raises UsageError where Optuna is missing or nothing was completed, DataError where the storage is of other data.
    """
    check_output(job.output, is_bundle)
    name, own = baseline_scores(job.data)
    metric = job.metric or TASKS[job.data.task].shown[0]
    lower = TASKS[job.data.task].lower_is_shown if job.metric is None else "nats" in metric or "perplexity" in metric
    baseline = _score(own, metric) if own else None
    if baseline is not None:
        remark(f"baseline: {name}: {metric} {baseline:.4f}")
    study = _open_study(job, metric, lower=lower)
    runner = _Trials(job, metric, study, remark)
    try:
        while runner.has_time():
            study.optimize(runner.run, n_trials=1, catch=())
    except Interrupted as error:
        _finish(job, study, metric, name, baseline)
        raise Interrupted(f"interrupted; the best bundle so far is in {job.output}") from error
    return _finish(job, study, metric, name, baseline)


def search_folder(output: Path) -> Path:
    """The folder of a search that ends in `output`, made if need be; only its owner may read it."""
    folder = output.parent / RUNS / f"{output.name}.tune"
    try:
        folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(folder, f"cannot be written: {error.strerror}", hint="use another -o/--output") from error
    return folder


def verdict(found: Found) -> list[str]:
    """What a search found, in words; a model below the baseline is never silent."""
    best = f"best {found.metric} {found.score:.4f} of {found.trials} trials, {found.pruned} of them pruned"
    lines = [best + (f"; the default settings have {found.default:.4f}" if found.default is not None else "")]
    if found.baseline_score is not None:
        below = found.score < found.baseline_score
        compared = "WARNING: below the baseline" if below else "the baseline"
        lines.append(f"{compared}, {found.baseline}: {found.baseline_score:.4f}")
    return lines


def _open_study(job: Search, metric: str, *, lower: bool) -> "optuna.Study":
    try:
        import optuna
    except ImportError as error:
        raise UsageError("lstmtext tune", "Optuna is not installed", hint="pip install 'lstmtext[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    url = job.storage or f"sqlite:///{job.folder / 'study.db'}"
    retry = optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=1)
    patient = {"connect_args": {"timeout": BEATS}} if url.startswith("sqlite") else None
    storage = optuna.storages.RDBStorage(
        url, patient, heartbeat_interval=BEATS, grace_period=2 * BEATS, heartbeat_stale_trial_callback=retry
    )
    seed = (job.settings.train.seed + os.getpid()) % 2**32  # workers must not suggest the same
    study = optuna.create_study(
        storage=storage,
        study_name=job.output.name,
        direction="minimize" if lower else "maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True, multivariate=True),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=PRUNING_POINTS // 4),
    )
    about = {"data": job.data.fingerprint(), "metric": metric}
    known = {key: value for key, value in study.user_attrs.items() if key in about}
    if known and known != about:
        changed = "metric" if known.get("metric") != metric else "data"
        hint = "use another -o/--output or --storage, or remove that one"
        raise DataError(url, f"holds a study of the same name with another {changed}", hint=hint)
    if not known:
        for key, value in about.items():
            study.set_user_attr(key, value)
        study.enqueue_trial(defaults(job.data.task, job.settings, weigh=_weighs(metric), limited=job.most_bytes > 0))
    return study


class _Trials:
    """Runs trials, and knows what they cost."""

    def __init__(self, job: Search, metric: str, study: "optuna.Study", remark: Talk) -> None:
        self._job, self._metric, self._study, self._remark = job, metric, study, remark
        self._seconds: list[float] = []
        self._after: list[float] = [0.0]
        """Seconds that trials took beyond their own budget: for the model, the graph, the report."""
        self._began = 0

    def left(self) -> float:
        """Seconds of the budget that trials may still take."""
        return self._job.budget * (1 - ASIDE) - (time.monotonic() - self._job.began) - max(self._after)

    def has_time(self) -> bool:
        """Whether one more trial is worth beginning."""
        if self._job.trials and self._began >= self._job.trials:
            return False
        return self.left() > (LEAST_OF_TRIAL * median(self._seconds) if self._seconds else 0.0)

    def run(self, trial: "optuna.Trial") -> float:
        """One training with suggested settings; its score."""
        job, began = self._job, time.monotonic()
        self._began += 1
        chosen = suggested(trial, job.data.task, job.settings, weigh=_weighs(self._metric), limited=job.most_bytes > 0)
        most = min(self.left(), job.budget * MOST_OF_BUDGET)
        settings = changed_settings(job.settings, flags={**chosen, "train.budget": most, "train.report": False})
        if 0 < job.most_bytes < least_bytes(settings, job.data.tokenizer.size):
            raise _pruned()
        output = job.folder / f"trial-{trial.number}"
        watcher = _Watcher(trial, self._metric)
        try:
            info = train(TrainJob(job.data, settings, output), watcher)
        except Diverged as error:
            self._remark(f"trial {trial.number}: {error}")
            raise _pruned() from error
        assert info is not None, "one process trains, so it has the bundle"
        took = time.monotonic() - began
        self._seconds.append(took)
        self._after.append(took - watcher.seconds)
        score = _score(next(iter(info.heads.values())).scores, self._metric)
        size = sum(path.stat().st_size for path in output.iterdir())
        trial.set_user_attr("bundle", str(output.resolve()))
        self._remark(f"trial {trial.number}: {self._metric} {score:.4f}, {size / 1e6:.1f} MB, {took:.0f} s")
        if job.most_bytes and size > job.most_bytes:
            shutil.rmtree(output)
            raise _pruned()
        self._drop_all_but_best(trial, score)
        return score

    def _drop_all_but_best(self, trial: "optuna.Trial", score: float) -> None:
        """Remove the bundles of this folder that can no longer become the best."""
        import optuna

        done = self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        scored = [(other.value, other.number) for other in done if other.value is not None]
        lower = self._study.direction == optuna.study.StudyDirection.MINIMIZE
        best = (min if lower else max)([*scored, (score, trial.number)])[1]
        for _, number in [*scored, (score, trial.number)]:
            if number != best:
                shutil.rmtree(self._job.folder / f"trial-{number}", ignore_errors=True)


class _Watcher:
    """A listener that tells a trial how it goes, and ends one that falls behind."""

    def __init__(self, trial: "optuna.Trial", metric: str) -> None:
        self._trial, self._metric = trial, metric
        self.seconds = 0.0
        self._point = -1

    def started(self, **_: object) -> None:
        """See `train.run.Listener`."""

    def stepped(self, report: StepReport) -> None:
        """See `train.run.Listener`."""

    def noted(self, text: str) -> None:
        """See `train.run.Listener`."""

    def validated(self, validation: Validation) -> None:
        """See `train.run.Listener`."""
        self.seconds = validation.seconds
        point = round(PRUNING_POINTS * validation.report.progress)
        if point == self._point:
            return
        self._point = point
        self._trial.report(_score(validation.scores, self._metric), point)
        if self._trial.should_prune():
            raise _pruned()


def _pruned() -> Exception:
    import optuna

    return optuna.TrialPruned()


def _score(scores: Scores, metric: str) -> float:
    """A score by name, or by `f1:LABEL`. Raises UsageError with those that there are."""
    kind, _, label = metric.partition(":")
    labels: Any = scores.get("labels", {})
    found = labels.get(label, {}).get(kind) if label else scores.get(metric)
    if isinstance(found, int | float):
        return float(found)
    known = [name for name, value in scores.items() if isinstance(value, float)] + [f"f1:{name}" for name in labels]
    raise UsageError("--metric", f"no score '{metric}'", expected="one of " + ", ".join(known))


def _weighs(metric: str) -> bool:
    """Whether a metric may gain by giving rare classes more weight."""
    return metric == "macro_f1" or ":" in metric


def _finish(job: Search, study: "optuna.Study", metric: str, baseline: str, baseline_score: float | None) -> Found:
    """Put the best bundle in its place and say what was found."""
    import optuna

    trials = study.get_trials(deepcopy=False)
    done = [trial for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    if not done:
        hint = "give more --budget" + (" or a larger --max-size" if job.most_bytes else "")
        raise UsageError("--budget", "no trial was completed", hint=hint)
    best = study.best_trial
    bundle = Path(best.user_attrs["bundle"])
    if not bundle.is_dir():
        hint = f"train its settings: they are printed by lstmtext tune, and in {job.folder}"
        raise UsageError(bundle, "the best bundle is not on this machine", hint=hint)
    _put(bundle, job.output)
    settings = changed_settings(job.settings, flags=best.params)
    default = next((trial.value for trial in done if trial.number == 0), None)
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in trials)
    return Found(settings, float(best.value or 0.0), metric, default, baseline, baseline_score, len(trials), pruned)


def _put(bundle: Path, output: Path) -> None:
    """Copy a bundle to its place, whole or not at all; other workers may still need it where it is."""
    with replacing(output, is_old=is_bundle) as fresh:
        shutil.copytree(bundle, fresh, dirs_exist_ok=True)
