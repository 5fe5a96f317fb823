"""The arithmetic of a training: what is faster on this machine, found once, and without a trace in the training."""

import json

import numpy as np
import pytest
import torch

from lstmtext.config import TrainSettings
from lstmtext.train import precision
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
    """Let each arithmetic seem to take so long."""
    monkeypatch.setattr(precision, "_seconds", lambda model, batches, which: seconds[which])


@pytest.mark.parametrize(("bfloat16", "wanted"), [(0.5, "bfloat16"), (1.5, "float32"), (0.97, "float32")])
def test_the_faster_one_is_taken_and_the_finer_where_both_take_as_long(bfloat16, wanted, tmp_path, monkeypatch):
    model, _, batches = begun("classify", tmp_path)
    timed(monkeypatch, float32=1.0, bfloat16=bfloat16)
    assert faster(model, batches) == wanted


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
    timed(monkeypatch, float32=2.0, bfloat16=1.0)
    assert choose_precision(AUTO, model, feed) == "bfloat16"
    timed(monkeypatch, float32=1.0, bfloat16=2.0)
    assert choose_precision(AUTO, model, feed) == "bfloat16", "the same training on a busy machine"
    larger, feed, _ = begun("classify", tmp_path, "encoder.hidden_size=24")
    assert choose_precision(AUTO, larger, feed) == "float32"


def test_kinds_differ_by_sizes_batches_and_threads(tmp_path):
    model, _, batches = begun("tag", tmp_path)
    larger, _, _ = begun("tag", tmp_path, "encoder.layers=2")
    threads = torch.get_num_threads()
    kinds = [kind_of(model, batches), kind_of(larger, batches), kind_of(model, batches[:1])]
    torch.set_num_threads(threads + 1)
    kinds.append(kind_of(model, batches))
    torch.set_num_threads(threads)
    assert len(set(kinds)) == len(kinds)
    assert kind_of(model, batches) == kinds[0]


@pytest.mark.parametrize("written", [b"no json\n", b"[1]\n", b'{"kind": "a"}\n', b'{"kind": "a", "precision": "x"}\n'])
def test_a_line_that_cannot_be_read_is_done_without(written, tmp_path):
    file = tmp_path / "precision.jsonl"
    file.write_bytes(written)
    assert remembered(file, "a", lambda: "float32") == "float32"
    assert remembered(file, "a", lambda: pytest.fail("timed")) == "float32", "the lines after it are read"


def test_a_memory_that_is_no_text_is_done_without(tmp_path):
    file = tmp_path / "precision.jsonl"
    file.write_bytes(b"\xff\xfe")
    assert remembered(file, "a", lambda: "float32") == "float32"


def test_a_memory_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").write_text("")
    assert remembered(tmp_path / "file" / "precision.jsonl", "a", lambda: "float32") == "float32"


def test_of_two_that_found_at_once_the_first_holds(tmp_path):
    file = tmp_path / "precision.jsonl"
    rows = [{"kind": "a", "precision": "float32"}, {"kind": "a", "precision": "bfloat16"}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert remembered(file, "a", lambda: "bfloat16") == "float32"


def test_what_is_asked_for_is_taken_and_no_instructions_mean_float32(tmp_path, monkeypatch):
    model, feed, _ = begun("classify", tmp_path)
    monkeypatch.setattr(precision, "faster", lambda model, batches: pytest.fail("timed"))
    assert choose_precision(TrainSettings(precision="bfloat16"), model, feed) == "bfloat16"
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False)
    assert choose_precision(AUTO, model, feed) == "float32"
