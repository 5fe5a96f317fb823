"""torch's optimizers, which do not wait for its compiler.

Methods that are not to be compiled import `torch._dynamo` when they are first called, to say so: a second of every
training's start. Nothing is compiled here, so they are taken as they are. Where a torch says it in another way, there
is nothing to take, and the second is spent.
"""

import inspect

import torch
from torch.optim import LBFGS, Optimizer

__all__ = ["LBFGS", "SGD", "AdamW", "Optimizer"]

for _method in vars(Optimizer).values():
    _plain = getattr(_method, "__wrapped__", None)
    if _plain is not None and not hasattr(_plain, "__dynamo_disable"):
        setattr(_plain, "__dynamo_disable", _plain)  # the attribute is none of the function's type


class AdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter, 2019)."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


class SGD(torch.optim.SGD):
    """Gradient descent on batches."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))
