"""Max-pooling and its partial inverse, step by step."""

from dataclasses import asdict

import numpy as np

from upsample_cli.demos.steps import Array, Demo, Step, size_formulas
from upsample_cli.functional import max_pool2d, max_unpool2d
from upsample_cli.sampling.windows import POOLED_SIZE, UNPOOLED_SIZE, Window

EXAMPLE = np.array([[1, 9, 4, 3], [5, 2, 8, 6], [13, 7, 10, 11], [0, 12, 15, 14]])
"""Sixteen numbers, all distinct, so that each can be followed."""

COLUMNS = 4
GIVEN = "The maximum of each window is marked. Sizes: rows × columns."


def pool_unpool(values: Array, window: Window) -> Demo:
    """Pool a matrix and put the maxima back.

    Raises
    ------
    ValueError
        If no window fits, or the padding is too large for it.
    """
    options = (window.kernel, window.stride, window.padding)
    pooled, indices = max_pool2d(values[np.newaxis], *options, return_indices=True)
    restored = max_unpool2d(pooled, indices, *options, output_size=values.shape)[0]
    pooled, indices = pooled[0], indices[0]
    is_kept = np.zeros(values.shape, np.bool_)
    is_kept.flat[indices] = True
    columns = values.shape[1]
    steps = (
        Step("input", values, GIVEN, marked=is_kept),
        Step(
            "max-pool",
            pooled,
            f"One maximum is kept of each window of {window.kernel} × {window.kernel}. Of equal "
            "maxima the first counts; a NaN counts as larger than any number.",
            size_formulas(POOLED_SIZE, values.shape, pooled.shape, **asdict(window)),
        ),
        Step("indices", indices, f"Where each maximum was: row·{columns} + column, from 0."),
        _unpooled(pooled, restored, is_kept, window),
    )
    return Demo(_title(window), steps, _moral(int(is_kept.sum()), pooled.size), COLUMNS)


def _unpooled(pooled: Array, restored: Array, is_kept: Array, window: Window) -> Step:
    default = tuple(window.unpooled_size(size) for size in pooled.shape)
    return Step(
        "max-unpool",
        restored,
        f"The maxima are back in their places: {is_kept.sum()} of {is_kept.size} values. The "
        f"other {(~is_kept).sum()} are lost, and 0 now."
        f"{_about_output_size(default, restored.shape)}",
        size_formulas(UNPOOLED_SIZE, pooled.shape, default, **asdict(window)),
        marked=is_kept,
    )


def _title(window: Window) -> str:
    return (
        f"max-pool, then max-unpool: kernel_size {window.kernel}, stride {window.stride}, "
        f"padding {window.padding}"
    )


def _about_output_size(default: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    if default == wanted:
        return ""
    size = " × ".join(map(str, wanted))
    return f" The formula cannot know what pooling left over: output_size = {size} says it."


def _moral(kept: int, windows: int) -> str:
    shared = (
        f" Here windows overlap, and {windows} of them share {kept} maxima."
        if kept < windows
        else ""
    )
    return (
        "Unpooling is the inverse of pooling for the maxima alone: pooling the result again gives "
        f"the same maxima as long as none is negative.{shared}"
    )
