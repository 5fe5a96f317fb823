import csv
import gzip
import io
import sys
from pathlib import Path

import pytest

from lstmtext.data.columns import Columns
from lstmtext.data.readers import READERS, columns_of, read_texts
from lstmtext.data.sources import SUFFIXES, Source, find_source, find_sources
from lstmtext.errors import DataError, UsageError
from tests.data.files import complaint, written

GUESSED = Columns()
ROWS = [('a, "b"\nc', "x"), ("dé", "y"), ("", "x")]
CSV = 'text,label\n"a, ""b""\nc",x\ndé,y\n\n"",x\n'
TSV = 'label\ttext\nx\t"a" "b, c\ny\tdé\n'
JSONL = '{"text": "a\\nb", "label": "x"}\n\n{"label": 5, "text": "dé", "extra": [1]}\n'


def texts(name: str | Path, format_name: str | None = None, columns: Columns = GUESSED) -> list[tuple[str, str | None]]:
    source = find_source(str(name), format_name)
    return [(record.text, record.label) for record in read_texts([source], columns, labelled=True)]


def test_csv_fields_may_hold_quoted_commas_quotes_and_newlines(tmp_path: Path):
    assert texts(written(tmp_path, "a.csv", CSV)) == ROWS


def test_a_csv_record_is_placed_at_the_line_it_begins_on(tmp_path: Path):
    source = find_source(str(written(tmp_path, "a.csv", CSV)))
    assert [record.line for record in read_texts([source], Columns(), labelled=True)] == [2, 4, 6]


def test_tsv_is_read_without_quoting(tmp_path: Path):
    assert texts(written(tmp_path, "a.tsv", TSV)) == [('"a" "b, c', "x"), ("dé", "y")]


def test_json_lines_may_be_empty_and_hold_numbers_as_labels(tmp_path: Path):
    assert texts(written(tmp_path, "a.jsonl", JSONL)) == [("a\nb", "x"), ("dé", "5")]


@pytest.mark.parametrize(("name", "content"), [("a.csv", CSV), ("a.tsv", TSV), ("a.jsonl", JSONL)])
def test_gzip_standard_input_byte_order_marks_and_crlf_change_nothing(tmp_path, monkeypatch, name, content):
    plain = texts(written(tmp_path, name, content))
    marked = b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode()
    assert texts(written(tmp_path, "marked" + name, marked)) == plain
    assert texts(written(tmp_path, name + ".gz", gzip.compress(marked))) == plain
    assert texts(written(tmp_path, "cut" + name, content.rstrip("\n"))) == plain
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(marked)))
    assert texts("-", SUFFIXES[Path(name).suffix]) == plain


def test_nul_bytes_are_text_like_any_other(tmp_path: Path):
    assert texts(written(tmp_path, "a.csv", "text,label\na\0b,x\n")) == [("a\0b", "x")]
    assert texts(written(tmp_path, "a.tsv", "text\tlabel\na\0b\tx\n")) == [("a\0b", "x")]


def test_a_field_may_be_longer_than_the_limit_of_the_csv_module(tmp_path: Path):
    csv.field_size_limit(1000)
    assert len(texts(written(tmp_path, "a.csv", f"text,label\n{'a' * 200_000},x\n"))[0][0]) == 200_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"text,label\nok,x\ncaf\xe9,y\n", ":3: byte 0xe9 at column 4 is not UTF-8; expected UTF-8 text"),
        ("a.jsonl", b'{"text": "\xff"}\n', ":1: byte 0xff at column 11 is not UTF-8"),
        (
            "a.csv",
            "text,label\n".encode("utf-16"),
            ":1: byte 0xff at column 1 is not UTF-8; expected UTF-8 text; convert it: iconv -f UTF-16 -t UTF-8",
        ),
        (
            "a.csv",
            b"\x80\0\n",
            ":1: byte 0x80 at column 1 is not UTF-8; expected UTF-8 text; it seems to be no text",
        ),
        ("a.csv", b"text,label\na,b,c\n", ":2: 3 fields; expected 2, as the header has"),
        ("a.csv", b'text,label\n"a\nb",x\na\n', ":4: 1 fields; expected 2"),
        ("a.tsv", b"text\tlabel\na\n", ":2: 1 fields; expected 2"),
        ("a.csv", b'text,label\na,x\n"b\nc,y\n', ":3: is not CSV: unexpected end of data; check the quotes"),
        ("a.csv", b"text,text\na,b\n", ":1: columns repeat: text; expected a header of distinct names"),
        ("a.csv", b"text,label\na,x\nb, \n", ":3: 'label' is empty; expected a label in every row"),
        ("a.jsonl", b'{"text": "a", "label": "x"}\n{"text": "a"}\n', ":2: 'label' holds nothing; expected a text"),
        ("a.jsonl", b'{"text": ["a"], "label": "x"}\n', ":1: 'text' holds list; expected a text"),
        ("a.jsonl", b'{"text": "a"\n', ":1: is not JSON: "),
        ("a.jsonl", b"\n[1]\n", ":2: holds a JSON list; expected one object a line"),
        ("a.jsonl", b"[" * 200_000, ":1: is not JSON: "),
    ],
)
def test_a_broken_row_is_a_data_error_that_names_file_and_line(tmp_path, name, content, message):
    assert complaint(texts, written(tmp_path, name, content)).startswith(message)


def test_a_missing_column_is_named_with_those_found_and_the_option_to_use(tmp_path: Path):
    path = written(tmp_path, "a.csv", "body,mark\na,x\n")
    with pytest.raises(DataError) as caught:
        texts(path)
    assert str(caught.value) == f"{path}:2: no column 'label'; found 'body', 'mark'; name it with --label-column mark"
    with pytest.raises(DataError, match=r"no column 'gone'; found 'body', 'mark'; name it with --text-column"):
        texts(path, columns=Columns(text="gone", label="mark"))
    assert texts(path, columns=Columns(label="mark")) == [("a", "x")]


def test_a_column_with_a_space_is_quoted_where_it_is_proposed(tmp_path: Path):
    path = written(tmp_path, "a.csv", "text,star rating\na,x\n")
    assert complaint(texts, path).endswith("name it with --label-column 'star rating'")


def test_usual_columns_come_before_customary_ones_and_after_given_ones(tmp_path: Path):
    path = written(tmp_path, "a.csv", "text,body,label,mark\na,b,c,d\n")
    usual = {"text": "body", "label": "mark", "tag": "3"}
    assert texts(path, columns=Columns(usual=usual)) == [("b", "d")]
    assert texts(path, columns=Columns(text="text", usual=usual)) == [("a", "d")]
    other = written(tmp_path, "b.csv", "text,label\na,c\n")
    assert texts(other, columns=Columns(usual=usual)) == [("a", "c")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('text;label\n"a;b";x\nc, d;y\n', [("a;b", "x"), ("c, d", "y")]),
        ("label,text;more,text\nx,a;b,c\n", [("c", "x")]),
        ('text,label\n"a\nb;c",x\n', [("a\nb;c", "x")]),
    ],
)
def test_semicolons_part_fields_where_the_header_has_no_comma(tmp_path, content, expected):
    assert texts(written(tmp_path, "a.csv", content)) == expected


def test_customary_columns_are_found_whatever_their_case_and_order(tmp_path: Path):
    assert texts(written(tmp_path, "a.csv", "id,Stars,REVIEW\n1,5,good\n")) == [("good", "5")]


def test_files_without_records_give_none_and_have_no_columns(tmp_path: Path):
    for name, content in (("a.csv", ""), ("b.csv", "text,label\n"), ("a.tsv", ""), ("a.jsonl", "\n\n")):
        path = written(tmp_path, name, content)
        assert texts(path) == []
        with pytest.raises(DataError, match="no records; expected a header and at least one row"):
            columns_of(find_source(str(path)))


def test_a_cut_or_damaged_archive_is_a_data_error_with_its_name(tmp_path: Path):
    packed = gzip.compress("".join(["text,label\n", *(f"{n * n * 7919},x\n" for n in range(500))]).encode())
    damaged = packed[:200] + bytes(255 - byte for byte in packed[200:260]) + packed[260:]
    for content in (packed[:-300], damaged, b"no gzip at all"):
        path = written(tmp_path, "a.csv.gz", content)
        with pytest.raises(DataError, match=r"a\.csv\.gz.*: cannot be read: "):
            texts(path)


def test_a_source_is_recognised_by_the_end_of_its_name(tmp_path: Path):
    for suffix, format_name in SUFFIXES.items():
        for name in (f"a{suffix}", f"b{suffix.upper()}", f"c{suffix}.gz"):
            path = written(tmp_path, name, "")
            assert find_source(str(path)) == Source(str(path), format_name)
    assert find_source(str(tmp_path)).format == "dataset"
    assert find_source("hf://owner/name").format == "dataset"
    assert set(SUFFIXES.values()) == set(READERS) - {"dataset"}


def test_a_file_whose_name_holds_a_hash_is_a_file(tmp_path: Path):
    path = written(tmp_path, "#1.csv", CSV)
    assert texts(path) == ROWS


def test_a_source_that_cannot_be_told_says_what_to_do(tmp_path: Path):
    with pytest.raises(DataError, match=r"gone\.csv: no such file or folder"):
        find_source(str(tmp_path / "gone.csv"))
    with pytest.raises(UsageError, match=r"from '\.xyz'; expected \.csv, .*--format"):
        find_source(str(written(tmp_path, "a.xyz", "")))
    with pytest.raises(UsageError, match="standard input: its format cannot be told"):
        find_source("-")
    assert find_source(str(tmp_path / "a.xyz"), "csv").format == "csv"


def test_a_folder_of_plain_files_stands_for_the_files(tmp_path: Path):
    folder = tmp_path / "notes"
    folder.mkdir()
    paths = [str(written(folder, name, CSV)) for name in ("b.csv", "a.csv.gz", "c.tsv")]
    written(folder, ".hidden", "")
    expected = [Source(paths[1], "csv"), Source(paths[0], "csv"), Source(paths[2], "tsv")]
    assert find_sources([str(folder), paths[0]]) == [*expected, Source(paths[0], "csv")]
    assert {source.format for source in find_sources([str(folder)], "text")} == {"text"}
    for extra in ("train.csv", "my-dev.txt", "README.md", "strange.xyz", "a.parquet"):
        written(folder, extra, CSV)
        assert find_sources([str(folder)]) == [Source(str(folder), "dataset")]
        (folder / extra).unlink()
    (folder / "inside").mkdir()
    assert find_sources([str(folder)]) == [Source(str(folder), "dataset")]


def test_a_bundle_is_no_data(tmp_path: Path):
    written(tmp_path, "bundle.json", "{}")
    with pytest.raises(UsageError, match="is a bundle; expected data; give a bundle to -m or --encoder"):
        find_sources([str(tmp_path)])


def test_a_wrong_column_or_separator_leads_to_the_right_one(tmp_path):
    def said(content: bytes, text: str | None, name: str = "a.csv") -> str:
        source = find_source(str(written(tmp_path, name, content)))
        with pytest.raises(DataError) as caught:
            list(read_texts([source], Columns(text), labelled=False))
        return str(caught.value)

    assert said(b"message,category,when\na,b,c\n", "foo").endswith("name it with --text-column message")
    assert said(b"message,category\na,b\n", "foo", "a.tsv").endswith("try --format csv or --format tsv")
    assert "the first line must name the columns" in said(b"bread or noodles?,food\na,b\n", None)
