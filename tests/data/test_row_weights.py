"""Weights of rows: which values are read, which are refused, and that validation has none."""

from pathlib import Path

import pytest

from lstmtext.data.columns import Columns
from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.data.readers import read_texts
from lstmtext.data.sources import find_source
from lstmtext.errors import DataError, UsageError
from lstmtext.resolve import resolve_settings
from tests.data.files import complaint, written

WEIGHED = Columns(weight="w")
NUMBER = "; expected a number from 0 to 1e+09: how much the row counts"


def weights(path: Path) -> list[float]:
    return [record.weight for record in read_texts([find_source(str(path))], WEIGHED, labelled=True, weighted=True)]


def test_weights_are_numbers_or_their_spelling(tmp_path: Path):
    assert weights(written(tmp_path, "a.csv", "text,label,w\na,x,2\nb,y, 0.5 \nc,x,0\nd,x,1e3\n")) == [2, 0.5, 0, 1000]
    assert weights(written(tmp_path, "a.jsonl", '{"text": "a", "label": "x", "w": 2.5}\n' * 2)) == [2.5, 2.5]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('""', "'w' is empty"), ("null", "'w' is empty"), ("-1", "'w' holds -1"), ('"-0.1"', "'w' holds '-0.1'"),
        ('"nan"', "'w' holds 'nan'"), ('"inf"', "'w' holds 'inf'"), ('"much"', "'w' holds 'much'"),
        ("true", "'w' holds True"), ("[1]", "'w' holds [1]"), ("1e10", "'w' holds 10000000000.0"),
        (f"1{'0' * 400}", f"'w' holds 1{'0' * 38}…"),
    ],
)  # fmt: skip
def test_a_weight_that_is_none_is_named_with_its_line(tmp_path: Path, value: str, found: str):
    rows = '{"text": "a", "label": "x", "w": 1}\n' + f'{{"text": "b", "label": "x", "w": {value}}}\n'
    assert complaint(weights, written(tmp_path, "a.jsonl", rows)) == f":2: {found}{NUMBER}"


def test_a_missing_column_is_named_with_those_found(tmp_path: Path):
    path = written(tmp_path, "a.csv", "text,label,sample_weight\na,x,1\n")
    said = "; name it with --weight-column sample_weight"
    assert complaint(weights, path) == f":2: no column 'w'; found 'text', 'label', 'sample_weight'{said}"


def prepared(folder: Path, content: str, valid: str = ""):
    names = [str(written(folder, name, text)) for name, text in (("a.csv", content), ("v.csv", valid)) if text]
    plan, remarks = make_plan(DataRequest(names[:1], names[1:], columns=WEIGHED))
    assert remarks[-1] == "text from column 'text', labels from column 'label', weights from column 'w'"
    return prepare(plan, resolve_settings("classify", assignments=["text.vocabulary_size=300"]), folder)


def test_training_texts_have_their_weights_and_validation_texts_none(tmp_path: Path):
    rows = "".join(f"number {n},{'xy'[n % 2]},{n}\n" for n in range(1, 21))
    data = prepared(tmp_path, "text,label,w\nnothing,z,0\n" + rows)
    texts = data.texts("train")
    spelled = [data.tokenizer.decode(texts[place].ids) for place in range(len(texts))]
    assert [f"number {texts[place].weight:.0f}" for place in range(len(texts))] == [text.strip() for text in spelled]
    assert len(texts) == 18
    assert [data.texts("validation")[place].weight for place in range(2)] == [1.0, 1.0]
    assert data.facts.columns["weight"] == "w"
    assert data.facts.label_counts == {"x": 9, "y": 9}


def test_validation_data_need_no_weights(tmp_path: Path):
    data = prepared(tmp_path, "text,label,w\na,x,3\nb,y,4\n", "text,label\na,x\n")
    assert [data.texts("train").weights.tolist(), data.texts("validation").weights.tolist()] == [[3, 4], [1]]


def test_weights_of_zero_alone_are_a_data_error(tmp_path: Path):
    with pytest.raises(DataError, match=r"a\.csv: 'w' is 0 in every training row; expected a row that counts$"):
        prepared(tmp_path, "text,label,w\na,x,0\nb,y,0\n", "text,label\na,x\n")


@pytest.mark.parametrize(
    ("name", "columns", "said"),
    [
        ("a.conll", WEIGHED, "the task is tag; expected classify"),
        ("a.txt", WEIGHED, "the task is generate; expected classify"),
        ("a.csv", Columns(text="w", weight="w"), "'w' is the column of the text too; expected another"),
        ("a.csv", Columns(label="w", weight="w"), "'w' is the column of the label too; expected another"),
    ],
)
def test_weights_of_what_has_none_are_a_usage_error(tmp_path: Path, name: str, columns: Columns, said: str):
    path = written(tmp_path, name, {"a.csv": "text,label,w\na,x,1\n"}.get(name, "Anna PER\n"))
    with pytest.raises(UsageError, match=f"^--weight-column: {said}"):
        make_plan(DataRequest([str(path)], columns=columns))
