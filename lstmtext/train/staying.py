"""Heads of the bundle to start from that stay in the new one, though they learn nothing and the encoder moves.

They do where `transfer.retain` holds the encoder back: near to where it was, they fit it still. How well, no data of
theirs say, so their scores are those of before, and their descriptions tell so.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from lstmtext.bundle import Bundle, Part
from lstmtext.config import Settings
from lstmtext.description import BundleInfo, HeadInfo
from lstmtext.runtime.export import export_encoder, export_head, precision_of
from lstmtext.text.arrays import Floats
from lstmtext.weights import rounded


@dataclass(frozen=True)
class StayingHead:
    """A head that stays; all of it is in memory, so that its folder may go while the training runs."""

    info: HeadInfo
    arrays: Mapping[str, Floats]
    digest: str
    """SHA-256 of its weights."""


def staying_heads(bundle: Bundle | None, settings: Settings, trained: Collection[str]) -> dict[str, StayingHead]:
    """Those of a bundle to start from, by name, beside heads that are trained."""
    if bundle is None or not settings.transfer.retain:
        return {}
    taken = {name.lower() for name in trained}  # as files of names that differ by case alone would be one
    return {
        name: StayingHead(info, bundle.head_arrays(name), bundle.head_digest(name))
        for name, info in bundle.info.heads.items()
        if name.lower() not in taken
    }


def staying_remarks(
    bundle: Bundle | None, settings: Settings, staying: Collection[str], gone_on: Collection[str]
) -> Iterator[str]:
    """What the user should know of what is retained; `gone_on` are the heads of the bundle that learn."""
    if not settings.transfer.retain:
        return
    if bundle is None:
        yield "transfer.retain has no effect: there is no bundle to start from (--encoder)"
        return
    if staying:
        yield f"heads that stay, on an encoder that moves: {', '.join(staying)}"
    if replaced := [name for name in bundle.info.heads if name not in (*staying, *gone_on)]:
        yield f"heads that do not stay, as new ones have their names: {', '.join(replaced)}"


def with_staying(
    info: BundleInfo,
    parts: Mapping[str, Part],
    graph: bytes | None,
    staying: Mapping[str, StayingHead],
    encoder: Mapping[str, Floats],
    settings: Settings,
    before: Mapping[str, object],
) -> tuple[BundleInfo, dict[str, Part], bytes | None]:
    """A bundle's description, the files of its heads and the encoder's graph, with the heads that stay.

    `encoder` are the arrays of the encoder that has moved, `settings` those of the training, `before` what the old
    bundle said of its encoder's graph. Graphs have the precision that is asked for, or else what they had.
    """
    wanted = settings.export.precision
    heads, files, moved = dict(info.heads), dict(parts), ", ".join(info.heads)
    info = replace(info, heads=heads | {name: own.info for name, own in staying.items()})
    if graph is None and info.encoder_is_read:
        precision = precision_of(before) if wanted == "auto" else wanted
        graph = export_encoder(info.encoder, encoder, precision=precision)
        info = replace(info, runtime={"precision": precision})
    change = f"the encoder has moved since, in the training of {moved}; the scores are of before"
    for name, own in staying.items():
        arrays = rounded(own.arrays, settings.export.weights)
        precision = precision_of(own.info.runtime) if wanted == "auto" else wanted
        head = export_head(own.info.task, own.info.settings, encoder, arrays, precision=precision)
        files[name] = Part.of(arrays, head, settings.export.weights)
        written = replace(own.info.settings, export=settings.export)
        changes = [*own.info.changes, change]
        heads[name] = replace(own.info, settings=written, changes=changes, runtime={"precision": precision})
    return replace(info, heads=heads), files, graph
