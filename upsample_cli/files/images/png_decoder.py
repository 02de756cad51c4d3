"""The compressed data of a PNG to pixels of 8 or 16 bits."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import DTypeLike, NDArray

from upsample_cli.kernels.png_filter import unfilter_rows

Array = NDArray[Any]

BLOCK = 2**18
"""Bytes that are inflated before their rows are unfiltered."""
PIECE = 2**16
"""Bytes that the inflater takes at a time; it copies what it has not used yet at every call."""


def decode(contents: Iterable[bytes], shape: tuple[int, int, int], dtype: DTypeLike) -> Array:
    """Return the pixels of a PNG that is not interlaced.

    Data beyond the last row are ignored, as other decoders do.

    Parameters
    ----------
    contents
        Those of the image data chunks, in order.
    shape
        (height, width, channels).
    dtype
        uint8 or uint16.

    Raises
    ------
    ValueError
        The data are too few, or no such data.
    """
    pixels: Array = np.empty(shape, dtype)
    rows = pixels.reshape(shape[0], -1).view(np.uint8)
    length = rows.shape[1]
    above = np.zeros(length, np.uint8)
    filtered = np.empty((max(1, BLOCK // (1 + length)), 1 + length), np.uint8)
    inflater = _Inflater(contents)
    for begin in range(0, len(rows), len(filtered)):
        part = rows[begin : begin + len(filtered)]
        inflater.fill(filtered[: len(part)])
        if unfilter_rows(filtered[: len(part)], above, shape[2] * pixels.itemsize, part):
            raise ValueError("a row of its pixels has an unknown filter")
        above = part[-1]
    if pixels.itemsize > 1 and sys.byteorder == "little":
        pixels.byteswap(inplace=True)
    return pixels


class _Inflater:
    """Inflates as much as is asked for, and never more."""

    def __init__(self, contents: Iterable[bytes]) -> None:
        self.pieces = _pieces(contents)
        self.inflater = isal_zlib.decompressobj()

    def fill(self, target: Array) -> None:
        """Fill a C-contiguous uint8 array."""
        flat = target.reshape(-1)
        filled = 0
        while filled < len(flat):
            data = self._inflate(len(flat) - filled)
            flat[filled : filled + len(data)] = np.frombuffer(data, np.uint8)
            filled += len(data)

    def _inflate(self, most: int) -> bytes:
        try:
            data: bytes = self.inflater.decompress(self.inflater.unconsumed_tail, most)
            while not data:
                piece = b"" if self.inflater.eof else next(self.pieces, b"")
                if not piece:
                    raise ValueError("its pixels are cut short")
                data = self.inflater.decompress(piece, most)
        except isal_zlib.error as error:  # type: ignore[misc]  # its stub has an instance
            raise ValueError(f"its pixels are broken ({error})") from error
        return data


def _pieces(contents: Iterable[bytes]) -> Iterator[bytes]:
    for content in contents:
        for begin in range(0, len(content), PIECE):
            yield content[begin : begin + PIECE]
