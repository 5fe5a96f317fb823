import dataclasses
import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow
import pytest

from lstmtext.config import Settings, TaskName, TextSettings
from lstmtext.data.encoded import EncodedData, is_encoded, load_encoded, save_encoded
from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.data.ragged import Ragged
from lstmtext.data.report import make_report
from lstmtext.errors import DataError, UsageError
from lstmtext.resolve import resolve_settings
from lstmtext.text.examples import sentence_examples, text_examples
from lstmtext.text.tokenizer import BOUNDARY_ID, Tokenizer

SMALL = ["text.vocabulary_size=300", "text.max_tokens=12", "train.validation_share=0.25"]
REVIEWS = "text,label\n" + "".join(f"number {n} is {word},{word}\n" for n in range(10) for word in ("good", "bad"))
ENTITIES = "Anna I-PER\nBerg I-PER\nsaw O\nOslo I-LOC\n\nshe O\nsang O\n\n" * 4
PROSE = "".join(f"line {n} of the tale\n" for n in range(40))
FILES: dict[TaskName, tuple[str, str]] = {
    "classify": ("a.csv", REVIEWS),
    "tag": ("a.conll", ENTITIES),
    "generate": ("a.txt", PROSE),
}


def settings(task: TaskName) -> Settings:
    return resolve_settings(task, assignments=SMALL)


def prepared(folder: Path, task: TaskName, content: str | None = None, valid: str | None = None) -> EncodedData:
    name, usual = FILES[task]
    (folder / name).write_text(usual if content is None else content)
    (folder / f"valid-{name}").write_text(valid or (usual if task == "generate" else ""))
    names = [str(folder / f"valid-{name}")] if valid or task == "generate" else []
    plan, _ = make_plan(DataRequest([str(folder / name)], names, task=task))
    work = folder / "work"
    work.mkdir(exist_ok=True)
    return prepare(plan, settings(task), work)


@pytest.mark.parametrize("task", FILES)
def test_an_encoded_dataset_survives_saving_and_loading(tmp_path: Path, task: TaskName):
    made = prepared(tmp_path, task)
    save_encoded(made, tmp_path / "out")
    save_encoded(made, tmp_path / "out")  # replaces itself
    again = load_encoded(tmp_path / "out")
    assert is_encoded(tmp_path / "out")
    assert (again.facts, again.settings, again.task) == (made.facts, made.settings, task)
    assert again.tokenizer.to_json() == made.tokenizer.to_json()
    for split in ("train", "validation"):
        assert again.tables[split].to_list() == made.tables[split].to_list()
    assert make_report(again).rows() == make_report(made).rows()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_encoded_texts_are_the_examples_of_the_records(tmp_path: Path):
    data = prepared(tmp_path, "classify")
    rows = [tuple(line.rsplit(",", 1)) for line in REVIEWS.splitlines()[1:]]
    expected = Counter()
    for example, (_, label) in zip(
        text_examples(data.tokenizer, [t for t, _ in rows], settings("classify")), rows, strict=True
    ):
        expected[tuple(example.ids), tuple(example.ngrams.tolist()), data.labels.id(label)] += 1
    found = Counter()
    for split in ("train", "validation"):
        texts = data.texts(split)
        assert texts.lengths.tolist() == [len(texts[index].ids) for index in range(len(texts))]
        assert [hashes.tolist() for hashes in texts.ngrams()] == [texts[k].ngrams.tolist() for k in range(len(texts))]
        found += Counter(
            (tuple(own.ids.tolist()), tuple(own.ngrams.tolist()), own.label)
            for own in (texts[index] for index in range(len(texts)))
        )
    assert found == expected
    assert (len(data.texts("train")), len(data.texts("validation"))) == (15, 5)


def test_some_of_the_texts_are_the_examples_at_their_places(tmp_path: Path):
    texts = prepared(tmp_path, "classify").texts("train")
    places = np.array([3, 0, 5])
    some = texts.only(places)
    assert (len(some), some.lengths.tolist()) == (3, texts.lengths[places].tolist())
    assert some.ngram_counts.tolist() == [len(hashes) for hashes in some.ngrams()]
    for index, place in enumerate(places):
        for one, other in zip(vars(some[index]).values(), vars(texts[place]).values(), strict=True):
            assert np.array_equal(one, other)
    assert some.only(np.array([2]))[0].ids.tolist() == texts[5].ids.tolist()


def test_encoded_sentences_are_the_examples_of_the_records(tmp_path: Path):
    data = prepared(tmp_path, "tag", valid="Oslo I-LOC\nBerg I-ORG\n")
    assert data.facts.unknown == ("B-ORG",)
    sentences = data.sentences("validation")
    (expected,) = sentence_examples(data.tokenizer, [["Oslo", "Berg"]])
    own = sentences[0]
    assert own.ids.tolist() == list(expected.ids)
    assert (own.first.tolist(), own.last.tolist()) == (list(expected.first), list(expected.last))
    assert list(own.words) == ["Oslo", "Berg"]
    assert own.tags.tolist() == [data.labels.id("B-LOC"), len(data.labels)]
    assert data.facts.scheme == "iob1"
    assert data.facts.label_counts == {"B-LOC": 4, "B-PER": 4, "I-PER": 4, "O": 12}
    assert (data.facts.unknown_labels, data.facts.repaired_tags) == (1, 0)


def test_encoded_running_text_is_the_text_with_a_boundary_at_its_end(tmp_path: Path):
    data = prepared(tmp_path, "generate")
    stream = data.stream("train")
    assert stream.ids[:].tolist() == [*data.tokenizer.encode(PROSE), BOUNDARY_ID]
    assert (stream.characters, stream.bytes, stream.words) == (len(PROSE), len(PROSE), 40 * 6)


def test_what_was_cut_and_what_only_validation_has_is_counted(tmp_path: Path):
    long = "text,label\n" + f"{'zebra ' * 50},good\n" + "short,bad\n" * 3
    data = prepared(tmp_path, "classify", long, valid="text,label\nx,strange\ny,good\n")
    facts = data.facts
    assert (facts.truncated, facts.unknown_labels) == (1, 1)
    assert facts.cut_tokens == len(data.tokenizer.encode("zebra " * 50)) - 12
    assert facts.label_counts == {"bad": 3, "good": 1}
    assert all(len(digest) == 64 for digest in facts.sources.values())


@pytest.mark.parametrize(
    ("task", "content", "message"),
    [
        ("classify", "text,label\na,x\nb,x\n", "a.csv: only one label, 'x'; expected at least two"),
        ("classify", "text,label\n", "a.csv: no records; expected a header and at least one row"),
        ("classify", "text,label\na,x\n", "a.csv: only one record; expected at least two, or --valid FILE"),
        ("tag", "a O\n\nb O\n", "a.conll: only one tag, 'O'; expected at least two tags"),
        ("tag", "", "a.conll: no records; expected at least two"),
        ("generate", "", "a.txt: no records; expected at least two"),
        (
            "generate",
            "a",
            "a.txt: too little text to learn from; expected 3 tokens for train",
        ),
    ],
)
def test_data_that_teach_nothing_are_a_data_error(tmp_path: Path, task: TaskName, content: str, message: str):
    with pytest.raises(DataError) as caught:
        prepared(tmp_path, task, content)
    assert str(caught.value).endswith(message)


@pytest.mark.parametrize(
    ("task", "valid", "message"),
    [
        (
            "classify",
            "text,label\na,Good\nb,Bad\n",
            "none of its labels occurs in training; found 'Bad', 'Good'; exp",
        ),
        ("tag", "a NN\n", "none of its tags occurs in training; found 'NN'; expected some of 'B-LOC', 'B-PER'"),
    ],
)
def test_validation_data_of_other_labels_are_a_data_error(tmp_path: Path, task: TaskName, valid: str, message: str):
    with pytest.raises(DataError, match=message):
        prepared(tmp_path, task, valid=valid)


def test_a_folder_with_other_files_is_never_replaced(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds other files"):
        save_encoded(prepared(tmp_path, "generate"), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["letter.txt"]


def test_an_encoded_folder_with_other_files_is_never_replaced(tmp_path: Path):
    data = prepared(tmp_path, "generate")
    save_encoded(data, tmp_path / "out")
    (tmp_path / "out" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds other files"):
        save_encoded(data, tmp_path / "out")


def test_lists_are_the_same_however_arrow_cuts_them():
    lists = [[1, 2], [], [3], [4, 5, 6], [], [7]]
    for cuts in ([], [3], [0, 1, 1, 4]):
        parts = [lists[start:end] for start, end in itertools.pairwise([0, *cuts, len(lists)])]
        column = pyarrow.chunked_array([pyarrow.array(part, pyarrow.list_(pyarrow.int32())) for part in parts])
        for shown, expected in ((column, lists), (column.slice(2), lists[2:]), (column.slice(0, 0), [])):
            ragged = Ragged(shown)
            assert [ragged[place].tolist() for place in range(len(expected))] == expected
            assert ragged.lengths.tolist() == [len(own) for own in expected]
            assert ragged.joined()[:].tolist() == [item for own in expected for item in own]


def test_a_borrowed_tokenizer_brings_its_unit(tmp_path: Path):
    (tmp_path / "a.txt").write_text(PROSE * 4)
    plan, _ = make_plan(DataRequest([str(tmp_path / "a.txt")]))
    for unit in ("bpe", "char", "word"):
        tokenizer = Tokenizer.train([PROSE], TextSettings(unit=unit, vocabulary_size=300))
        data = prepare(dataclasses.replace(plan, tokenizer=tokenizer), settings("generate"), tmp_path)
        assert data.settings.text.unit == unit


def test_a_broken_dataset_is_a_data_error_with_the_way_out(tmp_path: Path):
    save_encoded(prepared(tmp_path, "tag"), tmp_path / "out")
    (tmp_path / "out" / "preprocess.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(DataError, match=r"is not a complete encoded dataset.*run lstmtext preprocess again"):
        load_encoded(tmp_path / "out")
    with pytest.raises(DataError, match="is not a complete encoded dataset"):
        load_encoded(tmp_path)


def test_reports_count_records_and_tokens(tmp_path: Path):
    data = prepared(tmp_path, "classify")
    report = make_report(data)
    lengths = data.texts("train").lengths
    train = report.splits["train"]
    assert (train.records, train.tokens, train.percentiles[-1]) == (15, lengths.sum(), lengths.max())
    assert report.tokens_per_word == pytest.approx(
        (np.sum(lengths - 2) + np.sum(data.texts("validation").lengths - 2)) / 80
    )
    assert all(len(row) == 3 for row in report.rows())


@pytest.mark.parametrize(("task", "records"), [("classify", 20), ("tag", 8), ("generate", 12)])
def test_no_more_is_held_out_than_the_setting_says(tmp_path: Path, task: TaskName, records: int):
    name, usual = FILES[task]
    (tmp_path / name).write_text(PROSE * 15 if task == "generate" else usual)
    plan, _ = make_plan(DataRequest([str(tmp_path / name)], task=task))
    own = resolve_settings(task, assignments=[*SMALL, "train.validation_share=0.5", "train.validation_records=2"])
    tables = prepare(plan, own, tmp_path).tables
    assert len(tables["validation"]) == 2
    assert len(tables["train"]) == records - 2
