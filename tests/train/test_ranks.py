"""Several processes train as one does: the same losses, all records once, one writer, and a killed one is told of."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from lstmtext.bundle import load_bundle
from lstmtext.train.feeds import RecordFeed, StreamFeed, at_least
from tests.train.rank_losses import WITHOUT_CHANCE
from tests.train.test_schedule_and_feeds import with_sizes

ROOT = Path(__file__).parent.parent.parent
FILES = {"classify": "reviews.csv", "tag": "entities.conll", "generate": "prose.txt"}
SMALL = ["--encoder", "none", "--set", "encoder.hidden_size=24", "--set", "encoder.embedding_size=16", "--threads", "1"]


def torchrun(*words: object, processes: int = 2) -> list[str]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [*launch, *map(str, words)]


@pytest.mark.parametrize("size", [2, 3])
def test_the_records_of_the_ranks_are_the_data_once(size):
    lengths = np.random.default_rng(0).integers(1, 200, 300)
    seen: Counter[int] = Counter()
    for rank in range(size):
        feed = RecordFeed(range(300), lengths, lambda chosen, settings: list(chosen), with_sizes(), rank, size)
        batches = [batch for _, batch in feed.shuffled(np.random.default_rng(5))]
        assert all(batches)
        seen.update(index for batch in batches for index in batch)
    assert seen == Counter(range(300))


def test_the_rows_of_the_ranks_are_those_of_one_process():
    ids, settings = np.arange(1000), with_sizes()
    whole = StreamFeed(ids, settings).shuffled(np.random.default_rng(3))
    parts = [StreamFeed(ids, settings, rank, 2).shuffled(np.random.default_rng(3)) for rank in range(2)]
    for (_, one), (_, even), (_, odd) in zip(whole, *parts, strict=True):
        assert np.array_equal(one.ids_BT[::2], even.ids_BT)
        assert np.array_equal(one.ids_BT[1::2], odd.ids_BT)
        assert np.array_equal(one.fresh_B[1::2], odd.fresh_B)


def test_batches_too_small_for_the_ranks_are_joined():
    joined = at_least([np.array([1]), np.array([2]), np.array([3, 4]), np.array([5])], 2)
    assert [batch.tolist() for batch in joined] == [[1, 2], [3, 4, 5]]


def losses(task: str, processes: int, *settings: str) -> list[float]:
    words = ["-m", "tests.train.rank_losses", task, *settings]
    command = torchrun(*words, processes=processes) if processes > 1 else [sys.executable, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def of_two_hosts(*words: str) -> list[list[str]]:
    """Two launchers stand for two hosts."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    meeting = ["--master-addr=127.0.0.1", f"--master-port={free_port()}"]
    return [[*launch, *meeting, f"--node-rank={host}", *words] for host in range(2)]


def losses_of_two_hosts(task: str, *settings: str) -> list[float]:
    """Of two hosts, whose ranks exchange through the network."""
    commands = of_two_hosts("-m", "tests.train.rank_losses", task, *settings)
    with ExitStack() as stack:
        started = [stack.enter_context(subprocess.Popen(own, cwd=ROOT, stdout=subprocess.PIPE)) for own in commands]
        for process in started:
            stack.callback(process.kill)
        first, _ = (process.communicate(timeout=120)[0] for process in started)
    assert [process.returncode for process in started] == [0, 0]
    return json.loads(first.strip().splitlines()[-1])


@pytest.mark.parametrize(
    "task", ["classify", *(pytest.param(task, marks=pytest.mark.slow) for task in ("tag", "generate"))]
)
def test_two_processes_have_the_losses_of_one(task):
    larger = "train.batch_tokens=2048"
    assert losses(task, 2, larger) == pytest.approx(losses(task, 1, larger), abs=1e-5)


@pytest.mark.slow
def test_two_hosts_have_the_losses_of_one_process():
    larger = "train.batch_tokens=2048"
    assert losses_of_two_hosts("classify", larger) == pytest.approx(losses("classify", 1, larger), abs=1e-5)


@pytest.mark.slow
def test_accumulated_batches_have_the_losses_of_large_ones_on_any_number_of_processes():
    alone = losses("tag", 1, "train.accumulate=3")
    assert losses("tag", 2, "train.accumulate=3") == pytest.approx(alone, abs=1e-5)
    assert alone != pytest.approx(losses("tag", 1), abs=1e-3)


@pytest.mark.slow
def test_texts_that_are_read_twice_have_the_losses_of_one_process():
    twice = ["train.batch_tokens=2048", "train.adversarial=0.3"]
    alone = losses("classify", 1, *twice)
    assert losses("classify", 2, *twice) == pytest.approx(alone, abs=1e-5)
    assert losses_of_two_hosts("classify", *twice) == pytest.approx(alone, abs=1e-5)
    assert alone != pytest.approx(losses("classify", 1, twice[0]), abs=1e-3)


@pytest.mark.slow
def test_only_the_first_process_writes_and_talks(tmp_path):
    options = [ROOT / "data" / "reviews.csv", "-o", tmp_path / "model", *SMALL, "--epochs", "2"]
    done = subprocess.run(torchrun("-m", "lstmtext", "train", *options), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("lstmtext: saved") == 1
    assert done.stderr.count("lstmtext: epoch   1.00") == 1
    assert done.stderr.count("of 2 processes reads 128 tokens a step") == 1
    assert "larger steps: --set train.batch_tokens=4096" in done.stderr


@pytest.mark.slow
def test_processes_that_gain_nothing_more_end_with_a_bundle(tmp_path):
    looks = ["--set", "train.patience=1", "--set", "train.validations_per_epoch=4", "--epochs", "5"]
    options = [ROOT / "data" / "reviews.csv", "-o", tmp_path / "model", *SMALL, *looks, "--set", "train.accumulate=2"]
    done = subprocess.run(torchrun("-m", "lstmtext", "train", *options), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "of 2 processes reads 256 tokens a step" in done.stderr
    training = load_bundle(tmp_path / "model").head()[1].training
    assert training["epochs"] < 5
    assert (training["threads"], training["processes"]) == (1, 2)
    assert {path.name for path in tmp_path.iterdir()} == {"model", "model.report.html"}


@pytest.mark.slow
@pytest.mark.parametrize("restarts", [0, 1])
def test_a_killed_process_ends_the_run_or_starts_it_anew_from_the_last_checkpoint(restarts, tmp_path):
    options = [ROOT / "data" / "reviews.csv", "-o", tmp_path / "model", *SMALL, "--set", "checkpoint.steps=5"]
    command = torchrun(f"--max-restarts={restarts}", "-m", "lstmtext", "train", *options, "--epochs", "5")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    run = tmp_path / ".runs" / "model"
    while process.poll() is None and not list(run.glob("step-*")):
        time.sleep(0.05)
    os.kill(process_of(1, process.pid), signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert "lstmtext: rank 0: another process of the training is gone" in said, said
    assert (process.returncode == 0) == bool(restarts), said
    if not restarts:
        assert not (tmp_path / "model").exists()
        resumed = [sys.executable, "-m", "lstmtext", "train", "--resume", str(run)]
        done = subprocess.run(resumed, capture_output=True, text=True, check=False)
        assert (done.returncode, "2 x 1 threads before" in done.stderr) == (0, True), done.stderr
    assert load_bundle(tmp_path / "model").head()[1].training["epochs"] == 5


@pytest.mark.slow
def test_processes_started_anew_go_on_with_nothing_but_what_their_launcher_began(tmp_path):
    """A run of another launch lies there; theirs has no checkpoint as one is killed, but a log."""
    options = [ROOT / "data" / "reviews.csv", "-o", tmp_path / "model", *SMALL]
    other = [sys.executable, "-m", "lstmtext", "train", *options, "--seed", "7", "--set", "checkpoint.steps=1"]
    process = subprocess.Popen([str(word) for word in other], stderr=subprocess.DEVNULL)
    left = tmp_path / ".runs" / "model"
    while process.poll() is None and not list(left.glob("step-*")):
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert list(left.glob("step-*"))
    log = tmp_path / "log" / "steps.jsonl"
    own = ["--seed", "5", "--epochs", "5", "--log-dir", log.parent, "--set", "checkpoint.seconds=0"]
    command = torchrun("--max-restarts=1", "-m", "lstmtext", "train", *options, *own)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (log.exists() and log.read_text()):
        time.sleep(0.05)
    os.kill(process_of(1, process.pid), signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "another process of the training is gone" in said
    head = load_bundle(tmp_path / "model").head()[1]
    assert (head.settings.train.seed, head.training["epochs"]) == (5, 5)
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines() if '"kind": "step"' in line]
    assert steps == [*range(1, len(steps) + 1)]
    assert list(left.glob("step-*"))
    hidden = {path.name for path in tmp_path.iterdir() if path.name.startswith(".")}
    assert hidden == {".runs"}


def children(launcher: int) -> list[int]:
    listed = Path(f"/proc/{launcher}/task/{launcher}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def process_of(rank: int, *launchers: int) -> int:
    """The process id of a rank among the children of torchrun, of whichever host."""
    for child in (child for launcher in launchers for child in children(launcher)):
        if f"\0RANK={rank}\0".encode() in Path(f"/proc/{child}/environ").read_bytes():
            return child
    raise AssertionError(f"no rank {rank}")


@pytest.mark.slow
def test_standard_input_cannot_be_shared(tmp_path):
    command = torchrun("-m", "lstmtext", "train", "-", "--format", "csv", "--task", "classify", "-o", tmp_path / "m")
    done = subprocess.run(command, input="text,label\n", capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "standard input: cannot be shared by processes" in done.stderr


def prepared(*commands: list[str]) -> list[dict[str, object]]:
    """What each process of `rank_data` says that it has, in order of rank."""
    with ExitStack() as stack:
        started = [stack.enter_context(subprocess.Popen(own, cwd=ROOT, stdout=subprocess.PIPE)) for own in commands]
        for process in started:
            stack.callback(process.kill)
        said = b"".join(process.communicate(timeout=300)[0] for process in started)
    assert not any(process.returncode for process in started)
    return sorted(map(json.loads, said.splitlines()), key=lambda found: found["rank"])


@pytest.mark.slow
def test_the_processes_of_a_host_encode_a_part_each_and_map_the_data_of_one():
    words = ["-m", "tests.train.rank_data", "data/reviews.csv"]
    [alone] = prepared([sys.executable, *words])
    first, second = prepared(torchrun(*words))
    assert "encoded" in first.pop("written")
    assert second.pop("written") == []
    assert (first.pop("parts"), second.pop("parts")) == ([[0, 2]], [[1, 2]])
    assert (first.pop("opened"), second.pop("opened")) == (["own"], ["another's"])  # the second wrote nothing
    assert (first.pop("rank"), second.pop("rank")) == (0, 1)
    assert first == second
    assert first.items() >= {name: alone[name] for name in ("data", "words", "records", "size")}.items()
    assert first["records"] > 200


@pytest.mark.slow
def test_each_host_encodes_all_data():
    first, second = prepared(*of_two_hosts("-m", "tests.train.rank_data", "data/reviews.csv"))
    assert first["parts"] == second["parts"] == [[0, 1]]
    assert first["data"] == second["data"]
    assert first["opened"] == second["opened"] == ["own"]  # on real hosts, the other's files are not there
    assert "encoded" in first["written"]
    assert "encoded" in second["written"]


@pytest.mark.slow
@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_process_that_has_no_room_to_encode_says_so_and_the_others_leave(rank):
    command = torchrun("-m", "tests.train.rank_data", "data/reviews.csv", rank)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    said = [line for line in done.stderr.splitlines() if "No space left on device" in line]
    assert len(said) == 1
    assert "cannot be written" in said[0]
    assert done.stdout == ""
    assert done.returncode != 0


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classify", "tag"])
def test_the_first_process_fits_the_ngrams_for_all_and_what_was_taken_over_reaches_them(bundle_of, tmp_path, task):
    """Without chance, two processes have the losses of one from the first step on."""
    settings = [*WITHOUT_CHANCE, "train.batch_tokens=2048", "train.precision=float32"]
    still = [word for setting in settings for word in ("--set", setting)]
    data = [ROOT / "data" / FILES[task], "--encoder", bundle_of(task), "--threads", "1", "--epochs", "2", *still]
    words = ["-m", "tests.train.rank_train", "counted", "train", *data]
    found = {}
    for name, launch in {"one": [sys.executable, *words], "two": torchrun(*words)}.items():
        command = [*map(str, launch), "-o", str(tmp_path / name), "--log-dir", str(tmp_path / f"logs-{name}")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        fitted = [line for line in done.stderr.splitlines() if line.startswith("fitted")]
        assert fitted == (["fitted by 0"] if task == "classify" else [])
        steps = (tmp_path / f"logs-{name}" / "steps.jsonl").read_text().splitlines()
        found[name] = [record["loss"] for record in map(json.loads, steps) if record["kind"] == "step"]
    assert len(found["one"]) > 3
    assert found["two"][:4] == pytest.approx(found["one"][:4], abs=1e-4)  # then a batch of one text is joined


@pytest.mark.slow
def test_a_process_that_is_killed_while_all_encode_ends_the_others_with_a_clear_word(tmp_path):
    words = ["train", ROOT / "data" / "reviews.csv", "-o", tmp_path / "model", *SMALL, "-q"]
    command = torchrun("-m", "tests.train.rank_train", "killed", *words)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    said = [line for line in done.stderr.splitlines() if line.startswith("lstmtext: ")]
    assert len(said) == 1
    assert said[0].startswith(
        "lstmtext: rank 0: ended by its launcher, perhaps as another is gone; there is no checkpoint"
    )
    assert done.returncode != 0
    assert list(tmp_path.rglob("*")) in ([], [tmp_path / ".runs"])


@pytest.mark.slow
def test_data_that_cannot_be_read_are_told_of_once(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\ngood,\n")
    command = torchrun("-m", "lstmtext", "train", tmp_path / "a.csv", "-o", tmp_path / "m", "-q")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if line.startswith("lstmtext: ")]
    place, hint = f"{tmp_path}/a.csv:2", "with --multi-label, a text may have none"
    assert said == [f"lstmtext: {place}: 'label' is empty; expected a label in every row; {hint}"]
    assert done.returncode != 0


@pytest.mark.slow
def test_all_processes_begin_on_the_language_model_once_it_is_whole(tmp_path):
    options = [ROOT / "data" / "reviews.csv", "--adapt-on", ROOT / "data" / "prose.txt", "-o", tmp_path / "model"]
    more = [*SMALL, "--epochs", "1", "--set", "transfer.adapt_epochs=1"]
    command = torchrun("-m", "lstmtext", "train", *options, *more)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("lstmtext: saved") == 1
    assert "larger steps: --set generate.rows=256" in done.stderr
    assert load_bundle(tmp_path / "model").head()[1].training["started_from"] == "model.lm"
