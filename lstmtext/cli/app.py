"""The application: its commands, and the one place where errors become exit codes.

Importing it loads no torch, no datasets and no ONNX Runtime; commands import what they use.
"""

import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from lstmtext import __version__
from lstmtext.cli import classify, evaluate, export, generate, info, preprocess, settings, tag, train, tune
from lstmtext.cli.streams import abandon, remark
from lstmtext.errors import ExitCode, Interrupted, UserError
from lstmtext.folders import NO_ROOM

app = typer.Typer(
    help="Train small private text models on your own data, on a CPU, and run them in shell pipes, offline.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help starts 80 ms sooner
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    preprocess.preprocess,
    train.train,
    tune.tune,
    evaluate.evaluate,
    classify.classify,
    tag.tag,
    generate.generate,
    info.info,
    settings.settings,
    export.export,
):
    # "\b" keeps the lines of a paragraph apart; docstrings hold it as two characters.
    app.command(help=(command.__doc__ or "").replace("\\b", "\b"))(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lstmtext {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Train small private text models on your own data, on a CPU, and run them in shell pipes, offline."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> NoReturn:
    """Run a command and leave with its exit code."""
    debug = "--debug" in sys.argv[1:]
    sys.argv[1:] = [word for word in sys.argv[1:] if word != "--debug"]
    for ending in (signal.SIGTERM, signal.SIGHUP):  # clean up as after Ctrl-C, unless told to ignore it (nohup)
        if signal.getsignal(ending) == signal.SIG_DFL:
            signal.signal(ending, _interrupt)
    for stream in (sys.stdin, sys.stdout):  # some programs hand on pipes that do not wait: a pause would be the end
        with suppress(OSError, ValueError, AttributeError):
            os.set_blocking(stream.fileno(), True)
    code, message = _run(debug=debug) if sys.stdout else (ExitCode.USAGE, "standard output: is closed")
    _heed_no_more()
    if message:
        remark(message)
    sys.exit(code)


def _heed_no_more() -> None:
    """All is done: one more Ctrl-C must not change the exit code, not even one that comes just now."""
    left = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    while left:
        with suppress(KeyboardInterrupt):
            signal.signal(left[-1], signal.SIG_IGN)
            left.pop()


def _interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt(signum)


def _run(*, debug: bool) -> tuple[int, str]:
    try:
        return _invoke(), ""
    except (Exception, KeyboardInterrupt) as error:
        if debug and not isinstance(error, typer.Exit):
            traceback.print_exc()
        if isinstance(error, OSError):
            abandon(sys.stdout)
        return _explain(error)


def _explain(error: BaseException) -> tuple[int, str]:
    """The exit code of what ended a command, and the line that tells the user, empty where nothing went wrong."""
    match error:
        case typer.Exit():
            return error.exit_code, ""
        case BrokenPipeError():  # the reader has left, as `head` does
            return ExitCode.OK, ""
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED, "interrupted"
        case TyperException():
            said = error.format_message()
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "lstmtext"
            return ExitCode.USAGE, f"{said}{'' if said.endswith(('.', '?')) else '.'} See {command} --help."
        case UserError() | Interrupted():
            return error.exit_code, str(error)
        case OSError():
            place = error.filename or ("standard output" if error.errno in NO_ROOM else "")
            return ExitCode.UNEXPECTED, f"{place}: {error.strerror}" if place else str(error)
    return ExitCode.UNEXPECTED, f"unexpected {type(error).__name__}: {error}; see --debug"


def _invoke() -> int:
    """The command's own exit code. Typer's `app()` is not called: it turns a broken pipe into exit code 1."""
    with typer.main.get_command(app).make_context("lstmtext", sys.argv[1:]) as context:
        code = int(context.command.invoke(context) or ExitCode.OK)
    sys.stdout.flush()
    return code
