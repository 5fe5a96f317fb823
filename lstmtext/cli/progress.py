"""How a training looks: a live line and one line a validation on a terminal, plain lines elsewhere."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lstmtext.cli.streams import remark

if TYPE_CHECKING:
    from lstmtext.train.listener import Validation
    from lstmtext.train.loop import StepReport


BARS = "▁▂▃▄▅▆▇█"
PAUSE_SECONDS = 0.1
"""Between two changes of the live line."""


WIDTH = 16
"""Bars of the curve of a training: with the rest of the live line they fit 80 columns."""
SMOOTH = 0.9
"""Weight of the past in the losses of that curve."""


def sparkline(values: Sequence[float], width: int = 30) -> str:
    """Values as a line of small bars, the highest full; more than `width` are thinned, the first and last stay."""
    count = min(len(values), width)
    shown = [values[(len(values) - 1) * at // max(1, count - 1)] for at in range(count)]
    low, high = min(shown, default=0.0), max(shown, default=0.0)
    return "".join(BARS[round((value - low) / (high - low or 1.0) * (len(BARS) - 1))] for value in shown)


class LossCurve:
    """The smooth losses of any number of steps as a short line: each bar stands for as many steps."""

    def __init__(self) -> None:
        self._means: list[float] = []
        self._each = 1
        """Steps that a mean is of; it doubles where there would be twice as many means as bars."""
        self._sum, self._smooth, self._steps = 0.0, 0.0, 0

    def add(self, loss: float) -> None:
        """Take the loss of one more step; one that is no number is left out."""
        if not math.isfinite(loss):
            return
        self._steps += 1
        self._smooth += (loss - self._smooth) * max(1.0 - SMOOTH, 1.0 / self._steps)
        self._sum += self._smooth
        if self._steps % self._each:
            return
        self._means.append(self._sum / self._each)
        self._sum = 0.0
        if len(self._means) == 2 * WIDTH:
            self._means = [(one + other) / 2 for one, other in zip(self._means[::2], self._means[1::2], strict=True)]
            self._each *= 2

    def __str__(self) -> str:
        return sparkline(self._means, WIDTH)


class TrainingProgress:
    """A listener of a training that talks on stderr; use it as a context."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._quiet = quiet
        self._started = self._shown = time.monotonic()
        self._unread: list[StepReport] = []
        self._curve = LossCurve()
        self._live = Progress(
            TextColumn("{task.description}"),
            TextColumn("{task.fields[curve]}"),
            BarColumn(bar_width=10),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._bar = self._live.add_task("training", total=1.0, curve="")

    def __enter__(self) -> "TrainingProgress":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._live.stop()

    def remark(self, text: str) -> None:
        """A line about what was found or guessed."""
        if not self._console.is_terminal:
            remark(text, quiet=self._quiet)
            return
        try:
            self._console.print(f"lstmtext: {text}", markup=False, highlight=False)
        except OSError:  # the terminal is gone, the training goes on
            self._console.quiet = self._live.disable = True

    def started(self, *, parameters: int, precision: str, device: str) -> None:
        """See `train.run.Listener`."""
        self._started = time.monotonic()
        self.remark(f"training {parameters:,} parameters in {precision} on {device}")

    def stepped(self, report: "StepReport") -> None:
        """See `train.run.Listener`."""
        if self._live.disable:
            return
        self._unread.append(report)
        if time.monotonic() - self._shown >= PAUSE_SECONDS:
            self._show(report)

    def _show(self, report: "StepReport") -> None:
        """Bring the live line to a step, with the losses up to it: reading one waits for the device."""
        self._shown = time.monotonic()
        for own in self._unread:
            self._curve.add(own.loss)
        self._unread.clear()
        shown = f"epoch {report.epochs:.2f} loss {report.loss:.4f}"
        self._live.update(self._bar, completed=report.progress, description=shown, curve=str(self._curve))

    def validated(self, validation: "Validation") -> None:
        """See `train.run.Listener`."""
        report = validation.report
        if not self._live.disable:
            self._show(report)
        curve = f"  {self._curve}" if self._console.is_terminal else ""
        left = validation.seconds / report.progress - validation.seconds
        mark = "*" if validation.improved else " "
        heads = "".join(f"{head} {name} {score:.4f}  " for head, (name, score) in validation.heads.items())
        decides = " {} {:.4f}".format(*validation.deciding) if validation.deciding else ""
        self.remark(
            f"epoch {report.epochs:6.2f}  loss {validation.loss:.4f}  "
            f"{validation.score_name} {validation.score:.4f}{decides} {mark} kept {validation.best:.4f}  {heads}"
            f"{validation.tokens_per_second:,.0f} tokens/s  {validation.seconds:.0f} s, {left:.0f} s left{curve}"
        )

    def noted(self, text: str) -> None:
        """See `train.run.Listener`."""
        self.remark(text)

    def saving(self) -> None:
        """See `train.run.Listener`."""
