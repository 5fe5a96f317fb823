"""Scores of models that `lstmtext train` makes of records in memory."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.benchmarks.data import COMMAND

ENDINGS = {"classify": "tsv", "tag": "conll"}


def trained_scores(task: str, records: Mapping[str, Sequence], options: Sequence[object]) -> dict:
    """What `lstmtext evaluate` says of the `test` records, of a model of the `train` records chosen on `valid`."""
    with tempfile.TemporaryDirectory() as work:
        files = {part: Path(work) / f"{part}.{ENDINGS[task]}" for part in records}
        for part, file in files.items():
            file.write_text(_WRITERS[task](records[part]), encoding="utf-8")
        bundle = Path(work) / "bundle"
        quiet = ("-q", "--set", "train.report=false")
        _lstmtext("train", files["train"], "--valid", files["valid"], "-o", bundle, *quiet, *options)
        return json.loads(_lstmtext("evaluate", files["test"], "-m", bundle, "--json"))["scores"]


def _lstmtext(*words: object) -> bytes:
    return subprocess.run([str(word) for word in (COMMAND, *words)], check=True, stdout=subprocess.PIPE).stdout


def _as_tsv(records: Sequence) -> str:
    return "label\ttext\n" + "".join(f"{label}\t{' '.join(text.split())}\n" for text, label in records)


def _as_conll(sentences: Sequence) -> str:
    lines = ["".join(f"{word}\t{tag}\n" for word, tag in zip(s.words, s.tags, strict=True)) for s in sentences]
    return "\n".join(lines) + "\n"


_WRITERS: dict[str, Callable[[Sequence], str]] = {"classify": _as_tsv, "tag": _as_conll}
