"""Which arithmetic trains faster on this machine: float32, or bfloat16 products under autocast."""

import time
from contextlib import AbstractContextManager, nullcontext
from statistics import median

import torch

from lstmtext.config import EncoderSettings, TrainSettings
from lstmtext.nn.encoder import Stack

WORTHWHILE = 1.15
"""bfloat16 is taken where it is faster by this factor; below, exactness is worth more."""


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context that a forward pass runs in."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def choose_precision(settings: TrainSettings, encoder: EncoderSettings, device: torch.device) -> str:
    """The precision to train in; `auto` times a few steps of a stack of this size in both."""
    if settings.precision != "auto":
        return settings.precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    stack = Stack(encoder)
    embedded_BTD = torch.randn(32, 32, encoder.embedding_size)
    seconds: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    for _ in range(4):
        for precision, measured in seconds.items():
            started = time.perf_counter()
            with autocast(device, precision):
                states_BTH, _ = stack(embedded_BTD)
            states_BTH.float().sum().backward()
            measured.append(time.perf_counter() - started)
    slow, fast = median(seconds["float32"][1:]), median(seconds["bfloat16"][1:])
    return "bfloat16" if slow > WORTHWHILE * fast else "float32"
