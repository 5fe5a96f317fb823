"""Prepares data as one of the processes of `torchrun`; each prints what it has as JSON, a line."""

import errno
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from datasets.table import MemoryMappedTable

from lstmtext.data.plan import DataRequest
from lstmtext.data.rows import RowMaking
from lstmtext.errors import UserError
from lstmtext.resolve import resolve_settings
from lstmtext.train.job import TrainRequest
from lstmtext.train.ranks import joined_ranks
from lstmtext.train.request import make_job

really_make = RowMaking.part


def main(file: str, without_room: str = "") -> None:
    """The records of this process, the part that it encoded, and the names of what it wrote."""
    parts = []

    def part(making: RowMaking, own: int, of: int):
        parts.append([own, of])
        if str(own) == without_room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return really_make(making, own, of)

    RowMaking.part = part
    opened = set()
    restore = MemoryMappedTable.__setstate__

    def noted(table: MemoryMappedTable, state: dict[str, str]) -> None:
        opened.add("own" if state["path"].startswith(work) else "another's")
        restore(table, state)

    MemoryMappedTable.__setstate__ = noted
    with joined_ranks() as ranks, TemporaryDirectory() as work:
        request = TrainRequest(DataRequest([file]), Path(work) / "model")
        job = make_job(request, resolve_settings, ranks, Path(work), lambda text: None)
        texts = job.data.texts("train")
        found = {
            "rank": ranks.rank,
            "parts": parts,
            "opened": sorted(opened),
            "data": job.data.fingerprint(),
            "words": job.data.facts.words,
            "records": len(texts),
            "size": job.data.tokenizer.size,
        }
        written = sorted(path.name for path in Path(work).iterdir())
        print(json.dumps({**found, "written": written, "all": ranks.gathered(ranks.rank)}) + "\n", end="", flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except UserError as error:
        print(error, file=sys.stderr)
        raise SystemExit(int(error.exit_code)) from error
