"""No network at run time, unless a hub dataset is named."""

import subprocess
import sys

import pytest

from tests.conftest import ENVIRONMENT, TINY

CUT_OFF = """
import socket, sys

def refuse(*_, **__):
    print("NETWORK", file=sys.stderr, flush=True)
    raise OSError("there is no network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
from lstmtext.cli.app import main
main()
"""
COMMANDS = {
    "classify": ["classify", "-m", "{classify}"],
    "tag": ["tag", "-m", "{tag}"],
    "generate": ["generate", "-m", "{generate}", "--max-tokens", "2"],
    "info": ["info", "-m", "{classify}"],
    "evaluate": ["evaluate", "{data}/entities.conll", "-m", "{tag}"],
    "preprocess": ["preprocess", "{data}/reviews.csv", "-o", "{out}"],
    "train": ["train", "{data}/reviews.csv", "-o", "{out}", "--encoder", "none", "--epochs", "1", *TINY],
    "train on text": ["train", "{data}/prose.txt", "-o", "{out}", "--encoder", "none", "--epochs", "1", *TINY],
}


def run(words, given=b"Anna\n"):
    program = [sys.executable, "-c", CUT_OFF, *words]
    online = {name: own for name, own in ENVIRONMENT.items() if not name.startswith("HF_")}
    return subprocess.run(program, input=given, capture_output=True, env=online, check=False, timeout=300)


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_command_needs_no_network_and_asks_for_none(
    data, classify_bundle, tag_bundle, generate_bundle, tmp_path, words
):
    names = {"classify": classify_bundle, "tag": tag_bundle, "generate": generate_bundle}
    done = run([word.format(data=data, out=tmp_path / "out", **names) for word in words])
    assert done.returncode == 0, done.stderr
    assert b"NETWORK" not in done.stderr


@pytest.mark.slow
def test_a_hub_dataset_asks_for_it(tmp_path):
    done = run(["train", "hf://nobody/nothing", "-o", str(tmp_path / "out")])
    assert (done.returncode, b"NETWORK" in done.stderr) == (3, True), done.stderr
