"""Adversarial training: a second reading where the loss grows fastest, of texts and sentences alone."""

import numpy as np
import pytest
import torch

from lstmtext.nn.joint import JointModel
from lstmtext.nn.model import HeadBatch
from lstmtext.train import loop
from lstmtext.train.adversarial import no_shift, worst_shift
from lstmtext.train.loop import Position, Trainee, make_optimizer
from tests.conftest import TINY
from tests.train.test_loop import losses_of, start

LENGTH = 0.3
PLAIN = [f"encoder.{name}_dropout=0" for name in ("embedding", "input", "output")] + ["encoder.weight_drop=0"]
PLAIN += ["classify.dropout=0", "tag.dropout=0", "tag.bypass_dropout=0"]


def begun(task, folder, *more):
    """A model without any dropout, and its first batch."""
    model, feed, settings = start(task, folder, *PLAIN, *more)
    _, batch = next(iter(feed.shuffled(np.random.default_rng(1))))
    return model.train(), batch, settings


def mean_loss(model, batch, shift_BTD=None):
    return model(batch, None, shift_BTD)[0] / model.count(batch)


@pytest.mark.parametrize("task", ["classify", "tag"])
def test_the_shift_has_its_length_and_no_other_of_that_length_costs_more(task, tmp_path):
    model, batch, _ = begun(task, tmp_path)
    zeros_BTD = no_shift(batch, model.encoder)
    before = mean_loss(model, batch, zeros_BTD)
    before.backward()
    shift_BTD = worst_shift(zeros_BTD, model.encoder, LENGTH)
    unit = model.encoder.embedding_VD.norm(dim=1).mean().item()
    np.testing.assert_allclose(shift_BTD.flatten(1).norm(dim=1), LENGTH * unit, rtol=1e-4)
    for length, own_BTD in zip(batch.lengths_B, shift_BTD, strict=True):
        assert own_BTD[length:].abs().sum() == 0, "padding stays where it is"
    after = mean_loss(model, batch, shift_BTD).item()
    assert after > before.item() > mean_loss(model, batch, -shift_BTD).item()
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        other_BTD = torch.randn(shift_BTD.shape, generator=generator)
        other_BTD *= (LENGTH * unit / other_BTD.flatten(1).norm(dim=1))[:, None, None]
        assert mean_loss(model, batch, other_BTD).item() < after


def test_where_the_loss_has_no_slope_nothing_is_shifted(tmp_path):
    model, batch, _ = begun("classify", tmp_path)
    zeros_BTD = no_shift(batch, model.encoder)
    zeros_BTD.grad = torch.zeros_like(zeros_BTD)
    assert worst_shift(zeros_BTD, model.encoder, LENGTH).abs().sum() == 0


@pytest.mark.parametrize("task", ["classify", "tag"])
def test_a_step_follows_the_mean_of_both_losses(task, tmp_path):
    model, batch, settings = begun(task, tmp_path, f"train.adversarial={LENGTH}", "train.clip=1e6")
    zeros_BTD = no_shift(batch, model.encoder)
    plain = mean_loss(model, batch, zeros_BTD)
    plain.backward(retain_graph=True)
    shifted = mean_loss(model, batch, worst_shift(zeros_BTD, model.encoder, LENGTH))
    model.zero_grad()
    ((plain + shifted) / 2).backward()
    wanted = {name: own.grad.clone() for name, own in model.named_parameters()}
    trainee = Trainee(model, make_optimizer(model, settings), settings.train)
    loss = trainee.step([batch], model.count(batch), 1e-9, Position.first(1))
    assert loss.item() == pytest.approx((plain.item() + shifted.item()) / 2, rel=1e-5)
    for name, own in model.named_parameters():
        torch.testing.assert_close(own.grad, wanted[name], msg=name, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("length", [0.1, 1.0])
def test_the_setting_is_the_length(length, tmp_path, monkeypatch):
    model, batch, settings = begun("classify", tmp_path, f"train.adversarial={length}")
    seen = []
    monkeypatch.setattr(loop, "worst_shift", lambda *given: seen.append(given[2]) or worst_shift(*given))
    Trainee(model, make_optimizer(model, settings), settings.train).step([batch], 1.0, 0.0, Position.first(1))
    assert seen == [length]


def test_both_stacks_read_the_shifted_tokens(tmp_path):
    model, batch, _ = begun("classify", tmp_path)
    ids_BT, lengths_B = torch.from_numpy(batch.ids_BT), torch.from_numpy(batch.lengths_B)
    shift_BTD = torch.randn(*ids_BT.shape, model.encoder.settings.embedding_size)
    plain, shifted = model.encoder(ids_BT, lengths_B), model.encoder(ids_BT, lengths_B, shift_BTD)
    embed = model.encoder.embed
    model.encoder.embed = lambda ids_BT: embed(ids_BT) + shift_BTD
    by_hand = model.encoder(ids_BT, lengths_B)
    for name in ("forward_BTH", "backward_BTH"):
        torch.testing.assert_close(getattr(shifted, name), getattr(by_hand, name))
        assert not torch.allclose(getattr(shifted, name), getattr(plain, name))


def test_each_of_accumulated_batches_is_read_twice(tmp_path):
    model, batch, settings = begun("classify", tmp_path, f"train.adversarial={LENGTH}", "train.clip=1e6")
    count, gradients = model.count(batch), []
    for times in (1, 2):
        trainee = Trainee(model, make_optimizer(model, settings), settings.train)
        trainee.step([batch] * times, count * times, 0.0, Position.first(1))
        gradients.append([own.grad.clone() for own in model.parameters()])
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-7)


def test_what_is_read_once_refuses_to_be_read_twice(data, classify_bundle, run_here, tmp_path):
    asked = ["-o", tmp_path / "new", "--epochs", "1", "--set", f"train.adversarial={LENGTH}", *TINY]
    done = run_here("train", data / "prose.txt", "--encoder", "none", *asked)
    assert (done.code, "running text is read once" in done.err) == (2, True), done.err
    added = ["--add-to", classify_bundle, "--head", "ner"]
    done = run_here("train", data / "entities.conll", *added, *asked)
    assert (done.code, "--set train.adversarial" in done.err) == (2, True), done.err
    assert not (tmp_path / "new").exists()


def test_running_text_is_read_as_ever(tmp_path):
    assert losses_of("generate", tmp_path, f"train.adversarial={LENGTH}") == losses_of("generate", tmp_path)


def test_over_a_frozen_encoder_texts_are_read_once(tmp_path):
    model, batch, settings = begun("classify", tmp_path, f"train.adversarial={LENGTH}")
    model.freeze_encoder()
    plain = mean_loss(model.train(), batch).item()
    trainee = Trainee(model, make_optimizer(model, settings), settings.train)
    assert trainee.step([batch], model.count(batch), 1e-2, Position.first(1)).item() == pytest.approx(plain)


def test_heads_that_train_together_are_read_twice_each(tmp_path):
    model, batch, settings = begun("classify", tmp_path, f"train.adversarial={LENGTH}")
    alone = Trainee(model, make_optimizer(model, settings), settings.train)
    joint = JointModel({"mood": model})
    together = Trainee(joint, make_optimizer(joint, settings), settings.train)
    own = alone.step([batch], model.count(batch), 0.0, Position.first(1))
    assert together.step([HeadBatch("mood", batch)], 1.0, 0.0, Position.first(1)).item() == pytest.approx(own.item())
