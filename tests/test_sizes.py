"""Settings that are left to the data follow its amount, and a given value stays."""

import pytest

from lstmtext.resolve import resolve_settings
from lstmtext.sizes import fit_training, fit_vocabulary, least_bytes


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
    given += ["classify.bypass_rows=5000", "tag.bypass_rows=6000"]
    settings = resolve_settings("generate", assignments=given)
    assert fit_training(settings, "generate", 10**6, 10**6) == settings
    assert fit_vocabulary(settings.text, 10**6) == settings.text


def test_a_classifier_that_goes_on_has_room_for_what_it_knows_and_for_what_is_new():
    settings = resolve_settings("classify")
    begun, gone_on = (fit_training(settings, "classify", 10**4, 10**4, ngrams) for ngrams in (0, 777))
    assert gone_on.classify.bypass_rows == begun.classify.bypass_rows + 777
    assert fit_training(gone_on, "classify", 10**4, 10**4, 777) == gone_on, "as a resumed training does"
    chosen = resolve_settings("classify", assignments=["classify.bypass_rows=800"])
    assert fit_training(chosen, "classify", 10**4, 10**4, 777).classify.bypass_rows == 800


def test_tokens_say_how_many_ngrams_there_are_where_words_are_not_parted():
    settings = resolve_settings("classify")
    rows = [fit_training(settings, "classify", 10**5, words).classify.bypass_rows for words in (700, 10**5)]
    assert rows == [1 << 16, 1 << 17]


def test_the_least_size_of_a_head_with_a_stack_of_its_own_is_below_that_of_one_that_reads_both():
    given = ["encoder.hidden_size=8", "encoder.embedding_size=4", "encoder.layers=1", "encoder.directions=both"]
    settings, stack = resolve_settings("generate", assignments=given), 4 * 8 * (4 + 8 + 1)
    assert least_bytes(settings, 100, reads_encoder=True) == 4 * (400 + 2 * stack) + 400 + 2 * stack
    assert least_bytes(settings, 100, reads_encoder=False) == 4 * (400 + 2 * stack) + 400 + stack
