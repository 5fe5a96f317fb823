"""The runtime says what torch says, within 1e-4, and padding is invisible to it."""

import tracemalloc

import numpy as np
import pytest

from lstmtext.decoding.sampling import softmax
from lstmtext.decoding.viterbi import Transitions, best_paths
from lstmtext.runtime.engine import Engine
from lstmtext.runtime.inputs import sentence_inputs
from lstmtext.runtime.predictors import SentencePredictor, TextPredictor
from lstmtext.text.examples import collate_sentences, collate_texts, sentence_examples, text_examples

TOLERANCE = {"atol": 1e-4, "rtol": 0}
TEXTS = ["", "Anna", "The soup was good.", "The room, in Oslo, was é \U0001f600 bad and " * 6, "x " * 40]
SENTENCES = [[], ["Anna"], ["Anna", "Berg", "lives", "in", "Oslo", "."], ["", " ", "é", "\U0001f600" * 9], ["x"] * 40]
ENCODERS = {
    "one layer": {},
    "two layers": {"encoder__layers": 2},
    "forward only": {"encoder__directions": "forward"},
    "two layers forward only": {"encoder__layers": 2, "encoder__directions": "forward"},
    "embedding as wide as the states": {"encoder__embedding_size": 12},
}
CLASSIFIERS = ENCODERS | {
    **{f"pooling {name}": {"classify__pooling": (name,)} for name in ("attention", "max", "mean", "last")},
    "poolings in another order": {"classify__pooling": ("last", "mean"), "encoder__layers": 2},
    "last forward only": {"classify__pooling": ("last",), "encoder__directions": "forward"},
    "bypass off": {"classify__bypass": False},
    "three-word bypass": {"classify__bypass_ngrams": 3},
}
TAGGERS = ENCODERS | {"bypass off": {"tag__bypass": False}}


@pytest.mark.parametrize("settings", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_the_classifier_gives_torchs_probabilities(make_pair, settings):
    model, bundle = make_pair("classify", **settings)
    chosen = bundle.info.settings
    logits_BK, _ = model.predict(collate_texts(text_examples(bundle.tokenizer, TEXTS, chosen), chosen))
    answers = TextPredictor(bundle, *bundle.head()).predict(TEXTS)
    np.testing.assert_allclose([answer.probabilities_K for answer in answers], softmax(logits_BK), **TOLERANCE)


@pytest.mark.parametrize("settings", TAGGERS.values(), ids=TAGGERS)
def test_the_tagger_gives_torchs_emissions_and_the_best_path_over_them(make_pair, settings):
    model, bundle = make_pair("tag", **settings)
    batch = collate_sentences(sentence_examples(bundle.tokenizer, SENTENCES), bundle.info.settings)
    wanted_BWK, _ = model.predict(batch)
    given_BWK = Engine(bundle.folder / "runtime.onnx").run(sentence_inputs(batch))[0]
    for wanted_WK, given_WK, words in zip(wanted_BWK, given_BWK, batch.words_B, strict=True):
        np.testing.assert_allclose(given_WK[:words], wanted_WK[:words], **TOLERANCE)
    crf = model.head.crf
    scores = (crf.transitions_KK, crf.starts_K, crf.ends_K)
    name, info = bundle.head()
    transitions = Transitions(*(each.detach().numpy() for each in scores)).restricted(info.labels)
    paths = [[info.labels[tag] for tag in path] for path in best_paths(wanted_BWK, batch.words_B, transitions)]
    assert SentencePredictor(bundle, name, info).predict(SENTENCES) == paths


def test_the_many_ngrams_of_one_text_do_not_widen_the_arrays_of_the_others(make_pair):
    _, bundle = make_pair("classify", text__max_tokens=8)
    predictor = TextPredictor(bundle, *bundle.head())
    long = " ".join(map(str, range(10_000)))
    texts = [long, *["Anna was in Oslo"] * 200]
    ngrams = len(text_examples(bundle.tokenizer, [long], bundle.info.settings)[0].ngrams)
    tracemalloc.start()
    predictor.predict(texts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(texts) * ngrams * np.dtype(np.int64).itemsize / 2


def _wider(array, axis=1, more=5):
    widths = [(0, more if place == axis else 0) for place in range(array.ndim)]
    return np.pad(array, widths)


@pytest.mark.parametrize("settings", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_padding_is_invisible_to_the_classifier(make_pair, settings):
    _, bundle = make_pair("classify", **settings)
    chosen = bundle.info.settings
    engine = Engine(bundle.folder / "runtime.onnx")
    examples = text_examples(bundle.tokenizer, TEXTS, chosen)

    def logits(own, more=0):
        batch = collate_texts(own, chosen)
        inputs = {"ids": batch.ids_BT, "ngrams": batch.ngrams_BF}
        widened = {name: _wider(array, more=more) for name, array in inputs.items()}
        return engine.run(widened | {"lengths": batch.lengths_B.astype(np.int32)})[0]

    together = logits(examples)
    np.testing.assert_allclose(logits(examples, more=9), together, **TOLERANCE)
    for place, example in enumerate(examples):
        np.testing.assert_allclose(logits([example])[0], together[place], **TOLERANCE)


@pytest.mark.parametrize("settings", TAGGERS.values(), ids=TAGGERS)
def test_padding_is_invisible_to_the_tagger(make_pair, settings):
    _, bundle = make_pair("tag", **settings)
    engine = Engine(bundle.folder / "runtime.onnx")
    examples = sentence_examples(bundle.tokenizer, SENTENCES)
    batch = collate_sentences(examples, bundle.info.settings)
    together = engine.run(sentence_inputs(batch))[0]
    widened = {name: array if array.ndim == 1 else _wider(array) for name, array in sentence_inputs(batch).items()}
    padded = engine.run(widened)[0]
    for place, (example, words) in enumerate(zip(examples, batch.words_B, strict=True)):
        alone = engine.run(sentence_inputs(collate_sentences([example], bundle.info.settings)))[0]
        np.testing.assert_allclose(alone[0, :words], together[place, :words], **TOLERANCE)
        np.testing.assert_allclose(padded[place, :words], together[place, :words], **TOLERANCE)


def test_any_number_of_texts_is_answered_in_order(make_pair):
    _, bundle = make_pair("classify")
    predictor = TextPredictor(bundle, *bundle.head())
    assert predictor.predict([]) == []
    many = predictor.predict(TEXTS * 50)
    for place, text in enumerate(TEXTS):
        alone = predictor.predict([text])[0].probabilities_K
        for answer in many[place :: len(TEXTS)]:
            np.testing.assert_allclose(answer.probabilities_K, alone, **TOLERANCE)


def test_a_text_that_is_too_long_is_cut_and_says_by_how_much(make_pair):
    _, bundle = make_pair("classify", text__max_tokens=10)
    text = "soup and room " * 30
    cut = len(bundle.tokenizer.encode(text)) - 10
    assert TextPredictor(bundle, *bundle.head()).predict([text])[0].cut == cut
