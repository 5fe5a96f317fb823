"""Several labels a text: the loss by hand, and that the head masters a handful of texts."""

import numpy as np
import pytest
import torch

from lstmtext.config import ClassifySettings, Settings
from lstmtext.nn.heads.label_losses import nats_of_sets
from lstmtext.nn.model import Model, load_arrays, model_arrays, moving_tensors
from lstmtext.resolve import resolve_settings
from lstmtext.text.examples import TextExample, collate_texts, multi_hot, text_examples
from lstmtext.text.tokenizer import Tokenizer

TEXTS = ["good film", "bad film", "a very good and long book indeed", "bad", "not good at all", ""]
SETS = [(0, 2), (1,), (), (0, 1, 2), (2,), ()]
SMALL = [
    "encoder.hidden_size=12", "encoder.embedding_size=10", "classify.bypass_rows=1024", "encoder.input_dropout=0",
    "encoder.output_dropout=0", "encoder.embedding_dropout=0", "classify.dropout=0", "classify.multi_label=true",
]  # fmt: skip


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_that_of_each_label_by_hand(smoothing: float):
    rng = np.random.default_rng(0)
    logits, has, weights = rng.normal(size=(5, 3)), rng.random((5, 3)) < 0.5, rng.random((2, 3))
    settings = ClassifySettings(label_smoothing=smoothing)
    found = nats_of_sets(torch.tensor(logits), torch.tensor(has), torch.tensor(weights), settings)
    for row, own in enumerate(found):
        expected = 0.0
        for k in range(3):
            yes = 1 / (1 + np.exp(-logits[row, k]))
            wanted = 1 - smoothing / 2 if has[row, k] else smoothing / 2
            nats = -wanted * np.log(yes) - (1 - wanted) * np.log(1 - yes)
            expected += weights[int(has[row, k]), k] * nats
        assert own.item() == pytest.approx(expected)


def made(tokenizer: Tokenizer, *more: str):
    settings = resolve_settings("classify", assignments=[*SMALL, *more])
    torch.manual_seed(0)
    examples = [
        TextExample(own.ids, own.ngrams, labels=labels)
        for own, labels in zip(text_examples(tokenizer, TEXTS, settings), SETS, strict=True)
    ]
    return Model("classify", settings, vocabulary_size=tokenizer.size, labels=3), examples, settings


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(TEXTS, Settings().text)


def test_a_text_counts_as_the_mean_of_its_labels_weights(tokenizer):
    model, examples, _ = made(tokenizer)
    batch = collate_texts(examples, None)
    assert model.count(batch) == 6.0
    model.head.weigh(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    assert model.count(collate_texts(examples[:1], None)) == pytest.approx((4 + 2 + 6) / 3)
    assert model.count(collate_texts(examples[2:3], None)) == pytest.approx((1 + 2 + 3) / 3)
    with torch.no_grad():
        alone = [model.loss(collate_texts([own], None))[:2] for own in examples]
        total, count, _ = model.loss(batch)
    assert (total.item(), count) == pytest.approx([sum(float(pair[at]) for pair in alone) for at in (0, 1)], rel=1e-5)


def test_the_head_learns_sets_saves_loads_and_answers_alike(tokenizer):
    model, examples, settings = made(tokenizer)
    batch = collate_texts(examples, None)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(60):
        total, count, _ = model.loss(batch)
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
    model.eval()
    answer, _ = model.predict(batch)
    assert ((answer > 0) == multi_hot(batch.labels_BL, 3)).all()
    again = Model("classify", settings, vocabulary_size=tokenizer.size, labels=3).eval()
    load_arrays(again, model_arrays(model), place="memory")
    np.testing.assert_array_equal(again.predict(batch)[0], answer)
    alone = np.concatenate([model.predict(collate_texts([own], None))[0] for own in examples])
    np.testing.assert_allclose(alone, answer, atol=1e-4)


def test_thresholds_are_kept_with_the_best_weights_and_only_where_there_are_sets(tokenizer):
    model, _, _ = made(tokenizer)
    assert moving_tensors(model)["head.thresholds_K"].tolist() == [0.5] * 3
    one, _, _ = made(tokenizer, "classify.multi_label=false")
    assert "head.thresholds_K" not in model_arrays(one)
