"""A checkpoint on disk: a folder of tensors (safetensors) and facts (JSON), complete or absent. Nothing is pickled."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lstmtext.errors import ModelError, reason
from lstmtext.folders import names_to_disk, to_disk, work_folder

FORMAT = 1
FACTS, TENSORS = "facts.json", "tensors.safetensors"


@dataclass(frozen=True)
class Snapshot:
    """All that a training holds between two steps: tensors by name, and facts that JSON can hold."""

    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]


class BrokenCheckpoint(ModelError):
    """A checkpoint that a crash of the machine, or another hand, left without all that it was."""


def write_snapshot(snapshot: Snapshot, folder: Path) -> None:
    """Write a checkpoint beside its place and rename it there. Raises OSError; what stood there before then stays."""
    fresh = work_folder(folder)
    try:
        try:
            save_file(_unshared(snapshot.tensors), str(fresh / TENSORS))
        except SafetensorError as error:  # it says so of a full disk too
            raise OSError(str(error)) from error
        content = json.dumps({"format": FORMAT, **snapshot.facts})
        (fresh / FACTS).write_text(content, encoding="utf-8")
        to_disk(fresh)
        fresh.rename(folder)
        names_to_disk(folder.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def read_snapshot(folder: Path) -> Snapshot:
    """Read a checkpoint. Raises BrokenCheckpoint for one that is broken, ModelError for one of another version."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        tensors = load_file(str(folder / TENSORS))
        version = facts.pop("format")
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise BrokenCheckpoint(
            folder, f"is no whole checkpoint: {error}", hint="train anew without --resume"
        ) from error
    except OSError as error:
        raise ModelError(folder, f"cannot be read: {reason(error)}") from error
    if version != FORMAT:
        raise ModelError(folder, f"format {version}", expected=f"format {FORMAT}", hint="train anew without --resume")
    return Snapshot(tensors, facts)


def _unshared(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors as the library wants them: contiguous, and none a view of another."""
    owned: dict[int, str] = {}
    made = {}
    for name, value in tensors.items():
        own = value.detach().contiguous().cpu()
        first = owned.setdefault(own.untyped_storage().data_ptr(), name)
        made[name] = own if first == name else own.clone()
    return made
