"""``upsample-cli batch``: a folder tree, file by file."""

import functools
import inspect
import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

import typer

from upsample_cli.cli import batch_options as own
from upsample_cli.cli import console, options
from upsample_cli.cli.command import REQUIRED, Command, signature_of
from upsample_cli.cli.signals import Stopped
from upsample_cli.errors import RequestError

if TYPE_CHECKING:
    from upsample_cli.batch.operation import Operation
    from upsample_cli.batch.run import BatchRequest

FAILED = 1

FIRST = ("context", "source", "target")


def batch(
    *,
    context: typer.Context,
    source: own.SourceFolder,
    target: own.TargetFolder,
    op: Enum,
    pattern: own.Pattern = None,
    exclude: own.Exclude = None,
    labels_pattern: own.LabelsPattern = None,
    to: own.Suffix = None,
    rename: own.Rename = "{stem}{suffix}",
    force: own.Force = False,
    retry_failed: own.RetryFailed = False,
    checksum: own.Checksum = False,
    fail_fast: own.FailFast = False,
    jobs: own.Jobs = None,
    shard: own.ShardOf = None,
    dask: own.Dask = None,
    log: own.Log = None,
    dry_run: own.DryRun = False,
    stride: own.Stride = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
    able: Mapping[str, Command],
    **given: Any,
) -> int:
    """Resample every image, volume and array of a folder tree into another folder.

    What was done stays done: the same command again skips every file whose input, options and
    version are those of the last time. A file that fails stops no other; the exit code is 1 then.

    Example: upsample-cli batch sample_data sample_data_x2 --scale 2 --pattern 'b*.nii.gz'
    """
    console.set_up(quiet=quiet, debug=debug)
    from upsample_cli import __version__
    from upsample_cli.batch.finding import Selection
    from upsample_cli.batch.naming import Naming
    from upsample_cli.batch.planning import Rules
    from upsample_cli.batch.run import BatchRequest
    from upsample_cli.batch.sharding import Shard
    from upsample_cli.cli.parsing import parse_memory

    request = BatchRequest(
        source=source,
        target=target,
        operation=_operation(context, able, op.value, given | {"stride": stride}),
        version=__version__,
        selection=Selection(pattern or (), exclude or ()),
        naming=Naming(to and "." + to.lower().lstrip("."), rename),
        labels=tuple(labels_pattern or ()),
        rules=Rules(force, retry_failed, checksum),
        jobs=jobs,
        threads=given["threads"],
        max_memory=parse_memory(given["max_memory"]),
        shard=Shard.parse(shard) if shard else None,
        scheduler=dask,
        fail_fast=fail_fast,
        log=log,
    )
    return _preview(request, quiet) if dry_run else _run(request, quiet)


def batch_function(commands: Mapping[str, Command]) -> Callable[..., int]:
    """Return what Typer calls: `batch`, with the options of the commands that it can do."""
    able = {name: command for name, command in commands.items() if command.is_of_batch}

    @functools.wraps(batch)
    def run(*arguments: Any, **given: Any) -> int:
        return batch(*arguments, able=able, **given)

    run.__signature__ = _signature(able)  # type: ignore[attr-defined]
    return run


def _signature(able: Mapping[str, Command]) -> inspect.Signature:
    """Return batch's own parameters, and those of the commands that it can do."""
    mine = {**inspect.signature(batch).parameters}
    mine["op"] = mine["op"].replace(annotation=own.operation_kind(able), default="resample")
    for name in ("able", "given"):
        mine.pop(name)
    theirs = {
        parameter.name: parameter
        for command in reversed([*able.values()])
        for parameter in _taken(command)
    }
    every = {**theirs, **mine}
    # The help shows panels in the order of their first option, and people look for the target.
    targets = [parameter.name for parameter in _taken(able["resample"])]
    order = dict.fromkeys([*FIRST, *targets, *mine, *theirs])
    named = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature([every[name].replace(kind=named) for name in order])


def _taken(command: Command) -> list[inspect.Parameter]:
    """Return the parameters that a batch takes from a command; it can demand none."""
    taken = [option for option in command.options if not option.is_of_one_file]
    parameters = signature_of(command, taken).parameters.values()
    return [
        parameter.replace(default=None) if parameter.default is REQUIRED else parameter
        for parameter in parameters
    ]


def _operation(
    context: typer.Context, able: Mapping[str, Command], name: str, given: dict[str, Any]
) -> "Operation":
    from upsample_cli.batch.operation import Operation

    command = able[name]
    for parameter in given:
        source = context.get_parameter_source(parameter)
        is_given = source is not None and source.name == "COMMANDLINE"
        if is_given and not command.takes(parameter):
            others = [other.name for other in able.values() if other.takes(parameter)]
            flag = "--" + parameter.replace("_", "-")
            raise RequestError(flag, f"goes with --op {' or '.join(others)}", "drop it")
    for option in command.options:
        if option.missing and given[option.name] is None:
            raise RequestError(option.flag, "is missing", option.missing)
    return Operation(name, command.request_of(given), command.operation)


def _preview(request: "BatchRequest", quiet: bool) -> int:
    from upsample_cli.batch.preview import preview
    from upsample_cli.text import readable_bytes

    found = preview(request, console.progress(quiet, "file"))
    console.notes([], found.remarks, quiet=quiet)
    for line in (*found.lines, found.totals):
        console.answer(line)
    for why in found.errors:
        console.problem(why, "")
    if not found.fits:
        needed, free = readable_bytes(found.least), readable_bytes(found.free)
        problem = f"needs at least {needed} of disk, but {free} are free"
        raise RequestError(request.target, problem, "free some, or do less at once")
    return FAILED if found.errors else 0


def _run(request: "BatchRequest", quiet: bool) -> int:
    from upsample_cli.batch.run import run_batch
    from upsample_cli.cli.screen import BatchScreen

    started, totals = time.monotonic(), None
    screen = BatchScreen(quiet=quiet)
    try:
        totals = run_batch(request, screen)
    except Stopped as stop:
        raise Stopped(stop.number, "what is done is kept, and the same command goes on") from None
    finally:
        screen.finish(totals, time.monotonic() - started)
    return 0 if totals.all_good else FAILED
