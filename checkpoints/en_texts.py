"""The texts of the recipe of `en`: their forms, what the language model and the heads read, what is read unlabelled."""

import contextlib
import gzip
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

SEED = 1
HELD_OUT = 1000
"""Reviews of IMDb's train half that choose the epoch beside the dev set of SST-2."""
PIECE = 2000
"""Characters of a piece of a long document."""
EVERY = 80
"""One text of so many is read by the language-model head while the heads train together."""
HELD_TEXTS = 400
"""Texts that no language model reads, in neither form: they validate it, alone and beside the other heads."""
OWN_REVIEWS, OWN_SENTENCES = 16_000, 50_000
"""Reviews without labels whose sentences the model labels itself, and how many of these are taken of each label."""
FEWEST_WORDS, MOST_WORDS = 4, 45
"""Words of such a sentence."""
SPREAD = 0.56
"""How much likelier a sentence is to be positive in a review that surely is than in one that surely is not."""
LEAST_SURE, OWN_WEIGHT = 0.3, 0.7
"""How far the odds of a sentence must lean to one label, and what it counts if they do altogether."""
ENTITIES = {"person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG"}
"""Kinds of WNUT-17 by the names of the Broad Twitter Corpus; what that leaves out, products and works, is O."""

CLITICS = "s|re|ve|ll|d|m"
CLITIC = re.compile(rf"(?<=\w)(n't|'(?:{CLITICS}))\b")
MARK = re.compile(
    rf"""\.\.\.|--|(?<!\d)[.,:](?!\w)|(?<=\w)[.,:](?=\W|$)|[;!?()\[\]"“”`$%&]|(?<!\w)'(?!(?:{CLITICS})\b)|'(?=\W|$)"""
)


def plain(text: str) -> str:
    """Lower case, with spaces between words, clitics and marks, much as the sentences of SST-2 are written."""
    return " ".join(MARK.sub(r" \g<0> ", CLITIC.sub(r" \1", text.lower())).split())


def natural(text: str) -> str:
    """The way back, as far as it goes: marks and clitics joined to their words, a capital at the beginning."""
    with contextlib.suppress(UnicodeError):  # accents of some sentences were encoded twice
        text = text.encode("cp1252").decode("utf-8")
    for written, meant in (("-lrb-", "("), ("-rrb-", ")"), ("\\/", "/"), ("`` ", '"'), (" ''", '"'), ("` ", "'")):
        text = text.replace(written, meant)
    text = re.sub(rf" (n't|'(?:{CLITICS})\b|[.,:;!?%)]|'(?= |$))", r"\1", text)
    return re.sub(r"\bi\b", "I", re.sub(r"([($]) ", r"\1", text[:1].upper() + text[1:]))


def lines(path: Path) -> Iterator[str]:
    """Lines of a text file that may be compressed."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        yield from file


def reviews(path: Path) -> list[dict[str, str]]:
    """Text, and label where there is one, of each review of a part of IMDb."""
    return [json.loads(line) if ".jsonl" in path.name else {"text": line} for line in lines(path)]


def held_out(data: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Labelled reviews that choose the epoch, and those that are learned."""
    rows = reviews(data / "imdb" / "train.jsonl.gz")
    random.Random(SEED).shuffle(rows)
    return rows[:HELD_OUT], rows[HELD_OUT:]


def clean(text: str) -> str:
    """A review without its marks of line breaks."""
    return " ".join(re.sub(r"<br\s*/?>", " ", text).split())


def documents(path: Path) -> list[str]:
    """Documents of a file in which an empty line separates them."""
    return [text.strip() for text in "".join(lines(path)).split("\n\n") if text.strip()]


def sentences(path: Path) -> list[dict[str, str]]:
    """Label and text of the rows of SST-2."""
    return [dict(zip(("label", "text"), line.rstrip("\n").split("\t"), strict=True)) for line in list(lines(path))[1:]]


def write(path: Path, texts: Iterable[str], between: str = "\n") -> None:
    """A text file that is there only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(between.join(texts) + "\n", encoding="utf-8")
    part.replace(path)


def write_rows(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """JSON lines of texts and labels."""
    write(path, (json.dumps({"text": row["text"], "label": row["label"]}) for row in rows))


def pieces(text: str) -> Iterator[str]:
    """A document in parts of about PIECE characters that end where a line ends."""
    part: list[str] = []
    for line in text.split("\n"):
        part.append(line)
        if sum(map(len, part)) > PIECE:
            yield "\n".join(part)
            part = []
    if part:
        yield "\n".join(part)


def read_elsewhere(data: Path) -> set[str]:
    """Reviews that stand among those without labels but choose or test."""
    held, _ = held_out(data)
    return {clean(row["text"]) for row in [*held, *reviews(data / "imdb" / "test.jsonl.gz")]}


def running_text(data: Path, work: Path) -> None:
    """What the language model reads: each review as it is and in plain form, news, two thirds of the books.

    All in pieces in random order, since each row of a batch reads on where it stopped: in whole books, the weights
    would follow a few books for hours.
    """
    _, rest = held_out(data)
    tests = read_elsewhere(data)
    every = [clean(row["text"]) for row in [*reviews(data / "imdb" / "unlabelled.txt.gz"), *rest]]
    books = documents(data / "text" / "books.txt.gz")
    long = [*documents(data / "text" / "news.txt.gz"), *books[::3], *books[1::3]]
    # By text, as some reviews stand there twice.
    forms: dict[str, tuple[str, ...]] = {text: (text, plain(text)) for text in every if text not in tests}
    forms |= {piece: (piece,) for text in long for piece in pieces(text)}
    kept = random.Random(SEED).sample(list(forms), len(forms))
    texts = [form for text in kept[HELD_TEXTS:] for form in forms[text]]
    random.Random(SEED).shuffle(texts)
    write(work / "text.txt", texts, "\n\n")
    write(work / "heads" / "lm.dev.txt", kept[:HELD_TEXTS], "\n\n")
    write(work / "heads" / "lm.txt", texts[::EVERY], "\n\n")


def labelled(data: Path, work: Path) -> None:
    """What the heads read.

    Sentiment: sentences of SST-2, twice as they are and once in natural form, their phrases, and reviews, a third of
    them as they are, a third clean, a third in plain form. Word classes: English EWT. Entities: the Broad Twitter
    Corpus, WNUT-17.
    """
    held, rest = held_out(data)
    forms: tuple[Callable[[str], str], ...] = (lambda text: plain(clean(text)), str, clean)
    long = [{**row, "text": forms[place % 3](row["text"])} for place, row in enumerate(rest)]
    short = sentences(data / "sst2" / "train.tsv")
    as_written = [{**row, "text": natural(row["text"])} for row in short]
    short += [*short, *as_written, *sentences(data / "sst2" / "phrases.tsv")]
    write_rows(work / "heads" / "sentiment.jsonl", [*long, *short])
    write_rows(work / "heads" / "short.jsonl", short)
    write_rows(work / "heads" / "held.jsonl", held)
    write_rows(work / "heads" / "sentiment.dev.jsonl", [*held, *sentences(data / "sst2" / "dev.tsv")])
    for part, name in (("train", "upos"), ("dev", "upos.dev")):
        write(work / "heads" / f"{name}.conllu", lines(data / "ewt" / f"en_ewt-ud-{part}.conllu"), "")
    for part, name in (("train", "ner"), ("dev", "ner.dev")):
        tweets = "".join(lines(data / "btc" / f"{part}.conll")).rstrip("\n")
        write(work / "heads" / f"{name}.conll", [tweets, rare_entities(data, part)], "\n\n")
    for part in ("dev", "test"):
        write(work / "heads" / f"rare.{part}.conll", [rare_entities(data, part)])


def rare_entities(data: Path, part: str) -> str:
    """A part of WNUT-17 with the kinds of the Broad Twitter Corpus."""

    def renamed(found: re.Match[str]) -> str:
        kind = ENTITIES.get(found[2])
        return f"\t{found[1]}-{kind}" if kind else "\tO"

    text = "".join(lines(data / "wnut17" / f"{part}.conll")).rstrip("\n")
    return re.sub(r"\t([BI])-(.+)", renamed, text)


SENTENCE_END = re.compile(r"(?<=[.!?])[\"')]*\s+(?=[\"'(]*[A-Z0-9])")


def unlabelled(data: Path, work: Path) -> None:
    """Some reviews without labels, each whole and then in sentences, as JSON lines that say which review it is."""
    draw, tests = random.Random(SEED), read_elsewhere(data)
    texts = sorted({clean(row["text"]) for row in reviews(data / "imdb" / "unlabelled.txt.gz")} - tests)
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, text in enumerate(draw.sample(texts, min(OWN_REVIEWS, len(texts)))):
        rows.append({"review": number, "whole": True, "text": text})
        for sentence in SENTENCE_END.split(text):
            if FEWEST_WORDS <= len(sentence.split()) <= MOST_WORDS and sentence not in seen:
                seen.add(sentence)
                form = plain(sentence) if draw.random() < 0.6 else sentence
                rows.append({"review": number, "whole": False, "text": form})
    write(work / "heads" / "unlabelled.jsonl", map(json.dumps, rows))


def own_labels(work: Path, said: Iterable[str]) -> None:
    """Sentences with the label that the model gives them in their review, and the short texts with their true ones.

    By Bayes' rule: of what it says of the sentence alone, with the odds that the review gives its sentences. A text
    counts by how far that leans to one label.
    """
    draw, rows = random.Random(SEED), [json.loads(line) for line in said]
    whole = {row["review"]: _positive(row) for row in rows if row["whole"]}
    found: dict[str, list[dict[str, Any]]] = {"positive": [], "negative": []}
    for row in (row for row in rows if not row["whole"]):
        own, usual = _positive(row), 0.5 + SPREAD * (whole[row["review"]] - 0.5)
        share = own * usual / (own * usual + (1 - own) * (1 - usual))
        if (sure := abs(2 * share - 1)) > LEAST_SURE:
            label = "positive" if share > 0.5 else "negative"
            found[label].append({"text": row["text"], "label": label, "weight": round(OWN_WEIGHT * sure, 3)})
    count = min(OWN_SENTENCES, *map(len, found.values()))
    true = [json.loads(line) for line in lines(work / "heads" / "short.jsonl")]
    texts = [
        *(row for own in found.values() for row in draw.sample(own, count)),
        *({**row, "weight": 1} for row in true),
    ]
    draw.shuffle(texts)
    write(work / "heads" / "own.jsonl", map(json.dumps, texts))


def _positive(row: Mapping[str, Any]) -> float:
    """The probability of the positive label in an answer of `lstmtext classify`."""
    share = min(max(float(row["probability"]), 1e-4), 1 - 1e-4)
    return share if row["label"] == "positive" else 1 - share
