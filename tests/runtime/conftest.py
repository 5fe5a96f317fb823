"""Models with random weights beside the bundles made of them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from lstmtext.bundle import Bundle, Part, load_bundle, save_bundle
from lstmtext.description import BundleInfo, HeadInfo
from lstmtext.nn.model import Model, model_arrays
from lstmtext.resolve import resolve_settings
from lstmtext.runtime.export import export_graphs
from lstmtext.text.lexical import keys_of, text_ngrams
from lstmtext.text.tokenizer import Tokenizer

LABELS = {"classify": ("bad", "fine", "good"), "tag": ("O", "B-X", "I-X", "B-Y", "I-Y"), "generate": ()}
KNOWN = "Anna was in Oslo and the soup was good."
SMALL = {
    "encoder.hidden_size": 12,
    "encoder.embedding_size": 7,
    "text.vocabulary_size": 300,
    "classify.bypass_rows": 1024,
    "tag.bypass_rows": 1024,
}


class Pair(NamedTuple):
    """The same weights in torch and in a bundle."""

    model: Model
    bundle: Bundle


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([KNOWN], resolve_settings("classify", flags=SMALL).text)


@pytest.fixture
def make_pair(tokenizer: Tokenizer, tmp_path: Path) -> Callable[..., Pair]:
    """A model of a task with random weights everywhere, and its bundle."""

    def make(task: str, precision: str = "float32", **settings: object) -> Pair:
        torch.manual_seed(5)
        flags = SMALL | {key.replace("__", "."): value for key, value in settings.items()}
        resolved = resolve_settings(task, flags=flags)
        model = Model(task, resolved, vocabulary_size=tokenizer.size, labels=len(LABELS[task])).eval()
        bypass = model.head.bypass if task == "classify" else None
        if bypass is not None:
            known = text_ngrams(KNOWN, resolved.classify.bypass_ngrams, resolved.classify.bypass_characters)
            bypass.give_rows(np.unique(keys_of(known)))
        with torch.no_grad():
            for weights in (*model.parameters(), *model.buffers()):  # buffers too: tables, factors, shifts
                if weights.is_floating_point():
                    weights.normal_(0.0, 0.4)
            if bypass is not None:
                bypass.weights_N[bypass.keys_N == 0] = 0.0  # rows that are free, as training leaves them
        arrays = model_arrays(model)
        encoder = {name.removeprefix("encoder."): a for name, a in arrays.items() if name.startswith("encoder.")}
        head = {name.removeprefix("head."): a for name, a in arrays.items() if name.startswith("head.")}
        graphs = export_graphs(task, resolved, encoder, head, precision=precision)
        own = HeadInfo(task, LABELS[task], settings=resolved)
        info = BundleInfo(resolved.encoder, resolved.text.unit, tokenizer.size, 0, {"own": own})
        parts = Part.of(encoder, graphs.encoder), {"own": Part.of(head, graphs.head)}
        save_bundle(tmp_path / task, info, tokenizer, *parts)
        return Pair(model, load_bundle(tmp_path / task))

    return make
