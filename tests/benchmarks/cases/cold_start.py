"""Start-up: one line through a fresh process, beside `import torch` and peers that load a trained model."""

import subprocess
import sys

from tests.benchmarks.data import COMMAND, BenchData
from tests.benchmarks.measure import Result, time_commands

LINE = b"A lovely place.\n"
SPACY_SAVE = (
    "import sys, spacy; nlp = spacy.blank('en'); cats = nlp.add_pipe('textcat');"
    "cats.add_label('a'); cats.add_label('b'); nlp.initialize(); nlp.to_disk(sys.argv[1])"
)
SPACY_RUN = "import sys, spacy; print(spacy.load(sys.argv[1])(sys.stdin.read()).cats)"
SKLEARN_RUN = "import sklearn.linear_model, sklearn.feature_extraction.text"


def run(data: BenchData, rounds: int) -> list[Result]:
    bundle = data.bundle("reviews", data.sentences_train, "export.precision=int8", options=("--epochs", "1"))
    size = sum(path.stat().st_size for path in bundle.iterdir()) / 1e6
    python = sys.executable
    commands = {
        "lstmtext classify": [COMMAND, "classify", "-m", bundle],
        "lstmtext --help": [COMMAND, "--help"],
        "import torch": [python, "-c", "import torch"],
    }
    notes = [f"bundle of {size:.1f} MB in int8; peers load a model too, but scikit-learn is only imported"]
    peers = {"spaCy textcat": ("spacy", SPACY_RUN), "import scikit-learn": ("sklearn", SKLEARN_RUN)}
    for name, (module, program) in peers.items():
        if subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode:
            notes.append(f"{name}: left out, {module} is not installed")
        else:
            commands[name] = [python, "-c", program, data.work / "spacy"]
    if "spaCy textcat" in commands:
        subprocess.run([python, "-c", SPACY_SAVE, data.work / "spacy"], check=True, capture_output=True)
    return [Result("Cold start of one line", "seconds", time_commands(commands, 2 * rounds, LINE), notes)]
