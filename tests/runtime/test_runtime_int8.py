"""Graphs in int8: near float32, and answers that depend on no neighbour, batch or thread."""

import numpy as np
import pytest
from onnx import TensorProto

from lstmtext.bundle import load_bundle
from lstmtext.runtime.engine import Chain, Engine
from lstmtext.runtime.export import export_bundle
from lstmtext.runtime.graph import Graph
from lstmtext.runtime.inputs import sentence_inputs, text_inputs
from lstmtext.runtime.layers import Layers
from lstmtext.runtime.predictors import LanguagePredictor
from lstmtext.text.examples import collate_sentences, collate_texts, sentence_examples, text_examples
from lstmtext.text.lexical import keys_in

TEXTS = ["", "Anna", "The soup was good.", "The room, in Oslo, was é \U0001f600 bad and " * 6, "x " * 40]
ENCODERS = {
    "one layer": {},
    "two layers": {"encoder__layers": 2},
    "forward only": {"encoder__directions": "forward"},
}
ODD = {"encoder__hidden_size": 37, "encoder__embedding_size": 19}


def inputs_of(task, bundle, texts):
    settings = bundle.head()[1].settings
    if task == "classify":
        keys_N = keys_in(bundle.head_arrays("own"))
        return text_inputs(collate_texts(text_examples(bundle.tokenizer, texts, settings), keys_N))
    sentences = sentence_examples(bundle.tokenizer, [text.split() for text in texts])
    return sentence_inputs(collate_sentences(sentences, settings))


@pytest.mark.parametrize("task", ["classify", "tag"])
def test_odd_sizes_are_read_alike_alone_and_beside_others(make_pair, task):
    _, bundle = make_pair(task, "int8", **ODD)
    engine = Chain.of(bundle, "own")
    together = engine.run(inputs_of(task, bundle, TEXTS))[0]
    for place, text in enumerate(TEXTS):
        alone = engine.run(inputs_of(task, bundle, [text]))[0][0]
        beside = together[place]
        if task == "tag":
            count = len(text.split())
            alone, beside = alone[:count], beside[:count]
        np.testing.assert_array_equal(alone, beside)


@pytest.mark.parametrize(("precision", "exact"), [("float32", 0.0), ("int8", 1e-3)])
@pytest.mark.parametrize("filled", [0.1, 1.0])
def test_a_table_gives_its_rows_and_stores_no_zeros(precision, exact, filled):
    rng = np.random.default_rng(0)
    table_NK = (rng.normal(size=(1000, 5)) * (rng.random((1000, 1)) < filled)).astype(np.float32)
    graph = Graph()
    found = Layers(graph, precision).lookup(table_NK, graph.input("places", ["B", "W"], TensorProto.INT64))
    graph.output(found, "rows", ["B", "W", 5])
    content = graph.build()
    places = rng.integers(0, 1000, (3, 400))
    np.testing.assert_allclose(Engine(content).run({"places": places})[0], table_NK[places], rtol=exact, atol=0)
    size = 4 if precision == "float32" else 2
    assert len(content) < filled * 1.2 * table_NK.size * size + (filled < 1) * 4 * len(table_NK) + 1000


def overshooting() -> np.float32:
    """A number that is read as a larger one from its level and its scale."""
    numbers = np.arange(10, 20, 1e-3, dtype=np.float32)
    return numbers[numbers / np.float32(127) * np.float32(127) > numbers][0]


def test_an_embedding_that_scores_tokens_too_is_there_once():
    rng = np.random.default_rng(0)
    table_VD = (rng.normal(size=(500, 16)) * np.geomspace(1e-3, 1, 500)[:, None]).astype(np.float32)
    table_VD[7, 3] = overshooting()
    graph = Graph()
    layers = Layers(graph, "int8")
    graph.output(layers.embed(table_VD), "embedded", ["T", "B", 18])
    graph.output(layers.scores(graph.input("values", ["B", "T", 16]), table_VD), "scores", ["B", "T", 500])
    content = graph.build()
    assert len(content) < table_VD.size + 4 * len(table_VD) + 2000
    ids_BT, values_BTD = rng.integers(0, 500, (2, 300)), rng.normal(size=(2, 300, 16)).astype(np.float32)
    embedded_TBD, scores_BTV = Engine(content).run({"ids": ids_BT, "values": values_BTD})
    near_TBD = table_VD[ids_BT.T]
    widest_TB1 = np.abs(near_TBD).max(2, keepdims=True)
    assert (np.abs(embedded_TBD[..., :16] - near_TBD) <= widest_TB1 / 253).all()
    most = np.abs(Engine(content).run({"ids": np.array([[7]]), "values": values_BTD})[0][..., :16]).max()
    assert most > np.abs(table_VD).max()
    assert (embedded_TBD[..., 16:] == np.array([1, -1]) * most).all()  # none is read that lies beyond
    widest_V, lengths_BT1 = np.abs(table_VD).max(1), np.abs(values_BTD).sum(2, keepdims=True)
    assert (np.abs(scores_BTV - values_BTD @ table_VD.T) <= lengths_BT1 * widest_V / 250).all()


@pytest.mark.parametrize("task", ["classify", "tag", "generate"])
@pytest.mark.parametrize("settings", ENCODERS.values(), ids=ENCODERS)
def test_the_states_are_near_those_of_float32(make_pair, task, settings):
    _, bundle = make_pair(task, "float32", **settings)
    engines = [Chain.of(bundle, "own")]
    export_bundle(bundle, "int8")
    engines.append(Chain.of(bundle, "own"))
    if task == "generate":
        layers, hidden = bundle.head()[1].settings.encoder.layers, bundle.head()[1].settings.encoder.hidden_size
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
    before = [bundle.part(name).graph for name in (None, "own")]
    export_bundle(bundle, "int8")
    changed = [load_bundle(bundle.folder).part(name).graph for name in (None, "own")]
    assert all(new != old for new, old in zip(changed, before, strict=True))
    export_bundle(bundle, "float32")
    assert [load_bundle(bundle.folder).part(name).graph for name in (None, "own")] == before
