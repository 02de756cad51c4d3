"""The options that batch alone has."""

from collections.abc import Iterable
from enum import Enum
from typing import Annotated, Any

import typer

from upsample_cli.cli.options import FILES, OUTPUT, PER_AXIS, WINDOW

WHICH, AGAIN, SHARED = "Which files", "What is done again", "Who does it"

SourceFolder = Annotated[
    str, typer.Argument(metavar="SOURCE_DIR", help="The folder with the inputs.")
]
TargetFolder = Annotated[
    str, typer.Argument(metavar="TARGET_DIR", help="The folder for the outputs; it may be new.")
]
Pattern = Annotated[
    list[str] | None,
    typer.Option(
        "--pattern",
        metavar="GLOB",
        help="Take these names alone, or with a slash these paths; repeatable. Default: every "
        "known format.",
        show_default=False,
        rich_help_panel=WHICH,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="GLOB",
        help="Leave out files and folders of these names or paths; repeatable.",
        rich_help_panel=WHICH,
    ),
]
LabelsPattern = Annotated[
    list[str] | None,
    typer.Option(
        "--labels-pattern",
        metavar="GLOB",
        help="Files that are label maps, such as '*_seg*': mode label, their own dtype, 0 outside. "
        "Each must land on its image's grid; repeatable.",
        rich_help_panel=WHICH,
    ),
]
Suffix = Annotated[
    str | None,
    typer.Option(
        "--to",
        "--format",
        metavar="SUFFIX",
        help="Format of the outputs, such as png or nii.gz; the input's own by default.",
        show_default=False,
        rich_help_panel=FILES,
    ),
]
Rename = Annotated[
    str,
    typer.Option(
        "--rename",
        metavar="TEMPLATE",
        help="The outputs' names, such as '{stem}_x2{suffix}'.",
        rich_help_panel=FILES,
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", "-f", help="Do every file, and replace what exists.", rich_help_panel=AGAIN
    ),
]
RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed",
        help="Take only the files that failed the last time.",
        rich_help_panel=AGAIN,
    ),
]
Checksum = Annotated[
    bool,
    typer.Option(
        "--checksum",
        help="Tell inputs by their SHA-256, not by size and time of change.",
        rich_help_panel=AGAIN,
    ),
]
FailFast = Annotated[
    bool,
    typer.Option("--fail-fast", help="Stop at the first file that fails.", rich_help_panel=AGAIN),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        help="Worker processes. Default: by the cores, the files and the memory that is free.",
        show_default=False,
        rich_help_panel=SHARED,
    ),
]
ShardOf = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Do part I of N, from 1 to N: parts of about the same size, the same on any machine.",
        rich_help_panel=SHARED,
    ),
]
Dask = Annotated[
    str | None,
    typer.Option(
        "--dask",
        metavar="ADDRESS",
        help="Let the workers of this dask.distributed scheduler do it; needs the extra dask.",
        rich_help_panel=SHARED,
    ),
]
Log = Annotated[
    str | None,
    typer.Option(
        "--log",
        metavar="FILE.jsonl",
        help="Add a line of JSON for every file: shapes, options, seconds, peak memory, error.",
        rich_help_panel=OUTPUT,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Write nothing; show what would be done, the bytes of all outputs, and the free disk.",
        rich_help_panel=OUTPUT,
    ),
]
Stride = Annotated[
    str | None,
    typer.Option(
        "--stride",
        metavar=PER_AXIS,
        help="From window to window, the kernel's size by default; for conv-transpose from stamp "
        "to stamp.",
        rich_help_panel=WINDOW,
    ),
]


def operation_kind(names: Iterable[str]) -> Any:
    """Return the type of ``--op`` for Typer: one of the names."""
    known = Enum("OpName", {name: name for name in names}, type=str)  # type: ignore[misc]
    return Annotated[
        known,
        typer.Option(
            "--op",
            metavar="NAME",
            help=f"What is done to each file: {', '.join(names)}.",
            rich_help_panel=WHICH,
        ),
    ]
