"""The one generation loop, over anything that can step through tokens."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np

from lstmtext.config import Sampling
from lstmtext.decoding.sampling import draw
from lstmtext.text.arrays import Floats
from lstmtext.text.tokenizer import BOUNDARY_ID, Tokenizer

State = TypeVar("State")


class StepModel(Protocol[State]):
    """A language model that reads one token at a time; the cost of a step does not grow with the text."""

    def start(self, ids: Sequence[int]) -> tuple[State, Floats]:
        """State after reading ids (at least one), and the scores [V] of what comes next."""
        ...

    def step(self, state: State, token: int) -> tuple[State, Floats]:
        """State after one more token, and the scores [V] of what comes next."""
        ...


def generate(
    model: StepModel[State], prompt: Sequence[int], sampling: Sampling, rng: np.random.Generator
) -> Iterator[int]:
    """Token ids that follow a prompt, until a document ends or `max_tokens` are drawn."""
    if sampling.max_tokens == 0:
        return
    recent = list(prompt)
    state, logits_V = model.start([BOUNDARY_ID, *prompt])
    for drawn in range(1, sampling.max_tokens + 1):
        token = draw(logits_V, recent, sampling, rng)
        if token == BOUNDARY_ID:
            return
        yield token
        if drawn < sampling.max_tokens:
            recent.append(token)
            state, logits_V = model.step(state, token)


def generate_text(
    model: StepModel[State], tokenizer: Tokenizer, prompt: str, sampling: Sampling, rng: np.random.Generator
) -> Iterator[str]:
    """Pieces of the text that follows a prompt, up to a stop text."""
    before = tokenizer.encode(prompt)
    ids = generate(model, before, sampling, rng)
    return until_stop(tokenizer.decode_stream(ids, before), sampling.stop)


def until_stop(pieces: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """Pieces of text up to the first stop text, which is left out; what may begin one is held back."""
    held = ""
    for piece in pieces:
        held += piece
        # The stop that is complete first decides, so that the cut into pieces does not.
        found = [(held.find(stop) + len(stop), held.find(stop)) for stop in stops if stop and stop in held]
        if found:
            yield held[: min(found)[1]]
            return
        safe = len(held) - max((_overlap(held, stop) for stop in stops), default=0)
        if safe:
            yield held[:safe]
            held = held[safe:]
    if held:
        yield held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)
