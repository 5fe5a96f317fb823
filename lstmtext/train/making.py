"""From a job to a model on a device: seeds, threads, and what the data decide before the first step."""

from typing import NamedTuple

import torch

from lstmtext.config import Settings, TrainSettings
from lstmtext.errors import UsageError
from lstmtext.nn.heads.classifier import Classifier
from lstmtext.nn.heads.tagger import Tagger
from lstmtext.nn.model import Model, load_arrays, model_arrays, set_fixed
from lstmtext.train.bypass import count_features, fit_bypass
from lstmtext.train.job import TrainJob
from lstmtext.train.ranks import Ranks
from lstmtext.train.transfer import heads_of
from lstmtext.train.weighting import class_weights


def set_threads(train: TrainSettings) -> None:
    """Give torch as many threads as the settings say."""
    if train.threads:
        torch.set_num_threads(train.threads)


def set_up(settings: Settings, ranks: Ranks) -> torch.device:
    """Seeds, threads, and the device to train on. Raises UsageError for a GPU that is not there."""
    train = settings.train
    set_threads(train)
    if train.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda", "this machine has no CUDA device that torch can use", hint="use --device cpu")
    torch.manual_seed(train.seed)
    on_gpu = train.device != "cpu" and torch.cuda.is_available()
    return torch.device("cuda", ranks.local) if on_gpu else torch.device("cpu")


def make_model(job: TrainJob) -> Model:
    """A new model, with what the data decided: found now, or before."""
    data, fixed = job.data, job.fixed
    model = Model(data.task, job.settings, vocabulary_size=data.tokenizer.size, labels=len(data.labels))
    weights_K = class_weights(data, job.settings)
    if isinstance(model.head, Classifier) and weights_K is not None:
        model.head.weigh(weights_K)
    if job.added and job.encoder is not None:
        load_arrays(model.encoder, job.encoder.encoder_arrays(), place=job.encoder.folder)
        model.freeze_encoder()
    if fixed is not None:
        set_fixed(model, fixed.tensors)
        return model
    before = job.before
    if job.encoder is not None and not job.added:
        load_arrays(model.encoder, job.encoder.encoder_arrays(), place=job.encoder.folder)
        language = heads_of(job.encoder, "generate")
        if model.language is not None and language:
            load_arrays(model.language, job.encoder.head_arrays(language[0][0]), place=job.encoder.folder)
    if isinstance(model.head, Tagger) and model.head.bypass is not None:
        counts_N = count_features(data.sentences("train"), job.settings.tag.bypass_buckets)
        learned_N = counts_N >= job.settings.tag.bypass_least
        if before is not None:
            learned_N |= before.arrays["bypass.table_NK"].any(1)
        model.head.bypass.learn_only(learned_N)
    if before is not None and job.encoder is not None:
        load_arrays(model.head, before.widened(model_arrays(model.head)), place=job.encoder.folder)
    if isinstance(model.head, Classifier) and model.head.bypass is not None:
        texts = data.texts("train"), data.texts("validation")
        fit_bypass(model.head.bypass, *texts, weights_K, goes_on=before is not None)
    return model


class Counts(NamedTuple):
    """Numbers that training decides."""

    encoder: int
    head: int
    """Those of a fitted bypass included."""


def count_parameters(model: Model) -> Counts:
    """Numbers of the encoder and of the head."""
    own = [sum(weights.numel() for weights in part.parameters()) for part in (model.encoder, model.head)]
    bypass = model.head.bypass if isinstance(model.head, Classifier) else None
    return Counts(own[0], own[1] + (0 if bypass is None else bypass.table_NK.numel() + bypass.bias_K.numel()))
