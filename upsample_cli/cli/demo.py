"""``upsample-cli demo``: small worked examples, as numbers and as a picture."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from upsample_cli.cli import console, options
from upsample_cli.errors import RequestError

if TYPE_CHECKING:
    from upsample_cli.demos.steps import Array, Demo
    from upsample_cli.files.images.options import ImageOptions

MATRIX_SIDE = 6
"""Rows and columns of a file's middle whose numbers are printed."""
PICTURE_SIDE = 40
ROW = 4

demo = typer.Typer(
    no_args_is_help=True,
    help="Show how the modes and the inverse operations work: numbers, formula, picture.",
)

Source = Annotated[
    str | None,
    typer.Argument(metavar="[INPUT]", help="Show the middle of this image, volume or array."),
]
Figure = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FIGURE.png", help="Also draw the steps, as a PNG."),
]
KernelSize = Annotated[int, typer.Option("--kernel-size", min=1, max=16, help="Taps on each axis.")]
Stride = Annotated[int, typer.Option("--stride", min=1, max=16, help="From stamp to stamp.")]
PoolStride = Annotated[
    int | None,
    typer.Option("--stride", min=1, max=16, help="From window to window; default: kernel size."),
]
Padding = Annotated[int, typer.Option("--padding", min=0, max=16, help="On both sides.")]
OutputPadding = Annotated[
    int, typer.Option("--output-padding", min=0, max=16, help="Added to the size at the end.")
]
Scale = Annotated[
    float | None,
    typer.Option(
        "--scale",
        "-x",
        metavar="F",
        max=24,
        help="Multiplier; by default 2 for the numbers and 8 for the picture.",
        show_default=False,
    ),
]


@demo.command()
def modes(
    source: Source = None,
    scale: Scale = None,
    output: Figure = None,
    force: options.Force = False,
    frame: options.Frame = None,
    max_pixels: options.MaxPixels = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Show a row of numbers in every mode, with and without align_corners; draw a small scene.

    Example: upsample-cli demo modes sample_data/logo.png -o out.png
    """
    console.set_up(quiet=quiet, debug=debug)
    from upsample_cli.demos import modes as examples
    from upsample_cli.demos.crops import middle
    from upsample_cli.files.images.options import ImageOptions

    plane = _plane(source, ImageOptions(frame=frame, max_pixels=max_pixels))
    row_scale, scene_scale = (2, 8) if scale is None else (scale, scale)

    def numbers() -> "Demo":
        row = examples.EXAMPLE_ROW if plane is None else middle(plane, ROW)[-1]
        return examples.modes_of_row(row, row_scale)

    def picture() -> "Demo":
        side = examples.crop_side(scene_scale)
        scene = examples.example_scene() if plane is None else middle(plane, side)
        return examples.modes_of_scene(scene, scene_scale)

    _show(numbers, picture, "--scale", output, force=force, quiet=quiet)


@demo.command()
def pool_unpool(
    source: Source = None,
    kernel_size: KernelSize = 2,
    stride: PoolStride = None,
    padding: Padding = 0,
    output: Figure = None,
    force: options.Force = False,
    frame: options.Frame = None,
    max_pixels: options.MaxPixels = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Pool a small matrix and put its maxima back: what is kept, what is lost.

    Example: upsample-cli demo pool-unpool sample_data/photo.png -o out.png
    """
    console.set_up(quiet=quiet, debug=debug)
    from upsample_cli.demos import pool_unpool as example
    from upsample_cli.demos.crops import middle
    from upsample_cli.files.images.options import ImageOptions
    from upsample_cli.sampling.windows import Window

    plane = _plane(source, ImageOptions(frame=frame, max_pixels=max_pixels))
    window = Window(kernel_size, stride or kernel_size, padding)

    def of_side(side: int) -> "Demo":
        values = example.EXAMPLE if plane is None else middle(plane, side)
        return example.pool_unpool(values, window)

    names = "--kernel-size, --stride, --padding"
    numbers, picture = partial(of_side, MATRIX_SIDE), partial(of_side, PICTURE_SIDE)
    _show(numbers, picture, names, output, force=force, quiet=quiet)


@demo.command()
def conv_transpose(
    source: Source = None,
    kernel_size: KernelSize = 3,
    stride: Stride = 2,
    padding: Padding = 0,
    output_padding: OutputPadding = 0,
    output: Figure = None,
    force: options.Force = False,
    frame: options.Frame = None,
    max_pixels: options.MaxPixels = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Transpose a convolution: which pixels overlap, and how kernel and stride avoid it.

    Example: upsample-cli demo conv-transpose sample_data/brain.nii.gz -o out.png
    """
    console.set_up(quiet=quiet, debug=debug)
    from upsample_cli.demos import conv_transpose as example
    from upsample_cli.demos.crops import middle
    from upsample_cli.files.images.options import ImageOptions
    from upsample_cli.sampling.windows import Window

    plane = _plane(source, ImageOptions(frame=frame, max_pixels=max_pixels))
    window = Window(kernel_size, stride, padding)

    def of_side(side: int) -> "Demo":
        values = example.EXAMPLE if plane is None else middle(plane, side)
        return example.conv_transpose(values, window, output_padding)

    names = "--kernel-size, --stride, --padding, --output-padding"
    numbers, picture = partial(of_side, MATRIX_SIDE), partial(of_side, example.crop_side(window))
    _show(numbers, picture, names, output, force=force, quiet=quiet)


def _plane(source: str | None, image: "ImageOptions") -> "Array | None":
    from upsample_cli.demos.crops import read_plane

    return None if source is None else read_plane(source, image)


def _show(
    numbers: Callable[[], "Demo"],
    picture: Callable[[], "Demo"],
    names: str,
    output: str | None,
    *,
    force: bool,
    quiet: bool,
) -> None:
    """Draw, then print; ``names`` are the options that a ValueError is about."""
    from upsample_cli.demos.text import as_text

    try:
        text = as_text(numbers())
        if output is not None:
            _write(picture(), output, force=force)
    except ValueError as error:
        raise RequestError(names, str(error)) from error
    if output is None or not quiet:
        console.answer(text)
    if output is not None:
        console.summary(f"{output} written", quiet=quiet)


def _write(picture: "Demo", output: str, *, force: bool) -> None:
    if not output.lower().endswith(".png"):
        raise RequestError(output, "is not the name of a PNG file", "name it .png")
    from upsample_cli.demos.figure import png_bytes
    from upsample_cli.operations.output import open_outputs

    with open_outputs([output], force=force) as (file,):
        file.write(png_bytes(picture))
