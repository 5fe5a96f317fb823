"""What the benchmarks read: the development data beside the project, any folder like it, or the samples in data/."""

import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.benchmarks.measure import ROOT

NEEDED = ("imdb", "sst2", "ewt", "shakespeare", "text")
COMMAND = Path(sysconfig.get_path("scripts")) / "lstmtext"


@dataclass(frozen=True)
class Curve:
    """Data that are learned from in parts of growing size; where `valid` is `train`, a part is held out."""

    task: str
    train: Path
    valid: Path
    test: Path


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
    curves: Mapping[str, Curve]
    work: Path
    encoder: Path | None = None
    """A bundle that learning curves and class weights start from."""
    scores: Path | None = None
    """What a run of the learning curves that was cut short has measured."""
    is_sample: bool = False
    """Whether these are the samples, of which the shipped bundle knows no label."""

    @classmethod
    def find(cls, folder: Path | None, work: Path) -> "BenchData":
        """The files of a folder with the layout of the development data; without one, the samples."""
        found = folder or ROOT.parent / "shared" / "data"
        if folder is None and not found.is_dir():
            return cls.samples(work)
        if missing := [name for name in NEEDED if not (found / name).exists()]:
            raise SystemExit(f"{found}: no {', '.join(missing)}; --samples reads what ships with the project")
        return cls(
            found / "imdb/train.jsonl.gz",
            found / "imdb/test.jsonl.gz",
            found / "sst2/train.tsv",
            found / "ewt/en_ewt-ud-train.conllu",
            found / "ewt/en_ewt-ud-test.conllu",
            found / "shakespeare/input.txt",
            tuple(sorted((found / "text").glob("*.txt.gz"))),
            {
                "SST-2": Curve("classify", *(found / f"sst2/{part}.tsv" for part in ("train", "dev", "test"))),
                "EWT": Curve("tag", *(found / f"ewt/en_ewt-ud-{part}.conllu" for part in ("train", "dev", "test"))),
                "IMDb": Curve("classify", *(found / f"imdb/{part}.jsonl.gz" for part in ("train", "train", "test"))),
            },
            work,
        )

    @classmethod
    def samples(cls, work: Path) -> "BenchData":
        """The samples that ship with the project."""
        own = ROOT / "data"
        reviews, tags = own / "reviews.csv", own / "entities.conll"
        curves = {"reviews": Curve("classify", *[reviews] * 3), "entities": Curve("tag", *[tags] * 3)}
        prose = own / "prose.txt"
        return cls(reviews, reviews, reviews, tags, tags, prose, (prose,), curves, work, is_sample=True)

    def bundle(self, name: str, data: Path, *settings: str, options: Sequence[str] = ()) -> Path:
        """A bundle trained once for all that ask for this name."""
        return _train(self.work / name, data, tuple(settings), tuple(options))


@cache
def _train(output: Path, data: Path, settings: tuple[str, ...], options: tuple[str, ...]) -> Path:
    assignments = [word for setting in settings for word in ("--set", setting)]
    words = [COMMAND, "train", data, "-o", output, "-q", "--encoder", "none", *options, *assignments]
    subprocess.run([str(word) for word in words], check=True, stdout=sys.stderr)
    return output
