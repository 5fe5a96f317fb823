"""The recipe of the bundle in `en`: texts, a language model, all heads together, three of them anew, its card.

    python checkpoints/en.py DATA WORK

DATA is a folder with the data sets that the card names; WORK a folder for all that is made, the bundle WORK/en among
it. What is there already is not made again, and the two long trainings go on where they were cut short; the heads anew
(7 minutes) and the scores are begun again. `lstmtext` must be on the PATH. Hours, seeds and scores of each run stand in
README.md.
"""

# ruff: noqa: T201  (it says what it runs)
import contextlib
import gzip
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

SEED = 1
HELD_OUT = 1000
"""Reviews of IMDb's train half that choose the epoch beside the dev set of SST-2."""
PIECE = 2000
"""Characters of a piece of a long document."""
EVERY = 80
"""One text of so many is read by the language-model head while the heads train together."""
HELD_TEXTS = 400
"""Texts that no language model reads, in neither form: they validate it, alone and beside the other heads."""

LANGUAGE_MODEL = """--task generate --encoder none --epochs 1 --budget 110m
    --set encoder.embedding_size=256 --set generate.rows=32 --set generate.window=64 --set generate.negatives=768
    --set train.learning_rate=3e-3 --set train.validations_per_epoch=4"""
TOGETHER = """--encoder lm --epochs 4 --budget 42m --set train.mixing=0.4 --set train.validations_per_epoch=2
    --set classify.bypass_rows=262144 --set tag.bypass_rows=131072
    --set encoder.embedding_dropout=0.1 --set transfer.unfreeze=0.1 --set export.weights=int8"""
ANEW = {
    "sentiment": "--epochs 1 --set train.validations_per_epoch=4 --set classify.bypass_rows=262144",
    "upos": "--epochs 5 --set tag.bypass_rows=262144",
    "ner": "--epochs 8 --set tag.bypass_rows=131072",
}
"""Heads that are trained once more, each alone on the encoder as it is then: dev has each of them better for it. The
language model would gain less than a hundredth of a nat."""
SMALLER = "--precision int8 --head upos --rows 65000"
"""The table of word classes is pruned, that of names is not: they lose four points with half of their rows."""

HEADS = {"sentiment": ".jsonl", "upos": ".conllu", "ner": ".conll", "lm": ".txt"}
"""How the files of each head end."""
ENTITIES = {"person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG"}
"""Kinds of WNUT-17 by the names of the Broad Twitter Corpus; what that leaves out, products and works, is O."""

SHOWN = {"accuracy": "{:.2%}", "span_f1": "{:.2%}", "nats_per_character": "{:.3f}"}
"""Scores that the card has, and how they are written."""
TABLE = "| data | score | value |\n|---|---|---|"
"""The head of their table."""
WRITTEN = "\n## Head"
"""Where what lstmtext wrote begins."""

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


def running_text(data: Path, work: Path) -> None:
    """What the language model reads: each review as it is and in plain form, news, two thirds of the books.

    All in pieces in random order, since each row of a batch reads on where it stopped: in whole books, the weights
    would follow a few books for hours.
    """
    held, rest = held_out(data)
    tests = {clean(row["text"]) for row in [*held, *reviews(data / "imdb" / "test.jsonl.gz")]}
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


def lstmtext(work: Path, *words: str) -> str:
    """Runs a command in the folder of the work; its standard output."""
    print("$ lstmtext", *words, flush=True)
    return subprocess.run(["lstmtext", *words], cwd=work, check=True, stdout=subprocess.PIPE, text=True).stdout


def train(work: Path, name: str, *words: str) -> None:
    """A training that goes on where it was cut short."""
    if any((work / ".runs" / name).glob("step-*")):
        lstmtext(work, "train", "--resume", name)
    else:
        lstmtext(work, "train", *words, "-o", name, "--seed", str(SEED))


def train_together(work: Path) -> None:
    """All heads on the language model's encoder, together."""
    words = [word for head, end in HEADS.items() for word in ("--task-data", f"{head}=heads/{head}{end}")]
    words += [word for head, end in HEADS.items() for word in ("--valid-data", f"{head}=heads/{head}.dev{end}")]
    train(work, "together", *words, *TOGETHER.split())


def train_alone(work: Path) -> None:
    """The bundle that ships: heads anew on the encoder that all have trained, and the features that weigh most."""
    part = work / "part" / "en"
    shutil.rmtree(part.parent, ignore_errors=True)
    shutil.copytree(work / "together", part)
    drop = [word for head in ANEW for word in ("--drop", head)]
    lstmtext(work, "export", "-m", "part/en", "--precision", "int8", *drop)
    for head, words in ANEW.items():
        files = [f"heads/{head}{HEADS[head]}", "--valid", f"heads/{head}.dev{HEADS[head]}"]
        asked = ["--add-to", "part/en", "--head", head, "--seed", str(SEED), "--set", "export.weights=int8"]
        lstmtext(work, "train", *files, *asked, *words.split())
    lstmtext(work, "export", "-m", "part/en", *SMALLER.split())
    part.rename(work / "en")


def evaluate(data: Path, work: Path) -> dict[str, dict[str, float]]:
    """Scores of each head by what it was evaluated on; the recipe reads the test sets for nothing else."""
    heads = work / "heads"
    sets = {
        "sentiment": {
            "SST-2 dev": data / "sst2" / "dev.tsv",
            "SST-2 test": data / "sst2" / "test.tsv",
            "IMDb, 1,000 of its train half that were held out": heads / "held.jsonl",
            "IMDb test": data / "imdb" / "test.jsonl.gz",
        },
        "upos": {"EWT dev": heads / "upos.dev.conllu", "EWT test": data / "ewt" / "en_ewt-ud-test.conllu"},
        "ner": {
            "Broad Twitter Corpus dev": data / "btc" / "dev.conll",
            "Broad Twitter Corpus test": data / "btc" / "test.conll",
            "WNUT-17 dev, its kinds as above": heads / "rare.dev.conll",
            "WNUT-17 test, its kinds as above": heads / "rare.test.conll",
        },
        "lm": {"Texts of the same kinds that were held out": heads / "lm.dev.txt"},
    }
    named = [(head, name, path) for head, own in sets.items() for name, path in own.items()]
    return {name: scores(work, head, path) for head, name, path in named}


def scores(work: Path, head: str, path: Path) -> dict[str, float]:
    """What `lstmtext evaluate` says of one head on one file."""
    said = json.loads(lstmtext(work, "evaluate", str(path.absolute()), "-m", "en", "--head", head, "--json"))
    print(path.name, said["scores"], flush=True)
    return {name: value for name, value in said["scores"].items() if isinstance(value, float)}


def write_card(work: Path, found: dict[str, dict[str, float]]) -> None:
    """The bundle's README: what people wrote into the shipped one, with these scores, then what lstmtext wrote."""
    card = work / "en" / "README.md"
    kept, made = (path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "en" / "README.md", card))
    before, after = kept[: kept.index(WRITTEN)].split(TABLE)
    rows = [(name, score, own[score]) for name, own in found.items() for score in SHOWN if score in own]
    table = "".join(f"\n| {name} | {score} | {SHOWN[score].format(value)} |" for name, score, value in rows)
    write(card, [before, TABLE, table, after[after.index("\n\n") :], made[made.index(WRITTEN) :].rstrip()], "")


def make(made: Path, step: Callable[[], None]) -> None:
    """A step of the recipe, unless what it makes is there."""
    if not made.exists() or (made.parent / ".runs" / made.name).exists():
        step()


def main(data: Path, work: Path) -> None:
    """The whole recipe."""
    make(work / "heads" / "lm.txt", lambda: running_text(data, work))
    make(work / "heads" / "rare.test.conll", lambda: labelled(data, work))
    size = ["--set", "text.vocabulary_size=8192", "--valid", "heads/lm.dev.txt"]
    encode = ["preprocess", "text.txt", "-o", "encoded", "--task", "generate", *size, "--seed", str(SEED)]
    make(work / "encoded", lambda: print(lstmtext(work, *encode)))
    make(work / "lm", lambda: train(work, "lm", "encoded", *LANGUAGE_MODEL.split()))
    make(work / "together", lambda: train_together(work))
    make(work / "en", lambda: train_alone(work))
    write_card(work, evaluate(data, work))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python checkpoints/en.py DATA WORK")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
