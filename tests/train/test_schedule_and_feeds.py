"""The rate as a function of progress, and that a pass is the data, once."""

import threading
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from lstmtext.config import Settings, TrainSettings
from lstmtext.resolve import settings_from
from lstmtext.text.tokenizer import BOUNDARY_ID
from lstmtext.train.feeds import RecordFeed, StreamFeed, ahead, stream_windows
from lstmtext.train.schedule import FLOOR, rate_factor


def with_sizes() -> Settings:
    return settings_from({"train.batch_tokens": 256, "generate.rows": 4, "generate.window": 16})


@pytest.mark.parametrize("decay", ["cosine", "linear", "constant"])
def test_the_rate_rises_to_its_peak_and_ends_low_unless_constant(decay):
    settings = TrainSettings(warmup=0.2, decay=decay)
    rates = [rate_factor(progress, settings) for progress in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1.0)
    assert rates[20] == pytest.approx(1.0)
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[-1] == pytest.approx(1.0 if decay == "constant" else FLOOR)


def test_without_warm_up_the_rate_starts_at_its_peak():
    assert rate_factor(0.0, TrainSettings(warmup=0.0)) == pytest.approx(1.0)


def test_a_pass_over_records_holds_each_once_in_an_order_that_the_generator_decides():
    lengths = np.random.default_rng(0).integers(1, 30, 200)
    feed = RecordFeed(range(200), lengths, lambda chosen, settings: list(chosen), with_sizes())

    def one_pass(seed: int) -> list[list[int]]:
        return [batch for _, batch in feed.shuffled(np.random.default_rng(seed))]

    assert Counter(index for batch in one_pass(1) for index in batch) == Counter(range(200))
    assert one_pass(1) == one_pass(1) != one_pass(2)
    assert [share for share, _ in feed.shuffled(np.random.default_rng(1))][-1] == 1.0


@pytest.mark.parametrize("length", [3, 50, 1000])
def test_windows_of_a_stream_join_up_and_cover_almost_all_of_it(length):
    settings = with_sizes()
    ids = np.arange(length)
    rows: dict[int, list[int]] = {}
    for _, batch in StreamFeed(ids, settings).shuffled(np.random.default_rng(0)):
        for row, own in enumerate(batch.ids_BT):
            if batch.fresh_B[row]:
                assert own[0] == BOUNDARY_ID
            else:
                assert own[0] == rows[row][-1]
            rows.setdefault(row, []).extend(own[1:].tolist())
    for own in rows.values():
        assert (np.diff(own) % length == 1 % length).all()
    own_lengths = {len(own) for own in rows.values()}
    assert own_lengths == {1 + (length - 1) // len(rows)}  # the first token of a row too


@pytest.mark.parametrize("restart", [0.0, 0.3])
def test_rows_start_anew_as_often_as_asked(restart):
    settings = with_sizes()
    settings = replace(settings, generate=replace(settings.generate, restart=restart))
    batches = [batch for _, batch in StreamFeed(np.arange(100_000), settings).shuffled(np.random.default_rng(0))]
    assert batches[0].fresh_B.all()
    assert np.mean([batch.fresh_B for batch in batches[1:]]) == pytest.approx(restart, abs=0.05)
    assert all((batch.reversed_BT[batch.fresh_B, 0] == BOUNDARY_ID).all() for batch in batches)


def test_the_backward_rows_are_the_mirrored_text():
    ids = np.arange(100)
    feed = StreamFeed(ids, with_sizes())
    _, batch = next(iter(feed.shuffled(np.random.default_rng(0))))
    assert (np.diff(batch.reversed_BT[:, 1:], axis=1) % 100 == 99).all()


@pytest.mark.parametrize(("length", "rows"), [(4000, 7), (100, 1), (20_000, 16), (3, 1)])
def test_validation_reads_every_token_once_in_rows_that_begin_as_texts_do(length: int, rows: int):
    stream = SimpleNamespace(ids=np.arange(2, 2 + length))
    seen: dict[tuple[int, int], list[int]] = {}
    part = -1
    for batch in stream_windows(stream, rows=16, window=4):
        part += bool(batch.fresh_B.all())
        for row, own in enumerate(batch.ids_BT):
            known = seen.setdefault((part, row), [])
            assert own[0] == (known[-1] if known else BOUNDARY_ID)
            known.extend(own[1:].tolist())
    assert sorted(token for known in seen.values() for token in known) == stream.ids.tolist()
    assert sum(place == 0 for place, _ in seen) == rows


def test_batches_are_made_ahead_in_order_and_no_more_of_them_than_asked():
    made = []

    def items():
        for number in range(50):
            made.append(number)
            yield number

    taken = ahead(items(), depth=2)
    assert [next(taken) for _ in range(3)] == [0, 1, 2]
    assert len(made) <= 3 + 2 + 1  # taken, waiting, and one in hand
    assert list(taken) == list(range(3, 50))


def test_an_error_while_batches_are_made_reaches_whoever_takes_them():
    def items():
        yield 1
        raise ValueError("no batch")

    taken = ahead(items())
    assert next(taken) == 1
    with pytest.raises(ValueError, match="no batch"):
        next(taken)


def test_the_making_ends_with_the_taking():
    makers: list[threading.Thread] = []

    def items():
        makers.append(threading.current_thread())
        yield from range(1000)

    taken = ahead(items())
    assert next(taken) == 0
    taken.close()
    assert not makers[0].is_alive()


def test_on_a_plateau_each_miss_halves_the_rate():
    settings = TrainSettings(warmup=0.0, decay="plateau")
    assert [rate_factor(0.9, settings, misses) for misses in range(3)] == pytest.approx([1.0, 0.505, 0.2575])
    assert rate_factor(0.9, settings, 50) == pytest.approx(FLOOR)
