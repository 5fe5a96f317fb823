"""Settings that are left to the data follow its amount, and a given value stays."""

import pytest

from lstmtext.resolve import resolve_settings
from lstmtext.sizes import fit_training, fit_vocabulary


def test_more_text_gets_a_larger_vocabulary_within_bounds():
    text = resolve_settings("classify").text
    sizes = [fit_vocabulary(text, characters).vocabulary_size for characters in (100, 240_000, 10**9)]
    assert sizes == [500, 2000, 8000]


@pytest.mark.parametrize("task", ["classify", "tag", "generate"])
def test_more_tokens_get_larger_batches_and_fewer_passes(task):
    fitted = [fit_training(resolve_settings(task), task, tokens, tokens) for tokens in (5_000, 200_000, 10_000_000)]
    batches = [s.generate.rows if task == "generate" else s.train.batch_tokens for s in fitted]
    epochs = [s.train.epochs for s in fitted]
    assert batches == sorted(batches)
    assert batches[0] < batches[-1]
    assert epochs == sorted(epochs, reverse=True)
    assert (epochs[0], epochs[-1]) == (30, 3)


def test_what_the_user_gave_is_kept():
    given = ["train.epochs=7", "train.batch_tokens=99", "generate.rows=3", "text.vocabulary_size=321"]
    given += ["classify.bypass_buckets=5000", "tag.bypass_buckets=6000"]
    settings = resolve_settings("generate", assignments=given)
    assert fit_training(settings, "generate", 10**6, 10**6) == settings
    assert fit_vocabulary(settings.text, 10**6) == settings.text
