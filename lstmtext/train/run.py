"""One training from data to bundle: the caller of the loop, who validates, keeps the best, stops and saves.

A run tells a listener what happens and never prints. An interrupt (Ctrl-C, or a signal to end) ends it after the
current step, with the best weights so far saved as a bundle.
"""

import copy
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch

from lstmtext.bundle import Bundle, BundleInfo, HeadInfo, save_bundle
from lstmtext.config import Settings
from lstmtext.data.encoded import EncodedData
from lstmtext.errors import Interrupted, UsageError
from lstmtext.metrics import Scores
from lstmtext.nn.heads.classifier import Classifier
from lstmtext.nn.heads.tagger import Tagger
from lstmtext.nn.model import ENCODER_PREFIX, Model, load_arrays, model_arrays
from lstmtext.tasks import TASKS, first_of
from lstmtext.text.arrays import Floats
from lstmtext.train.bypass import count_features, fit_bypass
from lstmtext.train.feeds import train_feed
from lstmtext.train.interrupts import interruptible
from lstmtext.train.loop import StepReport, move_average, training_steps
from lstmtext.train.precision import choose_precision
from lstmtext.train.quantize import choose_graph
from lstmtext.train.validate import validate

UNREAD_STEPS = 20
"""Steps whose losses are read together, as reading one waits for the device."""


@dataclass(frozen=True)
class TrainJob:
    """What to train, from what, and where to."""

    data: EncodedData
    settings: Settings
    output: Path
    head: str | None = None
    encoder: Bundle | None = None
    """A bundle whose encoder and tokenizer to start from."""


@dataclass(frozen=True)
class Validation:
    """A look at the validation data during a run."""

    report: StepReport
    loss: float
    """Mean training loss since the last look, in nats."""
    score_name: str
    score: float
    best: float
    """The score of the weights that are kept."""
    improved: bool
    seconds: float
    """Since training began."""
    tokens_per_second: float


class Listener(Protocol):
    """Whoever wants to know how a run goes."""

    def started(self, *, parameters: int, precision: str, device: str) -> None:
        """The model is made and training begins."""
        ...

    def stepped(self, report: StepReport) -> None:
        """A step is done."""
        ...

    def validated(self, validation: Validation) -> None:
        """The validation data were read."""
        ...


@dataclass
class _Best:
    """The best weights so far."""

    arrays: dict[str, Floats] = field(default_factory=dict)
    scores: Scores | None = None
    epochs: float = 0.0
    misses: int = 0
    diverged: int = 0
    """The step at which the loss was no number any more."""

    def take(self, model: Model, scores: Scores, epochs: float) -> None:
        """Remember a model that is better than all before."""
        self.arrays, self.scores, self.epochs = model_arrays(model), scores, epochs
        self.misses = 0


class _Losses:
    """Losses since the last look at the validation data; those of the last steps stay on the device for a while."""

    def __init__(self) -> None:
        self._read: list[float] = []
        self._unread: list[StepReport] = []

    def add(self, report: StepReport, *, read: bool) -> int:
        """Take one more; the step whose loss was found to be no number, else 0."""
        self._unread.append(report)
        if not read and len(self._unread) < UNREAD_STEPS:
            return 0
        found = [(own.step, own.loss) for own in self._unread]
        self._unread.clear()
        self._read += [loss for _, loss in found]
        return next((step for step, loss in found if not math.isfinite(loss)), 0)

    def mean(self) -> float:
        """Mean of those read, which are then forgotten."""
        mean = sum(self._read) / len(self._read)
        self._read.clear()
        return mean


def train(job: TrainJob, listener: Listener) -> BundleInfo:
    """Train and save a bundle. Raises Interrupted after Ctrl-C, UsageError for divergence, with the best saved."""
    settings = job.settings
    device = _set_up(settings)
    started = time.monotonic()
    model = _make_model(job).to(device)
    precision = choose_precision(settings.train, settings.encoder, device)
    parameters = _count_parameters(model)
    listener.started(parameters=parameters, precision=precision, device=str(device))
    best = _Best()
    with interruptible() as interrupted:  # saving too, or a late Ctrl-C would lose the training
        tokens, epochs = _train_until_done(job, model, precision, best, interrupted, listener, started)
        if best.scores is None:
            raise _diverged(best, "nothing is saved")
        training = {
            "epochs": round(epochs, 3),
            "best_epoch": round(best.epochs, 3),
            "seconds": round(time.monotonic() - started, 1),
            "tokens": tokens,
            "precision": precision,
            "device": str(device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "started_from": str(job.encoder.folder.name) if job.encoder else "none",
            "interrupted": bool(interrupted),
            "diverged": bool(best.diverged),
        }
        info = _save(job, best, training, parameters)
    if best.diverged:
        raise _diverged(best, f"the best weights before are in {job.output}")
    if interrupted:
        raise Interrupted(f"interrupted; the best weights so far are in {job.output}")
    return info


def _diverged(best: _Best, saved: str) -> UsageError:
    found = f"training diverged at step {best.diverged}; {saved}"
    return UsageError("--set train.learning_rate", found, hint="lower it")


def _count_parameters(model: Model) -> int:
    """Numbers that training decides, those of a fitted bypass included."""
    count = sum(weights.numel() for weights in model.parameters())
    bypass = model.head.bypass if isinstance(model.head, Classifier) else None
    return count if bypass is None else count + bypass.table_NK.numel() + bypass.bias_K.numel()


def _set_up(settings: Settings) -> torch.device:
    train = settings.train
    if train.threads:
        torch.set_num_threads(train.threads)
    if train.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda", "this machine has no CUDA device that torch can use", hint="use --device cpu")
    torch.manual_seed(train.seed)
    return torch.device("cuda" if train.device != "cpu" and torch.cuda.is_available() else "cpu")


def _make_model(job: TrainJob) -> Model:
    data = job.data
    model = Model(data.task, job.settings, vocabulary_size=data.tokenizer.size, labels=len(data.labels))
    if job.encoder is not None:
        load_arrays(model.encoder, job.encoder.arrays(ENCODER_PREFIX), place=job.encoder.folder)
    if isinstance(model.head, Classifier) and model.head.bypass is not None:
        fit_bypass(model.head.bypass, data.texts("train"), data.texts("validation"))
    if isinstance(model.head, Tagger) and model.head.bypass is not None:
        counts_N = count_features(data.sentences("train"), job.settings.tag.bypass_buckets)
        model.head.bypass.learn_only(counts_N >= job.settings.tag.bypass_least)
    return model


def _train_until_done(
    job: TrainJob,
    model: Model,
    precision: str,
    best: _Best,
    interrupted: list[int],
    listener: Listener,
    begun: float,
) -> tuple[int, float]:
    """Run the loop with validations, keeping the best weights; tokens read and passes made."""
    settings, task = job.settings, TASKS[job.data.task]
    started = time.monotonic()
    pause = 1.0 / settings.train.validations_per_epoch
    tokens, training_seconds, due = 0, 0.0, pause
    losses = _Losses()
    epochs = 0.0
    kept = copy.deepcopy(model) if settings.train.average else model
    for report in training_steps(model, train_feed(job.data, settings), settings, precision, started=begun):
        listener.stepped(report)
        if kept is not model:
            move_average(kept, model, settings.train.average, report.step)
        tokens += report.tokens
        epochs = report.epochs
        ended = report.progress >= 1.0 or bool(interrupted)
        looks = ended or report.epochs >= due - 1e-9
        best.diverged = losses.add(report, read=looks)
        if best.diverged:
            break
        if not looks:
            continue
        due += pause
        training_seconds = time.monotonic() - started
        scores = validate(kept, job.data, settings, precision)
        improved = task.better(scores, best.scores)
        if improved:
            best.take(kept, scores, report.epochs)
        else:
            best.misses += 1
        if best.scores is None:  # the weights are broken though the losses are numbers
            best.diverged = report.step
            break
        name, value = first_of(task.shown, scores)
        _, best_value = first_of(task.shown, best.scores)
        mean_loss = losses.mean()
        speed = tokens / max(1e-9, training_seconds)
        listener.validated(Validation(report, mean_loss, name, value, best_value, improved, training_seconds, speed))
        if ended or best.misses >= settings.train.patience:
            break
    return tokens, epochs


def _save(job: TrainJob, best: _Best, training: dict[str, object], parameters: int) -> BundleInfo:
    assert best.scores is not None, "there is something to save"
    data, settings = job.data, job.settings
    head = job.head or TASKS[data.task].head
    encoder = {
        name.removeprefix(ENCODER_PREFIX): a for name, a in best.arrays.items() if name.startswith(ENCODER_PREFIX)
    }
    own = {name.removeprefix("head."): array for name, array in best.arrays.items() if name.startswith("head.")}
    graph, runtime = choose_graph(data, settings, encoder, own, best.scores)
    facts = data.facts
    info = BundleInfo(
        settings=settings,
        heads={head: HeadInfo(data.task, data.labels.names, best.scores)},
        vocabulary_size=data.tokenizer.size,
        parameters=parameters,
        training=training,
        data={
            "files": facts.sources,
            "columns": facts.columns,
            "training records": len(data.tables["train"]),
            "validation records": len(data.tables["validation"]),
            "label counts": facts.label_counts,
        },
        runtime=runtime,
    )
    arrays = {ENCODER_PREFIX + name: array for name, array in encoder.items()}
    arrays |= {f"heads.{head}.{name}": array for name, array in own.items()}
    save_bundle(job.output, info, data.tokenizer, arrays, graph)
    return info
