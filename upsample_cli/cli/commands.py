"""COMMANDS: every command that makes one file of another; batch, explain and help follow from it.

A row names a command, says what is asked by it (a class of `operations.requests`), lists its
options, and whether ``batch`` takes it. Its work is that of the module of `operations` with its
name. A default stands in the request; an option that has none there has None for "not given".
"""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from upsample_cli.cli import options
from upsample_cli.cli.command import REQUIRED, Command, Option
from upsample_cli.cli.options import ModeName
from upsample_cli.cli.parsing import parse_counts, parse_memory
from upsample_cli.operations.requests import (
    ConvolveRequest,
    PoolRequest,
    ResampleRequest,
    RestoreRequest,
    UnpoolRequest,
)

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
RestoringMode = Annotated[
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


def _counts(option: str, *, least: int = 1) -> Callable[[str], Any]:
    return lambda text: parse_counts(option, text, least=least)


def _named(value: Any) -> Any:
    """Return the name of one of several that can be given."""
    return value.value


def _of_one_file(name: str, kind: Any, **how: Any) -> Option:
    return Option(name, kind, is_of_one_file=True, **how)


SOURCE = _of_one_file("source", options.Input, is_of_request=False, default=REQUIRED)
OUTPUT = _of_one_file(
    "output", options.Output, is_of_request=False, is_of_writing=True, default=REQUIRED
)
EXPLAIN = _of_one_file("explain", options.Explain, is_of_request=False, default=False)
MESSAGES = (
    Option("quiet", options.Quiet, is_of_request=False, default=False),
    Option("debug", options.Debug, is_of_request=False, default=False),
)
MACHINE = (
    Option("threads", options.Threads),
    Option("max_memory", options.MaxMemory, parse=parse_memory),
)
WRITING = (
    Option("force", options.Force, is_of_writing=True),
    Option("compress_level", options.CompressLevel, is_of_writing=True),
    _of_one_file("format_name", options.Format, field="format", is_of_writing=True),
)
FRAME = Option("frame", options.Frame, "image")
QUALITY = Option("quality", options.Quality, "image", is_of_writing=True)
MAX_PIXELS = Option("max_pixels", options.MaxPixels, "image")

TARGETS = (
    Option("scale", options.Scale, "target"),
    Option("size", options.Size, "target"),
    Option("spacing", options.Spacing, "target"),
    Option("isotropic", options.Isotropic, "target"),
    Option("max_size", options.MaxSize, "target"),
    Option("fit", options.Fit, "target"),
    Option("like", options.LikeReference, "target"),
    Option("orientation", options.OrientationCode, "target"),
)
METHOD = (
    Option("mode", options.Mode, parse=_named),
    Option("labels", options.Labels),
    Option("align_corners", options.AlignCorners),
    Option("antialias", options.Antialias),
    Option("recompute_scale_factor", options.Recompute),
    Option("dtype", options.Dtype),
    Option("fill", options.Fill, "target"),
)

RESAMPLE = Command(
    "resample",
    ResampleRequest,
    (
        SOURCE,
        OUTPUT,
        *TARGETS,
        *METHOD,
        Option("straight_alpha", options.StraightAlpha, is_of_writing=True),
        *MACHINE,
        *WRITING,
        Option("record", options.Record, is_of_writing=True),
        FRAME,
        QUALITY,
        MAX_PIXELS,
        *MESSAGES,
    ),
    """Resample one image, volume or array, with PyTorch's numbers and a true header.

    Axis order is x first everywhere: width × height, or x × y × z as nibabel prints a shape.
    PyTorch's tuples are the reverse. A volume of more than three dimensions is resampled volume
    by volume.

    Example: upsample-cli resample sample_data/brain.nii.gz out.nii.gz --scale 2
    """,
    is_of_batch=True,
)

RESTORE = Command(
    "restore",
    RestoreRequest,
    (
        _of_one_file("processed", Processed, is_of_request=False, default=REQUIRED),
        OUTPUT,
        Option("record", RecordFile),
        Option("mode", RestoringMode, parse=_named),
        Option("dtype", options.Dtype),
        *MACHINE,
        *WRITING,
        *MESSAGES,
    ),
    """Bring a volume on a resampled grid back onto the exact original one.

    Resample with --record, process (segment, say), then restore: the output has the original's
    shape and, byte for byte, its voxel sizes and both forms. The rest of the header, and what
    the voxels hold, is PROCESSED's; a unit that it does not say is the original's.

    First: upsample-cli resample sample_data/brain.nii.gz x2.nii.gz --scale 2 --record

    Example: upsample-cli restore x2.nii.gz back.nii.gz
    """,
)

POOL = Command(
    "pool",
    PoolRequest,
    (
        SOURCE,
        OUTPUT,
        Option(
            "kernel_size",
            options.KernelSize,
            parse=_counts("--kernel-size"),
            default=REQUIRED,
            missing="say the size of the window",
        ),
        Option("stride", options.PoolStride, parse=_counts("--stride")),
        Option("padding", options.Padding, parse=_counts("--padding", least=0)),
        Option("dilation", options.Dilation, parse=_counts("--dilation")),
        Option("ceil_mode", options.CeilMode),
        _of_one_file("indices", options.NewIndices),
        *MACHINE,
        *WRITING,
        FRAME,
        MAX_PIXELS,
        EXPLAIN,
        *MESSAGES,
    ),
    """Max-pool an image per channel, a volume in 3-D, or an array in PyTorch's layout.

    Writes the pooled file and, beside it, an .npz with the indices and the original grid, which
    is all that unpool needs. Axes of an array: (C, H, W), (N, C, H, W) or (N, C, D, H, W); more
    than one number says how many of the last are pooled.

    Example: upsample-cli pool sample_data/brain.nii.gz pooled.nii.gz --kernel-size 2
    """,
    is_of_batch=True,
)

UNPOOL = Command(
    "unpool",
    UnpoolRequest,
    (
        SOURCE,
        OUTPUT,
        _of_one_file("indices", options.Indices),
        Option("output_size", options.OutputSize, parse=_counts("--output-size")),
        *MACHINE,
        *WRITING,
        FRAME,
        MAX_PIXELS,
        EXPLAIN,
        *MESSAGES,
    ),
    """Put the values of a pooled file back where they were, and 0 elsewhere.

    The original's shape, affines and header come from the .npz that pool wrote. With
    --output-size voxels are added or dropped at the end of an axis.

    Example: upsample-cli unpool pooled.nii.gz restored.nii.gz

    (pooled.nii.gz is what the example of pool writes.)
    """,
)

CONV_TRANSPOSE = Command(
    "conv-transpose",
    ConvolveRequest,
    (
        SOURCE,
        OUTPUT,
        Option("weight", options.Weight),
        Option("kernel", options.Kernel, parse=_named),
        Option("bias", options.Bias),
        Option("stride", options.Stride, parse=_counts("--stride")),
        Option("padding", options.Padding, parse=_counts("--padding", least=0)),
        Option("output_padding", options.OutputPadding, parse=_counts("--output-padding", least=0)),
        Option("dilation", options.Dilation, parse=_counts("--dilation")),
        Option("groups", options.Groups),
        Option("output_size", options.OutputSize, parse=_counts("--output-size")),
        Option("dtype", options.RealDtype),
        *MACHINE,
        *WRITING,
        FRAME,
        QUALITY,
        MAX_PIXELS,
        EXPLAIN,
        *MESSAGES,
    ),
    """Write a transposed convolution, with given weights or a named kernel that enlarges.

    Values are real ones, slope and intercept applied. An image's channels, transparency
    included, and an array's axis before the spatial ones are PyTorch's C; a volume has one.

    Example: upsample-cli conv-transpose sample_data/bold.nii.gz x2.nii --kernel bilinear --stride 2
    """,
    is_of_batch=True,
)

COMMANDS = {command.name: command for command in (RESAMPLE, RESTORE, POOL, UNPOOL, CONV_TRANSPOSE)}
"""Name → the row."""

EXPLAIN_RESAMPLE = """\
Show what resample would do: output shape, sampling of each axis, affine, memory.

Nothing is written. Sample i of an axis lies at start + step × i, in input voxels.

Example: upsample-cli explain sample_data/brain.nii.gz --spacing 1
"""
