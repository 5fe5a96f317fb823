"""A head that is added to a bundle: it learns, and all that stood there stays as it was, to the byte."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lstmtext.bundle import Part, load_bundle, save_bundle
from lstmtext.data.plan import DataRequest
from lstmtext.nn.model import model_arrays, moving_tensors
from lstmtext.resolve import resolve_settings
from lstmtext.train.course import Course
from lstmtext.train.feeds import train_feed
from lstmtext.train.job import TrainRequest
from lstmtext.train.loop import Trainee, training_steps
from lstmtext.train.making import make_model
from lstmtext.train.quantize import choose_graphs, choose_together
from lstmtext.train.ranks import ALONE
from lstmtext.train.request import make_job
from lstmtext.train.validate import validate
from tests.conftest import PEOPLE, PLACES, entities_conll
from tests.train.test_resume import kill_at_random, run

SOURCES = {"classify": "reviews.csv", "tag": "entities.conll", "generate": "prose.txt"}
QUICK = ["--threads", "1", "--epochs", "2", "--set", "train.precision=float32"]


def classes_conll() -> str:
    """The sentences of `entities_conll` with word classes."""
    return "".join(
        f"{person}\tNAME\nBerg\tNAME\nlives\tVERB\nin\tADP\n{place}\tNAME\n.\tPUNCT\n\n"
        for person in PEOPLE
        for place in PLACES
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def answers_of(run_process, folder: Path, head: str, task: str) -> bytes:
    words = {"generate": ["--prompt", "Anna", "--max-tokens", 9]}.get(task, [])
    done = run_process(task, "-m", folder, "--head", head, *words, given=b"Anna was in Oslo.\n\nThe soup was bad.\n")
    assert done.code == 0, done.err
    return done.out


@pytest.fixture
def adding(tmp_path):
    """The job of a training that adds a head to a bundle, and the model that it begins with."""

    def make(bundle: Path, source: Path, *assignments: str):
        (tmp_path / "work").mkdir()
        job = make_job(
            TrainRequest(DataRequest([str(source)]), bundle, head="more", add_to=str(bundle)),
            lambda task: resolve_settings(task, assignments=["train.precision=float32", *assignments]),
            ALONE,
            tmp_path / "work",
            lambda text: None,
        )
        return job, make_model(job)

    return make


@pytest.mark.parametrize("base", SOURCES)
@pytest.mark.parametrize("task", SOURCES)
def test_what_stood_there_stays_to_the_byte(run_here, run_process, bundle_of, data, tmp_path, base, task):
    copy = shutil.copytree(bundle_of(base), tmp_path / "wide")
    before, old = files_of(copy), load_bundle(copy).info
    (name,) = old.heads
    answers = answers_of(run_process, copy, name, base)
    done = run_here("train", data / SOURCES[task], "--add-to", copy, "--head", "more", *QUICK)
    assert (done.code, done.out) == (0, b""), done.err
    assert f"a head on the encoder of {copy}, which stays as it is, as do its heads: {name}" in done.err
    after, info = files_of(copy), load_bundle(copy).info
    kept = before.keys() - {"bundle.json", "README.md"}
    assert {own: after[own] for own in kept} == {own: before[own] for own in kept}
    fresh = {"head-more.onnx", "head-more.safetensors"}
    fresh |= {"encoder.onnx"} if base == "generate" != task else set()
    assert after.keys() == before.keys() | fresh
    assert list(info.heads) == [name, "more"]
    assert info.heads[name] == old.heads[name]
    assert (info.encoder, info.vocabulary_size, info.parameters) == (old.encoder, old.vocabulary_size, old.parameters)
    assert info.heads["more"].training["encoder"] == "frozen"
    assert answers_of(run_process, copy, name, base) == answers
    assert answers_of(run_process, copy, "more", task)


def test_an_added_head_learns_and_nothing_else_does(adding, classify_bundle, data):
    job, model = adding(classify_bundle, data / "entities.conll", "train.epochs=40", "train.learning_rate=0.02")
    before = model_arrays(model)
    course = Course(model, job.settings)
    assert {name.partition(".")[0] for name in moving_tensors(model)} == {"head"}
    assert sum(len(group["params"]) for group in course.optimizer.param_groups) == len(list(model.head.parameters()))
    for report in training_steps(
        Trainee(model, course.optimizer, job.settings.train), train_feed(job.data, job.settings)
    ):
        course.average(report.step)
    for name, array in model_arrays(model).items():
        changes = not name.startswith("encoder.") and name != "head.shift_K"
        assert np.array_equal(array, before[name]) != changes, name
    assert validate(course.kept, job.data, job.settings, "float32")["span_f1"] > 0.9
    snapshot = course.snapshot([course.of_rank()])
    assert not [name for name in snapshot.tensors if "encoder" in name]


def test_a_frozen_encoder_reads_without_dropout_in_training(adding, classify_bundle, data):
    job, model = adding(classify_bundle, data / "reviews.csv")
    assert job.settings.encoder.input_dropout > 0
    _, batch = next(iter(train_feed(job.data, job.settings).shuffled(np.random.default_rng(0))))
    torch.manual_seed(0)
    first, _ = model.train().encode(batch)
    again, _ = model.encode(batch)
    assert torch.equal(first.forward_BTH, again.forward_BTH)
    assert not first.forward_BTH.requires_grad
    assert model.head.training
    assert not model.eval().head.training


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_tables_are_chosen_on_the_graph_that_is_there(adding, classify_bundle, data, precision):
    job, model = adding(classify_bundle, data / "entities.conll", f"export.precision={precision}")
    scores = validate(model, job.data, job.settings, "float32")
    head = {name.removeprefix("head."): own for name, own in model_arrays(model).items() if name.startswith("head.")}
    read = load_bundle(classify_bundle).part().graph
    graphs, said = choose_graphs(job.data, job.settings, {}, head, scores, read=read)
    assert graphs.encoder is read
    assert said["precision"] == precision
    assert said["span_f1 in float32"] == scores["span_f1"]
    assert ("span_f1 with tables in half precision" in said) == (precision == "int8")
    assert isinstance(said["span_f1 on the encoder's graph"], float)


@pytest.mark.parametrize("option", ["--add-to", "--encoder"])
def test_licences_of_what_a_bundle_begins_from_stand_in_its_card(run_here, classify_bundle, data, tmp_path, option):
    base = shutil.copytree(classify_bundle, tmp_path / "base")
    text = (base / "README.md").read_text().replace("\n## Head", "\n## Data\n\nMails, for research only.\n\n## Head", 1)
    (base / "README.md").write_text(text)
    done = run_here("train", data / "entities.conll", option, base, *QUICK, "-o", tmp_path / "new")
    assert done.code == 0, done.err
    card = (tmp_path / "new" / "README.md").read_text()
    assert card.startswith("# new\n")
    assert "\n## Data of what it began from\n\nMails, for research only.\n\n## Head `" in card


def test_another_place_gets_the_widened_bundle(run_here, classify_bundle, data, tmp_path):
    before = files_of(classify_bundle)
    words = ["train", data / "entities.conll", "--add-to", classify_bundle, *QUICK]
    done = run_here(*words, "-o", tmp_path / "wide")
    assert done.code == 0, done.err
    assert files_of(classify_bundle) == before
    assert list(load_bundle(tmp_path / "wide").info.heads) == ["labels", "tags"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wide", "wide.tags.report.html"]
    card = (tmp_path / "wide" / "README.md").read_text()
    assert "lstmtext classify -m wide --head labels" in card
    assert "lstmtext tag -m wide --head tags" in card


def test_half_precision_is_for_the_head_alone(run_here, classify_bundle, data, tmp_path):
    words = ["--add-to", classify_bundle, "-o", tmp_path / "wide", "--set", "export.weights=float16", *QUICK]
    assert run_here("train", data / "entities.conll", *words).code == 0
    old, new = load_bundle(classify_bundle), load_bundle(tmp_path / "wide")
    assert new.part().weights == old.part().weights
    for name, array in new.head_arrays("tags").items():
        assert np.array_equal(array, array.astype(np.float16).astype(np.float32)), name
    assert any((own != own.astype(np.float16)).any() for own in new.encoder_arrays().values())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--head", "labels"], "--head labels: {bundle} has a head 'labels' already; give the new head another name"),
        (["--head", "Labels"], "has a head 'labels' already"),
        (["absent.csv", "--head", "labels"], "has a head 'labels' already"),
        (["--encoder", "{bundle}"], "--encoder: cannot be had with --add-to"),
        (["--replay", "{data}"], "--replay: cannot be had with --add-to"),
        (["--adapt-on", "{data}"], "--adapt-on: cannot be had with --add-to"),
        (["--head", "b", "--set", "encoder.hidden_size=99"], "--set encoder.hidden_size: found 99; expected 16, as"),
        (["--head", "b", "--set", "encoder.input_dropout=0.9"], "--set encoder.input_dropout: found 0.9; expected 0.3"),
        (["--head", "b", "--set", "transfer.head=keep"], "--set transfer.head: found keep; expected new, as"),
        (["--head", "b", "--set", "transfer.unfreeze=0.7"], "--set transfer.unfreeze: found 0.7; expected 0.0, as"),
        (["--head", "b", "--set", "transfer.retain=0.5"], "--set transfer.retain: found 0.5; expected 0.0, as"),
        (["--head", "b", "--head", "c"], "--head: found b, c; expected one"),
    ],
)
def test_what_does_not_fit_is_said_and_changes_nothing(run_here, classify_bundle, data, words, said):
    before = files_of(classify_bundle)
    names = {"bundle": classify_bundle, "data": data / "reviews.csv"}
    filled = [word.format(**names) for word in words]
    done = run_here("train", data / "reviews.csv", "--add-to", classify_bundle, *filled, *QUICK, "-q")
    assert done.code == 2
    assert said.format(**names) in done.err
    assert done.err.count("\n") == 1
    assert files_of(classify_bundle) == before


def test_data_that_are_encoded_already_can_be_added(run_here, classify_bundle, data, tmp_path):
    for name, options in {"fits": ["--tokenizer", classify_bundle], "own": []}.items():
        words = ["preprocess", data / "entities.conll", "-o", tmp_path / name, "-q", *options]
        assert run_here(*words).code == 0
    words = ["--add-to", classify_bundle, "-o", tmp_path / "wide", *QUICK]
    assert run_here("train", tmp_path / "fits", *words).code == 0
    done = run_here("train", tmp_path / "own", *words, "--head", "b")
    assert (done.code, "--add-to: " in done.err, "another tokenizer" in done.err) == (2, True, True)


@pytest.mark.parametrize("place", ["looks.validate", "saving.choose_together"])
def test_two_trainings_may_add_to_one_bundle_side_by_side(
    run_here, classify_bundle, data, tmp_path, monkeypatch, place
):
    copy = shutil.copytree(classify_bundle, tmp_path / "wide")
    words = ["train", data / "entities.conll", "--add-to", copy, *QUICK, "-q"]

    def meanwhile(*given, **more):
        monkeypatch.undo()
        assert run_here(*words, "--head", "first").code == 0
        return {"looks.validate": validate, "saving.choose_together": choose_together}[place](*given, **more)

    monkeypatch.setattr(f"lstmtext.train.{place}", meanwhile)
    done = run_here(*words, "--head", "second")
    assert done.code == 0, done.err
    assert list(load_bundle(copy).info.heads) == ["labels", "first", "second"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "wide", "wide.first.report.html", "wide.second.report.html",
    ]  # fmt: skip


def test_a_graph_of_the_encoder_that_came_meanwhile_is_what_the_head_is_chosen_on(
    run_here, run_process, generate_bundle, data, tmp_path, monkeypatch
):
    copy = shutil.copytree(generate_bundle, tmp_path / "wide")
    words = ["train", data / "entities.conll", "--add-to", copy, *QUICK, "-q"]

    def meanwhile(*given, **more):
        monkeypatch.undo()
        assert run_here(*words, "--head", "first", "--set", "export.precision=int8").code == 0
        return choose_together(*given, **more)

    monkeypatch.setattr("lstmtext.train.saving.choose_together", meanwhile)
    done = run_here(*words, "--head", "second", "--set", "export.precision=float32")
    assert done.code == 0, done.err
    info = load_bundle(copy).info
    assert list(info.heads)[1:] == ["first", "second"]
    assert info.runtime == {"precision": "int8"}
    assert "span_f1 on the encoder's graph" in info.heads["second"].runtime
    assert answers_of(run_process, copy, "second", "tag")


def test_a_training_that_diverges_leaves_the_bundle_as_it_is(run_here, classify_bundle, data, tmp_path):
    copy = shutil.copytree(classify_bundle, tmp_path / "wide")
    words = ["train", data / "entities.conll", "--add-to", copy, "--head", "more", "--threads", 1, "-q"]
    wild = {"learning_rate": 10, "weight_decay": 10, "clip": 1e6, "patience": 999, "decay": "constant", "warmup": 0}
    settings = [word for name, value in wild.items() for word in ("--set", f"train.{name}={value}")]
    done = run_here(*words, "--epochs", 999, "--set", "train.precision=float32", *settings)
    assert done.code == 2
    assert "training diverged at step" in done.err
    assert f"; {copy} is unchanged; lower it" in done.err
    assert files_of(copy) == files_of(classify_bundle)
    assert run_here(*words, "--epochs", 1).code == 0
    assert list(load_bundle(copy).info.heads) == ["labels", "more"]


def test_a_bundle_whose_encoder_was_changed_meanwhile_is_left_alone(
    run_here, classify_bundle, tag_bundle, data, tmp_path, monkeypatch
):
    copy = shutil.copytree(classify_bundle, tmp_path / "wide")

    def meanwhile(*given):
        shutil.rmtree(copy)
        shutil.copytree(tag_bundle, copy)
        return validate(*given)

    monkeypatch.setattr("lstmtext.train.looks.validate", meanwhile)
    done = run_here("train", data / "entities.conll", "--add-to", copy, "--head", "more", *QUICK, "-q")
    assert done.code == 4
    assert f"{copy}: has another encoder than when the training began" in done.err
    assert files_of(copy) == files_of(tag_bundle)


@pytest.fixture(scope="module")
def killed(classify_bundle, tmp_path_factory):
    """A bundle, the one that it becomes by a training that adds a head, and such a training that was killed."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "more.conll").write_text(classes_conll() + entities_conll().replace("B-PER", "B-ORG"), encoding="utf-8")
    shutil.copytree(classify_bundle, folder / "wide")
    options = ["more.conll", "--add-to", "wide", "--head", "more", "--threads", 1, "--epochs", 40, "-q"]
    options += ["--set", "checkpoint.steps=2", "--set", "train.batch_tokens=64", "--set", "train.patience=100"]
    done = run(*options, "-o", "whole", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert kill_at_random(options, folder, "wide", random.Random(3))
    return folder


@pytest.fixture
def place(killed, tmp_path):
    return Path(shutil.copytree(killed, tmp_path / "place"))


def test_a_killed_training_leaves_the_bundle_and_goes_on_to_the_same_bytes(place, classify_bundle):
    assert files_of(place / "wide") == files_of(classify_bundle)
    done = run("--resume", "wide", "-q", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    wide, whole = files_of(place / "wide"), files_of(place / "whole")
    assert wide.pop("README.md") != whole.pop("README.md")  # which has its name
    assert wide == whole


def test_a_bundle_that_was_changed_before_going_on_is_named(place):
    bundle = load_bundle(place / "wide")
    changed = {name: array + 0.01 for name, array in bundle.encoder_arrays().items()}
    parts = Part.of(changed, bundle.part().graph), {"labels": bundle.part("labels")}
    save_bundle(place / "wide", bundle.info, bundle.tokenizer, *parts)
    before = files_of(place / "wide")
    done = run("--resume", "wide", "-q", cwd=place)
    assert done.returncode == 3
    assert done.stderr.startswith("lstmtext: wide: has another encoder than when the run began; expected the one that ")
    assert files_of(place / "wide") == before
    done = run("--resume", "wide", "--force", cwd=place)
    assert (done.returncode, "has another encoder" in done.stderr) == (0, True)
    assert list(load_bundle(place / "wide").info.heads) == ["labels", "more"]


def test_an_interrupted_training_is_in_the_bundle_and_goes_on(place):
    description = json.loads((place / "whole" / "bundle.json").read_text())
    assert description["heads"]["more"]["training"]["interrupted"] is False
    description["heads"]["more"]["training"]["interrupted"] = True
    shutil.rmtree(place / "wide")
    shutil.copytree(place / "whole", place / "wide")
    (place / "wide" / "bundle.json").write_text(json.dumps(description, indent=2, ensure_ascii=False) + "\n")
    anew = run("more.conll", "--add-to", "wide", "--head", "more", "-q", cwd=place)
    assert (anew.returncode, "wide has a head 'more' already" in anew.stderr) == (2, True)
    done = run("--resume", "wide", "-q", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert (place / "wide" / "bundle.json").read_bytes() == (place / "whole" / "bundle.json").read_bytes()


def test_a_training_that_was_killed_when_its_head_was_saved_goes_on(place):
    assert load_bundle(place / "whole").info.heads["more"].training["interrupted"] is False
    shutil.rmtree(place / "wide")
    shutil.copytree(place / "whole", place / "wide")
    (place / "more.conll").rename(place / "moved.conll")
    done = run("--resume", "wide", "moved.conll", "-q", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    wide, whole = files_of(place / "wide"), files_of(place / "whole")
    assert all(wide[name] == whole[name] for name in wide.keys() - {"README.md", "bundle.json"})
    assert not (place / ".runs" / "wide").exists()


def test_a_head_of_another_training_stays_when_one_goes_on(place):
    options = ["--head", "more", "--epochs", 1, "--threads", 1, "-q", "-o", "other"]
    assert run("more.conll", "--add-to", "wide", *options, cwd=place).returncode == 0
    shutil.rmtree(place / "wide")
    (place / "other").rename(place / "wide")
    before = files_of(place / "wide")
    done = run("--resume", "wide", "-q", cwd=place)
    assert (done.returncode, "wide has a head 'more' already" in done.stderr) == (2, True)
    assert files_of(place / "wide") == before
