"""The gates bite: each is shown a planted violation and must name it. And the wheel works without dev packages."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sysconfig.get_path("scripts"))

pytestmark = pytest.mark.slow

PLANTED = {
    "ruff": (["ruff", "check", "lstmtext"], "text/planted.py", '"""Planted."""\n\nimport os\n'),
    "ruff format": (["ruff", "format", "--check", "lstmtext"], "text/planted.py", '"""Planted."""\n\nX   =  1\n'),
    "mypy": (["mypy", "lstmtext/text"], "text/planted.py", '"""Planted."""\n\nX: int = "one"\n'),
    "layers": (["lint-imports"], "text/planted.py", '"""Planted."""\n\nfrom lstmtext.data import records\n'),
    "torch": (["lint-imports"], "runtime/planted.py", '"""Planted."""\n\nimport torch\n'),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "lstmtext", folder / "lstmtext", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "checkpoints" / "en", folder / "checkpoints" / "en")
    for name in ("README.md", "en.py", "en_texts.py"):
        shutil.copy(ROOT / "checkpoints" / name, folder / "checkpoints")
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    return folder


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [BIN / command[0], *command[1:]], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("gate", PLANTED)
def test_a_gate_that_clean_code_passes_stops_a_planted_violation(gate, copy):
    """`make lint` shows that clean code passes."""
    command, place, content = PLANTED[gate]
    planted = copy / "lstmtext" / place
    planted.write_text(content)
    try:
        done = run(command, copy)
    finally:
        planted.unlink()
    assert done.returncode != 0
    assert "planted" in done.stdout + done.stderr


def test_the_wheel_trains_and_answers_in_an_environment_without_dev_packages(copy, tmp_path):
    def call(*command: object, stdin: str = "") -> str:
        done = subprocess.run(
            list(map(str, command)), input=stdin, capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    build = ["-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path / "dist")]
    done = subprocess.run([sys.executable, *build], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (source,) = (tmp_path / "dist").glob("*.tar.gz")  # what is published is what the wheel is made of
    call(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path / "dist", source)
    call(sys.executable, "-m", "venv", tmp_path / "venv")
    python, lstmtext = tmp_path / "venv/bin/python", tmp_path / "venv/bin/lstmtext"
    call(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *(tmp_path / "dist").glob("*.whl"))
    assert call(lstmtext, "classify", stdin="I loved it.\n").startswith("positive\t")
    assert call(lstmtext, "tag", "--head", "upos", stdin="She sang .\n").splitlines()[1] == "sang\tVERB"
    small = ["--encoder", "none", "--set", "encoder.hidden_size=32", "--epochs", "1", "-q"]
    for name, data in {"reviews": "reviews.csv", "entities": "entities.conll", "prose": "prose.txt"}.items():
        call(lstmtext, "train", ROOT / "data" / data, "-o", name, *small)
    assert call(lstmtext, "classify", "-m", "reviews", stdin="Good.\n").split("\t")[0] in ("positive", "negative")
    assert call(lstmtext, "tag", "-m", "entities", "--format", "inline", stdin="Anna slept.\n").count("\n") == 1
    assert call(lstmtext, "generate", "-m", "prose", "--prompt", "The", "--max-tokens", "5").startswith("The")


def test_the_demo_shows_every_command_and_its_output(tmp_path):
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    for name in ("data", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    script = tmp_path / "tests" / "demo.sh"
    shorter = script.read_text().replace("--budget 45s", "--budget 8s")
    assert shorter != script.read_text()
    script.write_text(shorter)
    done = subprocess.run(
        ["sh", "tests/demo.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.lstrip().startswith('$ echo "I loved it." | lstmtext classify\npositive\t0.')
    assert "$ lstmtext train data/reviews.csv" in done.stdout
    assert "positive\t0." in done.stdout
    assert "The ferry" in done.stdout.rsplit("--max-tokens 60\n")[-1]
