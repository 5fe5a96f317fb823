"""Sampled softmax: what a probability is divided by is right on average; what is evaluated is exact."""

import numpy as np
import pytest
import torch

from lstmtext.nn.model import Model
from lstmtext.resolve import resolve_settings
from lstmtext.text.examples import StreamBatch

ENTRIES = 400


@pytest.fixture
def model() -> Model:
    settings = resolve_settings(
        "generate", assignments=["encoder.hidden_size=12", "encoder.embedding_size=8", "generate.negatives=50"]
    )
    torch.manual_seed(0)
    made = Model("generate", settings, vocabulary_size=ENTRIES, labels=0)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made


@pytest.fixture
def batch() -> StreamBatch:
    ids = np.random.default_rng(0).integers(2, 40, (3, 20))
    return StreamBatch(ids, ids[:, ::-1].copy(), np.ones(3, dtype=bool))


def test_a_step_scores_what_occurs_and_as_many_others_as_asked(model, batch):
    occurring = np.unique(batch.ids_BT)
    chosen = model.train().head.candidates(occurring, model.encoder.embedding_VD)
    assert len(chosen.table_CD) == len(chosen.bias_C) == len(occurring) + 50
    table = model.encoder.embedding_VD.detach()
    for entry in occurring:
        assert torch.equal(chosen.table_CD[chosen.places_V[entry]], table[entry])
    drawn = {tuple(row) for row in chosen.table_CD[len(occurring) :].tolist()}
    assert len(drawn) == 50
    assert not drawn & {tuple(row) for row in table[occurring].tolist()}


def test_the_drawn_entries_stand_for_all_that_do_not_occur(model, batch):
    occurring = np.unique(batch.ids_BT)
    state_D = torch.randn(8, generator=torch.Generator().manual_seed(1))
    table, head = model.encoder.embedding_VD, model.train().head
    with torch.no_grad():
        whole = (table @ state_D + head.bias_V).exp().sum()
        sums = []
        for _ in range(3000):
            chosen = head.candidates(occurring, table)
            sums.append((chosen.table_CD @ state_D + chosen.bias_C).exp().sum())
    sums_N = torch.stack(sums)
    error = float(sums_N.std() / len(sums_N) ** 0.5)
    assert error < 0.02 * float(whole)
    assert abs(float(sums_N.mean() - whole)) < 4 * error


@pytest.mark.parametrize(("training", "negatives"), [(False, 50), (True, 0), (True, 190)])
def test_all_entries_are_scored_outside_training_or_where_asked_or_where_few_are_left(
    training, negatives, model, batch
):
    model.train(training).head.negatives = negatives
    torch.manual_seed(1)
    first, count, _ = model.loss(batch)
    model.head.negatives = 0
    torch.manual_seed(1)
    exact, _, _ = model.loss(batch)
    assert first.item() == exact.item()
    assert count == 2 * batch.ids_BT[:, 1:].size


def test_the_loss_and_its_gradient_are_near_the_exact_ones_on_average(model, batch):
    def gradient() -> tuple[float, torch.Tensor]:
        model.zero_grad()
        torch.manual_seed(1)  # the same dropout each time
        encoding, _ = model.encode(batch)
        torch.manual_seed(int(rng.integers(1 << 30)))
        total, _ = model.head.loss(encoding, batch)
        total.backward()
        return total.item(), model.head.project.weight.grad.clone()

    rng = np.random.default_rng(0)
    model.train().head.negatives = 100
    drawn = [gradient() for _ in range(200)]
    model.head.negatives = 0
    loss, exact = gradient()
    mean = torch.stack([grad for _, grad in drawn]).mean(0)
    assert np.mean([total for total, _ in drawn]) == pytest.approx(loss, rel=0.02)
    assert float((mean - exact).norm() / exact.norm()) < 0.1


def test_the_nats_of_whole_texts_are_those_of_each_neighbour_of_each_token(model, batch):
    lengths = np.array([20, 7, 2])
    model.eval()
    with torch.no_grad():
        encoding = model.encoder(torch.as_tensor(batch.ids_BT), torch.as_tensor(lengths))
        nats, count = model.head.text_nats(encoding, batch.ids_BT, lengths)
        expected = 0.0
        for row, length in enumerate(lengths):
            ids = torch.as_tensor(batch.ids_BT[row])
            for at in range(length - 1):
                for states, place, target in ((encoding.forward_BTH, at, at + 1), (encoding.backward_BTH, at + 1, at)):
                    scores = model.head.logits(states[row, place], encoding.table_VD)
                    expected -= float(scores.log_softmax(0)[ids[target]])
    assert count == 2 * (lengths - 1).sum()
    assert float(nats) == pytest.approx(expected, rel=1e-5)
