"""Heads of the bundle to start from that stay in the new one, though they learn nothing and the encoder moves.

They do where `transfer.retain` holds the encoder back: near to where it was, they fit it still. How well, no data of
theirs say, so their scores are those of before, and their descriptions tell so.
"""

from collections.abc import Collection, Mapping
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


def staying_heads(bundle: Bundle | None, settings: Settings, trained: Collection[str]) -> dict[str, StayingHead]:
    """Those of a bundle to start from, by name, beside heads that are trained."""
    if bundle is None or not settings.transfer.retain:
        return {}
    taken = {name.lower() for name in trained}  # as files of names that differ by case alone would be one
    return {
        name: StayingHead(info, bundle.head_arrays(name))
        for name, info in bundle.info.heads.items()
        if name.lower() not in taken
    }


def with_staying(
    info: BundleInfo,
    parts: Mapping[str, Part],
    graph: bytes | None,
    staying: Mapping[str, StayingHead],
    encoder: Mapping[str, Floats],
    settings: Settings,
) -> tuple[BundleInfo, dict[str, Part], bytes | None]:
    """A bundle's description, the files of its heads and the encoder's graph, with the heads that stay.

    `encoder` are the arrays of the encoder that has moved, `settings` those of the training.
    """
    weights, moved = settings.export.weights, ", ".join(info.heads)
    change = f"the encoder has moved since, in the training of {moved}; the scores are of before"
    heads, files = dict(info.heads), dict(parts)
    for name, own in staying.items():
        arrays, made = rounded(own.arrays, weights), precision_of(own.info.runtime)
        head = export_head(own.info.task, own.info.settings, encoder, arrays, precision=made)
        files[name] = Part.of(arrays, head, weights)
        heads[name] = replace(own.info, changes=[*own.info.changes, change], runtime={"precision": made})
    info = replace(info, heads=heads)
    if graph is None and info.encoder_is_read:
        graph = export_encoder(info.encoder, encoder)
        info = replace(info, runtime={"precision": "float32"})
    return info, files, graph
