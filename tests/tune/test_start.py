"""A search starts where a training starts: from the same bundle, whose sizes stay, and its settings train so again."""

import shlex
import shutil
import tomllib
from types import SimpleNamespace

import pytest

from lstmtext import shipped
from lstmtext.bundle import load_bundle
from lstmtext.data.columns import Columns
from lstmtext.data.plan import DataRequest
from lstmtext.resolve import resolve_settings
from lstmtext.train import auto
from lstmtext.train.job import TrainRequest
from lstmtext.tune.found import train_command
from lstmtext.tune.space import Limits, defaults

SIZES = {"encoder.embedding_size", "encoder.hidden_size"}
TRANSFER = {"transfer.unfreeze", "transfer.rate_decay"}


@pytest.fixture
def words(data, tmp_path):
    return ["tune", data / "reviews.csv", "-o", tmp_path / "best", "--threads", "1", "--budget", "60s", "--trials", "3"]


def shipped_as(monkeypatch, bundle, folder):
    """The bundle in the place of the shipped one, whose tokenizer fits any text."""
    shutil.copytree(bundle, folder / "shipped" / shipped.NAME)
    monkeypatch.setattr(shipped, "PLACES", (folder / "shipped",))
    monkeypatch.setattr(auto, "LEAST_SHARE", 0.1)
    return folder / "shipped" / shipped.NAME


def test_trials_start_from_the_bundle_that_is_named(run_here, words, trainings, generate_bundle):
    done = run_here(*words, "--encoder", generate_bundle)
    assert done.code == 0, done.err
    assert f"the encoder of {generate_bundle} goes on" in done.err
    assert [job.encoder.folder for job in trainings.jobs] == [generate_bundle] * 3
    assert {job.settings.encoder.hidden_size for job in trainings.jobs} == {16}
    assert len({job.settings.transfer.unfreeze for job in trainings.jobs}) == 3
    assert f"--encoder {generate_bundle} -o BUNDLE" in done.err.splitlines()[-1]
    assert f"--encoder {generate_bundle} -o BUNDLE" in done.out.decode()


def test_a_head_that_goes_on_does_so_in_each_trial(run_here, words, trainings, classify_bundle):
    done = run_here(*words, "--encoder", classify_bundle, "--max-size", "1MB")
    assert done.code == 0, done.err
    assert [job.before.name for job in trainings.jobs] == ["labels"] * 3
    assert len({job.settings.classify.bypass_rows for job in trainings.jobs}) == 1
    assert {job.settings.transfer.unfreeze for job in trainings.jobs} == {0.5}


def test_what_a_training_starts_from_where_nobody_says_is_where_trials_do(
    run_here, words, trainings, generate_bundle, tmp_path, monkeypatch
):
    english = shipped_as(monkeypatch, generate_bundle, tmp_path)
    done = run_here(*words)
    assert done.code == 0, done.err
    assert "starts from the English encoder that comes with lstmtext" in done.err
    assert [job.encoder.folder for job in trainings.jobs] == [english] * 3
    assert tomllib.loads(done.out.decode())["transfer"]["head"] == "new"
    assert f"--encoder {english} -o" in done.out.decode()


def test_from_scratch_nothing_is_taken_over(run_here, words, trainings, generate_bundle, tmp_path, monkeypatch):
    shipped_as(monkeypatch, generate_bundle, tmp_path)
    done = run_here(*words, "--encoder", "none")
    assert [job.encoder for job in trainings.jobs] == [None] * 3
    assert "--encoder none -o" in done.out.decode()


def test_an_encoder_that_is_too_large_is_refused_before_the_data_are_read(run_here, generate_bundle, tmp_path):
    size = ["--encoder", generate_bundle, "--max-size", "5k"]
    done = run_here("tune", tmp_path / "absent.csv", "-o", tmp_path / "best", *size)
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert f"--max-size: found 5,000 B, less than a bundle with the encoder of {generate_bundle} has; exp" in done.err
    assert "--encoder none searches smaller ones" in done.err
    assert [*tmp_path.iterdir()] == []


def test_a_shipped_encoder_that_is_too_large_is_left(
    run_here, words, trainings, generate_bundle, tmp_path, monkeypatch
):
    bundle = load_bundle(generate_bundle)
    monkeypatch.setattr("lstmtext.tune.start.least_bytes", lambda *_, **__: 1_000_000_000)
    shipped_as(monkeypatch, bundle.folder, tmp_path)
    done = run_here(*words, "--max-size", "900MB")
    assert done.code == 0, done.err
    assert "starts anew: with the English encoder a bundle has 1,000,00" in done.err
    assert [job.encoder for job in trainings.jobs] == [None] * 3


def test_workers_of_one_search_start_from_the_same(run_here, words, trainings, generate_bundle, classify_bundle):
    assert run_here(*words, "--encoder", generate_bundle).code == 0
    for other in ("none", classify_bundle):
        done = run_here(*words, "--encoder", other)
        assert (done.code, "another encoder; use another -o/--output" in done.err) == (3, True), done.err
    assert run_here(*words, "--encoder", generate_bundle).code == 0


@pytest.mark.parametrize("task", ["classify", "tag", "generate"])
def test_the_space_leaves_out_what_the_bundle_decides(task):
    settings = resolve_settings(task, assignments=["train.batch_tokens=512", "generate.rows=8"])
    names = {
        kind: defaults(task, settings, Limits(sizes=True, **given)).keys()
        for kind, given in {"new": {}, "encoder": {"taken": True}, "head": {"taken": True, "goes_on": True}}.items()
    }
    assert names["new"] >= SIZES
    assert names["encoder"] == names["new"] - SIZES | TRANSFER
    assert names["head"] == names["encoder"] - TRANSFER - {f"{task}.bypass_rows"}


@pytest.mark.parametrize(
    ("name", "task", "start"),
    [
        ("reviews.csv", "classify", "generate"),
        ("reviews.csv", "classify", "classify"),
        ("reviews.csv", "classify", "none"),
        ("entities.conll", "tag", "tag"),
        ("prose.txt", "generate", "generate"),
    ],
)
def test_the_command_that_is_told_trains_the_best_bundle_again(
    run_here, data, tmp_path, monkeypatch, request, name, task, start
):
    encoder = start if start == "none" else request.getfixturevalue(f"{start}_bundle")
    some = ["--set", "train.epochs=1", "--set", "train.precision=float32", "--threads", "1", "--set", "train.report=no"]
    some += ["--task", task, "--trials", "1", "--budget", "200s", "--encoder", encoder]
    done = run_here("tune", data / name, "-o", tmp_path / "best", *some)
    assert done.code == 0, done.err
    monkeypatch.chdir(tmp_path)
    (tmp_path / "best.toml").write_bytes(done.out)
    _, _, command = done.err.splitlines()[-1].partition("trains so again: lstmtext ")
    again = run_here(*shlex.split(command))
    assert again.code == 0, again.err
    made, kept = tmp_path / "BUNDLE", tmp_path / "best"
    names = {path.name for path in kept.iterdir()} - {"bundle.json", "README.md"}
    assert "encoder.safetensors" in names
    assert all((made / name).read_bytes() == (kept / name).read_bytes() for name in names)


def test_the_command_names_what_the_data_need():
    asked = DataRequest(["my data.csv", "b\n.csv"], ["v.csv"], "csv", Columns("body", "topic", None, "w"), "classify")
    command = train_command(TrainRequest(asked, SimpleNamespace(), "none", "topics"))
    assert command == (
        "lstmtext train 'my data.csv' DATA --valid v.csv --task classify --format csv --text-column body "
        "--label-column topic --weight-column w --head topics --config best.toml --encoder none -o BUNDLE"
    )
