"""What the headers of two volumes say, side by side."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.operations.facts import CODE_NAMES
from upsample_cli.sampling.grid import OF_A_NUMBER, Grid

if TYPE_CHECKING:
    from upsample_cli.files import VolumeHeader

SECONDS = frozenset({"s", "ms", "µs"})
"""Time units that convert into each other; the other units of a fourth axis measure no time."""


@dataclass(frozen=True)
class Row:
    """One thing that two volumes are compared by.

    Attributes
    ----------
    a, b
        What each says, as people read it.
    agrees
        Whether the two are alike.
    counts
        Whether the volumes disagree if this does.
    detail
        By how much the two differ, as people read it.
    facts
        The same as numbers, by name.
    """

    name: str
    a: str
    b: str
    agrees: bool
    counts: bool = True
    detail: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def grid_of(header: "VolumeHeader") -> Grid:
    """Return where the voxels are; without any form, the first voxel's outer edge is at 0.

    Such a header says only how large the field of view is, and a resample keeps that.
    """
    if max(header.codes) > 0:
        return header.grid
    sizes = np.array(header.voxel_sizes)
    affine = np.diag([*sizes, 1.0])
    affine[:3, 3] = sizes / 2
    return Grid(header.spatial, affine)


def compare_headers(
    a: "VolumeHeader", b: "VolumeHeader", tolerance: float, *, same_grid: bool
) -> list[Row]:
    """Compare two headers.

    Parameters
    ----------
    a, b
        The headers.
    tolerance
        How far corners may be apart, in the headers' unit.
    same_grid
        Whether shape and voxel size count too.
    """
    return [
        *_voxel_rows(a, b, tolerance, same_grid=same_grid),
        _equal("orientation", a.orientation, b.orientation),
        *_corner_rows(a, b, tolerance),
        _form_row("qform", a, b, tolerance),
        _form_row("sform", a, b, tolerance),
        _unit_row(a, b),
        _dtype_row(a, b),
        _scaling_row(a, b),
        _equal("intent", str(a.intent), str(b.intent), counts=False),
    ]


def _equal(name: str, a: str, b: str, *, counts: bool = True) -> Row:
    return Row(name, a, b, a == b, counts)


def _voxel_rows(
    a: "VolumeHeader", b: "VolumeHeader", tolerance: float, *, same_grid: bool
) -> list[Row]:
    # A size that is off by this moves the far edge by the tolerance.
    close = len(a.spacing) == len(b.spacing) and all(
        abs(one - other) * n <= tolerance
        for one, other, n in zip(a.spacing, b.spacing, a.spatial, strict=True)
    )
    lengths = _lengths(a.spacing, a), _lengths(b.spacing, b)
    return [
        Row("shape", _by(a.shape), _by(b.shape), a.shape == b.shape, same_grid),
        Row("voxel size", lengths[0], lengths[1], close, same_grid),
    ]


def _corner_rows(a: "VolumeHeader", b: "VolumeHeader", tolerance: float) -> list[Row]:
    corners = grid_of(a).corners, grid_of(b).corners
    apart = _distances(corners[0][:, np.newaxis], corners[1])
    # Whatever the axes are called: from each corner to the nearest of the other volume.
    field = float(max(apart.min(axis=0).max(), apart.min(axis=1).max()))
    cornerwise = apart.diagonal()
    sides = [_lengths(np.multiply(of.spatial, of.spacing), of) for of in (a, b)]
    first, last = ([_point(each[index]) for each in corners] for index in (0, -1))
    rows = [
        ("field of view", sides, field),
        ("first corner", first, float(cornerwise[0])),
        ("last corner", last, float(cornerwise[-1])),
        ("all corners", ["", ""], float(cornerwise.max())),
    ]
    return [
        Row(name, shown[0], shown[1], distance <= tolerance, True, *_apart(distance, a))
        for name, shown, distance in rows
    ]


def _form_row(name: str, a: "VolumeHeader", b: "VolumeHeader", tolerance: float) -> Row:
    codes = [of.codes[("qform", "sform").index(name)] for of in (a, b)]
    shown = [f"{code} ({CODE_NAMES.get(code, 'other')})" for code in codes]
    forms: list[NDArray[np.float64] | None] = [getattr(of, name) for of in (a, b)]
    if min(codes) <= 0 or forms[0] is None or forms[1] is None:
        return Row(name, shown[0], shown[1], codes[0] == codes[1])
    corners = [
        Grid(of.spatial, form).corners
        for of, form in zip((a, b), forms, strict=True)
        if form is not None
    ]
    apart = float(_distances(*corners).max())
    is_alike = codes[0] == codes[1] and apart <= tolerance
    return Row(name, shown[0], shown[1], is_alike, True, *_apart(apart, a))


def _unit_row(a: "VolumeHeader", b: "VolumeHeader") -> Row:
    """Compare units: compatible are two that are the same, or of which one is not said.

    Of time, so are two that convert; and it counts only where both volumes have a fourth axis.
    """
    is_alike = a.unit == b.unit or not (a.unit and b.unit)
    times = {a.time_unit, b.time_unit} - {""}
    have_time = min(len(a.shape), len(b.shape)) > 3
    is_alike_in_time = not have_time or len(times) < 2 or times <= SECONDS
    return Row("units", _units(a), _units(b), is_alike and is_alike_in_time)


def _dtype_row(a: "VolumeHeader", b: "VolumeHeader") -> Row:
    """Compare dtypes: compatible are two of real numbers, two complex ones, and equal colours."""
    kinds = [(dtype.kind == "c", channels) for dtype, channels in (a.element, b.element)]
    names = [f"{dtype}" + f"×{n}" * (n > 1) for dtype, n in (a.element, b.element)]
    return Row("dtype", names[0], names[1], kinds[0] == kinds[1])


def _scaling_row(a: "VolumeHeader", b: "VolumeHeader") -> Row:
    shown = [f"{of.scaling[0]:g}·v + {of.scaling[1]:g}" for of in (a, b)]
    is_alike = np.allclose(a.scaling, b.scaling, rtol=OF_A_NUMBER, atol=0)
    # Data of another dtype are stored with a scaling of their own.
    return Row("scaling", shown[0], shown[1], bool(is_alike), a.element == b.element)


def _units(header: "VolumeHeader") -> str:
    return ", ".join(unit for unit in (header.unit, header.time_unit) if unit) or "unknown"


def _by(numbers: Any) -> str:
    return "×".join(f"{number:.6g}" for number in numbers)


def _lengths(lengths: Any, header: "VolumeHeader") -> str:
    return f"{_by(lengths)} {header.unit}".rstrip()


def _point(point: NDArray[np.float64]) -> str:
    return ", ".join(f"{round(float(x), 3) + 0.0:g}" for x in point)


def _distances(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(((one - other) ** 2).sum(axis=-1)))


def _apart(distance: float, header: "VolumeHeader") -> tuple[str, dict[str, float]]:
    return f"apart by {distance:.3g} {header.unit}".rstrip(), {"apart": distance}
