"""Transposed convolution, step by step, and where its checkerboard comes from."""

from dataclasses import asdict

import numpy as np

from upsample_cli.demos.steps import Array, Demo, Step, size_formulas
from upsample_cli.functional import conv_transpose2d
from upsample_cli.sampling.windows import TRANSPOSED_SIZE, Window

EXAMPLE = np.ones((3, 3))
"""All ones: with a kernel of ones each output value counts the stamps that reach it."""

COLUMNS = 3
LARGEST_RESULT = 36
"""Rows and columns whose pixels are large enough to see which are marked."""

LEAST_CROP = 6


def crop_side(window: Window) -> int:
    """Return how many pixels of a file to take, so that its pixels can be told apart."""
    largest_kernel = max(window.kernel, 2 * window.stride)
    return max(LEAST_CROP, (LARGEST_RESULT - largest_kernel) // window.stride + 1)


MORAL = (
    "A kernel that is a multiple of the stride overlaps itself evenly, so flat input gives flat "
    "output inside; with kernel = stride nothing overlaps at all. Any other kernel lays a "
    "checkerboard over the picture, unless its weights were trained to make up for it."
)


def conv_transpose(values: Array, window: Window, output_padding: int) -> Demo:
    """Transpose a convolution with a kernel of ones, beside two kernels that overlap evenly.

    Raises
    ------
    ValueError
        If no voxel is left, or ``output_padding`` is not below the stride.
    """
    values = values.astype(np.float64)
    is_one = np.zeros(values.shape, np.bool_)
    is_one[values.shape[0] // 2, values.shape[1] // 2] = True
    steps = (
        Step("input", values, "One of its values is marked. Sizes: rows × columns.", marked=is_one),
        Step("kernel", np.ones((window.kernel,) * 2), "All ones, so that it only adds."),
        _stamp(values, is_one, window, output_padding),
        _sum(values, window, output_padding),
        *_even_sums(values, window),
    )
    return Demo(_title(window, output_padding), steps, MORAL, COLUMNS)


def _stamp(values: Array, is_one: Array, window: Window, output_padding: int) -> Step:
    reached = stamped(is_one.astype(np.float64), window, output_padding)
    counts = stamped(np.ones_like(values), window, output_padding)
    shared = (reached > 0) & (counts > 1)
    overlaps = "others reach the marked pixels too" if shared.any() else "no other reaches here"
    return Step(
        "one stamp",
        stamped(np.where(is_one, values, 0), window, output_padding),
        f"The marked value times the kernel. The next value's stamp lies {window.stride} further, "
        f"so {overlaps}.",
        marked=shared,
    )


def _sum(values: Array, window: Window, output_padding: int) -> Step:
    output = stamped(values, window, output_padding)
    numbers = {**asdict(window), "output_padding": output_padding}
    return Step(
        f"kernel {window.kernel}, stride {window.stride}",
        output,
        f"All stamps added. {overlap(window)}{_about_output_padding(output_padding)}",
        size_formulas(TRANSPOSED_SIZE, values.shape, output.shape, **numbers),
    )


def _even_sums(values: Array, window: Window) -> list[Step]:
    kernels = (window.stride, 2 * window.stride)
    return [
        Step(f"kernel {even.kernel}, stride {even.stride}", stamped(values, even), overlap(even))
        for even in (Window(kernel, window.stride) for kernel in kernels)
        if even.kernel != window.kernel
    ]


def stamped(values: Array, window: Window, output_padding: int = 0) -> Array:
    """Return the transposed convolution of a matrix with a kernel of ones."""
    weight = np.ones((1, 1, window.kernel, window.kernel))
    return conv_transpose2d(
        values[np.newaxis],
        weight,
        stride=window.stride,
        padding=window.padding,
        output_padding=output_padding,
    )[0]


def overlap(window: Window) -> str:
    """Say how many stamps reach an output pixel away from the border.

    >>> overlap(Window(3, 2))
    'Inside, 1, 2 or 4 stamps reach a pixel: a checkerboard.'
    >>> overlap(Window(4, 2))
    'Inside, 4 stamps reach every pixel: even.'
    """
    on_axis = np.bincount(np.arange(window.kernel) % window.stride, minlength=window.stride)
    counts = [str(n) for n in np.unique(np.outer(on_axis, on_axis))]
    if counts == ["1"]:
        return "1 stamp reaches every pixel: nothing overlaps, nothing is uneven."
    if len(counts) == 1:
        return f"Inside, {counts[0]} stamps reach every pixel: even."
    gaps = "gaps between the stamps" if counts[0] == "0" else "a checkerboard"
    return f"Inside, {', '.join(counts[:-1])} or {counts[-1]} stamps reach a pixel: {gaps}."


def _about_output_padding(output_padding: int) -> str:
    if not output_padding:
        return ""
    return f" output_padding adds {output_padding} to the size at the end of each axis."


def _title(window: Window, output_padding: int) -> str:
    return (
        f"transposed convolution: kernel_size {window.kernel}, stride {window.stride}, "
        f"padding {window.padding}, output_padding {output_padding}"
    )
