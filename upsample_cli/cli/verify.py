"""``upsample-cli verify``: whether two volumes agree."""

from math import isfinite
from typing import Annotated

import typer

from upsample_cli.cli import console, options
from upsample_cli.errors import RequestError

First = Annotated[str, typer.Argument(metavar="A", help="A volume.")]
Second = Annotated[str, typer.Argument(metavar="B", help="The volume that should agree with it.")]
Tolerance = Annotated[
    float | None,
    typer.Option(
        "--tolerance",
        metavar="D",
        min=0,
        help="How far corners may be apart, in the header's unit; by default a thousandth of "
        "the smallest voxel's side, or what float32 headers lose.",
        show_default=False,
    ),
]
SameGrid = Annotated[
    bool, typer.Option("--same-grid", help="Shape and voxel size count too: voxel for voxel.")
]
Values = Annotated[
    float | None,
    typer.Option(
        "--values",
        metavar="D",
        min=0,
        help="Values count: they may differ by this much, after scaling.",
        show_default=False,
    ),
]
NoValues = Annotated[bool, typer.Option("--no-values", help="Read the headers alone.")]


def verify(
    a: First,
    b: Second,
    tolerance: Tolerance = None,
    same_grid: SameGrid = False,
    values: Values = None,
    no_values: NoValues = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Compare two volumes: field of view, corners, orientation, forms, units, dtype, values.

    Exit code 0 if they agree, 1 if not (or a file cannot be read), 2 for a wrong request.
    A resampled volume agrees with its source: shape and voxel size count only with --same-grid.
    Field of view and corners mean outer edges of voxels, corner by corner in the world. Dtypes
    agree if both are real, both complex, or the same colours; units if they are the same or one is
    not said (of 4-D volumes also s, ms and µs; below 4-D no time unit counts). Slope and intercept
    count where the dtype is the same; the intent is only shown. Values: B is sampled linearly
    (labels: nearest) at A's voxels; differences are only shown without --values. --quiet leaves
    just the exit code.

    Example: upsample-cli verify sample_data/brain.nii.gz sample_data/labels.nii.gz --same-grid
    """
    console.set_up(quiet=quiet, debug=debug)
    for option, given in (("--tolerance", tolerance), ("--values", values)):
        if given is not None and not isfinite(given):
            raise RequestError(option, f"{given} is no distance", "use a finite number")
    from upsample_cli.operations.facts import as_json
    from upsample_cli.verify import verdict

    if values is not None and no_values:
        raise RequestError("--no-values", "contradicts --values", "drop one")
    criteria = verdict.Criteria(tolerance, same_grid, values, not no_values)
    found = verdict.verify(a, b, criteria, console.progress(quiet))
    if not quiet:
        console.answer(as_json(found.facts()) if json else found.table())
    if found.failed:
        raise typer.Exit(1)
