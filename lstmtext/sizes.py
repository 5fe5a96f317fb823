"""Settings that are left to the data: a setting of 0 becomes what suits the amount of text.

Small data want small vocabularies and many small batches; large data want the opposite. Pure functions.
"""

from dataclasses import replace

from lstmtext.config import Settings, TaskName, TextSettings, WeightPrecision

CHARACTERS_PER_ENTRY = 120
MOST_ENTRIES = {"bpe": 8000, "char": 2000, "word": 20000}
FEWEST_ENTRIES = 500
STEPS_PER_PASS = 200
STEPS = {"classify": 1600, "tag": 1600, "generate": 6400}
BATCH_TOKENS = (256, 4096)
EPOCHS = (3, 30)
ROWS = (4, 32)
LEAST_ROWS = 2
"""Of a table of n-grams or features: one for padding, and one more."""
TABLE_ROWS = (1 << 12, 1 << 20)
"""A classifier leaves rare n-grams out at little cost. A tagger has hashed features, whose collisions cost EWT 0.3
points of accuracy where there is one row for two or more."""
WIDTHS: dict[WeightPrecision, int] = {"float32": 4, "float16": 2, "int8": 1}
"""Bytes of a weight."""


def fit_vocabulary(text: TextSettings, characters: int) -> TextSettings:
    """The vocabulary size for a training text of so many characters."""
    if text.vocabulary_size:
        return text
    most = MOST_ENTRIES[text.unit]
    wanted = characters // CHARACTERS_PER_ENTRY if text.unit == "bpe" else most
    return replace(text, vocabulary_size=_between(wanted, FEWEST_ENTRIES, most))


def fit_training(settings: Settings, task: TaskName, tokens: int, words: int, ngrams: int = 0) -> Settings:
    """Batch size, rows, epochs and sizes of tables for a training set of so many tokens, and data of so many words.

    The table of a classifier that goes on has room for the n-grams that it knows beside those of the data. Where words
    are not parted by spaces, tokens say how much text there is.
    """
    train, generate = settings.train, settings.generate
    batch = train.batch_tokens or _between(tokens // STEPS_PER_PASS, *BATCH_TOKENS)
    rows = generate.rows or _between(tokens // (STEPS_PER_PASS * generate.window), *ROWS)
    step = rows * generate.window if task == "generate" else batch
    epochs = train.epochs
    if not epochs and not train.budget:
        epochs = _between(round(STEPS[task] * step / max(1, tokens)), *EPOCHS)
    keyed, hashed = (_between(1 << count.bit_length(), *TABLE_ROWS) for count in (max(words, tokens // 2), 2 * words))
    classify = max(LEAST_ROWS, settings.classify.bypass_rows or ngrams + keyed)
    tag = max(LEAST_ROWS, settings.tag.bypass_rows or hashed)
    return replace(
        settings,
        train=replace(train, batch_tokens=batch, epochs=epochs),
        generate=replace(generate, rows=rows),
        classify=replace(settings.classify, bypass_rows=classify),
        tag=replace(settings.tag, bypass_rows=tag),
    )


def least_bytes(settings: Settings, vocabulary: int, *, reads_encoder: bool) -> int:
    """What a bundle of these settings weighs at least: the weights of its encoder, and again in the graph in int8.

    The graph of a head that does not read the encoder's has the forward stack alone.
    """
    encoder = settings.encoder
    stacks = 2 if encoder.directions == "both" else 1
    sizes = [encoder.embedding_size, *[encoder.hidden_size] * (encoder.layers - 1)]
    stack = sum(4 * encoder.hidden_size * (size + encoder.hidden_size + 1) for size in sizes)
    embedding = vocabulary * encoder.embedding_size
    weights = WIDTHS[settings.export.weights] * (embedding + stacks * stack)
    return weights + embedding + (stacks if reads_encoder else 1) * stack


def _between(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))
