"""Scores of a bundle on data, through ONNX Runtime."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import numpy as np

from lstmtext.bundle import Bundle
from lstmtext.config import TaskName
from lstmtext.data.columns import Columns
from lstmtext.data.readers import infer_task, read_passages, read_sentences, read_texts
from lstmtext.data.records import Sentence, TextRecord
from lstmtext.data.sources import Source
from lstmtext.description import HeadInfo
from lstmtext.errors import DataError
from lstmtext.metrics import LanguageScores, Scores, TagScores, scores_of_texts
from lstmtext.runtime.predictors import LanguagePredictor, SentencePredictor, TagAnswers, TextAnswer, TextPredictor
from lstmtext.runtime.workers import in_order
from lstmtext.text.spans import detect_scheme, to_bio
from lstmtext.text.tokenizer import BOUNDARY_ID

CHUNK = 256
"""Records that one thread takes at once."""

Item = TypeVar("Item")


class Found(NamedTuple):
    """How many records were read, their scores, and how many texts or words were read without their middle."""

    records: int
    scores: Scores
    cut: int = 0


def evaluate(
    bundle: Bundle, sources: Sequence[Source], columns: Columns, *, head: str | None = None, threads: int = 0
) -> dict[str, Any]:
    """`task`, `head`, `records`, `cut` and `scores` of a bundle on data. Raises DataError where there are no records.

    Cut are the texts, or words, of which only the ends were read.

    Columns that are not named are those of the data that the head was trained on, where the new data have them.
    Of several heads, the only one for the task that the data are for needs no name.
    """
    unseen = head is not None or len(bundle.info.heads) == 1 or sources[0].once  # which cannot be looked at twice
    name, info = bundle.head(head, None if unseen else infer_task(sources[0], columns)[0])
    known = info.data.get("columns")
    columns = replace(columns, usual=known if isinstance(known, dict) else {})
    found = _EVALUATORS[info.task](bundle, (name, info), sources, columns, threads)
    if not found.records:
        raise DataError(sources[0].place(), "no records", expected="at least one")
    return {"task": info.task, "head": name, "records": found.records, "cut": found.cut, "scores": found.scores}


def _texts(
    bundle: Bundle, head: tuple[str, HeadInfo], sources: Sequence[Source], columns: Columns, threads: int
) -> Found:
    predictor = TextPredictor(bundle, *head)
    several = predictor.multi_label
    scores = scores_of_texts(predictor.labels, multi_label=several, thresholds_K=predictor.thresholds_K)

    def answered(records: list[TextRecord]) -> tuple[list[str], list[TextAnswer]]:
        gold = [record.label for record in records if record.label is not None]
        return gold, predictor.predict([record.text for record in records])

    count = cut = 0
    records = read_texts(sources, columns, labelled=True, multi_label=several)
    for gold, answers in in_order(_chunks(records), answered, threads):
        scores.add(gold, np.array([answer.probabilities_K for answer in answers]))
        count += len(answers)
        cut += sum(answer.cut > 0 for answer in answers)
    return Found(count, scores.scores(), cut)


def _sentences(
    bundle: Bundle, head: tuple[str, HeadInfo], sources: Sequence[Source], columns: Columns, threads: int
) -> Found:
    predictor = SentencePredictor(bundle, head)
    sentences = list(read_sentences(sources, columns))
    scheme = detect_scheme(sentence.tags for sentence in sentences)
    scores = TagScores(head[1].labels)

    def answered(chunk: list[Sentence]) -> tuple[list[Sentence], TagAnswers]:
        return chunk, predictor.predict([sentence.words for sentence in chunk])

    cut = 0
    for chunk, answers in in_order(_chunks(sentences), answered, threads):
        for sentence, tags in zip(chunk, answers.by_head[0], strict=True):
            scores.add(to_bio(sentence.tags, scheme)[0], tags)
        cut += answers.cut
    return Found(len(sentences), scores.scores(), cut)


def _language(
    bundle: Bundle, head: tuple[str, HeadInfo], sources: Sequence[Source], columns: Columns, threads: int
) -> Found:
    predictor = LanguagePredictor(bundle, *head)
    scores = LanguageScores()
    documents = 0

    def ids() -> Iterator[list[int]]:
        nonlocal documents
        for passage in read_passages(sources, columns):
            scores.add_text(passage.text)
            documents += passage.ends
            yield bundle.tokenizer.encode(passage.text) + [BOUNDARY_ID] * passage.ends

    for nats, tokens in predictor.nats(ids()):
        scores.add_nats(nats, tokens)
    return Found(documents, scores.scores())


_EVALUATORS: dict[TaskName, Callable[..., Found]] = {
    "classify": _texts,
    "tag": _sentences,
    "generate": _language,
}


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk
