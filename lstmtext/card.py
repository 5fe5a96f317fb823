"""The model card of a bundle, from its description."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lstmtext import __version__

if TYPE_CHECKING:
    from lstmtext.description import BundleInfo, HeadInfo


WRITTEN = "\n## Head `"
"""Where the part of a card begins that is written anew with the bundle; before it, people may write."""


_DATA = re.compile(r"\n## Data[^\n]*\n(.*?)(?=\n## |\Z)", re.DOTALL)


def card_after(name: str, other: str) -> str:
    """What the card of a bundle that begins from another takes over: what people said there of data and licences."""
    parts = _DATA.findall(other.partition(WRITTEN)[0])
    return f"{_title(name)}\n## Data of what it began from\n{''.join(parts)}{WRITTEN}" if parts else ""


def model_card(name: str, info: "BundleInfo", former: str = "") -> str:
    """The bundle's README: each head with what it was trained on, then the encoder.

    Before them stands what stood there in a former card.
    """
    kept, written, _ = former.partition(WRITTEN)
    lines = [kept if written else _title(name)]
    for head, own in info.heads.items():
        lines += _head(name, head, own, alone=len(info.heads) == 1)
    encoder, every = info.encoder, info.parameters + sum(own.parameters for own in info.heads.values())
    lines += ["## Encoder", ""]
    lines += [f"- {encoder.layers} x {encoder.hidden_size} LSTM units ({encoder.directions})"]
    lines += [f"- {info.vocabulary_size:,} tokens ({info.unit})"]
    lines += [f"- {info.parameters:,} parameters; {every:,} with {'its head' if len(info.heads) == 1 else 'all heads'}"]
    lines += [f"- {key}: {value}" for key, value in info.runtime.items()]
    return "\n".join(lines) + "\n"


def _title(name: str) -> str:
    return f"# {name}\n\nA model of [lstmtext](https://pypi.org/project/lstmtext) {__version__}.\n"


def _head(name: str, head: str, own: "HeadInfo", *, alone: bool) -> Iterator[str]:
    yield from (f"## Head `{head}`: {own.task}", "")
    if own.labels:
        kind = "Labels, of which a text may have several or none" if own.multi_label else "Labels"
        yield from (f"{kind}: {', '.join(own.labels)}", "")
    for score, value in own.scores.items():
        if isinstance(value, float):
            yield f"- {score}: {value:.4f} (validation)"
    option = "" if alone else f" --head {head}"
    yield from ("", "```sh", f'echo "Some text." | lstmtext {own.task} -m {name}{option}', "```", "")
    facts = {"Training": own.training, "Runtime": own.runtime, "Data": own.data}
    for title, values in facts.items():
        yield from (f"### {title}", "")
        yield from (f"- {key}: {value}" for key, value in values.items())
        if title == "Training":
            yield f"- parameters: {own.parameters:,}"
            yield from (f"- {change}" for change in own.changes)
        yield ""
