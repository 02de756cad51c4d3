"""PNG files, chunk by chunk."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from isal import isal_zlib
from numpy.typing import NDArray
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = struct.Struct(">IIBB3s")
"""Width, height, depth, colour type; compression, filter and interlace methods, all 0."""
LONGEST_CHUNK = 2**31 - 1
LONGEST_PIXEL = 1 + 8
"""A filter and four samples of 16 bits; decoders ignore what a pixel does not take."""


def png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and content of each chunk of a PNG file, having checked its CRC.

    Pillow skips the CRC of image data and forgives a missing end.

    Raises
    ------
    ValueError
        A chunk is cut short, or its CRC is wrong.
    """
    file.seek(8)
    name = b""
    while name != b"IEND":
        header = file.read(8)
        if len(header) < 8:
            raise ValueError("it is truncated")
        length, name = struct.unpack(">I4s", header)
        content = file.read(length)
        crc = file.read(4)
        if len(content) < length or len(crc) < 4:
            raise ValueError("it is truncated")
        if isal_zlib.crc32(content, zlib.crc32(name)) != int.from_bytes(crc, "big"):
            raise ValueError(f"the checksum of its {name.decode('latin-1')} chunk is wrong")
        yield name, content


def largest_chunk(file: BinaryIO) -> int:
    """Return the length of the largest chunk of a PNG file, as far as its chunks are whole."""
    file.seek(8)
    largest = 0
    while len(header := file.read(8)) == 8:
        length, _ = struct.unpack(">I4s", header)
        largest = max(largest, length)
        file.seek(length + 4, io.SEEK_CUR)
    return largest


def without_pixels(file: BinaryIO) -> BinaryIO:
    """Return a PNG of one pixel, in memory, that has every other chunk of a file.

    Raises
    ------
    ValueError
        As `png_chunks`.
    """
    small = io.BytesIO()
    small.write(SIGNATURE)
    has_pixel = False
    for name, content in png_chunks(file):
        if name == b"IHDR":
            content = HEADER.pack(1, 1, *HEADER.unpack(content)[2:])
        if name == b"IDAT":
            if has_pixel:
                continue
            has_pixel, content = True, zlib.compress(bytes(LONGEST_PIXEL))
        _write_chunk(small, name, content)
    return small


def write_png(
    file: BinaryIO,
    stand_in: Image.Image,
    pixels: NDArray[Any],
    threads: int,
    **settings: Any,
) -> None:
    """Write pixels as a PNG with every other chunk that Pillow would have written.

    Parameters
    ----------
    file
        Written strictly forward.
    stand_in
        An image of one pixel, with the mode and the palette of the whole.
    pixels
        (height, width, channels), C-contiguous; uint16 ones make a file of 16 bits.
    threads
        How many threads share the work; the bytes are the same for any number.
    settings
        What Pillow is asked to write.
    """
    from upsample_cli.files.images.png_encoder import encode

    small = io.BytesIO()
    stand_in.save(small, "PNG", **settings)
    file.write(SIGNATURE)
    for name, content in png_chunks(small):
        if name == b"IHDR":
            *_, depth, colour_type, methods = HEADER.unpack(content)
            depth = 16 if pixels.itemsize == 2 else depth
            height, width, _ = pixels.shape
            _write_chunk(file, name, HEADER.pack(width, height, depth, colour_type, methods))
        elif name == b"IDAT":
            for part in encode(pixels, depth, threads):
                for begin in range(0, len(part), LONGEST_CHUNK):
                    _write_chunk(file, name, part[begin : begin + LONGEST_CHUNK])
        else:
            _write_chunk(file, name, content)


def _write_chunk(file: BinaryIO, name: bytes, content: bytes) -> None:
    crc = isal_zlib.crc32(content, zlib.crc32(name))
    file.write(struct.pack(">I4s", len(content), name))
    file.write(content)
    file.write(crc.to_bytes(4, "big"))
