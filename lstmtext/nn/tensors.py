"""The one step from numpy batches to tensors on a device."""

import torch
from torch import Tensor

from lstmtext.text.arrays import Bools, Floats, Ints


def tensor(array: Ints | Floats | Bools, device: torch.device, dtype: torch.dtype = torch.int64) -> Tensor:
    """An array as a tensor on the device, of 64-bit integers unless another type is named."""
    made = torch.as_tensor(array, dtype=dtype)
    if device.type == "cuda":
        made = made.pin_memory()  # only then does the copy not wait
    return made.to(device, non_blocking=True)
