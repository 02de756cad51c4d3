"""What two volumes hold: the one sampled at the voxels of the other."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.resources.machine import check_memory
from upsample_cli.sampling.points import is_within, linear_at, nearest_at, positions_of
from upsample_cli.verify.rows import Row, grid_of

if TYPE_CHECKING:
    from upsample_cli.files import VolumeSource

POINTS = 2**18
"""How many voxels are compared at once, so that memory does not grow with the volume."""


class Differences:
    """The largest and the mean difference of what has been compared so far."""

    def __init__(self) -> None:
        self.largest = 0.0
        self.total = 0.0
        self.count = 0

    def add(self, a: NDArray[Any], b: NDArray[Any]) -> None:
        """Take in two arrays of one shape; a NaN or an infinity agrees with its like alone."""
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.abs(a - b)
        apart[(a == b) | (np.isnan(a) & np.isnan(b))] = 0
        apart[np.isnan(apart)] = np.inf
        self.largest = max(self.largest, float(apart.max(initial=0)))
        self.total += float(apart.sum())
        self.count += apart.size


def compare_values(
    a: "VolumeSource", b: "VolumeSource", tolerance: float | None, done: Callable[[int], object]
) -> Row:
    """Compare what A holds with B sampled, in the world, at the centres of A's voxels.

    B is sampled linearly, or nearest where one of the two holds labels. Values are scaled. One
    volume of B is held in memory, and a slab of A.

    Parameters
    ----------
    a, b
        The open volumes; both are read to their ends.
    tolerance
        The largest difference that counts as agreement; None if values do not count.
    done
        Takes the bytes of A that have just been compared.

    Raises
    ------
    FileError
        If a file is broken.
    RequestError
        If a volume of B does not fit in memory.
    """
    counts = tolerance is not None
    if (a.items, a.channels) != (b.items, b.channels):
        return Row("values", "", "", False, counts, "not comparable: volumes or channels differ")
    item_bytes = math.prod(b.shape) * b.channels * b.dtype.itemsize
    check_memory(b.name, item_bytes, "use --no-values to compare the headers alone")
    sample = nearest_at if a.header.is_label_map or b.header.is_label_map else linear_at
    to_b = np.linalg.inv(grid_of(b.header).affine) @ grid_of(a.header).affine
    differences = Differences()
    for _ in range(a.items):
        volume = _as_volume(b.read(b.shape[0]))
        _compare_item(a, b, volume, to_b, sample, differences, done)
    for source in (a, b):
        source.finish()
    return _row(differences, math.prod(a.shape) * a.items * a.channels, tolerance)


def _compare_item(
    a: "VolumeSource",
    b: "VolumeSource",
    volume: NDArray[Any],
    to_b: NDArray[np.float64],
    sample: Callable[..., NDArray[Any]],
    differences: Differences,
    done: Callable[[int], object],
) -> None:
    plane = math.prod(a.shape[1:])
    planes = max(1, POINTS // plane)
    for begin in range(0, a.shape[0], planes):
        slab = a.read(min(planes, a.shape[0] - begin))
        values = slab.reshape(-1, a.channels)
        for lo in range(0, len(values), POINTS):
            part = values[lo : lo + POINTS]
            first = begin * plane + lo
            positions = positions_of(to_b, _as_3d(a.shape), first, first + len(part))
            inside = is_within(positions, volume.shape[:3])
            sampled = sample(volume, positions[:, inside])
            differences.add(_scaled(part[inside], a), _scaled(sampled, b))
        done(slab.nbytes)


def _as_3d(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (3 - len(shape)) + tuple(shape)


def _as_volume(planes: NDArray[Any]) -> NDArray[Any]:
    return planes.reshape(*_as_3d(planes.shape[:-1]), planes.shape[-1])


def _scaled(values: NDArray[Any], source: "VolumeSource") -> NDArray[Any]:
    slope, intercept = source.header.scaling
    # What a header's slope makes infinite agrees with its like alone.
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.result_type(values.dtype, np.float64)) * slope + intercept


def _row(differences: Differences, total: int, tolerance: float | None) -> Row:
    counts = tolerance is not None
    if not differences.count:
        return Row("values", "", "", False, counts, "none of A's voxels lie in B")
    largest, mean = differences.largest, differences.total / differences.count
    inside = differences.count / total
    return Row(
        "values",
        f"{100 * inside:.4g} % lie in B",
        f"{largest:.3g} off at most",
        largest <= (tolerance or 0),
        counts,
        f"{mean:.3g} off on average",
        {"largest": largest, "mean": mean, "inside": inside},
    )
