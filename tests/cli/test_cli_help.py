"""Help: every command shows how it is called."""

import pytest

COMMANDS = ("preprocess", "train", "tune", "evaluate", "classify", "tag", "generate", "info", "settings", "export")


def test_the_commands_tested_here_are_all_there_are():
    import typer

    from lstmtext.cli.app import app

    assert set(typer.main.get_command(app).commands) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(run_here, command):
    done = run_here(command, "--help")
    assert done.code == 0
    lines = [line.strip() for line in done.out.decode().splitlines()]
    examples = [line for line in lines if line.startswith(("lstmtext ", "echo "))]
    assert any(f"lstmtext {command}" in line for line in examples)
    assert run_here(command, "-h").out == done.out


def test_a_bare_call_shows_the_commands(run_here):
    done = run_here()
    assert done.code == 0
    assert all(command in done.out.decode() for command in COMMANDS)
    assert run_here("--help").out == done.out


def test_version_is_printed(run_here):
    from lstmtext import __version__

    assert run_here("--version").out.decode() == f"lstmtext {__version__}\n"
