"""How a training looks."""

import pytest
import torch

from lstmtext.cli.progress import BARS, TrainingProgress, sparkline
from lstmtext.train.listener import Validation
from lstmtext.train.loop import StepReport


def test_a_sparkline_goes_from_the_lowest_to_the_highest_bar():
    assert sparkline([0.0, 0.5, 1.0]) == BARS[0] + BARS[4] + BARS[-1]
    assert sparkline([3.0, 3.0]) == BARS[0] * 2
    assert sparkline([]) == ""
    assert len(sparkline([float(n) for n in range(500)], width=30)) == 30


@pytest.mark.parametrize(("deciding", "said"), [(("nats_per_text", 0.39664), " nats_per_text 0.3966"), (None, "")])
def test_a_look_shows_the_score_that_decides(capsys, deciding, said):
    report = StepReport(7, 0.5, 0.25, torch.tensor(0.7), 100, 2e-3)
    with TrainingProgress(quiet=False) as progress:
        progress.validated(Validation(report, 0.7, "accuracy", 0.8, 0.9, {}, True, 3.0, 1234.5, deciding=deciding))
    line = f"epoch   0.50  loss 0.7000  accuracy 0.8000{said} * kept 0.9000  1,234 tokens/s  3 s, 9 s left"
    assert capsys.readouterr().err == f"lstmtext: {line}\n"
