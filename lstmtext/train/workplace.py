"""Where a training works: the run's folder, which the first rank has, and a folder for data on each host."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from lstmtext.folders import work_folder
from lstmtext.train.ranks import Ranks, lost_peers_told
from lstmtext.train.runs import RunFolder


@contextmanager
def workplace(ranks: Ranks, beside: Path, open_run: Callable[[], RunFolder]) -> Iterator[tuple[RunFolder | None, Path]]:
    """The run's folder, which the first rank alone has, and a folder for encoded data, which the first of a host makes.

    Raises LostError where another process of the training is gone.
    """
    with _folders(ranks, beside, open_run) as (run, work):
        folder = ranks.from_first(run.folder if run else None)
        with lost_peers_told(partial(_way_on, ranks, folder)) if ranks.size > 1 else nullcontext():
            yield run, work


@contextmanager
def _folders(ranks: Ranks, beside: Path, open_run: Callable[[], RunFolder]) -> Iterator[tuple[RunFolder | None, Path]]:
    """Both folders of `workplace`.

    The others of a host have no folder of their own, so that none that is killed leaves one.
    """
    if ranks.first:
        with open_run() as run:
            yield run, run.data
        return
    if ranks.local:
        yield None, beside
        return
    work = work_folder(beside)
    try:
        yield None, work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _way_on(ranks: Ranks, folder: Path) -> str:
    """How to go on where a process is gone; if that is the first, what it leaves in vain is removed on its host."""
    if ranks.host:
        return f"start all again, with --resume {folder} if a checkpoint is there on the first host"
    if not ranks.first:
        RunFolder.remove_abandoned(folder)
    if RunFolder.can_go_on(folder):
        return (
            f"start all again with --resume {folder}; it, or torchrun --max-restarts, goes on from the last checkpoint"
        )
    return "there is no checkpoint yet: start all again from the beginning"
