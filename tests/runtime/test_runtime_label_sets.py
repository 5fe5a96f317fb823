"""Several labels a text: the runtime says what torch says, in either precision, whatever stands beside a text."""

import numpy as np
import pytest

from lstmtext.runtime.predictors import TextPredictor
from lstmtext.text.examples import collate_texts, text_examples

TEXTS = ["", "Anna", "The soup was good.", "The room, in Oslo, was bad and " * 6]


@pytest.mark.parametrize("bypass", [True, False])
def test_probabilities_are_torchs_and_each_labels_own(make_pair, bypass):
    model, bundle = make_pair("classify", classify__multi_label=True, classify__bypass=bypass)
    chosen = bundle.head()[1].settings
    logits_BK, _ = model.predict(collate_texts(text_examples(bundle.tokenizer, TEXTS, chosen), model.head.keys))
    predictor = TextPredictor(bundle, *bundle.head())
    answers = [answer.probabilities_K for answer in predictor.predict(TEXTS)]
    np.testing.assert_allclose(answers, 1 / (1 + np.exp(-logits_BK)), atol=1e-4, rtol=0)
    assert np.abs(np.sum(answers, 1) - 1).max() > 0.01


def test_int8_answers_do_not_depend_on_neighbours(make_pair):
    _, bundle = make_pair("classify", "int8", classify__multi_label=True)
    predictor = TextPredictor(bundle, *bundle.head())
    together = [answer.probabilities_K for answer in predictor.predict(TEXTS)]
    np.testing.assert_array_equal([predictor.predict([text])[0].probabilities_K for text in TEXTS], together)
