"""From a finished course to the bundle on disk: a new one, or one with a head more."""

from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from lstmtext.bundle import Bundle, Part, load_bundle, save_bundle
from lstmtext.data.encoded import EncodedData
from lstmtext.description import BundleInfo, HeadInfo
from lstmtext.errors import ModelError, UserError
from lstmtext.nn.joint import models_of
from lstmtext.nn.model import model_arrays
from lstmtext.text.arrays import Floats
from lstmtext.train.changes import changes
from lstmtext.train.course import Course
from lstmtext.train.job import TrainJob
from lstmtext.train.looks import by_head
from lstmtext.train.making import Counts
from lstmtext.train.quantize import Trained, choose_together
from lstmtext.train.transfer import check_new_head
from lstmtext.weights import rounded


def save(job: TrainJob, course: Course, training: dict[str, object], parameters: Counts) -> BundleInfo:
    """Save the best weights of a course as a bundle, with facts of its training; its description.

    Raises UserError where it cannot be written, ModelError where the bundle that a head is added to is not what it was.
    """
    models = models_of(course.take_best(), [head.name for head in job.heads])
    half = job.settings.export.weights == "float16"
    # Rounded before the graphs are made and compared, so that they are of what is written.
    encoder = _arrays(models[job.head].encoder, half=half and not job.added)
    assert course.best.scores is not None, "there is something to save"
    scores = by_head(job, course.best.scores)
    trained = {
        head.name: Trained(head.data, head.settings, _arrays(models[head.name].head, half=half), scores[head.name])
        for head in job.heads
    }
    base = _as_it_was(job) if job.added else None
    read = None if base is None else base.part()
    chosen = choose_together(trained, encoder, read=None if read is None else read.graph)
    heads, parts = {}, {}
    for head in job.heads:
        name, (graphs, runtime) = head.name, chosen[head.name]
        parts[name] = Part.of(trained[name].arrays, graphs.head, half=half)
        heads[name] = HeadInfo(
            head.data.task,
            head.data.labels.names,
            scores[name],
            head.settings,
            parameters.heads[name],
            training,
            _facts(head.data),
            changes(head, graphs, trained[name].arrays),
            runtime,
        )
    readers = [(own.encoder, said["precision"]) for own, said in chosen.values() if own.encoder is not None]
    graph = readers[0][0] if readers else None
    info = BundleInfo(
        encoder=job.settings.encoder,
        unit=job.settings.text.unit,
        vocabulary_size=job.data.tokenizer.size,
        parameters=parameters.encoder,
        heads=heads,
        runtime={"precision": readers[0][1]} if readers else {},
    )
    if base is None or read is None:
        _write(job, info, Part.of(encoder, graph, half=half), parts)
        return info
    info = replace(base.info, heads={**base.info.heads, **heads}, runtime=base.info.runtime or info.runtime)
    parts = {name: base.part(name) for name in base.info.heads} | parts
    _write(job, info, replace(read, graph=read.graph or graph), parts)
    return info


def _arrays(part: nn.Module, *, half: bool) -> dict[str, Floats]:
    arrays = model_arrays(part)
    return rounded(arrays) if half else arrays


def _facts(data: EncodedData) -> dict[str, object]:
    return {
        "files": data.facts.sources,
        "columns": data.facts.columns,
        "training records": len(data.tables["train"]),
        "validation records": len(data.tables["validation"]),
        "label counts": data.facts.label_counts,
    }


def _write(job: TrainJob, info: BundleInfo, encoder: Part, heads: Mapping[str, Part]) -> None:
    try:
        save_bundle(job.output, info, job.data.tokenizer, encoder, heads)
    except OSError as error:
        kept = job.run.folder if job.run and job.run.checkpoints() else None
        hint = f"make room, then go on with: lstmtext train --resume {kept}" if kept else "make room and train again"
        raise UserError(job.output, f"cannot be written: {error}", hint=hint) from error


def _as_it_was(job: TrainJob) -> Bundle:
    """The bundle that a head is added to, as it stands now: other heads may have been added since."""
    assert job.encoder is not None, "a head is added to something"
    base = load_bundle(job.encoder.folder)
    if base.encoder_digest != job.encoder.encoder_digest:
        found = "has another encoder than when the training began"
        raise ModelError(base.folder, found, expected="the one that the head learned on", hint="train the head again")
    check_new_head(base, job.head, resumed=job.snapshot is not None)
    return base
