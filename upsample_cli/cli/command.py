"""What a row of the table of commands is, and what Typer calls for it."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, fields
from typing import Any

from upsample_cli.cli import console
from upsample_cli.cli.parsing import parse_target
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.operations import module_named
from upsample_cli.operations.requests import FileRequest
from upsample_cli.resources.threads import available_threads

Given = dict[str, Any]
"""The options of a command line, by the names of their parameters."""
REQUIRED = inspect.Parameter.empty


def as_given(value: Any) -> Any:
    """Return what was given."""
    return value


@dataclass(frozen=True)
class Option:
    """An option or argument, and what of a request it settles.

    Attributes
    ----------
    name
        Of the parameter.
    kind
        Its type for Typer, with its names and help.
    field
        What it settles; by default the field of its name. Several settle one of GROUPS together.
    parse
        From what was given to the field's value.
    is_of_request
        Whether it settles a field at all.
    is_of_one_file
        Whether a batch has it in a way of its own, or not at all.
    is_of_writing
        Whether it says only how the output is written, or that it is.
    default
        Where neither the request has one, nor None says that it was not given.
    missing
        What to say where it must be given, and a batch cannot demand it of every operation.
    """

    name: str
    kind: Any
    field: str = ""
    parse: Callable[[Any], Any] = as_given
    is_of_request: bool = True
    is_of_one_file: bool = False
    is_of_writing: bool = False
    default: Any = None
    missing: str = ""

    @property
    def flag(self) -> str:
        """Its long name on the command line."""
        return "--" + self.name.replace("_", "-")


GROUPS: dict[str, Callable[..., Any]] = {"target": parse_target, "image": ImageOptions}
"""Field of a request → what makes it of several options, by their names."""


@dataclass(frozen=True)
class Command:
    """A row of COMMANDS.

    Attributes
    ----------
    name
        As it is typed.
    request
        What is asked by it.
    options
        In the order of its help.
    summary
        Its help.
    is_of_batch
        Whether ``batch`` can do it to every file.
    module
        Whose ``prepare`` does it; by default that of `operations` with the command's name.
    """

    name: str
    request: type[FileRequest]
    options: tuple[Option, ...]
    summary: str
    is_of_batch: bool = False
    module: str = ""

    @property
    def operation(self) -> str:
        """The module whose ``prepare`` does it."""
        return self.module or module_named(self.name)

    def takes(self, parameter: str) -> bool:
        """Whether one of its options has this parameter."""
        return any(option.name == parameter for option in self.options)

    def request_of(self, given: Given) -> FileRequest:
        """Return what is asked for.

        Raises
        ------
        RequestError
            If an option's text is not what it takes, or there is not one target.
        """
        settled: Given = {"threads": available_threads()}
        grouped: defaultdict[str, Given] = defaultdict(dict)
        for option in (option for option in self.options if option.is_of_request):
            value = given.get(option.name)
            field = option.field or option.name
            if field in GROUPS:
                grouped[field][option.name] = value
            elif value is not None:
                settled[field] = option.parse(value)
        settled |= {field: GROUPS[field](**values) for field, values in grouped.items()}
        return self.request(**settled)

    def default_of(self, option: Option) -> Any:
        """Return the default of an option's parameter: the request's where that can be shown."""
        known = {field.name: field.default for field in fields(self.request)}
        default = known.get(option.field or option.name, MISSING)
        is_shown = option.is_of_request and isinstance(default, (bool, int, float))
        return default if is_shown and option.name != "threads" else option.default


def signature_of(command: Command, taken: Iterable[Option]) -> inspect.Signature:
    """Return the signature that Typer reads: the parameters of some of a command's options."""
    return inspect.Signature(
        [
            inspect.Parameter(
                option.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=command.default_of(option),
                annotation=option.kind,
            )
            for option in taken
        ]
    )


def function_of(command: Command) -> Callable[..., None]:
    """Return what Typer calls for a command."""

    def run(**given: Any) -> None:
        quiet = given["quiet"]
        console.set_up(quiet=quiet, debug=given["debug"])
        from upsample_cli.operations.work import carry_out

        request = command.request_of(given)
        source, output = (given[option.name] for option in command.options[:2])
        if given.get("explain"):
            console.explanation(command.operation, request, source, quiet=quiet)
            return
        done = carry_out(command.operation, request, source, output, console.progress(quiet))
        console.finished(done, quiet=quiet)

    return _as_command(run, command, command.options, command.summary)


def explaining(command: Command, summary: str) -> Callable[..., None]:
    """Return what Typer calls to show what a command would do; nothing is written."""

    def run(**given: Any) -> None:
        quiet = given["quiet"]
        console.set_up(quiet=quiet, debug=given["debug"])
        request = command.request_of(given)
        console.explanation(command.operation, request, given["source"], quiet=quiet)

    taken = [option for option in command.options if not option.is_of_writing]
    return _as_command(run, command, taken, summary)


def _as_command(
    run: Callable[..., None], command: Command, taken: Iterable[Option], summary: str
) -> Callable[..., None]:
    run.__doc__ = summary
    run.__signature__ = signature_of(command, taken)  # type: ignore[attr-defined]
    return run
