"""Which image formats and Pillow modes there are, and which format holds which mode faithfully."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from upsample_cli.errors import RequestError

Transparency = int | bytes | tuple[int, ...] | None
"""A palette index, the alpha of each palette entry, or the colour that is transparent."""


@dataclass(frozen=True)
class ImageFormat:
    """A format as its suffixes name it, and the modes that it gives back as written.

    Modes are named as Pillow's are; those of `DEEP_COLOURS` it does not know.
    """

    name: str
    suffixes: tuple[str, ...]
    modes: tuple[str, ...]
    magic: bytes


IMAGE_FORMATS = (
    ImageFormat(
        "PNG",
        (".png",),
        ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "LA;16", "RGB;16", "RGBA;16"),
        rb"\x89PNG\r\n\x1a\n",
    ),
    ImageFormat("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), ("L", "RGB", "CMYK"), rb"\xff\xd8\xff"),
    ImageFormat(
        "TIFF",
        (".tif", ".tiff"),
        ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"),
        rb"II[*+]\0|MM\0[*+]",
    ),
    ImageFormat("WEBP", (".webp",), ("RGB", "RGBA"), rb"RIFF.{4}WEBP"),
    ImageFormat("BMP", (".bmp",), ("1", "L", "P", "RGB"), rb"BM.{12}[\x0c(48@l|]\0\0\0"),
    ImageFormat("GIF", (".gif",), ("L", "P"), rb"GIF8[79]a"),
    ImageFormat("PPM", (".ppm",), ("RGB",), rb"P[36]\s"),
    ImageFormat("PPM", (".pgm",), ("L", "I;16"), rb"P[25]\s"),
    ImageFormat("PPM", (".pbm",), ("1",), rb"P[14]\s"),
    ImageFormat("PPM", (".pfm",), ("F",), rb"Pf\s"),
    ImageFormat("PPM", (".pnm",), ("1", "L", "RGB", "I;16"), rb"P[1-6]\s"),
)


@dataclass(frozen=True)
class PixelMode:
    """What a mode is called, and the dtype and channels of its array."""

    words: str
    dtype: np.dtype[Any]
    channels: int


PIXEL_MODES = {
    "1": PixelMode("1-bit", np.dtype("uint8"), 1),
    "L": PixelMode("grey", np.dtype("uint8"), 1),
    "LA": PixelMode("grey with transparency", np.dtype("uint8"), 2),
    "P": PixelMode("palette", np.dtype("uint8"), 1),
    "RGB": PixelMode("RGB", np.dtype("uint8"), 3),
    "RGBA": PixelMode("RGB with transparency", np.dtype("uint8"), 4),
    "CMYK": PixelMode("CMYK", np.dtype("uint8"), 4),
    "I;16": PixelMode("16-bit grey", np.dtype("uint16"), 1),
    "LA;16": PixelMode("16-bit grey with transparency", np.dtype("uint16"), 2),
    "RGB;16": PixelMode("16-bit RGB", np.dtype("uint16"), 3),
    "RGBA;16": PixelMode("16-bit RGB with transparency", np.dtype("uint16"), 4),
    "I": PixelMode("32-bit integer", np.dtype("int32"), 1),
    "F": PixelMode("32-bit float", np.dtype("float32"), 1),
}

LOSSY = ("JPEG",)
LARGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535}

DEEP_COLOURS = ("LA;16", "RGB;16", "RGBA;16")
WITH_ALPHA = ("LA", "RGBA", "LA;16", "RGBA;16")
BLENDED = {
    "1": ("L", "LA"),
    "P": ("RGB", "RGBA"),
    "L": ("L", "LA"),
    "RGB": ("RGB", "RGBA"),
    "I;16": ("I;16", "LA;16"),
    "RGB;16": ("RGB;16", "RGBA;16"),
}
"""What a mode becomes when pixels are blended: without a transparent colour, and with one."""
MODE_OF_DTYPE = {PIXEL_MODES[mode].dtype: mode for mode in ("L", "I;16", "I", "F")}
REMEDIES = {"I": " or use --dtype uint16", "F": " or use --dtype uint8"}


def is_image(head: bytes) -> bool:
    """Tell whether a file that starts with these (up to 512) bytes is an image that can be read."""
    return format_of_content(head) is not None


def format_of_content(head: bytes) -> str | None:
    """Return Pillow's name of the format that a file's first bytes show."""
    matches = (f.name for f in IMAGE_FORMATS if re.match(f.magic, head, re.DOTALL))
    return next(matches, None)


def format_of_suffix(suffix: str) -> str | None:
    """Return Pillow's name of the format that a suffix such as ``.jpg`` stands for."""
    matches = (f.name for f in IMAGE_FORMATS if suffix.lower() in f.suffixes)
    return next(matches, None)


def check_can_write(
    format: str,
    mode: str,
    output_name: str,
    transparency: Transparency = None,
    *,
    exact: bool = False,
) -> None:
    """Refuse pixels, and a transparent colour, that a format cannot hold faithfully.

    For ``exact`` pixels a lossy format or another dtype is no remedy.

    Raises
    ------
    RequestError
        Naming the output, and the suffixes that would be right.
    """
    called = [f for f in IMAGE_FORMATS if output_name.lower().endswith(f.suffixes)]
    entries = [f for f in IMAGE_FORMATS if f.name == format]
    entries = [f for f in entries if f in called] or entries
    if not entries:
        suffixes = ", ".join(s for f in IMAGE_FORMATS for s in f.suffixes)
        raise RequestError(output_name, f"cannot write {format} images", f"use one of {suffixes}")
    kind = entries[0].suffixes[0][1:].upper() if format == "PPM" else format
    if not any(mode in entry.modes for entry in entries):
        usable = [f for f in IMAGE_FORMATS if mode in f.modes and not (exact and f.name in LOSSY)]
        alpha_only = mode in ("LA", "RGBA") and any(mode[:-1] in entry.modes for entry in entries)
        what = "transparency" if alpha_only else f"{PIXEL_MODES[mode].words} pixels"
        remedy = f"write {' or '.join(f.suffixes[0] for f in usable[:2])}"
        remedy += "" if exact else REMEDIES.get(mode, "")
        raise RequestError(output_name, f"{kind} holds no {what}", remedy)
    if not _holds_transparency(format, mode, transparency):
        raise RequestError(output_name, f"{kind} holds no transparency of this kind", "write .png")


def check_size(format: str, shape: tuple[int, ...], output_name: str) -> None:
    """Refuse an image, of (height, width), that is too long for its format.

    Raises
    ------
    RequestError
        Naming the output and the limit.
    """
    limit = LARGEST_SIDE.get(format, max(shape))
    if max(shape) > limit:
        problem = f"{format} holds at most {limit} pixels a side, not {max(shape)}"
        raise RequestError(output_name, problem, "write .png or .tif")


def _holds_transparency(format: str, mode: str, transparency: Transparency) -> bool:
    absorbed = transparency is None or mode in WITH_ALPHA
    return absorbed or format == "PNG" or (format == "GIF" and isinstance(transparency, int))


def element_of_mode(mode: str) -> tuple[np.dtype[Any], int]:
    """Return the dtype and the number of channels of a mode's pixels."""
    return PIXEL_MODES[mode].dtype, PIXEL_MODES[mode].channels


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
