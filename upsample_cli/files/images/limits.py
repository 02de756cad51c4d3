"""What an image's header may promise, checked before there is room for it."""

import os
from typing import BinaryIO

from PIL import Image, ImageFile

from upsample_cli.errors import FileError

PIXELS_OF_A_BYTE = {
    "raw": 8,
    "ppm_plain": 8,
    "packbits": 8 * 64,
    "zip": 8 * 1032,
}
"""Pillow's decoder → the most pixels, of one bit, that it makes of a byte; others have no bound."""


def check_size(image: Image.Image, name: str, limit: int | None) -> None:
    """Refuse more pixels than the limit, if there is one."""
    pixels = image.width * image.height
    if limit is not None and pixels > limit:
        raise too_large(name, pixels)


def too_large(name: str, pixels: object) -> FileError:
    """Return what refuses that many pixels."""
    return FileError(
        name,
        f"it has {pixels} pixels, which may be a decompression bomb",
        f"if you trust it, use --max-pixels {pixels}",
    )


def check_length(image: Image.Image, name: str, file: BinaryIO) -> None:
    """Refuse more pixels than so many bytes can hold."""
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    bounds = [PIXELS_OF_A_BYTE.get(tile.codec_name) for tile in tiles]
    known = [bound for bound in bounds if bound is not None]
    if not known or len(known) < len(bounds):
        return
    position = file.tell()
    length = file.seek(0, os.SEEK_END)
    file.seek(position)
    if image.width * image.height > length * max(known):
        raise FileError(
            name,
            f"is truncated: {length} bytes cannot hold {image.width}×{image.height} pixels",
            "use a complete file",
        )
