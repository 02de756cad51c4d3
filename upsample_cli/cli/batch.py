"""``upsample-cli batch``: a folder tree, file by file."""

import inspect
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import typer

from upsample_cli.cli import batch_options as own
from upsample_cli.cli import console, options
from upsample_cli.cli.conv_transpose import conv_transpose
from upsample_cli.cli.pool import pool
from upsample_cli.cli.resample import resample
from upsample_cli.cli.signals import Stopped
from upsample_cli.errors import RequestError

if TYPE_CHECKING:
    from upsample_cli.batch.operation import Operation
    from upsample_cli.batch.run import BatchRequest

FAILED = 1

COMMANDS: dict[str, Callable[..., None]] = {
    "resample": resample,
    "pool": pool,
    "conv-transpose": conv_transpose,
}
"""Operation → the command whose options it takes."""

OF_ONE_FILE = ("source", "output", "indices", "explain", "format_name")
"""Parameters of those commands that a batch has in a way of its own, or not at all."""

FIRST = ("context", "source", "target")


def batch(
    context: typer.Context,
    source: own.SourceFolder,
    target: own.TargetFolder,
    op: own.Operation = own.OpName["resample"],
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
        operation=_operation(context, op.value, given | {"stride": stride}),
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


def _signature() -> inspect.Signature:
    """Return batch's own parameters, and those of the commands that it runs."""
    mine = inspect.signature(batch).parameters
    theirs = {
        name: parameter.replace(default=None) if parameter.default is parameter.empty else parameter
        for command in reversed(COMMANDS.values())
        for name, parameter in _taken_by(command).items()
        if name not in OF_ONE_FILE
    }
    every = {**theirs, **mine}
    every.pop("given")
    # The help shows panels in the order of their first option, and people look for the target.
    order = dict.fromkeys([*FIRST, *_taken_by(resample), *mine, *theirs])
    named = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature([every[name].replace(kind=named) for name in order if name in every])


def _taken_by(command: Callable[..., None]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(command).parameters


def _operation(context: typer.Context, name: str, given: dict[str, Any]) -> "Operation":
    from upsample_cli.batch.operation import Operation
    from upsample_cli.cli import requests

    taken = _taken_by(COMMANDS[name])
    for parameter in given:
        source = context.get_parameter_source(parameter)
        if parameter not in taken and source is not None and source.name == "COMMANDLINE":
            able = [op for op, command in COMMANDS.items() if parameter in _taken_by(command)]
            option = "--" + parameter.replace("_", "-")
            raise RequestError(option, f"goes with --op {' or '.join(able)}", "drop it")
    if name == "pool" and given["kernel_size"] is None:
        raise RequestError("--kernel-size", "is missing", "say the size of the window")
    builders: dict[str, Callable[[dict[str, Any]], Any]] = {
        "resample": requests.resample_request,
        "pool": requests.pool_request,
        "conv-transpose": requests.conv_transpose_request,
    }
    return Operation(name, builders[name](given))


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


batch.__signature__ = _signature()  # type: ignore[attr-defined]


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
