import json
from pathlib import Path

import datasets
import pytest

from lstmtext.data.columns import Columns
from lstmtext.data.readers import PASSAGE_CHARACTERS, columns_of, infer_task, read_passages, read_sentences, read_texts
from lstmtext.data.records import Passage, Sentence
from lstmtext.data.sources import Source, find_source
from lstmtext.errors import DataError


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def table(labels: list[int] | None = None) -> datasets.Dataset:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
    )
    columns = {"text": ["a\nb", "dé", ""], "label": labels or [1, 0, 1]}
    return datasets.Dataset.from_dict(columns, features=features)


def texts(source: Source) -> list[tuple[str, str | None, int]]:
    return [(record.text, record.label, record.line) for record in read_texts([source], Columns(), labelled=True)]


EXPECTED = [("a\nb", "good", 1), ("dé", "bad", 2), ("", "good", 3)]


def test_a_parquet_file_is_read_with_the_names_of_its_labels(tmp_path: Path):
    table().to_parquet(tmp_path / "a#1.parquet")
    source = find_source(str(tmp_path / "a#1.parquet"))
    assert texts(source) == EXPECTED
    assert columns_of(source) == ["text", "label"]
    assert infer_task(source, Columns())[0] == "classify"


def test_a_folder_that_save_to_disk_wrote_is_read(tmp_path: Path):
    table().save_to_disk(tmp_path / "one")
    assert texts(find_source(str(tmp_path / "one"))) == EXPECTED
    datasets.DatasetDict(train=table(), test=table([0, 0, 0])).save_to_disk(tmp_path / "two")
    assert texts(find_source(str(tmp_path / "two"))) == EXPECTED
    chosen = Source(f"{tmp_path / 'two'}#test", "dataset")
    assert [label for _, label, _ in texts(chosen)] == ["bad"] * 3


def test_a_folder_in_the_format_of_the_hub_is_read(tmp_path: Path):
    (tmp_path / "hub" / "data").mkdir(parents=True)
    table().to_parquet(tmp_path / "hub" / "data" / "train-00000-of-00001.parquet")
    table([0, 0, 0]).to_parquet(tmp_path / "hub" / "data" / "test-00000-of-00001.parquet")
    folder = str(tmp_path / "hub")
    assert texts(find_source(folder)) == EXPECTED
    assert [label for _, label, _ in texts(Source(folder + "#test", "dataset"))] == ["bad"] * 3


def test_the_current_folder_is_read_as_any_other(tmp_path: Path, monkeypatch):
    (tmp_path / "few.csv").write_text("text,label\na,good\nb,bad\n")
    (tmp_path / "notes.bin").write_bytes(b"\x80")
    monkeypatch.chdir(tmp_path)
    assert [row[:2] for row in texts(find_source("."))] == [row[:2] for row in texts(find_source(str(tmp_path)))]
    assert len(texts(find_source("."))) == 2


@pytest.mark.parametrize("name", ["", " ", "hf://"])
def test_a_name_of_nothing_is_a_data_error(name):
    with pytest.raises(DataError, match="names nothing; expected a file, a folder"):
        find_source(name)


def test_lists_of_class_labels_become_their_names(tmp_path: Path):
    tags = datasets.List(datasets.ClassLabel(names=["O", "B-X"]))
    features = datasets.Features({"tokens": datasets.List(datasets.Value("string")), "ner_tags": tags})
    rows = datasets.Dataset.from_dict({"tokens": [["a", "b"], []], "ner_tags": [[0, 1], []]}, features=features)
    rows.save_to_disk(tmp_path / "tagged")
    source = find_source(str(tmp_path / "tagged"))
    assert list(read_sentences([source], Columns())) == [Sentence(("a", "b"), ("O", "B-X"), 1), Sentence((), (), 2)]
    assert infer_task(source, Columns())[0] == "tag"


def test_a_row_without_a_known_label_is_a_data_error_with_its_number(tmp_path: Path):
    table([1, -1, 0]).save_to_disk(tmp_path / "one")
    with pytest.raises(DataError, match="one:2: 'label' holds nothing"):
        texts(find_source(str(tmp_path / "one")))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"words": ["a", "b"], "tags": ["O", None]}, "found None among words and tags"),
        ({"words": ["a"], "tags": [""]}, "found '' among words and tags"),
        ({"words": [None], "tags": ["O"]}, "found None among words and tags"),
        ({"words": ["a"], "tags": ["O", "O"]}, "do not match"),
    ],
)
def test_odd_words_and_tags_are_a_data_error_with_the_line(tmp_path: Path, row, said: str):
    (tmp_path / "a.jsonl").write_text('{"words": ["a"], "tags": ["O"]}\n' + json.dumps(row) + "\n")
    with pytest.raises(DataError, match=rf"a\.jsonl:2: .*{said}"):
        list(read_sentences([find_source(str(tmp_path / "a.jsonl"))], Columns()))


def test_a_saved_dataset_has_one_split_only(tmp_path: Path):
    table().save_to_disk(tmp_path / "one")
    with pytest.raises(DataError, match="it has one split, 'None'"):
        texts(Source(f"{tmp_path / 'one'}#test", "dataset"))


@pytest.mark.parametrize("name", ["empty", "two#gone", "broken.parquet"])
def test_what_cannot_be_loaded_is_a_data_error_with_the_reason(tmp_path: Path, name: str):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 is not enough")
    datasets.DatasetDict(train=table()).save_to_disk(tmp_path / "two")
    source = Source(str(tmp_path / name), "parquet" if "parquet" in name else "dataset")
    with pytest.raises(DataError, match="cannot be loaded: "):
        texts(source)


def test_a_text_file_is_one_document_read_in_pieces_that_end_at_lines(tmp_path: Path):
    path = tmp_path / "a.txt"
    lines = [f"{number} {'x' * 40}\n" for number in range(4000)]
    path.write_bytes(b"\xef\xbb\xbf" + "".join(lines).replace("\n", "\r\n").encode())
    passages = list(read_passages([find_source(str(path))], Columns()))
    assert len(passages) > 1
    assert "".join(passage.text for passage in passages) == "".join(lines)
    assert all(passage.text.endswith("\n") for passage in passages)
    assert [passage.ends for passage in passages] == [False] * (len(passages) - 1) + [True]


@pytest.mark.parametrize("gap", [" ", ""])
def test_a_line_without_end_is_read_in_pieces_too(tmp_path: Path, gap: str):
    path = tmp_path / "a.txt"
    text = gap.join(f"word{number}" for number in range(4000))
    path.write_text(text)
    passages = [passage.text for passage in read_passages([find_source(str(path))], Columns())]
    assert len(passages) > 3
    assert "".join(passages) == text
    assert all(passage.endswith(gap) for passage in passages[:-1])
    assert max(map(len, passages)) < 2 * PASSAGE_CHARACTERS


def test_rows_and_sentences_are_documents_of_their_own(tmp_path: Path):
    (tmp_path / "a.csv").write_text("text\na\nb\n")
    (tmp_path / "a.conll").write_text("New B\nYork I\n\nx O\n")
    (tmp_path / "empty.txt").write_text("")
    sources = [find_source(str(tmp_path / name)) for name in ("a.csv", "empty.txt", "a.conll")]
    expected = [Passage(text, ends=True) for text in ("a", "b", "New York", "x")]
    assert list(read_passages(sources, Columns())) == expected
