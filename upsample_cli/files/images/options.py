"""What a user can ask of images alone; imports nothing, because every command asks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageOptions:
    """What a user can ask of reading and writing images.

    Parameters
    ----------
    frame
        The frame of a multi-frame file, counted from 0.
    max_pixels
        The most pixels that an image may have, in place of Pillow's decompression-bomb limit.
    quality
        From 1 to 100, for JPEG (default 92) and WebP (lossless without it).
    """

    frame: int | None = None
    max_pixels: int | None = None
    quality: int | None = None
