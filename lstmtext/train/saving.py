"""From a finished course to the bundle on disk: a new one, or one with a head more."""

from collections.abc import Mapping
from dataclasses import replace

from lstmtext.bundle import Bundle, Part, load_bundle, save_bundle
from lstmtext.description import BundleInfo, HeadInfo
from lstmtext.errors import ModelError, UserError
from lstmtext.nn.model import ENCODER_PREFIX, HEAD_PREFIX, model_arrays
from lstmtext.train.changes import changes
from lstmtext.train.course import Course
from lstmtext.train.job import TrainJob
from lstmtext.train.making import Counts
from lstmtext.train.quantize import choose_graphs
from lstmtext.train.transfer import check_new_head
from lstmtext.weights import rounded


def save(job: TrainJob, course: Course, training: dict[str, object], parameters: Counts) -> BundleInfo:
    """Save the best weights of a course as a bundle, with facts of its training; its description.

    Raises UserError where it cannot be written, ModelError where the bundle that a head is added to is not what it was.
    """
    every, half = model_arrays(course.take_best()), job.settings.export.weights == "float16"
    if half:
        every = rounded(every)  # before the graphs are made and compared, so that they are of what is written
    encoder, head = (
        {name.removeprefix(prefix): array for name, array in every.items() if name.startswith(prefix)}
        for prefix in (ENCODER_PREFIX, HEAD_PREFIX)
    )
    base = _as_it_was(job) if job.added else None
    read = None if base is None else base.part()
    scores, data, facts = course.best.scores, job.data, job.data.facts
    assert scores is not None, "there is something to save"
    graphs, runtime = choose_graphs(
        data, job.settings, encoder, head, scores, read=None if read is None else read.graph
    )
    own = HeadInfo(
        task=data.task,
        labels=data.labels.names,
        scores=scores,
        settings=job.settings,
        parameters=parameters.head,
        training=training,
        data={
            "files": facts.sources,
            "columns": facts.columns,
            "training records": len(data.tables["train"]),
            "validation records": len(data.tables["validation"]),
            "label counts": facts.label_counts,
        },
        changes=changes(job, graphs, head),
        runtime=runtime,
    )
    info = BundleInfo(
        encoder=job.settings.encoder,
        unit=job.settings.text.unit,
        vocabulary_size=data.tokenizer.size,
        parameters=parameters.encoder,
        heads={job.head: own},
        runtime={"precision": runtime["precision"]} if graphs.encoder is not None else {},
    )
    parts = {job.head: Part.of(head, graphs.head, half=half)}
    if base is None or read is None:
        _write(job, info, Part.of(encoder, graphs.encoder, half=half), parts)
        return info
    info = replace(base.info, heads={**base.info.heads, job.head: own}, runtime=base.info.runtime or info.runtime)
    parts = {name: base.part(name) for name in base.info.heads} | parts
    _write(job, info, replace(read, graph=read.graph or graphs.encoder), parts)
    return info


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
