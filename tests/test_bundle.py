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
from lstmtext.bundle import FORMAT, Bundle, is_bundle, load_bundle, save_bundle
from lstmtext.card import WRITTEN, card_after
from lstmtext.config import TextSettings
from lstmtext.description import HeadInfo, check_head_name
from lstmtext.errors import ModelError, UsageError
from lstmtext.folders import check_output, replacing
from lstmtext.text.tokenizer import Tokenizer

FILES = ["tokenizer.json", "encoder.safetensors", "encoder.onnx", "head-labels.safetensors", "head-labels.onnx"]


@pytest.fixture
def copy(classify_bundle, tmp_path):
    """A bundle that a test may break."""
    return shutil.copytree(classify_bundle, tmp_path / "copy")


def changed(folder, **values):
    """Write other values into bundle.json; None takes a key away."""
    path = folder / "bundle.json"
    content = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def changed_head(folder, name: str, **values):
    """The same for the description of a head."""
    heads = json.loads((folder / "bundle.json").read_text())["heads"]
    own = {**heads[name], **values}
    changed(folder, heads={name: {key: value for key, value in own.items() if value is not None}})


def saved_again(bundle: Bundle, folder, tokenizer: Tokenizer | None = None, **changes) -> None:
    """Save a bundle's content elsewhere, with some fields of its description changed."""
    info = dataclasses.replace(bundle.info, **changes)
    parts = bundle.part(), {name: bundle.part(own) for name, own in zip(info.heads, bundle.info.heads, strict=True)}
    save_bundle(folder, info, tokenizer or bundle.tokenizer, *parts)


def test_a_card_may_be_edited_or_be_gone(copy):
    (copy / "README.md").write_text("Trained for the town's letters.")
    load_bundle(copy)
    (copy / "README.md").unlink()
    load_bundle(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_of_any_file_is_noticed(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name}: is absent or not what was saved"):
        load_bundle(copy)


@pytest.mark.parametrize("name", FILES)
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
        saved_again(bundle, tmp_path / "out")
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
    settings = json.loads((copy / "bundle.json").read_text())["heads"]["labels"]["settings"]
    settings.setdefault(section, {})["no_such_setting"] = 1
    changed_head(copy, "labels", settings=settings)
    with pytest.raises(ModelError, match="no such setting"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "Expecting value: line 1"),
        ("{", "Expecting property name"),
        ("[]", "no object;"),
        ('"text"', "no object;"),
        ("null", "no object;"),
        ("{}", "no 'format';"),
        ('{"format": 6}', "no 'files';"),
        ('{"format": ' * 100_000, "maximum recursion depth exceeded"),
    ],
)
def test_a_description_that_is_no_bundles_is_refused(copy, content, found):
    (copy / "bundle.json").write_text(content)
    with pytest.raises(ModelError, match=rf"bundle\.json: is broken: {found}.* the bundle again$"):
        load_bundle(copy)


@pytest.mark.parametrize(
    "values",
    [
        {"heads": None},
        {"heads": {"labels": {"task": "translate", "labels": [], "scores": {}}}},
        {"heads": {"labels": {"labels": []}}},
        {"encoder": None},
        {"encoder": {"layers": 1}},
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
    saved_again(bundle, tmp_path / "other", smaller)
    with pytest.raises(ModelError, match=f"has {smaller.size} entries; expected {bundle.tokenizer.size}"):
        _ = load_bundle(tmp_path / "other").tokenizer


def test_labels_and_embedding_must_have_the_sizes_of_the_weights(classify_bundle, tmp_path):
    bundle = load_bundle(classify_bundle)
    saved_again(bundle, tmp_path / "words", vocabulary_size=bundle.info.vocabulary_size + 1)
    with pytest.raises(ModelError, match=r"'embedding_VD' is \d+; expected \d+, as bundle\.json says"):
        load_bundle(tmp_path / "words")
    head = HeadInfo("classify", ("a", "b", "c"), settings=bundle.head()[1].settings)
    saved_again(bundle, tmp_path / "labels", heads={"labels": head})
    with pytest.raises(ModelError, match=r"'output\.bias' is 2; expected 3"):
        load_bundle(tmp_path / "labels")


def test_a_setting_that_a_bundle_lacks_does_not_take_todays_default(copy):
    settings = json.loads((copy / "bundle.json").read_text())["heads"]["labels"]["settings"]
    del settings["classify"]["bypass_characters"]
    changed_head(copy, "labels", settings=settings)
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
    bundle = load_bundle(classify_bundle)
    head = dataclasses.replace(bundle.head()[1], data={"files": {odd: ""}})
    saved_again(bundle, tmp_path / "other", heads={"labels": head})
    assert load_bundle(tmp_path / "other").head()[1].data["files"] == {odd: ""}


def test_saving_and_loading_gives_the_same_bundle(classify_bundle, tmp_path):
    bundle = load_bundle(classify_bundle)
    saved_again(bundle, tmp_path / "again")
    again = load_bundle(tmp_path / "again")
    assert again.info == bundle.info
    assert again.tokenizer.to_json() == bundle.tokenizer.to_json()
    names = ("labels", None)
    assert [again.part(name) for name in names] == [bundle.part(name) for name in names]
    arrays = [(own.encoder_arrays(), own.head_arrays("labels")) for own in (bundle, again)]
    for old, new in zip(*arrays, strict=True):
        assert old.keys() == new.keys()
        assert all(np.array_equal(old[name], new[name]) for name in old)


def test_arrays_are_found_by_prefix(tag_bundle):
    bundle = load_bundle(tag_bundle)
    assert {"embedding_VD", "forward_stack.inputs.0"} <= bundle.encoder_arrays().keys()
    assert {"transitions_KK", "starts_K", "ends_K"} == bundle.head_arrays("tags", "crf.").keys()


def test_a_save_that_fails_leaves_the_old_bundle_and_no_rest(copy):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    bundle = load_bundle(copy)
    with pytest.raises(TypeError):
        saved_again(bundle, copy, runtime={"not JSON": object()})
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_the_new_folder_takes_the_place_of_the_old_one_only_at_the_end(copy):
    with replacing(copy, is_old=lambda folder: True) as fresh:
        (fresh / "new").write_text("")
        assert (copy / "bundle.json").exists()
        assert fresh.parent == copy.parent
    assert [path.name for path in copy.iterdir()] == ["new"]
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_the_disk_has_a_new_folder_before_the_old_one_goes(copy, on_disk):
    with replacing(copy, is_old=lambda folder: True) as fresh:
        (fresh / "below").mkdir()
        (fresh / "below" / "new").write_text("new")
    written = [copy / "below" / "new", copy / "below", copy]
    assert on_disk == [*(path.stat().st_ino for path in written), "renamed", "renamed", copy.parent.stat().st_ino]


def test_a_folder_of_something_else_is_never_replaced(classify_bundle, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds other files"):
        saved_again(load_bundle(classify_bundle), tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_bundle_holds_these_files_and_no_others(classify_bundle, tag_bundle, generate_bundle):
    bundles = {"labels": classify_bundle, "tags": tag_bundle, "lm": generate_bundle}
    for head, folder in bundles.items():
        names = {path.name for path in folder.rglob("*")}
        own = {"encoder.safetensors", f"head-{head}.onnx", f"head-{head}.safetensors"}
        own |= {"encoder.onnx"} - ({"encoder.onnx"} if head == "lm" else set())  # its own graph has the forward stack
        assert names == {"README.md", "bundle.json", "tokenizer.json"} | own


def test_no_module_can_read_or_write_pickles():
    banned = re.compile(r"\b(import (pickle|joblib|dill|shelve)|torch\.(load|save)|allow_pickle=True)\b")
    sources = sorted(Path(lstmtext.__file__).parent.rglob("*.py"))
    assert sources
    assert [path for path in sources if banned.search(path.read_text(encoding="utf-8"))] == []


def test_what_people_said_of_data_goes_with_the_encoder():
    """Under the same words however often; the rest was said of another bundle."""
    head = f"{WRITTEN}tags`: tag"
    card = f"# a\n\nWords.\n\n## Data\n\nLicence: A.\n\n## Scores\n\n1\n{head}\n\n## Data\n\nno\n"
    once = card_after("b", card)
    assert once.startswith("# b\n\nA model of ")
    assert once.endswith(f"\n\n## Data of what it began from\n\nLicence: A.\n{WRITTEN}")
    assert card_after("b", once) == once
    assert card_after("b", f"# a\n{head}") == card_after("b", "") == ""


def test_the_card_names_heads_labels_and_the_command_to_run(classify_bundle):
    card = (classify_bundle / "README.md").read_text()
    assert "positive" in card
    assert "lstmtext classify -m" in card


@pytest.mark.parametrize("name", ["", "../up", "a b", "é", "a.b", "x" * 65, "line\n"])
def test_a_head_cannot_have_a_name_that_is_no_files(classify_bundle, tmp_path, name):
    with pytest.raises(UsageError, match="expected 1 to 64 letters"):
        check_head_name(name)
    copy = shutil.copytree(classify_bundle, tmp_path / "copy")
    changed(copy, heads={name: json.loads((copy / "bundle.json").read_text())["heads"]["labels"]})
    with pytest.raises(ModelError, match="is not complete"):
        load_bundle(copy)


def test_heads_whose_names_differ_by_case_alone_are_refused(copy):
    own = json.loads((copy / "bundle.json").read_text())["heads"]["labels"]
    changed(copy, heads={"labels": own, "Labels": own})
    with pytest.raises(ModelError, match="files of two heads"):
        load_bundle(copy)


def test_a_head_of_an_encoder_of_other_sizes_is_refused(copy):
    settings = json.loads((copy / "bundle.json").read_text())["heads"]["labels"]["settings"]
    settings["encoder"]["layers"] += 1
    changed_head(copy, "labels", settings=settings)
    with pytest.raises(ModelError, match="head 'labels' was trained on an encoder of other sizes"):
        load_bundle(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_the_description_does_not_name_is_missed(copy, name):
    files = json.loads((copy / "bundle.json").read_text())["files"]
    changed(copy, files={own: digest for own, digest in files.items() if own != name})
    with pytest.raises(ModelError, match=f"names no {name}"):
        load_bundle(copy)


def test_a_bundle_of_an_older_format_may_be_replaced_and_nothing_like_it(tmp_path):
    (tmp_path / "old").mkdir()
    names = ["model.safetensors", "runtime.onnx", "tokenizer.json"]
    for name in names:
        (tmp_path / "old" / name).write_text("")
    description = tmp_path / "old" / "bundle.json"
    description.write_text(json.dumps({"format": 4, "files": dict.fromkeys(names, "")}))
    assert is_bundle(tmp_path / "old")
    for content in ("[]", "{", json.dumps({"files": dict.fromkeys(names, "")}), '{"format": 4, "files": null}'):
        description.write_text(content)
        assert not is_bundle(tmp_path / "old")
