"""From the arrays of a model to the ONNX graphs that inference runs: one of the encoder, one of each head.

A graph is written operator by operator with ONNX's own LSTM, whose `sequence_lens` and direction
`reverse` take care of padding and reversal. (torch's exporter was tried; CONTRIBUTING.md says why not.)
Letters: B batch, T tokens, W words, F features, H hidden, K labels or tags, V vocabulary, L layers.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from onnx import TensorProto

from lstmtext.bundle import Bundle, Part, save_bundle
from lstmtext.config import EncoderSettings, Settings, TaskName
from lstmtext.description import HeadInfo
from lstmtext.runtime.graph import Graph
from lstmtext.runtime.layers import Arrays, Layers, Precision
from lstmtext.tasks import TASKS
from lstmtext.text.arrays import Floats
from lstmtext.text.batching import MASKED
from lstmtext.text.lexical import KEYS, SHORTEST
from lstmtext.weights import filled_rows, pruned

UNMEASURED = "cost of int8"
"""Stands where a graph was made in int8 after a training that ended in float32."""


@dataclass(frozen=True)
class Graphs:
    """What runs a head, as the bytes of ONNX files."""

    encoder: bytes | None
    """None for a head that has inside what it needs of the encoder."""
    head: bytes


def export_graphs(
    task: TaskName, settings: Settings, encoder: Arrays, head: Arrays, *, precision: Precision = "float32"
) -> Graphs:
    """The graphs of an encoder and one head, with layers and tables in a precision."""
    read = export_encoder(settings.encoder, encoder, precision=precision) if TASKS[task].reads_encoder else None
    return Graphs(read, export_head(task, settings, encoder, head, precision=precision))


def export_encoder(settings: EncoderSettings, encoder: Arrays, *, precision: Precision = "float32") -> bytes:
    """The graph from token ids [B, T] to the states of each direction [B, T, H], and to where they end, [B, 2H]."""
    graph = Graph()
    layers = Layers(graph, precision)
    embedded_TBD = layers.embed(encoder["embedding_VD"])
    lengths_B = graph.input("lengths", ["B"], TensorProto.INT32)
    H, ends = settings.hidden_size, []
    for direction in _directions(settings):
        layer_TBD = embedded_TBD
        for layer in range(settings.layers):
            weights, reverse = _weights(encoder, f"{direction}_stack", layer), direction == "backward"
            layer_TBD, last_1BH, _ = layers.lstm(layer_TBD, weights, reverse=reverse, lengths=lengths_B, state=())
        states_BTH = graph.add("Transpose", layers.plain(layer_TBD, H), perm=[1, 0, 2])
        graph.output(states_BTH, direction, ["B", "T", H])
        ends.append(graph.add("Squeeze", layers.plain(last_1BH, H), graph.constant([0])))
    graph.output(graph.add("Concat", *ends, axis=1), "ends", ["B", H * len(ends)])
    return graph.build()


def export_head(
    task: TaskName, settings: Settings, encoder: Arrays, head: Arrays, *, precision: Precision = "float32"
) -> bytes:
    """The graph of a head, which reads what `export_encoder` gives; a language model's has the forward stack inside."""
    graph = Graph()
    _EXPORTERS[task](graph, Layers(graph, precision), settings, encoder, head)
    return graph.build()


def export_bundle(
    bundle: Bundle, precision: Precision | None, *, rows: Mapping[str, int] | None = None, dropped: Collection[str] = ()
) -> list[str]:
    """Replace all graphs of a bundle by such of the given precision; what became of the heads that `rows` names.

    Without a precision, each has that which it had. Of their tables of n-grams or features, so many rows are kept, in
    weights and graph. Of a head that is dropped, nothing is. The card keeps what people wrote into it.
    """
    left = {name: own for name, own in bundle.info.heads.items() if name not in dropped}
    info, encoder, said = replace(bundle.info, heads=left), bundle.encoder_arrays(), []
    made = precision or precision_of(info.runtime)
    read = export_encoder(info.encoder, encoder, precision=made) if info.encoder_is_read else None
    runtime = {**info.runtime, "precision": made} if read is not None else {}
    heads, described = {}, {}
    for name, own in left.items():
        arrays, part = bundle.head_arrays(name), bundle.part(name)
        made = precision or precision_of(own.runtime)
        described[name] = replace(own, runtime=_told(own.runtime, made))
        if rows and name in rows:
            fewer, before = pruned(arrays, rows[name]), filled_rows(arrays)
            said.append(f"{filled_rows(fewer):,} of {before:,} rows of {name} kept")
            if filled_rows(fewer) < before:
                arrays = fewer
                part = Part.of(arrays, None, own.settings.export.weights)
                described[name] = _after_pruning(described[name], before, arrays)
        graph = export_head(own.task, described[name].settings, encoder, arrays, precision=made)
        heads[name] = replace(part, graph=graph)
    info = replace(info, heads=described, runtime=runtime)
    save_bundle(bundle.folder, info, bundle.tokenizer, replace(bundle.part(), graph=read), heads, bundle.card())
    return said


def precision_of(runtime: Mapping[str, object]) -> Precision:
    """The precision of a graph, from what a bundle says of it."""
    return "int8" if runtime.get("precision") == "int8" else "float32"


def _told(runtime: Mapping[str, object], precision: Precision) -> dict[str, object]:
    """What a bundle says of a graph that was made anew, with what int8 was measured to cost as the training ended."""
    said = {name: own for name, own in runtime.items() if name != UNMEASURED}
    unknown = {UNMEASURED: "not measured"}
    return {**said, "precision": precision} | (unknown if precision == "int8" and said.keys() <= {"precision"} else {})


def _with_table(settings: Settings, arrays: Arrays) -> Settings:
    """Settings of a classifier with as many rows as its table has now; a tagger's keeps its length."""
    keys = arrays.get(KEYS)
    return settings if keys is None else replace(settings, classify=replace(settings.classify, bypass_rows=len(keys)))


def _after_pruning(own: HeadInfo, before: int, arrays: Arrays) -> HeadInfo:
    """The description of a head that has fewer rows, where it says that all was measured with all of them."""
    after = filled_rows(arrays)
    change = f"{after:,} of {before:,} rows of its table kept after training; the scores are those of all"
    fewer = own.parameters - (before - after) * max(1, len(own.labels))
    settings = _with_table(own.settings, arrays)
    return replace(own, settings=settings, parameters=fewer, changes=[*own.changes, change])


class _Read:
    """The values that a head reads of an encoder, batch first, each declared when it is first asked for."""

    def __init__(self, graph: Graph, settings: EncoderSettings) -> None:
        self._graph = graph
        self._size, self._directions = settings.hidden_size, _directions(settings)

    @cached_property
    def states(self) -> list[str]:
        """States of each direction, [B, T, H]."""
        return [self._graph.input(name, ["B", "T", self._size]) for name in self._directions]

    @cached_property
    def joined(self) -> str:
        """Those of both, side by side, [B, T, 2H]."""
        return self._graph.add("Concat", *self.states, axis=2)

    @cached_property
    def ends(self) -> str:
        """States where each direction has read everything, [B, 2H]."""
        return self._graph.input("ends", ["B", self._size * len(self._directions)])

    @cached_property
    def lengths(self) -> str:
        """Tokens of each text, [B]."""
        return self._graph.input("lengths", ["B"], TensorProto.INT32)

    @cached_property
    def real(self) -> str:
        """Whether a place holds a token and no padding, [B, T, 1]."""
        graph = self._graph
        width = graph.add("Squeeze", graph.add("Shape", self.states[0], start=1, end=2))
        zero, one = (graph.constant(np.array(number)) for number in (0, 1))
        places_T = graph.add("Range", zero, width, one)
        lengths_B1 = graph.add("Unsqueeze", graph.add("Cast", self.lengths, to=TensorProto.INT64), graph.constant([1]))
        return graph.add("Unsqueeze", graph.add("Less", places_T, lengths_B1), graph.constant([2]))


def _classifier(graph: Graph, layers: Layers, settings: Settings, encoder: Arrays, head: Arrays) -> None:
    read = _Read(graph, settings.encoder)
    parts = [_POOLINGS[name](graph, read, head) for name in settings.classify.pooling]
    pooled = graph.add("Concat", *parts, axis=1)
    factor = head["factors"][0]
    logits_BK = _linear(graph, pooled, head["output.weight"] * factor, head["output.bias"] * factor)
    if settings.classify.bypass:
        logits_BK = graph.add("Add", logits_BK, _ngram_bypass(graph, layers, head))
    graph.output(logits_BK, "logits", ["B", "K"])


def _tagger(graph: Graph, layers: Layers, settings: Settings, encoder: Arrays, head: Arrays) -> None:
    read = _Read(graph, settings.encoder)
    # A word is read where each direction has just seen all of it: at its last token, and at its first.
    parts = [
        _take(graph, states_BTH, graph.input(places, ["B", "W"], TensorProto.INT64))
        for states_BTH, places in zip(read.states, ("last", "first"), strict=False)
    ]
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
    logits_BTV = graph.add("Add", layers.scores(projected, encoder["embedding_VD"]), graph.constant(head["bias_V"]))
    graph.output(logits_BTV, "logits", ["B", "T", "V"])
    for collected, name in zip(after, ("hidden_after", "cell_after"), strict=True):
        graph.output(graph.add("Concat", *collected, axis=0), name, [L, "B", H])


_EXPORTERS: dict[TaskName, Callable[[Graph, Layers, Settings, Arrays, Arrays], None]] = {
    "classify": _classifier,
    "tag": _tagger,
    "generate": _language_model,
}


def _directions(settings: EncoderSettings) -> list[str]:
    return ["forward", "backward"] if settings.directions == "both" else ["forward"]


def _weights(arrays: Arrays, stack: str, layer: int) -> list[Floats]:
    return [arrays[f"{stack}.{kind}.{layer}"] for kind in ("inputs", "recurrents", "biases")]


def _linear(graph: Graph, value: str, weight: Floats, bias: Floats) -> str:
    return graph.add("Add", graph.add("MatMul", value, graph.constant(weight.T)), graph.constant(bias))


def _take(graph: Graph, states_BTH: str, places_BW: str) -> str:
    places_BW1 = graph.add("Unsqueeze", places_BW, graph.constant([2]))
    return graph.add("GatherND", states_BTH, places_BW1, batch_dims=1)


def _attention(graph: Graph, read: _Read, head: Arrays) -> str:
    scores_BT1 = graph.add("MatMul", read.joined, graph.constant(head["pooling.query_H"][:, None]))
    masked_BT1 = graph.add("Where", read.real, scores_BT1, graph.constant(np.array(MASKED, dtype=np.float32)))
    return _weighted_sum(graph, graph.add("Softmax", masked_BT1, axis=1), read.joined)


def _max(graph: Graph, read: _Read, head: Arrays) -> str:
    masked_BTH = graph.add("Where", read.real, read.joined, graph.constant(np.array(MASKED, dtype=np.float32)))
    return graph.add("ReduceMax", masked_BTH, axes=[1], keepdims=0)


def _mean(graph: Graph, read: _Read, head: Arrays) -> str:
    lengths_B1 = graph.add("Unsqueeze", graph.add("Cast", read.lengths, to=TensorProto.FLOAT), graph.constant([1]))
    summed_BH = _weighted_sum(graph, graph.add("Cast", read.real, to=TensorProto.FLOAT), read.joined)
    return graph.add("Div", summed_BH, lengths_B1)


def _last(graph: Graph, read: _Read, head: Arrays) -> str:
    return read.ends


_POOLINGS = {"attention": _attention, "max": _max, "mean": _mean, "last": _last}


def _ngram_bypass(graph: Graph, layers: Layers, head: Arrays) -> str:
    ngrams_BF = graph.input("ngrams", ["B", "F"], TensorProto.INT64)
    table_NK, weights_N1 = head["bypass.table_NK"] * head["factors"][1], head["bypass.weights_N"][:, None]
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
