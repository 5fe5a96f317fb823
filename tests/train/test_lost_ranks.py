"""A process of a training that is killed: what starts anew goes on, on several hosts too."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from lstmtext.bundle import load_bundle
from tests.train.test_ranks import ROOT, SMALL, children, free_port, process_of

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


@pytest.mark.slow
@pytest.mark.parametrize(("meeting", "killed"), [("c10d", 1), ("static", 0)])
def test_hosts_start_anew_together_where_a_process_of_one_is_killed(meeting, killed, tmp_path):
    """Two launchers stand for two hosts; one host alone may count a restart, as it takes the other along."""
    port = free_port()
    meet = {
        "c10d": ["--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{port}", "--rdzv-id=own"],
        "static": ["--master-addr=127.0.0.1", f"--master-port={port}"],
    }
    launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", "--max-restarts=1"]
    train = [DATA, "-o", tmp_path / "model", *SMALL, "--set", "checkpoint.steps=5", "--epochs", "12"]
    with ExitStack() as stack:
        hosts = []
        for host in range(2):
            number = [] if meeting == "c10d" else [f"--node-rank={host}"]
            command = [*launch, *meet[meeting], *number, "-m", "lstmtext", "train", *map(str, train)]
            hosts.append(stack.enter_context(started(command)))
        wait_for(hosts[0], tmp_path / ".runs" / "model")
        os.kill(process_of(killed, *(host.pid for host in hosts)), signal.SIGKILL)
        said = [process.communicate(timeout=PATIENCE)[1] for process in hosts]
    assert [process.returncode for process in hosts] == [0, 0], said
    assert "another process of the training is gone" in "".join(said)
    training = load_bundle(tmp_path / "model").head()[1].training
    assert (training["epochs"], training["processes"]) == (12, 2)
