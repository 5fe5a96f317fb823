"""The processes that share one training: one by itself, or as many as `torchrun` started.

Each rank trains on its part of every batch; gradients are averaged by DistributedDataParallel (Li et al., 2020):
by NCCL between GPUs, through shared memory between the CPUs of one Linux host (`one_host`), else by gloo.
What all must decide alike (when to stop, how much time is spent) goes through the CPU, so that no step waits for a GPU.
"""

import os
import secrets
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.distributed_c10d import PrefixStore, rendezvous  # type: ignore[attr-defined]
from torch.nn.parallel import DistributedDataParallel

from lstmtext.cores import core_count
from lstmtext.errors import ExitCode, UserError
from lstmtext.train.one_host import OneHost, PeerLost

Value = TypeVar("Value")
PATIENCE = timedelta(days=1)
"""How long ranks wait while another encodes data or validates; one that is gone is found out at once."""
BETWEEN_LOOKS = 0.05
"""Seconds between two looks at whether all have started."""
ONE_BUCKET = 1 << 20
"""Mebibytes of gradients that are exchanged at once, where nothing is gained by beginning early: all of them."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of a training."""

    rank: int = 0
    size: int = 1
    local: int = 0
    """Its number on this host, which is that of its GPU."""
    host: int = 0
    control: Any = None
    """The group of the CPU."""
    beside: Any = None
    """That of this host's processes."""
    near: OneHost | None = None
    """Where all are of one Linux host: what its CPUs exchange through."""
    launcher: Any = None
    """The launcher's store, which outlives the processes that it starts."""

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, writes and talks."""
        return self.rank == 0

    def sums(self, values: Sequence[float]) -> list[float]:
        """The sum of each value over all ranks."""
        if self.size == 1:
            return list(values)
        if self.near:
            return self.near.sums(values)
        summed = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(summed, group=self.control)
        return [float(value) for value in summed]

    def summed(self, value: torch.Tensor) -> torch.Tensor:
        """The sum of a number over all ranks, on its device."""
        if self.near and value.device.type == "cpu":
            return value.new_tensor(self.near.sums([float(value)])[0])
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def from_first(self, value: Value | None) -> Value:
        """What the first rank has."""
        held = [value]
        if self.size > 1:
            dist.broadcast_object_list(held, src=0, group=self.control)
        assert held[0] is not None, "the first rank has it"
        return held[0]

    def gathered(self, value: Value) -> list[Value]:
        """What each rank has, on all of them."""
        return [value] if self.size == 1 else _gathered(value, self.control)

    def gathered_on_host(self, value: Value) -> list[Value]:
        """What each rank of this host has, on all of them."""
        return [value] if self.size == 1 else _gathered(value, self.beside)

    def remember(self, name: str, text: str) -> None:
        """Let those that this launcher starts anew know something; the first rank alone says and asks such things."""
        if self.launcher is not None:
            self.launcher.set(name, text)

    def recalled(self, name: str) -> str:
        """What was remembered, since the launcher began; empty where nothing was, or its store is another one now."""
        if self.launcher is None or not self.launcher.check([name]):
            return ""
        return str(self.launcher.get(name).decode())

    @contextmanager
    def threads_of_all(self) -> Iterator[None]:
        """What one rank does while the others of its host wait: it has their threads too, but no more than cores."""
        own = torch.get_num_threads()
        if self.near:
            torch.set_num_threads(max(own, min(own * self.size, core_count())))
        try:
            yield
        finally:
            torch.set_num_threads(own)

    def shared(self, model: nn.Module) -> nn.Module:
        """The model whose gradients are averaged over the ranks; the model itself where there is one."""
        if self.size == 1:
            return model
        near = self.near if next(model.parameters()).device.type == "cpu" else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # later versions call the option forward_sync_buffers
            shared = DistributedDataParallel(
                model,
                broadcast_buffers=False,
                gradient_as_bucket_view=near is not None,
                bucket_cap_mb=ONE_BUCKET if near else None,
            )
        if near:
            shared.register_comm_hook(None, near.hook)
        return shared


def _gathered(value: Value, group: Any) -> list[Value]:  # noqa: ANN401  # torch leaves groups untyped
    held: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(held, value, group=group)
    return held


ALONE = Ranks()
"""A training of one process."""


def leads() -> bool:
    """Whether this process is the first of its training, which alone talks."""
    return os.environ.get("RANK", "0") == "0"


def started_processes() -> int:
    """How many processes a launcher started for this training; one where none did."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """This process among those that `torchrun` started, if it did.

    Raises LostError where another process of the training is gone.
    """
    size = started_processes()
    if size == 1:
        yield ALONE
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if local < torch.cuda.device_count():
        torch.cuda.set_device(local)
    try:
        with lost_peers_told(lambda: "start all again"):
            launcher = _meet()
            control = dist.new_group(backend="gloo", timeout=PATIENCE)
            host = int(os.environ.get("GROUP_RANK", "0"))
            ranks = Ranks(dist.get_rank(), size, local, host, control, launcher=launcher)
            ranks = replace(ranks, beside=_group_of_host(ranks))
            near = OneHost(ranks.rank, size, ranks.from_first) if _on_one_host() and OneHost.is_possible() else None
            with near or nullcontext():
                yield replace(ranks, near=near)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


class LostError(UserError):
    """Other processes of a training are gone, or all were told to end."""

    exit_code = ExitCode.UNEXPECTED


@contextmanager
def lost_peers_told(way_on: Callable[[], str]) -> Iterator[None]:
    """Raise LostError where another process of the training is gone; only then is asked how to go on."""
    try:
        yield
    except (RuntimeError, KeyboardInterrupt) as error:
        if isinstance(error.__context__, UserError):  # told to end while it was about to say what is wrong
            raise error.__context__ from None
        found = error if isinstance(error, RuntimeError) else error.__context__
        lost = isinstance(found, RuntimeError) and _lost(found)
        if not lost and error.args != (signal.SIGTERM,):
            raise
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # by which the launcher ends all that are left: say why first
        place = f"rank {os.environ.get('RANK', '?')}"
        why = "another process of the training is gone" if lost else "ended by its launcher, perhaps as another is gone"
        raise LostError(place, why, hint=way_on()) from error


def _meet() -> PrefixStore:
    """Join the group of all ranks; what to remember things in.

    Processes that start anew find the addresses of the dead ones in the launcher's store (PyTorch issue 135712), so
    each start has a name of its own there.
    """
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    store, rank, size = next(rendezvous("env://"))
    launcher = PrefixStore("lstmtext", store)
    start = _name_of_start(launcher, rank, size)
    dist.init_process_group(backend, store=PrefixStore(start, store), rank=rank, world_size=size)
    return launcher


def _group_of_host(ranks: Ranks) -> Any:  # noqa: ANN401
    """The group of the processes of this host; all make those of all hosts, in the same order."""
    hosts = ranks.gathered(ranks.host)
    if len(set(hosts)) == 1:
        return ranks.control
    members = {host: [rank for rank, own in enumerate(hosts) if own == host] for host in sorted(set(hosts))}
    groups = {host: dist.new_group(own, backend="gloo", timeout=PATIENCE) for host, own in members.items()}
    return groups[ranks.host]


def _name_of_start(launcher: PrefixStore, rank: int, size: int) -> str:
    """A name that these processes share, and none of an earlier start, though what those left is in the store still.

    Nothing of the launcher's will do: its port stays, and each host counts its own restarts. So the first process makes
    a name up, and confirms it to each other one, which knows its own answer by a word that none had before.
    """
    own = secrets.token_hex(8)
    if rank == 0:
        launcher.set("start", own)
        words = [launcher.get(f"{own} {other}").decode() for other in range(1, size)]
        launcher.set(f"{own} confirmed", " ".join(words))
        return own
    while True:
        start = launcher.get("start").decode()
        launcher.set(f"{start} {rank}", own)
        if launcher.check([f"{start} confirmed"]) and own in launcher.get(f"{start} confirmed").decode().split():
            return str(start)
        time.sleep(BETWEEN_LOOKS)


def _on_one_host() -> bool:
    """Whether the launcher says that all processes are of this host."""
    return os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]


def _lost(error: RuntimeError) -> bool:
    """Whether an error says that a peer does not answer any more."""
    said = str(error).lower()
    return isinstance(error, PeerLost | dist.DistError) or any(
        sign in said for sign in ("gloo", "peer", "nccl", "timed out")
    )
