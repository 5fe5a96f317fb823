"""Numbers of a dataclass that have to lie within bounds."""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

from lstmtext.errors import UsageError

Value = TypeVar("Value")


def bounded(default: Value, low: float, high: float) -> Value:
    """A dataclass field whose value lies in [low, high]."""
    made: Value = dataclasses.field(default=default, metadata={"low": low, "high": high})
    return made


def check_bounds(section: object, place: Callable[[str], str]) -> None:
    """Raise UsageError for the first field of a dataclass that lies outside its bounds, at the `place` of its name."""
    assert dataclasses.is_dataclass(section)
    for item in dataclasses.fields(section):
        value = getattr(section, item.name)
        if "low" in item.metadata and not item.metadata["low"] <= value <= item.metadata["high"]:
            bounds = f"a number from {item.metadata['low']} to {item.metadata['high']}"
            raise UsageError(place(item.name), f"found {value}", expected=bounds)
