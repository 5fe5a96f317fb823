"""Generators of characters, one sample at a time."""

from pathlib import Path

CHARACTERS = 2000
GPT = {"layers": 4, "heads": 4, "width": 128, "block": 64}
"""The small model that nanoGPT's README trains on a CPU."""


def prepare(kind, bundle=None):
    """Work, number of characters, and what else to report."""
    return {"lstmtext": lambda: _ours(bundle), "gpt": _gpt}[kind](), CHARACTERS, {}


def _ours(folder):
    import numpy as np

    from lstmtext.bundle import load_bundle
    from lstmtext.config import Sampling
    from lstmtext.decoding.generation import generate_text
    from lstmtext.runtime.predictors import LanguagePredictor

    bundle = load_bundle(Path(folder))
    predictor = LanguagePredictor(bundle, *bundle.head())
    sampling = Sampling(max_tokens=CHARACTERS)
    return lambda: "".join(generate_text(predictor, bundle.tokenizer, "O", sampling, np.random.default_rng(1)))


def _gpt():
    """A decoder of GPT's kind that reads its whole block anew for every character, as nanoGPT's sampler does."""
    import torch
    from torch import nn

    vocabulary = 65

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(vocabulary, GPT["width"])
            self.places = nn.Embedding(GPT["block"], GPT["width"])
            layer = nn.TransformerEncoderLayer(
                GPT["width"], GPT["heads"], 4 * GPT["width"], 0.0, "gelu", batch_first=True, norm_first=True
            )
            self.layers = nn.TransformerEncoder(layer, GPT["layers"], nn.LayerNorm(GPT["width"]), False)
            self.output = nn.Linear(GPT["width"], vocabulary, bias=False)

        def forward(self, ids_BT):
            length = ids_BT.shape[1]
            states = self.tokens(ids_BT) + self.places.weight[:length]
            mask = nn.Transformer.generate_square_subsequent_mask(length)
            return self.output(self.layers(states, mask, is_causal=True)[:, -1])

    model = Decoder().eval()

    @torch.inference_mode()
    def work():
        ids_BT = torch.zeros(1, 1, dtype=torch.long)
        for _ in range(CHARACTERS):
            probabilities = (model(ids_BT[:, -GPT["block"] :]) / 0.8).softmax(-1)
            ids_BT = torch.cat([ids_BT, torch.multinomial(probabilities, 1)], dim=1)

    return work
