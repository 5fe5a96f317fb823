"""From a job to a model on a device: seeds, threads, and what the data decide before the first step."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lstmtext.config import Settings, TrainSettings
from lstmtext.cores import core_count
from lstmtext.data.encoded import EncodedData
from lstmtext.errors import UsageError
from lstmtext.nn.encoder import Encoder
from lstmtext.nn.heads.classifier import Classifier
from lstmtext.nn.heads.tagger import Tagger
from lstmtext.nn.joint import JointModel, tensors_of_head
from lstmtext.nn.model import Model, load_arrays, model_arrays, set_fixed
from lstmtext.text.arrays import Ints
from lstmtext.train.bypass import count_features, fit_bypass
from lstmtext.train.job import HeadJob, TrainJob
from lstmtext.train.ranks import Ranks
from lstmtext.train.transfer import heads_of
from lstmtext.train.weighting import class_weights

Tell = Callable[[str], object]
"""Takes a remark for the user."""


def set_threads(train: TrainSettings) -> None:
    """Give torch as many threads as the settings say, or else no more than there are cores."""
    threads = train.threads or core_count()
    if train.threads or torch.get_num_threads() > threads:
        torch.set_num_threads(threads)


def set_up(settings: Settings, ranks: Ranks) -> torch.device:
    """Seeds, threads, and the device to train on. Raises UsageError for a GPU that is not there."""
    train = settings.train
    set_threads(train)
    if train.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda", "this machine has no CUDA device that torch can use", hint="use --device cpu")
    torch.manual_seed(train.seed)
    on_gpu = train.device != "cpu" and torch.cuda.is_available()
    return torch.device("cuda", ranks.local) if on_gpu else torch.device("cpu")


def make_model(job: TrainJob, noted: Tell = lambda remark: None) -> Model | JointModel:
    """A new model, with what the data decided: found now, or before."""
    if len(job.heads) == 1:
        return _make(job, job.heads[0], None if job.fixed is None else job.fixed.tensors, noted)
    models: dict[str, Model] = {}
    for head in job.heads:
        fixed = None if job.fixed is None else tensors_of_head(job.fixed.tensors, head.name)
        shared = next(iter(models.values())).encoder if models else None
        models[head.name] = _make(job, head, fixed, noted, shared)
    return JointModel(models)


def _make(
    job: TrainJob, head: HeadJob, fixed: Mapping[str, Tensor] | None, noted: Tell, shared: Encoder | None = None
) -> Model:
    """A head with the encoder, which is made unless it is there already."""
    data, settings, before, bundle = head.data, head.settings, head.before, job.encoder
    sizes = {"vocabulary_size": data.tokenizer.size, "labels": len(data.labels)}
    model = Model(data.task, settings, **sizes, encoder=shared)
    weights_K = class_weights(data, settings)
    if isinstance(model.head, Classifier) and weights_K is not None:
        model.head.weigh(weights_K)
    if bundle is not None and shared is None and (job.added or fixed is None):
        load_arrays(model.encoder, bundle.encoder_arrays(), place=bundle.folder)
    model.share *= _counts_a_token(data)
    if job.added:
        model.freeze_encoder()
    if fixed is not None:
        set_fixed(model, fixed)
        return model
    if bundle is not None:
        language = heads_of(bundle, "generate")
        if model.language is not None and language:
            load_arrays(model.language, bundle.head_arrays(language[0][0]), place=bundle.folder)
    if isinstance(model.head, Tagger) and model.head.bypass is not None:
        counts_N = count_features(data.sentences("train"), settings.tag.bypass_rows)
        learned_N = counts_N >= settings.tag.bypass_least
        if before is not None:
            learned_N |= before.arrays["bypass.table_NK"].any(1)
        model.head.bypass.learn_only(learned_N)
    if before is not None and bundle is not None:
        load_arrays(model.head, before.widened(model_arrays(model.head)), place=bundle.folder)
    if isinstance(model.head, Classifier) and model.head.bypass is not None:
        texts = data.texts("train"), data.texts("validation")
        fitted = fit_bypass(model.head.bypass, *texts, weights_K, goes_on=before is not None)
        if fitted < len(texts[0]):
            noted(f"n-grams learn from {fitted:,} of {len(texts[0]):,} texts, drawn by chance, to spare memory")
    return model


def _counts_a_token(data: EncodedData) -> float:
    """Texts or words for each token of the training data that a language model in both directions foretells.

    A sum over such tokens times this is on the scale of the head's loss, and adds up over batches and ranks.
    """
    if data.task == "generate":
        return 1.0
    if data.task == "classify":
        texts = data.texts("train")
        return len(texts) / _foretold(texts.lengths)
    sentences = data.sentences("train")
    return int(sentences.word_counts.sum()) / _foretold(sentences.lengths)


def _foretold(lengths: Ints) -> float:
    return 2.0 * max(1, int((lengths - 1).sum()))


class Counts(NamedTuple):
    """Numbers that training decides."""

    encoder: int
    heads: dict[str, int]
    """Those of a fitted bypass included."""

    @property
    def whole(self) -> int:
        """All of them."""
        return self.encoder + sum(self.heads.values())


def count_parameters(models: Mapping[str, Model]) -> Counts:
    """Numbers of the encoder and of each head."""
    encoder = next(iter(models.values())).encoder
    return Counts(_numbers(encoder), {name: _numbers_of_head(model.head) for name, model in models.items()})


def _numbers(part: nn.Module) -> int:
    return sum(weights.numel() for weights in part.parameters())


def _numbers_of_head(head: nn.Module) -> int:
    bypass = head.bypass if isinstance(head, Classifier) else None
    return _numbers(head) + (0 if bypass is None else bypass.table_NK.numel() + bypass.bias_K.numel())
