"""How a task's defaults, a TOML file, `--set` and flags become settings.

Precedence: defaults of the task < `--config` file < `--set` < named flag. Unknown keys are errors, and every error
names the place where the value was given. What settings there are stands in `config`.
"""

import dataclasses
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from lstmtext.bounds import check_bounds
from lstmtext.config import SGD_DEFAULTS, TASK_DEFAULTS, Setting, Settings, TaskName
from lstmtext.errors import UsageError, reason

SECTIONS: dict[str, dict[str, object]] = {name: get_type_hints(own) for name, own in get_type_hints(Settings).items()}
"""The settings of each section, with their types."""
ADDED: dict[str, Setting] = {"train.optimizer": "adamw", "transfer.retain": 0.0, "train.adversarial": 0.0}
"""Settings that came after bundles and runs were written that are still read, and what those were trained with."""
DROPPED: dict[str, Setting] = {"classify.focal": 0.0}
"""Settings that such bundles and runs have, and the value with which they are as if without."""


class Given(NamedTuple):
    """A value that somebody chose, and how an error names where."""

    value: object
    place: str


def resolve_settings(
    task: TaskName,
    *,
    file: Path | None = None,
    assignments: Iterable[str] = (),
    flags: Mapping[str, Setting | None] | None = None,
) -> Settings:
    """Settings of a task after file, `key=value` assignments and flags, in that order of precedence.

    Flags that are None were not given. Raises UsageError for unknown keys and values out of bounds.
    """
    chosen = _given(file, assignments, flags)
    optimizer = chosen.get("train.optimizer")
    usual = TASK_DEFAULTS[task] | (SGD_DEFAULTS[task] if optimizer and optimizer.value == "sgd" else {})
    return _settings_from_given({key: Given(value, key) for key, value in usual.items()} | chosen)


def changed_settings(
    settings: Settings,
    *,
    file: Path | None = None,
    assignments: Iterable[str] = (),
    flags: Mapping[str, Setting | None] | None = None,
) -> Settings:
    """Settings with what a file, `key=value` assignments and flags give, as in `resolve_settings`."""
    own = {key: Given(value, key) for key, value in _flat(settings.as_dict()).items()}
    return _settings_from_given(own | _given(file, assignments, flags))


def option_of(key: str, value: Setting, assignments: Iterable[str], flags: Mapping[str, Setting | None]) -> str:
    """The option of a command line that gives a setting a value; empty where none does."""
    given = _given(None, assignments, flags).get(key)
    return given.place if given is not None and given.value == value else ""


def chosen_keys(file: Path | None, assignments: Iterable[str], flags: Mapping[str, Setting | None]) -> frozenset[str]:
    """The keys of the settings that a file, assignments or flags name."""
    return frozenset(_given(file, assignments, flags))


def differences(before: Settings, now: Settings, *, besides: str = "") -> dict[str, tuple[object, object]]:
    """The settings whose values differ, by key, before and now; those of the section `besides` do not count."""
    old, new = _flat(before.as_dict()), _flat(now.as_dict())
    keys = (key for key in old if key.partition(".")[0] != besides)
    return {key: (old[key], new[key]) for key in keys if old[key] != new[key]}


def sections_of(task: TaskName) -> list[str]:
    """The sections of settings that a task has: all but those of other tasks' heads."""
    return [name for name in SECTIONS if name == task or name not in get_args(TaskName)]


def as_toml(task: TaskName, settings: Settings) -> str:
    """The settings that are not the task's defaults, as a file that `--config` takes, without those of other tasks."""
    usual = resolve_settings(task, flags={"train.optimizer": settings.train.optimizer}).as_dict()
    usual["train"]["optimizer"] = resolve_settings(task).train.optimizer
    lines = []
    for section in sections_of(task):
        values = settings.as_dict()[section]
        own = {name: value for name, value in values.items() if value != usual[section][name]}
        lines += [f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in own.items()), ""] if own else []
    return "\n".join(lines)


def with_kept(settings: Settings, task: TaskName, kept: Mapping[str, Setting], reason: str) -> Settings:
    """Settings with values that something else decided before.

    Raises UsageError where the user chose another value, for what is asked for must not be dropped silently.
    """
    usual, values = resolve_settings(task).as_dict(), settings.as_dict()
    for key, value in kept.items():
        section, _, name = key.partition(".")
        own = values[section][name]
        fits = own in (usual[section][name], value)
        if key == "text.vocabulary_size" and isinstance(own, int) and isinstance(value, int):
            fits |= own > value  # it bounds the entries, no more
        if not fits:
            raise UsageError(f"--set {key}", f"found {own}", expected=f"{value}, as {reason}")
        values[section] = {**values[section], name: value}
    return settings_from_sections(values)


def settings_from(values: Mapping[str, object]) -> Settings:
    """Settings from dotted keys; what is not named keeps its dataclass default."""
    return _settings_from_given({key: Given(value, key) for key, value in values.items()})


def settings_from_sections(sections: Mapping[str, Mapping[str, object]]) -> Settings:
    """The inverse of `Settings.as_dict`. Raises UsageError for a missing setting, whose default may have moved.

    What `ADDED` has may be missing, and what `DROPPED` has may be there.
    """
    for section, own in Settings().as_dict().items():
        for name in own:
            if name not in sections.get(section, {}) and f"{section}.{name}" not in ADDED:
                raise UsageError(f"{section}.{name}", "is missing")
    return settings_from(ADDED | {key: value for key, value in _flat(sections).items() if key not in DROPPED})


def lost_settings(sections: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """What `settings_from_sections` leaves out though it made a difference, by key."""
    flat = _flat(sections)
    return {key: flat[key] for key, usual in DROPPED.items() if flat.get(key, usual) != usual}


def _given(
    file: Path | None, assignments: Iterable[str], flags: Mapping[str, Setting | None] | None
) -> dict[str, Given]:
    chosen = {} if file is None else _read_file(file)
    chosen |= dict(_split_assignment(text) for text in assignments)
    for key, value in (flags or {}).items():
        if value is not None:
            chosen[key] = Given(value, "--" + key.partition(".")[2].replace("_", "-"))
    return chosen


def _flat(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{section}.{name}": value for section, values in sections.items() for name, value in values.items()}


def _settings_from_given(chosen: Mapping[str, Given]) -> Settings:
    sections: dict[str, dict[str, Setting]] = {}
    for key, given in chosen.items():
        section, _, name = key.partition(".")
        if name not in SECTIONS.get(section, {}):
            raise UsageError(given.place, "no such setting", hint=_what_there_is(section, name))
        sections.setdefault(section, {})[name] = _coerce(given, SECTIONS[section][name])
    defaults = Settings()
    made = {name: dataclasses.replace(getattr(defaults, name), **values) for name, values in sections.items()}
    for section, settings in made.items():
        check_bounds(settings, lambda name, section=section: chosen[f"{section}.{name}"].place)  # type: ignore[misc]
    return dataclasses.replace(defaults, **made)


def _what_there_is(section: str, name: str) -> str:
    """The setting that was meant, where one is much like it, or those that there are."""
    from difflib import get_close_matches

    keys = [f"{own}.{setting}" for own, hints in SECTIONS.items() for setting in hints]
    meant = [key for key in keys if key.endswith(f".{name or section}")]
    meant = meant or get_close_matches(f"{section}.{name}", keys, n=1, cutoff=0.8)
    if meant:
        return f"did you mean {' or '.join(meant)}?"
    if section in SECTIONS:
        return f"{section} has: {', '.join(SECTIONS[section])}"
    return f"sections: {', '.join(SECTIONS)}"


def _read_file(path: Path) -> dict[str, Given]:
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            path, f"cannot be read: {reason(error)}", expected="a TOML file with sections such as [train]"
        ) from error
    flat: dict[str, Given] = {}
    for section, values in sections.items():
        if not isinstance(values, dict):
            if section in SECTIONS:
                raise UsageError(path, f"'{section}' is no section", expected=f"[{section}] and its settings below")
            owners = " or ".join(f"[{own}]" for own, hints in SECTIONS.items() if section in hints)
            raise UsageError(path, f"'{section}' stands outside a section", expected=f"{owners or '[train]'} above it")
        for name, value in values.items():
            flat[f"{section}.{name}"] = Given(value, f"{path}: {section}.{name}")
    return flat


def _split_assignment(text: str) -> tuple[str, Given]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text}", "no '='", expected="SECTION.NAME=VALUE, such as train.clip=0.5")
    return key.strip(), Given(value.strip(), f"--set {key.strip()}")


def _coerce(given: Given, hint: object) -> Setting:
    """Turn a value from a command line, TOML or JSON into a field's type."""
    value, place = given
    kind = get_origin(hint) or hint
    if kind is Literal:
        if value not in get_args(hint):
            raise UsageError(place, f"found {value!r}", expected="one of " + ", ".join(get_args(hint)))
        return str(value)
    if kind is tuple:
        return _coerce_names(given)
    if kind is bool:
        return _coerce_bool(given)
    assert kind in (int, float), f"{place} has a type that settings cannot hold: {hint}"
    try:
        number = float(str(value))
    except ValueError as error:
        raise UsageError(place, f"found {value!r}", expected="a number") from error
    if kind is int and not number.is_integer():
        raise UsageError(place, f"found {value!r}", expected="a whole number")
    return int(number) if kind is int else number


def _coerce_names(given: Given) -> tuple[str, ...]:
    value = given.value
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise UsageError(given.place, f"found {value!r}", expected="a list of names")
    return tuple(name.strip() for name in names)


def _coerce_bool(given: Given) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(given.value).lower() not in words:
        raise UsageError(given.place, f"found {given.value!r}", expected="true or false")
    return words[str(given.value).lower()]
