"""What preprocessing found, as plain numbers: records, lengths, padding, cuts."""

from dataclasses import dataclass

import numpy as np

from lstmtext.config import TaskName
from lstmtext.data.encoded import EncodedData
from lstmtext.data.ragged import Ragged
from lstmtext.sizes import fit_training
from lstmtext.text.batching import padding_share, plan_batches

PERCENTILES = (50, 90, 99, 100)
PLAIN_BATCH = 32
"""Records of a batch without buckets, to compare with."""


@dataclass(frozen=True)
class SplitReport:
    """Numbers of one split."""

    records: int
    tokens: int
    percentiles: tuple[int, ...]
    """Tokens of a record at `PERCENTILES`."""
    padding_plain: float
    """Share of padding in batches of neighbouring records."""
    padding_buckets: float
    """Share of padding in the batches that training makes."""


@dataclass(frozen=True)
class Report:
    """Numbers of a dataset."""

    task: TaskName
    splits: dict[str, SplitReport]
    label_counts: dict[str, int]
    truncated: int
    cut_tokens: int
    repaired_tags: int
    unknown_labels: int
    tokens_per_word: float
    vocabulary: int

    def rows(self) -> list[tuple[str, ...]]:
        """The report as rows of text, one column a split."""
        splits = self.splits.values()
        rows = [
            ("records", *(f"{s.records:,}" for s in splits)),
            ("tokens", *(f"{s.tokens:,}" for s in splits)),
        ]
        for place, share in enumerate(PERCENTILES):
            name = "longest" if share == 100 else f"tokens a record, {share} % at most"
            rows.append((name, *(f"{s.percentiles[place]:,}" for s in splits)))
        if self.task != "generate":
            rows.append(("padding without buckets", *(f"{s.padding_plain:.1%}" for s in splits)))
            rows.append(("padding with buckets", *(f"{s.padding_buckets:.1%}" for s in splits)))
        both = {
            "truncated records": f"{self.truncated:,} ({self.cut_tokens:,} tokens cut)",
            "tags repaired": f"{self.repaired_tags:,}",
            "labels or tags that only validation has": f"{self.unknown_labels:,}",
            "tokens per word": f"{self.tokens_per_word:.2f}",
            "vocabulary": f"{self.vocabulary:,}",
        }
        return rows + [(name, value, *[""] * (len(self.splits) - 1)) for name, value in both.items()]


def make_report(data: EncodedData) -> Report:
    """Count what an encoded dataset holds."""
    facts = data.facts
    budget = fit_training(data.settings, data.task, facts.train_tokens, facts.words).train.batch_tokens
    return Report(
        task=data.task,
        splits={name: _split(Ragged(table.data.column("ids")).lengths, budget) for name, table in data.tables.items()},
        label_counts=facts.label_counts,
        truncated=facts.truncated,
        cut_tokens=facts.cut_tokens,
        repaired_tags=facts.repaired_tags,
        unknown_labels=facts.unknown_labels,
        tokens_per_word=facts.tokens / max(1, facts.words),
        vocabulary=data.tokenizer.size,
    )


def _split(lengths: np.ndarray, budget: int) -> SplitReport:
    plain = [np.arange(place, min(place + PLAIN_BATCH, len(lengths))) for place in range(0, len(lengths), PLAIN_BATCH)]
    return SplitReport(
        records=len(lengths),
        tokens=int(lengths.sum()),
        percentiles=tuple(int(value) for value in np.percentile(lengths, PERCENTILES)),
        padding_plain=padding_share(lengths, plain),
        padding_buckets=padding_share(lengths, plan_batches(lengths, budget)),
    )
