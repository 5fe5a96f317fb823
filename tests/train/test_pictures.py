"""What pictures say in words: their titles, and the labels and counts that stand in them."""

from itertools import pairwise
from types import SimpleNamespace
from xml.etree import ElementTree

import pyarrow
import pytest

from lstmtext.data.ragged import Ragged
from lstmtext.text.tokenizer import BOUNDARY_ID
from lstmtext.train import pictures
from lstmtext.train.pictures import MOST_LABELS, svg_of

MANY = [f"label {number:02}" for number in range(MOST_LABELS + 10)]


def words_of(picture) -> list[str]:
    svg = ElementTree.fromstring(svg_of(picture))
    return ["".join(own.itertext()).strip() for own in svg.iter("{http://www.w3.org/2000/svg}text")]


def test_a_confusion_of_many_labels_shows_those_with_most_errors_and_says_so():
    counts = {gold: {name: 1000 * (name == gold) for name in MANY} for gold in MANY}
    for gold, predicted in pairwise(MANY[10:]):
        counts[gold][predicted] = 1
    picture = pictures.confusion(counts)
    assert picture.title == "Validation: rows are gold, columns predicted; the 40 of 50 labels with most errors"
    assert sorted(set(words_of(picture)) & set(MANY)) == MANY[10:]
    few = {gold: {name: counts[gold][name] for name in MANY[:9]} for gold in MANY[:9]}
    assert pictures.confusion(few).title == "Validation: rows are gold, columns predicted"


def test_a_confusion_has_gold_labels_that_the_model_does_not_have():
    words = words_of(pictures.confusion({"a": {"a": 7, "b": 1}, "b": {"a": 0, "b": 5}, "new": {"a": 3, "b": 0}}))
    assert sorted(words) == sorted(["a", "b", "a", "b", "new", *"715030"])


def test_bars_of_many_labels_are_those_of_the_most_frequent_and_say_so():
    labels = {name: {"f1": 0.5, "support": place} for place, name in enumerate(MANY)}
    picture = pictures.bars(labels)
    assert picture.title == "F1 of the 40 of 50 labels that are most frequent"
    assert sorted(set(words_of(picture)) & set(MANY)) == MANY[10:]
    assert pictures.bars(dict(list(labels.items())[:3])).title == "F1 of each label"


def test_decisions_on_a_label_are_a_row_of_its_four_counts():
    kinds = ("true_positives", "false_negatives", "false_positives", "true_negatives")
    picture = pictures.decisions({"a": dict(zip(kinds, (11, 12, 13, 14), strict=True))})
    assert picture.title == "Validation: found and missed, of each label"
    words = words_of(picture)
    assert [word for word in words if word.isdigit()] == ["11", "12", "13", "14"]
    many = {name: dict.fromkeys(kinds, place) for place, name in enumerate(MANY)}
    assert pictures.decisions(many).title.endswith("the 40 of 50 labels with most errors")


@pytest.mark.parametrize(
    ("passages", "title", "numbers"),
    [
        ([[5, 6], [7, BOUNDARY_ID], [BOUNDARY_ID], [8, 9, 5, BOUNDARY_ID]], "document", [4, 1, 4]),
        ([[5, 6, 7], [], [8, BOUNDARY_ID]], "passage", [3, 2]),
    ],
)
def test_running_text_has_the_lengths_of_its_documents_or_of_the_passages_of_one(passages, title, numbers):
    column = pyarrow.chunked_array([passages[:2], passages[2:]], type=pyarrow.list_(pyarrow.int32()))
    table = SimpleNamespace(data=SimpleNamespace(column=lambda name: column))
    stream = SimpleNamespace(ids=Ragged(column).joined())
    data = SimpleNamespace(task="generate", tables={"train": table}, stream=lambda split: stream)
    picture, drawn = pictures.lengths(data), []
    axes = SimpleNamespace(hist=lambda tokens, bins: drawn.extend(tokens.tolist()))
    axes.set_xlabel = axes.set_ylabel = lambda text: None
    picture.draw(axes)
    assert (picture.title, drawn) == (f"Tokens of a training {title}", numbers)
