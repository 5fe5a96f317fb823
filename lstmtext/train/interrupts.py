"""Ctrl-C and its kin as a wish that a training looks at between steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a training with what it has so far."""


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """A list that the first Ctrl-C, or signal to end, adds to; the second one interrupts at once, as usual."""
    seen: list[int] = []
    before = {ending: signal.getsignal(ending) for ending in ENDINGS}
    heeded = {ending: handler for ending, handler in before.items() if handler != signal.SIG_IGN}

    def note(signum: int, frame: object) -> None:
        seen.append(signum)
        restore()

    def restore() -> None:
        for ending, handler in heeded.items():
            signal.signal(ending, handler)

    for ending in heeded:
        signal.signal(ending, note)
    try:
        yield seen
    finally:
        restore()
