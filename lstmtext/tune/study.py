"""A search for settings: trials on one Optuna storage, by as many processes and machines as share it.

The default settings are the first trial, or the next one where its worker died, so the search never ends below them.
Trials that fall behind the median of the others are pruned (Golovin et al., 2017); the others come from a
tree-structured Parzen estimator (Bergstra et al., 2011). The time of a trial is a part of what is left, and its
schedule ends with it.
"""

import json
import math
import os
import shutil
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lstmtext.bundle import is_bundle, report_path
from lstmtext.errors import DataError, Interrupted, UsageError, UserError
from lstmtext.folders import check_output
from lstmtext.metrics import Scores
from lstmtext.resolve import changed_settings, lost_settings, settings_from_sections
from lstmtext.tasks import TASKS, first_of
from lstmtext.train.job import TrainJob
from lstmtext.train.runs import OWNER_ONLY
from lstmtext.tune.baseline import baseline_scores
from lstmtext.tune.clock import Clock
from lstmtext.tune.found import Found
from lstmtext.tune.kept import put
from lstmtext.tune.metric import lower_is_better, score_of, signed_score
from lstmtext.tune.space import defaults, smallest
from lstmtext.tune.storage import open_storage, storage_errors, without_password
from lstmtext.tune.trials import (
    BUNDLE,
    BYTES,
    DIGEST,
    SECONDS,
    SPAN,
    NotTried,
    Search,
    Talk,
    Trials,
    least_size,
    limits_of,
)
from lstmtext.tune.watcher import DEFAULT, PRUNING_POINTS, Span
from lstmtext.tune.workers import Crew

if TYPE_CHECKING:
    import optuna

FOR_BASELINE = 0.15
"""Share of the time that is left which the baseline may take."""
LOOKS = 5
"""How often the best bundle is looked for."""
SEARCHES, DATA = ".searches", "data"


def search(job: Search, remark: Talk) -> Found:
    """Run trials until the budget is used up; the best bundle goes to the output.

    Raises UsageError where Optuna is missing, no bundle can be small enough or nothing was completed, DataError where
    the storage is of another search, Interrupted after Ctrl-C, with the best so far in its place.
    """
    check_output(job.output, is_bundle)
    _check_size(job)
    task = TASKS[job.data.task]
    clock = Clock(job.began, job.budget)
    name, own = baseline_scores(job.data, lambda scores: _signed(scores, job), clock.after(FOR_BASELINE))
    metric = job.metric or first_of(task.shown, own)[0]
    baseline = score_of(own, metric)
    remark(f"baseline: {name}: {metric} {baseline:.4f}")
    study = _open_study(job, metric)
    before = clock.passed()
    runner, crew = Trials(job, metric, study, clock, remark), Crew(study)
    again = ["FAIL", "PRUNED"]
    try:
        while runner.has_time():
            crew.close_dead()
            _queue_default(job, study, metric, again)
            again = ["FAIL"]  # what came to nothing now would so again
            study.optimize(runner.run, n_trials=1, catch=(NotTried,))
            runner.drop_all_but_best()
    except (Interrupted, KeyboardInterrupt) as error:
        with suppress(UsageError):
            here = _finish(job, study, metric, name, baseline).here
            told = f"the best bundle so far is in {job.output}" if here else "the best bundle so far is not here"
            raise Interrupted(f"interrupted; {told}") from error
        raise Interrupted("interrupted; no trial was completed") from error
    if not runner.began and before > job.budget / 2 and not _completed(study):
        spent = f"found {job.budget:g} s, of which {before:.3g} s went by before the first trial, with the data"
        raise UsageError("--budget", spent, hint="give more")
    found = _finish(job, study, metric, name, baseline)
    return found if found.here else replace(found, here=runner.train_anew(found))


def _check_size(job: Search) -> None:
    """Raise UsageError where even the smallest bundle of the search is larger than those that count."""
    least = least_size(job, changed_settings(job.settings, flags=smallest(job.data.task, job.settings, limits_of(job))))
    if 0 < job.most_bytes < least:
        found = f"found {job.most_bytes:,} B, less than any bundle of this search has"
        other = "--encoder none" if job.training.encoder is not None else "a smaller text.vocabulary_size"
        hint = f"{other}, or export.weights=int8, makes it less"
        raise UsageError("--max-size", found, expected=f"{least:,} B at least", hint=hint)


def _signed(scores: Scores, job: Search) -> float:
    """A score that is better the higher it is: the one to search for."""
    return signed_score(scores, job.metric or first_of(TASKS[job.data.task].shown, scores)[0])


def search_folder(output: Path) -> Path:
    """The folder of a search that ends in `output`, made if need be; only its owner may read it."""
    folder = output.parent / SEARCHES / output.name
    try:
        folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(folder, f"cannot be written: {error.strerror}", hint="use another -o/--output") from error
    return folder


@contextmanager
def data_folder(folder: Path) -> Iterator[Path]:
    """A folder for encoded data in that of a search; those of processes that were killed are removed."""
    host = socket.gethostname()
    for old in folder.glob(f"{DATA}-{host}-*"):
        if not Path(f"/proc/{old.name.rpartition('-')[2]}").exists() and Path("/proc/self").exists():
            shutil.rmtree(old, ignore_errors=True)
    own = folder / f"{DATA}-{host}-{os.getpid()}"
    own.mkdir(mode=OWNER_ONLY)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        with suppress(OSError):  # of a search that did not begin nothing stays
            folder.rmdir()
            folder.parent.rmdir()


def _open_study(job: Search, metric: str) -> "optuna.Study":
    file = None if job.storage else job.folder / "study.db"
    url = job.storage or f"sqlite:///{file}"
    storage = open_storage(url, file)
    import optuna

    seed = (job.settings.train.seed + os.getpid()) % 2**32  # workers must not suggest the same
    with storage_errors(url, file):
        study = optuna.create_study(
            storage=storage,
            study_name=job.output.name,
            direction="minimize" if lower_is_better(metric) else "maximize",
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True, multivariate=True),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=PRUNING_POINTS // 4),
        )
    base = changed_settings(job.settings, flags={"train.threads": 0})
    about = {
        "data": job.data.fingerprint(),
        "metric": metric,
        "settings": json.dumps(base.as_dict()),
        "size limit": job.most_bytes,
        **_started_from(job.training),
    }
    known = {**study.user_attrs.get("about", about)}
    known["settings"] = _as_now(known["settings"])
    changed = [key for key in (about | known) if known.get(key) != about.get(key)]
    if changed:
        hint = "use another -o/--output or --storage, or remove that one"
        found = f"holds a search of the same name with another {', another '.join(changed)}"
        raise DataError(without_password(url), found, hint=hint)
    study.set_user_attr("about", about)
    return study


def _as_now(settings: str) -> str:
    """Settings as JSON, as they are written now; as they were where one is lost that made a difference."""
    sections = json.loads(settings)
    try:
        return settings if lost_settings(sections) else json.dumps(settings_from_sections(sections).as_dict())
    except UsageError:
        return settings


def _started_from(training: TrainJob) -> dict[str, str]:
    """What tells the bundle that trials start from, if there is one, and the head that goes on: all workers have it."""
    if training.encoder is None:
        return {}
    head = training.encoder.head_digest(training.before.name) if training.before else "new"
    return {"encoder": f"{training.encoder.encoder_digest}, head {head}"}


def _queue_default(job: Search, study: "optuna.Study", metric: str, again: Collection[str]) -> None:
    """Let the default settings be the next trial, if all their trials ended in a state that asks for another."""
    trials = study.get_trials(deepcopy=False)
    if all(trial.state.name in again for trial in trials if trial.user_attrs.get(DEFAULT)):
        own = defaults(job.data.task, job.settings, limits_of(job, metric))
        study.enqueue_trial(own, user_attrs={DEFAULT: True})


def _finish(job: Search, study: "optuna.Study", metric: str, baseline: str, baseline_score: float) -> Found:
    """Put the best bundle in its place and say what was found. Raises UsageError where there is none."""
    import optuna

    trials, done = study.get_trials(deepcopy=False), _completed(study)
    if not done:
        sizes = [trial.user_attrs[BYTES] for trial in trials if BYTES in trial.user_attrs]
        hint = "give more --budget" + (" or a larger --max-size" if job.most_bytes else "")
        hint += f", as the smallest bundle had {min(sizes):,} B" if sizes else ""
        raise UsageError("--budget", "no trial was completed", hint=hint)
    best, here = study.best_trial, False
    for _ in range(LOOKS):
        if here := put(Path(best.user_attrs[BUNDLE]), best.user_attrs.get(DIGEST, ""), job.output):
            break
        tried, best = best, study.best_trial
        if best.number == tried.number:  # else another worker has found a better one just now, and removed this
            break
    if here:
        report_path(job.output).unlink(missing_ok=True)  # of the bundle that was there; trials write none
    default = next((trial.value for trial in done if trial.user_attrs.get(DEFAULT)), None)
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in trials)
    span = Span(*best.user_attrs[SPAN])
    chosen = {name: value for name, value in best.params.items() if name not in job.fixed}
    chosen |= {"train.epochs": max(1, round(span.whole)), "train.budget": 0.0}
    return Found(
        changed_settings(job.settings, flags=chosen),
        float(best.value or 0.0),
        metric,
        lower_is_better(metric),
        default,
        baseline,
        baseline_score,
        len(done) + pruned,
        pruned,
        here,
        span,
        best.user_attrs.get(SECONDS, math.inf),
    )


def _completed(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
