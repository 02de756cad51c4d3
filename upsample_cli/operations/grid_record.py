"""The record of a resample: a JSON file beside the output, from which one can go back."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import files_of
from upsample_cli.files.streams import open_input
from upsample_cli.files.volumes.nifti_fields import SPATIAL_UNIT
from upsample_cli.files.volumes.nifti_geometry import Geometry, parts
from upsample_cli.files.volumes.nifti_header import header_of
from upsample_cli.operations.facts import Facts, finite
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.grid import Grid, corner_tolerance, resampled_affine
from upsample_cli.sampling.target import LARGEST_AXIS, Target

if TYPE_CHECKING:
    from upsample_cli.files import VolumeHeader
    from upsample_cli.operations.resampling import Resampling

SUFFIX = ".record.json"
FORMAT = "upsample-cli record 1"
LARGEST_FILE = 2**20
REMEDY = f"name the {SUFFIX} that resample --record wrote"
ORDERS = {"little": "<", "big": ">"}
HEADER_SIZES = {1: 348, 2: 540}
SIZE_TOLERANCE = 1e-4
"""The part by which a tool may have rounded a voxel size, where no form says where voxels are."""


def record_name(name: str) -> str:
    """Return the name of the record that belongs to a volume, of a pair to its header.

    Raises
    ------
    RequestError
        For standard output, which has no place for it.

    >>> record_name("scans/t1_x2.nii.gz")
    'scans/t1_x2.nii.gz.record.json'
    """
    if name == "-":
        problem = "standard output has no place for it"
        raise RequestError("--record", problem, "name a file")
    return files_of(name)[0] + SUFFIX


def record_of(work: "Resampling") -> bytes:
    """Return the record of a resample, as the bytes of its file.

    Raises
    ------
    RequestError
        If the input is no NIfTI volume, or the target no sampling of each axis.
    """
    source, method, target = work.source, work.method, work.request.target
    if not isinstance(target, Target):
        problem = f"does not go with --{target.kind}, which has no way back axis by axis"
        raise RequestError("--record", problem, "drop it, and go back with --like INPUT")
    if source.kind != "volume" or work.header is None:
        raise RequestError("--record", "is for NIfTI volumes", "drop it")
    header = source.header
    header.check_able("record", "--record")
    facts = {
        "format": FORMAT,
        "source": {
            "name": Path(work.input_name).name,
            "header_sha256": hashlib.sha256(header.field_bytes).hexdigest(),
            **header.facts(),
        },
        "geometry": _geometry_facts(header.geometry()),
        "axes": [
            {name: getattr(axis, name) for name in ("size_in", "size_out", "start", "step")}
            for axis in work.axes[::-1]
        ],
        "target": {"kind": target.kind, "values": list(target.values)},
        "mode": {
            "name": method.mode.name,
            "align_corners": method.align_corners,
            "antialias": method.antialias,
        },
        "output": work.header.facts(),
        "versions": _versions(),
    }
    text = json.dumps(finite(facts), indent=1, sort_keys=True, ensure_ascii=False)
    return (text + "\n").encode()


def _geometry_facts(geometry: Geometry) -> Facts:
    return {
        "nifti": next(n for n, size in HEADER_SIZES.items() if size == geometry.header_size),
        "byte_order": next(name for name, order in ORDERS.items() if order == geometry.order),
        "fields": {name: value.hex() for name, value in geometry.fields.items()},
        "unit": geometry.unit,
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("upsample-cli", "numpy", "nibabel")}


@dataclass(frozen=True)
class GridRecord:
    """What a record says of the way back.

    Attributes
    ----------
    name
        The file, for messages.
    geometry
        The source's.
    axes
        The maps of the resample, x first.
    """

    name: str
    geometry: Geometry
    axes: tuple[AxisMap, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The spatial shape of what the resample wrote, x first."""
        return tuple(axis.size_out for axis in self.axes)

    def way_back(self, header: "VolumeHeader") -> tuple[AxisMap, ...]:
        """Return the maps from a processed volume to the source's grid, x first.

        Raises
        ------
        RequestError
            If the volume is not on the grid that was recorded.
        """
        if _padded(header.spatial) != _padded(self.shape):
            raise RequestError(
                header.name,
                f"its shape is {_by(header.spatial)}, but {self.name} is of {_by(self.shape)}",
                "use the record of its grid",
            )
        maps = tuple(axis.inverse() for axis in self.axes)
        # A lone plane may have lost its axis on the way, or have got one.
        maps += (AxisMap.copied(1),) * (len(header.spatial) - len(maps))
        lost = maps[len(header.spatial) :]
        if any(axis.size_out > 1 for axis in lost):
            raise RequestError(header.name, "has lost an axis", "keep it 3-D while processing")
        self._check_place(header)
        return maps[: len(header.spatial)]

    def _check_place(self, header: "VolumeHeader") -> None:
        source = header_of(self.geometry, self.name)
        if max(source.codes) <= 0:
            self._check_sizes(header, source)
            return
        forms = zip(source.codes, (source.qform, source.sform), strict=True)
        affines = [
            resampled_affine(form, self.axes)
            for code, form in forms
            if code > 0 and form is not None
        ]
        grids = [Grid(header.spatial, affine) for affine in affines]
        corners = Grid(header.spatial, header.affine).corners
        # Tools differ in which of two forms they go by.
        apart = min(float(np.abs(grid.corners - corners).max()) for grid in grids)
        if apart > corner_tolerance(*grids):
            raise self._misplaced(header, f"its corners are off by {apart:.3g}")

    def _check_sizes(self, header: "VolumeHeader", source: "VolumeHeader") -> None:
        sizes = [size * axis.step for size, axis in zip(source.spacing, self.axes, strict=True)]
        pairs = zip(header.spacing, sizes, strict=False)
        if any(abs(size - wanted) > SIZE_TOLERANCE * wanted for size, wanted in pairs):
            raise self._misplaced(header, f"its voxel size is not {_by(sizes)}")

    def _misplaced(self, header: "VolumeHeader", problem: str) -> RequestError:
        return RequestError(
            header.name, f"is not on the grid of {self.name}: {problem}", "use its own record"
        )


def _padded(shape: Sequence[int]) -> tuple[int, ...]:
    return (*shape, 1, 1)[:3]


def _by(numbers: Sequence[float]) -> str:
    return "×".join(f"{number:.6g}" for number in numbers)


def read_record(name: str) -> GridRecord:
    """Read and check a record.

    Raises
    ------
    FileError
        If there is none, or it is not what ``--record`` writes.
    """
    with open_input(name) as file:
        text = file.read(LARGEST_FILE + 1)
    try:
        if len(text) > LARGEST_FILE:
            raise ValueError("is too large")
        facts = _parsed(text, name)
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            raise ValueError(f"does not say that it is an {FORMAT}")
        geometry = _geometry(_entry(facts, "geometry", dict), len(_entry(facts, "axes", list)))
        axes = tuple(_axis(entry) for entry in facts["axes"])
    except ValueError as error:
        raise FileError(name, f"is no usable record ({error})", REMEDY) from error
    header = header_of(geometry, name)
    if header.spatial != tuple(axis.size_in for axis in axes):
        problem = "is no usable record (its axes contradict its geometry)"
        raise FileError(name, problem, REMEDY)
    return GridRecord(name, geometry, axes)


def _parsed(text: bytes, name: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise FileError(name, "is not JSON", REMEDY) from error


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _entry(facts: Any, key: str, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(facts, dict) or key not in facts:
        raise ValueError(f"{key} is missing")
    value = facts[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{key} has a wrong type")
    return value


def _geometry(facts: Facts, dimensions: int) -> Geometry:
    if not 1 <= dimensions <= 3:
        raise ValueError(f"it has {dimensions} axes")
    version, order = _entry(facts, "nifti", int), _entry(facts, "byte_order", str)
    if version not in HEADER_SIZES or order not in ORDERS:
        raise ValueError("its version or byte order is unknown")
    texts = _entry(facts, "fields", dict)
    fields = {}
    for field, part in parts(HEADER_SIZES[version], dimensions).items():
        text, length = _entry(texts, field, str), part.stop - part.start
        if not re.fullmatch(f"[0-9a-f]{{{2 * length}}}", text):
            raise ValueError(f"{field} is not {length} bytes in hex")
        fields[field] = bytes.fromhex(text)
    unit = _entry(facts, "unit", int)
    if not 0 <= unit <= SPATIAL_UNIT:
        raise ValueError("its unit is unknown")
    return Geometry(HEADER_SIZES[version], ORDERS[order], dimensions, fields, unit)


def _axis(facts: Any) -> AxisMap:
    sizes = [_entry(facts, key, int) for key in ("size_in", "size_out")]
    if not all(1 <= size <= LARGEST_AXIS for size in sizes):
        raise ValueError("an axis has an impossible size")
    try:
        start, step = (float(_entry(facts, key, (int, float))) for key in ("start", "step"))
    except OverflowError as error:
        raise ValueError("an axis has an impossible map") from error
    if not 1 / LARGEST_AXIS <= step <= LARGEST_AXIS or not abs(start) <= sizes[0] + step:
        raise ValueError("an axis has an impossible map")
    return AxisMap(sizes[0], sizes[1], start, step)
