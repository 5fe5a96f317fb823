"""What a training leaves to look at: every step as a line of JSON, and TensorBoard's event files.

Losses are read in groups, as reading one waits for the device.
"""

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, Protocol, cast

from lstmtext.errors import UsageError, UserError
from lstmtext.metrics import Scores
from lstmtext.train.course import UNREAD_STEPS
from lstmtext.train.listener import Listener, Validation
from lstmtext.train.loop import StepReport

STEPS = "steps.jsonl"


class Sink(Protocol):
    """Where tracked numbers go."""

    def step(self, record: dict[str, Any]) -> None:
        """One step: step, epochs, loss, rate, tokens."""
        ...

    def validation(self, record: dict[str, Any]) -> None:
        """One look at the validation data: step, epochs, loss, score, the score's name as `name`, best, seconds.

        Of heads that train together, `heads` holds the same score, its name and all scores of each.
        """
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class JsonLines:
    """Records as lines of a file; those that a resumed training will make again are cut off first.

    They are cut off in place, which a full disk allows.
    """

    def __init__(self, path: Path, *, after: int) -> None:
        kept = takewhile(lambda line: json.loads(line)["step"] <= after, _lines(path))
        self._stream = path.open("a", encoding="utf-8", newline="\n", buffering=1)
        self._stream.truncate(sum(len(line.encode()) for line in kept))

    def step(self, record: dict[str, Any]) -> None:
        """See `Sink`."""
        self._write("step", record)

    def validation(self, record: dict[str, Any]) -> None:
        """See `Sink`."""
        self._write("validation", record)

    def close(self) -> None:
        """See `Sink`."""
        self._stream.close()

    def _write(self, kind: str, record: dict[str, Any]) -> None:
        self._stream.write(json.dumps(_finite({"kind": kind, **record}), allow_nan=False) + "\n")


class TensorBoard:
    """TensorBoard's event files. Raises UsageError where the extra `track` is not installed."""

    def __init__(self, folder: Path, *, after: int, taken_over: bool) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError(
                "--log-dir", "TensorBoard is not installed", hint="pip install 'lstmtext[track]'"
            ) from error
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = SummaryWriter(str(folder), purge_step=after + 1 if taken_over else None)

    def step(self, record: dict[str, Any]) -> None:
        """See `Sink`."""
        for name in ("loss", "rate", "tokens"):
            self._writer.add_scalar(f"train/{name}", record[name], record["step"])

    def validation(self, record: dict[str, Any]) -> None:
        """See `Sink`."""
        scores = {record["name"]: record["score"]}
        for head, own in record["heads"].items():
            scores |= {f"{head}/{name}": score for name, score in own["scores"].items()}
        for name, score in scores.items():
            self._writer.add_scalar(f"validation/{name}", score, record["step"])
        self._writer.flush()

    def close(self) -> None:
        """See `Sink`."""
        self._writer.close()


class Tracker:
    """A listener that hands what happens to sinks, and then to another listener."""

    def __init__(self, listener: Listener, sinks: Sequence[Sink]) -> None:
        self._listener, self._sinks = listener, list(sinks)
        self._waiting: list[StepReport] = []

    def started(self, *, parameters: int, precision: str, device: str) -> None:
        """See `train.run.Listener`."""
        self._listener.started(parameters=parameters, precision=precision, device=device)

    def stepped(self, report: StepReport) -> None:
        """See `train.run.Listener`."""
        self._waiting.append(report)
        if len(self._waiting) >= UNREAD_STEPS:
            self._settle()
        self._listener.stepped(report)

    def validated(self, validation: Validation) -> None:
        """See `train.run.Listener`."""
        self._settle()
        report, every = validation.report, cast(dict[str, Scores], validation.scores.get("heads", {}))
        record = {
            "step": report.step,
            "epochs": round(report.epochs, 4),
            "loss": validation.loss,
            "name": validation.score_name,
            "score": validation.score,
            "best": validation.best,
            "seconds": round(validation.seconds, 2),
            "heads": {
                name: {"name": own, "score": score, "scores": _numbers(every[name])}
                for name, (own, score) in validation.heads.items()
            },
        }
        self._hand(lambda sink: sink.validation(record))
        self._listener.validated(validation)

    def noted(self, text: str) -> None:
        """See `train.run.Listener`."""
        self._listener.noted(text)

    def saving(self) -> None:
        """See `train.run.Listener`."""
        self._settle()
        self._listener.saving()

    def close(self) -> None:
        """Hand over what waits, and close the sinks; a second time there is nothing left to do."""
        self._settle()
        self._hand(lambda sink: sink.close())
        self._sinks.clear()

    def _hand(self, give: Callable[[Sink], None]) -> None:
        """Give something to every sink; one that cannot be written is given up, for it must not end a training."""
        for sink in list(self._sinks):
            try:
                give(sink)
            except OSError as error:
                self._sinks.remove(sink)
                self._listener.noted(f"no more is logged: {error}")

    def _settle(self) -> None:
        for report in self._waiting:
            record = {
                "step": report.step,
                "epochs": round(report.epochs, 4),
                "loss": report.loss,
                "rate": report.rate,
                "tokens": report.tokens,
            }
            self._hand(partial(_give_step, record=record))
        self._waiting.clear()


def _finite(value: Any) -> Any:  # noqa: ANN401  # whatever JSON knows
    """With null for what is no number any more, as JSON has no other word for it."""
    if isinstance(value, dict):
        return {name: _finite(own) for name, own in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(scores: Scores) -> dict[str, float]:
    return {name: value for name, value in scores.items() if isinstance(value, float)}


def _give_step(sink: Sink, record: dict[str, Any]) -> None:
    sink.step(record)


def open_sinks(run: Path | None, log_dir: Path | None, *, after: int, taken_over: bool) -> list[Sink]:
    """The run's own log, and those of `--log-dir`; records of steps beyond `after` are cut off.

    `taken_over` says that logs which are there are of this training, which goes on or is begun anew. Raises UserError
    where nothing can be written there.
    """
    sinks: list[Sink] = []
    if log_dir is not None and not taken_over and (log_dir / STEPS).exists():
        raise UsageError("--log-dir", f"{log_dir} holds the log of another training", hint="use another folder")
    try:
        if log_dir is not None:  # TensorBoard's first: where it is absent, no log is left that the next try would meet
            sinks += [TensorBoard(log_dir, after=after, taken_over=taken_over), JsonLines(log_dir / STEPS, after=after)]
        if run is not None:
            sinks.append(JsonLines(run / STEPS, after=after))
    except OSError as error:
        raise UserError(log_dir or run, f"cannot be written: {error.strerror}", hint="use another folder") from error
    return sinks


def read_log(path: Path) -> list[dict[str, Any]]:
    """The records of a log, in order."""
    return [json.loads(line) for line in _lines(path)]


def _lines(path: Path) -> list[str]:
    """Whole lines of a log, which may be absent; a killed process leaves half of one."""
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
