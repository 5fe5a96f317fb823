"""What a training starts from where nobody says: the shipped bundle, where its tokenizer fits the data.

It fits where it needs not many more tokens for the data than for its own language: text of another language, or of
another kind, falls into pieces of a byte or two, of which an encoder that has read English knows nothing.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from lstmtext.bundle import Bundle, load_bundle
from lstmtext.config import Settings, TaskName
from lstmtext.data.encoded import is_encoded, load_encoded
from lstmtext.data.parts import DataPlan
from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.readers import read_passages, read_sentences
from lstmtext.data.sources import Source
from lstmtext.errors import UsageError, UserError
from lstmtext.shipped import BYTES_PER_TOKEN, shipped_bundle
from lstmtext.text.tokenizer import Tokenizer
from lstmtext.train.job import FROM_SCRATCH, TrainRequest
from lstmtext.train.ranks import Ranks
from lstmtext.train.request import ChooseSettings
from lstmtext.train.transfer import with_encoder

AUTO = "auto"
LOOKED_AT, LOOKED_THROUGH = 200, 10_000
"""Texts, or pieces of running text, whose tokens are counted, and those that they are drawn from."""
LEAST_SHARE = 0.7
"""Of the bytes a token that the shipped tokenizer has on its own language. Measured: tweets 0.74, Shakespeare
0.84, sentences of reviews 1.04; but Python 0.66, German 0.57, JSON 0.39."""


def with_start(
    request: TrainRequest, choose: ChooseSettings, ranks: Ranks, remark: Callable[[str], None]
) -> tuple[TrainRequest, ChooseSettings]:
    """A request that names what to start from, and the settings for it; says which that is, and why.

    The first process looks at the data, and decides for all. Of a shipped bundle, classifiers and taggers take the
    encoder alone unless `transfer.head` says otherwise: that labels have its heads' names need not mean the same.
    """
    if request.encoder != AUTO:
        return request, choose
    decided: tuple[bool, str] = False, ""
    failed: UserError | None = None
    folder = shipped_bundle()
    if ranks.first and folder is not None and not request.add_to and not any(own.replay for own in _data_of(request)):
        try:
            decided = _fits(load_bundle(folder), request, choose)
        except UserError as error:
            failed = error
    (fits, reason), code = ranks.from_first((decided, failed and int(failed.exit_code)))
    if failed is not None:
        raise failed
    if code is not None:
        raise SystemExit(code)
    if reason:
        started = "starts from the English encoder that comes with lstmtext" if fits else "starts anew"
        remark(f"{started}: {reason}")
    if not fits:
        return replace(request, encoder=FROM_SCRATCH), choose
    return replace(request, encoder=str(folder)), lambda task: _encoder_alone(choose(task), task)


def _encoder_alone(settings: Settings, task: TaskName) -> Settings:
    transfer = settings.transfer
    if task == "generate" or transfer.head != "auto":
        return settings
    return replace(settings, transfer=replace(transfer, head="new"))


def _fits(bundle: Bundle, request: TrainRequest, choose: ChooseSettings) -> tuple[bool, str]:
    """Whether a training can start from the shipped bundle and gains by it, and why; of no data, nothing is said."""
    found = []
    for asked in _data_of(request):
        place = Path(asked.data[0])
        if len(asked.data) == 1 and is_encoded(place):
            data = load_encoded(place)
            if data.tokenizer.to_json() != bundle.tokenizer.to_json():
                return False, f"{place} was encoded with another tokenizer"
            task, texts = data.task, None
        else:
            plan, _ = make_plan(replace(asked, columns=replace(asked.columns, weight=None)))
            if once := [source for source in plan.train if source.once]:
                return False, f"{once[0].place()} cannot be looked at ahead; --encoder names a bundle"
            task, texts = plan.task, _texts(plan)
            if not texts:
                return False, ""
        settings = choose(task)
        try:
            with_encoder(settings, task, bundle)
        except UsageError as error:
            return False, f"the English encoder does not fit, {error}"
        if texts is not None:
            found.append(bytes_per_token(bundle.tokenizer, texts))
    if not found:
        return True, "its tokenizer encoded the data"
    least, own = LEAST_SHARE * BYTES_PER_TOKEN, min(found)
    reason = f"its tokenizer reads {own:.1f} bytes a token here, {BYTES_PER_TOKEN} in English"
    return own >= least, reason if own >= least else f"{reason}; {least:.1f} would do"


def bytes_per_token(tokenizer: Tokenizer, texts: list[str]) -> float:
    """Bytes of some texts for each of their tokens; columns that are filled up with spaces are no long tokens."""
    texts = [" ".join(text.split()) for text in texts]
    tokens = sum(map(len, tokenizer.encode_batch(texts)))
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / max(1, tokens)


def _data_of(request: TrainRequest) -> list[DataRequest]:
    return list(request.together.values()) or [request.data]


def _texts(plan: DataPlan) -> list[str]:
    """Training texts of a plan, as they would be tokenized: a sample of those at the beginning of every source."""
    each, draw = max(1, LOOKED_AT // len(plan.train)), random.Random(0)
    most = max(each, LOOKED_THROUGH // len(plan.train))
    read = (list(islice(_read(source, plan), most)) for source in plan.train)
    return [text for texts in read for text in draw.sample(texts, min(each, len(texts)))]


def _read(source: Source, plan: DataPlan) -> Iterator[str]:
    if plan.task == "tag":
        return (" ".join(sentence.words) for sentence in read_sentences([source], plan.columns))
    return (passage.text for passage in read_passages([source], plan.columns))
