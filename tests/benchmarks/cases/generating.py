"""Characters drawn in a second, one sample at a time, 1 x 512 units, beside a small GPT without a cache."""

from tests.benchmarks.contenders.generating import GPT
from tests.benchmarks.data import BenchData
from tests.benchmarks.measure import Result, race


def run(data: BenchData, rounds: int) -> list[Result]:
    settings = ("text.unit=char", "encoder.directions=forward", "export.precision=int8")
    bundle = data.bundle("prose", data.prose, *settings, options=("--budget", "20s", "--task", "generate"))
    asked = {
        "lstmtext, 1 x 512, int8": ("generating", {"kind": "lstmtext", "bundle": bundle}),
        f"GPT of {GPT['layers']} layers, block {GPT['block']}": ("generating", {"kind": "gpt"}),
    }
    return [race("Generating, one sample at a time", "characters/s", asked, rounds)]
