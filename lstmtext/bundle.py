"""The bundle: a folder with one trained encoder and its named heads, complete or absent.

```
checkpoints/NAME/
  bundle.json               the description, and the SHA-256 of each file
  tokenizer.json
  encoder.safetensors       weights of the encoder
  encoder.onnx              its graph, from tokens to states, where a head reads it
  head-HEAD.safetensors     weights of a head
  head-HEAD.onnx            its graph: from states to answers; a language model's has the forward stack too
  README.md                 the model card
```
Holds writing beside and renaming into place, and the checks of loading. Nothing is pickled. The encoder and each head
have files of their own, so that another head leaves all others to the byte. What the arrays mean is left to `nn` and
`runtime`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lstmtext import __version__
from lstmtext.card import model_card
from lstmtext.config import TaskName, WeightPrecision
from lstmtext.description import BundleInfo, HeadInfo, info_from, plain
from lstmtext.errors import ModelError, UsageError, reason
from lstmtext.folders import replacing
from lstmtext.text.arrays import Floats
from lstmtext.text.tokenizer import Tokenizer
from lstmtext.weights import check_length, pack, unpack

FORMAT = 6
DESCRIPTION, TOKENIZER, CARD = "bundle.json", "tokenizer.json", "README.md"
ENCODER = "encoder"
WEIGHTS_END, GRAPH_END = ".safetensors", ".onnx"
REPORT = ".report.html"
"""Ends the name of the page that a training writes beside its bundle."""


@dataclass(frozen=True)
class Part:
    """The files of the encoder or of a head."""

    weights: bytes
    """Its arrays, as safetensors."""
    graph: bytes | None
    """What it is run by; none for an encoder that no head reads."""

    @classmethod
    def of(cls, arrays: Mapping[str, Floats], graph: bytes | None, precision: WeightPrecision = "float32") -> "Part":
        """A part of named arrays, written in a precision."""
        return cls(pack(arrays, precision), graph)


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
        present = ", ".join(f"'{own}' ({info.task})" for own, info in (heads or self.info.heads).items())
        wanted = f"head '{name}'" if name else f"head for {task}"
        found = f"no {wanted}" if not heads else "more than one head fits"
        if name in self.info.heads and not heads:
            found = f"head '{name}' is for {self.info.heads[name].task}, not {task}"
        hint = "name one with --head" if heads else "name another with --head, or use another bundle"
        hint = hint if name or heads else f"use a bundle trained to {task}"
        raise ModelError(self.folder, f"{found}; it has {present}", hint=hint)

    def graph(self, head: str | None = None) -> Path | None:
        """The graph of a head, or of the encoder; None where that has none."""
        name = ENCODER if head is None else head_file(head)
        return self.folder / (name + GRAPH_END) if head is not None or self.info.encoder_is_read else None

    def card(self) -> str:
        """Its README, which people may have edited or removed."""
        path = self.folder / CARD
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def encoder_arrays(self) -> dict[str, Floats]:
        """Weights of the encoder."""
        return unpack(self.folder / (ENCODER + WEIGHTS_END))

    def head_arrays(self, head: str, prefix: str = "") -> dict[str, Floats]:
        """Weights of a head whose names begin with a prefix, without it."""
        return unpack(self.folder / (head_file(head) + WEIGHTS_END), prefix)

    @cached_property
    def encoder_digest(self) -> str:
        """SHA-256 of the weights of the encoder."""
        return _digest(self.folder / (ENCODER + WEIGHTS_END))

    def head_digest(self, head: str) -> str:
        """SHA-256 of the weights of a head."""
        return _digest(self.folder / (head_file(head) + WEIGHTS_END))

    def part(self, head: str | None = None) -> Part:
        """The files of a head, or of the encoder, as they are."""
        weights = self.folder / ((ENCODER if head is None else head_file(head)) + WEIGHTS_END)
        graph = self.graph(head)
        return Part(weights.read_bytes(), None if graph is None else graph.read_bytes())


def head_file(head: str) -> str:
    """The name of a head's files, without their ending."""
    return f"head-{head}"


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
    except (ValueError, KeyError, OSError, AttributeError, TypeError, RecursionError) as error:
        found = "no object" if isinstance(error, AttributeError | TypeError) else reason(error)
        raise ModelError(path, f"is broken: {found}", hint="copy or train the bundle again") from error
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
    bundle = Bundle(folder, _info_from(content, path))
    if missing := _files_of(bundle.info) - files.keys():
        raise ModelError(path, f"names no {min(missing)}", hint="train the bundle again")
    _check_sizes(bundle)
    return bundle


def save_bundle(
    folder: Path, info: BundleInfo, tokenizer: Tokenizer, encoder: Part, heads: Mapping[str, Part], card: str = ""
) -> None:
    """Write a bundle beside its place and rename it there; an older bundle stays until the new one is whole.

    Of a `card` that was there, what people wrote stays.
    """
    parts = {ENCODER: encoder} | {head_file(name): part for name, part in heads.items()}
    contents = {TOKENIZER: tokenizer.to_json().encode()}
    for name, part in parts.items():
        contents[name + WEIGHTS_END] = part.weights
        if part.graph is not None:
            contents[name + GRAPH_END] = part.graph
    assert contents.keys() == _files_of(info), "each part has the files that the description promises"
    with replacing(folder, is_old=is_bundle) as fresh:
        for name, content in contents.items():
            (fresh / name).write_bytes(content)
        (fresh / CARD).write_text(model_card(folder.name, info, card), encoding="utf-8", errors="backslashreplace")
        files = {name: _digest(fresh / name) for name in contents}  # a card may be edited
        (fresh / DESCRIPTION).write_text(
            json.dumps(
                {"format": FORMAT, "lstmtext": __version__, **plain(info), "files": files}, indent=2, ensure_ascii=False
            )
            + "\n",
            encoding="utf-8",
            errors="backslashreplace",  # file names that are no UTF-8; in JSON this is an escape
        )


def report_path(folder: Path, added: str = "") -> Path:
    """Where the report of the training of a bundle stands, or of a head that was added to one."""
    return folder.with_name(folder.name + (f".{added}" if added else "") + REPORT)


def is_bundle(folder: Path) -> bool:
    """Whether a folder is a bundle, of any format, and holds nothing else, so that it may be replaced."""
    try:
        content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        known = {DESCRIPTION, CARD, *content["files"]} if content["format"] else set()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
    return {path.name for path in folder.iterdir()} <= known


def _files_of(info: BundleInfo) -> set[str]:
    """The files that a bundle has besides its description and its card."""
    files = {TOKENIZER, ENCODER + WEIGHTS_END}
    if info.encoder_is_read:
        files.add(ENCODER + GRAPH_END)
    return files | {head_file(name) + ending for name in info.heads for ending in (WEIGHTS_END, GRAPH_END)}


def _check_sizes(bundle: Bundle) -> None:
    """Raise ModelError where the weights do not have the sizes that the description says."""
    info = bundle.info
    check_length(bundle.folder / (ENCODER + WEIGHTS_END), "embedding_VD", info.vocabulary_size)
    for name, head in info.heads.items():
        if head.labels:
            check_length(bundle.folder / (head_file(name) + WEIGHTS_END), "output.bias", len(head.labels))


def _info_from(content: dict[str, Any], path: Path) -> BundleInfo:
    content.pop("lstmtext", None)
    try:
        return info_from(content)
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
