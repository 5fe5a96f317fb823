"""Several labels a text: what cells may hold, how they are split and encoded."""

import json
from collections import Counter
from pathlib import Path

import datasets
import numpy as np
import pytest

from lstmtext.data.columns import Columns
from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.data.readers import read_texts
from lstmtext.data.sources import find_source
from lstmtext.data.splits import label_set_strata, stratified_split
from lstmtext.errors import DataError, UsageError
from lstmtext.resolve import resolve_settings
from lstmtext.text.examples import NO_TARGET, collate_texts, multi_hot
from tests.data.files import complaint, written

SMALL = ["text.vocabulary_size=300", "classify.bypass_rows=512"]


def cells(path: Path, *, several: bool = True) -> list[str | None]:
    records = read_texts([find_source(str(path))], Columns(), labelled=True, multi_label=several)
    return [record.label for record in records]


def test_bars_part_labels_and_an_empty_cell_has_none(tmp_path: Path):
    path = written(tmp_path, "a.csv", 'text,label\na,b | a\nb,\nc,a||a|\nd," "\ne,c\n')
    assert cells(path) == ["a|b", "", "a", "", "c"]


def test_with_one_label_a_text_a_bar_is_a_part_of_it(tmp_path: Path):
    assert cells(written(tmp_path, "a.csv", "text,label\na,b | a\n"), several=False) == ["b | a"]


def test_json_holds_lists_texts_or_what_classify_wrote(tmp_path: Path):
    values = [["b", " a"], [], "b|a", "", {"b": 0.9, "a": 0.6}, {}, [2, "1", ""], 5]
    path = written(tmp_path, "a.jsonl", "".join(json.dumps({"text": "x", "label": own}) + "\n" for own in values))
    assert cells(path) == ["a|b", "", "a|b", "", "a|b", "", "1|2", "5"]


def test_lists_in_parquet_are_read_with_the_names_of_their_classes(tmp_path: Path):
    kinds = datasets.Features(
        text=datasets.Value("string"), labels=datasets.List(datasets.ClassLabel(names=["bad", "good"]))
    )
    rows = datasets.Dataset.from_dict({"text": ["a", "b"], "labels": [[1, 0], []]}, features=kinds)
    rows.to_parquet(tmp_path / "a.parquet")
    assert cells(tmp_path / "a.parquet") == ["bad|good", ""]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "'label' holds nothing; expected labels, or an empty text or list for none"),
        ([None], "'label' holds None; expected labels, which are texts without '|'"),
        (["a|b"], "'label' holds 'a|b'; expected labels, which are texts without '|'"),
        ([["a"]], "'label' holds ['a']; expected labels, which are texts without '|'"),
        ([True], "'label' holds True; expected labels, which are texts without '|'"),
    ],
)
def test_what_is_no_set_of_labels_is_a_data_error_with_its_line(tmp_path: Path, value: object, said: str):
    rows = json.dumps({"text": "x", "label": ["a"]}) + "\n" + json.dumps({"text": "x", "label": value}) + "\n"
    assert complaint(cells, written(tmp_path, "a.jsonl", rows)) == f":2: {said}"


def test_a_list_without_the_flag_leads_to_it(tmp_path: Path):
    path = written(tmp_path, "a.jsonl", '{"text": "x", "label": ["a"]}\n')
    said = ":1: 'label' holds a list; expected a text; lists of labels are for models trained with --multi-label"
    assert complaint(lambda own: cells(own, several=False), path) == said


def test_texts_are_split_by_their_sets_and_those_of_rare_sets_by_their_rarest_label():
    frequent = ["a"] * 40 + ["a|b"] * 20 + [""] * 20
    rare = [f"a|b|{name}|{n}" for name in "cde" for n in range(30)]
    strata = Counter(label_set_strata(frequent + rare, 0.1))
    assert (strata["a"], strata["a|b"], strata[""]) == (40, 20, 20)
    assert {str(n): 3 for n in range(30)} == {name: strata[name] for name in map(str, range(30))}
    assert label_set_strata(["a|b", "a|c", "a|b"], 0.1) == ["b", "c", "b"]
    assert label_set_strata(["a|b", "b|a|c", ""], 0.1) == ["a", "c", ""]  # of equals, the first by name


def test_texts_whose_sets_are_all_different_give_their_share():
    rng = np.random.default_rng(0)
    names = [f"l{n}" for n in range(12)]
    found = ["|".join(sorted(rng.choice(names, 5, replace=False))) for _ in range(400)]
    kept, held = stratified_split(label_set_strata(found, 0.1), 0.1, seed=1)
    assert len(held) == 40
    counts = [Counter(name for place in part for name in found[place].split("|")) for part in (kept, held)]
    for name in names:
        assert counts[1][name] / (counts[0][name] + counts[1][name]) == pytest.approx(0.1, abs=0.06)


def prepared(folder: Path, content: str, valid: str = "", *more: str):
    named = (("a.csv", content), ("v.csv", valid))
    names = [str(written(folder, name, "text,label\n" + text)) for name, text in named if text]
    settings = resolve_settings("classify", assignments=[*SMALL, *more], flags={"classify.multi_label": True})
    return prepare(make_plan(DataRequest(names[:1], names[1:]))[0], settings, folder), settings


def test_encoded_texts_have_the_ids_of_their_labels(tmp_path: Path):
    data, _ = prepared(tmp_path, "x,b|a\ny,\nz,b\n", "u,a|new\nv,\nw,c\n")
    assert (data.labels.names, data.every_label) == (("a", "b"), ("a", "b", "c", "new"))
    assert data.facts.label_counts == {"a": 1, "b": 2}
    assert data.facts.unknown_labels == 2
    train, held = (
        collate_texts([data.texts(split)[place] for place in range(3)], None) for split in ("train", "validation")
    )
    assert train.labels_BL.tolist() == [[0, 1], [NO_TARGET] * 2, [1, NO_TARGET]]
    assert train.labels_B.tolist() == [NO_TARGET] * 3
    assert multi_hot(train.labels_BL, 2).tolist() == [[True, True], [False, False], [False, True]]
    assert multi_hot(held.labels_BL, 2).tolist() == [[True, False], [False, False], [False, False]]
    assert multi_hot(held.labels_BL, 4).tolist() == [
        [True, False, False, True], [False] * 4, [False, False, True, False]
    ]  # fmt: skip


def test_one_label_or_a_validation_without_any_is_enough(tmp_path: Path):
    data, _ = prepared(tmp_path, "x,a\ny,\n", "u,\n")
    assert (data.labels.names, data.facts.unknown) == (("a",), ())


@pytest.mark.parametrize(
    ("train", "valid", "said"),
    [
        ("x,\ny,\n", "u,a\n", r"a\.csv: no row has a label; expected at least one$"),
        (
            "x,a\ny,\n",
            "u,b|c\n",
            r"v\.csv: none of its labels occurs in training; found 'b', 'c'; expected some of 'a'",
        ),
    ],
)
def test_sets_that_teach_nothing_are_a_data_error(tmp_path: Path, train: str, valid: str, said: str):
    with pytest.raises(DataError, match=said):
        prepared(tmp_path, train, valid)


def test_several_labels_of_what_has_none_are_a_usage_error(tmp_path: Path):
    path = written(tmp_path, "a.conll", "Anna PER\n")
    settings = resolve_settings("tag", flags={"classify.multi_label": True})
    with pytest.raises(UsageError, match=r"^--multi-label: the task is tag; expected classify$"):
        prepare(make_plan(DataRequest([str(path)]))[0], settings, tmp_path)
