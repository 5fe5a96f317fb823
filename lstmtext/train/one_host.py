"""How the processes of one host exchange numbers on CPUs: through memory that all of them see. Linux only.

gloo sends them over TCP by threads of its own, which take time from the products where each process has one core: with
two processes, two fifths of a step of 700 tokens. Here small sums cross as messages of Unix sockets, which also tell of
a process that is gone; gradients are laid side by side, and each rank adds up its part of them. A process that is
stopped, not gone, is waited for.
Letters: N numbers of a gradient.
"""

import math
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from mmap import mmap
from multiprocessing.connection import Client, Connection, Listener
from multiprocessing.reduction import recv_handle, send_handle

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.futures import Future

FromFirst = Callable[[str | None], str]
"""What the first rank has, on all of them."""


class PeerLost(RuntimeError):
    """Another process of the training does not answer any more."""


class OneHost:
    """The ranks of one host. All call the same methods in the same order."""

    def __init__(self, rank: int, size: int, from_first: FromFirst) -> None:
        self._rank, self._size = rank, size
        self._peers = _connected(rank, size, from_first)
        """From the first rank to each other one; from the others to the first."""
        self._memory = torch.empty(size + 1, 0)
        """The gradient of each rank, and their mean."""

    def __enter__(self) -> "OneHost":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the others, for whom this rank is gone."""
        for peer in self._peers:
            peer.close()

    @staticmethod
    def is_possible() -> bool:
        """Whether the system has files that are memory alone: Linux has."""
        return hasattr(os, "memfd_create")

    def sums(self, values: Sequence[float]) -> list[float]:
        """The sum of each value over all ranks, in float64. Raises PeerLost."""
        summed = np.asarray(values, dtype=np.float64)
        with _lost_peers():
            if self._rank:
                self._peers[0].send_bytes(summed.tobytes())
                return [float(value) for value in np.frombuffer(self._peers[0].recv_bytes())]
            for peer in self._peers:
                summed = summed + np.frombuffer(peer.recv_bytes())
            for peer in self._peers:
                peer.send_bytes(summed.tobytes())
        return [float(value) for value in summed]

    def average(self, gradient_N: Tensor) -> None:
        """Put the mean over all ranks in the place of a gradient of float32. Raises PeerLost."""
        assert gradient_N.dtype == self._memory.dtype, "weights learn in float32"
        if self._memory.shape[1] < len(gradient_N):
            self._memory = self._shared(len(gradient_N))
        memory = self._memory[:, : len(gradient_N)]
        memory[self._rank] = gradient_N
        self._meet()  # all gradients are there, and no rank reads the last mean any more
        start, end = (len(gradient_N) * rank // self._size for rank in (self._rank, self._rank + 1))
        torch.mean(memory[:-1, start:end], dim=0, out=memory[-1, start:end])
        self._meet()  # the mean is whole, and no rank reads the gradients any more
        gradient_N.copy_(memory[-1])

    def hook(self, _: None, bucket: dist.GradBucket) -> Future[Tensor]:  # type: ignore[name-defined]
        """What DistributedDataParallel calls for gradients that are ready (its communication hook)."""
        self.average(bucket.buffer())
        done: Future[Tensor] = Future()
        done.set_result(bucket.buffer())
        return done

    def _meet(self) -> None:
        self.sums([])

    def _shared(self, numbers: int) -> Tensor:
        """Memory for the gradients of all ranks and their mean; it is gone with the last process that holds it."""
        shape = (self._size + 1, numbers)
        with _lost_peers():
            file = recv_handle(self._peers[0]) if self._rank else None
        file = os.memfd_create("gradients") if file is None else file
        try:
            if self._rank == 0:
                os.truncate(file, 4 * math.prod(shape))
                with _lost_peers():
                    for peer in self._peers:
                        send_handle(peer, file, None)
            return torch.frombuffer(mmap(file, 4 * math.prod(shape)), dtype=torch.float32).view(shape)
        finally:
            os.close(file)


def _connected(rank: int, size: int, from_first: FromFirst) -> list[Connection]:
    """Connections through a socket that has a name in no folder; a key keeps others of the machine out."""
    if rank:
        address, key = from_first(None).split()
        with _lost_peers():
            peer = Client(f"\0{address}", "AF_UNIX", authkey=key.encode())
            peer.send(rank)
        return [peer]
    address, key = f"lstmtext.{secrets.token_hex(8)}", secrets.token_hex(16)
    with Listener(f"\0{address}", "AF_UNIX", backlog=size, authkey=key.encode()) as listener:
        from_first(f"{address} {key}")
        with _lost_peers():
            peers = [listener.accept() for _ in range(size - 1)]
            return [peer for _, peer in sorted((peer.recv(), peer) for peer in peers)]


@contextmanager
def _lost_peers() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError) as error:
        raise PeerLost("another process of the training is gone") from error
