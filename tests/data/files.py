"""Files to read, and what is said of those that cannot be."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lstmtext.errors import DataError


def written(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def complaint(read: Callable[[Path], object], path: Path) -> str:
    """What the data error says of a file, after the file's name."""
    with pytest.raises(DataError) as caught:
        read(path)
    return str(caught.value).removeprefix(str(path))
