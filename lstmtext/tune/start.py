"""What the trials of a search start from: what a training would, unless it is too large for the bundles that count."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lstmtext.bundle import load_bundle
from lstmtext.errors import UsageError
from lstmtext.shipped import shipped_bundle
from lstmtext.sizes import least_bytes
from lstmtext.tasks import TASKS
from lstmtext.train.auto import AUTO, with_start
from lstmtext.train.job import FROM_SCRATCH, TrainRequest
from lstmtext.train.ranks import ALONE
from lstmtext.train.request import ChooseSettings


def with_start_within(
    request: TrainRequest, choose: ChooseSettings, most_bytes: int, remark: Callable[[str], None]
) -> tuple[TrainRequest, ChooseSettings]:
    """A request that names what to start from, and the settings for it, as `with_start` gives them.

    The shipped bundle is left where its encoder alone is larger than bundles may be, 0 being any size. Raises
    UsageError for a named one that is, before the data are read.
    """
    auto = request.encoder == AUTO
    place = shipped_bundle() if auto else None if request.encoder == FROM_SCRATCH else Path(request.encoder)
    least = _least_with(place, choose, request) if most_bytes and place is not None else 0
    if least > most_bytes and not auto:
        found = f"found {most_bytes:,} B, less than a bundle with the encoder of {place} has"
        hint = "--encoder none searches smaller ones, and export.weights=int8 makes any smaller"
        raise UsageError("--max-size", found, expected=f"{least:,} B at least", hint=hint)
    if least > most_bytes:
        remark(f"starts anew: with the English encoder a bundle has {least:,} B at least, more than --max-size")
        request = replace(request, encoder=FROM_SCRATCH)
    return with_start(request, choose, ALONE, remark)


def _least_with(place: Path, choose: ChooseSettings, request: TrainRequest) -> int:
    """Bytes that a bundle has at least with the encoder of another, for whatever task."""
    bundle, task = load_bundle(place), request.data.task
    settings = replace(choose(task or "generate"), encoder=bundle.info.encoder)
    reads = task is None or TASKS[task].reads_encoder
    tokenizer = len(bundle.tokenizer.to_json().encode())
    return tokenizer + least_bytes(settings, bundle.info.vocabulary_size, reads_encoder=reads)
