"""Registers the commands, and turns what ends them into one line and an exit code."""

import signal
import sys
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import TyperException

from upsample_cli import __version__
from upsample_cli.cli import console
from upsample_cli.cli.explain import explain
from upsample_cli.cli.info import info
from upsample_cli.cli.resample import resample
from upsample_cli.errors import UpsampleError

WORDS_FOR = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
FAILED = 1

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (resample, info, explain):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.answer(f"upsample-cli {__version__}")
        raise typer.Exit


@app.callback()
def upsample_cli(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Resample images and medical volumes with PyTorch's numbers and a true header."""


class Stopped(BaseException):
    """A signal arrived that asks to stop; Typer must not take it for its own."""


def _stop(number: int, _frame: FrameType | None) -> None:
    raise Stopped(number)


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 a wrong request, 130 interrupted."""
    for number in WORDS_FOR:
        # A parent that ignores a signal, as nohup does, wants its children to.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        result = app(arguments, prog_name=console.PROGRAM, standalone_mode=False)
    except TyperException as error:
        if message := error.format_message():  # empty after help that nobody asked for
            console.error(message)
        return error.exit_code
    except typer.Exit as error:
        return error.exit_code
    except Stopped as stop:
        number = stop.args[0]
        console.error(f"{WORDS_FOR[number]}; no output was written")
        return 128 + number
    except UpsampleError as error:
        console.error(error)
        return error.exit_code
    except MemoryError:
        console.error("memory: not enough is free; ask for a smaller output")
        return FAILED
    except Exception as error:
        console.error(f"internal: {type(error).__name__}: {error}; run with --debug and report it")
        return FAILED
    return result if isinstance(result, int) else 0
