"""The grid that a volume is to be put on: whose it is, and how it lies to the volume's own."""

import numpy as np
from nibabel import orientations

from upsample_cli.errors import RequestError
from upsample_cli.files import files_of, volume_header
from upsample_cli.files.streams import ForwardReader, head_of, open_input
from upsample_cli.files.volumes.volume import VolumeHeader
from upsample_cli.sampling.grid import Grid

METRES = {"m": 1.0, "mm": 1e-3, "µm": 1e-6}
"""A spatial unit → its length."""


def read_reference(name: str) -> VolumeHeader:
    """Read the header of the volume whose grid is wanted; its voxels are not read.

    Raises
    ------
    FileError
        If it is no header of a known volume format, or does not say where its voxels are.
    """
    if name == "-":
        raise RequestError("--like", "a reference cannot come from standard input", "name a file")
    path = files_of(name)[0]
    file = open_input(path)
    head = head_of(file)
    reader = ForwardReader(file, path)
    try:
        header = volume_header(head, reader.read, reader.read_rest, path)
    finally:
        reader.close()
    return header.as_reference()


def check_three_axes(header: VolumeHeader, option: str) -> None:
    """Refuse an input that has no three axes."""
    if len(header.spatial) != 3:
        problem = f"has {len(header.spatial)} dimensions, and {option} needs 3"
        raise RequestError(header.name, problem, "give it axes of one voxel")


def grids(header: VolumeHeader, reference: VolumeHeader) -> tuple[Grid, Grid]:
    """Return the grids of two volumes, the second in the unit of the first if both say theirs."""
    units = [METRES.get(each.unit) for each in (header, reference)]
    affine = reference.affine
    if units[0] and units[1] and units[0] != units[1]:
        affine = np.diag([units[1] / units[0]] * 3 + [1.0]) @ affine
    shape = (*reference.spatial, 1, 1)[:3]
    return header.grid, Grid(shape, affine)


def turn_to(header: VolumeHeader, code: str) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Return which input axis each axis of the orientation ``code`` runs along, and if backwards.

    Raises
    ------
    RequestError
        If the code is not three letters, one for each of left-right, back-front and down-up.
    """
    letters = code.upper()
    if sorted("RAS"["RLAPSI".find(letter) // 2] for letter in letters) != sorted("RAS") or (
        set(letters) - set("RLAPSI")
    ):
        raise RequestError(
            "--orientation",
            f"{code!r} is no orientation",
            "use a letter of each of RL, AP and SI, such as RAS or LPI",
        )
    here = orientations.io_orientation(header.affine)  # type: ignore[no-untyped-call]
    there = orientations.axcodes2ornt(tuple(letters))  # type: ignore[no-untyped-call]
    moves = orientations.ornt_transform(here, there)  # type: ignore[no-untyped-call]
    targets = [int(axis) for axis in moves[:, 0]]
    order = tuple(targets.index(axis) for axis in range(3))
    return order, tuple(bool(moves[axis, 1] < 0) for axis in order)
