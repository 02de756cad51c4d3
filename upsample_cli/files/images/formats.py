"""IMAGE_FORMATS: one row an image format, which says all that the format can."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upsample_cli.errors import RequestError
from upsample_cli.files.images.encoding import (
    Encoding,
    bytes_in_all,
    jpeg_bytes,
    png_bytes,
    tiff_bytes,
    webp_bytes,
)
from upsample_cli.files.images.modes import PIXEL_MODES, Transparency

if TYPE_CHECKING:
    from upsample_cli.files.images.codecs import Codec
    from upsample_cli.files.images.reading import ImageSource


def _pillow() -> "type[Codec]":
    from upsample_cli.files.images.codecs import Codec

    return Codec


def _png() -> "type[Codec]":
    from upsample_cli.files.images.codecs import PngCodec

    return PngCodec


def _jpeg() -> "type[Codec]":
    from upsample_cli.files.images.codecs import JpegCodec

    return JpegCodec


def _tiff() -> "type[Codec]":
    from upsample_cli.files.images.codecs import TiffCodec

    return TiffCodec


def _webp() -> "type[Codec]":
    from upsample_cli.files.images.codecs import WebpCodec

    return WebpCodec


def _gif() -> "type[Codec]":
    from upsample_cli.files.images.codecs import GifCodec

    return GifCodec


def _netpbm() -> "type[Codec]":
    from upsample_cli.files.images.codecs import NetpbmCodec

    return NetpbmCodec


@dataclass(frozen=True)
class ImageFormat:
    """A format as its suffixes name it, and what it can.

    Attributes
    ----------
    name
        Pillow's name; several rows of one name are one format, of which each suffix takes a part.
    suffixes
        Of names, the usual one first.
    modes
        Those that it gives back as written.
    magic
        A pattern of the bytes that a file begins with.
    label
        What people call it, where that is not its name.
    codec
        Loads what reads and writes it.
    metadata
        Which parts of ``metadata.Metadata`` it holds.
    longest
        Part → the most bytes of it that the format holds, if there is a limit.
    transparency
        The types of `Transparency` that it keeps, where the mode has no alpha.
    drops_opaque_alpha
        Whether pixels with alpha come back without it, if all are opaque.
    is_lossy
        Whether pixels come back only nearly as they were written.
    is_uncompressed
        Whether a file is as large as its pixels.
    largest_side
        The most pixels along an axis, if there is a limit.
    is_forward
        Whether it is written strictly forward, so that it can go straight into a pipe.
    hides_errors
        Whether its encoder hides why a write failed, so that it gets memory to write into.
    decoder_bytes
        What its decoder takes for a pixel, file included, beside Pillow's memory.
    encoder_bytes
        Returns what its encoder takes.
    """

    name: str
    suffixes: tuple[str, ...]
    modes: tuple[str, ...]
    magic: bytes
    label: str = ""
    codec: "Callable[[], type[Codec]]" = _pillow
    metadata: tuple[str, ...] = ()
    longest: Mapping[str, int] = field(default_factory=dict, hash=False)
    transparency: tuple[type, ...] = ()
    drops_opaque_alpha: bool = False
    is_lossy: bool = False
    is_uncompressed: bool = False
    largest_side: int | None = None
    is_forward: bool = False
    hides_errors: bool = False
    decoder_bytes: int = 0
    encoder_bytes: Callable[[Encoding], int] = bytes_in_all

    def matches(self, head: bytes) -> bool:
        """Tell whether a file that starts with these (up to 512) bytes has this format."""
        return re.match(self.magic, head, re.DOTALL) is not None

    def load_codec(self) -> "Codec":
        """Return what reads and writes it."""
        return self.codec()(self.name)

    def holds(self, part: str, value: object) -> bool:
        """Tell whether it can carry a part of the metadata."""
        limit = self.longest.get(part)
        is_short = limit is None or not isinstance(value, bytes) or len(value) <= limit
        return part in self.metadata and is_short

    def in_memory(self, *, to_pipe: bool) -> bool:
        """Tell whether it has to be written in memory before it goes where it is to go."""
        return self.hides_errors or (to_pipe and not self.is_forward)

    def encoding_bytes(
        self,
        mode: str,
        shape: tuple[int, ...],
        source: "ImageSource",
        threads: int,
        *,
        to_pipe: bool,
    ) -> int:
        """Return what writing an image, of (height, width), takes beside its pixels.

        ``source`` is where it comes from, which decides how it is encoded.
        """
        return self.encoder_bytes(Encoding(mode, math.prod(shape), source, threads, to_pipe))

    def check_can_write(
        self,
        mode: str,
        output_name: str,
        transparency: Transparency = None,
        *,
        exact: bool = False,
    ) -> None:
        """Refuse pixels, and a transparent colour, that the format cannot hold faithfully.

        For ``exact`` pixels a lossy format or another dtype is no remedy.

        Raises
        ------
        RequestError
            Naming the output, and the suffixes that would be right.
        """
        entries, pixels = self._parts(output_name), PIXEL_MODES[mode]
        label = entries[0].label or self.name
        if not any(mode in entry.modes for entry in entries):
            usable = [f for f in IMAGE_FORMATS if mode in f.modes and not (exact and f.is_lossy)]
            alpha_only = any(pixels.opaque in entry.modes for entry in entries)
            what = "transparency" if alpha_only else f"{pixels.words} pixels"
            remedy = f"write {' or '.join(f.suffixes[0] for f in usable[:2])}"
            remedy += f" or {pixels.remedy}" if pixels.remedy and not exact else ""
            raise RequestError(output_name, f"{label} holds no {what}", remedy)
        is_absorbed = transparency is None or pixels.has_alpha
        if not is_absorbed and not isinstance(transparency, self.transparency):
            problem = f"{label} holds no transparency of this kind"
            raise RequestError(output_name, problem, "write .png")

    def _parts(self, output_name: str) -> list["ImageFormat"]:
        """Return the rows of this name that a file may have: what it is called, or any."""
        entries = [entry for entry in IMAGE_FORMATS if entry.name == self.name]
        return [e for e in entries if output_name.lower().endswith(e.suffixes)] or entries

    def check_size(self, shape: tuple[int, ...], output_name: str) -> None:
        """Refuse an image, of (height, width), that is too long for the format.

        Raises
        ------
        RequestError
            Naming the output and the limit.
        """
        limit = self.largest_side
        if limit is not None and max(shape) > limit:
            problem = f"{self.name} holds at most {limit} pixels a side, not {max(shape)}"
            raise RequestError(output_name, problem, "write .png or .tif")


JPEG_SEGMENT = 65_502
"""The most bytes of EXIF, XMP or comment that one segment holds."""

IMAGE_FORMATS = [
    ImageFormat(
        "PNG",
        (".png",),
        ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "LA;16", "RGB;16", "RGBA;16"),
        rb"\x89PNG\r\n\x1a\n",
        codec=_png,
        metadata=("icc_profile", "exif", "xmp", "dpi", "text", "colour_space"),
        transparency=(int, bytes, tuple),
        is_forward=True,
        encoder_bytes=png_bytes,
    ),
    ImageFormat(
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        ("L", "RGB", "CMYK"),
        rb"\xff\xd8\xff",
        codec=_jpeg,
        metadata=("icc_profile", "exif", "xmp", "comment", "dpi"),
        longest={"exif": JPEG_SEGMENT, "xmp": JPEG_SEGMENT, "comment": JPEG_SEGMENT},
        is_lossy=True,
        largest_side=65_500,
        encoder_bytes=jpeg_bytes,
    ),
    ImageFormat(
        "TIFF",
        (".tif", ".tiff"),
        ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"),
        rb"II[*+]\0|MM\0[*+]",
        codec=_tiff,
        metadata=("icc_profile", "exif", "xmp", "dpi"),
        hides_errors=True,
        encoder_bytes=tiff_bytes,
    ),
    ImageFormat(
        "WEBP",
        (".webp",),
        ("RGB", "RGBA"),
        rb"RIFF.{4}WEBP",
        codec=_webp,
        metadata=("icc_profile", "exif", "xmp"),
        drops_opaque_alpha=True,
        largest_side=16_383,
        decoder_bytes=12,
        encoder_bytes=webp_bytes,
    ),
    ImageFormat(
        "BMP",
        (".bmp",),
        ("1", "L", "P", "RGB"),
        rb"BM.{12}[\x0c(48@l|]\0\0\0",
        metadata=("dpi",),
        is_uncompressed=True,
    ),
    ImageFormat(
        "GIF",
        (".gif",),
        ("L", "P"),
        rb"GIF8[79]a",
        codec=_gif,
        metadata=("comment",),
        transparency=(int,),
        largest_side=65_535,
    ),
    *(
        ImageFormat(
            "PPM",
            (suffix,),
            modes,
            magic,
            label=suffix[1:].upper(),
            codec=_netpbm,
            # A pixel of one bit takes an eighth of what its array does.
            is_uncompressed=modes != ("1",),
        )
        for suffix, modes, magic in (
            (".ppm", ("RGB",), rb"P[36]\s"),
            (".pgm", ("L", "I;16"), rb"P[25]\s"),
            (".pbm", ("1",), rb"P[14]\s"),
            (".pfm", ("F",), rb"Pf\s"),
            (".pnm", ("1", "L", "RGB", "I;16"), rb"P[1-6]\s"),
        )
    ),
]


def is_image(head: bytes) -> bool:
    """Tell whether a file that starts with these (up to 512) bytes is an image that can be read."""
    return format_of_content(head) is not None


def format_of_content(head: bytes) -> ImageFormat | None:
    """Return the format that a file's first bytes show; of several rows, the first."""
    return next((entry for entry in IMAGE_FORMATS if entry.matches(head)), None)


def format_of_suffix(suffix: str) -> ImageFormat | None:
    """Return the format that a suffix such as ``.jpg`` stands for."""
    return next((entry for entry in IMAGE_FORMATS if suffix.lower() in entry.suffixes), None)


def format_with(suffix: str) -> ImageFormat:
    """Return the format of a suffix that is known to be an image's."""
    return next(entry for entry in IMAGE_FORMATS if suffix.lower() in entry.suffixes)


def format_named(name: str) -> ImageFormat:
    """Return the format of Pillow's name; of several rows, the first."""
    return next(entry for entry in IMAGE_FORMATS if entry.name == name)
