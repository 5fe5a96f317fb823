"""The arithmetic of a training: what is faster on this machine, found once, and without a trace in the training."""

from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lstmtext.config import TrainSettings
from lstmtext.nn.model import HeadBatch
from lstmtext.train import loop, precision
from lstmtext.train.precision import choose_precision, faster, kind_of, remembered
from tests.train.test_loop import FILES, start

AUTO = TrainSettings()


@pytest.fixture(autouse=True)
def instructions(monkeypatch):
    """A processor with products in bfloat16, whatever this one is."""
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True)


def begun(task, folder, *more):
    model, feed, _ = start(task, folder, *more)
    batches = [batch for _, batch in feed.shuffled(np.random.default_rng(0))][:2]
    return model, feed, batches


def timed(monkeypatch, **seconds):
    """Let each arithmetic seem to take so long, the first time of each much longer."""
    calls = Counter()

    def seconds_of(model, batches, which):
        calls[which] += 1
        return seconds[which] if calls[which] > 1 else 1000.0 / seconds[which]

    monkeypatch.setattr(precision, "_seconds", seconds_of)
    return calls


@pytest.mark.parametrize(("float32", "wanted"), [(0.02, "float32"), (0.09, "bfloat16"), (0.2, "bfloat16")])
def test_float32_is_taken_where_it_is_clearly_faster(float32, wanted, tmp_path, monkeypatch):
    model, _, batches = begun("classify", tmp_path)
    calls = timed(monkeypatch, float32=float32, bfloat16=0.1)
    assert faster(model, batches) == wanted
    assert calls == {"float32": 1 + precision.TURNS, "bfloat16": 1 + precision.TURNS}


def test_the_best_of_the_turns_counts_and_slow_ones_are_few(tmp_path, monkeypatch):
    model, _, batches = begun("classify", tmp_path)
    seconds = {"bfloat16": iter([9.0, 0.1, 0.4, 0.4]), "float32": iter([9.0, 0.4, 0.07, 0.4])}
    monkeypatch.setattr(precision, "_seconds", lambda model, batches, which: next(seconds[which]))
    assert faster(model, batches) == "float32"
    calls = timed(monkeypatch, float32=2.0, bfloat16=3.0)
    assert faster(model, batches) == "float32"
    assert calls["float32"] == 2, "after seconds there is no other turn"


@pytest.mark.parametrize("which", precision.PRECISIONS)
def test_what_is_timed_is_that_arithmetic_forwards_and_backwards(which, tmp_path, monkeypatch):
    model, _, batches = begun("classify", tmp_path)
    asked = []
    monkeypatch.setattr(precision, "autocast", lambda device, own: asked.append(own) or nullcontext())
    assert precision._seconds(model, batches, which) > 0
    assert asked == [which] * len(batches)
    assert model.encoder.embedding_VD.grad.abs().sum() > 0


def test_a_context_computes_in_the_arithmetic_of_its_name():
    matrix = torch.ones(2, 2)
    with precision.autocast(matrix.device, "bfloat16"):
        assert (matrix @ matrix).dtype == torch.bfloat16
    with precision.autocast(matrix.device, "float32"):
        assert (matrix @ matrix).dtype == torch.float32


@pytest.mark.parametrize("which", precision.PRECISIONS)
def test_a_step_is_taken_in_the_arithmetic_that_was_chosen(which, tmp_path, monkeypatch):
    model, feed, settings = start("classify", tmp_path, "train.adversarial=0.3")
    asked = []
    monkeypatch.setattr(loop, "autocast", lambda device, own: asked.append(own) or nullcontext())
    next(loop.training_steps(loop.Trainee(model, loop.make_optimizer(model, settings), settings.train, which), feed))
    assert asked == [which] * 2


@pytest.mark.parametrize("task", FILES)
def test_a_timing_leaves_weights_gradients_and_random_numbers_alone(task, tmp_path):
    model, _, batches = begun(task, tmp_path)
    before = {name: own.clone() for name, own in model.state_dict().items()}
    state = torch.get_rng_state()
    assert faster(model, batches) in ("float32", "bfloat16")
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], own) for name, own in model.state_dict().items())
    assert all(own.grad is None for own in model.parameters())


def test_what_was_found_once_holds_for_the_same_training_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model, feed, _ = begun("classify", tmp_path)
    larger, larger_feed, _ = begun("classify", tmp_path, "encoder.hidden_size=24")
    timed(monkeypatch, float32=0.1, bfloat16=0.2)
    assert choose_precision(AUTO, model, feed) == "float32"
    timed(monkeypatch, float32=0.2, bfloat16=0.1)
    assert choose_precision(AUTO, model, feed) == "float32", "the same training on a busy machine"
    assert choose_precision(AUTO, larger, larger_feed) == "bfloat16"
    timed(monkeypatch, float32=0.1, bfloat16=0.2)
    assert choose_precision(AUTO, larger, larger_feed) == "bfloat16"
    assert choose_precision(AUTO, model, feed) == "float32"


@pytest.mark.parametrize(
    "more", ["encoder.embedding_size=9", "encoder.layers=2", "encoder.directions=forward", "transfer.language_loss=0.5"]
)
def test_kinds_differ_by_what_is_computed(more, tmp_path):
    model, _, batches = begun("classify", tmp_path)
    other, _, _ = begun("classify", tmp_path, more)
    assert kind_of(model, batches) != kind_of(other, batches)


def test_kinds_differ_by_machine_batches_threads_and_what_is_frozen(tmp_path, monkeypatch):
    model, _, batches = begun("tag", tmp_path)
    kinds = [kind_of(model, batches), kind_of(model, batches[:1])]
    assert kind_of(model, [HeadBatch("mood", batch) for batch in batches]) == kinds[0]
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    kinds.append(kind_of(model, batches))
    torch.set_num_threads(threads)
    with monkeypatch.context() as other:
        other.setattr(precision, "_processor", lambda: "another")
        kinds.append(kind_of(model, batches))
        other.setattr(torch, "__version__", "1.0")
        kinds.append(kind_of(model, batches))
    model.freeze_encoder()
    kinds.append(kind_of(model, batches))
    assert len(set(kinds)) == len(kinds)


@pytest.mark.parametrize("written", [b"no json\n", b"[1]\n", b'{"kind": "a"}\n', b'{"kind": "a", "precision": "x"}\n'])
def test_a_line_that_cannot_be_read_is_done_without(written, tmp_path):
    file = tmp_path / "precision.jsonl"
    file.write_bytes(written)
    assert remembered(file, "a", lambda: "float32") == "float32"
    assert remembered(file, "a", lambda: pytest.fail("timed")) == "float32", "the lines after it are read"


@pytest.mark.parametrize("written", [b"\xff\xfe\n", b'{"kind": "b", "precisi'])
def test_a_broken_memory_still_remembers(written, tmp_path):
    file = tmp_path / "precision.jsonl"
    file.write_bytes(written)
    assert remembered(file, "a", lambda: "float32") == "float32"
    assert remembered(file, "a", lambda: pytest.fail("timed")) == "float32"


def test_a_memory_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").write_text("")
    assert remembered(tmp_path / "file" / "precision.jsonl", "a", lambda: "float32") == "float32"


def test_of_two_that_find_at_once_the_first_holds_for_both(tmp_path):
    file = tmp_path / "precision.jsonl"

    def find():
        assert remembered(file, "a", lambda: "float32") == "float32"
        return "bfloat16"

    assert remembered(file, "a", find) == "float32"


@pytest.mark.parametrize("home", ["none", "relative"])
def test_without_a_home_nothing_is_remembered(home, tmp_path, monkeypatch):
    def cache_path(*names, **options):
        if home == "none":
            raise RuntimeError("could not determine the home directory")
        return Path("~") / ".cache"

    monkeypatch.setattr(precision, "user_cache_path", cache_path)
    monkeypatch.chdir(tmp_path)
    assert precision.memory_file() is None
    assert remembered(None, "a", lambda: "float32") == "float32"
    assert remembered(None, "a", lambda: "bfloat16") == "bfloat16"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("supported", "wanted"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_takes_bfloat16_where_it_has_it(supported, wanted, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: supported)
    on_gpu = SimpleNamespace(device=torch.device("cuda"))
    assert choose_precision(AUTO, on_gpu, None) == wanted


def test_what_is_asked_for_is_taken_and_no_instructions_mean_float32(tmp_path, monkeypatch):
    model, feed, _ = begun("classify", tmp_path)
    monkeypatch.setattr(precision, "faster", lambda model, batches: pytest.fail("timed"))
    assert choose_precision(TrainSettings(precision="bfloat16"), model, feed) == "bfloat16"
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False)
    assert choose_precision(AUTO, model, feed) == "float32"
