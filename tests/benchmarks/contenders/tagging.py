"""Taggers: raw lines to words with tags (the feature CRF and spaCy with tokenizers of their own)."""

import subprocess
from pathlib import Path

from lstmtext.data.columns import Columns
from lstmtext.data.readers import read_sentences
from lstmtext.data.sources import find_source
from tests.benchmarks.data import COMMAND

CHUNK = 512


def sentences_of(path, count=None):
    found = list(read_sentences([find_source(str(path))], Columns()))
    return found[:count]


def prepare(kind, train, lines, bundle=None, test=None):
    """Work, number of words, and what else to report."""
    from lstmtext.text.words import split_words

    texts = Path(lines).read_text(encoding="utf-8").splitlines()
    makers = {
        "lstmtext": lambda: _ours(bundle),
        "command": lambda: _command(bundle, lines),
        "spacy": lambda: _spacy(sentences_of(train, 500)),
        "crf": lambda: _crf(sentences_of(train, 500)),
    }
    answer = makers[kind]()
    extra = {"accuracy": _accuracy(bundle, sentences_of(test))} if test else {}
    return lambda: answer(texts), sum(len(split_words(text)) for text in texts), extra


def _accuracy(folder, sentences):
    """Share of the gold words that have the gold tag."""
    from lstmtext.bundle import load_bundle
    from lstmtext.runtime.predictors import SentencePredictor

    bundle = load_bundle(Path(folder))
    [tagged] = SentencePredictor(bundle, bundle.head()).predict([own.words for own in sentences]).by_head
    pairs = [pair for own, tags in zip(sentences, tagged, strict=True) for pair in zip(own.tags, tags, strict=True)]
    return sum(gold == tag for gold, tag in pairs) / len(pairs)


def _command(folder, lines):
    """The whole command, its start and its printing included."""
    words = [str(COMMAND), "tag", str(lines), "-m", str(folder)]
    return lambda texts: subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def _ours(folder):
    from lstmtext.bundle import load_bundle
    from lstmtext.runtime.predictors import SentencePredictor
    from lstmtext.runtime.workers import in_order
    from lstmtext.text.words import split_words

    bundle = load_bundle(Path(folder))
    predictor = SentencePredictor(bundle, bundle.head())

    def tagged(texts):
        return predictor.predict([split_words(text) for text in texts])

    return lambda texts: list(in_order((texts[at : at + CHUNK] for at in range(0, len(texts), CHUNK)), tagged))


def _spacy(sentences):
    import spacy
    from spacy.tokens import Doc
    from spacy.training import Example

    nlp = spacy.blank("en")
    nlp.add_pipe("tagger")

    def examples():
        for sentence in sentences:
            doc = Doc(nlp.vocab, words=list(sentence.words))
            yield Example.from_dict(doc, {"tags": list(sentence.tags)})

    nlp.initialize(lambda: list(examples()))
    nlp.update(list(examples())[:64])
    return lambda texts: [[token.tag_ for token in doc] for doc in nlp.pipe(texts)]


def _crf(sentences):
    from lstmtext.text.words import word_texts

    tag = crf_of(sentences, 10)
    return lambda texts: tag([word_texts(text) for text in texts])


def crf_of(sentences, iterations):
    """What tags lists of words, trained on sentences."""
    import sklearn_crfsuite

    model = sklearn_crfsuite.CRF(algorithm="lbfgs", c1=0.05, c2=0.01, max_iterations=iterations)
    model.fit([_features(s.words) for s in sentences], [list(s.tags) for s in sentences])
    return lambda texts: model.predict([_features(words) for words in texts])


def _features(words):
    """Word, shape, affixes of up to 4 characters, and the neighbours."""
    lowered = ["<s>", *(word.lower() for word in words), "</s>"]
    made = []
    for place, word in enumerate(words):
        lower = lowered[place + 1]
        own = {"w": lower, "title": word.istitle(), "upper": word.isupper(), "digit": word.isdigit()}
        own |= {f"p{n}": lower[:n] for n in range(1, 5)} | {f"s{n}": lower[-n:] for n in range(1, 5)}
        own |= {"-1": lowered[place], "+1": lowered[place + 2]}
        own |= {"-1w": lowered[place] + " " + lower, "w+1": lower + " " + lowered[place + 2]}
        made.append(own)
    return made
