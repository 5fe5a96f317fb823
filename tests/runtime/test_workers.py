import threading
import time

import pytest

from lstmtext.runtime.workers import AHEAD, in_order

SECONDS = 30


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
def test_results_come_in_the_order_of_the_items(threads: int):
    def slow_first(item: list[int]) -> int:
        time.sleep(0.02 if item[0] % 3 == 0 else 0.0)
        return item[0]

    assert list(in_order(([n] for n in range(30)), slow_first, threads)) == list(range(30))


@pytest.mark.parametrize("threads", [1, 2])
def test_an_empty_item_asks_for_all_results_before_the_next_item_is_taken(threads: int):
    given: list[int] = []

    def items():
        for number in range(3):
            yield [number]
            yield []
            assert given == list(range(number + 1)), "an answer was held back"

    for made in in_order(items(), lambda item: item[0], threads):
        given.append(made)
    assert given == [0, 1, 2]


def test_no_more_items_are_taken_than_can_be_worked_on():
    taken, gate = [], threading.Event()

    def items():
        for number in range(50):
            taken.append(number)
            if number == 2 * AHEAD:
                gate.set()
            yield [number]

    def wait(item: list[int]) -> int:
        assert gate.wait(SECONDS)
        return item[0]

    results = in_order(items(), wait, 2)
    assert next(results) == 0
    assert len(taken) == 2 * AHEAD + 1
    results.close()


def test_two_threads_work_side_by_side():
    meeting = threading.Barrier(2, timeout=SECONDS)
    assert len(list(in_order([[1], [2]], lambda _: meeting.wait(), 2))) == 2


def test_an_error_in_the_work_reaches_the_caller_and_ends_the_rest():
    done: list[int] = []

    def fail(item: list[int]) -> None:
        if item[0] == 1:
            raise ValueError("at 1")
        done.append(item[0])

    with pytest.raises(ValueError, match="at 1"):
        list(in_order(([n] for n in range(100)), fail, 2))
    assert len(done) < 20
