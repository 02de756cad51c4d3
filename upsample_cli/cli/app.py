"""Registers the commands, and turns what ends them into one line and an exit code."""

from typing import Annotated

import typer
from typer.exceptions import TyperException

from upsample_cli.cli import console
from upsample_cli.cli.batch import batch_function
from upsample_cli.cli.command import explaining, function_of
from upsample_cli.cli.commands import COMMANDS, EXPLAIN_RESAMPLE
from upsample_cli.cli.demo import demo
from upsample_cli.cli.info import info
from upsample_cli.cli.signals import Stopped
from upsample_cli.cli.verify import verify
from upsample_cli.cli.warmup import warmup
from upsample_cli.errors import UpsampleError

FAILED = 1


def application() -> typer.Typer:
    """Return the commands, as the table has them now."""
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made = {name: function_of(command) for name, command in COMMANDS.items()}
    first = made.pop("resample")
    functions = {"resample": first, "batch": batch_function(COMMANDS), **made, "info": info}
    functions |= {"explain": explaining(COMMANDS["resample"], EXPLAIN_RESAMPLE)}
    functions |= {"verify": verify, "warmup": warmup}
    for name, function in functions.items():
        app.command(name)(function)
    app.add_typer(demo, name="demo")
    app.callback()(upsample_cli)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from upsample_cli import __version__

        console.answer(f"upsample-cli {__version__}")
        raise typer.Exit


def upsample_cli(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Resample images and medical volumes with PyTorch's numbers and a true header."""


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        result = application()(arguments, prog_name=console.PROGRAM, standalone_mode=False)
    except TyperException as error:
        if message := _usage_message(error):  # empty after help that nobody asked for
            console.error(message)
        return error.exit_code
    except typer.Exit as error:
        return error.exit_code
    except Stopped as stop:
        console.error(stop)
        return stop.exit_code
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


def _usage_message(error: TyperException) -> str:
    """Return Typer's message in this program's form: the option, what is wrong, what is right."""
    parameter = getattr(error, "param", None)
    message = error.message or error.format_message()
    if parameter is None:
        # A shell makes several names of a glob that is not quoted.
        quote = "quote globs, and " if message.startswith("Got unexpected extra") else ""
        return f"{message.rstrip('.')}; {quote}see --help" if message else ""
    option = max(parameter.opts, key=len)
    name = option if option.startswith("-") else (parameter.metavar or option)
    if message.startswith("Missing "):
        return f"{name}: is missing; see --help"
    return f"{name}: {message.removeprefix('Value error, ')}"
