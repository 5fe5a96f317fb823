"""README and command line say the same: commands exist, options exist, settings exist."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from lstmtext.cli.app import app
from lstmtext.config import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = typer.main.get_command(app).commands


def lines_of_readme() -> list[str]:
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", README, re.DOTALL)
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in joined.splitlines() if re.search(r"(?:^|[|] ?|\$ )lstmtext ", line)]


@pytest.mark.parametrize("line", lines_of_readme())
def test_a_readme_line_uses_commands_and_options_that_exist(line):
    for part in re.findall(r"lstmtext (.*?)(?: \||$)", line):
        name, *words = part.split()
        assert name in COMMANDS, line
        known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        assert {word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word)} <= known, line


def lines_of_help() -> list[str]:
    lines = [line.strip() for command in COMMANDS.values() for line in (command.help or "").splitlines()]
    return [line for line in lines if re.search(r"(?:^|\| )lstmtext ", line)]


@pytest.mark.slow
def test_every_line_of_readme_and_help_runs(tmp_path):
    """In order, in one folder, each once; trainings are short and small, since what they learn is not the question."""
    shutil.copytree(ROOT / "data", tmp_path / "data")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    lines = [*lines_of_readme(), *lines_of_help()]
    assert len(lines) > 20
    for line in {re.sub(r" -q$| --budget \S+ -q$", "", line): line for line in lines}.values():
        command = re.sub(r"(lstmtext train (?!--resume).*?)(?: --epochs \d+)?$", r"\1 --epochs 1", line)
        if re.search("lstmtext train (?!--resume|.*--add-to|.*--encoder)", command):
            command += " --encoder none --set encoder.hidden_size=16"
        command = re.sub(r"(lstmtext tune .*)--budget \S+", r"\1--budget 60s --trials 1 --set train.epochs=1", command)
        streams = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, check=False, timeout=120, **streams)
        if "--resume" in line:  # nothing was cut short
            assert (done.returncode, "no training to resume there" in done.stderr) == (2, True), done.stderr
        else:
            assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_the_readme_names_every_command():
    assert set(COMMANDS) <= set(re.findall(r"lstmtext ([a-z]+)", README))


def test_the_first_command_stands_by_line_20():
    assert any("make demo" in line for line in README.splitlines()[:20])


def test_every_setting_that_a_document_names_exists():
    sections = Settings().as_dict()
    text = README + (ROOT / "CONTRIBUTING.md").read_text()
    for section, name in re.findall(r"--set ([a-z]+)\.([a-z_]+)=", text):
        assert name in sections[section]


def test_every_setting_has_a_docstring():
    source = (ROOT / "lstmtext" / "config.py").read_text()
    for section in dataclasses.fields(Settings):
        for item in dataclasses.fields(getattr(Settings(), section.name)):
            assert re.search(rf'^    {item.name}: .*(?:\n    (?![a-z"]).*)*\n    """', source, re.MULTILINE), item.name
