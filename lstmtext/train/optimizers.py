"""torch's optimizers, which do not wait for its compiler.

Methods that are not to be compiled import `torch._dynamo` when they are first called, to say so: a second of every
training's start. Nothing is compiled here, so they are taken as they are. Where a torch says it in another way, its
methods stay, and the second is spent.
"""

from typing import Any

import torch
from torch.optim import LBFGS, Optimizer

__all__ = ["LBFGS", "SGD", "AdamW", "Optimizer"]


def _is_made_by(name: str, method: object) -> bool:
    """Whether a method is the wrapper of that name around another."""
    return getattr(getattr(method, "__code__", None), "co_qualname", "") == name and hasattr(method, "__wrapped__")


def _without_compiler(step: Any) -> Any:  # noqa: ANN401  # methods
    """A step that records no gradients, which is all that the wrapper means where none is to be differentiated."""
    known = _is_made_by("_use_grad_for_differentiable.<locals>._use_grad", step)
    return torch.no_grad()(step.__wrapped__) if known else step


for _method in vars(Optimizer).values():
    if _is_made_by("_disable_dynamo.<locals>.inner", _method):
        setattr(_method.__wrapped__, "__dynamo_disable", _method.__wrapped__)


class AdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter, 2019)."""

    step = _without_compiler(torch.optim.AdamW.step)


class SGD(torch.optim.SGD):
    """Gradient descent on batches."""

    step = _without_compiler(torch.optim.SGD.step)
