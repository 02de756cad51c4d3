"""Pixels to the compressed data of a PNG: blocks of rows, filtered and deflated on threads."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from upsample_cli.files.deflate import deflated
from upsample_cli.kernels.png_filter import FILTERS, filter_rows
from upsample_cli.resources.threads import run_all

Array = NDArray[Any]

BLOCK = 2**18
"""Bytes that are deflated as one unit. Fixed, so that a file's bytes depend on nothing else."""
BLOCKS_AT_ONCE, BLOCKS_PER_THREAD = 64, 16
"""Compressed blocks that wait for the writer, at most: in all, and for each thread."""
LEVEL = 1
"""ISA-L's levels 2 and 3 take longer than this one, for files that differ by 1 %."""

ZLIB_HEADER = b"\x78\x01"
ADLER_BASE = 65_521


def encode(pixels: Array, depth: int, threads: int) -> Iterator[bytes]:
    """Yield the content of each image data chunk; together they are one zlib stream.

    Parameters
    ----------
    pixels
        (height, width, channels), C-contiguous: uint8, or uint16 of 16 bits.
    depth
        Bits of a sample in the file. A uint8 sample of fewer than 8 must fit in them, and be the
        only one of its pixel.
    threads
        How many threads share the work. The bytes are the same for any number.
    """
    height = len(pixels)
    packed_length = -(-pixels[0].size * depth // 8)
    rows = max(1, BLOCK // (1 + packed_length))
    tasks = [
        partial(_deflate, pixels, depth, begin, min(begin + rows, height))
        for begin in range(0, height, rows)
    ]
    adler, at_once = 1, min(BLOCKS_AT_ONCE, BLOCKS_PER_THREAD * threads)
    for begin in range(0, len(tasks), at_once):
        for block in run_all(tasks[begin : begin + at_once], threads):
            adler = combined_adler32(adler, block.adler, block.size)
            head = ZLIB_HEADER if block.is_first else b""
            tail = adler.to_bytes(4, "big") if block.is_last else b""
            yield head + block.content + tail


class _Block(NamedTuple):
    content: bytes
    size: int
    adler: int
    is_first: bool
    is_last: bool


def _deflate(pixels: Array, depth: int, begin: int, end: int) -> _Block:
    """Filter and deflate rows ``begin`` to ``end``, so that they need no block before them."""
    packed = pack(pixels[max(begin - 1, 0) : end], depth)
    above = packed[0] if begin else np.zeros(packed.shape[1], np.uint8)
    rows = packed[1:] if begin else packed
    filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    candidates = np.empty((FILTERS, rows.shape[1]), np.uint8)
    filter_rows(rows, above, sample_step(pixels.shape[2], depth), candidates, filtered)
    is_last = end == len(pixels)
    content = deflated(filtered, LEVEL, is_last=is_last)
    return _Block(content, filtered.size, isal_zlib.adler32(filtered), begin == 0, is_last)


def sample_step(channels: int, depth: int) -> int:
    """Return the bytes from a sample to that of the pixel on its left, at least 1."""
    return max(1, channels * depth // 8)


def pack(pixels: Array, depth: int) -> Array:
    """Return the bytes of each row, uint8 (rows, length), as a PNG has them before any filter.

    Examples
    --------
    >>> pack(np.array([[[1], [0], [3]]], np.uint8), 2).tolist()
    [[76]]
    >>> pack(np.array([[[258]]], np.uint16), 16).tolist()
    [[1, 2]]
    """
    rows = pixels.reshape(len(pixels), -1)
    if depth == 16:
        return rows.astype(">u2").view(np.uint8)
    if depth == 8:
        return rows
    per_byte = 8 // depth
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % per_byte)))
    packed = padded[:, ::per_byte] << (8 - depth)
    for n in range(1, per_byte):
        packed |= padded[:, n::per_byte] << (8 - depth * (n + 1))
    return packed


def combined_adler32(first: int, second: int, size: int) -> int:
    """Return the Adler-32 of two pieces of data from that of each, and the size of the second.

    Examples
    --------
    >>> parts = isal_zlib.adler32(b"some "), isal_zlib.adler32(b"data")
    >>> combined_adler32(*parts, len(b"data")) == isal_zlib.adler32(b"some data")
    True
    """
    low, high = first & 0xFFFF, first >> 16
    total = (low + (second & 0xFFFF) - 1) % ADLER_BASE
    weighted = (high + (second >> 16) + size * (low - 1)) % ADLER_BASE
    return weighted << 16 | total
