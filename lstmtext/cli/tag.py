"""`lstmtext tag`: the tags of the words of each line."""

from functools import partial
from typing import Annotated

import typer

from lstmtext.cli import options
from lstmtext.cli.streams import RecordLines, answer_groups, read_groups, remark
from lstmtext.cli.tag_formats import TAG_FORMATS, chosen_heads, tagged_lines


def tag(
    model: options.Model,
    file: options.File = "-",
    format_name: Annotated[str, typer.Option("--format", help=", ".join(TAG_FORMATS) + ".")] = "conll",
    pretokenized: Annotated[bool, typer.Option("--pretokenized", help="Words are what stands between spaces.")] = False,
    text_column: options.TextKey = None,
    head: options.Heads = None,
    threads: options.Threads = 0,
    quiet: options.Quiet = False,
) -> None:
    r"""Split each line into words and print their tags.

    Formats: conll (word, tab, tag; an empty line ends each text), conllu, jsonl (with character offsets and
    spans), inline (one line a text). Words and tags that a JSON line has already become gold_words, gold_tags.

    --head may be repeated; the text is read once. Then conll has a column for each head, in their order, conllu the
    first head without spans in UPOS and the others under their names in MISC, jsonl tags_NAME and spans_NAME.

    \b
    echo "Anna Berg lives in Oslo." | lstmtext tag -m checkpoints/entities --format inline
    lstmtext tag data/prose.txt -m checkpoints/entities --format jsonl
    """
    from lstmtext.bundle import load_bundle
    from lstmtext.runtime.predictors import SentencePredictor
    from lstmtext.text.words import split_on_spaces, split_words

    options.chosen_format(format_name, tuple(TAG_FORMATS))
    bundle = load_bundle(model)
    heads = chosen_heads(bundle, head or [], format_name)
    predictor = SentencePredictor(bundle, *heads)
    split = split_on_spaces if pretokenized else split_words
    lines = RecordLines(file, text_column, as_json=format_name == "jsonl", say=partial(remark, quiet=quiet))

    def tagged(records: list[dict[str, object]]) -> tuple[list[str], int]:
        words = [split(str(record[lines.column])) for record in records]
        answers = predictor.predict(words)
        made = tagged_lines(heads, records, words, answers.by_head, lines.column)
        return [TAG_FORMATS[format_name](line) for line in made], answers.cut

    answer_groups("tag", lines, read_groups(file, threads), tagged, threads)
