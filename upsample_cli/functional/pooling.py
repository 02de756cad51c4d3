"""PyTorch's max-pooling and its partial inverse on NumPy arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.functional.arguments import (
    as_volumes,
    check_array,
    check_dimensions,
    per_axis,
    wanted_sizes,
)
from upsample_cli.passes.pooling import pool_array, unpool_array
from upsample_cli.resources.threads import available_threads
from upsample_cli.sampling.windows import Window

Array = NDArray[Any]
Numbers = int | Sequence[int]
Pooled = Array | tuple[Array, NDArray[np.int64]]


def max_pool1d(
    input: Array,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Return the maximum of each window of rows (N, C, W) or (C, W); see ``max_pool2d``.

    >>> import numpy as np
    >>> max_pool1d(np.array([[1, 4, 2, 2]]), 2, return_indices=True)
    (array([[4, 2]]), array([[1, 2]]))
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Array,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Return the maximum of each window, with the bits of PyTorch 2.13 on the CPU.

    Parameters
    ----------
    input
        Array of shape (N, C, H, W) or (C, H, W). Booleans, integers and floats of 16 to 64 bits;
        PyTorch takes floats and, in part, integers.
    kernel_size, stride, padding, dilation
        The windows: their taps, their distance (``kernel_size`` if it is not given), what is
        added on both sides, and the distance of the taps. One number for every spatial axis, or
        one per axis, slowest first.
    ceil_mode
        Round the number of windows up; a window that would begin beyond the input is dropped.
    return_indices
        Also return where each maximum lies.

    Returns
    -------
    Array of the input's dtype, of shape (N, C, *windows) or (C, *windows); with
    ``return_indices``, a pair of it and of int64 indices, flat in C order within each plane.
    The first of equal maxima counts; a NaN counts as larger than any number, the last one most.

    Raises
    ------
    ValueError
        Where PyTorch raises for a wrong value: another number of dimensions or of numbers, an
        empty input (but for N = 0), windows that do not fit, a padding beyond half the kernel.
    TypeError
        For arguments of the wrong type, and complex or other dtypes without an order.

    Examples
    --------
    >>> import numpy as np
    >>> max_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
    array([[[ 5.,  7.],
            [13., 15.]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Array,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """Return the maximum of each window of volumes (N, C, D, H, W) or (C, D, H, W).

    The arguments are those of ``max_pool2d``; the indices are flat within each volume.

    >>> import numpy as np
    >>> max_pool3d(np.arange(8).reshape(1, 2, 2, 2), 2, return_indices=True)
    (array([[[[7]]]]), array([[[[7]]]]))
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_unpool1d(
    input: Array,
    indices: NDArray[np.int64],
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Put pooled rows (N, C, W) or (C, W) back where they were; see ``max_unpool2d``.

    >>> import numpy as np
    >>> max_unpool1d(np.array([[4, 2]]), np.array([[1, 2]]), 2)
    array([[0, 4, 2, 0]])
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Array,
    indices: NDArray[np.int64],
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Put pooled values back where they were, and 0 elsewhere.

    Parameters
    ----------
    input
        Array of shape (N, C, H, W) or (C, H, W) and any numeric dtype; PyTorch takes floats.
    indices
        int64, of the same shape: the place of each value, flat in C order within each plane.
    kernel_size, stride, padding
        Those of the pooling. One number for every spatial axis, or one per axis.
    output_size
        The size before the pooling, or the whole shape; (in - 1) * stride - 2 * padding + kernel
        if it is not given. It must lie within less than one stride of that.

    Returns
    -------
    Array of the input's dtype, of shape (N, C, *output size) or (C, *output size). Of equal
    indices in a plane the last one in C order counts; in PyTorch that depends on its threads.

    Raises
    ------
    ValueError
        Where PyTorch raises for a wrong value: an index outside the output, indices of another
        shape, another number of dimensions or of numbers, an output size out of reach, an empty
        input (but for the first axis). Beyond PyTorch, for a stride or a kernel below 1 and a
        negative padding, which it takes in 2-D.
    TypeError
        For arguments of the wrong type.

    Examples
    --------
    >>> import numpy as np
    >>> max_unpool2d(np.array([[[5.0]]]), np.array([[[3]]]), 2)
    array([[[0., 0.],
            [0., 5.]]])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Array,
    indices: NDArray[np.int64],
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Put pooled volumes (N, C, D, H, W) or (C, D, H, W) back; see ``max_unpool2d``.

    >>> import numpy as np
    >>> max_unpool3d(np.array([[[[7]]]]), np.array([[[[1]]]]), (1, 1, 2))
    array([[[[0, 7]]]])
    """
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _max_pool(
    spatial: int,
    input: Array,
    kernel_size: Numbers,
    stride: Numbers | None,
    padding: Numbers,
    dilation: Numbers,
    ceil_mode: bool,
    return_indices: bool,
) -> Pooled:
    array = check_array("input", input)
    check_dimensions(array, spatial)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(f"{array.dtype} has no maximum here; use booleans, integers or floats")
    if 0 in array.shape[array.ndim - spatial - 1 :]:
        raise ValueError(f"input of shape {array.shape} is empty; only the batch size N may be 0")
    if not isinstance(ceil_mode, (bool, np.bool_)):
        raise TypeError(f"ceil_mode must be True or False, not {ceil_mode!r}")
    windows = _windows(spatial, kernel_size, stride, padding, dilation)
    windows = [Window(1, 1)] * (3 - spatial) + windows
    volumes = as_volumes(array, spatial)
    sizes = [
        window.pooled_size(size, ceil_mode=bool(ceil_mode))
        for window, size in zip(windows, volumes.shape[1:], strict=True)
    ]
    values, indices = pool_array(
        volumes, windows, sizes, available_threads(), return_indices=return_indices
    )
    shape = (*array.shape[: array.ndim - spatial], *sizes[3 - spatial :])
    if indices is None:
        return values.reshape(shape)
    return values.reshape(shape), indices.reshape(shape)


def _windows(
    spatial: int,
    kernel_size: Numbers,
    stride: Numbers | None,
    padding: Numbers,
    dilation: Numbers = 1,
    *,
    allow_single: bool = True,
) -> list[Window]:
    def numbers(name: str, value: Any) -> list[int]:
        return per_axis(name, value, spatial, allow_single=allow_single)

    kernels = numbers("kernel_size", kernel_size)
    # PyTorch's pooling takes an empty stride for none.
    is_empty = allow_single and isinstance(stride, (list, tuple)) and not stride
    strides = kernels if stride is None or is_empty else numbers("stride", stride)
    paddings, dilations = numbers("padding", padding), numbers("dilation", dilation)
    return [
        Window(*numbers_of_axis)
        for numbers_of_axis in zip(kernels, strides, paddings, dilations, strict=True)
    ]


def _max_unpool(
    spatial: int,
    input: Array,
    indices: Array,
    kernel_size: Numbers,
    stride: Numbers | None,
    padding: Numbers,
    output_size: Sequence[int] | None,
) -> Array:
    array, places = check_array("input", input), check_array("indices", indices)
    _check_unpool(array, places, spatial)
    windows = _windows(spatial, kernel_size, stride, padding, allow_single=False)
    wanted = wanted_sizes(output_size, spatial, 2)
    sizes_in = array.shape[array.ndim - spatial :]
    sizes = [
        window.unpooled_size(size, out)
        for window, size, out in zip(windows, sizes_in, wanted, strict=True)
    ]
    leading = array.shape[: array.ndim - spatial]
    target = np.zeros((*leading, *sizes), array.dtype)
    if not target.size:
        return target  # PyTorch looks at no index then
    volumes = int(np.prod(leading))
    wrong = unpool_array(
        np.ascontiguousarray(array).reshape(volumes, int(np.prod(sizes_in))),
        np.ascontiguousarray(places).reshape(volumes, int(np.prod(sizes_in))),
        target.reshape(volumes, int(np.prod(sizes))),
        available_threads(),
    )
    if wrong >= 0:
        position = tuple(map(int, np.unravel_index(wrong, places.shape)))
        raise ValueError(
            f"index {places[position]} at position {position} is outside the output of size "
            f"{' × '.join(map(str, sizes))}; check output_size"
        )
    return target


def _check_unpool(array: Array, indices: Array, spatial: int) -> None:
    check_dimensions(array, spatial)
    if array.dtype.kind not in "biufc" or array.dtype.itemsize > 16:
        raise TypeError(f"{array.dtype} cannot be unpooled; use numbers or booleans")
    if indices.dtype != np.int64:
        raise TypeError(f"indices must be int64, not {indices.dtype}")
    if indices.shape != array.shape:
        raise ValueError(
            f"indices of shape {indices.shape} do not go with input of shape {array.shape}; "
            "use the indices of the same pooling"
        )
    if 0 in array.shape[1:]:
        raise ValueError(f"input of shape {array.shape} is empty; only its first axis may be 0")
