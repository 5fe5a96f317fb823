"""Classifiers: texts to labels with probabilities, all texts in one call."""

from itertools import islice
from pathlib import Path

from lstmtext.data.columns import Columns
from lstmtext.data.readers import read_texts
from lstmtext.data.sources import find_source
from lstmtext.runtime.workers import in_order

CHUNK = 128


def texts_of(path, count):
    records = islice(read_texts([find_source(str(path))], Columns(), labelled=True), count)
    return [(record.text, record.label) for record in records]


def prepare(kind, train, test, count, bundle=None, precision="int8", head=None):
    """Work, number of words, and what else to report."""
    texts, gold = zip(*texts_of(test, count), strict=True)
    makers = {
        "lstmtext": lambda: _ours(bundle, precision, head),
        "torch": lambda: _torch(bundle),
        "layers": lambda: _layers(bundle),
        "products": lambda: _products(bundle),
        "spacy": lambda: _spacy(texts_of(train, 400)),
        "sklearn": lambda: _sklearn(texts_of(train, 4000)),
        "fasttext": lambda: _fasttext(texts_of(train, 4000)),
    }
    answer = makers[kind]()
    extra = {"accuracy": _accuracy(bundle, head, answer(texts), gold)} if kind == "lstmtext" else {}
    return lambda: answer(texts), sum(len(text.split()) for text in texts), extra


def _accuracy(folder, head, answers, gold):
    from lstmtext.bundle import load_bundle

    labels = load_bundle(Path(folder)).head(head)[1].labels
    said = [labels[own.probabilities_K.argmax()] for chunk in answers for own in chunk]
    return sum(map(str.__eq__, said, gold)) / len(gold)


def _ours(folder, precision, head):
    from lstmtext.bundle import load_bundle
    from lstmtext.runtime.export import export_bundle
    from lstmtext.runtime.predictors import TextPredictor

    bundle = load_bundle(Path(folder))
    if precision and bundle.head(head)[1].runtime["precision"] != precision:
        export_bundle(bundle, precision)
        bundle = load_bundle(Path(folder))
    predictor = TextPredictor(bundle, *bundle.head(head))

    def answer(texts):
        chunks = (texts[place : place + CHUNK] for place in range(0, len(texts), CHUNK))
        return list(in_order(chunks, predictor.predict))

    return answer


def _torch(folder):
    """The same weights in batched torch, float32, in the batch size that suits torch."""
    import numpy as np
    import torch

    from lstmtext.bundle import load_bundle
    from lstmtext.nn.model import Model, load_arrays
    from lstmtext.text.batching import plan_batches
    from lstmtext.text.examples import collate_texts, text_examples

    bundle = load_bundle(Path(folder))
    name, head = bundle.head()
    settings = head.settings
    model = Model("classify", settings, vocabulary_size=bundle.tokenizer.size, labels=len(head.labels)).eval()
    load_arrays(model.encoder, bundle.encoder_arrays(), place=bundle.folder)
    load_arrays(model.head, bundle.head_arrays(name), place=bundle.folder)

    def answer(texts):
        with torch.inference_mode():
            examples = text_examples(bundle.tokenizer, texts, settings)
            batches = plan_batches(np.array([len(example.ids) for example in examples]), 16384)
            return [model.predict(collate_texts([examples[k] for k in batch], model.head.keys))[0] for batch in batches]

    return answer


def _layers(folder):
    """Only the encoder's graph, of batches that were made before: what is left when all else takes no time."""
    import numpy as np

    from lstmtext.bundle import load_bundle
    from lstmtext.runtime.engine import Engine
    from lstmtext.runtime.inputs import text_inputs
    from lstmtext.runtime.predictors import BATCH_TOKENS
    from lstmtext.text.batching import plan_batches
    from lstmtext.text.examples import collate_texts, text_examples

    bundle = load_bundle(Path(folder))
    engine, made = Engine(bundle.graph()), []

    def answer(texts):
        if not made:
            examples = text_examples(bundle.tokenizer, texts, bundle.head()[1].settings)
            batches = plan_batches(np.array([len(example.ids) for example in examples]), BATCH_TOKENS)
            made.extend(text_inputs(collate_texts([examples[k] for k in batch], None)) for batch in batches)
        return list(in_order(([inputs] for inputs in made), lambda given: len(engine.values(given[0]))))

    return answer


def _products(folder):
    """Only the integer products of the layers, all tokens of a batch at once: what the layers could reach at best."""
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    from lstmtext.bundle import load_bundle
    from lstmtext.runtime.predictors import BATCH_TOKENS

    bundle = load_bundle(Path(folder))
    encoder = bundle.info.encoder
    rng = np.random.default_rng(0)
    nodes, inputs, outputs, weights, feeds = [], [], [], [], {}
    for layer in range(encoder.layers):
        width = encoder.hidden_size + (encoder.hidden_size if layer else encoder.embedding_size)
        feeds[f"x{layer}"] = rng.integers(0, 255, (BATCH_TOKENS, width), dtype=np.uint8)
        inputs.append(helper.make_tensor_value_info(f"x{layer}", TensorProto.UINT8, ["N", width]))
        for direction in range(2):
            name = f"{layer}{direction}"
            matrix = rng.integers(-63, 63, (width, 4 * encoder.hidden_size), dtype=np.int8)
            weights.append(numpy_helper.from_array(matrix, f"w{name}"))
            nodes.append(helper.make_node("MatMulInteger", [f"x{layer}", f"w{name}"], [f"y{name}"]))
            outputs.append(helper.make_tensor_value_info(f"y{name}", TensorProto.INT32, ["N", matrix.shape[1]]))
    graph = helper.make_graph(nodes, "products", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def answer(texts):
        most = bundle.head()[1].settings.text.max_tokens
        if "tokens" not in known:
            known["tokens"] = sum(min(most, len(ids)) + 2 for ids in bundle.tokenizer.encode_batch(texts))
        runs = ([None] for _ in range(known["tokens"] // BATCH_TOKENS))
        return list(in_order(runs, lambda _: session.run(None, feeds)[0].shape))

    known = {}
    return answer


def _spacy(labelled):
    import spacy
    from spacy.training import Example

    nlp = spacy.blank("en")
    nlp.add_pipe("textcat")
    names = sorted({label for _, label in labelled})

    def examples():
        for text, label in labelled:
            cats = {name: float(name == label) for name in names}
            yield Example.from_dict(nlp.make_doc(text), {"cats": cats})

    nlp.initialize(lambda: list(examples()))
    nlp.update(list(examples())[:64])
    return lambda texts: [doc.cats for doc in nlp.pipe(texts)]


def _sklearn(labelled):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=200))
    model.fit(*zip(*labelled, strict=True))
    return model.predict_proba


def _fasttext(labelled):
    import tempfile

    import fasttext

    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        for text, label in labelled:
            file.write(f"__label__{label} {' '.join(text.split())}\n")
        file.flush()
        model = fasttext.train_supervised(file.name, wordNgrams=2, verbose=0)
    return lambda texts: model.predict([" ".join(text.split()) for text in texts])
