"""Put the maxima of a pooled file back where its indices say they were."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import open_source
from upsample_cli.operations.indices import BROKEN, Checksum, IndicesFile, Pooling, indices_name
from upsample_cli.operations.requests import UnpoolRequest
from upsample_cli.operations.stack import Stack, per_axis, stack_of
from upsample_cli.operations.stacked import Stacked, contents
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
class UnpoolWork(Stacked):
    """An unpooling that is ready to run.

    Attributes
    ----------
    file
        The open indices.
    fill
        The stored value of a real 0.
    places
        The indices, once they have been read: (items, channels, values).
    """

    request: UnpoolRequest
    file: IndicesFile
    fill: Any
    places: NDArray[np.int64] = field(init=False)

    is_exact = True

    def kept_bytes(self, pieces: Pieces) -> int:  # noqa: ARG002
        """Return the size of the indices."""
        return INDEX_BYTES * math.prod(self.stack.shape)

    def scratch_bytes(self, pieces: Pieces) -> int:
        """Return where a batch goes in an output of another size: its places, axis by axis."""
        of_items = self.kept_bytes(pieces) // self.stack.items * self.batch_size(pieces)
        moved = (len(self.shape_out) + 1) * of_items
        return 0 if self.shape_out == self.file.pooling.sizes else moved

    def close(self) -> None:
        """Close the input and the indices."""
        super().close()
        self.file.close()

    def read_ahead(self) -> None:
        """Read the indices."""
        stack = self.stack
        self.places = self.file.indices(stack.shape).reshape(stack.items, stack.channels, -1)

    def batches(self) -> Iterator[Array]:
        """Yield what is unpooled, the last batch once the checksum was found right."""
        stack, places = self.stack, self.places
        checksum, begin = Checksum(stack), 0
        for batch in stack.batches(self.pieces.division):
            checksum.add(batch)
            here = places[begin : begin + len(batch)]
            begin += len(batch)
            if begin == stack.items:
                self._check_values(checksum)
            yield self._unpooled(batch, here)

    def _check_values(self, checksum: Checksum) -> None:
        if checksum.text() != self.file.checksum():
            raise FileError(
                self.source.name,
                f"does not belong to {self.file.name}: its values have another checksum",
                "pool again, or name its own indices with --indices",
            )

    def _unpooled(self, batch: Array, indices: Array) -> Array:
        volumes = batch.reshape(len(batch) * self.stack.channels, -1)
        here = _moved(indices.reshape(volumes.shape), self.file, self.shape_out)
        size = math.prod(self.shape_out)
        target = np.full((len(volumes), size), self.fill, self.dtype_out)
        if unpool_array(volumes, here, target, self.pieces.threads) >= 0:
            raise FileError(self.file.name, "has indices outside the output", "pool again")
        return target.reshape(*batch.shape[:2], *self.shape_out)


def prepare(request: UnpoolRequest, input_name: str) -> UnpoolWork:
    """Open the pooled file and its indices, and settle the output.

    Errors are as in `operations.work.prepare`; a FileError also if the two do not belong together.
    """
    indices = indices_name(input_name, request.indices)
    with contextlib.ExitStack() as opened:
        source = open_source(input_name, request.image)
        opened.callback(source.close)
        file = IndicesFile(indices)
        opened.callback(file.close)
        work = _prepare(request, source, file)
        opened.pop_all()
    return work


def _prepare(request: UnpoolRequest, source: "Source", file: IndicesFile) -> UnpoolWork:
    pooling = file.pooling
    if source.kind == "array":
        source.set_dimensions(min(len(pooling.windows), len(source.full_shape)))
    stack = stack_of(source)
    _check_shape(stack, file)
    sizes = _sizes(request, stack, pooling)
    axes = [
        window.expanded(size, size_out)
        for window, size, size_out in zip(pooling.windows, stack.spatial, sizes, strict=True)
    ]
    fill, warnings = fill_of(stack)
    header = None
    if source.kind == "volume":
        header, more = _header(source.header, file, sizes)
        warnings += more
    return UnpoolWork(
        request=request,
        source=source,
        axes=axes,
        dtype_out=stack.dtype,
        channels=stack.channels,
        header=header,
        image_mode=stack.image_mode,
        warnings=warnings,
        stack=stack,
        leading=stack.leading,
        name="max-unpool",
        formulas=[_formula(*of_axis) for of_axis in zip(pooling.windows, axes, strict=True)],
        file=file,
        fill=fill,
    )


def _check_shape(stack: Stack, file: IndicesFile) -> None:
    pooling = file.pooling
    problem = f"does not belong to {file.name}, which is of "
    remedy = "name its own indices with --indices"
    if pooling.kind != stack.source.kind:
        raise FileError(stack.source.name, f"{problem}kind {pooling.kind}", remedy)
    before = pooling.shape[: len(pooling.shape) - len(pooling.windows)]
    try:
        pooled = [
            window.pooled_size(size, ceil_mode=pooling.ceil_mode)
            for window, size in zip(pooling.windows, pooling.sizes, strict=True)
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


def _sizes(request: UnpoolRequest, stack: Stack, pooling: Pooling) -> tuple[int, ...]:
    if request.output_size is None:
        return pooling.sizes
    wanted = per_axis("--output-size", request.output_size, len(pooling.windows))
    for window, size, original, out in zip(
        pooling.windows, stack.spatial, pooling.sizes, wanted, strict=True
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
    pooled: "VolumeHeader", file: IndicesFile, sizes: tuple[int, ...]
) -> tuple["VolumeHeader", list[str]]:
    """Return the original's header; another size adds or drops voxels at the end of an axis."""
    header, pooling = file.header(), file.pooling
    is_alike = header.disk_dtype.newbyteorder("=") == pooled.disk_dtype.newbyteorder("=")
    channels = header.element[1]
    leading = (*header.shape[:2:-1], channels) if channels > 1 else header.shape[:2:-1]
    if not is_alike or (*leading, *header.spatial[::-1]) != pooling.shape:
        raise FileError(file.name, BROKEN, "pool again")
    if sizes == pooling.sizes:
        return header, []
    axes = [
        AxisMap(before, after, 0.0, 1.0)
        for before, after in zip(header.spatial, sizes[::-1], strict=True)
    ]
    return header.resampled(axes, pooled.element[0])


def fill_of(stack: Stack) -> tuple[Any, list[str]]:
    """Return the stored value of a real 0, and warnings where it is only near.

    Raises
    ------
    FileError
        If no stored value is near.
    """
    source, dtype = stack.source, stack.dtype
    slope, intercept = stack.scaling
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


def _moved(indices: Array, file: IndicesFile, sizes: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the indices in an output of another size: every maximum stays in place."""
    original = file.pooling.sizes
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
