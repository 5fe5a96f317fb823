"""Which arithmetic trains faster on this machine: float32, or bfloat16 products under autocast."""

from contextlib import AbstractContextManager, nullcontext

import torch

from lstmtext.config import TrainSettings


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context that a forward pass runs in."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def choose_precision(settings: TrainSettings, device: torch.device) -> str:
    """The precision to train in; `auto` takes bfloat16 where the processor has instructions for its products.

    A timing would say the same, but not always: the same training must give the same bundle on a busy machine.
    """
    if settings.precision != "auto":
        return settings.precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    products = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if products else "float32"
