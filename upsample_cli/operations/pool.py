"""Max-pool a file, and record where each maximum was."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import RequestError
from upsample_cli.files.images.modes import PIXEL_MODES
from upsample_cli.operations.advice import source_warnings
from upsample_cli.operations.indices import Checksum, Pooling, indices_name, write_indices
from upsample_cli.operations.output import file_names
from upsample_cli.operations.requests import PoolRequest
from upsample_cli.operations.stack import (
    Stack,
    per_axis,
    settle_spatial,
    stack_of,
    three_dimensional,
)
from upsample_cli.operations.stacked import Stacked
from upsample_cli.operations.work import from_source
from upsample_cli.passes.pooling import pool_array
from upsample_cli.resources.pieces import Pieces
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.windows import POOLED_SIZE, Window, filled

if TYPE_CHECKING:
    from upsample_cli.files import Source

Array = NDArray[Any]

INDEX_BYTES = 8
WRITTEN_AT_ONCE = 2**24
"""NumPy's own buffer for writing an array; then the input is held no more."""


@dataclass(kw_only=True)
class PoolWork(Stacked):
    """A pooling that is ready to run, and what its file of indices will say."""

    request: PoolRequest
    pooling: Pooling
    checksum: Checksum = field(init=False)
    indices: list[Array] = field(default_factory=list, init=False)

    is_exact = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.checksum = Checksum(self.stack)

    @property
    def bytes_beside(self) -> int:
        """The size of the indices, before compression."""
        return INDEX_BYTES * math.prod(self.layout.shape)

    def kept_bytes(self, pieces: Pieces) -> int:
        """Return the size of the indices, and all of them again if batches become one."""
        return self.bytes_beside * (2 if self.batch_size(pieces) < self.stack.items else 1)

    def scratch_bytes(self, pieces: Pieces) -> int:
        """Return what values take that can be compared, or what NumPy writes at once."""
        read, ordered = self.batch_in(pieces), 0
        if falls(self.stack):
            ordered = read + self.batch_out(pieces)
        elif self.dtype_out == np.float16:
            ordered = 2 * (read + self.batch_out(pieces))
        return max(ordered, min(WRITTEN_AT_ONCE, self.kept_bytes(pieces)) - read)

    def check_output(self) -> None:
        """Refuse what would not be the pooled values, or would replace them by the indices."""
        name, own = self.output.name, file_names(self.output)
        if self.source.kind == "image" and self.output.image_format.is_lossy:
            problem = "changes values, which then do not belong to their indices"
            remedy = "write .png, .tif or .webp"
            raise RequestError(name, f"{self.output.image_format.name} {problem}", remedy)
        indices = indices_name(name, self.request.indices)
        if os.path.realpath(indices) in map(os.path.realpath, own):
            raise RequestError("--indices", f"{indices} is the output itself", "name another file")

    def batches(self) -> Iterator[Array]:
        """Yield the maxima; their indices are kept."""
        for batch in self.stack.batches(self.pieces.division):
            values, places = self._pooled(batch)
            self._check_transparency(values)
            self.checksum.add(values)
            self.indices.append(places)
            yield values

    def _pooled(self, batch: Array) -> tuple[Array, NDArray[np.int64]]:
        """Return the maxima of real values, and their indices, of shape (n, channels, *sizes)."""
        windows = three_dimensional(self.pooling.windows, Window(1, 1))
        sizes = three_dimensional(self.shape_out, 1)
        volumes = batch.reshape(-1, *three_dimensional(self.stack.spatial, 1))
        is_falling = falls(self.stack)
        values, indices = pool_array(
            reversed_order(volumes) if is_falling else volumes, windows, sizes, self.pieces.threads
        )
        assert indices is not None  # they were asked for
        shape = (*batch.shape[:2], *self.shape_out)
        values = reversed_order(values) if is_falling else values
        return values.reshape(shape), indices.reshape(shape)

    def _check_transparency(self, values: Array) -> None:
        """Refuse opaque pixels with transparency where a format would drop that of all pixels."""
        if self.source.kind != "image" or not PIXEL_MODES[self.image_mode].has_alpha:
            return
        format = self.output.image_format
        if format.drops_opaque_alpha and (values[:, -1] == np.iinfo(values.dtype).max).all():
            problem = (
                f"{format.name} drops transparency that no pixel has left, which unpool would miss"
            )
            raise RequestError(self.output.name, problem, "write .png or .tif")

    def write_beside(self, files: list[BinaryIO]) -> None:
        """Write the indices."""
        whole = self.indices[0] if len(self.indices) == 1 else np.concatenate(self.indices)
        whole = whole.reshape(self.layout.shape)
        write_indices(files[0], self.pooling, whole, self.checksum.text())


def prepare(request: PoolRequest, input_name: str) -> PoolWork:
    """Open the input and settle how it is pooled; errors as in `operations.work.prepare`."""
    return from_source(request, input_name, partial(_prepare, request))


def _prepare(request: PoolRequest, source: "Source") -> PoolWork:
    numbers = (request.kernel_size, request.stride, request.padding, request.dilation)
    hint = settle_spatial(source, numbers)
    stack = stack_of(source)
    if stack.dtype.kind not in "biuf" or stack.dtype.itemsize > 8:
        remedy = "use integers or floats of up to 64 bits"
        raise RequestError(source.name, f"holds {stack.dtype}, which has no maximum", remedy)
    windows = _windows(request, len(stack.spatial))
    axes = [
        _pooled(window, size, request.ceil_mode)
        for window, size in zip(windows, stack.spatial, strict=True)
    ]
    header, fields, warnings = None, b"", [*source_warnings(source, "", "")]
    if source.kind == "volume":
        header, more = source.header.resampled(axes[::-1], stack.dtype)
        fields, warnings = source.header.to_bytes(), warnings + more
    return PoolWork(
        request=request,
        source=source,
        axes=axes,
        dtype_out=stack.dtype,
        channels=stack.channels,
        header=header,
        image_mode=stack.image_mode,
        warnings=warnings,
        hints=[hint] if hint else [],
        stack=stack,
        leading=stack.leading,
        name="max-pool " + "×".join(str(window.kernel) for window in reversed(windows)),
        formulas=[
            _formula(*of_axis, request.ceil_mode) for of_axis in zip(windows, axes, strict=True)
        ],
        pooling=Pooling(source.kind, tuple(windows), request.ceil_mode, stack.shape, fields),
    )


def _windows(request: PoolRequest, dimensions: int) -> list[Window]:
    kernels = per_axis("--kernel-size", request.kernel_size, dimensions)
    strides = per_axis("--stride", request.stride or request.kernel_size, dimensions)
    paddings = per_axis("--padding", request.padding, dimensions)
    dilations = per_axis("--dilation", request.dilation, dimensions)
    return [Window(*of_axis) for of_axis in zip(kernels, strides, paddings, dilations, strict=True)]


def _pooled(window: Window, size: int, ceil_mode: bool) -> AxisMap:
    try:
        return window.pooled(size, ceil_mode=ceil_mode)
    except ValueError as error:
        at_fault = "--padding" if window.padding > window.most_padding else "--kernel-size"
        raise RequestError(at_fault, str(error)) from error


def _formula(window: Window, axis: AxisMap, ceil_mode: bool) -> str:
    numbers = filled(
        POOLED_SIZE.replace("floor", "ceil") if ceil_mode else POOLED_SIZE,
        size=axis.size_in,
        kernel=window.kernel,
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
    )
    room = axis.size_in + 2 * window.padding - window.extent
    drops = ceil_mode and axis.size_out == -(-room // window.stride)
    return numbers + (" - 1, as it would begin beyond the input" if drops else "")


def falls(stack: Stack) -> bool:
    """Whether a larger stored value is a smaller real one, by a negative slope."""
    return stack.scaling[0] < 0


def reversed_order(values: Array) -> Array:
    """Return values in the opposite order, exactly; twice gives the values again.

    >>> reversed_order(np.array([-128, 127], np.int8))
    array([ 127, -128], dtype=int8)
    """
    return ~values if values.dtype.kind in "iu" else -values
