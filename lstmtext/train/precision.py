"""Which arithmetic trains faster on this machine: float32, or bfloat16 products under autocast.

A processor with instructions for bfloat16 takes it, unless float32 is clearly faster: with large matrices and few rows
it can be. The first training of its kind on a machine times both on a few of its own batches. What was found is
remembered, so that the same training has the same arithmetic ever after, and gives the same bundle, however busy the
machine is.
"""

import hashlib
import json
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from platformdirs import user_cache_path

from lstmtext.config import TrainSettings
from lstmtext.nn.joint import JointModel
from lstmtext.nn.model import AnyBatch, HeadBatch, Model
from lstmtext.train.feeds import Feed

PRECISIONS = ("bfloat16", "float32")
BATCHES = 3
"""That a timing reads; their sizes differ."""
TURNS = 3
"""Most of each arithmetic, in turn, after one that is not timed."""
ENOUGH = 1.0
"""Seconds of timed turns after which no other is begun."""
CLEARLY = 0.8
"""Share of bfloat16's time that float32 must stay below to be taken: timings of a busy machine differ by less."""
MEMORY = "precision.jsonl"
"""In the user's folder of caches: a line for each kind of training that was timed."""


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context that a forward pass runs in."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def choose_precision(settings: TrainSettings, model: Model | JointModel, feed: Feed) -> str:
    """The precision to train a model in; `auto` takes bfloat16 where there are instructions, unless float32 is faster.

    A timing leaves the model in training mode and without gradients; weights and random states stay as they are.
    """
    if settings.precision != "auto":
        return settings.precision
    if model.device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    if not (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return "float32"  # bfloat16 would be emulated
    batches = [batch for _, batch in islice(feed.shuffled(np.random.default_rng(0)), BATCHES)]
    return remembered(memory_file(), kind_of(model, batches), partial(faster, model, batches))


def kind_of(model: Model | JointModel, batches: Sequence[AnyBatch]) -> str:
    """What decides how fast a training is: processor, torch, threads, parameters and which learn, shapes of batches."""
    parameters = [(name, tuple(own.shape), own.requires_grad) for name, own in model.named_parameters()]
    shapes = []
    for batch in batches:
        own = batch.batch if isinstance(batch, HeadBatch) else batch
        shapes.append("x".join(map(str, own.ids_BT.shape)))
    digest = hashlib.sha256(repr(parameters).encode()).hexdigest()[:16]
    machine = f"{_processor()}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    return f"{machine}, parameters {digest}, batches {' '.join(shapes)}"


def memory_file() -> Path | None:
    """Where findings are remembered; None where the user has no home."""
    try:
        folder = user_cache_path("lstmtext", appauthor=False)
    except RuntimeError:
        return None
    return folder / MEMORY if folder.is_absolute() else None


def remembered(file: Path | None, kind: str, find: Callable[[], str]) -> str:
    """What a file says of a kind of training, or else what is found, which the file then says as well.

    Of two that found at once, what was written first holds for both. A line that cannot be read is passed over; a file
    that cannot be read or written is done without.
    """
    if file is None:
        return find()
    known = _known(file, kind)
    if known is not None:
        return known
    found = find()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as memory:  # on a new line, as the last may have been cut short
            memory.write("\n" + json.dumps({"kind": kind, "precision": found}) + "\n")
    return _known(file, kind) or found


def _known(file: Path, kind: str) -> str | None:
    """What the first line of a kind says."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):
            row = json.loads(line)
            if row["kind"] == kind and row["precision"] in PRECISIONS:
                return str(row["precision"])
    return None


def faster(model: Model | JointModel, batches: Sequence[AnyBatch]) -> str:
    """The arithmetic to read batches forwards and backwards in, by the best of some turns of each."""
    best = dict.fromkeys(PRECISIONS, float("inf"))
    model.train()
    with torch.random.fork_rng(devices=[]):
        _turn(model, batches)  # which makes room and kernels
        spent = 0.0
        for _ in range(TURNS):
            seconds = _turn(model, batches)
            best = {precision: min(best[precision], own) for precision, own in seconds.items()}
            spent += sum(seconds.values())
            if spent > ENOUGH:
                break
    model.zero_grad(set_to_none=True)
    return "float32" if best["float32"] < CLEARLY * best["bfloat16"] else "bfloat16"


def _turn(model: Model | JointModel, batches: Sequence[AnyBatch]) -> dict[str, float]:
    """Seconds that each arithmetic takes."""
    return {precision: _seconds(model, batches, precision) for precision in PRECISIONS}


def _seconds(model: Model | JointModel, batches: Sequence[AnyBatch], precision: str) -> float:
    started = time.perf_counter()
    for batch in batches:
        with autocast(model.device, precision):
            total, _ = model(batch)
        total.backward()
    return time.perf_counter() - started


def _processor() -> str:
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
