"""The runtime says what torch says, within 1e-4, and padding is invisible to it."""

import tracemalloc

import numpy as np
import pytest

from lstmtext.bundle import load_bundle
from lstmtext.decoding.sampling import softmax
from lstmtext.decoding.viterbi import Transitions, best_paths
from lstmtext.runtime import predictors
from lstmtext.runtime.engine import Chain
from lstmtext.runtime.inputs import GROUP, sentence_inputs, text_inputs
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
    "single-word bypass": {"classify__bypass_ngrams": 1},
}
TAGGERS = ENCODERS | {"bypass off": {"tag__bypass": False}}


@pytest.mark.parametrize("settings", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_the_classifier_gives_torchs_probabilities(make_pair, settings):
    model, bundle = make_pair("classify", **settings)
    chosen = bundle.head()[1].settings
    logits_BK, _ = model.predict(collate_texts(text_examples(bundle.tokenizer, TEXTS, chosen), model.head.keys))
    answers = TextPredictor(bundle, *bundle.head()).predict(TEXTS)
    np.testing.assert_allclose([answer.probabilities_K for answer in answers], softmax(logits_BK), **TOLERANCE)


@pytest.mark.parametrize("settings", TAGGERS.values(), ids=TAGGERS)
def test_the_tagger_gives_torchs_emissions_and_the_best_path_over_them(make_pair, settings):
    model, bundle = make_pair("tag", **settings)
    batch = collate_sentences(sentence_examples(bundle.tokenizer, SENTENCES), bundle.head()[1].settings)
    wanted_BWK, _ = model.predict(batch)
    given_BWK = Chain.of(bundle, "own").run(sentence_inputs(batch))[0]
    for wanted_WK, given_WK, words in zip(wanted_BWK, given_BWK, batch.words_B, strict=True):
        np.testing.assert_allclose(given_WK[:words], wanted_WK[:words], **TOLERANCE)
    crf = model.head.crf
    scores = (crf.transitions_KK, crf.starts_K, crf.ends_K)
    name, info = bundle.head()
    transitions = Transitions(*(each.detach().numpy() for each in scores)).restricted(info.labels)
    paths = [[info.labels[tag] for tag in path] for path in best_paths(wanted_BWK, batch.words_B, transitions)]
    assert SentencePredictor(bundle, (name, info)).predict(SENTENCES) == ([paths], 0)


def test_the_many_ngrams_of_one_text_do_not_widen_the_arrays_of_the_others(make_pair):
    _, bundle = make_pair("classify", text__max_tokens=8)
    predictor = TextPredictor(bundle, *bundle.head())
    long = " ".join(map(str, range(10_000)))
    texts = [long, *["Anna was in Oslo"] * 200]
    ngrams = len(text_examples(bundle.tokenizer, [long], bundle.head()[1].settings)[0].ngrams)
    tracemalloc.start()
    predictor.predict(texts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(texts) * ngrams * np.dtype(np.int64).itemsize / 2


def _wider(inputs):
    """Inputs with another group of padding in every place and word, which changes no bit of an answer."""
    return {
        name: np.pad(array, [(0, 0), (0, GROUP), *[(0, 0)] * (array.ndim - 2)]) if array.ndim > 1 else array
        for name, array in inputs.items()
    }


PRECISIONS = ("float32", "int8")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("settings", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_padding_and_neighbours_change_no_bit_of_a_classifiers_answer(make_pair, settings, precision):
    model, bundle = make_pair("classify", precision, **settings)
    chosen, keys_N = bundle.head()[1].settings, model.head.keys
    engine = Chain.of(bundle, "own")
    examples = text_examples(bundle.tokenizer, TEXTS, chosen)
    whole = text_inputs(collate_texts(examples, keys_N))
    together = engine.run(whole)[0]
    np.testing.assert_array_equal(engine.run(_wider(whole))[0], together)
    for place, example in enumerate(examples):
        for copies in (1, 2, 5):
            beside = engine.run(text_inputs(collate_texts([example] * copies, keys_N)))[0]
            np.testing.assert_array_equal(beside[-1], together[place])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("settings", TAGGERS.values(), ids=TAGGERS)
def test_padding_and_neighbours_change_no_bit_of_a_taggers_answer(make_pair, settings, precision):
    _, bundle = make_pair("tag", precision, **settings)
    chosen = bundle.head()[1].settings
    engine = Chain.of(bundle, "own")
    examples = sentence_examples(bundle.tokenizer, SENTENCES)
    batch = collate_sentences(examples, chosen)
    together = engine.run(sentence_inputs(batch))[0]
    padded = engine.run(_wider(sentence_inputs(batch)))[0]
    for place, (example, words) in enumerate(zip(examples, batch.words_B, strict=True)):
        np.testing.assert_array_equal(padded[place, :words], together[place, :words])
        for copies in (1, 2, 5):
            beside = engine.run(sentence_inputs(collate_sentences([example] * copies, chosen)))[0]
            np.testing.assert_array_equal(beside[-1, :words], together[place, :words])


def test_any_number_of_texts_is_answered_in_order(make_pair):
    _, bundle = make_pair("classify")
    predictor = TextPredictor(bundle, *bundle.head())
    assert predictor.predict([]) == []
    many = predictor.predict(TEXTS * 50)
    for place, text in enumerate(TEXTS):
        alone = predictor.predict([text])[0].probabilities_K
        for answer in many[place :: len(TEXTS)]:
            np.testing.assert_array_equal(answer.probabilities_K, alone)


def test_a_long_sentence_is_read_in_windows_that_overlap(tag_bundle, monkeypatch):
    bundle = load_bundle(tag_bundle)
    predictor = SentencePredictor(bundle, bundle.head())
    words = ["Anna", "Berg", "lives", "in", "Oslo", "."]
    ((usual,),), _ = predictor.predict([words * 3])
    monkeypatch.setattr(predictors, "LONGEST_SENTENCE", 25)
    monkeypatch.setattr(predictors, "MARGIN", 6)
    ((long, short, none),), _ = predictor.predict([words * 20, words * 3, []])
    monkeypatch.setattr(predictors, "WINDOWS", 2)
    assert predictor.predict([words * 20, words * 3, []]) == ([[long, short, none]], 0)
    assert (short, none) == (usual, [])
    assert long[6:-6] == usual[6:12] * 18


def test_spans_stay_whole_where_windows_meet(tag_bundle, monkeypatch):
    bundle = load_bundle(tag_bundle)
    predictor = SentencePredictor(bundle, bundle.head())
    monkeypatch.setattr(predictors, "LONGEST_SENTENCE", 4)
    monkeypatch.setattr(predictors, "MARGIN", 0)
    monkeypatch.setattr(predictor, "_tags", lambda examples: [[["O"] * 4, ["I-PER"] * 4]])
    assert predictor.predict([["x"] * 8]) == ([[["O"] * 4 + ["B-PER"] + ["I-PER"] * 3]], 0)


def test_words_without_their_middle_are_counted_once_whatever_windows_read_them(tag_bundle, monkeypatch):
    bundle = load_bundle(tag_bundle)
    predictor = SentencePredictor(bundle, bundle.head())
    words = ["Anna", "qx7" * 60, "lives"] * 20
    assert predictor.predict([words, ["Oslo"], ["vw3" * 80]]).cut == 21
    monkeypatch.setattr(predictors, "LONGEST_SENTENCE", 25)
    monkeypatch.setattr(predictors, "MARGIN", 6)
    assert predictor.predict([words, ["Oslo"], ["vw3" * 80]]).cut == 21


def test_a_text_that_is_too_long_is_cut_and_says_by_how_much(make_pair):
    _, bundle = make_pair("classify", text__max_tokens=10)
    text = "soup and room " * 30
    cut = len(bundle.tokenizer.encode(text)) - 10
    assert TextPredictor(bundle, *bundle.head()).predict([text])[0].cut == cut
