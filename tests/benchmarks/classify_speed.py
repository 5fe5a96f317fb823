"""Classification throughput: one bundle of 2 x 256 units per direction in int8, in float32, and in torch float32.

Texts to answers, all in one process and in turn, so that a busy machine weighs on all alike; the reported ratio is
the median of the ratios of each round. `python -m tests.benchmarks.classify_speed [FILE]` reads the first texts of a
file of data (CSV, JSON lines, ...), by default the sample of reviews, repeated.
"""

import json
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from lstmtext.bundle import load_bundle
from lstmtext.data.columns import Columns
from lstmtext.data.readers import read_texts
from lstmtext.data.sources import find_source
from lstmtext.nn.model import ENCODER_PREFIX, Model, load_arrays
from lstmtext.runtime.export import export_bundle
from lstmtext.runtime.predictors import BATCH_TOKENS, TextPredictor
from lstmtext.text.batching import plan_batches
from lstmtext.text.examples import collate_texts, text_examples

ROOT = Path(__file__).parents[2]
ROUNDS = 5
TEXTS = 2000


def main() -> None:
    source = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "data/reviews.csv")
    texts = [record.text for record in islice(read_texts([find_source(source)], Columns(), labelled=False), TEXTS)]
    words = sum(len(text.split()) for text in texts)
    with tempfile.TemporaryDirectory() as folder:
        bundle_folder = Path(folder) / "reviews"
        command = Path(sysconfig.get_path("scripts")) / "lstmtext"
        train = [command, "train", ROOT / "data/reviews.csv", "-o", bundle_folder, "--epochs", "1", "-q"]
        subprocess.run([*train, "--set", "encoder.layers=2"], check=True)
        bundle = load_bundle(bundle_folder)
        cases = {"torch float32": _torch_answers(bundle)}
        for precision in ("float32", "int8"):
            export_bundle(bundle, precision)
            cases[precision] = TextPredictor(bundle, *bundle.head()).predict
        seconds: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(ROUNDS):
            for name, answer in cases.items():
                started = time.perf_counter()
                answer(texts)
                seconds[name].append(time.perf_counter() - started)
    speeds = {name: round(words / statistics.median(values)) for name, values in seconds.items()}
    rounds = zip(seconds["torch float32"], seconds["int8"], strict=True)
    ratios = sorted(slow / fast for slow, fast in rounds)
    shown = {"median": round(statistics.median(ratios), 2), "least": round(ratios[0], 2), "most": round(ratios[-1], 2)}
    print(json.dumps({"unit": "words/s", "texts": len(texts), "median": speeds, "int8 against torch": shown}))


def _torch_answers(bundle):
    """A function from texts to logits, in batches of similar lengths."""
    settings = bundle.info.settings
    name, head = bundle.head()
    model = Model("classify", settings, vocabulary_size=bundle.tokenizer.size, labels=len(head.labels)).eval()
    load_arrays(model.encoder, bundle.arrays(ENCODER_PREFIX), place=bundle.folder)
    load_arrays(model.head, bundle.arrays(f"heads.{name}."), place=bundle.folder)

    def answer(texts: list[str]) -> list[np.ndarray]:
        with torch.inference_mode():
            examples = text_examples(bundle.tokenizer, texts, settings)
            batches = plan_batches(np.array([len(example.ids) for example in examples]), BATCH_TOKENS)
            return [model.predict(collate_texts([examples[k] for k in batch], settings))[0] for batch in batches]

    return answer


if __name__ == "__main__":
    main()
