"""The recipe of the bundle in `en`: texts, a language model, all heads together, then one after the other, its card.

    python checkpoints/en.py DATA WORK

DATA is a folder with the data sets that the card names; WORK a folder for all that is made, the bundle WORK/en among
it. What is there already is not made again, and trainings of bundles of their own go on where they were cut short;
heads that are added and the scores are begun again. `lstmtext` must be on the PATH. Hours, seeds and scores of each run
stand in README.md.
"""

# ruff: noqa: T201  (it says what it runs)
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import en_texts

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
OPINIONS = "--head sentiment --epochs 1 --set train.validations_per_epoch=4 --set transfer.retain=0.5"
CLASSES = "--head upos --epochs 5 --set transfer.head=new --set tag.bypass_rows=262144 --set transfer.retain=0.5"
OWN = f"{OPINIONS} --weight-column weight --set export.weights=int8"
"""Steps of the whole, each half way: all opinions, word classes, then what it says itself of reviews without labels."""
LAST = {
    "upos": ANEW["upos"],
    "lm": """--task generate --epochs 2 --set generate.rows=32 --set generate.window=64 --set generate.negatives=768
        --set train.learning_rate=3e-3""",
}
"""Heads anew on the encoder that those steps end with."""
NO_ROWS: dict[str, str] = {}
SMALLER = {"sentiment": "262144", "upos": "85000"}
"""Rows of their tables that are kept; names would lose four points with half of theirs."""

HEADS = {"sentiment": ".jsonl", "upos": ".conllu", "ner": ".conll", "lm": ".txt"}
"""How the files of each head end."""
SHOWN = {"accuracy": "{:.2%}", "span_f1": "{:.2%}", "nats_per_character": "{:.3f}"}
"""Scores that the card has, and how they are written."""
TABLE = "| data | score | value |\n|---|---|---|"
"""The head of their table."""
WRITTEN = "\n## Head"
"""Where what lstmtext wrote begins."""


def lstmtext(work: Path, *words: str) -> str:
    """Runs a command in the folder of the work; its standard output."""
    print("$ lstmtext", *words, flush=True)
    return subprocess.run(["lstmtext", *words], cwd=work, check=True, stdout=subprocess.PIPE, text=True).stdout


def train(work: Path, name: str, *words: str) -> None:
    """A training that goes on where it was cut short."""
    if any((work / ".runs" / name).glob("step-*")):
        lstmtext(work, "train", "--resume", name)
    else:
        lstmtext(work, "train", *words, "-o", name, "--seed", str(en_texts.SEED))


def train_together(work: Path) -> None:
    """All heads on the language model's encoder, together."""
    words = [word for head, end in HEADS.items() for word in ("--task-data", f"{head}=heads/{head}{end}")]
    words += [word for head, end in HEADS.items() for word in ("--valid-data", f"{head}=heads/{head}.dev{end}")]
    train(work, "together", *words, *TOGETHER.split())


def add_anew(work: Path, old: str, made: str, heads: Mapping[str, str], rows: Mapping[str, str] = NO_ROWS) -> None:
    """A copy of a bundle whose named heads are dropped and trained anew on its encoder, with tables of fewer rows."""
    part = work / "part" / made
    shutil.rmtree(part.parent, ignore_errors=True)
    shutil.copytree(work / old, part)
    drop = [word for head in heads for word in ("--drop", head)]
    lstmtext(work, "export", "-m", f"part/{made}", "--precision", "int8", *drop)
    for head, words in heads.items():
        files = [f"heads/{head}{HEADS[head]}", "--valid", f"heads/{head}.dev{HEADS[head]}"]
        asked = [
            "--add-to",
            f"part/{made}",
            "--head",
            head,
            "--seed",
            str(en_texts.SEED),
            "--set",
            "export.weights=int8",
        ]
        lstmtext(work, "train", *files, *asked, *words.split())
    for head, number in rows.items():
        lstmtext(work, "export", "-m", f"part/{made}", "--precision", "int8", "--head", head, "--rows", number)
    part.rename(work / made)


def go_on(work: Path, old: str, made: str, words: str, source: str = "") -> None:
    """The whole of a bundle goes on with the data of a head, or others for it."""
    head = words.split()[1]
    files = [source or f"heads/{head}{HEADS[head]}", "--valid", f"heads/{head}.dev{HEADS[head]}"]
    train(work, made, *files, "--encoder", old, *words.split())


def label_own(work: Path) -> None:
    """What the bundle says of reviews without labels and of their sentences, as data to learn from."""
    asked = ["classify", "heads/unlabelled.jsonl", "-m", "classes", "--head", "sentiment", "--format", "jsonl"]
    en_texts.own_labels(work, lstmtext(work, *asked).splitlines())


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
    en_texts.write(card, [before, TABLE, table, after[after.index("\n\n") :], made[made.index(WRITTEN) :].rstrip()], "")


def make(made: Path, step: Callable[[], None]) -> None:
    """A step of the recipe, unless what it makes is there."""
    if not made.exists() or (made.parent / ".runs" / made.name).exists():
        step()


def main(data: Path, work: Path) -> None:
    """The whole recipe."""
    heads = work / "heads"
    make(heads / "lm.txt", lambda: en_texts.running_text(data, work))
    make(heads / "rare.test.conll", lambda: en_texts.labelled(data, work))
    make(heads / "unlabelled.jsonl", lambda: en_texts.unlabelled(data, work))
    size = ["--set", "text.vocabulary_size=8192", "--valid", "heads/lm.dev.txt"]
    encode = ["preprocess", "text.txt", "-o", "encoded", "--task", "generate", *size, "--seed", str(en_texts.SEED)]
    make(work / "encoded", lambda: print(lstmtext(work, *encode)))
    make(work / "lm", lambda: train(work, "lm", "encoded", *LANGUAGE_MODEL.split()))
    make(work / "together", lambda: train_together(work))
    make(work / "anew", lambda: add_anew(work, "together", "anew", ANEW))
    make(work / "opinions", lambda: go_on(work, "anew", "opinions", OPINIONS))
    make(work / "classes", lambda: go_on(work, "opinions", "classes", CLASSES))
    make(heads / "own.jsonl", lambda: label_own(work))
    make(work / "own", lambda: go_on(work, "classes", "own", OWN, "heads/own.jsonl"))
    make(work / "en", lambda: add_anew(work, "own", "en", LAST, SMALLER))
    write_card(work, evaluate(data, work))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python checkpoints/en.py DATA WORK")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
