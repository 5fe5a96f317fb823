"""`lstmtext classify`: a label and its probability for each line."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from lstmtext.cli import options
from lstmtext.cli.streams import RecordLines, free_key, json_line, read_groups, remark, write_lines

if TYPE_CHECKING:
    from lstmtext.runtime.predictors import TextAnswer, TextPredictor

OUTPUTS = ("tsv", "jsonl")


def classify(
    model: options.Model,
    file: options.File = "-",
    top: Annotated[int, typer.Option("--top", min=1, help="Labels to print for each text, likeliest first.")] = 1,
    format_name: Annotated[str, typer.Option("--format", help="tsv or jsonl.")] = "tsv",
    text_column: options.TextKey = None,
    head: options.Head = None,
    threads: options.Threads = 0,
    quiet: options.Quiet = False,
) -> None:
    r"""Print a label and its probability for each line of text.

    With --format jsonl, lines that are JSON objects keep all their keys; where one is called label or
    probability already, the answer's is called predicted_label, and so on.

    \b
    echo "The room was clean." | lstmtext classify -m checkpoints/reviews
    lstmtext classify data/prose.txt -m checkpoints/reviews --format jsonl --top 2
    """
    from lstmtext.bundle import load_bundle
    from lstmtext.runtime.predictors import TextPredictor
    from lstmtext.runtime.workers import in_order

    output = options.chosen_format(format_name, OUTPUTS)
    bundle = load_bundle(model)
    predictor = TextPredictor(bundle, *bundle.head(head, "classify"))
    say = partial(remark, quiet=quiet)
    lines = RecordLines(file, text_column, as_json=output == "jsonl", say=say)
    cut = 0

    def answers(records: list[dict[str, object]]) -> tuple[list[str], int]:
        return answer_lines(predictor, records, lines.column, top, as_json=output == "jsonl")

    for written, shortened in in_order(map(lines.parse, read_groups(file)), answers, threads):
        write_lines(written)
        cut += shortened
    if cut:
        say(f"texts longer than the model reads, without their middle: {cut}")
    for text in lines.remarks():
        say(text)


def answer_lines(
    predictor: "TextPredictor", records: list[dict[str, object]], text_column: str, top: int, *, as_json: bool
) -> tuple[list[str], int]:
    """What is printed for some records, and the number of texts that were cut."""
    answers = predictor.predict([str(record[text_column]) for record in records])
    made = [_line(predictor.labels, *pair, top, as_json=as_json) for pair in zip(records, answers, strict=True)]
    return made, sum(answer.cut > 0 for answer in answers)


def _line(labels: Sequence[str], record: dict[str, object], answer: "TextAnswer", top: int, *, as_json: bool) -> str:
    best = answer.probabilities_K.argsort(kind="stable")[::-1][:top]
    pairs = [(labels[k], float(answer.probabilities_K[k])) for k in best]
    if not as_json:
        return "\t".join(f"{' '.join(label.split())}\t{probability:.4f}" for label, probability in pairs)
    said: dict[str, object] = {"label": pairs[0][0], "probability": round(pairs[0][1], 4)}
    if top > 1:
        said["labels"] = {label: round(probability, 4) for label, probability in pairs}
    return json_line(record | {free_key(key, "predicted_", record): value for key, value in said.items()})
