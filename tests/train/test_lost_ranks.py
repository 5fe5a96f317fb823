"""A process of a training that is killed: what starts anew goes on, on several hosts too."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from torch.distributed import HashStore, PrefixStore

from lstmtext.bundle import load_bundle
from lstmtext.train.ranks import _name_of_start
from tests.train.test_ranks import ROOT, SMALL, children, free_port, process_of, torchrun
from tests.train.test_resume import bundle_of

DATA = ROOT / "data" / "reviews.csv"
PATIENCE = 120


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A launcher, which is ended with its processes."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            for own in (*children(process.pid), process.pid):
                with suppress(ProcessLookupError):
                    os.kill(own, signal.SIGKILL)


def wait_for(process: subprocess.Popen[str], run: Path) -> None:
    """Until a run has a checkpoint, or its launcher is gone."""
    while process.poll() is None and not list(run.glob("step-*")):
        time.sleep(0.05)


def test_processes_that_start_anew_agree_on_a_name_whatever_those_before_left():
    launcher = PrefixStore("launcher", HashStore())
    launcher.set("start", "one whose processes were gone before they met")
    names = set()
    for _ in range(3):
        with ThreadPoolExecutor(3) as pool:
            others = [pool.submit(_name_of_start, launcher, rank, 3) for rank in (2, 1)]
            time.sleep(0.1)  # in which they find the name of an earlier start
            found = {own.result(10) for own in (pool.submit(_name_of_start, launcher, 0, 3), *others)}
        assert len(found) == 1
        names |= found
    assert len(names) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("meeting", "killed"), [("c10d", 0), ("c10d", 1), ("static", 0)])
def test_hosts_start_anew_together_where_a_process_of_one_is_killed(meeting, killed, tmp_path):
    """Two launchers stand for two hosts; the other host starts first, and finds what the killed process left."""
    port = free_port()
    meet = {
        "c10d": ["--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{port}", "--rdzv-id=own"],
        "static": ["--master-addr=127.0.0.1", f"--master-port={port}"],
    }
    launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", "--max-restarts=1"]
    late = ["--no-python", "bash", "-c", f'sleep $((RANK == {killed} ? 3 : 0)); exec "$@"', "bash", sys.executable]
    train = [DATA, "-o", tmp_path / "model", *SMALL, "--set", "checkpoint.steps=5", "--epochs", "5"]
    with ExitStack() as stack:
        hosts = []
        for host in range(2):
            number = [] if meeting == "c10d" else [f"--node-rank={host}"]
            command = [*launch, *meet[meeting], *number, *late, "-m", "lstmtext", "train", *map(str, train)]
            hosts.append(stack.enter_context(started(command)))
        wait_for(hosts[0], tmp_path / ".runs" / "model")
        os.kill(process_of(killed, *(host.pid for host in hosts)), signal.SIGKILL)
        said = [process.communicate(timeout=PATIENCE)[1] for process in hosts]
    assert [process.returncode for process in hosts] == [0, 0], said
    assert "another process of the training is gone" in "".join(said)
    training = load_bundle(tmp_path / "model").head()[1].training
    assert (training["epochs"], training["processes"]) == (5, 2)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_where_a_process_is_killed_early_the_others_are_told_of_a_checkpoint_that_is_there(killed, tmp_path):
    train = [DATA, "-o", tmp_path / "model", *SMALL, "--epochs", "8", "--set", "train.patience=8"]
    run = tmp_path / ".runs" / "model"
    with started(torchrun("-m", "lstmtext", "train", *train)) as process:
        wait_for(process, run)
        os.kill(process_of(killed, process.pid), signal.SIGKILL)
        _, said = process.communicate(timeout=PATIENCE)
    assert f"rank {1 - killed}: another process of the training is gone; start all again with --resume {run};" in said
    resumed = [sys.executable, "-m", "lstmtext", "train", "--resume", str(run), "-q"]
    done = subprocess.run(resumed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert load_bundle(tmp_path / "model").head()[1].training["epochs"] == 8


@pytest.mark.slow
def test_as_many_processes_go_on_to_the_bundle_of_those_that_nobody_killed(tmp_path):
    words = [*SMALL, "--epochs", "4", "--set", "train.precision=float32", "--set", "checkpoint.steps=5", "-q"]
    whole, broken = (["-m", "lstmtext", "train", DATA, "-o", tmp_path / own / "model", *words] for own in "wb")
    done = subprocess.run(torchrun(*whole), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "b" / ".runs" / "model"
    with started(torchrun(*broken)) as process:
        wait_for(process, run)
        os.kill(process_of(1, process.pid), signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    resumed = torchrun("-m", "lstmtext", "train", "--resume", run, "-q")
    done = subprocess.run(resumed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert bundle_of(tmp_path / "b" / "model") == bundle_of(tmp_path / "w" / "model")


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_where_a_process_is_killed_before_a_checkpoint_the_others_say_so_and_nothing_is_left(killed, tmp_path):
    train = [DATA, "-o", tmp_path / "model", *SMALL, "--epochs", "8", "--set", "checkpoint.seconds=0"]
    run = tmp_path / ".runs" / "model"
    with started(torchrun("-m", "lstmtext", "train", *train)) as process:
        while process.poll() is None and not (run / "run.json").exists():
            time.sleep(0.05)
        os.kill(process_of(killed, process.pid), signal.SIGKILL)
        _, said = process.communicate(timeout=PATIENCE)
    gone = f"rank {1 - killed}: another process of the training is gone"
    assert f"{gone}; there is no checkpoint yet: start all again from the beginning" in said
    assert not list(tmp_path.iterdir())
