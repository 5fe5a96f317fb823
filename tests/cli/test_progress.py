"""How a training looks."""

import os
import pty
import re

import pytest
import torch

from lstmtext.cli.progress import BARS, WIDTH, LossCurve, TrainingProgress, sparkline
from lstmtext.train.listener import Validation
from lstmtext.train.loop import StepReport
from tests.conftest import ENVIRONMENT, TINY


def test_a_sparkline_goes_from_the_lowest_to_the_highest_bar():
    assert sparkline([0.0, 0.5, 1.0]) == BARS[0] + BARS[4] + BARS[-1]
    assert sparkline([3.0, 3.0]) == BARS[0] * 2
    assert sparkline([]) == ""
    thinned = sparkline([float(n) for n in range(500)], width=30)
    assert (len(thinned), thinned[0], thinned[-1]) == (30, BARS[0], BARS[-1])


@pytest.mark.parametrize("steps", [1, 5, 2 * WIDTH - 1, 2 * WIDTH, 10_000])
def test_a_curve_has_all_steps_in_few_bars(steps):
    curve = LossCurve()
    for step in range(steps):
        curve.add(float(steps - step))
        curve.add(float("nan"))
    shown = str(curve)
    assert len(shown) == min(steps, WIDTH)
    assert list(shown) == sorted(shown, reverse=True)
    assert steps < 5 or (shown[0], shown[-1]) == (BARS[-1], BARS[0])


def test_a_curve_smooths_what_goes_to_and_fro():
    curve = LossCurve()
    for step in range(4000):
        curve.add(4.0 - step / 1000 + (-1) ** step)
    heights = [BARS.index(bar) for bar in str(curve)]
    assert heights == sorted(heights, reverse=True)


def shown_on_a_terminal(start_process, *words: object) -> list[str]:
    """Lines that a command draws on a terminal, each state of a live line being one."""
    terminal, own = pty.openpty()
    process = start_process(*words, stderr=own)
    os.close(own)
    drawn = b""
    try:
        while part := os.read(terminal, 1 << 16):
            drawn += part
    except OSError:  # how Linux says that nobody holds the other end any more
        pass
    finally:
        os.close(terminal)
    assert process.wait(timeout=60) == 0, drawn.decode()
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode()))


def test_a_terminal_shows_the_losses_of_steps_as_a_curve(start_process, data, tmp_path, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "TERM", "xterm-256color")
    monkeypatch.setitem(ENVIRONMENT, "COLUMNS", "80")
    tiny = [*TINY, "--epochs", 1, "--set", "train.batch_tokens=16", "--set", "train.learning_rate=0.02"]
    lines = shown_on_a_terminal(start_process, "train", data / "reviews.csv", "-o", tmp_path / "m", *tiny)
    live = [line for line in lines if line.startswith("epoch ")]
    curves = [re.search(f"[{BARS}]+", line) for line in live]
    assert len(curves[-1].group()) == WIDTH
    assert re.fullmatch(
        rf"epoch 1\.00 loss \d\.\d{{4}} [{BARS}]{{{WIDTH}}} .* 100 % .* left 0:00:00", live[-1].rstrip()
    )
    (told,) = (line for line in lines if line.startswith("lstmtext: epoch"))
    assert curves[-1].group() in "".join(lines[lines.index(told) :][:3])


@pytest.mark.parametrize(("deciding", "said"), [(("nats_per_text", 0.39664), " nats_per_text 0.3966"), (None, "")])
def test_a_look_shows_the_score_that_decides(capsys, deciding, said):
    report = StepReport(7, 0.5, 0.25, torch.tensor(0.7), 100, 2e-3)
    with TrainingProgress(quiet=False) as progress:
        progress.validated(Validation(report, 0.7, "accuracy", 0.8, 0.9, {}, True, 3.0, 1234.5, deciding=deciding))
    line = f"epoch   0.50  loss 0.7000  accuracy 0.8000{said} * kept 0.9000  1,234 tokens/s  3 s, 9 s left"
    assert capsys.readouterr().err == f"lstmtext: {line}\n"
