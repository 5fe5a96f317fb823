"""The CRF against all sequences, one by one."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch

from lstmtext.decoding.viterbi import Transitions, best_paths
from lstmtext.nn.crf import LinearChainCRF

TAGS = 3


@pytest.fixture
def crf() -> LinearChainCRF:
    torch.manual_seed(3)
    crf = LinearChainCRF(TAGS)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    return crf


@torch.no_grad()
def score_by_hand(crf: LinearChainCRF, emissions: torch.Tensor, path: tuple[int, ...]) -> float:
    score = crf.starts_K[path[0]] + crf.ends_K[path[-1]]
    score = score + sum(emissions[word, tag] for word, tag in enumerate(path))
    return float(score + sum(crf.transitions_KK[a, b] for a, b in pairwise(path)))


@torch.no_grad()
def test_likelihood_and_best_path_equal_brute_force_for_sentences_of_all_lengths(crf):
    counts = [1, 2, 4, 5]
    emissions = torch.randn(len(counts), max(counts), TAGS)
    tags = torch.randint(TAGS, (len(counts), max(counts)))
    nats = crf.negative_log_likelihood(emissions, tags, torch.tensor(counts))
    transitions = Transitions(*(p.detach().numpy() for p in (crf.transitions_KK, crf.starts_K, crf.ends_K)))
    best = best_paths(emissions.numpy(), np.array(counts), transitions)
    for row, count in enumerate(counts):
        paths = list(product(range(TAGS), repeat=count))
        scores = torch.tensor([score_by_hand(crf, emissions[row], path) for path in paths], dtype=torch.float64)
        gold = score_by_hand(crf, emissions[row], tuple(tags[row, :count].tolist()))
        assert nats[row].item() == pytest.approx(float(scores.logsumexp(0)) - gold, abs=1e-4)
        assert tuple(best[row]) == paths[int(scores.argmax())]


def test_a_sentence_without_words_costs_nothing(crf):
    nats = crf.negative_log_likelihood(torch.randn(1, 1, TAGS), torch.full((1, 1), -1), torch.tensor([0]))
    assert nats.tolist() == [0.0]
