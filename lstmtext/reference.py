"""What settings there are: a file for `--config` with all of a task, each with its meaning and its bounds.

The defaults in it are comments, so that they stay those of the version in use, and `tune` may search what is not
given. The meanings are read from where they stand, the docstrings of the fields in `config`.
"""

import ast
import dataclasses
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping

from lstmtext import config
from lstmtext.config import TaskName
from lstmtext.resolve import resolve_settings, sections_of

WIDTH = 100


def settings_reference(task: TaskName) -> str:
    """The settings of a task as TOML: under what each means, its default as a comment."""
    settings = resolve_settings(task)
    meanings = field_docstrings()
    lines = [
        f"# Settings of --task {task} and their defaults: uncomment what you change, and give this file to --config."
    ]
    for section in sections_of(task):
        own = getattr(settings, section)
        lines += ["", f"[{section}]"]
        for item in dataclasses.fields(own):
            said = meanings[type(own).__name__][item.name] + _bounds(item.metadata)
            lines += textwrap.wrap(said, WIDTH, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"#{item.name} = {json.dumps(getattr(own, item.name))}")
    return "\n".join(lines) + "\n"


def field_docstrings() -> dict[str, dict[str, str]]:
    """The docstring of each field of each class of `config`, without line breaks."""
    classes = [node for node in ast.parse(inspect.getsource(config)).body if isinstance(node, ast.ClassDef)]
    return {node.name: dict(_documented(node)) for node in classes}


def _documented(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Fields that a string follows, with that."""
    for field, after in zip(node.body, node.body[1:], strict=False):
        match field, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, " ".join(text.split())


def _bounds(metadata: Mapping[str, float]) -> str:
    return " From {low:,.12g} to {high:,.12g}.".format(**metadata) if metadata else ""
