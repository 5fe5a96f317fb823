"""Graphs in int8: near float32, and answers that depend on no neighbour, batch or thread."""

import numpy as np
import pytest

from lstmtext.runtime.engine import Engine
from lstmtext.runtime.export import export_bundle
from lstmtext.runtime.inputs import sentence_inputs, text_inputs
from lstmtext.runtime.predictors import LanguagePredictor
from lstmtext.text.examples import collate_sentences, collate_texts, sentence_examples, text_examples

TEXTS = ["", "Anna", "The soup was good.", "The room, in Oslo, was é \U0001f600 bad and " * 6, "x " * 40]
ENCODERS = {
    "one layer": {},
    "two layers": {"encoder__layers": 2},
    "forward only": {"encoder__directions": "forward"},
}
ODD = {"encoder__hidden_size": 37, "encoder__embedding_size": 19}


def inputs_of(task, bundle, texts):
    settings = bundle.info.settings
    if task == "classify":
        return text_inputs(collate_texts(text_examples(bundle.tokenizer, texts, settings), settings))
    sentences = sentence_examples(bundle.tokenizer, [text.split() for text in texts])
    return sentence_inputs(collate_sentences(sentences, settings))


@pytest.mark.parametrize("task", ["classify", "tag"])
@pytest.mark.parametrize("settings", [*ENCODERS.values(), ODD], ids=[*ENCODERS, "odd sizes"])
def test_a_text_is_read_alike_alone_beside_others_and_with_more_threads(make_pair, task, settings):
    _, bundle = make_pair(task, "int8", **settings)
    whole = [Engine(bundle.folder / "runtime.onnx").run(inputs_of(task, bundle, TEXTS))[0] for n in (1, 2)]
    np.testing.assert_array_equal(whole[0], whole[1])
    engine = Engine(bundle.folder / "runtime.onnx")
    for place, text in enumerate(TEXTS):
        alone = engine.run(inputs_of(task, bundle, [text]))[0][0]
        beside = whole[0][place]
        if task == "tag":
            count = len(text.split())
            alone, beside = alone[:count], beside[:count]
        np.testing.assert_allclose(alone, beside, atol=2e-6, rtol=0)  # float32 sums of the head; states are equal


@pytest.mark.parametrize("task", ["classify", "tag", "generate"])
@pytest.mark.parametrize("settings", ENCODERS.values(), ids=ENCODERS)
def test_the_states_are_near_those_of_float32(make_pair, task, settings):
    _, bundle = make_pair(task, "float32", **settings)
    engines = [Engine(bundle.folder / "runtime.onnx")]
    export_bundle(bundle, "int8")
    engines.append(Engine(bundle.folder / "runtime.onnx"))
    if task == "generate":
        layers, hidden = bundle.info.settings.encoder.layers, bundle.info.settings.encoder.hidden_size
        state = np.random.default_rng(0).uniform(-0.9, 0.9, (2, layers, 3, hidden)).astype(np.float32)
        ids = np.random.default_rng(1).integers(2, bundle.tokenizer.size, (3, 20))
        inputs = {"ids": ids, "hidden": state[0], "cell": state[1]}
    else:
        inputs = inputs_of(task, bundle, TEXTS)
    exact, near = (engine.run(inputs) for engine in engines)
    for one, other in zip(exact, near, strict=True):
        assert one.shape == other.shape
        assert 0 < np.abs(one - other).max() < 0.15 * np.abs(one).max()


def test_a_stream_in_windows_is_that_of_one_pass(make_pair):
    _, bundle = make_pair("generate", "int8", encoder__layers=2)
    predictor = LanguagePredictor(bundle, *bundle.head())
    ids = np.random.default_rng(2).integers(2, bundle.tokenizer.size, 50).tolist()
    _, whole_V = predictor.start(ids)
    state, _ = predictor.start(ids[:1])
    for token in ids[1:]:
        state, steps_V = predictor.step(state, token)
    np.testing.assert_allclose(steps_V, whole_V, atol=1e-5)


def test_a_bundle_exported_back_gives_the_answers_it_gave(make_pair):
    _, bundle = make_pair("classify", "float32")
    before = (bundle.folder / "runtime.onnx").read_bytes()
    export_bundle(bundle, "int8")
    assert (bundle.folder / "runtime.onnx").read_bytes() != before
    export_bundle(bundle, "float32")
    assert (bundle.folder / "runtime.onnx").read_bytes() == before
