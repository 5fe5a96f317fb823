"""What a search may change, for each task: values around the defaults.

Settings that decide how text is encoded are left out, so that all trials read the same encoded data; and what a bundle
to start from has decided: the sizes of its encoder, and the table of a head that goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lstmtext.config import Setting, Settings, TaskName

if TYPE_CHECKING:
    from optuna import Trial

Space = Callable[["Trial", Settings], dict[str, Setting]]


@dataclass(frozen=True)
class Limits:
    """What a search leaves alone, and what it may change besides."""

    fixed: frozenset[str] = frozenset()
    """Settings that somebody chose."""
    weigh: bool = False
    """Whether classes count alike is searched too."""
    sizes: bool = False
    """Whether the sizes of tables of n-grams or features are searched too, as bundles must be small."""
    taken: bool = False
    """Whether the encoder is taken over from a bundle."""
    goes_on: bool = False
    """Whether its head is too."""


def suggested(trial: "Trial", task: TaskName, settings: Settings, limits: Limits) -> dict[str, Setting]:
    """Values that a trial tries, by setting."""
    chosen = {**_common(trial), **_SPACES[task](trial, settings)}
    chosen |= _sizes(trial) if not limits.taken else {} if limits.goes_on else _transfer(trial)
    if limits.weigh and task == "classify":
        chosen["classify.class_weight"] = trial.suggest_categorical("classify.class_weight", ["none", "balanced"])
    if limits.sizes and task != "generate" and not limits.goes_on:
        name = f"{task}.bypass_rows"
        chosen[name] = trial.suggest_categorical(name, [1 << bits for bits in range(9, 21)])
    return {name: value for name, value in chosen.items() if name not in limits.fixed}


def defaults(task: TaskName, settings: Settings, limits: Limits) -> dict[str, Setting]:
    """What `suggested` gives for the settings as they are, so that a study can try them first."""
    recorder = _Recorder(settings)
    suggested(recorder, task, settings, limits)  # type: ignore[arg-type]  # it has the methods that spaces call
    return recorder.values


def smallest(task: TaskName, settings: Settings, limits: Limits) -> dict[str, Setting]:
    """What `suggested` gives where every value is the least that may be tried."""
    return suggested(_Least(), task, settings, limits)  # type: ignore[arg-type]  # as above


def _common(trial: "Trial") -> dict[str, Setting]:
    return {
        "train.learning_rate": trial.suggest_float("train.learning_rate", 5e-4, 1.2e-2, log=True),
        "encoder.embedding_dropout": trial.suggest_float("encoder.embedding_dropout", 0.0, 0.5),
        "encoder.input_dropout": trial.suggest_float("encoder.input_dropout", 0.0, 0.6),
        "encoder.output_dropout": trial.suggest_float("encoder.output_dropout", 0.0, 0.6),
        "encoder.weight_drop": trial.suggest_float("encoder.weight_drop", 0.0, 0.5),
        "train.weight_decay": trial.suggest_float("train.weight_decay", 1e-3, 0.3, log=True),
    }


def _sizes(trial: "Trial") -> dict[str, Setting]:
    return {
        "encoder.embedding_size": trial.suggest_categorical("encoder.embedding_size", [32, 64, 128, 256]),
        "encoder.hidden_size": trial.suggest_categorical("encoder.hidden_size", [32, 64, 128, 256, 512]),
    }


def _transfer(trial: "Trial") -> dict[str, Setting]:
    """How an encoder that was taken over learns under a new head."""
    return {
        "transfer.unfreeze": trial.suggest_float("transfer.unfreeze", 0.0, 0.8),
        "transfer.rate_decay": trial.suggest_float("transfer.rate_decay", 0.2, 1.0),
    }


def _classify(trial: "Trial", settings: Settings) -> dict[str, Setting]:
    return {
        "classify.dropout": trial.suggest_float("classify.dropout", 0.1, 0.7),
        "classify.label_smoothing": trial.suggest_float("classify.label_smoothing", 0.0, 0.15),
        "train.adversarial": trial.suggest_categorical("train.adversarial", [0.0, 0.15, 0.3, 0.6]),
        "train.batch_tokens": _around(trial, "train.batch_tokens", settings.train.batch_tokens),
    }


def _tag(trial: "Trial", settings: Settings) -> dict[str, Setting]:
    return {
        "tag.dropout": trial.suggest_float("tag.dropout", 0.1, 0.6),
        "tag.bypass_dropout": trial.suggest_float("tag.bypass_dropout", 0.0, 0.7),
        "tag.bypass_rate": trial.suggest_float("tag.bypass_rate", 1.0, 10.0, log=True),
        "train.batch_tokens": _around(trial, "train.batch_tokens", settings.train.batch_tokens),
    }


def _generate(trial: "Trial", settings: Settings) -> dict[str, Setting]:
    return {
        "generate.rows": _around(trial, "generate.rows", settings.generate.rows),
        "generate.window": trial.suggest_categorical("generate.window", [16, 32, 64]),
    }


_SPACES: dict[TaskName, Space] = {"classify": _classify, "tag": _tag, "generate": _generate}


def _around(trial: "Trial", name: str, value: int) -> int:
    """A value from half to twice of what the data suggested."""
    return trial.suggest_int(name, max(1, value // 2), 2 * value, log=True)


class _Recorder:
    """Answers as a trial that always suggests the settings' own values, and remembers them."""

    def __init__(self, settings: Settings) -> None:
        self._sections = settings.as_dict()
        self.values: dict[str, Setting] = {}

    def suggest_float(self, name: str, low: float, high: float, **_: object) -> Setting:
        """The setting's own value, within the bounds of the search."""
        return self._own(name, lambda value: min(high, max(low, float(value))))

    def suggest_int(self, name: str, low: int, high: int, **_: object) -> Setting:
        """The setting's own value, within the bounds of the search."""
        return self._own(name, lambda value: min(high, max(low, int(value))))

    def suggest_categorical(self, name: str, choices: list[Any]) -> Setting:
        """The setting's own value, or the choice that is nearest."""
        return self._own(name, lambda value: value if value in choices else min(choices, key=lambda c: abs(c - value)))

    def _own(self, name: str, bounded: Callable[..., Setting]) -> Setting:
        section, _, key = name.partition(".")
        return self.values.setdefault(name, bounded(self._sections[section][key]))


class _Least:
    """Answers as a trial that always suggests the least."""

    def suggest_float(self, _: str, low: float, *__: float, **___: object) -> Setting:
        """The lower bound."""
        return low

    def suggest_int(self, _: str, low: int, *__: int, **___: object) -> Setting:
        """The lower bound."""
        return low

    def suggest_categorical(self, _: str, choices: list[Any]) -> Setting:
        """The least choice."""
        least: Setting = min(choices)
        return least
