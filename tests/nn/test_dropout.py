"""Each dropout has the pattern that its name promises, and none when not training."""

import pytest
import torch

from lstmtext.config import EncoderSettings
from lstmtext.nn.dropout import embedding_dropout, locked_dropout, weight_drop
from lstmtext.nn.encoder import Stack

RATE = 0.4


@pytest.mark.parametrize("dropout", [locked_dropout, embedding_dropout, weight_drop])
def test_nothing_is_dropped_outside_training(dropout):
    values = torch.randn(3, 4, 5) if dropout is locked_dropout else torch.randn(4, 5)
    assert torch.equal(dropout(values, RATE, training=False), values)
    assert torch.equal(dropout(values, 0.0, training=True), values)


def test_locked_dropout_drops_the_same_features_at_every_step():
    dropped = locked_dropout(torch.ones(50, 7, 20), RATE, training=True)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - RATE)])
    assert (dropped == 0).float().mean().item() == pytest.approx(RATE, abs=0.08)


def test_embedding_dropout_drops_whole_entries():
    dropped = embedding_dropout(torch.ones(1000, 6), RATE, training=True)
    assert set((dropped == 0).sum(1).tolist()) == {0, 6}
    assert (dropped == 0).float().mean().item() == pytest.approx(RATE, abs=0.08)


@pytest.mark.parametrize("name", ["weight_drop", "hidden_dropout", "output_dropout"])
def test_each_setting_changes_what_the_stack_gives_in_training(name):
    torch.manual_seed(0)
    off = dict.fromkeys(("weight_drop", "hidden_dropout", "output_dropout"), 0.0)
    inputs = torch.randn(2, 5, 6)
    stack = Stack(EncoderSettings(embedding_size=6, hidden_size=8, layers=2, **{**off, name: 0.5}))
    assert not torch.equal(stack(inputs)[0], stack(inputs)[0])
    stack.eval()
    assert torch.equal(stack(inputs)[0], stack(inputs)[0])
