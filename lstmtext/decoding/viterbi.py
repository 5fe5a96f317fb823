"""The best tag sequence under a linear-chain CRF (Viterbi, 1967), for many sentences at once.

Transitions that the tag scheme forbids are never taken, so BIO comes out valid. Letters: B batch, W words, K tags.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lstmtext.text.arrays import Floats, Ints
from lstmtext.text.spans import forbidden_transitions

FORBIDDEN = -1e9


@dataclass(frozen=True)
class Transitions:
    """Scores between tags [from, to], of the first tag and of the last."""

    between_KK: Floats
    starts_K: Floats
    ends_K: Floats

    @classmethod
    def of(cls, arrays: Mapping[str, Floats]) -> "Transitions":
        """From the arrays of a tagger's CRF, by name."""
        return cls(arrays["transitions_KK"], arrays["starts_K"], arrays["ends_K"])

    def restricted(self, names: tuple[str, ...]) -> "Transitions":
        """The same, with everything that BIO does not allow put out of reach."""
        between_KK, starts_K = self.between_KK.copy(), self.starts_K.copy()
        for source, to in forbidden_transitions(names):
            if source < 0:
                starts_K[to] = FORBIDDEN
            else:
                between_KK[source, to] = FORBIDDEN
        return Transitions(between_KK, starts_K, self.ends_K)


def best_paths(emissions_BWK: Floats, words_B: Ints, transitions: Transitions) -> list[Ints]:
    """Tag ids of each sentence, as many as it has words."""
    B, W, _ = emissions_BWK.shape
    scores_BK = transitions.starts_K + emissions_BWK[:, 0]
    into_KK = np.ascontiguousarray(transitions.between_KK.T)
    came_from = np.zeros(emissions_BWK.shape, dtype=np.int64)
    for word in range(1, W):
        onward_BKK = scores_BK[:, None, :] + into_KK  # [B, to, from]: numpy is fastest along the last axis
        best_BK = onward_BKK.argmax(2)
        came_from[:, word] = best_BK
        next_BK = np.take_along_axis(onward_BKK, best_BK[:, :, None], 2)[:, :, 0] + emissions_BWK[:, word]
        scores_BK = np.where((word < words_B)[:, None], next_BK, scores_BK)
    tag_B = (scores_BK + transitions.ends_K).argmax(1)
    path_BW = np.zeros((B, W), dtype=np.int64)
    rows = np.arange(B)
    for word in range(W - 1, -1, -1):
        path_BW[:, word] = tag_B
        tag_B = np.where(word < words_B, came_from[rows, word, tag_B], tag_B)
    return [path[:count] for path, count in zip(path_BW, words_B, strict=True)]
