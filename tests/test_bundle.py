"""The folder on disk: what it holds, what loading checks, and that it is whole or absent."""

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import lstmtext
from lstmtext.bundle import FORMAT, Bundle, HeadInfo, load_bundle, save_bundle
from lstmtext.config import TextSettings
from lstmtext.errors import ModelError, UsageError
from lstmtext.folders import check_output, replacing
from lstmtext.text.tokenizer import Tokenizer


@pytest.fixture
def copy(classify_bundle, tmp_path):
    """A bundle that a test may break."""
    return shutil.copytree(classify_bundle, tmp_path / "copy")


def changed(folder, **values):
    """Write other values into bundle.json; None takes a key away."""
    path = folder / "bundle.json"
    content = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def saved_again(bundle: Bundle, folder, **changes) -> None:
    """Save a bundle's content elsewhere, with some fields of its description changed."""
    info = dataclasses.replace(bundle.info, **changes)
    save_bundle(folder, info, bundle.tokenizer, bundle.arrays(), (bundle.folder / "runtime.onnx").read_bytes())


def test_a_card_may_be_edited_or_be_gone(copy):
    (copy / "README.md").write_text("Trained for the town's letters.")
    load_bundle(copy)
    (copy / "README.md").unlink()
    load_bundle(copy)


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors", "runtime.onnx"])
def test_a_changed_byte_of_any_file_is_noticed(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name}: is absent or not what was saved"):
        load_bundle(copy)


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors", "runtime.onnx"])
def test_a_missing_file_is_noticed(copy, name):
    (copy / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_bundle(copy)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no bundle\.json there"):
        load_bundle(tmp_path)


def test_the_file_of_a_bundle_is_not_its_folder(copy):
    with pytest.raises(ModelError, match="give the folder that holds it"):
        load_bundle(copy / "bundle.json")


@pytest.mark.parametrize("mask", [0o077, 0o002, 0o022])
def test_a_bundle_may_be_read_by_whom_new_files_may_be(copy, tmp_path, mask):
    bundle = load_bundle(copy)
    usual = os.umask(mask)
    try:
        save_bundle(
            tmp_path / "out", bundle.info, bundle.tokenizer, bundle.arrays(), (copy / "runtime.onnx").read_bytes()
        )
    finally:
        os.umask(usual)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o666 & ~mask}
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o777 & ~mask


def test_another_format_version_is_refused_with_both_versions(copy):
    changed(copy, format=FORMAT + 1)
    with pytest.raises(ModelError, match=f"format {FORMAT + 1}; expected format {FORMAT}"):
        load_bundle(copy)


@pytest.mark.parametrize("section", ["encoder", "surprise"])
def test_a_setting_that_this_version_does_not_know_is_a_model_error(copy, section):
    settings = json.loads((copy / "bundle.json").read_text())["settings"]
    settings.setdefault(section, {})["no_such_setting"] = 1
    changed(copy, settings=settings)
    with pytest.raises(ModelError, match="no such setting"):
        load_bundle(copy)


@pytest.mark.parametrize("content", ["", "[]", "{}", "{", '"text"', "null"])
def test_a_description_that_is_no_bundles_is_refused(copy, content):
    (copy / "bundle.json").write_text(content)
    with pytest.raises(ModelError, match=r"bundle\.json"):
        load_bundle(copy)


@pytest.mark.parametrize(
    "values",
    [
        {"heads": None},
        {"heads": {"labels": {"task": "translate", "labels": [], "scores": {}}}},
        {"heads": {"labels": {"labels": []}}},
        {"settings": None},
        {"vocabulary_size": None},
        {"surprise": 1},
    ],
    ids=str,
)
def test_a_description_that_is_not_complete_is_a_model_error(copy, values):
    changed(copy, **values)
    with pytest.raises(ModelError):
        load_bundle(copy)


def test_a_tokenizer_of_another_size_than_the_embedding_is_refused(classify_bundle, tmp_path):
    bundle = load_bundle(classify_bundle)
    smaller = Tokenizer.train(["a"], TextSettings(unit="char", vocabulary_size=9))
    graph = (bundle.folder / "runtime.onnx").read_bytes()
    save_bundle(tmp_path / "other", bundle.info, smaller, bundle.arrays(), graph)
    with pytest.raises(ModelError, match=f"has {smaller.size} entries; expected {bundle.tokenizer.size}"):
        _ = load_bundle(tmp_path / "other").tokenizer


def test_labels_and_embedding_must_have_the_sizes_of_the_weights(classify_bundle, tmp_path):
    bundle = load_bundle(classify_bundle)
    saved_again(bundle, tmp_path / "words", vocabulary_size=bundle.info.vocabulary_size + 1)
    with pytest.raises(ModelError, match=r"'encoder\.embedding_VD' is \d+; expected \d+, as bundle\.json says"):
        load_bundle(tmp_path / "words")
    head = HeadInfo("classify", ("a", "b", "c"), {})
    for heads in ({"labels": head}, {"other": head}):
        saved_again(bundle, tmp_path / "labels", heads=heads)
        with pytest.raises(ModelError, match=r"output\.bias' is (2|absent); expected 3"):
            load_bundle(tmp_path / "labels")


def test_a_setting_that_a_bundle_lacks_does_not_take_todays_default(copy):
    content = json.loads((copy / "bundle.json").read_text())
    del content["settings"]["classify"]["bypass_characters"]
    changed(copy, settings=content["settings"])
    with pytest.raises(ModelError, match=r"classify\.bypass_characters: is missing"):
        load_bundle(copy)


@pytest.mark.parametrize("name", ["notes.txt", "predictions"])
def test_a_bundle_that_holds_something_else_too_is_not_replaced(copy, name):
    (copy / name).mkdir()
    with pytest.raises(UsageError, match="holds other files"):
        saved_again(load_bundle(copy), copy)
    assert (copy / name).is_dir()


def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    for folder in (Path(), Path(".."), tmp_path / "inner", Path("/")):
        with pytest.raises(UsageError, match=r"cannot be replaced.*; use -o "):
            check_output(folder, lambda _: True)
    check_output(Path("new"), lambda _: True)


def test_a_symbolic_link_is_not_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    for name in ("real", "gone"):
        (tmp_path / f"to-{name}").symlink_to(tmp_path / name)
        with pytest.raises(UsageError, match=f"to-{name}: is a symbolic link; expected a folder; use -o .*{name}"):
            check_output(tmp_path / f"to-{name}", lambda _: True)


def test_a_rename_that_fails_brings_the_old_folder_back(copy, monkeypatch):
    rename = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if target == copy and not self.name.endswith(".old"):
            raise OSError("full")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="full"), replacing(copy, is_old=lambda _: True):
        pass
    load_bundle(copy)
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_names_of_files_that_are_no_utf8_are_kept_readable(classify_bundle, tmp_path):
    odd = b"caf\xe9.csv".decode("utf-8", "surrogateescape")
    saved_again(load_bundle(classify_bundle), tmp_path / "other", data={"files": {odd: ""}})
    assert load_bundle(tmp_path / "other").info.data["files"] == {odd: ""}


def test_saving_and_loading_gives_the_same_bundle(classify_bundle, tmp_path):
    bundle = load_bundle(classify_bundle)
    saved_again(bundle, tmp_path / "again")
    again = load_bundle(tmp_path / "again")
    assert again.info == bundle.info
    assert again.tokenizer.to_json() == bundle.tokenizer.to_json()
    old, new = bundle.arrays(), again.arrays()
    assert old.keys() == new.keys()
    assert all(np.array_equal(old[name], new[name]) for name in old)


def test_arrays_are_found_by_prefix(tag_bundle):
    bundle = load_bundle(tag_bundle)
    assert {"embedding_VD", "forward_stack.inputs.0"} <= bundle.arrays("encoder.").keys()
    assert {"transitions_KK", "starts_K", "ends_K"} == bundle.arrays("heads.tags.crf.").keys()


def test_a_save_that_fails_leaves_the_old_bundle_and_no_rest(copy):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    bundle = load_bundle(copy)
    with pytest.raises(TypeError):
        saved_again(bundle, copy, training={"not JSON": object()})
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_the_new_folder_takes_the_place_of_the_old_one_only_at_the_end(copy):
    with replacing(copy, is_old=lambda folder: True) as fresh:
        (fresh / "new").write_text("")
        assert (copy / "bundle.json").exists()
        assert fresh.parent == copy.parent
    assert [path.name for path in copy.iterdir()] == ["new"]
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_a_folder_of_something_else_is_never_replaced(classify_bundle, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds other files"):
        saved_again(load_bundle(classify_bundle), tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_bundle_holds_these_files_and_no_others(classify_bundle, tag_bundle, generate_bundle):
    for folder in (classify_bundle, tag_bundle, generate_bundle):
        names = sorted(path.name for path in folder.rglob("*"))
        assert names == ["README.md", "bundle.json", "model.safetensors", "runtime.onnx", "tokenizer.json"]


def test_no_module_can_read_or_write_pickles():
    banned = re.compile(r"\b(import (pickle|joblib|dill|shelve)|torch\.(load|save)|allow_pickle=True)\b")
    sources = sorted(Path(lstmtext.__file__).parent.rglob("*.py"))
    assert sources
    assert [path for path in sources if banned.search(path.read_text(encoding="utf-8"))] == []


def test_the_card_names_heads_labels_and_the_command_to_run(classify_bundle):
    card = (classify_bundle / "README.md").read_text()
    assert "positive" in card
    assert "lstmtext classify -m" in card
