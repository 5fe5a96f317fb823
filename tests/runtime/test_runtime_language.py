"""The language model at run time: torch's scores, and one token at a time equals one long pass."""

import numpy as np
import pytest
import torch

from lstmtext.runtime.predictors import WINDOW, LanguagePredictor
from lstmtext.text.examples import StreamBatch
from lstmtext.text.tokenizer import BOUNDARY_ID

TOLERANCE = {"atol": 1e-4, "rtol": 0}
SETTINGS = {
    "one layer": {},
    "two layers": {"encoder__layers": 2},
    "forward only": {"encoder__directions": "forward"},
    "three layers forward only": {"encoder__layers": 3, "encoder__directions": "forward"},
}


@pytest.fixture(params=SETTINGS.values(), ids=SETTINGS)
def pair(request, make_pair):
    return make_pair("generate", encoder__hidden_size=12, **request.param)


@pytest.fixture
def ids(tokenizer):
    """More tokens than a window holds, from the first boundary on."""
    rng = np.random.default_rng(3)
    return [BOUNDARY_ID, *rng.integers(2, tokenizer.size, 2 * WINDOW + 17).tolist()]


def torch_logits(model, ids):
    """Scores after every token, [T, V], in one pass of the forward stack."""
    with torch.no_grad():
        encoding = model.encoder(torch.tensor([ids]), torch.tensor([len(ids)]))
        return model.head.logits(encoding.forward_BTH, encoding.table_VD)[0].numpy()


def test_the_scores_after_a_prompt_are_torchs(pair, ids):
    model, bundle = pair
    predictor = LanguagePredictor(bundle, *bundle.head())
    drawable = [token for token in range(bundle.tokenizer.size) if token not in predictor.never]
    for length in (1, 2, WINDOW, WINDOW + 1, len(ids)):
        _, logits_V = predictor.start(ids[:length])
        np.testing.assert_allclose(logits_V[drawable], torch_logits(model, ids[:length])[-1, drawable], **TOLERANCE)
        assert np.isneginf(logits_V[predictor.never]).all()


def test_steps_give_the_scores_of_one_long_pass(pair, ids):
    model, bundle = pair
    predictor = LanguagePredictor(bundle, *bundle.head())
    drawable = [token for token in range(bundle.tokenizer.size) if token not in predictor.never]
    wanted_TV = torch_logits(model, ids[:40])
    state, logits_V = predictor.start(ids[:1])
    for place in range(40):
        np.testing.assert_allclose(logits_V[drawable], wanted_TV[place, drawable], **TOLERANCE)
        state, logits_V = predictor.step(state, ids[place + 1])


def test_a_step_leaves_the_state_it_starts_from_untouched(pair, ids):
    _, bundle = pair
    predictor = LanguagePredictor(bundle, *bundle.head())
    state, _ = predictor.start(ids[:9])
    _, first = predictor.step(state, 5)
    predictor.step(state, 6)
    _, again = predictor.step(state, 5)
    np.testing.assert_array_equal(first, again)


def test_the_nats_of_passages_are_torchs_nats_of_the_whole_text(pair, ids):
    model, bundle = pair
    predictor = LanguagePredictor(bundle, *bundle.head())
    text = ids[1:]
    nats_BT, _ = model.predict(StreamBatch(np.array([ids]), None, np.array([True])))
    whole = list(predictor.nats([text]))
    pieces = list(predictor.nats([text[:7], [], text[7:300], text[300:]]))
    assert sum(count for _, count in pieces) == whole[0][1] == len(text)
    assert whole[0][0] == pytest.approx(float(nats_BT.sum()), rel=1e-5)
    assert sum(nats for nats, _ in pieces) == pytest.approx(whole[0][0], rel=1e-5)
    assert pieces[0][0] == pytest.approx(float(nats_BT[0, :7].sum()), rel=1e-4)


def test_the_backward_stack_is_no_part_of_the_graph(make_pair):
    _, bundle = make_pair("generate", encoder__hidden_size=12)
    arrays = bundle.encoder_arrays() | bundle.head_arrays("own")
    sizes = [array.nbytes for name, array in arrays.items() if "backward_stack" not in name]
    assert bundle.graph("own").stat().st_size < sum(sizes) + 20_000
