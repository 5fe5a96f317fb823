"""Which scores are shown, and which are better."""

import math

import pytest

from lstmtext.tasks import TASKS, first_of

BETTER = [
    ("classify", {"nats_per_text": 0.3, "accuracy": 0.1}, {"nats_per_text": 0.4, "accuracy": 0.9}),
    ("tag", {"span_f1": 0.2, "accuracy": 0.1}, {"span_f1": 0.1, "accuracy": 0.9}),
    ("tag", {"accuracy": 0.3}, {"accuracy": 0.2}),
    (
        "generate",
        {"nats_per_character": 1.0, "nats_per_token": 9.0},
        {"nats_per_character": 2.0, "nats_per_token": 3.0},
    ),
]


@pytest.mark.parametrize(("task", "good", "bad"), BETTER)
def test_the_better_scores_are_those_of_the_selecting_name(task, good, bad):
    better = TASKS[task].better
    assert better(good, bad)
    assert not better(bad, good)
    assert not better(good, good)
    assert better(bad, None)


@pytest.mark.parametrize(("task", "good", "bad"), BETTER)
def test_no_number_is_never_better(task, good, bad):
    broken = dict.fromkeys(good, math.nan)
    assert not TASKS[task].better(broken, None)
    assert not TASKS[task].better(broken, bad)


def test_the_first_name_that_there_is_is_shown():
    assert first_of(("span_f1", "accuracy"), {"accuracy": 0.5}) == ("accuracy", 0.5)
    assert first_of(("span_f1", "accuracy"), {"accuracy": 0.5, "span_f1": 0.25}) == ("span_f1", 0.25)
