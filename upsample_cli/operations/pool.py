"""Max-pool a file, and record where each maximum was."""

import contextlib
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import RequestError
from upsample_cli.files import open_source
from upsample_cli.operations.advice import warnings_about_source
from upsample_cli.operations.indices import Checksum, Record, record_name, write_record
from upsample_cli.operations.inverse_plan import (
    Plan,
    destination,
    write_results,
)
from upsample_cli.operations.output import (
    Destination,
    Progress,
    Summary,
    check_output,
    check_room,
    file_names,
    open_outputs,
)
from upsample_cli.operations.requests import PoolRequest
from upsample_cli.operations.stack import Stack, per_axis, set_spatial, stack_of, three_dimensional
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
OPAQUE = 255


@dataclass(kw_only=True)
class PoolPlan(Plan):
    """A pooling that is ready to run, and what its record will say."""

    record: Record

    @property
    def kept_bytes(self) -> int:
        """The indices, and all of them once more when several batches become one."""
        indices = INDEX_BYTES * math.prod(self.leading) * math.prod(self.sizes)
        return indices * (2 if self.batch_size < self.stack.items else 1)

    @property
    def scratch_bytes(self) -> int:
        """Values in an order or a dtype that can be compared, or what NumPy writes at once."""
        ordered = 0
        if falls(self.stack):
            ordered = self.batch_in + self.batch_out
        elif self.dtype == np.float16:
            ordered = 2 * (self.batch_in + self.batch_out)
        return max(ordered, min(WRITTEN_AT_ONCE, self.kept_bytes) - self.batch_in)


def prepare_pool(request: PoolRequest, input_name: str) -> PoolPlan:
    """Open the input and settle how it is pooled; the caller closes the source.

    Raises
    ------
    FileError
        If the input cannot be read or is broken.
    RequestError
        If it cannot be pooled as requested.
    """
    source = open_source(input_name, request.image)
    try:
        return _prepare(request, source)
    except BaseException:
        source.close()
        raise


def _prepare(request: PoolRequest, source: "Source") -> PoolPlan:
    numbers = (request.kernel_size, request.stride, request.padding, request.dilation)
    hint = set_spatial(source, numbers)
    stack = stack_of(source)
    if stack.dtype.kind not in "biuf" or stack.dtype.itemsize > 8:
        remedy = "use integers or floats of up to 64 bits"
        raise RequestError(source.name, f"holds {stack.dtype}, which has no maximum", remedy)
    windows = _windows(request, len(stack.spatial))
    axes = [
        _pooled(window, size, request.ceil_mode)
        for window, size in zip(windows, stack.spatial, strict=True)
    ]
    header = source.header.to_bytes() if source.kind == "volume" else b""
    plan = PoolPlan(
        stack,
        axes,
        stack.leading,
        stack.channels,
        stack.dtype,
        "max-pool " + "×".join(str(window.kernel) for window in reversed(windows)),
        [_formula(*of_axis, request.ceil_mode) for of_axis in zip(windows, axes, strict=True)],
        image_mode=stack.image_mode,
        pieces=Pieces(request.threads),
        hints=[hint] if hint else [],
        record=Record(source.kind, tuple(windows), request.ceil_mode, stack.shape, header),
    )
    plan.warnings += warnings_about_source(source, "", "")
    if source.kind == "volume":
        plan.header, warnings = source.header.resampled(axes[::-1], stack.dtype)
        plan.warnings += warnings
    return plan


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


def pool(request: PoolRequest, input_name: str, output_name: str, progress: Progress) -> Summary:
    """Pool one file into another, and write the record of its indices.

    Parameters
    ----------
    request
        What to do.
    input_name, output_name
        Paths, or ``-`` for standard input and output.
    progress
        As in `upsample_cli.operations.resample.resample`.

    Raises
    ------
    FileError, RequestError
        With nothing written, and nothing left behind.
    """
    started = time.perf_counter()
    check_output(input_name, output_name, force=request.force)
    record_file = record_name(output_name, request.indices)
    check_output(input_name, record_file, force=request.force)
    with contextlib.closing(prepare_pool(request, input_name)) as plan:
        output = destination(plan, request, output_name, exact=True)
        _check_outputs(plan, output, record_file)
        _run(plan, request, output, record_file, progress)
    return plan.summary((input_name, output_name), time.perf_counter() - started, record_file)


def _check_outputs(plan: PoolPlan, output: Destination, record_file: str) -> None:
    if plan.stack.source.kind == "image" and output.image_format.is_lossy:
        raise RequestError(
            output.name,
            f"{output.image_format.name} changes values, which then do not belong to their indices",
            "write .png, .tif or .webp",
        )
    if os.path.realpath(record_file) in map(os.path.realpath, file_names(output)):
        raise RequestError("--indices", f"{record_file} is the output itself", "name another file")
    # Of the indices only the program's memory is checked: how far they compress is not known.
    check_room(output, memory=plan.working_bytes, disk=plan.output_bytes)


def _run(
    plan: PoolPlan, request: PoolRequest, output: Destination, record_file: str, progress: Progress
) -> None:
    checksum, indices = Checksum(plan.stack), []

    def results() -> Iterator[Array]:
        for batch in plan.stack.batches(plan.pieces.division):
            values, places = pool_batch(plan, batch, plan.pieces.threads)
            _check_transparency(plan, output, values)
            checksum.add(values)
            indices.append(places)
            yield values

    with _open(file_names(output), record_file, force=request.force) as (files, record_stream):
        with progress(plan.output_bytes) as done:
            write_results(plan, request, output, files, results(), done)
        whole = indices[0] if len(indices) == 1 else np.concatenate(indices)
        whole = whole.reshape(*plan.leading, *plan.sizes)
        write_record(record_stream, plan.record, whole, checksum.text())


def _check_transparency(plan: PoolPlan, output: Destination, values: Array) -> None:
    """Refuse opaque pixels with transparency in a format that would give them back as RGB."""
    if plan.image_mode != "RGBA" or not output.image_format.drops_opaque_alpha:
        return
    if (values[:, -1] == OPAQUE).all():
        name = output.image_format.name
        problem = f"{name} drops transparency that no pixel has left, which unpool would miss"
        raise RequestError(output.name, problem, "write .png or .tif")


@contextlib.contextmanager
def _open(
    names: list[str], record_file: str, *, force: bool
) -> Iterator[tuple[list[BinaryIO], BinaryIO]]:
    """Open a pooled file and its record, which appear together."""
    if names == ["-"]:
        only_record = open_outputs([record_file], force=force)
        with only_record as (record,), open_outputs(names, force=force) as files:
            yield files, record
        return
    with open_outputs([*names, record_file], force=force) as (*files, record):
        yield files, record


def pool_batch(plan: PoolPlan, batch: Array, threads: int) -> tuple[Array, NDArray[np.int64]]:
    """Return the maxima of real values, and their indices, of shape (n, channels, *sizes)."""
    windows = three_dimensional(plan.record.windows, Window(1, 1))
    sizes = three_dimensional(plan.sizes, 1)
    spatial = three_dimensional(plan.stack.spatial, 1)
    is_falling = falls(plan.stack)
    volumes = batch.reshape(-1, *spatial)
    values, indices = pool_array(
        reversed_order(volumes) if is_falling else volumes, windows, sizes, threads
    )
    assert indices is not None
    shape = (*batch.shape[:2], *plan.sizes)
    values = reversed_order(values) if is_falling else values
    return values.reshape(shape), indices.reshape(shape)


def falls(stack: Stack) -> bool:
    """Whether a larger stored value is a smaller real one, by a negative slope."""
    return stack.source.kind == "volume" and stack.source.header.scaling[0] < 0


def reversed_order(values: Array) -> Array:
    """Return values in the opposite order, exactly; twice gives the values again.

    >>> reversed_order(np.array([-128, 127], np.int8))
    array([ 127, -128], dtype=int8)
    """
    return ~values if values.dtype.kind in "iu" else -values
