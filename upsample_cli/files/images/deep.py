"""Colours of 16 bits, which Pillow would reduce to 8."""

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from upsample_cli.files.images.modes import PIXEL_MODES
from upsample_cli.files.images.png import png_chunks


def read_deep(file: BinaryIO, mode: str, shape: tuple[int, int]) -> NDArray[Any]:
    """Decode a PNG of 16-bit colours: uint16 (height, width, channels).

    Raises
    ------
    ValueError
        The file is truncated or corrupt.
    """
    from upsample_cli.files.images.png_decoder import decode

    contents = (content for name, content in png_chunks(file) if name == b"IDAT")
    return decode(contents, (*shape, PIXEL_MODES[mode].channels), np.uint16)


def with_keyed_alpha(pixels: NDArray[Any], key: int | tuple[int, ...]) -> NDArray[Any]:
    """Append an alpha channel that is 0 where a pixel has the key's colour, and full elsewhere.

    Examples
    --------
    >>> with_keyed_alpha(np.array([[[7], [8]]], np.uint16), 7).tolist()
    [[[7, 0], [8, 65535]]]
    """
    keyed = np.empty((*pixels.shape[:2], pixels.shape[2] + 1), pixels.dtype)
    keyed[..., :-1] = pixels
    is_key = (pixels == np.asarray(key, pixels.dtype)).all(axis=-1)
    keyed[..., -1] = np.where(is_key, 0, np.iinfo(pixels.dtype).max)
    return keyed
