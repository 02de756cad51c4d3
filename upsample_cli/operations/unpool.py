"""Put the maxima of a pooled file back where its record says they were."""

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import open_source
from upsample_cli.operations.indices import BROKEN, Checksum, Record, RecordFile, record_name
from upsample_cli.operations.inverse_plan import (
    Plan,
    contents,
    destination,
    write_results,
)
from upsample_cli.operations.output import (
    Progress,
    Summary,
    check_output,
    check_room,
    file_names,
    open_outputs,
)
from upsample_cli.operations.requests import UnpoolRequest
from upsample_cli.operations.stack import Stack, per_axis, stack_of
from upsample_cli.passes.pooling import unpool_array
from upsample_cli.resources.pieces import Pieces
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.windows import UNPOOLED_SIZE, Window, filled

if TYPE_CHECKING:
    from upsample_cli.files import Source, VolumeHeader

Array = NDArray[Any]

INDEX_BYTES = 8
CLOSE = 1e-6
"""What the float32 fields of slope and intercept leave of a stored value, relatively."""


@dataclass(kw_only=True)
class UnpoolPlan(Plan):
    """An unpooling that is ready to run.

    Attributes
    ----------
    file
        The open record.
    fill
        The stored value of a real 0.
    """

    file: RecordFile
    fill: Any

    @property
    def kept_bytes(self) -> int:
        """The indices."""
        return INDEX_BYTES * math.prod(self.stack.shape)

    @property
    def scratch_bytes(self) -> int:
        """Where a batch goes in an output of another size: its places, axis by axis."""
        moved = (len(self.sizes) + 1) * self.kept_bytes // self.stack.items * self.batch_size
        return 0 if self.sizes == self.file.record.sizes else moved

    def close(self) -> None:
        """Close the input and the record."""
        super().close()
        self.file.close()


def prepare_unpool(request: UnpoolRequest, input_name: str) -> UnpoolPlan:
    """Open the pooled file and its record, and settle the output; the caller closes the plan.

    Raises
    ------
    FileError
        If either cannot be read, or the two do not belong together.
    RequestError
        If the output cannot be as requested.
    """
    record_file = record_name(input_name, request.indices)
    with contextlib.ExitStack() as opened:
        source = open_source(input_name, request.image)
        opened.callback(source.close)
        file = RecordFile(record_file)
        opened.callback(file.close)
        plan = _prepare(request, source, file)
        opened.pop_all()
    return plan


def _prepare(request: UnpoolRequest, source: "Source", file: RecordFile) -> UnpoolPlan:
    record = file.record
    if source.kind == "array":
        source.set_dimensions(min(len(record.windows), len(source.full_shape)))
    stack = stack_of(source)
    _check_shape(stack, file)
    sizes = _sizes(request, stack, record)
    axes = [
        window.expanded(size, size_out)
        for window, size, size_out in zip(record.windows, stack.spatial, sizes, strict=True)
    ]
    fill, warnings = _fill(stack)
    plan = UnpoolPlan(
        stack,
        axes,
        stack.leading,
        stack.channels,
        stack.dtype,
        "max-unpool",
        [_formula(*of_axis) for of_axis in zip(record.windows, axes, strict=True)],
        image_mode=stack.image_mode,
        pieces=Pieces(request.threads),
        warnings=warnings,
        file=file,
        fill=fill,
    )
    if source.kind == "volume":
        plan.header, warnings = _header(source.header, file, sizes)
        plan.warnings += warnings
    return plan


def _check_shape(stack: Stack, file: RecordFile) -> None:
    record = file.record
    problem = f"does not belong to {file.name}, which is of "
    remedy = "name its own indices with --indices"
    if record.kind != stack.source.kind:
        raise FileError(stack.source.name, f"{problem}kind {record.kind}", remedy)
    before = record.shape[: len(record.shape) - len(record.windows)]
    try:
        pooled = [
            window.pooled_size(size, ceil_mode=record.ceil_mode)
            for window, size in zip(record.windows, record.sizes, strict=True)
        ]
    except ValueError as error:
        raise FileError(file.name, BROKEN, "pool again") from error
    if (*before, *pooled) != stack.shape:
        recorded = contents(stack, before, pooled, stack.dtype).shown_shape
        given = contents(stack, stack.leading, stack.spatial, stack.dtype).shown_shape
        problem += f"a file of shape {recorded}, not {given}"
        if recorded == given:
            problem = f"has {stack.channels} channels, its indices {file.name} {before[-1]}"
        raise FileError(stack.source.name, problem, remedy)


def _sizes(request: UnpoolRequest, stack: Stack, record: Record) -> tuple[int, ...]:
    if request.output_size is None:
        return record.sizes
    wanted = per_axis("--output-size", request.output_size, len(record.windows))
    for window, size, original, out in zip(
        record.windows, stack.spatial, record.sizes, wanted, strict=True
    ):
        if out == original:
            continue
        try:
            Window(window.extent, window.stride, window.padding).unpooled_size(size, out)
        except ValueError as error:
            raise RequestError("--output-size", str(error)) from error
    return tuple(wanted)


def _formula(window: Window, axis: AxisMap) -> str:
    numbers = filled(
        UNPOOLED_SIZE,
        size=axis.size_in,
        kernel=window.extent,
        stride=window.stride,
        padding=window.padding,
    )
    default = (axis.size_in - 1) * window.stride - 2 * window.padding + window.extent
    rest = axis.size_out - default
    return numbers + (f" {'+' if rest > 0 else '-'} {abs(rest)}" if rest else "")


def _header(
    pooled: "VolumeHeader", file: RecordFile, sizes: tuple[int, ...]
) -> tuple["VolumeHeader", list[str]]:
    """Return the original's header; another size adds or drops voxels at the end of an axis."""
    header, record = file.header(), file.record
    is_alike = header.disk_dtype.newbyteorder("=") == pooled.disk_dtype.newbyteorder("=")
    channels = header.element[1]
    leading = (*header.shape[:2:-1], channels) if channels > 1 else header.shape[:2:-1]
    if not is_alike or (*leading, *header.spatial[::-1]) != record.shape:
        raise FileError(file.name, BROKEN, "pool again")
    if sizes == record.sizes:
        return header, []
    axes = [
        AxisMap(before, after, 0.0, 1.0)
        for before, after in zip(header.spatial, sizes[::-1], strict=True)
    ]
    return header.resampled(axes, pooled.element[0])


def _fill(stack: Stack) -> tuple[Any, list[str]]:
    """Return the stored value of a real 0, and warnings where it is only near.

    Raises
    ------
    FileError
        If no stored value is near.
    """
    source, dtype = stack.source, stack.dtype
    slope, intercept = source.header.scaling if source.kind == "volume" else (1.0, 0.0)
    if not intercept:
        return dtype.type(0), []
    wanted = -intercept / slope
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    nearest = min(max(wanted, float(limits.min)), float(limits.max))
    if dtype.kind in "iu":
        nearest = min(max(round(nearest), int(limits.min)), int(limits.max))
    real = nearest * slope + intercept
    scaling = f"with slope {slope:g} and intercept {intercept:g}"
    if not abs(nearest - wanted) <= 0.5 + CLOSE * min(abs(wanted), float(limits.max)):
        problem = f"its {dtype.name} values hold no 0 {scaling}; the nearest is {real:g}"
        raise FileError(source.name, problem, "convert it to float32 and pool again")
    if dtype.kind not in "iu" or math.isclose(nearest, wanted, rel_tol=CLOSE, abs_tol=CLOSE):
        return dtype.type(nearest), []
    name = f"{source.name}: its {dtype.name} values hold no exact 0 {scaling}"
    return dtype.type(nearest), [f"{name}; {real:g} stands between the maxima"]


def unpool(
    request: UnpoolRequest, input_name: str, output_name: str, progress: Progress
) -> Summary:
    """Unpool one file into another.

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
    with contextlib.closing(prepare_unpool(request, input_name)) as plan:
        output = destination(plan, request, output_name, exact=True)
        check_room(output, memory=plan.working_bytes, disk=plan.output_bytes)
        indices = plan.file.indices(plan.stack.shape)
        names = file_names(output)
        with open_outputs(names, force=request.force) as files, progress(plan.output_bytes) as done:
            results = _unpooled(plan, indices, plan.pieces.threads)
            write_results(plan, request, output, files, results, done)
    return plan.summary((input_name, output_name), time.perf_counter() - started)


def _unpooled(plan: UnpoolPlan, indices: NDArray[np.int64], threads: int) -> Iterator[Array]:
    """Yield batches (n, channels, *sizes), the last one once the checksum was found right."""
    stack, file = plan.stack, plan.file
    places = indices.reshape(stack.items, stack.channels, -1)
    checksum, begin = Checksum(stack), 0
    for batch in stack.batches(plan.pieces.division):
        checksum.add(batch)
        here = places[begin : begin + len(batch)]
        begin += len(batch)
        if begin == stack.items:
            _check_values(plan, checksum)
        volumes = batch.reshape(len(batch) * stack.channels, -1)
        here = _moved(here.reshape(volumes.shape), file, plan.sizes)
        target = np.full((len(volumes), math.prod(plan.sizes)), plan.fill, stack.dtype)
        if unpool_array(volumes, here, target, threads) >= 0:
            raise FileError(file.name, "has indices outside the output", "pool again")
        yield target.reshape(*batch.shape[:2], *plan.sizes)


def _check_values(plan: UnpoolPlan, checksum: Checksum) -> None:
    if checksum.text() != plan.file.checksum():
        raise FileError(
            plan.stack.source.name,
            f"does not belong to {plan.file.name}: its values have another checksum",
            "pool again, or name its own indices with --indices",
        )


def _moved(indices: Array, file: RecordFile, sizes: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the indices in an output of another size: every maximum stays in place."""
    original = file.record.sizes
    if sizes == original:
        return np.ascontiguousarray(indices)
    if indices.min() < 0 or indices.max() >= math.prod(original):
        raise FileError(file.name, "has indices outside the original", "pool again")
    places = np.unravel_index(indices, original)
    if any((place >= size).any() for place, size in zip(places, sizes, strict=True)):
        raise RequestError(
            "--output-size", "it would cut off a maximum", "ask for more, or drop it"
        )
    return np.ascontiguousarray(np.ravel_multi_index(places, sizes), np.int64)
