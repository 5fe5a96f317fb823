import gzip
import io
import sys
from pathlib import Path

import pytest

from lstmtext.data.columns import Columns
from lstmtext.data.readers import read_sentences
from lstmtext.data.records import Sentence
from lstmtext.data.sources import find_source
from lstmtext.errors import DataError, UsageError
from tests.data.files import complaint, written

CONLL = "-DOCSTART- -X- O\n\nAnna NN B-PER\nsings VB O\n\n\nOslo NN B-LOC\n"
SENTENCES = [Sentence(("Anna", "sings"), ("B-PER", "O"), 3), Sentence(("Oslo",), ("B-LOC",), 7)]
CONLLU = """\
# sent_id = 1
# text = Don't go.
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\t_\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_
3.1\tthere\tthere\tADV\tRB\t_\t_\t_\t_\t_

# text = New York
1\tNew York\tNew York\tPROPN\tNNP\t_\t0\troot\t_\t_
"""
PARTS = [("Do", "AUX"), ("n't", "PART"), ("go", "VERB")]


def read(path: str | Path, tag: str | None = None, format_name: str | None = None) -> list[Sentence]:
    return list(read_sentences([find_source(str(path), format_name)], Columns(tag=tag)))


@pytest.mark.parametrize("separator", [" ", "\t", "   "])
def test_columns_stand_between_spaces_or_tabs(tmp_path: Path, separator: str):
    assert read(written(tmp_path, "a.conll", CONLL.replace(" ", separator))) == SENTENCES


def test_the_tag_is_the_last_column_or_the_one_that_is_named(tmp_path: Path):
    path = written(tmp_path, "a.conll", CONLL)
    assert [sentence.tags for sentence in read(path, "2")] == [("NN", "VB"), ("NN",)]
    for column in ("0", "-1", "x"):
        with pytest.raises(UsageError, match="expected the number of a column, from 1"):
            read(path, column)


def test_between_tabs_a_word_may_be_empty_or_hold_spaces(tmp_path: Path):
    assert read(written(tmp_path, "a.bio", "New York\tB-LOC\n\tO\n")) == [Sentence(("New York", ""), ("B-LOC", "O"), 1)]


def test_comments_are_passed_over_and_words_that_look_like_them_are_not(tmp_path: Path):
    commented = "# id 1 of 2\nfile\tO\n#\tO\n# and more\n#tag\tB-X\n"
    expected = [Sentence(("file", "#", "#tag"), ("O", "O", "B-X"), 2)]
    assert read(written(tmp_path, "a.conll", commented)) == expected
    assert read(written(tmp_path, "b.conll", "#tag\tB-X\nfile\tO\n")) == [Sentence(("#tag", "file"), ("B-X", "O"), 1)]


@pytest.mark.parametrize("comment", ["# sent_id = 1", "# newdoc", "# text = Anna", "#id", "# a b c"])
def test_a_comment_of_as_many_fields_as_a_word_has_is_none(tmp_path: Path, comment: str):
    for columns in (2, 3, 4):
        line = "\t".join(["Anna", *["X"] * (columns - 2), "B-PER"])
        expected = [Sentence(("Anna",), ("B-PER",), 2)]
        assert read(written(tmp_path, "a.conll", f"{comment}\n{line}\n")) == expected
    spaced = "# sent_id = 1\nAnna NN X B-PER\n# SYM O O\n"
    assert read(written(tmp_path, "b.conll", spaced)) == [Sentence(("Anna", "#"), ("B-PER", "O"), 2)]


def test_gzip_standard_input_byte_order_marks_and_crlf_change_nothing(tmp_path: Path, monkeypatch):
    for name, content in (("a.conll", CONLL), ("a.conllu", CONLLU)):
        plain = read(written(tmp_path, name, content))
        marked = b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode()
        assert read(written(tmp_path, "marked" + name, marked)) == plain
        assert read(written(tmp_path, name + ".gz", gzip.compress(marked))) == plain
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(marked)))
        assert read("-", format_name=name.removeprefix("a.")) == plain


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.conll", "a\tO\nb\n", ":2: 1 columns; expected 2: a word and its tags"),
        ("a.conll", "a b O\nc O\n", ":2: 2 columns; expected 3: a word and its tags"),
        ("a.conll", "word\n", ":1: 1 columns; expected 2: a word and its tags"),
        ("a.conll", "a\tO\nb\t \n", ":2: the tag is empty; expected a tag in every line with a word"),
        ("a.conllu", "1\ta\tb\n", ":1: 3 columns; expected 10 columns between tabs, as CoNLL-U has"),
        ("a.conllu", b"# caf\xe9\n", ":1: byte 0xe9 at column 6 is not UTF-8"),
    ],
)
def test_a_broken_line_is_a_data_error_that_names_file_and_line(tmp_path, name, content, message):
    assert complaint(read, written(tmp_path, name, content)).startswith(message)


def test_a_column_beyond_the_last_is_an_error_with_the_option_to_change(tmp_path: Path):
    path = written(tmp_path, "a.conll", CONLL)
    with pytest.raises(DataError, match=r":3: 3 columns; expected 4.*use --tag-column N"):
        read(path, "4")


def test_conllu_passes_over_comments_multiword_tokens_and_empty_nodes(tmp_path: Path):
    first, second = read(written(tmp_path, "a.conllu", CONLLU))
    assert list(zip(first.words, first.tags, strict=True)) == PARTS
    assert (first.line, second.line) == (4, 10)
    assert (second.words, second.tags) == (("New York",), ("PROPN",))


def test_conllu_columns_are_chosen_by_name_or_number(tmp_path: Path):
    path = written(tmp_path, "a.conllu", CONLLU)
    assert read(path, "XPOS")[0].tags == read(path, "5")[0].tags == ("VB", "RB", "VB")
    for column in ("11", "nothing", "0"):
        with pytest.raises(UsageError, match="--tag-column: found"):
            read(path, column)


def test_entities_in_misc_give_way_to_a_chosen_column(tmp_path: Path):
    line = "1\tOslo\t_\t_\tNNP\t_\t_\t_\t_\tEntity=B-LOC|TokenRange=0:4\n"
    path = written(tmp_path, "a.conllu", line)
    assert read(path)[0].tags == ("B-LOC",)
    assert read(path, "xpos")[0].tags == ("NNP",)


def test_empty_files_hold_no_sentence(tmp_path: Path):
    for name in ("a.conll", "a.conllu"):
        for content in ("", "\n\n", "# only a comment\n"):
            assert read(written(tmp_path, name, content)) == []


def test_nul_bytes_are_text_like_any_other(tmp_path: Path):
    assert read(written(tmp_path, "a.conll", "a\0b O\n"))[0].words == ("a\0b",)


def test_rows_with_lists_of_words_and_tags_are_sentences(tmp_path: Path):
    path = written(
        tmp_path, "a.jsonl", '{"tokens": ["a", "b"], "ner_tags": ["O", "B-X"]}\n{"tokens": [], "ner_tags": []}\n'
    )
    assert read(path) == [Sentence(("a", "b"), ("O", "B-X"), 1), Sentence((), (), 2)]
    uneven = written(tmp_path, "b.jsonl", '{"tokens": ["a", "b"], "tags": ["O"]}\n')
    with pytest.raises(DataError, match=r"b\.jsonl:1: 'tokens' and 'tags' do not match; expected two lists"):
        read(uneven)


def test_plain_text_has_no_tags(tmp_path: Path):
    with pytest.raises(DataError, match="plain text has no tags"):
        read(written(tmp_path, "a.txt", "hello\n"))
