"""What the benchmarks read: the development data beside the project, any folder like it, or the samples in data/."""

import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.benchmarks.measure import ROOT

COMMAND = Path(sysconfig.get_path("scripts")) / "lstmtext"


@dataclass(frozen=True)
class BenchData:
    """Files by role, and a folder for what is made of them."""

    reviews_train: Path
    reviews_test: Path
    sentences_train: Path
    tagged_train: Path
    tagged_test: Path
    prose: Path
    pile: tuple[Path, ...]
    """Much plain text."""
    work: Path

    @classmethod
    def find(cls, folder: Path | None, work: Path) -> "BenchData":
        """The files of a folder with the layout of the development data, or the samples."""
        found = folder or ROOT.parent / "shared" / "data"
        if not found.is_dir():
            return cls.samples(work)
        return cls(
            found / "imdb/train.jsonl.gz",
            found / "imdb/test.jsonl.gz",
            found / "sst2/train.tsv",
            found / "ewt/en_ewt-ud-train.conllu",
            found / "ewt/en_ewt-ud-test.conllu",
            found / "shakespeare/input.txt",
            tuple(sorted((found / "text").glob("*.txt.gz"))),
            work,
        )

    @classmethod
    def samples(cls, work: Path) -> "BenchData":
        """The samples that ship with the project."""
        own = ROOT / "data"
        reviews, tags = own / "reviews.csv", own / "entities.conll"
        return cls(reviews, reviews, reviews, tags, tags, own / "prose.txt", (own / "prose.txt",), work)

    def bundle(self, name: str, data: Path, *settings: str, options: Sequence[str] = ()) -> Path:
        """A bundle trained once for all that ask for this name."""
        return _train(self.work / name, data, tuple(settings), tuple(options))


@cache
def _train(output: Path, data: Path, settings: tuple[str, ...], options: tuple[str, ...]) -> Path:
    assignments = [word for setting in settings for word in ("--set", setting)]
    words = [COMMAND, "train", data, "-o", output, "-q", *options, *assignments]
    subprocess.run([str(word) for word in words], check=True, stdout=sys.stderr)
    return output
