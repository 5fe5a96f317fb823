import dataclasses
import re
from pathlib import Path

import pytest

from lstmtext.config import (
    TASK_DEFAULTS,
    Sampling,
    Settings,
    TrainSettings,
)
from lstmtext.errors import UsageError
from lstmtext.resolve import (
    ADDED,
    DROPPED,
    as_toml,
    lost_settings,
    resolve_settings,
    settings_from,
    settings_from_sections,
)


def toml(folder: Path, content: str) -> Path:
    path = folder / "run.toml"
    path.write_text(content, encoding="utf-8")
    return path


def test_defaults_give_way_to_the_file_then_to_set_then_to_flags(tmp_path: Path):
    file = toml(tmp_path, "[train]\nclip = 0.1\nepochs = 11\nseed = 11\n")
    settings = resolve_settings(
        "classify", file=file, assignments=["train.epochs=12", "train.seed=12"], flags={"train.seed": 13}
    ).train
    assert settings.warmup == TrainSettings().warmup
    assert (settings.clip, settings.epochs, settings.seed) == (0.1, 12, 13)


def test_a_flag_that_was_not_given_changes_nothing():
    assert resolve_settings("tag", assignments=["train.seed=12"], flags={"train.seed": None}).train.seed == 12


def test_the_last_assignment_of_a_setting_counts():
    assert resolve_settings("tag", assignments=["train.seed=3", " train.seed = 4 "]).train.seed == 4


@pytest.mark.parametrize("task", TASK_DEFAULTS)
def test_the_defaults_of_a_task_stand_unless_something_else_is_named(tmp_path: Path, task):
    settings = resolve_settings(task)
    for key, value in TASK_DEFAULTS[task].items():
        section, name = key.split(".")
        assert getattr(getattr(settings, section), name) == value
    assert resolve_settings(task, file=toml(tmp_path, "[encoder]\nhidden_size = 77\n")).encoder.hidden_size == 77


@pytest.mark.parametrize("task", TASK_DEFAULTS)
def test_sgd_has_a_rate_of_its_own_unless_another_is_named(tmp_path: Path, task):
    usual = resolve_settings(task).train
    file = toml(tmp_path, '[train]\noptimizer = "sgd"\n')
    by_file, by_set = (
        resolve_settings(task, **given).train for given in ({"file": file}, {"assignments": ["train.optimizer=sgd"]})
    )
    assert (by_file, by_set.optimizer, usual.optimizer) == (by_set, "sgd", "adamw")
    assert by_set.learning_rate > 100 * usual.learning_rate
    assert by_set.weight_decay * by_set.learning_rate == pytest.approx(usual.weight_decay * usual.learning_rate, rel=1)
    named = ["train.learning_rate=30", "train.weight_decay=0"]
    chosen = resolve_settings(task, file=file, assignments=named).train
    assert (chosen.learning_rate, chosen.weight_decay) == (30, 0)
    assert resolve_settings(task, file=file, assignments=["train.optimizer=adamw"]).train == usual


@pytest.mark.parametrize("name", ADDED)
def test_settings_from_before_there_was_one_of_them_do_without_it(name):
    sections = resolve_settings("tag").as_dict()
    section, _, key = name.partition(".")
    del sections[section][key]
    assert settings_from_sections(sections) == resolve_settings("tag")


@pytest.mark.parametrize("name", DROPPED)
def test_settings_that_are_no_more_are_read_over_where_they_were_written(name):
    sections = resolve_settings("classify").as_dict()
    section, _, key = name.partition(".")
    assert lost_settings(sections) == {}
    for value, lost in ((DROPPED[name], {}), (2.0, {name: 2.0})):
        sections[section][key] = value
        assert settings_from_sections(sections) == resolve_settings("classify")
        assert lost_settings(sections) == lost
    with pytest.raises(UsageError, match="no such setting"):
        resolve_settings("classify", assignments=[f"{name}=2"])


def test_settings_survive_their_plain_form():
    settings = resolve_settings("generate", assignments=["classify.pooling=max, mean", "train.clip=0.25"])
    assert settings_from_sections(settings.as_dict()) == settings
    assert settings.classify.pooling == ("max", "mean")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.clap=1", "--set train.clap: no such setting; did you mean train.clip?"),
        ("trial.clip=1", "--set trial.clip: no such setting; did you mean train.clip?"),
        ("clip=1", "--set clip: no such setting; did you mean train.clip?"),
        ("dropout=1", "--set dropout: no such setting; did you mean classify.dropout or tag.dropout?"),
        ("bypass=1", "--set bypass: no such setting; did you mean classify.bypass or tag.bypass?"),
        ("train.colour=1", "--set train.colour: no such setting; train has: epochs, budget, "),
        ("colour=1", "--set colour: no such setting; sections: text, encoder, "),
        ("train=1", "--set train: no such setting; train has: epochs"),
        ("train.clip", "--set train.clip: no '='; expected SECTION.NAME=VALUE, such as train.clip=0.5"),
        ("train.epochs=many", "--set train.epochs: found 'many'; expected a number"),
        ("train.epochs=1.5", "--set train.epochs: found '1.5'; expected a whole number"),
        ("train.epochs=inf", "--set train.epochs: found 'inf'; expected a whole number"),
        ("train.patience=0", "--set train.patience: found 0; expected a number from 1 to 100000"),
        ("train.clip=nan", "--set train.clip: found nan; expected a number from "),
        ("encoder.input_dropout=0.96", "--set encoder.input_dropout: found 0.96; expected a number from 0.0 to 0.95"),
        ("train.decay=cubic", "--set train.decay: found 'cubic'; expected one of cosine, linear, constant"),
        ("classify.bypass=maybe", "--set classify.bypass: found 'maybe'; expected true or false"),
        ("train.epochs=", "--set train.epochs: found ''; expected a number"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_found_and_expected(assignment: str, message: str):
    with pytest.raises(UsageError, match="^" + re.escape(message)):
        resolve_settings("classify", assignments=[assignment])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[train\n", "cannot be read: "),
        ("clip = 1\n", "'clip' stands outside a section; expected [train] above it"),
        ("bypass = true\n", "'bypass' stands outside a section; expected [classify] or [tag] above it"),
        ("train = 3\n", "'train' is no section; expected [train] and its settings below"),
        ("[train]\nclap = 1\n", "run.toml: train.clap: no such setting"),
        ("[train]\nclip = [1]\n", "run.toml: train.clip: found [1]; expected a number"),
        ("[train]\nepochs = true\n", "run.toml: train.epochs: found True; expected a number"),
        ("[train.clip]\nx = 1\n", "run.toml: train.clip: found {'x': 1}; expected a number"),
        ("[train]\ndecay = ['cosine']\n", "run.toml: train.decay: found ['cosine']; expected one of cosine"),
        ("[classify]\npooling = 3\n", "run.toml: classify.pooling: found 3; expected a list of names"),
        ("[classify]\npooling = [1, 2]\n", "run.toml: classify.pooling: found [1, 2]; expected a list of names"),
    ],
)
def test_a_wrong_file_is_a_usage_error(tmp_path: Path, content: str, message: str):
    with pytest.raises(UsageError, match=re.escape(message)):
        resolve_settings("classify", file=toml(tmp_path, content))


def test_a_value_out_of_bounds_is_named_where_it_was_given(tmp_path: Path):
    file = toml(tmp_path, "[train]\nclip = -1\n")
    with pytest.raises(UsageError, match=r"run\.toml: train\.clip: found -1\.0; expected a number from "):
        resolve_settings("tag", file=file)
    with pytest.raises(UsageError, match=r"^--set train\.clip: found -2\.0"):
        resolve_settings("tag", file=file, assignments=["train.clip=-2"])
    with pytest.raises(UsageError, match=r"^--epochs: found -3"):
        resolve_settings("tag", flags={"train.epochs": -3})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    for name in ("gone.toml", "latin.toml"):
        with pytest.raises(UsageError, match=rf"{name}: cannot be read: .*expected a TOML file") as caught:
            resolve_settings("tag", file=tmp_path / name)
        assert ("Errno" in str(caught.value), str(caught.value).count(name)) == (False, 1)


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [
        ("2e3", "train.batch_tokens", 2000),
        ("0.5", "train.clip", 0.5),
        ("NO", "classify.bypass", False),
        ("1", "tag.bypass", True),
        ("word", "text.unit", "word"),
    ],
)
def test_values_become_the_type_of_their_setting(value: str, key: str, expected: object):
    section, name = key.split(".")
    found = getattr(getattr(settings_from({key: value}), section), name)
    assert found == expected
    assert type(found) is type(expected)


def test_every_bounded_setting_accepts_its_bounds_and_nothing_beyond():
    for section in dataclasses.fields(Settings):
        for field in dataclasses.fields(getattr(Settings(), section.name)):
            key = f"{section.name}.{field.name}"
            for bound, step in (("low", -1), ("high", 1)):
                if bound in field.metadata:
                    value = field.metadata[bound]
                    assert getattr(getattr(settings_from({key: value}), section.name), field.name) == value
                    with pytest.raises(UsageError, match=f"^{key}: "):
                        settings_from({key: value + step})


def test_sampling_names_the_flag_that_is_out_of_bounds():
    with pytest.raises(UsageError, match=r"^--top-p: found 1.5; expected a number from 0.0 to 1.0"):
        Sampling(top_p=1.5)
    assert Sampling().temperature == 0.8


def test_a_file_of_settings_gives_those_of_another_optimizer_again(tmp_path):
    chosen = ["train.optimizer=sgd", "train.learning_rate=2e-3", "train.weight_decay=0.01"]
    for count in (1, 2, 3):
        settings = resolve_settings("classify", assignments=chosen[:count])
        made = as_toml("classify", settings)
        assert resolve_settings("classify", file=toml(tmp_path, made)) == settings


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().train.clip = 2.0


def test_a_file_of_settings_gives_them_again_and_none_of_other_tasks(tmp_path):
    chosen = ["train.clip=0.5", "encoder.layers=2", "classify.pooling=max,last", "tag.dropout=0.1", "generate.rows=7"]
    made = as_toml("classify", resolve_settings("classify", assignments=chosen))
    assert "tag" not in made
    assert "generate" not in made
    assert resolve_settings("classify", file=toml(tmp_path, made)) == resolve_settings(
        "classify", assignments=chosen[:3]
    )
