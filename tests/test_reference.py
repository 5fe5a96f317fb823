"""`lstmtext settings`: a file that has every setting of a task."""

import dataclasses
import tomllib

import pytest

from lstmtext.config import TASK_DEFAULTS
from lstmtext.reference import field_docstrings, settings_reference
from lstmtext.resolve import resolve_settings


@pytest.mark.parametrize("task", list(TASK_DEFAULTS))
def test_uncommented_it_gives_the_defaults_and_as_it_is_nothing(task, tmp_path):
    told = settings_reference(task)
    assert not any(tomllib.loads(told).values())
    lines = [line.removeprefix("#") for line in told.splitlines() if not line.startswith("# ")]
    (tmp_path / "run.toml").write_text("\n".join(lines), encoding="utf-8")
    usual = resolve_settings(task)
    assert resolve_settings(task, file=tmp_path / "run.toml") == usual
    given = tomllib.loads("\n".join(lines))
    own = {name: {**values} for name, values in usual.as_dict().items() if name == task or name not in TASK_DEFAULTS}
    assert {name: [*values] for name, values in given.items()} == {name: [*values] for name, values in own.items()}


def test_each_setting_stands_under_its_meaning_and_bounds():
    told = settings_reference("tag")
    assert "\n\n[tag]\n# Dropout of a word's joined states. From 0 to 0.95.\n#dropout = 0.3\n" in told
    assert "From 1e-08 to 1,000.\n#learning_rate = 0.003\n" in told
    assert max(map(len, told.splitlines())) <= 110


def test_every_field_of_the_settings_has_a_docstring():
    meanings = field_docstrings()
    for section in dataclasses.fields(resolve_settings("tag")):
        kind = type(section.default)
        assert meanings[kind.__name__].keys() == {item.name for item in dataclasses.fields(kind)}, kind


def test_a_task_that_does_not_exist_is_named(run_here):
    done = run_here("settings", "tga")
    assert (done.code, done.err) == (2, "lstmtext: TASK: found 'tga'; expected classify, tag, generate\n")
    assert run_here("settings", "generate").out.decode() == settings_reference("generate")
