"""Parts of the rows, one after the other, are the whole: rows and counts, for each task and any number of parts."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.data.rows import MadeRows, make_alone
from lstmtext.resolve import resolve_settings

DATA = Path(__file__).parent.parent.parent / "data"
FILES = {"classify": "reviews.csv", "tag": "entities.conll", "generate": "prose.txt"}


@pytest.fixture(scope="module")
def other():
    """Another process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        yield pool


def in_parts(parts, other):
    """All but the first part made by another process, the last one first."""

    def make_rows(making):
        made = [other.submit(making.part, number, parts) for number in reversed(range(1, parts))]
        counted = sum((own.result() for own in made), making.part(0, parts))
        return MadeRows(making.joined(parts), counted)

    return make_rows


def prepared(task, folder, make_rows, *, replay=()):
    folder.mkdir()
    plan, _ = make_plan(DataRequest([str(DATA / FILES[task])], replay=replay))
    return prepare(plan, resolve_settings(task), folder, make_rows)


@pytest.mark.parametrize("task", list(FILES))
@pytest.mark.parametrize("parts", [2, 3])
def test_parts_are_the_whole(task, parts, other, tmp_path):
    whole = prepared(task, tmp_path / "whole", make_alone)
    joined = prepared(task, tmp_path / "parts", in_parts(parts, other))
    assert joined.fingerprint() == whole.fingerprint()
    assert joined.facts == whole.facts
    assert whole.facts.words > 1000
    files = [path.name for path in (tmp_path / "parts").glob("train-*.arrow")]
    assert len(files) == parts


def test_parts_with_replayed_records_are_the_whole(other, tmp_path):
    replay = [str(DATA / "reviews.csv")]
    whole = prepared("classify", tmp_path / "whole", make_alone, replay=replay)
    joined = prepared("classify", tmp_path / "parts", in_parts(2, other), replay=replay)
    assert whole.facts.replayed > 0
    assert joined.fingerprint() == whole.fingerprint()


def test_there_may_be_fewer_records_than_parts(other, tmp_path):
    (tmp_path / "few.csv").write_text("text,label\nIt was good,yes\nIt was bad,no\n")
    plan, _ = make_plan(DataRequest([str(tmp_path / "few.csv")], [str(tmp_path / "few.csv")]))
    made = []
    for name, make_rows in (("whole", make_alone), ("parts", in_parts(5, other))):
        (tmp_path / name).mkdir()
        made.append(prepare(plan, resolve_settings("classify"), tmp_path / name, make_rows))
    assert made[0].fingerprint() == made[1].fingerprint()
    assert len(made[1].tables["train"]) == 2
