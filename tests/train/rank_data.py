"""Prepares data as one of the processes of `torchrun`; each prints what it has as JSON, a line."""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from lstmtext.data.plan import DataRequest
from lstmtext.resolve import resolve_settings
from lstmtext.train.job import TrainRequest
from lstmtext.train.ranks import joined_ranks
from lstmtext.train.request import make_job


def main(file: str) -> None:
    """The records of this process, and the names of what it wrote."""
    with joined_ranks() as ranks, TemporaryDirectory() as work:
        request = TrainRequest(DataRequest([file]), Path(work) / "model")
        job = make_job(request, resolve_settings, ranks, Path(work), lambda text: None)
        texts = job.data.texts("train")
        found = {
            "rank": ranks.rank,
            "ids": texts[0].ids.tolist(),
            "records": len(texts),
            "size": job.data.tokenizer.size,
        }
        written = sorted(path.name for path in Path(work).iterdir())
        print(json.dumps({**found, "written": written, "all": ranks.gathered(ranks.rank)}) + "\n", end="", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
