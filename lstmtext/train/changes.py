"""What going on from another bundle changed: its scores and the new ones on the same validation records."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from lstmtext.data.encoded import EncodedData
from lstmtext.decoding.viterbi import FORBIDDEN
from lstmtext.metrics import Scores
from lstmtext.runtime.engine import Chain
from lstmtext.runtime.export import Graphs
from lstmtext.runtime.layers import Arrays
from lstmtext.tasks import first_of
from lstmtext.text.arrays import Floats, Ints
from lstmtext.text.lexical import KEYS
from lstmtext.train.job import HeadJob
from lstmtext.train.quantize import graph_scores
from lstmtext.train.transfer import OldHead

MOST_LABELS = 10
"""Labels whose F1 is told, those that moved most."""


class _Widened:
    """A head whose answers have places for labels that it does not know, which it never gives."""

    def __init__(self, engine: Chain, head: OldHead, labels: int) -> None:
        self._engine, self._head, self._labels = engine, head, labels

    def run(self, inputs: Mapping[str, Floats | Ints], /) -> list[Floats]:
        """The outputs of the head."""
        first, *rest = self._engine.run(inputs)
        if not self._labels:
            return [first, *rest]
        wide = np.full((*first.shape[:-1], self._labels), FORBIDDEN, dtype=first.dtype)
        wide[..., self._head.places_K] = first
        return [wide, *rest]


def changes(job: HeadJob, graphs: Graphs, head: Arrays) -> list[str]:
    """What changed, in words: each score before and now; nothing where no head went on."""
    before, data = job.before, job.data
    if before is None:
        return []
    old_engine, engine = (Chain(own.encoder, own.head) for own in (before.graphs, graphs))
    engines = _Widened(old_engine, before, len(data.labels)), engine
    old = before.widened({name: np.zeros_like(array) for name, array in head.items()})
    if KEYS in before.arrays:
        old[KEYS] = before.arrays[KEYS]  # the rows of its graph
    told = []
    for name, part in _parts(data):
        was = graph_scores(engines[0], part, job.settings, old)
        now = graph_scores(engines[1], part, job.settings, head)
        told += list(_told(job, name, len(part.tables["validation"]), was, now))
    return told


def _parts(data: EncodedData) -> Iterator[tuple[str, EncodedData]]:
    """The validation records that are new, and those that are replayed."""
    held, count = data.tables["validation"], data.facts.replayed_held
    first = len(held) - count
    yield "new data", replace(data, tables={"validation": held.select(range(first))})
    if count:
        yield (
            "replayed data, which the old model may know",
            replace(data, tables={"validation": held.select(range(first, len(held)))}),
        )


def _told(job: HeadJob, part: str, records: int, before: Scores, now: Scores) -> Iterator[str]:
    name, value = first_of(job.task.shown, now)
    yield f"{part}, {records} records: {name} {before[name]:.4f} before, {value:.4f} now"
    labels: Any = [scores.get("labels", {}) for scores in (before, now)]
    moved = {label: (labels[0].get(label, {}).get("f1", 0.0), own["f1"]) for label, own in labels[1].items()}
    for label in sorted(moved, key=lambda label: -abs(moved[label][1] - moved[label][0]))[:MOST_LABELS]:
        old, new = moved[label]
        if old != new:
            yield f"{part}, F1 of {label}: {old:.4f} before, {new:.4f} now"
