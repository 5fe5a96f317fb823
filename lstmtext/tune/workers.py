"""Who works on a trial, and which trials lost their worker.

A worker signs the trials that it begins. One of the same machine is dead when its process is gone, which the system
says at once; one of another machine when Optuna has heard no heartbeat of it for a while.
"""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna

WORKER = "worker"
BEATS = 60
"""Seconds between a worker's heartbeats, and that it may wait for the storage."""
PROCESSES = Path("/proc")

Signature = dict[str, str | int]


def signature() -> Signature:
    """What a worker signs its trials with: the machine, the process, and when that began."""
    return {"machine": _machine(), "process": os.getpid(), "began": _began(os.getpid())}


def is_gone(worker: Signature) -> bool:
    """Whether a worker was a process of this machine that runs no more; of another machine nothing is known."""
    process = int(worker["process"])
    if worker["machine"] != _machine():
        return False
    if _began(os.getpid()):
        return _began(process) != worker["began"]
    if os.name == "posix":
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
    return False


class Crew:
    """The workers of a study, as one of them sees them."""

    def __init__(self, study: "optuna.Study") -> None:
        self._study = study
        self._unsigned: dict[int, float] = {}
        """When trials were first seen without a signature, which a worker gives as it begins."""

    def close_dead(self) -> None:
        """Mark the trials of dead workers as failed."""
        import optuna

        optuna.storages.fail_stale_trials(self._study)
        running = self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
        unsigned = [trial.number for trial in running if WORKER not in trial.user_attrs]
        now = time.monotonic()
        self._unsigned = {number: self._unsigned.get(number, now) for number in unsigned}
        for trial in running:
            worker = trial.user_attrs.get(WORKER)
            if is_gone(worker) if worker else now - self._unsigned[trial.number] > BEATS:
                with suppress(optuna.exceptions.UpdateFinishedTrialError):  # another worker was faster
                    self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)


def _machine() -> str:
    """A name of this machine, since it started, and of the processes that are seen here: a container has its own."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append((PROCESSES / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str((PROCESSES / "self/ns/pid").readlink()))
    return " ".join(parts)


def _began(process: int) -> str:
    """When a process began, in the system's ticks, so that a later one of its number is not taken for it.

    Empty where it is gone, or has ended and waits to be collected, or the system does not tell.
    """
    try:
        said = (PROCESSES / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *numbers = said.rpartition(")")[2].split()
    return "" if state in "ZX" else numbers[18]
