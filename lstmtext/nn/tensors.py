"""The one step from numpy batches to tensors on a device."""

import torch
from torch import Tensor

from lstmtext.text.arrays import Ints


def tensor(array: Ints, device: torch.device) -> Tensor:
    """An integer array as a tensor of 64-bit integers on the device."""
    made = torch.as_tensor(array, dtype=torch.int64)
    if device.type == "cuda":
        made = made.pin_memory()  # only then does the copy not wait
    return made.to(device, non_blocking=True)
