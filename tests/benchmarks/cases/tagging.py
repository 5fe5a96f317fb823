"""Throughput of tagging, from raw lines to words with tags, and how right the tags are."""

from tests.benchmarks.contenders.tagging import sentences_of
from tests.benchmarks.data import BenchData
from tests.benchmarks.measure import Result, race


def run(data: BenchData, rounds: int) -> list[Result]:
    curve = next(curve for curve in data.curves.values() if curve.task == "tag")
    valid = () if curve.valid == curve.train else ("--valid", str(curve.valid))
    bundle = data.bundle("tags", data.tagged_train, "export.precision=int8", options=valid)
    lines = data.work / "lines.txt"
    sentences = sentences_of(data.tagged_test)
    lines.write_text("".join(" ".join(sentence.words) + "\n" for sentence in sentences), encoding="utf-8")
    shared = {"train": data.tagged_train, "lines": lines}
    asked = {
        "lstmtext, int8": ("tagging", {**shared, "kind": "lstmtext", "bundle": bundle, "test": data.tagged_test}),
        "lstmtext tag, as a command": ("tagging", {**shared, "kind": "command", "bundle": bundle}),
        "spaCy tagger": ("tagging", {**shared, "kind": "spacy"}),
        "feature CRF": ("tagging", {**shared, "kind": "crf"}),
    }
    return [race("Tagging raw lines", "words/s", asked, rounds)]
