"""What a training starts from where nobody says: the shipped bundle, where its tokenizer fits the data.

It fits where it needs not many more tokens for the data than for its own language: text of another language, or of
another kind, falls into pieces of a byte or two, of which an encoder that has read English knows nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from lstmtext.bundle import Bundle, load_bundle
from lstmtext.data.encoded import is_encoded, load_encoded
from lstmtext.data.parts import DataPlan
from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.readers import read_passages, read_sentences
from lstmtext.errors import UsageError
from lstmtext.shipped import BYTES_PER_TOKEN, shipped_bundle
from lstmtext.text.tokenizer import Tokenizer
from lstmtext.train.job import FROM_SCRATCH, TrainRequest
from lstmtext.train.request import ChooseSettings
from lstmtext.train.transfer import with_encoder

AUTO = "auto"
LOOKED_AT = 200
"""Texts, or pieces of running text, whose tokens are counted."""
LEAST_SHARE = 0.7
"""Of the bytes a token that the shipped tokenizer has on its own language. Measured: tweets 0.74, Shakespeare
0.84, sentences of reviews 1.04; but Python 0.66, German 0.57, JSON 0.39."""


def with_start(request: TrainRequest, choose: ChooseSettings, remark: Callable[[str], None]) -> TrainRequest:
    """A request that names what to start from; says which that is, and why."""
    if request.encoder != AUTO:
        return request
    folder = shipped_bundle()
    if folder is None or request.add_to or any(own.replay for own in _data_of(request)):
        return replace(request, encoder=FROM_SCRATCH)  # nothing was to be chosen
    bundle = load_bundle(folder)
    fits, reason = _fits(bundle, request, choose)
    remark(f"starts from the English encoder that comes with lstmtext: {reason}" if fits else f"starts anew: {reason}")
    return replace(request, encoder=str(folder) if fits else FROM_SCRATCH)


def _fits(bundle: Bundle, request: TrainRequest, choose: ChooseSettings) -> tuple[bool, str]:
    """Whether a training can start from the shipped bundle and gains by it, and why."""
    texts: list[str] = []
    for asked in _data_of(request):
        if any(is_encoded(Path(name)) for name in asked.data):
            same = load_encoded(Path(asked.data[0])).tokenizer.to_json() == bundle.tokenizer.to_json()
            return same, f"{asked.data[0]} was encoded with {'its' if same else 'another'} tokenizer"
        plan, _ = make_plan(asked)
        if once := [source for source in plan.train if source.once]:
            return False, f"{once[0].place()} cannot be looked at ahead; --encoder names a bundle"
        try:
            with_encoder(choose(plan.task), plan.task, bundle)
        except UsageError as error:
            return False, f"the English encoder does not fit, {error}"
        texts += islice(_texts(plan), LOOKED_AT)
    own = bytes_per_token(bundle.tokenizer, texts)
    reason = f"its tokenizer reads {own:.1f} bytes a token here, {BYTES_PER_TOKEN} in English"
    return own >= LEAST_SHARE * BYTES_PER_TOKEN, reason


def bytes_per_token(tokenizer: Tokenizer, texts: list[str]) -> float:
    """Bytes of some texts for each of their tokens."""
    tokens = sum(map(len, tokenizer.encode_batch(texts)))
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / max(1, tokens)


def _data_of(request: TrainRequest) -> list[DataRequest]:
    return list(request.together.values()) or [request.data]


def _texts(plan: DataPlan) -> Iterator[str]:
    """The training texts of a plan, as they would be tokenized."""
    if plan.task == "tag":
        yield from (" ".join(sentence.words) for sentence in read_sentences(plan.train, plan.columns))
    else:
        yield from (passage.text for passage in read_passages(plan.train, plan.columns))
