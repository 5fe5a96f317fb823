"""Which graph a training ends with: int8 where the validation data agree."""

from dataclasses import replace
from pathlib import Path

import pytest

from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.nn.model import Model, model_arrays
from lstmtext.resolve import resolve_settings
from lstmtext.runtime.engine import Chain
from lstmtext.runtime.export import Graphs
from lstmtext.sizes import fit_training
from lstmtext.train.quantize import choose_graphs, graph_scores
from lstmtext.train.validate import validate
from tests.conftest import entities_conll, prose_txt, reviews_csv

FILES = {"classify": ("a.csv", reviews_csv()), "tag": ("a.conll", entities_conll()), "generate": ("a.txt", prose_txt())}
SMALL = ["text.vocabulary_size=300", "encoder.hidden_size=16", "encoder.embedding_size=8", "generate.window=16"]
SCORE = {"classify": "accuracy", "tag": "span_f1", "generate": "nats_per_character"}


def trained(folder: Path, task: str):
    """An untrained model of some data, its arrays by part, and its scores in float32."""
    name, content = FILES[task]
    (folder / name).write_text(content)
    plan, _ = make_plan(DataRequest([str(folder / name)], [str(folder / name)]))
    data = prepare(plan, resolve_settings(task, assignments=SMALL), folder)
    settings = fit_training(data.settings, task, data.facts.train_tokens, data.facts.words)
    model = Model(task, settings, vocabulary_size=data.tokenizer.size, labels=len(data.labels))
    scores = validate(model, data, settings, "float32")
    arrays = model_arrays(model)
    encoder, head = (
        {name.removeprefix(part): array for name, array in arrays.items() if name.startswith(part)}
        for part in ("encoder.", "head.")
    )
    return data, settings, encoder, head, scores


def quantised(graphs: Graphs) -> bool:
    return b"DynamicQuantizeLSTM" in (graphs.encoder or graphs.head)


def with_precision(settings, precision: str):
    return replace(settings, export=replace(settings.export, precision=precision))


@pytest.mark.parametrize("task", FILES)
def test_int8_is_taken_where_it_costs_nothing_and_is_measured(tmp_path: Path, task: str):
    data, settings, encoder, head, scores = trained(tmp_path, task)
    small, said = choose_graphs(data, with_precision(settings, "int8"), encoder, head, scores)
    name = SCORE[task]
    assert said["precision"] == "int8"
    assert said[f"{name} in int8"] == pytest.approx(said[f"{name} in float32"], abs=0.05, rel=0.05)
    large, said = choose_graphs(data, with_precision(settings, "float32"), encoder, head, scores)
    assert said == {"precision": "float32"}
    assert quantised(small)
    assert not quantised(large)


@pytest.mark.parametrize(("falls", "precision"), [(0.0019, "int8"), (0.0021, "float32"), (-0.1, "int8")])
@pytest.mark.parametrize("task", FILES)
def test_int8_may_cost_a_fifth_of_a_point_and_no_more(tmp_path: Path, task: str, falls: float, precision: str):
    """Of nats, a five hundredth."""
    data, settings, encoder, head, scores = trained(tmp_path, task)
    small, _ = choose_graphs(data, with_precision(settings, "int8"), encoder, head, scores)
    own = graph_scores(Chain(small.encoder, small.head), data, settings, head)[SCORE[task]]
    full = own / (1 + falls) if task == "generate" else own + falls
    auto, said = choose_graphs(data, settings, encoder, head, {**scores, SCORE[task]: full})
    assert said == {"precision": precision, f"{SCORE[task]} in float32": full, f"{SCORE[task]} in int8": own}
    assert quantised(auto) == (precision == "int8")
