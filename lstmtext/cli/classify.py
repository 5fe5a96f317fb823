"""`lstmtext classify`: a label and its probability for each line, or its labels and theirs."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from lstmtext.cli import options
from lstmtext.cli.streams import RecordLines, answer_groups, free_key, json_line, read_groups, remark
from lstmtext.text.labels import SEPARATOR, join_labels

if TYPE_CHECKING:
    from lstmtext.runtime.predictors import TextAnswer, TextPredictor
    from lstmtext.text.arrays import Ints

OUTPUTS = ("tsv", "jsonl")
Pairs = Sequence[tuple[str, float]]
"""Labels with their probabilities, likeliest first."""


def classify(
    model: options.Model,
    file: options.File = "-",
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="Labels to print for each text, likeliest first.")
    ] = None,
    format_name: Annotated[
        str, typer.Option("--format", help="tsv, or jsonl, which train and evaluate read again.")
    ] = "tsv",
    text_column: options.TextKey = None,
    head: options.Heads = None,
    threads: options.Threads = 0,
    quiet: options.Quiet = False,
) -> None:
    r"""Print a label and its probability for each line of text.

    With --format jsonl, lines that are JSON objects keep all their keys; where one is called label or
    probability already, the answer's is called predicted_label, and so on.

    Of a model that was trained with --multi-label, the labels that are likely enough are printed, parted by |,
    and their probabilities likewise; --top K prints the likeliest instead.

    \b
    echo "The room was clean." | lstmtext classify -m checkpoints/reviews
    lstmtext classify data/prose.txt -m checkpoints/reviews --format jsonl --top 2
    """
    from lstmtext.bundle import load_bundle
    from lstmtext.runtime.predictors import TextPredictor

    output = options.chosen_format(format_name, OUTPUTS)
    bundle = load_bundle(model)
    predictor = TextPredictor(bundle, *bundle.head(options.one_head(head), "classify"))
    lines = RecordLines(file, text_column, as_json=output == "jsonl", say=partial(remark, quiet=quiet))

    def answers(records: list[dict[str, object]]) -> tuple[list[str], int]:
        return answer_lines(predictor, records, lines.column, top, as_json=output == "jsonl")

    answer_groups("classify", lines, read_groups(file, threads), answers, threads)


def answer_lines(
    predictor: "TextPredictor", records: list[dict[str, object]], text_column: str, top: int | None, *, as_json: bool
) -> tuple[list[str], int]:
    """What is printed for some records, and the number of texts that were cut."""
    answers = predictor.predict([str(record[text_column]) for record in records])
    made = []
    for record, answer in zip(records, answers, strict=True):
        best = answer.probabilities_K.argsort(kind="stable")[::-1]
        likeliest = _pairs(predictor, answer, best[: top or 1])
        if predictor.thresholds_K is None:
            line, said = _tell_one(likeliest)
        else:
            chosen = _pairs(predictor, answer, best[(answer.probabilities_K > predictor.thresholds_K)[best]])
            line, said = _tell_set(chosen, likeliest if top else ())
        own = {free_key(key, "predicted_", record): value for key, value in said.items()}
        made.append(json_line(record | own) if as_json else line)
    return made, sum(answer.cut > 0 for answer in answers)


def _pairs(predictor: "TextPredictor", answer: "TextAnswer", places: "Ints") -> Pairs:
    """Labels and their probabilities, in the order of the places."""
    return [(predictor.labels[k], float(answer.probabilities_K[k])) for k in places]


def _tell_one(likeliest: Pairs) -> tuple[str, dict[str, object]]:
    """What is said of the likeliest labels: as a line, and as keys of JSON."""
    said: dict[str, object] = {"label": likeliest[0][0], "probability": round(likeliest[0][1], 4)}
    return _columns(likeliest), said | ({"labels": _rounded(likeliest)} if len(likeliest) > 1 else {})


def _tell_set(chosen: Pairs, likeliest: Pairs) -> tuple[str, dict[str, object]]:
    """The same of the labels that a text has; where others are asked for, the line is of those."""
    said: dict[str, object] = {"labels": _rounded(chosen)}
    if likeliest:
        return _columns(likeliest), said | {"likeliest": _rounded(likeliest)}
    shares = SEPARATOR.join(f"{probability:.4f}" for _, probability in chosen)
    return f"{join_labels(_plain(label) for label, _ in chosen)}\t{shares}", said


def _columns(pairs: Pairs) -> str:
    return "\t".join(f"{_plain(label)}\t{probability:.4f}" for label, probability in pairs)


def _plain(label: str) -> str:
    """A label without the characters that part columns and lines."""
    return " ".join(label.split())


def _rounded(pairs: Pairs) -> dict[str, float]:
    return {label: round(probability, 4) for label, probability in pairs}
