"""What an image file carries beside its pixels, and how it is handed to Pillow."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import TiffImageFile

from upsample_cli.files.images.png import png_chunks

Chunks = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Metadata:
    """The parts of an image file that survive a resample, each empty where the file has none."""

    icc_profile: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    comment: bytes = b""
    dpi: tuple[float, float] | tuple[()] = ()
    text: Chunks = ()
    colour_space: Chunks = ()


WORDS = {
    "icc_profile": "ICC profile",
    "exif": "EXIF data",
    "xmp": "XMP data",
    "comment": "comment",
    "dpi": "resolution (DPI)",
    "text": "PNG text",
    "colour_space": "PNG colour space",
}

PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt")
PNG_COLOUR_SPACE = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
PNG_XMP = b"XML:com.adobe.xmp"

# A TIFF keeps EXIF among the tags that describe its own layout; only these speak of the picture.
PICTURE_TAGS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Orientation,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.HostComputer,
    ExifTags.Base.Copyright,
)
PICTURE_IFDS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
TIFF_XMP = 700


def kept_png_chunks(file: BinaryIO) -> Chunks:
    """Return the text and colour space chunks of a PNG file, having checked all of its chunks."""
    wanted = PNG_TEXT + PNG_COLOUR_SPACE
    return tuple(chunk for chunk in png_chunks(file) if chunk[0] in wanted)


def read_metadata(image: Image.Image, chunks: Chunks = ()) -> Metadata:
    """Collect what an opened image carries; ``chunks`` are those of `kept_png_chunks`."""
    return Metadata(
        icc_profile=_bytes_of(image, "icc_profile"),
        exif=_exif_of(image),
        xmp=_bytes_of(image, "xmp"),
        comment=_bytes_of(image, "comment"),
        dpi=_dpi_of(image),
        text=tuple(c for c in chunks if c[0] in PNG_TEXT and not c[1].startswith(PNG_XMP)),
        colour_space=tuple(c for c in chunks if c[0] in PNG_COLOUR_SPACE),
    )


def _bytes_of(image: Image.Image, key: str) -> bytes:
    # A PNG text keyword can have any name, so a key alone does not tell what its value is.
    value = image.info.get(key)
    return value if isinstance(value, bytes) else b""


def _dpi_of(image: Image.Image) -> tuple[float, float] | tuple[()]:
    dpi = image.info.get("dpi")
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return ()
    x, y = float(dpi[0]), float(dpi[1])
    return (x, y) if all(math.isfinite(v) and v > 0 for v in (x, y)) else ()


def _exif_of(image: Image.Image) -> bytes:
    if isinstance(image, TiffImageFile):
        return picture_exif(image.getexif())
    exif = _bytes_of(image, "exif")
    prefix = b"Exif\0\0"
    return exif if not exif or exif.startswith(prefix) else prefix + exif


def picture_exif(exif: Image.Exif, xmp: bytes = b"") -> bytes:
    """Encode those tags that speak of the picture, and ``xmp`` as TIFF keeps it."""
    kept = Image.Exif()
    for tag in PICTURE_TAGS:
        if tag in exif:
            kept[tag] = exif[tag]
    if xmp:
        kept[TIFF_XMP] = xmp
    directories = [ifd for ifd in PICTURE_IFDS if ifd in exif]
    for ifd in directories:
        kept.get_ifd(ifd).update(exif.get_ifd(ifd))
    return kept.tobytes() if len(kept) or directories else b""


def png_options(held: dict[str, Any]) -> dict[str, Any]:
    """Return the options with which Pillow writes parts of the metadata into a PNG."""
    info = PngInfo()
    for name, content in held.pop("colour_space", ()) + held.pop("text", ()):
        info.add(name, content)
    if xmp := held.pop("xmp", b""):
        info.add_itxt(PNG_XMP, xmp)
    return held | {"pnginfo": info}


def tiff_options(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with which Pillow writes parts of the metadata into a TIFF."""
    exif = Image.Exif()
    exif.load(held.get("exif", b""))
    encoded = picture_exif(exif, held.get("xmp", b""))
    # Pillow cannot write EXIF directories through libtiff, which does all the compression.
    uncompressed = any(ifd in exif for ifd in PICTURE_IFDS)
    rest = {part: value for part, value in held.items() if part != "xmp"}
    return rest | {"exif": encoded} | ({"compression": "raw"} if uncompressed else {})
