"""`lstmtext generate`: text that goes on from a prompt."""

import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Annotated

import typer

from lstmtext.cli import options
from lstmtext.cli.streams import REPLACEMENT, json_line, read_groups, remark, write_lines, write_text
from lstmtext.config import Sampling

OUTPUTS = ("text", "jsonl")
D = Sampling()
Prompt = Annotated[str | None, typer.Option("--prompt", help="Text to go on from; else standard input, one a line.")]
TopP = Annotated[float, typer.Option("--top-p", help="Draw from the likeliest that hold this probability.")]
MinP = Annotated[float, typer.Option("--min-p", help="Draw from those with this share of the likeliest's.")]
RepetitionPenalty = Annotated[float, typer.Option("--repetition-penalty", help="Above 1, repeats less.")]
Stop = Annotated[list[str] | None, typer.Option("--stop", help="End a sample before this text; may be repeated.")]


def generate(
    model: options.Model,
    prompt: Prompt = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", help="Most tokens of a sample.")] = D.max_tokens,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Samples for each prompt.")] = 1,
    temperature: Annotated[float, typer.Option("--temperature", help="0 takes the likeliest token.")] = D.temperature,
    top_k: Annotated[int, typer.Option("--top-k", help="Draw from the K likeliest tokens; 0 from all.")] = D.top_k,
    top_p: TopP = D.top_p,
    min_p: MinP = D.min_p,
    repetition_penalty: RepetitionPenalty = D.repetition_penalty,
    stop: Stop = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draws.")] = D.seed,
    format_name: Annotated[str, typer.Option("--format", help="text or jsonl.")] = "text",
    head: options.Heads = None,
    quiet: options.Quiet = False,
) -> None:
    r"""Write text that goes on from a prompt, as it is drawn.

    Each sample starts with its prompt and ends with a line end; an empty line stands between samples. With --format
    jsonl each is one line, an object with the prompt and the text that goes on from it.

    \b
    lstmtext generate -m checkpoints/prose --prompt "The ferry" --max-tokens 60
    lstmtext generate -m checkpoints/prose --prompt "The ferry" --samples 3 --format jsonl
    """
    import numpy as np

    from lstmtext.bundle import load_bundle
    from lstmtext.decoding.generation import generate_text
    from lstmtext.runtime.predictors import LanguagePredictor

    as_json = options.chosen_format(format_name, OUTPUTS) == "jsonl"
    sampling = Sampling(max_tokens, temperature, top_k, top_p, min_p, repetition_penalty, tuple(stop or ()), seed)
    bundle = load_bundle(model)
    predictor = LanguagePredictor(bundle, *bundle.head(options.one_head(head), "generate"))
    count = broken = 0
    for text in _prompts() if prompt is None else [_clean(prompt)]:
        broken += REPLACEMENT in text
        rng = np.random.default_rng(seed)  # afresh, so that the text does not depend on the prompts before
        for _ in range(samples):
            pieces = generate_text(predictor, bundle.tokenizer, text, sampling, rng)
            if as_json:
                write_lines([json_line({"prompt": text, "text": "".join(pieces)})])
            else:
                _write_drawn(chain("\n" * bool(count), [text], pieces, "\n"))
            count += 1
    if broken:
        remark(f"prompts with bytes that are not UTF-8, now U+FFFD: {broken}; iconv converts files", quiet=quiet)
    if not count:
        remark("no prompts on standard input; give one with --prompt", quiet=quiet)


def _write_drawn(pieces: Iterable[str]) -> None:
    """Each piece as it comes."""
    for piece in pieces:
        write_text(piece)


def _clean(prompt: str) -> str:
    """An argument as text: bytes that are no UTF-8 become U+FFFD, as on standard input."""
    return prompt.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _prompts() -> Iterator[str]:
    """Lines of standard input, or one empty prompt where that is a terminal."""
    if sys.stdin and sys.stdin.isatty():
        yield ""
        return
    for lines in read_groups("-"):
        yield from lines
