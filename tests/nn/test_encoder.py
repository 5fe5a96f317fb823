"""The two directions, and what padding and windows must not change."""

from dataclasses import replace

import pytest
import torch

from lstmtext.config import EncoderSettings
from lstmtext.nn.encoder import Encoder

SETTINGS = EncoderSettings(embedding_size=6, hidden_size=5, layers=2)
LENGTH = 7


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(SETTINGS, 20).eval()


def read(encoder: Encoder, ids: list[list[int]], lengths: list[int]):
    with torch.no_grad():
        return encoder(torch.tensor(ids), torch.tensor(lengths))


@pytest.mark.parametrize("changed", range(LENGTH))
def test_a_changed_token_moves_later_forward_states_and_earlier_backward_states_only(encoder, changed):
    before = list(range(2, 2 + LENGTH))
    after = [*before[:changed], 15, *before[changed + 1 :]]
    one, other = read(encoder, [before], [LENGTH]), read(encoder, [after], [LENGTH])
    forward_same = (one.forward_BTH == other.forward_BTH).all(-1)[0].tolist()
    backward_same = (one.backward_BTH == other.backward_BTH).all(-1)[0].tolist()
    assert forward_same == [place < changed for place in range(LENGTH)]
    assert backward_same == [place > changed for place in range(LENGTH)]


def test_padding_and_neighbours_are_invisible(encoder):
    text, longer = [1, 5, 6, 1], [1, 7, 8, 9, 10, 1]
    alone = read(encoder, [text], [4])
    mixed = read(encoder, [[*text, 0, 0, 0], [*longer, 0]], [4, 6])
    torch.testing.assert_close(mixed.joined()[0, :4], alone.joined()[0])


def test_the_forward_half_alone_gives_the_same_forward_states(encoder):
    half = Encoder(replace(SETTINGS, directions="forward"), 20).eval()
    half.load_state_dict({name: value for name, value in encoder.state_dict().items() if "backward" not in name})
    ids = [list(range(2, 2 + LENGTH))]
    assert torch.equal(read(half, ids, [LENGTH]).forward_BTH, read(encoder, ids, [LENGTH]).forward_BTH)


@pytest.mark.parametrize("cut", [1, 3, 6])
def test_windows_with_carried_state_join_up(encoder, cut):
    ids = torch.arange(2, 2 + LENGTH)[None]
    mirrored = ids.flip(1)
    with torch.no_grad():
        whole, _ = encoder.read_stream(ids, mirrored)
        first, state = encoder.read_stream(ids[:, :cut], mirrored[:, :cut])
        second, _ = encoder.read_stream(ids[:, cut:], mirrored[:, cut:], state)
    torch.testing.assert_close(torch.cat([first.forward_BTH, second.forward_BTH], 1), whole.forward_BTH)
    torch.testing.assert_close(torch.cat([first.backward_BTH, second.backward_BTH], 1), whole.backward_BTH)


def test_carried_states_hold_no_gradient(encoder):
    _, (forward, backward) = encoder.read_stream(torch.tensor([[2, 3]]), torch.tensor([[3, 2]]))
    assert not any(part.requires_grad for part in (*forward, *backward))


def test_the_stack_equals_torch_lstm(encoder):
    stack = encoder.forward_stack
    reference = torch.nn.LSTM(6, 5, num_layers=2, batch_first=True)
    with torch.no_grad():
        for layer in range(2):
            getattr(reference, f"weight_ih_l{layer}").copy_(stack.inputs[layer])
            getattr(reference, f"weight_hh_l{layer}").copy_(stack.recurrents[layer])
            getattr(reference, f"bias_ih_l{layer}").copy_(stack.biases[layer])
            getattr(reference, f"bias_hh_l{layer}").zero_()
        inputs = torch.randn(3, 4, 6)
        torch.testing.assert_close(stack(inputs)[0], reference(inputs)[0])
