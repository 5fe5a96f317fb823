"""Work shared out over threads, with results in the order of the work.

Python's own part of it takes turns; ONNX Runtime and the tokenizer run beside it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from lstmtext.cores import core_count

WORKER = "lstmtext worker"
AHEAD = 2
"""Items a thread that may be under way or wait their turn: enough that no thread runs dry, and memory stays flat."""

Item = TypeVar("Item", bound=Sized)
Made = TypeVar("Made")


def in_order(items: Iterable[Item], work: Callable[[Item], Made], threads: int = 0) -> Iterator[Made]:
    """What `work` makes of each item, in order; `threads` of 0 takes all cores.

    An empty item is no work: it asks for what the items before it give, as where the next may be long in coming.
    Where the caller leaves before the end, or the work fails, what is under way is not waited for.
    """
    threads = threads or core_count()
    if threads == 1:
        yield from (work(item) for item in items if len(item))
        return
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(threads, WORKER)
    try:
        for item in items:
            if len(item):
                waiting.append(pool.submit(work, item))
            while waiting and (not len(item) or len(waiting) > AHEAD * threads or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def has_threads() -> bool:
    """Whether threads of `in_order` are left, perhaps in the middle of work that nobody waits for."""
    return any(thread.name.startswith(WORKER) for thread in threading.enumerate())
