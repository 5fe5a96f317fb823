"""`lstmtext train`: options that do not go together are told apart before anything is read."""

import pytest
import typer

from lstmtext.cli.app import app
from lstmtext.cli.train import NOT_TOGETHER, OF_THE_RUN

PARAMETERS = {parameter.name: parameter for parameter in typer.main.get_command(app).commands["train"].params}
RESUMED = ["--resume", "run"]
TOGETHER = ["--task-data", "a=a.csv", "--task-data", "b=b.csv", "-o", "out"]


@pytest.mark.parametrize(
    ("words", "flag", "name"),
    [
        *((RESUMED, "--resume", name) for name in sorted(OF_THE_RUN)),
        *((TOGETHER, "--task-data", name) for name in sorted(NOT_TOGETHER)),
    ],
)
def test_an_option_that_does_not_go_with_a_flag_is_named(run_here, monkeypatch, tmp_path, words, flag, name):
    monkeypatch.chdir(tmp_path)
    parameter = PARAMETERS[name]
    is_argument = parameter.param_type_name == "argument"
    given = ["x"] if is_argument else [parameter.opts[-1], "x"]
    shown = "DATA" if is_argument else "/".join(parameter.opts)
    done = run_here("train", *words, *given)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert done.err.startswith(f"lstmtext: {shown}: cannot be had with {flag}; ")
    assert list(tmp_path.iterdir()) == []


def test_what_goes_with_resume_is_taken(run_here, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    done = run_here("train", "data.csv", "--resume", "run", "--valid", "v.csv", "--epochs", 3, "--seed", 2, "--force")
    assert "no training to resume there" in done.err
