"""Throughput of classifying, texts to answers in one process: 2 x 256 units in each direction."""

import shutil

from tests.benchmarks.data import BenchData
from tests.benchmarks.measure import Result, race

TEXTS = 1000


def run(data: BenchData, rounds: int) -> list[Result]:
    settings = ("encoder.layers=2", "export.precision=int8")
    options = ("--epochs", "1", "--budget", "30s")
    shared = {"train": data.reviews_train, "test": data.reviews_test, "count": TEXTS}
    bundle = data.bundle("imdb", data.reviews_train, *settings, options=options)
    exact = shutil.copytree(bundle, data.work / "imdb-float32")
    contenders = {
        "lstmtext, int8": {"kind": "lstmtext", "bundle": bundle},
        "lstmtext, float32": {"kind": "lstmtext", "bundle": exact, "precision": "float32"},
        "the same bundle in torch, float32": {"kind": "torch", "bundle": bundle},
        "ONNX Runtime's int8 layers alone": {"kind": "layers", "bundle": bundle},
        "int8 products alone": {"kind": "products", "bundle": bundle},
        "spaCy textcat": {"kind": "spacy"},
        "TF-IDF and logistic regression": {"kind": "sklearn"},
        "fastText": {"kind": "fasttext"},
    }
    asked = {name: ("classifying", {**shared, **own}) for name, own in contenders.items()}
    return [race("Classifying reviews", "words/s", asked, rounds)]
