"""`lstmtext train`: options that do not go together are told apart before anything is read."""

import pytest

RESUMED = ["--resume", "run"]
OF_THE_RUN = [
    "-o/--output",
    "--task",
    "--format",
    "--text-column",
    "--label-column",
    "--tag-column",
    "--weight-column",
    "--head",
    "--replay",
    "--encoder",
    "--adapt-on",
    "--add-to",
    "--task-data",
    "--valid-data",
]
TOGETHER = ["--task-data", "a=a.csv", "--task-data", "b=b.csv", "-o", "out"]
NOT_TOGETHER = ["DATA", "--valid", "--task", "--head", "--replay", "--adapt-on", "--add-to"]


@pytest.mark.parametrize(
    ("words", "flag", "name"),
    [
        *((RESUMED, "--resume", name) for name in OF_THE_RUN),
        *((TOGETHER, "--task-data", name) for name in NOT_TOGETHER),
    ],
)
def test_an_option_that_does_not_go_with_a_flag_is_named(run_here, monkeypatch, tmp_path, words, flag, name):
    monkeypatch.chdir(tmp_path)
    given = ["x"] if name == "DATA" else [name.rpartition("/")[2], "x"]
    done = run_here("train", *words, *given)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert done.err.startswith(f"lstmtext: {name}: cannot be had with {flag}; ")
    assert list(tmp_path.iterdir()) == []


def test_what_goes_with_resume_is_taken(run_here, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    done = run_here("train", "data.csv", "--resume", "run", "--valid", "v.csv", "--epochs", 3, "--seed", 2, "--force")
    assert "no training to resume there" in done.err
