"""Processes of one host exchange through its memory: exact sums and means, alike on all, and a lost one is told of."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest
import torch

from lstmtext.cores import core_count
from lstmtext.train.one_host import OneHost, PeerLost
from lstmtext.train.ranks import Ranks

pytestmark = pytest.mark.skipif(not OneHost.is_possible(), reason="no files that are memory alone")


def on_ranks(size: int, work: Callable[[int, OneHost], object]) -> list:
    """What each rank's work gives; threads stand for processes."""
    told = SimpleQueue()

    def from_first(value: str | None) -> str:
        if value is None:
            return told.get(timeout=20)
        for _ in range(size - 1):
            told.put(value)
        return value

    def run(rank: int) -> object:
        time.sleep(0.05 * (size - rank if rank else 0))  # the last rank is the first to arrive
        with OneHost(rank, size, from_first) as host:
            return work(rank, host)

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(run, range(size)))


@pytest.mark.parametrize("size", [2, 3, 5])
def test_every_rank_has_the_same_sums(size):
    found = on_ranks(size, lambda rank, host: host.sums([rank + 0.1, 10.0**rank]))
    assert all(sums == found[0] for sums in found)
    assert {type(value) for value in found[0]} == {float}  # what is decided by them goes into JSON
    assert found[0] == pytest.approx([sum(rank + 0.1 for rank in range(size)), sum(10.0**rank for rank in range(size))])


def test_sums_are_in_the_order_of_the_ranks_whoever_comes_first():
    values = (1e16, 1.0, -1e16)  # in any other order: 1
    assert on_ranks(3, lambda rank, host: host.sums([values[rank]])) == [[0.0]] * 3


@pytest.mark.parametrize("size", [2, 3, 5])
def test_gradients_become_their_mean_on_every_rank_whatever_their_length(size):
    lengths = (1000, 1, 4, 7, 5000, 1000)  # fewer numbers than ranks, less memory than before, more

    def work(rank: int, host: OneHost) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(rank)
        gradients = [torch.randn(length, generator=generator) for length in lengths]
        means = [gradient.clone() for gradient in gradients]
        for mean_N in means:
            host.average(mean_N)
        return [torch.cat(gradients), torch.cat(means)]

    found = on_ranks(size, work)
    assert all(torch.equal(means, found[0][1]) for _, means in found)
    torch.testing.assert_close(found[0][1], torch.stack([own for own, _ in found]).mean(dim=0))


def test_no_rank_runs_ahead_into_a_gradient_that_another_still_reads():
    def work(rank: int, host: OneHost) -> list[float]:
        found = []
        for turn in range(200):
            gradient_N = torch.full((20_000,), float(turn + rank))
            host.average(gradient_N)
            found.append(float(gradient_N.min()) if bool((gradient_N == gradient_N[0]).all()) else -1.0)
        return found

    assert on_ranks(2, work) == [[turn + 0.5 for turn in range(200)]] * 2


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize("asked", ["sums", "average"])
def test_a_rank_that_is_gone_is_told_of(lost, asked):
    gone = threading.Event()

    def work(rank: int, host: OneHost) -> None:
        host.average(torch.zeros(5))
        if rank == lost:
            host.close()
            gone.set()
            return
        assert gone.wait(20)
        with pytest.raises(PeerLost, match="another process of the training is gone"):
            host.sums([1.0]) if asked == "sums" else host.average(torch.zeros(5))

    on_ranks(2, work)


def test_what_one_rank_does_while_all_wait_has_their_threads():
    before = torch.get_num_threads()

    def threads(size: int, host: OneHost) -> int:
        with Ranks(0, size, near=host).threads_of_all():
            return torch.get_num_threads()

    try:
        torch.set_num_threads(1)
        with Ranks(0, 2).threads_of_all():  # of several hosts, say: these are its own threads alone
            assert torch.get_num_threads() == 1
        cores = core_count()
        assert on_ranks(1, lambda _, host: [threads(2, host), threads(1000, host)]) == [[min(2, cores), cores]]
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
