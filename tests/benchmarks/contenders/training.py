"""Training steps: lstmtext's own loop, matrix products of the same shapes (the roofline), and spaCy.

The amount is counted in tokens, or with `flops` in billions of useful floating-point operations: those of the encoder's
matrix products for real tokens, forwards and backwards, without padding and without anything else.
"""

from dataclasses import replace
from pathlib import Path

STEPS = 30
BILLION = 1_000_000_000


def prepare(kind, data, task=None, settings=(), flops=False):
    """Work, amount, and what else to report."""
    return {"lstmtext": _ours, "roofline": _roofline, "spacy": _spacy}[kind](data, task, list(settings), flops)


def set_up(folder, task, settings):
    from lstmtext.data.encoded import load_encoded
    from lstmtext.resolve import resolve_settings
    from lstmtext.sizes import fit_training

    data = load_encoded(Path(folder))
    known = data.settings
    chosen = resolve_settings(task, file=None, assignments=settings, flags={})
    chosen = replace(chosen, text=known.text)
    return data, fit_training(chosen, task, data.facts.train_tokens, data.facts.words)


def _flops_of_token(encoder):
    """Of the matrix products of all layers in both directions, forwards and twice as much backwards."""
    sizes = [encoder.embedding_size] + [encoder.hidden_size] * (encoder.layers - 1)
    directions = 2 if encoder.directions == "both" else 1
    return 3 * directions * sum(2 * 4 * encoder.hidden_size * (size + encoder.hidden_size) for size in sizes)


def _ours(folder, task, settings, flops):
    import copy

    import numpy as np
    import torch

    from lstmtext.nn.model import Model
    from lstmtext.text.batching import padding_share
    from lstmtext.train.bypass import count_features
    from lstmtext.train.feeds import RecordFeed, train_feed
    from lstmtext.train.loop import Trainee, make_optimizer, move_average, running_share, training_steps
    from lstmtext.train.precision import choose_precision

    data, chosen = set_up(folder, task, settings)
    chosen = replace(chosen, train=replace(chosen.train, epochs=1000, budget=0.0))
    torch.manual_seed(1)
    model = Model(task, chosen, vocabulary_size=data.tokenizer.size, labels=len(data.labels))
    if task == "tag":
        counts_N = count_features(data.sentences("train"), chosen.tag.bypass_rows)
        model.head.bypass.learn_only(counts_N >= chosen.tag.bypass_least)
    kept = copy.deepcopy(model)
    feed = train_feed(data, chosen)
    precision = choose_precision(chosen.train, model, feed)
    steps = training_steps(Trainee(model, make_optimizer(model, chosen), chosen.train, precision), feed)
    scale = _flops_of_token(chosen.encoder) / BILLION if flops else 1

    def work():
        tokens = 0
        for _ in range(STEPS):
            report = next(steps)
            move_average(kept, model, running_share(chosen.train.average, report.step))
            tokens += report.tokens
        return tokens * scale

    extra = {"precision": precision}
    if isinstance(feed, RecordFeed):
        share = padding_share(feed.lengths, feed.plan(np.random.default_rng(1)))
        extra["padding in a batch"] = f"{share:.1%}"
    return work, 0, extra


def _roofline(folder, task, settings, flops):
    """Products of the shapes that the layers have: all tokens of a batch at once, and one step of all its rows."""
    import numpy as np
    import torch

    from lstmtext.nn.model import Model
    from lstmtext.train.feeds import train_feed
    from lstmtext.train.precision import choose_precision

    data, chosen = set_up(folder, task, settings)
    encoder = chosen.encoder
    feed = train_feed(data, chosen)
    model = Model(task, chosen, vocabulary_size=data.tokenizer.size, labels=len(data.labels))
    kind = torch.bfloat16 if choose_precision(chosen.train, model, feed) == "bfloat16" else torch.float32
    if task == "generate":
        rows, steps = chosen.generate.rows, chosen.generate.window
    else:
        batches = feed.plan(np.random.default_rng(1))
        steps = int(feed.lengths.mean())
        rows = sum(len(batch) for batch in batches) // len(batches)
    D, H = encoder.embedding_size, encoder.hidden_size
    forwards = [(steps * rows, D, 4 * H)] + [(rows, H, 4 * H)] * steps
    backwards = [(rows, 4 * H, H)] * steps + [(steps * rows, 4 * H, D), (4 * H, steps * rows, D + H)]
    shapes = (forwards + backwards) * (2 if encoder.directions == "both" else 1)
    operands = {(M, K, N): (torch.randn(M, K, dtype=kind), torch.randn(K, N, dtype=kind)) for M, K, N in set(shapes)}

    def work():
        for shape in shapes:
            torch.mm(*operands[shape])

    return (
        work,
        sum(2 * M * K * N for M, K, N in shapes) / BILLION,
        {"precision": str(kind).removeprefix("torch."), "rows": rows, "steps": steps},
    )


def _spacy(path, task, settings, flops):
    import spacy
    from spacy.tokens import Doc
    from spacy.training import Example

    nlp = spacy.blank("en")
    if task == "tag":
        from tests.benchmarks.contenders.tagging import sentences_of

        nlp.add_pipe("tagger")
        examples = [
            Example.from_dict(Doc(nlp.vocab, words=list(s.words)), {"tags": list(s.tags)})
            for s in sentences_of(path, 1000)
        ]
    else:
        from tests.benchmarks.contenders.classifying import texts_of

        nlp.add_pipe("textcat")
        examples = [
            Example.from_dict(nlp.make_doc(t), {"cats": {"positive": k == "positive", "negative": k != "positive"}})
            for t, k in texts_of(path, 1000)
        ]
    optimizer = nlp.initialize(lambda: examples)
    batches = [examples[place : place + 64] for place in range(0, len(examples), 64)]

    def work():
        for batch in batches:
            nlp.update(batch, sgd=optimizer, drop=0.2)

    return work, sum(len(example.reference) for example in examples), {}
