"""The bundle: a folder with one trained encoder and its named heads, complete or absent.

Holds its description, writing beside and renaming into place, and the checks of loading. Nothing is pickled.
What the arrays mean is left to `nn` and `runtime`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lstmtext import __version__
from lstmtext.config import Settings, TaskName
from lstmtext.errors import ModelError, UsageError
from lstmtext.folders import replacing, umask
from lstmtext.metrics import Scores
from lstmtext.resolve import settings_from_sections
from lstmtext.tasks import TASKS
from lstmtext.text.arrays import Floats
from lstmtext.text.labels import Labels
from lstmtext.text.tokenizer import Tokenizer

FORMAT = 4
DESCRIPTION, TOKENIZER, WEIGHTS, GRAPH, CARD = (
    "bundle.json",
    "tokenizer.json",
    "model.safetensors",
    "runtime.onnx",
    "README.md",
)


@dataclass(frozen=True)
class HeadInfo:
    """What a bundle says of one head."""

    task: TaskName
    labels: tuple[str, ...] = ()
    scores: Scores = field(default_factory=dict)
    """Scores on the validation data when it was trained."""


@dataclass(frozen=True)
class BundleInfo:
    """The content of bundle.json, less the checksums."""

    settings: Settings
    heads: dict[str, HeadInfo]
    vocabulary_size: int
    parameters: int
    training: dict[str, object]
    """How the training went: epochs, tokens, precision, device, interrupted."""
    data: dict[str, object]
    """What it was trained on: files with their SHA-256, records, label counts."""
    changes: list[str] = field(default_factory=list)
    """What going on from another bundle changed."""
    runtime: dict[str, object] = field(default_factory=dict)
    """Precision of the graph, and the validation scores that it was chosen by."""


class Bundle:
    """A bundle on disk whose description has been checked."""

    def __init__(self, folder: Path, info: BundleInfo) -> None:
        self.folder = folder
        self.info = info

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer. Raises ModelError where it does not fit the embedding."""
        path = self.folder / TOKENIZER
        tokenizer = Tokenizer.from_json(path.read_text(encoding="utf-8"), path)
        if tokenizer.size != self.info.vocabulary_size:
            raise ModelError(
                path,
                f"has {tokenizer.size} entries",
                expected=f"{self.info.vocabulary_size}, as the embedding has",
            )
        return tokenizer

    def head(self, name: str | None = None, task: TaskName | None = None) -> tuple[str, HeadInfo]:
        """The named head, or the only one for a task. Raises ModelError with what there is."""
        heads = {
            own: info for own, info in self.info.heads.items() if task in (None, info.task) and name in (None, own)
        }
        if len(heads) == 1:
            return next(iter(heads.items()))
        present = ", ".join(f"'{own}' ({info.task})" for own, info in self.info.heads.items())
        wanted = f"head '{name}'" if name else f"head for {task}"
        found = f"no {wanted}" if not heads else "more than one head fits"
        named = name or heads
        hint = "name another with --head, or use another bundle" if named else f"use a bundle trained to {task}"
        raise ModelError(self.folder, f"{found}; it has {present}", hint=hint)

    def arrays(self, prefix: str = "") -> dict[str, Floats]:
        """Weights whose names begin with a prefix, without it."""
        from safetensors import safe_open

        with safe_open(str(self.folder / WEIGHTS), framework="numpy") as weights:
            return {
                name.removeprefix(prefix): weights.get_tensor(name)
                for name in weights.keys()  # noqa: SIM118  # the handle is no dict
                if name.startswith(prefix)
            }


def load_bundle(folder: Path) -> Bundle:
    """Open a bundle. Raises ModelError for a folder that is absent, incomplete, altered or of another format."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise ModelError(
            folder,
            f"no {DESCRIPTION} there",
            expected="a bundle that lstmtext train wrote",
            hint="give the folder that holds it" if folder.is_file() else "check the name",
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version, files = content.pop("format"), dict(content.pop("files"))
    except (ValueError, KeyError, OSError, AttributeError, TypeError) as error:
        raise ModelError(path, f"cannot be read: {error!r}", hint="train the bundle again") from error
    if version != FORMAT:
        raise ModelError(
            path,
            f"format {version}",
            expected=f"format {FORMAT}",
            hint="train it with this version of lstmtext",
        )
    for name, digest in files.items():
        if _digest(folder / name) != digest:
            raise ModelError(folder / name, "is absent or not what was saved", hint="copy or train the bundle again")
    if missing := {TOKENIZER, WEIGHTS, GRAPH} - files.keys():
        raise ModelError(path, f"names no {min(missing)}", hint="train the bundle again")
    bundle = Bundle(folder, _info_from(content, path))
    _check_sizes(bundle)
    return bundle


def _check_sizes(bundle: Bundle) -> None:
    """Raise ModelError where the weights do not have the sizes that the description says."""
    from safetensors import safe_open

    path, info = bundle.folder / WEIGHTS, bundle.info
    wanted = {"encoder.embedding_VD": info.vocabulary_size}
    wanted |= {f"heads.{name}.output.bias": len(head.labels) for name, head in info.heads.items() if head.labels}
    with safe_open(str(path), framework="numpy") as weights:
        names = set(weights.keys())
        for name, size in wanted.items():
            found = weights.get_slice(name).get_shape()[0] if name in names else "absent"
            if found != size:
                raise ModelError(path, f"'{name}' is {found}", expected=f"{size}, as {DESCRIPTION} says")


def save_bundle(
    folder: Path, info: BundleInfo, tokenizer: Tokenizer, arrays: Mapping[str, Floats], graph: bytes
) -> None:
    """Write a bundle beside its place and rename it there; an older bundle stays until the new one is whole."""
    with replacing(folder, is_old=is_bundle) as fresh:
        from safetensors.numpy import save_file

        (fresh / TOKENIZER).write_text(tokenizer.to_json(), encoding="utf-8")
        save_file(dict(arrays), str(fresh / WEIGHTS))
        (fresh / WEIGHTS).chmod(0o666 & ~umask())  # the library writes it for its owner alone
        (fresh / GRAPH).write_bytes(graph)
        (fresh / CARD).write_text(model_card(folder.name, info), encoding="utf-8", errors="backslashreplace")
        files = {name: _digest(fresh / name) for name in (WEIGHTS, GRAPH, TOKENIZER)}  # a card may be edited
        (fresh / DESCRIPTION).write_text(
            json.dumps({"format": FORMAT, **_plain(info), "files": files}, indent=2, ensure_ascii=False) + "\n",
            encoding="utf-8",
            errors="backslashreplace",  # file names that are no UTF-8; in JSON this is an escape
        )


def is_bundle(folder: Path) -> bool:
    """Whether a folder is a bundle and holds nothing else, so that it may be replaced."""
    return {path.name for path in folder.iterdir()} | {CARD} == {DESCRIPTION, TOKENIZER, WEIGHTS, GRAPH, CARD}


def model_card(name: str, info: BundleInfo) -> str:
    """The bundle's README, from its description."""
    lines = [f"# {name}", "", f"A model of [lstmtext](https://pypi.org/project/lstmtext) {__version__}.", ""]
    for head, own in info.heads.items():
        command = own.task
        lines += [f"## Head `{head}`: {own.task}", ""]
        several = own.task == "classify" and info.settings.classify.multi_label
        kind = "Labels, of which a text may have several or none" if several else "Labels"
        lines += [f"{kind}: {', '.join(own.labels)}", ""] if own.labels else []
        lines += [
            f"- {score}: {value:.4f} (validation)" for score, value in own.scores.items() if isinstance(value, float)
        ]
        lines += ["", "```sh", f'echo "Some text." | lstmtext {command} -m {name}', "```", ""]
    encoder = info.settings.encoder
    lines += ["## Size", ""]
    lines += [
        f"- {info.parameters:,} parameters, {encoder.layers} x {encoder.hidden_size} LSTM units ({encoder.directions})"
    ]
    lines += [f"- {info.vocabulary_size:,} tokens ({info.settings.text.unit})", "", "## Training", ""]
    lines += [f"- {key}: {value}" for key, value in info.training.items()]
    lines += [f"- {change}" for change in info.changes]
    lines += ["", "## Runtime", ""] + [f"- {key}: {value}" for key, value in info.runtime.items()]
    lines += ["", "## Data", ""] + [f"- {key}: {value}" for key, value in info.data.items()]
    return "\n".join(lines) + "\n"


def _plain(info: BundleInfo) -> dict[str, object]:
    content = asdict(info)
    content["lstmtext"] = __version__
    return content


def _info_from(content: dict[str, Any], path: Path) -> BundleInfo:
    content.pop("lstmtext", None)
    try:
        heads = {
            name: HeadInfo(TASKS[own["task"]].name, Labels(own["labels"]).names, own["scores"])
            for name, own in content.pop("heads").items()
        }
        settings = settings_from_sections(content.pop("settings"))
        return BundleInfo(settings=settings, heads=heads, **content)
    except (KeyError, TypeError, AttributeError, AssertionError, UsageError) as error:
        raise ModelError(path, f"is not complete: {error!r}", hint="train the bundle again") from error


def _digest(path: Path) -> str:
    """SHA-256 of a file; empty where there is none. Raises ModelError where it may not be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (FileNotFoundError, IsADirectoryError):
        return ""
    except OSError as error:
        raise ModelError(path, f"cannot be read: {error.strerror}", hint="check its permissions") from error
