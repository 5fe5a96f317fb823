"""What a command loads: torch and datasets belong to training alone."""

import shutil
import subprocess
import sys

import datasets
import pytest

from tests.conftest import TINY

SCRIPT = """
import sys
from lstmtext.cli.app import main
try:
    main()
except SystemExit as left:
    assert not left.code, left.code
files = ((name, getattr(own, "__file__", None) or "") for name, own in sys.modules.items())
loaded = {name.partition(".")[0] for name, file in files if "site-packages" in file}
print(*loaded, *{"numpy.ma", "torch._dynamo"} & {*sys.modules}, file=sys.stderr)  # 20 ms, and a second
"""
INSTALLER = {"_distutils_hack", "lstmtext", "coverage"}
"""What an environment loads by itself, and this package where it is installed as a wheel."""
TYPER = {"typer", "shellingham", "annotated_doc"}
BUNDLE = {*TYPER, "numpy", "tokenizers", "regex", "safetensors"}
RUNTIME = BUNDLE | {"onnxruntime"}
TABLES = {"rich"}
COMMANDS = {
    "classify": (["classify", "-m", "{classify}"], RUNTIME),
    "tag": (["tag", "-m", "{tag}"], RUNTIME),
    "generate": (["generate", "-m", "{generate}", "--max-tokens", "2"], RUNTIME),
    "evaluate a csv": (["evaluate", "{data}/reviews.csv", "-m", "{classify}"], RUNTIME | TABLES),
    "evaluate a conll": (["evaluate", "{data}/entities.conll", "-m", "{tag}"], RUNTIME | TABLES),
    "evaluate a text": (["evaluate", "{data}/held.txt", "-m", "{generate}"], RUNTIME | TABLES),
    "info": (["info", "-m", "{classify}"], BUNDLE | TABLES),
    "settings": (["settings", "tag"], TYPER | {"numpy", "regex"}),
    "train --help": (["train", "--help"], TYPER),
    "--help": (["--help"], TYPER),
    "--version": (["--version"], TYPER),
}
"""What each command may load of other packages."""
TRAIN = ["train", "{data}/reviews.csv", "-o", "{out}", "-q", "--epochs", "1", *TINY]
HEAVY = {
    "evaluate a parquet": (["evaluate", "{data}/few.parquet", "-m", "{classify}"], {"torch", "onnx"}),
    "evaluate a folder": (["evaluate", "{data}/hub", "-m", "{classify}"], {"torch", "onnx"}),
    "preprocess": (["preprocess", "{data}/reviews.csv", "-o", "{out}", "-q"], {"torch", "onnx", "onnxruntime"}),
    "export": (["export", "-q", "-m", "{copy}", "--precision", "float32"], {"torch", "datasets", "onnxruntime"}),
    "train by adamw": ([*TRAIN], {"torch._dynamo"}),
    "train by sgd": ([*TRAIN, "--set", "train.optimizer=sgd"], {"torch._dynamo"}),
}
"""What those must not load that use packages which load many others."""


@pytest.fixture
def load(data, classify_bundle, tag_bundle, generate_bundle, tmp_path):
    """What a command loads of other packages."""
    names = {"data": data, "classify": classify_bundle, "tag": tag_bundle, "generate": generate_bundle}
    names |= {"copy": shutil.copytree(classify_bundle, tmp_path / "copy"), "out": tmp_path / "out"}
    few = datasets.Dataset.from_dict({"text": ["a", "b"], "label": ["positive", "negative"]})
    (data / "hub").mkdir(exist_ok=True)
    for path in (data / "few.parquet", data / "hub" / "train.parquet"):
        few.to_parquet(path)

    def loaded(words):
        filled = [sys.executable, "-c", SCRIPT, *(word.format(**names) for word in words)]
        done = subprocess.run(filled, input=b"Anna\n", capture_output=True, check=True)
        return set(done.stderr.decode().splitlines()[-1].split()) - INSTALLER

    return loaded


@pytest.mark.parametrize(("words", "allowed"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_loads_nothing_that_it_does_not_use(load, words, allowed):
    assert load(words) <= allowed


@pytest.mark.parametrize(("words", "refused"), HEAVY.values(), ids=HEAVY)
def test_what_reads_by_datasets_writes_graphs_or_trains_loads_no_more_than_that(load, words, refused):
    assert not load(words) & refused
