"""A search: never below the defaults, beside a baseline, within time and size, resumed and shared."""

import json
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from lstmtext.bundle import load_bundle
from lstmtext.config import TASK_DEFAULTS
from lstmtext.errors import UsageError
from lstmtext.resolve import resolve_settings
from lstmtext.sizes import least_bytes
from lstmtext.tune.found import Found, verdict
from lstmtext.tune.metric import lower_is_better
from lstmtext.tune.space import Limits, defaults, smallest, suggested
from lstmtext.tune.storage import open_storage
from lstmtext.tune.study import _as_now
from lstmtext.tune.watcher import Span

TINY = ["--set", "train.epochs=1", "--threads", "1", "--trials", "2", "--budget", "60s"]


@pytest.mark.parametrize("task", TASK_DEFAULTS)
@pytest.mark.parametrize("wide", [False, True])
def test_a_space_holds_the_defaults_and_names_settings_that_exist(task, wide):
    settings = resolve_settings(task, assignments=["train.batch_tokens=512", "generate.rows=8"])
    own = defaults(task, settings, Limits(weigh=wide, sizes=wide))
    trial = optuna.trial.FixedTrial(own)
    assert suggested(trial, task, settings, Limits(weigh=wide, sizes=wide)) == own
    sections = settings.as_dict()
    kept = {key: sections[key.partition(".")[0]][key.partition(".")[2]] for key in own}
    changed = {key for key in own if own[key] != kept[key]}
    assert changed <= {"train.weight_decay", f"{task}.bypass_rows"}  # whose defaults lie outside, or at 0


def test_a_search_ends_with_a_bundle_its_settings_and_a_verdict(run_here, data, tmp_path):
    done = run_here("tune", data / "reviews.csv", "-o", tmp_path / "best", *TINY)
    assert done.code == 0, done.err
    bundle = load_bundle(tmp_path / "best")
    (tmp_path / "best.toml").write_bytes(done.out)
    own = resolve_settings("classify", file=tmp_path / "best.toml").as_dict()
    assert own["encoder"] == bundle.head()[1].settings.as_dict()["encoder"]
    assert "baseline: TF-IDF and logistic regression: accuracy" in done.err
    assert "the default settings have" in done.err
    best, default = (float(done.err.partition(f"{word} ")[2][:6]) for word in ("best accuracy", "settings have"))
    assert best >= default
    assert tomllib.loads(done.out.decode())["train"]["epochs"] == 1


@pytest.mark.slow
def test_a_search_that_is_started_again_goes_on(run_here, data, tmp_path):
    words = ["tune", data / "entities.conll", "-o", tmp_path / "best", *TINY]
    assert run_here(*words).code == 0
    done = run_here(*words)
    assert "of 4 trials" in done.err
    assert "baseline: each word's usual tag: span_f1" in done.err


@pytest.mark.slow
def test_another_metric_or_other_data_do_not_join_a_study(run_here, data, tmp_path):
    words = ["tune", data / "reviews.csv", "-o", tmp_path / "best", *TINY]
    assert run_here(*words).code == 0
    done = run_here(*words, "--metric", "macro_f1")
    assert (done.code, "holds a search of the same name with another metric" in done.err) == (3, True)
    done = run_here("tune", data / "reviews.csv", "-o", tmp_path / "best", *TINY, "--seed", "5")
    assert (done.code, "another data" in done.err) == (3, True)


def test_the_settings_of_a_search_are_compared_as_they_are_written_now():
    sections = resolve_settings("classify").as_dict()
    now = json.dumps(sections)
    sections["classify"]["focal"] = 0.0
    assert _as_now(json.dumps(sections)) == _as_now(now) == now
    sections["classify"]["focal"] = 2.0
    assert _as_now(json.dumps(sections)) != now
    assert _as_now('{"train": {"what": 1}}') == '{"train": {"what": 1}}'


def test_a_metric_that_does_not_exist_names_those_that_do(run_here, data, tmp_path):
    done = run_here("tune", data / "reviews.csv", "-o", tmp_path / "best", *TINY, "--metric", "f1:nothing")
    assert done.code == 2
    assert "no score 'f1:nothing'; expected one of accuracy, macro_f1" in done.err
    assert not (tmp_path / "best").exists()


@pytest.mark.slow
def test_bundles_above_the_size_do_not_count(run_here, data, tmp_path):
    limited = ["--max-size", "1MB", "--trials", "40", "--budget", "40s"]
    done = run_here("tune", data / "reviews.csv", "-o", tmp_path / "small", *TINY, *limited)
    assert done.code == 0, done.err
    bundle = load_bundle(tmp_path / "small")
    size = sum(path.stat().st_size for path in (tmp_path / "small").iterdir())
    least = least_bytes(bundle.head()[1].settings, bundle.info.vocabulary_size, reads_encoder=True)
    assert least < size <= 1_000_000


@pytest.mark.slow
def test_a_model_below_the_baseline_is_not_silent(run_here, tmp_path):
    """Words that decide are known to the baseline; a model without n-grams cannot learn them in one pass."""
    rows = [f"filler word{n % 7} {'yes' if n % 2 else 'no'},{'a' if n % 2 else 'b'}" for n in range(60)]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    weak = ["--set", "classify.bypass=false", "--set", "train.learning_rate=1e-8", "--trials", "1", "--budget", "60s"]
    done = run_here("tune", tmp_path / "rows.csv", "-o", tmp_path / "best", *weak, "--set", "train.epochs=1")
    assert done.code == 0, done.err
    assert "WARNING: worse than the baseline" in done.err


def worker(folder: Path, data: Path, output: str, *more: str) -> subprocess.Popen[bytes]:
    words = ["tune", data / "entities.conll", "-o", folder / output, "--storage", f"sqlite:///{folder}/study.db"]
    words += ["--encoder", "none", "--set", "train.epochs=2", "--threads", "1", "-q", *more]
    return subprocess.Popen([sys.executable, "-m", "lstmtext", *map(str, words)], stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_two_workers_share_trials_and_a_killed_one_leaves_the_study_whole(data, tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    killed = worker(tmp_path, data, "best", "--budget", "300s")
    while not (tmp_path / "study.db").exists() or not _finished(storage):
        time.sleep(0.5)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = _finished(storage)
    workers = [worker(tmp_path, data, "best", "--budget", "60s", "--trials", "2") for _ in range(2)]
    assert [process.wait(timeout=200) for process in workers] == [0, 0]
    study = optuna.load_study(study_name="best", storage=storage)
    numbers = [trial.number for trial in study.trials]
    assert numbers == sorted(set(numbers))
    assert _finished(storage) >= before + 4
    scores = json.loads((tmp_path / "best" / "bundle.json").read_text())["heads"]["tags"]["scores"]
    assert scores["span_f1"] == pytest.approx(study.best_value)


def _finished(storage: str) -> int:
    try:
        study = optuna.load_study(study_name="best", storage=storage)
    except Exception:
        return 0
    return sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))


def test_what_somebody_chose_is_not_searched():
    settings = resolve_settings("tag", assignments=["encoder.hidden_size=300", "train.batch_tokens=512"])
    assert defaults("tag", settings, Limits())["encoder.hidden_size"] == 256
    trial = optuna.trial.FixedTrial(defaults("tag", settings, Limits()))
    assert "encoder.hidden_size" not in suggested(trial, "tag", settings, Limits(frozenset(["encoder.hidden_size"])))


@pytest.mark.parametrize(
    ("metric", "lower"),
    [("accuracy", False), ("nats_per_text", True), ("bits_per_byte", True), ("f1:nats", False), ("macro_f1", False)],
)
def test_metrics_know_their_direction(metric, lower):
    assert lower_is_better(metric) == lower
    found = Found(
        resolve_settings("tag"), 0.4, metric, lower, None, "n-grams", 0.5, 3, 0, here=True, span=Span(1.0, 1.0, False)
    )
    assert ("WARNING" in verdict(found)[1]) != lower


@pytest.mark.slow
def test_tags_without_spans_are_searched_by_accuracy(run_here, tmp_path):
    words = "".join(f"a DET\nword{n % 5} NOUN\nruns VERB\n\n" for n in range(30))
    (tmp_path / "pos.conll").write_text(words)
    done = run_here("tune", tmp_path / "pos.conll", "-o", tmp_path / "best", *TINY)
    assert done.code == 0, done.err
    assert "best accuracy" in done.err


def test_a_search_that_cannot_begin_is_one_line_and_leaves_nothing(run_here, data, tmp_path):
    (tmp_path / "empty.csv").write_text("")
    words = ["tune", "-o", tmp_path / "best", "--budget", "5s"]
    assert run_here(*words, tmp_path / "empty.csv").code == 3
    for option in ("--max-size=inf", "--max-size=0", "--max-size=big", "--budget=soon"):
        done = run_here(*words, data / "reviews.csv", option)
        assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert [path.name for path in tmp_path.iterdir()] == ["empty.csv"]


NO_STORAGES = {
    "garbage": "found 'garbage': Could not parse",
    "nothing://here": "found 'nothing://here': Can't load plugin",
    "postgresql://me:secret@host:port/name": "found 'postgresql://me:***@host:port/name': ",
    "sqlite:///FOLDER/missing/study.db": "FOLDER/missing is no folder",
    "sqlite:///FOLDER": "unable to open database file",
    "sqlite:///FOLDER/reviews.csv": "file is not a database",
}


@pytest.mark.parametrize("url", NO_STORAGES)
def test_what_is_no_storage_is_named_in_one_line(run_here, data, tmp_path, url):
    (tmp_path / "reviews.csv").write_bytes((data / "reviews.csv").read_bytes())
    given, said = (text.replace("FOLDER", str(tmp_path)) for text in (url, NO_STORAGES[url]))
    done = run_here("tune", tmp_path / "reviews.csv", "-o", tmp_path / "best", *TINY, "-q", "--storage", given)
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert done.err.startswith("lstmtext: --storage: found")
    assert said in done.err
    assert "expected" in done.err
    assert "secret" not in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["reviews.csv"]


def test_a_searchs_own_file_that_is_broken_is_named(run_here, data, tmp_path):
    file = tmp_path / ".searches" / "best" / "study.db"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no database, but long enough to be taken for one" * 100)
    done = run_here("tune", data / "reviews.csv", "-o", tmp_path / "best", *TINY, "-q")
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert f"{file}: cannot be used: file is not a database; remove it" in done.err


def test_a_server_that_is_not_there_is_asked_once(monkeypatch):
    attempts = []

    def absent(*args, **kwargs):
        attempts.append(args)
        raise OperationalError("connect", {}, Exception("connection refused"))

    monkeypatch.setattr(optuna.storages, "RDBStorage", absent)
    with pytest.raises(UsageError, match="connection refused"):
        open_storage("mysql://nowhere/study")
    assert len(attempts) == 1


def test_a_storage_that_another_worker_is_making_is_waited_for(monkeypatch, tmp_path):
    make, attempts = optuna.storages.RDBStorage, []

    def made_by_another(*args, **kwargs):
        attempts.append(args)
        if len(attempts) < 2:
            raise IntegrityError("INSERT", {}, Exception("UNIQUE constraint failed"))
        return make(*args, **kwargs)

    monkeypatch.setattr(optuna.storages, "RDBStorage", made_by_another)
    assert open_storage(f"sqlite:///{tmp_path}/study.db").get_all_studies() == []


def test_a_size_that_no_bundle_can_have_is_refused_at_once(run_here, data, tmp_path, trainings):
    words = ["tune", data / "reviews.csv", "-o", tmp_path / "best", *TINY]
    done = run_here(*words, "--max-size", "1B")
    assert done.code == 2
    assert "--max-size: found 1 B, less than any bundle of this search has; expected" in done.err
    assert (trainings.jobs, list(tmp_path.iterdir())) == ([], [])
    least = int(done.err.partition("expected ")[2].partition(" B at least")[0].replace(",", ""))
    assert run_here(*words, "--max-size", f"{least - 1}B").code == 2
    trainings.size = 2 * least
    wide = run_here(
        *words, "--set", "encoder.hidden_size=32", "--set", "encoder.embedding_size=32", "--max-size", least
    )
    hint = (
        f"no trial was completed; give more --budget or a larger --max-size, as the smallest bundle had {2 * least:,} B"
    )
    assert (wide.code, hint in wide.err) == (2, True), wide.err


def test_sizes_that_somebody_chose_count(run_here, data, tmp_path, trainings):
    words = ["tune", data / "reviews.csv", "-o", tmp_path / "best", *TINY, "--set", "encoder.hidden_size=512"]
    assert "expected 11,2" in run_here(*words, "--max-size", "1B").err


@pytest.mark.parametrize("task", TASK_DEFAULTS)
def test_nothing_in_a_space_is_smaller_than_the_smallest(task):
    settings = resolve_settings(task, assignments=["train.batch_tokens=512", "generate.rows=8"])
    least = smallest(task, settings, Limits(weigh=True, sizes=True))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        tried = suggested(study.ask(), task, settings, Limits(weigh=True, sizes=True))
        assert least.keys() == tried.keys()
        assert all(least[name] <= value for name, value in tried.items())


TRAININGS = {
    "ended by the clock": (
        [(0.3, 0.1), (1.0, 20.6)],
        21,
        "20.6 epochs, within its part of the time.\n# Here epochs = 21",
    ),
    "ended by its epochs": ([(0.01, 0.28), (1.0, 28.0)], 28, "trained 28.0 epochs.\n# To"),
    "ended early, by epochs": ([(0.01, 0.28), (0.5, 14.0)], 28, "14.0 epochs of 28.0, as it got no better.\n# To"),
    "ended early, by the clock": ([(0.3, 0.0), (0.65, 5.2)], 10, "5.2 epochs of 10.4, as it got no better, within"),
    "shorter than an epoch": ([(0.1, 0.1), (1.0, 0.4)], 1, "epochs = 1 stands for that: this training is longer"),
    "of a pace that changed": ([(0.5, 0.0), (0.6, 16.8)], 28, "16.8 epochs of 28.0, as it got no better, within"),
}


@pytest.mark.parametrize("ending", TRAININGS)
def test_the_epochs_of_the_settings_are_those_of_the_training_that_won(run_here, data, tmp_path, trainings, ending):
    reports, epochs, said = TRAININGS[ending]
    trainings.reports = [SimpleNamespace(progress=progress, epochs=passes) for progress, passes in reports]
    words = ["tune", data / "reviews.csv", "-o", tmp_path / "best", "--trials", "1", "--set", "train.epochs=28"]
    done = run_here(*words)
    assert done.code == 0, done.err
    told = done.out.decode()
    assert tomllib.loads(told)["train"]["epochs"] == epochs
    assert said in told


def test_the_report_of_the_bundle_that_was_there_goes_with_it(run_here, data, tmp_path, trainings):
    (tmp_path / "best.report.html").write_text("of an older bundle")
    assert run_here("tune", data / "reviews.csv", "-o", tmp_path / "best", "--trials", "1").code == 0
    assert not (tmp_path / "best.report.html").exists()


def test_settings_that_somebody_chose_stay_in_those_that_are_found(run_here, data, tmp_path, trainings):
    chosen = ["--set", "encoder.hidden_size=300", "--set", "train.budget=7"]
    done = run_here("tune", data / "reviews.csv", "-o", tmp_path / "best", "--trials", "1", *chosen)
    assert done.code == 0, done.err
    found = tomllib.loads(done.out.decode())
    assert found["encoder"]["hidden_size"] == 300
    assert "budget" not in found["train"]
    assert trainings.jobs[0].settings.encoder.hidden_size == 300


@pytest.mark.slow
def test_the_settings_train_as_long_as_the_trial_that_won(run_here, data, tmp_path):
    words = [data / "reviews.csv", "--threads", "1", "--set", "train.epochs=10000", "--set", "train.patience=10000"]
    done = run_here("tune", *words, "-o", tmp_path / "best", "--trials", "1", "--budget", "40s")
    assert done.code == 0, done.err
    (tmp_path / "best.toml").write_bytes(done.out)
    again = ["train", data / "reviews.csv", "--config", tmp_path / "best.toml", "-o", tmp_path / "again"]
    assert run_here(*again, "--encoder", "none").code == 0
    won, trained = (load_bundle(tmp_path / name).head()[1].training["epochs"] for name in ("best", "again"))
    assert abs(max(1, won) - trained) <= 0.5
