"""Which arithmetic trains faster on this machine: float32, or bfloat16 products under autocast.

The first training of its kind on a machine times both on a few of its own batches. What was found is remembered, so
that the same training has the same arithmetic ever after, and gives the same bundle, however busy the machine is.
"""

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

PRECISIONS = ("float32", "bfloat16")
BATCHES = 3
"""That a timing reads; their sizes differ."""
TURNS = 3
"""Of each arithmetic, in turn, after one that is not timed."""
WORTH = 0.95
"""Share of float32's time that bfloat16 must stay below: where both take as long, the finer one is better."""
MEMORY = "precision.jsonl"
"""In the user's folder of caches: a line for each kind of training that was timed."""


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context that a forward pass runs in."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def choose_precision(settings: TrainSettings, model: Model | JointModel, feed: Feed) -> str:
    """The precision to train a model in; `auto` takes the faster one, and float32 where bfloat16 would be emulated.

    Weights and random state of the CPU stay as they are.
    """
    if settings.precision != "auto":
        return settings.precision
    if model.device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    if not (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return "float32"
    batches = [batch for _, batch in islice(feed.shuffled(np.random.default_rng(0)), BATCHES)]
    file = user_cache_path("lstmtext", appauthor=False) / MEMORY
    return remembered(file, kind_of(model, batches), partial(faster, model, batches))


def kind_of(model: Model | JointModel, batches: Sequence[AnyBatch]) -> str:
    """What decides how fast a training is: processor, torch, threads, sizes of the model, shapes of its batches."""
    sizes = model.encoder.settings
    shapes = []
    for batch in batches:
        own = batch.batch if isinstance(batch, HeadBatch) else batch
        shapes.append("x".join(map(str, own.ids_BT.shape)))
    machine = f"{_processor()}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    return f"{machine}, {sizes.layers}x{sizes.hidden_size} {sizes.directions}, {' '.join(shapes)}"


def remembered(file: Path, kind: str, find: Callable[[], str]) -> str:
    """What a file says of a kind of training, or else what is found, which the file then says as well.

    A file or line that cannot be read, and a file that cannot be written, are done without.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        lines = []
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):
            row = json.loads(line)
            if row["kind"] == kind and row["precision"] in PRECISIONS:
                return str(row["precision"])
    found = find()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as memory:
            memory.write(json.dumps({"kind": kind, "precision": found}) + "\n")
    return found


def faster(model: Model | JointModel, batches: Sequence[AnyBatch]) -> str:
    """The arithmetic in which a model reads batches forwards and backwards in less time, the best of some turns."""
    best = dict.fromkeys(PRECISIONS, float("inf"))
    model.train()
    with torch.random.fork_rng(devices=[]):
        for turn in range(TURNS + 1):
            for precision, seconds in list(best.items()):
                taken = _seconds(model, batches, precision)
                best[precision] = min(seconds, taken) if turn else seconds
    model.zero_grad(set_to_none=True)
    return "bfloat16" if best["bfloat16"] < WORTH * best["float32"] else "float32"


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
