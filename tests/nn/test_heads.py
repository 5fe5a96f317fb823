"""Every head: its parameters learn, it masters a handful of records, and a batch changes no answer."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lstmtext.config import Settings
from lstmtext.nn.heads import HEADS
from lstmtext.nn.model import Model, load_arrays, model_arrays
from lstmtext.nn.pooling import POOLINGS
from lstmtext.resolve import resolve_settings
from lstmtext.tasks import TASKS
from lstmtext.text.examples import StreamBatch, collate_sentences, collate_texts, sentence_examples, text_examples
from lstmtext.text.lexical import keys_of
from lstmtext.text.tokenizer import Tokenizer

TEXTS = ["good film", "bad film", "a very good and long book indeed", "bad", "not good at all", ""]
SMALL = [
    "encoder.hidden_size=12", "encoder.embedding_size=10", "classify.bypass_rows=1024", "tag.bypass_rows=1024",
    "encoder.input_dropout=0", "encoder.output_dropout=0", "classify.dropout=0", "tag.dropout=0",
    "tag.bypass_dropout=0",
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(TEXTS, Settings().text)


def make(task: str, tokenizer: Tokenizer, *more: str):
    settings = resolve_settings(task, assignments=[*SMALL, *more])
    torch.manual_seed(0)
    model = Model(task, settings, vocabulary_size=tokenizer.size, labels=0 if task == "generate" else 3)
    return settings, model


def batches(task: str, tokenizer: Tokenizer, settings: Settings, *, apart: bool = False, keys_N=None):
    if task == "classify":
        texts = text_examples(tokenizer, TEXTS, settings, [0, 1, 0, 1, 2, 2])
        return [collate_texts(own, keys_N) for own in ([[text] for text in texts] if apart else [texts])]
    if task == "tag":
        sentences = [text.split() for text in TEXTS[:-1]]
        tags = [[len(word) % 3 for word in words] for words in sentences]
        examples = sentence_examples(tokenizer, sentences, tags)
        return [collate_sentences(own, settings) for own in ([[one] for one in examples] if apart else [examples])]
    ids = np.array(tokenizer.encode(" ".join(TEXTS)))
    rows = np.stack([ids[:12], ids[3:15]])
    streams = [rows[:1], rows[1:]] if apart else [rows]
    return [StreamBatch(own, own[:, ::-1].copy(), np.ones(len(own), dtype=bool)) for own in streams]


@pytest.mark.parametrize("task", HEADS)
def test_every_parameter_gets_a_gradient(task, tokenizer):
    settings, model = make(task, tokenizer)
    for parameter in model.parameters():  # zeros would hide parts from each other
        torch.nn.init.normal_(parameter, std=0.1)
    total, count, _ = model.loss(batches(task, tokenizer, settings)[0])
    total.backward()
    assert count > 0
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("task", HEADS)
def test_a_head_learns_a_handful_of_records_saves_loads_and_answers_alike(task, tokenizer):
    settings, model = make(task, tokenizer)
    batch = batches(task, tokenizer, settings)[0]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    losses = []
    for _ in range(60):
        total, count, _ = model.loss(batch)
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
        losses.append(total.item() / count)
    assert losses[-1] < 0.3 * losses[0]
    model.eval()
    answer, _ = model.predict(batch)
    if task == "classify":
        assert answer.argmax(1).tolist() == batch.labels_B.tolist()
    _, other = make(task, tokenizer)
    load_arrays(other, model_arrays(model), place="test")
    assert np.array_equal(other.eval().predict(batch)[0], answer)


@pytest.mark.parametrize("task", HEADS)
def test_single_equals_batched(task, tokenizer):
    settings, model = make(task, tokenizer)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.eval()
    together, _ = model.predict(batches(task, tokenizer, settings)[0])
    for row, single in enumerate(batches(task, tokenizer, settings, apart=True)):
        alone, _ = model.predict(single)
        part = together[row, : alone.shape[1]] if task != "classify" else together[row]
        np.testing.assert_allclose(alone[0], part, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_each_pooling_ignores_padding(pooling, tokenizer):
    settings, model = make("classify", tokenizer, f"classify.pooling={pooling}")
    model.eval()
    batch = batches("classify", tokenizer, settings)[0]
    wider = replace(
        batch, ids_BT=np.pad(batch.ids_BT, ((0, 0), (0, 5))), ngrams_BF=np.pad(batch.ngrams_BF, ((0, 0), (0, 5)))
    )
    np.testing.assert_allclose(model.predict(wider)[0], model.predict(batch)[0], atol=1e-6)


@pytest.mark.parametrize("task", ["classify", "tag"])
def test_the_bypass_can_be_switched_off_and_adds_to_the_answer(task, tokenizer):
    settings, model = make(task, tokenizer)
    keys_N = None
    if task == "classify":
        known = text_examples(tokenizer, TEXTS, settings)
        model.head.bypass.give_rows(np.unique(keys_of(np.concatenate([text.ngrams for text in known]))))
        model.head.bypass.weights_N.copy_(model.head.bypass.keys_N > 0)
        keys_N = model.head.keys
    batch = batches(task, tokenizer, settings, keys_N=keys_N)[0]
    for name, array in (*model.named_parameters(), *model.named_buffers()):
        if name.endswith(("bypass.table_NK", "bypass.learned_MK")):
            torch.nn.init.normal_(array)
            array.data[0] = 0.0  # padding
    _, without = make(task, tokenizer, f"{task}.bypass=false")
    rest = {name: array for name, array in model_arrays(model).items() if "bypass" not in name}
    load_arrays(without, rest, place="test")
    assert np.abs(model.eval().predict(batch)[0] - without.eval().predict(batch)[0]).max() > 0.1


def test_rare_features_of_a_tagger_learn_nothing(tokenizer):
    settings, model = make("tag", tokenizer, "tag.bypass_least=2")
    batch = batches("tag", tokenizer, settings)[0]
    counts_N = np.bincount(batch.features_BWF.ravel(), minlength=1024)
    counts_N[0] = 0  # padding
    model.head.bypass.learn_only(counts_N >= 2)
    assert len(model.head.bypass.learned_MK) == 1 + (counts_N >= 2).sum()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model.loss(batch)[0].backward()
    optimizer.step()
    moved_N = (model_arrays(model)["head.bypass.table_NK"] != 0).any(1)
    assert moved_N[counts_N >= 2].any()
    assert not moved_N[counts_N < 2].any()


def test_a_table_of_features_loads_what_it_saved_however_many_rows_are_learned(tokenizer):
    settings, model = make("tag", tokenizer)
    batch = batches("tag", tokenizer, settings)[0]
    learned_N = np.bincount(batch.features_BWF.ravel(), minlength=1024) >= 2
    model.head.bypass.learn_only(learned_N)
    torch.nn.init.normal_(model.head.bypass.learned_MK)
    model.head.bypass.learned_MK.data[0] = 0.0
    wanted = model.eval().predict(batch)[0]
    for learned in (np.ones(1024, dtype=bool), learned_N):
        _, other = make("tag", tokenizer)
        other.head.bypass.learn_only(learned)
        load_arrays(other, model_arrays(model), place="test")
        np.testing.assert_allclose(other.eval().predict(batch)[0], wanted, atol=1e-5)
        saved, again = (model_arrays(own)["head.bypass.table_NK"] for own in (model, other))
        np.testing.assert_array_equal(again, saved)
    fewer_N = learned_N & (np.arange(1024) % 2 == 0)
    other.head.bypass.learn_only(fewer_N)
    torch.nn.init.normal_(other.head.bypass.learned_MK)  # whatever stood there goes
    load_arrays(other, model_arrays(model), place="test")
    again = model_arrays(other)["head.bypass.table_NK"]
    np.testing.assert_array_equal(again[fewer_N], saved[fewer_N])
    assert not again[~fewer_N].any()


def test_a_large_vocabulary_is_scored_in_slices_with_the_same_loss_and_gradient(tokenizer, monkeypatch):
    settings, model = make("generate", tokenizer)
    batch = batches("generate", tokenizer, settings)[0]
    whole = model.loss(batch)[0]
    whole.backward()
    gradient = model.encoder.embedding_VD.grad.clone()
    model.zero_grad()
    monkeypatch.setattr("lstmtext.nn.heads.language_model.SLICE_SCORES", tokenizer.size * 5)
    sliced = model.loss(batch)[0]
    sliced.backward()
    torch.testing.assert_close(sliced, whole)
    torch.testing.assert_close(model.encoder.embedding_VD.grad, gradient)


def test_the_tables_of_tasks_heads_and_exporters_have_the_same_keys():
    from lstmtext.config import TASK_DEFAULTS
    from lstmtext.data.preparers import PREPARERS
    from lstmtext.runtime.evaluate import _EVALUATORS
    from lstmtext.runtime.export import _EXPORTERS

    assert set(TASKS) == set(HEADS) == set(TASK_DEFAULTS) == set(PREPARERS) == set(_EVALUATORS) == set(_EXPORTERS)


def test_a_row_that_starts_anew_reads_as_without_a_past(tokenizer):
    _, model = make("generate", tokenizer)
    model.eval()
    ids = np.array(tokenizer.encode(" ".join(TEXTS)))
    rows, mirrored = np.stack([ids[:12], ids[3:15]]), np.stack([ids[11::-1], ids[14:2:-1]])
    with torch.no_grad():
        _, state = model.encode(StreamBatch(rows, mirrored, np.array([True, True])))
        anew, _ = model.encode(StreamBatch(rows, mirrored, np.array([True, True])))
        read_on, _ = model.encode(StreamBatch(rows, mirrored, np.array([False, False])), state)
        mixed, _ = model.encode(StreamBatch(rows, mirrored, np.array([True, False])), state)
    for name in ("forward_BTH", "backward_BTH"):
        torch.testing.assert_close(getattr(mixed, name)[0], getattr(anew, name)[0])
        torch.testing.assert_close(getattr(mixed, name)[1], getattr(read_on, name)[1])
        assert not torch.allclose(getattr(anew, name), getattr(read_on, name))
