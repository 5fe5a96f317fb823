"""Prepares data as one of the processes of `torchrun`; each prints what it has as JSON, a line."""

import errno
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from lstmtext.data.encoding import Encoding
from lstmtext.data.plan import DataRequest
from lstmtext.errors import UserError
from lstmtext.resolve import resolve_settings
from lstmtext.train.job import TrainRequest
from lstmtext.train.ranks import joined_ranks
from lstmtext.train.request import make_job

encode = Encoding.part


def main(file: str, without_room: str = "") -> None:
    """The records of this process, the part that it encoded, and the names of what it wrote."""
    parts = []

    def part(encoding: Encoding, own: int, of: int):
        parts.append([own, of])
        if str(own) == without_room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return encode(encoding, own, of)

    Encoding.part = part
    with joined_ranks() as ranks, TemporaryDirectory() as work:
        request = TrainRequest(DataRequest([file]), Path(work) / "model")
        job = make_job(request, resolve_settings, ranks, Path(work), lambda text: None)
        texts = job.data.texts("train")
        found = {
            "rank": ranks.rank,
            "parts": parts,
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
