"""The options that commands share."""

from enum import Enum
from typing import Annotated

import typer

from upsample_cli.sampling.modes import MODE_NAMES, MODES
from upsample_cli.sampling.upsampling import UPSAMPLING_KERNELS

TARGET, HOW, FILES, OUTPUT = "Target (exactly one)", "How", "Files", "Messages"
WINDOW = "Window (one number, or one per axis, x first)"
PER_AXIS = "N[xN[xN]]"

ModeName = Enum(  # type: ignore[misc]
    "ModeName", {name: name for name in MODE_NAMES}, type=str
)

Input = Annotated[str, typer.Argument(metavar="INPUT", help="Image, volume or array; - is stdin.")]
Output = Annotated[str, typer.Argument(metavar="OUTPUT", help="The new file; - is stdout.")]

Scale = Annotated[
    str | None,
    typer.Option(
        "--scale",
        "-x",
        metavar="F[xF[xF]]",
        help="Multiplier per axis, x first; PyTorch's scale_factor (which has x last).",
        rich_help_panel=TARGET,
    ),
]
Size = Annotated[
    str | None,
    typer.Option(
        "--size",
        "-s",
        metavar="N | WxH | XxYxZ",
        help="Output size, x first; for images 512x or x512 keeps the aspect ratio.",
        rich_help_panel=TARGET,
    ),
]
Spacing = Annotated[
    str | None,
    typer.Option(
        "--spacing",
        metavar="F[xFxF]",
        help="Voxel size of a volume, x first, in the header's unit; 1x1xkeep keeps z as it is.",
        rich_help_panel=TARGET,
    ),
]
Isotropic = Annotated[
    str | None,
    typer.Option(
        "--isotropic",
        metavar="smallest | F",
        help="One voxel size for every axis of a volume: its own smallest, or this.",
        rich_help_panel=TARGET,
    ),
]
MaxSize = Annotated[
    int | None,
    typer.Option(
        "--max-size",
        metavar="N",
        help="Shrink so that the longest side has N samples, in proportion; never enlarge.",
        rich_help_panel=TARGET,
    ),
]
Fit = Annotated[
    str | None,
    typer.Option(
        "--fit",
        metavar="WxH",
        help="Fit an image into a box, in proportion: it shrinks or grows to touch the box.",
        rich_help_panel=TARGET,
    ),
]
LikeReference = Annotated[
    str | None,
    typer.Option(
        "--like",
        metavar="REFERENCE",
        help="Put a volume on the grid of another, by both affines: any rotation, shear or flip. "
        "Modes nearest-exact, linear, cubic and label.",
        rich_help_panel=TARGET,
    ),
]
OrientationCode = Annotated[
    str | None,
    typer.Option(
        "--orientation",
        metavar="CODE",
        help="Turn the axes of a volume to a code such as RAS or LPI; voxels are only copied.",
        rich_help_panel=TARGET,
    ),
]
Fill = Annotated[
    float | None,
    typer.Option(
        "--fill",
        metavar="VALUE",
        help="With --like: the value outside the input's field of view, after slope and intercept; "
        "0 by default.",
        show_default=False,
        rich_help_panel=HOW,
    ),
]
Mode = Annotated[
    ModeName | None,
    typer.Option(
        "--mode",
        "-m",
        metavar="MODE",
        help=f"{', '.join(MODES)}; bilinear, trilinear and bicubic are PyTorch's names for data "
        "of that dimension. Default: linear, or label for volumes whose intent says so. nearest "
        "is PyTorch's old rule, and reads up to half an output voxel and half an input voxel "
        "beside where the header says.",
        show_default=False,
        rich_help_panel=HOW,
    ),
]
Labels = Annotated[
    bool,
    typer.Option(
        "--labels",
        help="The values are labels: mode label, which mixes none and keeps borders smooth.",
        rich_help_panel=HOW,
    ),
]
AlignCorners = Annotated[
    bool | None,
    typer.Option(
        "--align-corners/--no-align-corners",
        help="Let the centres of the corner voxels coincide; linear and cubic modes. Off.",
        show_default=False,
        rich_help_panel=HOW,
    ),
]
Antialias = Annotated[
    bool | None,
    typer.Option(
        "--antialias/--no-antialias",
        help="Weigh every voxel when shrinking; linear and cubic modes. Off, but in lanczos.",
        show_default=False,
        rich_help_panel=HOW,
    ),
]
Recompute = Annotated[
    bool,
    typer.Option(
        "--recompute-scale-factor",
        help="With --scale: step by input size / output size, not by 1 / scale.",
        rich_help_panel=HOW,
    ),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        metavar="NAME",
        help="Output dtype, such as uint8, int16 or float32; the input's own by default.",
        rich_help_panel=HOW,
    ),
]
StraightAlpha = Annotated[
    bool,
    typer.Option(
        "--straight-alpha",
        help="Do not weight the colours of an image by its alpha; edges may get halos.",
        rich_help_panel=HOW,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        "-j",
        min=1,
        help="Default: the CPUs that this process may use; in batch, each worker's share of them. "
        "The output is the same.",
        show_default=False,
        rich_help_panel=HOW,
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        help="The most that the program may hold, in batch with all its workers, such as 512M or "
        "1.5G: it works in smaller pieces, or refuses what does not fit. The output is the same.",
        show_default=False,
        rich_help_panel=HOW,
    ),
]
Force = Annotated[
    bool,
    typer.Option("--force", "-f", help="Replace an existing output.", rich_help_panel=FILES),
]
CompressLevel = Annotated[
    int,
    typer.Option(
        "--compress-level",
        min=0,
        max=3,
        help="For .gz: 0 is fastest, 3 smallest.",
        rich_help_panel=FILES,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="SUFFIX",
        help="Format of the output, such as nii.gz or png, where its name does not tell.",
        rich_help_panel=FILES,
    ),
]
Record = Annotated[
    bool,
    typer.Option(
        "--record",
        help="Also write OUTPUT.record.json: what restore needs to go back.",
        rich_help_panel=FILES,
    ),
]
Frame = Annotated[
    int | None,
    typer.Option(
        "--frame", help="Which frame of a multi-frame image; counts from 0.", rich_help_panel=FILES
    ),
]
Quality = Annotated[
    int | None,
    typer.Option(
        "--quality",
        min=1,
        max=100,
        help="JPEG quality, 92 by default; makes WebP lossy.",
        show_default=False,
        rich_help_panel=FILES,
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        "--max-pixels",
        min=1,
        help="Open images of up to this many pixels; the default guards against bombs.",
        show_default=False,
        rich_help_panel=FILES,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="No progress, no summary.", rich_help_panel=OUTPUT),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.", rich_help_panel=OUTPUT)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.", rich_help_panel=OUTPUT)]

KernelName = Enum(  # type: ignore[misc]
    "KernelName", {name: name for name in UPSAMPLING_KERNELS}, type=str
)
KernelSize = Annotated[
    str,
    typer.Option(
        "--kernel-size",
        "-k",
        metavar=PER_AXIS,
        help="Size of the window; 3 numbers pool an array in 3-D.",
        rich_help_panel=WINDOW,
    ),
]
PoolStride = Annotated[
    str | None,
    typer.Option(
        "--stride",
        metavar=PER_AXIS,
        help="From window to window; the kernel's size by default.",
        rich_help_panel=WINDOW,
    ),
]
Stride = Annotated[
    str | None,
    typer.Option(
        "--stride",
        metavar=PER_AXIS,
        help="From stamp to stamp, default 1; the factor by which --kernel enlarges.",
        rich_help_panel=WINDOW,
    ),
]
Padding = Annotated[
    str | None,
    typer.Option(
        "--padding", metavar=PER_AXIS, help="PyTorch's padding; default 0.", rich_help_panel=WINDOW
    ),
]
Dilation = Annotated[
    str | None,
    typer.Option(
        "--dilation", metavar=PER_AXIS, help="From tap to tap; default 1.", rich_help_panel=WINDOW
    ),
]
OutputPadding = Annotated[
    str | None,
    typer.Option(
        "--output-padding",
        metavar=PER_AXIS,
        help="Added to the size at the end of each axis; default 0.",
        rich_help_panel=WINDOW,
    ),
]
OutputSize = Annotated[
    str | None,
    typer.Option(
        "--output-size",
        metavar=PER_AXIS,
        help="Another of the sizes that are possible, x first.",
        rich_help_panel=WINDOW,
    ),
]
CeilMode = Annotated[
    bool,
    typer.Option("--ceil-mode", help="Round the output size up.", rich_help_panel=WINDOW),
]
NewIndices = Annotated[
    str | None,
    typer.Option(
        "--indices",
        metavar="PATH",
        help="The .npz file to write; OUTPUT with .indices.npz for its suffix.",
        rich_help_panel=FILES,
    ),
]
Indices = Annotated[
    str | None,
    typer.Option(
        "--indices",
        metavar="PATH",
        help="The .npz file that pool wrote; INPUT with .indices.npz for its suffix.",
        rich_help_panel=FILES,
    ),
]
Weight = Annotated[
    str | None,
    typer.Option(
        "--weight",
        metavar="W.npy",
        help="Weights in PyTorch's layout: (C_in, C_out / groups, kernel sizes).",
        rich_help_panel=HOW,
    ),
]
Kernel = Annotated[
    KernelName | None,
    typer.Option(
        "--kernel",
        metavar="NAME",
        help=f"{', '.join(UPSAMPLING_KERNELS)}: enlarges each channel by the stride.",
        rich_help_panel=HOW,
    ),
]
Bias = Annotated[
    str | None,
    typer.Option(
        "--bias", metavar="B.npy", help="One number per output channel.", rich_help_panel=HOW
    ),
]
Groups = Annotated[
    int | None,
    typer.Option(
        "--groups",
        min=1,
        help="Groups of channels that do not mix; default 1.",
        rich_help_panel=HOW,
    ),
]
RealDtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        metavar="NAME",
        help="Output dtype; float32 by default. Photos need uint8, rounded and saturated.",
        rich_help_panel=HOW,
    ),
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Write nothing; show the sizes by their formula, the sampling, affine and memory.",
        rich_help_panel=OUTPUT,
    ),
]
