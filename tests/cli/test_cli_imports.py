"""What a command loads: torch and datasets belong to training alone."""

import shutil
import subprocess
import sys

import datasets
import pytest

SCRIPT = """
import sys
from lstmtext.cli.app import main
try:
    main()
except SystemExit as left:
    assert not left.code, left.code
print(*sorted(set(sys.modules) & {"torch", "datasets", "onnxruntime", "onnx", "pandas", "pyarrow"}), file=sys.stderr)
"""
DATASETS = {"onnxruntime", "datasets", "pyarrow", "pandas"}
COMMANDS = {
    "classify": (["classify", "-m", "{classify}"], {"onnxruntime"}),
    "tag": (["tag", "-m", "{tag}"], {"onnxruntime"}),
    "generate": (["generate", "-m", "{generate}", "--max-tokens", "2"], {"onnxruntime"}),
    "evaluate a csv": (["evaluate", "{data}/reviews.csv", "-m", "{classify}"], {"onnxruntime"}),
    "evaluate a conll": (["evaluate", "{data}/entities.conll", "-m", "{tag}"], {"onnxruntime"}),
    "evaluate a text": (["evaluate", "{data}/held.txt", "-m", "{generate}"], {"onnxruntime"}),
    "evaluate a parquet": (["evaluate", "{data}/few.parquet", "-m", "{classify}"], DATASETS),
    "evaluate a folder": (["evaluate", "{data}/hub", "-m", "{classify}"], DATASETS),
    "info": (["info", "-m", "{classify}"], set()),
    "export": (["export", "-q", "-m", "{copy}", "--precision", "float32"], {"onnx"}),
    "train --help": (["train", "--help"], set()),
}


@pytest.mark.parametrize(("words", "allowed"), COMMANDS.values(), ids=COMMANDS)
def test_commands_that_do_not_train_load_no_torch_and_no_datasets(
    data, classify_bundle, tag_bundle, generate_bundle, tmp_path, words, allowed
):
    names = {"data": data, "classify": classify_bundle, "tag": tag_bundle, "generate": generate_bundle}
    names["copy"] = shutil.copytree(classify_bundle, tmp_path / "copy")
    few = datasets.Dataset.from_dict({"text": ["a", "b"], "label": ["positive", "negative"]})
    (data / "hub").mkdir(exist_ok=True)
    for path in (data / "few.parquet", data / "hub" / "train.parquet"):
        few.to_parquet(path)
    filled = [word.format(**names) for word in words]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *filled], input=b"Anna\n", capture_output=True, check=True)
    assert set(done.stderr.decode().split()) <= allowed
