"""Heads that learn nothing stay in the bundle where a part of what the encoder was is retained."""

import json
import random
import shutil

import numpy as np
import pytest

from lstmtext.bundle import load_bundle
from tests.train.test_add_to import SOURCES, answers_of
from tests.train.test_resume import DATA, bundle_of, kill_at_random, run


@pytest.fixture(scope="module")
def several(run_here, data, tiny, tmp_path_factory):
    """A bundle with a head of each task."""
    bundle = tmp_path_factory.mktemp("several") / "old"
    words = [word for task, source in SOURCES.items() for word in ("--task-data", f"{task}={data / source}")]
    done = run_here("train", *words, "-o", bundle, "--encoder", "none", "--epochs", 2, *tiny)
    assert done.code == 0, done.err
    return bundle


@pytest.fixture
def going_on(several, run_here, data, tiny, tmp_path):
    """Trains the head of a task from that bundle."""

    def train(task, retained, *more):
        words = [data / SOURCES[task], "--encoder", several, "--head", task, "--epochs", 2, *tiny]
        done = run_here("train", *words, "-o", tmp_path / "new", "--set", f"transfer.retain={retained}", *more)
        assert done.code == 0, done.err
        return load_bundle(tmp_path / "new"), done.err

    return train


@pytest.mark.parametrize("task", SOURCES)
def test_the_others_stay_as_they_were_on_the_encoder_that_moved(task, several, going_on, run_process):
    old, (new, said) = load_bundle(several), going_on(task, 0.5)
    others = [name for name in old.info.heads if name != task]
    assert f"heads that stay, on an encoder that moves: {', '.join(others)}" in said
    assert new.info.heads.keys() == old.info.heads.keys()
    assert not np.array_equal(new.encoder_arrays()["embedding_VD"], old.encoder_arrays()["embedding_VD"])
    for name in others:
        arrays = [own.head_arrays(name) for own in (old, new)]
        assert arrays[0].keys() == arrays[1].keys()
        assert all(np.array_equal(array, arrays[1][key]) for key, array in arrays[0].items())
        assert new.info.heads[name].scores == old.info.heads[name].scores
        assert f"the encoder has moved since, in the training of {task}; the scores" in new.info.heads[name].changes[-1]
    assert not any("has moved" in change for change in new.info.heads[task].changes)
    graphs = ["encoder", *(["head-generate"] if "generate" in others else [])]  # what the encoder's weights stand in
    for name in graphs:
        assert (new.folder / f"{name}.onnx").read_bytes() != (several / f"{name}.onnx").read_bytes()
    assert answers_of(run_process, new.folder, others[0], others[0])


@pytest.mark.parametrize("task", SOURCES)
def test_where_all_is_retained_they_answer_as_before(task, several, going_on, run_here):
    new, _ = going_on(task, 1)
    other = "tag" if task == "classify" else "classify"
    scores = []
    for bundle in (several, new.folder):
        done = run_here("evaluate", DATA / SOURCES[other], "-m", bundle, "--head", other, "--json")
        scores.append(json.loads(done.out)["scores"])
    names = [name for name, value in scores[0].items() if isinstance(value, float)]
    assert names
    assert [scores[0][name] for name in names] == pytest.approx([scores[1][name] for name in names], rel=1e-3)


def test_without_that_the_head_that_was_trained_is_alone(going_on):
    new, said = going_on("tag", 0)
    assert list(new.info.heads) == ["tag"]
    assert "stay" not in said


def test_a_name_that_differs_by_case_alone_takes_the_place_of_the_other(several, run_here, data, tiny, tmp_path):
    words = [data / SOURCES["tag"], "--encoder", several, "--head", "TAG", "--epochs", 1, *tiny]
    done = run_here("train", *words, "-o", tmp_path / "new", "--set", "transfer.retain=0.5")
    assert done.code == 0, done.err
    assert sorted(load_bundle(tmp_path / "new").info.heads) == ["TAG", "classify", "generate"]
    assert "do not stay" not in done.err  # it goes on under that name


def test_a_head_whose_name_is_taken_is_told(several, run_here, data, tiny, tmp_path):
    words = [data / SOURCES["classify"], "--encoder", several, "--head", "tag", "--epochs", 1, *tiny]
    done = run_here("train", *words, "-o", tmp_path / "new", "--set", "transfer.retain=0.5")
    assert done.code == 0, done.err
    assert "heads that do not stay, as new ones have their names: tag" in done.err
    assert load_bundle(tmp_path / "new").info.heads["tag"].task == "classify"


def test_nothing_is_retained_where_nothing_is_there(run_here, data, tiny, tmp_path):
    words = [data / SOURCES["tag"], "--encoder", "none", "--epochs", 1, *tiny]
    done = run_here("train", *words, "-o", tmp_path / "new", "--set", "transfer.retain=0.5")
    assert done.code == 0, done.err
    assert "transfer.retain has no effect: there is no bundle to start from" in done.err


@pytest.mark.parametrize(("asked", "found"), [("auto", "int8"), ("float32", "float32")])
def test_graphs_have_the_precision_that_is_asked_for_or_that_they_had(
    asked, found, several, run_here, data, tiny, tmp_path
):
    old = shutil.copytree(several, tmp_path / "old")
    assert run_here("export", "-m", old, "--precision", "int8").code == 0
    words = [data / SOURCES["generate"], "--encoder", old, "--head", "generate", "--epochs", 1, *tiny]
    words += ["--set", "transfer.retain=0.5", "--set", f"export.precision={asked}"]
    done = run_here("train", *words, "-o", tmp_path / "new")
    assert done.code == 0, done.err
    info = load_bundle(tmp_path / "new").info
    runs = [info.runtime, info.heads["classify"].runtime, info.heads["tag"].runtime]
    assert [own["precision"] for own in runs] == [found] * 3
    sizes = [(folder / "encoder.onnx").stat().st_size for folder in (old, tmp_path / "new")]
    assert (sizes[0] == sizes[1]) == (found == "int8")


def test_they_stay_beside_heads_that_learn_together(several, run_here, data, tiny, tmp_path):
    words = [word for task in ("tag", "generate") for word in ("--task-data", f"{task}={data / SOURCES[task]}")]
    words += ["--encoder", several, "--epochs", 1, *tiny, "--set", "transfer.retain=0.5"]
    done = run_here("train", *words, "-o", tmp_path / "new")
    assert done.code == 0, done.err
    assert "heads that stay, on an encoder that moves: classify" in done.err
    new = load_bundle(tmp_path / "new")
    assert set(new.info.heads) == set(SOURCES)
    assert "in the training of tag, generate;" in new.info.heads["classify"].changes[-1]


def test_weights_are_written_in_the_precision_that_is_asked_for(going_on):
    new, _ = going_on("tag", 0.5, "--set", "export.weights=float16")
    sizes = {name: (new.folder / f"head-{name}.safetensors").stat().st_size for name in SOURCES}
    full, _ = going_on("tag", 0.5)
    for name, size in sizes.items():
        assert size < 0.9 * (full.folder / f"head-{name}.safetensors").stat().st_size, name


@pytest.mark.slow
def test_a_run_goes_on_only_as_it_began(several, run_here, tmp_path):
    old = shutil.copytree(several, tmp_path / "old")
    words = [DATA / SOURCES["classify"], "--encoder", "old", "--head", "classify", "--epochs", 99]
    words += ["--threads", "1", "-q", "--set", "transfer.retain=0.5"]
    words += ["--set", "checkpoint.steps=2", "--set", "train.patience=999"]
    assert kill_at_random([*words, "-o", "model"], tmp_path, "model", random.Random(0))
    answer = run("--resume", "model", "--set", "transfer.retain=0", "--force", "-q", cwd=tmp_path)
    assert answer.returncode == 2
    assert "--set transfer.retain: found 0.0; expected 0.5, as the run began with it" in answer.stderr
    assert run_here("export", "-m", old, "--drop", "tag").code == 0
    answer = run("--resume", "model", "--force", "-q", cwd=tmp_path)
    assert answer.returncode == 3
    assert "its heads that stay are others than when the run began; expected those of then" in answer.stderr
    assert (tmp_path / ".runs" / "model").exists()


@pytest.mark.slow
def test_they_survive_a_kill(several, tmp_path):
    few = ["--set", "train.batch_tokens=256", "--set", "train.precision=float32", "--threads", "1", "-q"]
    common = [DATA / SOURCES["classify"], "--encoder", several, "--head", "classify", *few, "--epochs", 20]
    common += ["--set", "checkpoint.steps=3", "--set", "transfer.retain=0.5"]
    assert run(*common, "-o", "whole/model", cwd=tmp_path).returncode == 0
    assert kill_at_random([*common, "-o", "model"], tmp_path, "model", random.Random(1))
    answer = run("--resume", "model", "-q", cwd=tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert bundle_of(tmp_path / "model") == bundle_of(tmp_path / "whole" / "model")
