"""The loop: seeded losses stay what they were, settings have their effect, nothing is written."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.nn.model import Model
from lstmtext.resolve import resolve_settings
from lstmtext.sizes import fit_training
from lstmtext.train.feeds import train_feed
from lstmtext.train.loop import Trainee, make_optimizer, move_average, running_share, training_steps

GOLDEN = Path(__file__).parent.parent / "golden" / "losses.json"
DATA = Path(__file__).parent.parent.parent / "data"
FILES = {"classify": "reviews.csv", "tag": "entities.conll", "generate": "prose.txt"}
SMALL = [
    "encoder.hidden_size=16", "encoder.embedding_size=8", "text.vocabulary_size=400", "train.batch_tokens=512",
    "classify.bypass_rows=4096", "tag.bypass_rows=4096",
    "encoder.weight_drop=0.1", "encoder.embedding_dropout=0.1",
]  # fmt: skip
STEPS = 6


def start(task: str, folder: Path, *more: str):
    settings = resolve_settings(task, assignments=[*SMALL, *more])
    plan, _ = make_plan(DataRequest([str(DATA / FILES[task])]))
    data = prepare(plan, settings, folder)
    settings = fit_training(data.settings, data.task, data.facts.train_tokens, data.facts.words)
    torch.manual_seed(settings.train.seed)
    model = Model(task, settings, vocabulary_size=data.tokenizer.size, labels=len(data.labels))
    return model, train_feed(data, settings), settings


def steps_of(task: str, folder: Path, *more: str):
    model, feed, settings = start(task, folder, *more)
    return training_steps(Trainee(model, make_optimizer(model, settings), settings.train), feed)


def losses_of(task: str, folder: Path, *more: str) -> list[float]:
    steps = steps_of(task, folder, *more)
    return [report.loss for report, _ in zip(steps, range(STEPS), strict=False)]


@pytest.mark.parametrize("task", FILES)
def test_seeded_losses_equal_the_golden_ones(task, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    losses = losses_of(task, tmp_path)
    torch.set_num_threads(threads)
    assert losses == pytest.approx(json.loads(GOLDEN.read_text())[task], rel=2e-4)


@pytest.mark.parametrize("setting", ["encoder.weight_drop=0.5", "train.clip=0.01", "train.warmup=0.5", "train.seed=2"])
def test_a_setting_changes_the_course_of_training(setting, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert losses_of("tag", tmp_path / "a") != losses_of("tag", tmp_path / "b", setting)


def test_a_budget_ends_training_and_the_schedule_with_it(tmp_path, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("lstmtext.train.loop.time.monotonic", lambda: float(next(clock)))  # a second a step
    reports = list(steps_of("tag", tmp_path, "train.budget=20"))
    assert [round(report.progress, 2) for report in reports] == [step / 20 for step in range(1, 21)]
    assert reports[-1].rate < 0.1 * max(report.rate for report in reports)


def test_whichever_of_budget_and_epochs_is_first_ends_training(tmp_path):
    reports = list(steps_of("classify", tmp_path, "train.epochs=1", "train.budget=500"))
    assert (reports[-1].epochs, reports[-1].progress) == (1.0, 1.0)


def test_epochs_end_training(tmp_path):
    reports = list(steps_of("classify", tmp_path, "train.epochs=2"))
    assert (reports[-1].epochs, reports[-1].progress) == (2.0, 1.0)


def test_the_optimizer_decays_matrices_only_and_gives_the_bypass_its_own_rate(tmp_path):
    model, _, settings = start("tag", tmp_path, "tag.bypass_rate=7")
    groups = make_optimizer(model, settings).param_groups
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    of = {id(p): group for group in groups for p in group["params"]}
    assert of[id(model.head.bypass.learned_MK)]["factor"] == 7
    assert of[id(model.head.bypass.learned_MK)]["weight_decay"] == 0
    assert of[id(model.encoder.forward_stack.recurrents[0])]["weight_decay"] == settings.train.weight_decay
    assert of[id(model.head.output.bias)]["weight_decay"] == 0


def test_sgd_moves_weights_by_the_gradient_at_the_rate_of_their_group(tmp_path):
    settings = ["train.optimizer=sgd", "tag.bypass_rate=7", "train.clip=1e6", "train.weight_decay=0.1"]
    model, feed, settings = start("tag", tmp_path, *settings)
    trainee = Trainee(model, make_optimizer(model, settings), settings.train)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    rate = next(training_steps(trainee, feed)).rate
    for name, value in model.named_parameters():
        factor, decay = (7, 0.0) if ".bypass." in name else (1, 0.1 if value.ndim > 1 else 0.0)
        wanted = before[name] - rate * factor * (value.grad + decay * before[name])
        torch.testing.assert_close(value.detach(), wanted, msg=name)
    assert trainee.optimizer.state_dict()["state"] == {}


def test_the_average_follows_the_weights(tmp_path):
    model, _, _ = start("tag", tmp_path)
    other, _, _ = start("tag", tmp_path)
    with torch.no_grad():
        other.head.output.bias.add_(1.0)
    before = model.head.output.bias.clone()
    move_average(model, other, running_share(0.75, step=10_000))
    np.testing.assert_allclose((model.head.output.bias - before).detach().numpy(), 0.25, atol=1e-6)


def test_under_a_fresh_head_each_layer_learns_slower_and_later_than_the_one_above(tmp_path):
    more = ["encoder.layers=2", "transfer.rate_decay=0.5", "transfer.unfreeze=0.6"]
    model, _, settings = start("tag", tmp_path, *more, "tag.bypass_rate=7")
    groups = make_optimizer(model, settings, fresh_head=True).param_groups
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    of = {id(p): (group["factor"], group["begins"]) for group in groups for p in group["params"]}
    stacks = model.encoder.forward_stack, model.encoder.backward_stack
    assert of[id(model.head.output.weight)] == (1.0, 0.0)
    assert of[id(model.head.bypass.learned_MK)] == (7, 0.0)
    for stack in stacks:
        for kind in (stack.inputs, stack.recurrents, stack.biases):
            assert of[id(kind[1])] == (0.5, pytest.approx(0.2))
            assert of[id(kind[0])] == (0.25, pytest.approx(0.4))
    assert of[id(model.encoder.embedding_VD)] == (0.125, pytest.approx(0.6))
    usual = make_optimizer(model, settings).param_groups
    assert {group["begins"] for group in usual} == {0.0}
    assert {group["factor"] for group in usual} == {1.0, 7}


def test_what_is_frozen_stays_to_the_bit_and_learns_once_its_time_has_come(tmp_path):
    model, feed, settings = start("tag", tmp_path, "transfer.unfreeze=0.5", "train.epochs=2")
    trainee = Trainee(model, make_optimizer(model, settings, fresh_head=True), settings.train)
    watched = {"embedding": model.encoder.embedding_VD, "layer": model.encoder.forward_stack.inputs[0]}
    watched["head"] = model.head.output.weight
    moved = dict.fromkeys(watched, 1.0)
    before = {name: value.detach().clone() for name, value in watched.items()}
    done = 0.0
    for report in training_steps(trainee, feed):
        for name, value in watched.items():
            if not torch.equal(value, before[name]):
                moved[name] = min(moved[name], done)
        done = report.progress
    step = 1.5 * report.progress / report.step
    assert moved["head"] < step
    assert moved["layer"] == pytest.approx(0.25, abs=step)
    assert moved["embedding"] == pytest.approx(0.5, abs=step)
