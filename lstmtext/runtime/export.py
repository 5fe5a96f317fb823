"""From the arrays of a model to the ONNX graph that inference runs.

The graph is written operator by operator with ONNX's own LSTM, whose `sequence_lens` and direction
`reverse` take care of padding and reversal. (torch's exporter was tried; CONTRIBUTING.md says why not.)
Letters: B batch, T tokens, W words, F features, H hidden, K labels or tags, V vocabulary, L layers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from onnx import TensorProto

from lstmtext.bundle import Bundle, save_bundle
from lstmtext.config import Settings, TaskName
from lstmtext.runtime.graph import Graph
from lstmtext.runtime.layers import Arrays, Layers, Precision
from lstmtext.text.arrays import Floats
from lstmtext.text.batching import MASKED
from lstmtext.text.lexical import SHORTEST


@dataclass(frozen=True)
class _Read:
    """Graph values of an encoding, batch first."""

    forward_BTH: str
    backward_BTH: str | None
    last_BH: str
    """Where each direction has read everything."""
    lengths_B: str


def export_graph(
    task: TaskName, settings: Settings, encoder: Arrays, head: Arrays, *, precision: Precision = "float32"
) -> bytes:
    """The graph of an encoder and one head, as the bytes of an ONNX file, with layers and tables in a precision."""
    graph = Graph()
    _EXPORTERS[task](graph, Layers(graph, precision), settings, encoder, head)
    return graph.build()


def export_bundle(bundle: Bundle, precision: Precision) -> None:
    """Replace the graph of a bundle by one of the given precision."""
    name, head = bundle.head()
    weights = (bundle.arrays("encoder."), bundle.arrays(f"heads.{name}."))
    graph = export_graph(head.task, bundle.info.settings, *weights, precision=precision)
    info = replace(bundle.info, runtime={**bundle.info.runtime, "precision": precision})
    save_bundle(bundle.folder, info, bundle.tokenizer, bundle.arrays(), graph)


def _classifier(graph: Graph, layers: Layers, settings: Settings, encoder: Arrays, head: Arrays) -> None:
    read = _encoder(graph, layers, settings, encoder)
    states_BTH = _joined(graph, read)
    real_BT1 = _real_places(graph, states_BTH, read.lengths_B)
    parts = [_POOLINGS[name](graph, read, states_BTH, real_BT1, head) for name in settings.classify.pooling]
    pooled = graph.add("Concat", *parts, axis=1)
    factor = head["factors"][0]
    logits_BK = _linear(graph, pooled, head["output.weight"] * factor, head["output.bias"] * factor)
    if settings.classify.bypass:
        logits_BK = graph.add("Add", logits_BK, _ngram_bypass(graph, layers, head))
    graph.output(logits_BK, "logits", ["B", "K"])


def _tagger(graph: Graph, layers: Layers, settings: Settings, encoder: Arrays, head: Arrays) -> None:
    read = _encoder(graph, layers, settings, encoder)
    last_BW = graph.input("last", ["B", "W"], TensorProto.INT64)
    parts = [_take(graph, read.forward_BTH, last_BW)]
    if read.backward_BTH is not None:
        parts.append(_take(graph, read.backward_BTH, graph.input("first", ["B", "W"], TensorProto.INT64)))
    states_BWH = graph.add("Concat", *parts, axis=2)
    emissions_BWK = _linear(graph, states_BWH, head["output.weight"], head["output.bias"] + head["shift_K"])
    if settings.tag.bypass:
        features_BWF = graph.input("features", ["B", "W", "F"], TensorProto.INT64)
        table = head["bypass.table_NK"].copy()
        table[0] = 0.0  # padding
        rows_BWFK = layers.lookup(table, features_BWF)
        lexical_BWK = graph.add("ReduceSum", rows_BWFK, graph.constant([2]), keepdims=0)
        emissions_BWK = graph.add("Add", emissions_BWK, lexical_BWK)
    graph.output(emissions_BWK, "emissions", ["B", "W", "K"])


def _language_model(graph: Graph, layers: Layers, settings: Settings, encoder: Arrays, head: Arrays) -> None:
    L, H = settings.encoder.layers, settings.encoder.hidden_size
    layer_TBD = layers.embed(encoder["embedding_VD"])
    starts = [graph.input(name, [L, "B", H]) for name in ("hidden", "cell")]
    after: tuple[list[str], list[str]] = ([], [])
    for layer in range(L):
        state = tuple(
            graph.add("Slice", start, *(graph.constant([at]) for at in (layer, layer + 1, 0))) for start in starts
        )
        weights = _weights(encoder, "forward_stack", layer)
        layer_TBD, *last = layers.lstm(layer_TBD, weights, reverse=False, lengths="", state=state)
        for collected, value in zip(after, last, strict=True):
            collected.append(layers.plain(value, H))
    states_BTH = graph.add("Transpose", layers.plain(layer_TBD, H), perm=[1, 0, 2])
    projected = _linear(graph, states_BTH, head["project.weight"], head["project.bias"])
    logits_BTV = _linear(graph, projected, encoder["embedding_VD"], head["bias_V"])
    graph.output(logits_BTV, "logits", ["B", "T", "V"])
    for collected, name in zip(after, ("hidden_after", "cell_after"), strict=True):
        graph.output(graph.add("Concat", *collected, axis=0), name, [L, "B", H])


_EXPORTERS: dict[TaskName, Callable[[Graph, Layers, Settings, Arrays, Arrays], None]] = {
    "classify": _classifier,
    "tag": _tagger,
    "generate": _language_model,
}


def _encoder(graph: Graph, layers: Layers, settings: Settings, arrays: Arrays) -> _Read:
    embedded_TBD = layers.embed(arrays["embedding_VD"])
    lengths_B = graph.input("lengths", ["B"], TensorProto.INT32)
    size = settings.encoder.hidden_size
    stacks = ["forward_stack"] + (["backward_stack"] if settings.encoder.directions == "both" else [])
    states, lasts = [], []
    for stack in stacks:
        layer_TBD = embedded_TBD
        for layer in range(settings.encoder.layers):
            weights, reverse = _weights(arrays, stack, layer), stack == "backward_stack"
            layer_TBD, last_1BH, _ = layers.lstm(layer_TBD, weights, reverse=reverse, lengths=lengths_B, state=())
        states.append(graph.add("Transpose", layers.plain(layer_TBD, size), perm=[1, 0, 2]))
        lasts.append(graph.add("Squeeze", layers.plain(last_1BH, size), graph.constant([0])))
    return _Read(states[0], states[1] if len(states) > 1 else None, graph.add("Concat", *lasts, axis=1), lengths_B)


def _weights(arrays: Arrays, stack: str, layer: int) -> list[Floats]:
    return [arrays[f"{stack}.{kind}.{layer}"] for kind in ("inputs", "recurrents", "biases")]


def _linear(graph: Graph, value: str, weight: Floats, bias: Floats) -> str:
    return graph.add("Add", graph.add("MatMul", value, graph.constant(weight.T)), graph.constant(bias))


def _take(graph: Graph, states_BTH: str, places_BW: str) -> str:
    places_BW1 = graph.add("Unsqueeze", places_BW, graph.constant([2]))
    return graph.add("GatherND", states_BTH, places_BW1, batch_dims=1)


def _joined(graph: Graph, read: _Read) -> str:
    parts = [read.forward_BTH] + ([] if read.backward_BTH is None else [read.backward_BTH])
    return graph.add("Concat", *parts, axis=2)


def _real_places(graph: Graph, states_BTH: str, lengths_B: str) -> str:
    width = graph.add("Squeeze", graph.add("Shape", states_BTH, start=1, end=2))
    zero, one = (graph.constant(np.array(number)) for number in (0, 1))
    places_T = graph.add("Range", zero, width, one)
    lengths_B1 = graph.add("Unsqueeze", graph.add("Cast", lengths_B, to=TensorProto.INT64), graph.constant([1]))
    return graph.add("Unsqueeze", graph.add("Less", places_T, lengths_B1), graph.constant([2]))


def _attention(graph: Graph, read: _Read, states_BTH: str, real_BT1: str, head: Arrays) -> str:
    scores_BT1 = graph.add("MatMul", states_BTH, graph.constant(head["pooling.query_H"][:, None]))
    masked_BT1 = graph.add("Where", real_BT1, scores_BT1, graph.constant(np.array(MASKED, dtype=np.float32)))
    return _weighted_sum(graph, graph.add("Softmax", masked_BT1, axis=1), states_BTH)


def _max(graph: Graph, read: _Read, states_BTH: str, real_BT1: str, head: Arrays) -> str:
    masked_BTH = graph.add("Where", real_BT1, states_BTH, graph.constant(np.array(MASKED, dtype=np.float32)))
    return graph.add("ReduceMax", masked_BTH, axes=[1], keepdims=0)


def _mean(graph: Graph, read: _Read, states_BTH: str, real_BT1: str, head: Arrays) -> str:
    lengths_B1 = graph.add("Unsqueeze", graph.add("Cast", read.lengths_B, to=TensorProto.FLOAT), graph.constant([1]))
    summed_BH = _weighted_sum(graph, graph.add("Cast", real_BT1, to=TensorProto.FLOAT), states_BTH)
    return graph.add("Div", summed_BH, lengths_B1)


def _last(graph: Graph, read: _Read, states_BTH: str, real_BT1: str, head: Arrays) -> str:
    return read.last_BH


_POOLINGS = {"attention": _attention, "max": _max, "mean": _mean, "last": _last}


def _ngram_bypass(graph: Graph, layers: Layers, head: Arrays) -> str:
    ngrams_BF = graph.input("ngrams", ["B", "F"], TensorProto.INT64)
    table_NK, weights_N1 = head["bypass.table_NK"] * head["factors"][1], head["bypass.idf_N"][:, None]
    found = layers.lookup(np.concatenate([table_NK, weights_N1], axis=1), ngrams_BF)
    ends = ([0], [len(head["bypass.bias_K"])], [len(head["bypass.bias_K"]) + 1])
    weights_BF1 = graph.add("Slice", found, *map(graph.constant, (*ends[1:], [2])))
    summed = _weighted_sum(graph, weights_BF1, found)  # of the rows, and of the squared weights
    summed_BK, squares_B1 = (graph.add("Slice", summed, *map(graph.constant, (*pair, [1]))) for pair in pairwise(ends))
    lengths_B1 = graph.add("Sqrt", squares_B1)
    safe_B1 = graph.add("Max", lengths_B1, graph.constant(np.array(SHORTEST, dtype=np.float32)))
    bias_K = graph.constant(head["bypass.bias_K"] * head["factors"][1])
    return graph.add("Add", graph.add("Div", summed_BK, safe_B1), bias_K)


def _weighted_sum(graph: Graph, weights_BT1: str, values_BTH: str) -> str:
    """Sum over places, [B, H]. A product, not a reduction, whose order of sums depends on the other rows of a batch."""
    product_B1H = graph.add("MatMul", graph.add("Transpose", weights_BT1, perm=[0, 2, 1]), values_BTH)
    return graph.add("Squeeze", product_B1H, graph.constant([1]))
