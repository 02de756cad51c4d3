"""``upsample-cli restore``: back onto the grid that a record was made on."""

from typing import Annotated

import typer

from upsample_cli.cli import console, options
from upsample_cli.cli.options import ModeName

Processed = Annotated[
    str, typer.Argument(metavar="PROCESSED", help="A volume on the grid that resample made.")
]
RecordFile = Annotated[
    str | None,
    typer.Option(
        "--record",
        metavar="FILE",
        help="The record that resample --record wrote; by default PROCESSED.record.json.",
        show_default=False,
    ),
]
Mode = Annotated[
    ModeName | None,
    typer.Option(
        "--mode",
        "-m",
        metavar="MODE",
        help="As in resample. Default: label for labels (by intent, or few whole numbers in "
        "patches; nearest-exact if stored as floats), linear for the rest.",
        show_default=False,
    ),
]


def restore(
    processed: Processed,
    output: options.Output,
    record: RecordFile = None,
    mode: Mode = None,
    dtype: options.Dtype = None,
    threads: options.Threads = None,
    max_memory: options.MaxMemory = None,
    force: options.Force = False,
    compress_level: options.CompressLevel = 1,
    format_name: options.Format = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Bring a volume on a resampled grid back onto the exact original one.

    Resample with --record, process (segment, say), then restore: the output has the original's
    shape and, byte for byte, its voxel sizes and both forms. The rest of the header, and what
    the voxels hold, is PROCESSED's; a unit that it does not say is the original's.

    First: upsample-cli resample sample_data/brain.nii.gz x2.nii.gz --scale 2 --record

    Example: upsample-cli restore x2.nii.gz back.nii.gz
    """
    given = locals()
    console.set_up(quiet=quiet, debug=debug)
    from upsample_cli.cli.requests import restore_request
    from upsample_cli.operations.restore import restore as restore_file

    request = restore_request(given)
    done = restore_file(request, processed, output, record, console.progress(quiet))
    console.finished(done, quiet=quiet)
