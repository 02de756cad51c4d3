"""The part of a file that a demo works on: one grey plane, and the middle of it."""

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from upsample_cli.demos.steps import Array
from upsample_cli.errors import RequestError
from upsample_cli.files import open_source
from upsample_cli.files.images.modes import PIXEL_MODES
from upsample_cli.files.images.options import ImageOptions

if TYPE_CHECKING:
    from upsample_cli.files import VolumeSource
    from upsample_cli.files.array import ArraySource
    from upsample_cli.files.images.reading import ImageSource


def read_plane(name: str, options: ImageOptions) -> Array:
    """Return an image in grey, or the middle slice of a volume or array, as float64.

    Colours are averaged, and rounded if they are whole numbers; transparency is left out.

    Raises
    ------
    FileError
        If the file cannot be read.
    RequestError
        If it has no plane, or holds complex numbers.
    """
    with contextlib.closing(open_source(name, options)) as source:
        pixels = _image(source) if source.kind == "image" else _middle_slice(source)
    if pixels.dtype.kind == "c":
        raise RequestError(name, f"holds {pixels.dtype}, which has no grey", "use real numbers")
    grey = pixels.mean(axis=-1, dtype=np.float64)
    return np.round(grey) if pixels.dtype.kind in "biu" else grey


def _image(source: "ImageSource") -> Array:
    mode, pixels = source.pixels(blurs=True)
    return pixels[..., :-1] if PIXEL_MODES[mode].has_alpha else pixels


def _middle_slice(source: "VolumeSource | ArraySource") -> Array:
    if len(source.shape) == 1:
        raise RequestError(source.name, "has one axis", "use an image, a volume or a 2-D array")
    if len(source.shape) == 2:
        return source.read(source.shape[0])
    for _ in range(source.shape[0] // 2):
        source.read(1)
    return source.read(1)[0]


def middle(plane: Array, side: int) -> Array:
    """Return the middle of a plane, ``side`` pixels high and wide, or less where it is smaller.

    >>> middle(np.arange(16).reshape(4, 4), 2)
    array([[ 5,  6],
           [ 9, 10]])
    """
    starts = [max(0, (size - side) // 2) for size in plane.shape]
    return np.ascontiguousarray(plane[tuple(slice(start, start + side) for start in starts)])
