"""Each dropout has the pattern that its name promises, and none when not training."""

import pytest
import torch

from lstmtext.config import EncoderSettings
from lstmtext.nn.dropout import embedding_dropout, locked_dropout, weight_drop
from lstmtext.nn.encoder import Stack

RATE = 0.4


@pytest.mark.parametrize("name", ["locked", "embedding", "weight"])
def test_nothing_is_dropped_outside_training(name):
    ids = torch.zeros(3, 4, dtype=torch.int64)
    values = torch.randn(4, 5) if name == "weight" else torch.randn(3, 4, 5)
    dropout = {
        "locked": locked_dropout,
        "embedding": lambda values, rate, training: embedding_dropout(values, ids, 9, rate, training=training),
        "weight": weight_drop,
    }[name]
    assert torch.equal(dropout(values, RATE, training=False), values)
    assert torch.equal(dropout(values, 0.0, training=True), values)


def test_locked_dropout_drops_the_same_features_at_every_step():
    dropped = locked_dropout(torch.ones(50, 7, 20), RATE, training=True)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - RATE)])
    assert (dropped == 0).float().mean().item() == pytest.approx(RATE, abs=0.08)


def test_embedding_dropout_drops_whole_entries():
    ids = torch.arange(1000).repeat(2, 1)
    dropped = embedding_dropout(torch.ones(2, 1000, 6), ids, 1000, RATE, training=True)
    assert torch.equal(dropped[0], dropped[1])
    assert set((dropped == 0).sum(2).flatten().tolist()) == {0, 6}
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
