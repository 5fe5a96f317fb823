"""What a command loads: torch and datasets belong to training alone."""

import shutil
import subprocess
import sys

import datasets
import pytest

SCRIPT = """
import sys
WATCHED = sys.argv.pop(1)
from lstmtext.cli.app import main
try:
    main()
except SystemExit as left:
    assert not left.code, left.code
print(*sorted(set(sys.modules) & set(WATCHED.split())), file=sys.stderr)
"""
WATCHED = "torch datasets onnxruntime onnx pandas pyarrow numpy tokenizers regex safetensors"
BUNDLE = {"numpy", "tokenizers", "regex", "safetensors"}
RUNTIME = BUNDLE | {"onnxruntime"}
DATASETS = RUNTIME | {"datasets", "pyarrow", "pandas"}
COMMANDS = {
    "classify": (["classify", "-m", "{classify}"], RUNTIME),
    "tag": (["tag", "-m", "{tag}"], RUNTIME),
    "generate": (["generate", "-m", "{generate}", "--max-tokens", "2"], RUNTIME),
    "evaluate a csv": (["evaluate", "{data}/reviews.csv", "-m", "{classify}"], RUNTIME),
    "evaluate a conll": (["evaluate", "{data}/entities.conll", "-m", "{tag}"], RUNTIME),
    "evaluate a text": (["evaluate", "{data}/held.txt", "-m", "{generate}"], RUNTIME),
    "evaluate a parquet": (["evaluate", "{data}/few.parquet", "-m", "{classify}"], DATASETS),
    "evaluate a folder": (["evaluate", "{data}/hub", "-m", "{classify}"], DATASETS),
    "info": (["info", "-m", "{classify}"], BUNDLE),
    "export": (["export", "-q", "-m", "{copy}", "--precision", "float32"], BUNDLE | {"onnx"}),
    "settings": (["settings", "tag"], {"numpy", "regex"}),
    "train --help": (["train", "--help"], set()),
    "--help": (["--help"], set()),
    "--version": (["--version"], set()),
}


@pytest.mark.parametrize(("words", "allowed"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_loads_nothing_that_it_does_not_use(
    data, classify_bundle, tag_bundle, generate_bundle, tmp_path, words, allowed
):
    names = {"data": data, "classify": classify_bundle, "tag": tag_bundle, "generate": generate_bundle}
    names["copy"] = shutil.copytree(classify_bundle, tmp_path / "copy")
    few = datasets.Dataset.from_dict({"text": ["a", "b"], "label": ["positive", "negative"]})
    (data / "hub").mkdir(exist_ok=True)
    for path in (data / "few.parquet", data / "hub" / "train.parquet"):
        few.to_parquet(path)
    filled = [word.format(**names) for word in words]
    words = [sys.executable, "-c", SCRIPT, WATCHED, *filled]
    done = subprocess.run(words, input=b"Anna\n", capture_output=True, check=True)
    assert set(done.stderr.decode().split()) <= allowed
