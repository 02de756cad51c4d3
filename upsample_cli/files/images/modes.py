"""The modes of pixels, named as Pillow's are, and what each holds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from upsample_cli.errors import RequestError

Transparency = int | bytes | tuple[int, ...] | None
"""A palette index, the alpha of each palette entry, or the colour that is transparent."""


@dataclass(frozen=True)
class PixelMode:
    """What a mode is called, and what an array of its pixels is.

    Attributes
    ----------
    words
        For people.
    dtype, channels
        Of its array.
    blended
        What it becomes when pixels are mixed: without a transparent colour, and with one; itself
        where nothing is said.
    has_alpha
        Whether the last channel is how opaque a pixel is.
    is_deep
        Whether its colours have 16 bits, which Pillow would reduce to 8; Pillow has no such mode.
    can_be_keyed
        Whether a file may say that one of its colours is transparent.
    opaque
        The mode without its alpha.
    pillow_bytes
        What a pixel takes in Pillow's memory.
    is_shared
        Whether Pillow writes an array of it as it is; others it copies.
    remedy
        What else to do where a format does not hold it.
    """

    words: str
    dtype: np.dtype[Any]
    channels: int
    blended: tuple[str, str] | None = None
    has_alpha: bool = False
    is_deep: bool = False
    can_be_keyed: bool = False
    opaque: str = ""
    pillow_bytes: int = 4
    is_shared: bool = False
    remedy: str = ""


BYTE, SHORT = np.dtype("uint8"), np.dtype("uint16")

PIXEL_MODES = {
    "1": PixelMode("1-bit", BYTE, 1, ("L", "LA"), can_be_keyed=True, pillow_bytes=1),
    "L": PixelMode("grey", BYTE, 1, ("L", "LA"), can_be_keyed=True, pillow_bytes=1, is_shared=True),
    "LA": PixelMode("grey with transparency", BYTE, 2, has_alpha=True, opaque="L"),
    "P": PixelMode(
        "palette", BYTE, 1, ("RGB", "RGBA"), can_be_keyed=True, pillow_bytes=1, is_shared=True
    ),
    "RGB": PixelMode("RGB", BYTE, 3, ("RGB", "RGBA"), can_be_keyed=True),
    "RGBA": PixelMode(
        "RGB with transparency", BYTE, 4, has_alpha=True, opaque="RGB", is_shared=True
    ),
    "CMYK": PixelMode("CMYK", BYTE, 4, is_shared=True),
    "I;16": PixelMode(
        "16-bit grey",
        SHORT,
        1,
        ("I;16", "LA;16"),
        can_be_keyed=True,
        pillow_bytes=2,
        is_shared=True,
    ),
    "LA;16": PixelMode("16-bit grey with transparency", SHORT, 2, has_alpha=True, is_deep=True),
    "RGB;16": PixelMode(
        "16-bit RGB", SHORT, 3, ("RGB;16", "RGBA;16"), can_be_keyed=True, is_deep=True
    ),
    "RGBA;16": PixelMode("16-bit RGB with transparency", SHORT, 4, has_alpha=True, is_deep=True),
    "I": PixelMode("32-bit integer", np.dtype("int32"), 1, remedy="use --dtype uint16"),
    "F": PixelMode("32-bit float", np.dtype("float32"), 1, remedy="use --dtype uint8"),
}

MODE_OF_DTYPE = {PIXEL_MODES[mode].dtype: mode for mode in ("L", "I;16", "I", "F")}
"""The grey of each dtype; other channels have one dtype alone."""


def element_of_mode(mode: str) -> tuple[np.dtype[Any], int]:
    """Return the dtype and the number of channels of a mode's pixels."""
    return PIXEL_MODES[mode].dtype, PIXEL_MODES[mode].channels


def blended_mode(mode: str, transparency: Transparency) -> str:
    """Return what a mode becomes when pixels are mixed.

    1-bit becomes grey, a palette RGB, and a transparent colour becomes alpha.

    Examples
    --------
    >>> blended_mode("P", None), blended_mode("P", 3), blended_mode("CMYK", None)
    ('RGB', 'RGBA', 'CMYK')
    """
    opaque, with_alpha = PIXEL_MODES[mode].blended or (mode, mode)
    return opaque if transparency is None else with_alpha


def mode_for_dtype(mode: str, dtype: np.dtype[Any]) -> str:
    """Return the mode that holds the channels of ``mode`` in another dtype.

    Examples
    --------
    >>> mode_for_dtype("L", np.dtype("uint16"))
    'I;16'

    Raises
    ------
    RequestError
        No image holds such channels in this dtype.
    """
    own = PIXEL_MODES[mode].dtype
    if dtype == own:
        return mode
    if mode not in MODE_OF_DTYPE.values():
        raise RequestError(
            "--dtype", f"{PIXEL_MODES[mode].words} pixels are {own}, never {dtype}", f"use {own}"
        )
    if dtype not in MODE_OF_DTYPE:
        known = ", ".join(str(known) for known in MODE_OF_DTYPE)
        raise RequestError("--dtype", f"images do not hold {dtype}", f"use one of {known}")
    return MODE_OF_DTYPE[dtype]
