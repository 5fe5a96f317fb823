"""Trains a few steps as one of the processes of `torchrun`; the first prints the losses as JSON."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from lstmtext.train.loop import Trainee, make_optimizer, training_steps
from lstmtext.train.ranks import joined_ranks
from tests.train.test_loop import start

STEPS = 12
WITHOUT_CHANCE = [
    "encoder.weight_drop=0", "encoder.embedding_dropout=0", "encoder.input_dropout=0", "encoder.hidden_dropout=0",
    "encoder.output_dropout=0", "classify.dropout=0", "tag.dropout=0", "tag.bypass_dropout=0", "generate.rows=4",
]  # fmt: skip


def main(task: str, *settings: str) -> None:
    """Losses of the first steps."""
    torch.set_num_threads(1)
    with joined_ranks() as ranks, TemporaryDirectory() as folder:
        model, feed, chosen = start(task, Path(folder), *WITHOUT_CHANCE, *settings)
        feed = replace(feed, rank=ranks.rank, size=ranks.size)
        trainee = Trainee(model, make_optimizer(model, chosen), chosen.train, ranks=ranks)
        losses = [report.loss for report, _ in zip(training_steps(trainee, feed), range(STEPS), strict=False)]
        if ranks.first:
            print(json.dumps(losses))


if __name__ == "__main__":
    main(*sys.argv[1:])
