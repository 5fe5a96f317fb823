"""Trains a few steps as one of the processes of `torchrun`; the first prints losses and norms of gradients as JSON."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from lstmtext.train.loop import Trainee, make_optimizer, training_steps
from lstmtext.train.one_host import OneHost
from lstmtext.train.ranks import joined_ranks
from tests.train.test_loop import start

STEPS = 12
WITHOUT_CHANCE = [
    "encoder.weight_drop=0", "encoder.embedding_dropout=0", "encoder.input_dropout=0", "encoder.hidden_dropout=0",
    "encoder.output_dropout=0", "classify.dropout=0", "tag.dropout=0", "tag.bypass_dropout=0", "generate.rows=4",
    "train.clip=1e6",
]  # fmt: skip


def main(task: str, *settings: str) -> None:
    """Loss and norm of the gradient of each of the first steps."""
    torch.set_num_threads(1)
    with joined_ranks() as ranks, TemporaryDirectory() as folder:
        of_one_host = ranks.size > 1 and os.environ["LOCAL_WORLD_SIZE"] != "1"
        assert (ranks.near is not None) == (of_one_host and OneHost.is_possible())
        model, feed, chosen = start(task, Path(folder), *WITHOUT_CHANCE, *settings)
        feed = replace(feed, rank=ranks.rank, size=ranks.size)
        trainee = Trainee(model, make_optimizer(model, chosen), chosen.train, ranks=ranks)
        found = [
            (report.loss, norm(model)) for report, _ in zip(training_steps(trainee, feed), range(STEPS), strict=False)
        ]
        if ranks.first:
            print(json.dumps([number for pair in found for number in pair]))


def norm(model: torch.nn.Module) -> float:
    """Of the gradient: AdamW takes no notice of its scale, so losses alone would not tell."""
    return float(torch.nn.utils.get_total_norm([own.grad for own in model.parameters() if own.grad is not None]))


if __name__ == "__main__":
    main(*sys.argv[1:])
