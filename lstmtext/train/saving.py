"""From a finished course to the bundle on disk: a new one, or one with a head more.

Many trainings may add to one bundle at the same time. Choosing the graphs takes long, so that is done on the bundle as
it stands then; under a lock it is read once more, and written with what it has by now.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from torch import nn

from lstmtext.bundle import Bundle, Part, load_bundle, save_bundle
from lstmtext.card import card_after
from lstmtext.config import WeightPrecision
from lstmtext.description import BundleInfo, HeadInfo
from lstmtext.errors import ModelError, UserError, reason
from lstmtext.folders import alone_with
from lstmtext.nn.joint import models_of
from lstmtext.nn.model import model_arrays
from lstmtext.runtime.export import Graphs
from lstmtext.text.arrays import Floats
from lstmtext.train.before import check_new_head, facts_of
from lstmtext.train.changes import changes
from lstmtext.train.course import Course
from lstmtext.train.job import TrainJob
from lstmtext.train.looks import by_head
from lstmtext.train.making import Counts
from lstmtext.train.quantize import Trained, choose_together
from lstmtext.train.staying import with_staying
from lstmtext.weights import rounded


def save(job: TrainJob, course: Course, training: dict[str, object], parameters: Counts) -> BundleInfo:
    """Save the best weights of a course as a bundle, with facts of its training; its description.

    Raises UserError where it cannot be written, ModelError where the bundle that a head is added to is not what it was.
    Of a run without a checkpoint, nothing else would be left: its bundle is in the system's temporary folder then.
    """
    try:
        return _save(job, course, training, parameters)
    except UserError as error:
        if not isinstance(error.__cause__, OSError) or job.run is None or _resumable(job):
            raise
        other = _elsewhere(job, course, training, parameters)
        if other is None:
            raise
        found = f"cannot be written: {error.__cause__}; the bundle is {other} instead"
        raise UserError(job.output, found, hint="make room and move it there") from error


def _elsewhere(job: TrainJob, course: Course, training: dict[str, object], parameters: Counts) -> Path | None:
    """The bundle in the system's temporary folder; None where that has no room either."""
    try:
        other = Path(tempfile.mkdtemp(prefix="lstmtext."))
    except OSError:
        return None
    try:
        _save(replace(job, output=other / job.output.name), course, training, parameters)
    except (OSError, UserError):
        shutil.rmtree(other, ignore_errors=True)
        return None
    return other / job.output.name


def _save(job: TrainJob, course: Course, training: dict[str, object], parameters: Counts) -> BundleInfo:
    models = models_of(course.take_best(), [head.name for head in job.heads])
    precision = job.settings.export.weights
    # Rounded before the graphs are made and compared, so that they are of what is written.
    encoder = _arrays(models[job.head].encoder, "float32" if job.added else precision)
    assert course.best.scores is not None, "there is something to save"
    scores = by_head(job, course.best.scores)
    trained = {
        head.name: Trained(head.data, head.settings, _arrays(models[head.name].head, precision), scores[head.name])
        for head in job.heads
    }
    while True:
        read = _as_it_was(job).part() if job.added else None
        chosen = choose_together(trained, encoder, read=None if read is None else read.graph)
        with _writing(job):
            base = _as_it_was(job) if job.added else None
            if base is not None and read is not None and base.part() != read:
                continue  # the first head that reads the encoder was added meanwhile, and its graph with it
            own, parts = _described(job, trained, chosen, training, parameters)
            graph = next((graphs.encoder for graphs, _ in chosen.values() if graphs.encoder is not None), None)
            if base is None or read is None:
                before = job.encoder.info.runtime if job.encoder is not None else {}
                own, parts, graph = with_staying(own, parts, graph, job.staying, encoder, job.settings, before)
                card = card_after(job.output.name, job.encoder.card()) if job.encoder is not None else ""
                save_bundle(job.output, own, job.data.tokenizer, Part.of(encoder, graph, precision), parts, card)
                return own
            heads, runtime = {**base.info.heads, **own.heads}, base.info.runtime or own.runtime
            info = replace(base.info, heads=heads, runtime=runtime)
            parts = {name: base.part(name) for name in base.info.heads} | parts
            same = base.folder.absolute() == job.output.absolute()
            card = base.card() if same else card_after(job.output.name, base.card())
            save_bundle(job.output, info, job.data.tokenizer, replace(read, graph=read.graph or graph), parts, card)
            return info


def widens(job: TrainJob) -> bool:
    """Whether the head goes into the bundle that it is added to, and not into another that has its encoder."""
    return job.added and job.encoder is not None and job.output.resolve() == job.encoder.folder.resolve()


def _described(
    job: TrainJob,
    trained: Mapping[str, Trained],
    chosen: Mapping[str, tuple[Graphs, dict[str, object]]],
    training: dict[str, object],
    parameters: Counts,
) -> tuple[BundleInfo, dict[str, Part]]:
    """The description of a bundle of the trained heads alone, and their files."""
    heads, parts = {}, {}
    for head in job.heads:
        name, own, (graphs, runtime) = head.name, trained[head.name], chosen[head.name]
        parts[name] = Part.of(own.arrays, graphs.head, job.settings.export.weights)
        heads[name] = HeadInfo(
            head.data.task,
            head.data.labels.names,
            own.scores,
            head.settings,
            parameters.heads[name],
            training,
            facts_of(head.data),
            changes(head, graphs, own.arrays),
            runtime,
        )
    precision = [said["precision"] for graphs, said in chosen.values() if graphs.encoder is not None]
    info = BundleInfo(
        encoder=job.settings.encoder,
        unit=job.settings.text.unit,
        vocabulary_size=job.data.tokenizer.size,
        parameters=parameters.encoder,
        heads=heads,
        runtime={"precision": precision[0]} if precision else {},
    )
    return info, parts


def _arrays(part: nn.Module, precision: WeightPrecision) -> dict[str, Floats]:
    return rounded(model_arrays(part), precision)


@contextmanager
def _writing(job: TrainJob) -> Iterator[None]:
    """While the bundle is written, none else writes there. Raises UserError where it cannot be."""
    try:
        with alone_with(job.output):
            yield
    except OSError as error:
        kept = _resumable(job)
        hint = f"make room, then go on with: lstmtext train --resume {kept}" if kept else "make room and train again"
        raise UserError(job.output, f"cannot be written: {reason(error)}", hint=hint) from error


def _resumable(job: TrainJob) -> Path | None:
    """The folder of the run, if it can be gone on with."""
    return job.run.folder if job.run and job.run.checkpoints() else None


def _as_it_was(job: TrainJob) -> Bundle:
    """The bundle that a head is added to, as it stands now: other heads may have been added since."""
    assert job.encoder is not None, "a head is added to something"
    base = load_bundle(job.encoder.folder)
    if base.encoder_digest != job.encoder.encoder_digest:
        found = "has another encoder than when the training began"
        raise ModelError(base.folder, found, expected="the one that the head learned on", hint="train the head again")
    check_new_head(base, job.head, job.heads[0] if job.snapshot is not None else None)
    return base
