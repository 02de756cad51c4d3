"""What reads and writes the images of a format: Pillow, and what it has to be told for some."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COLORMAP,
    EXTRASAMPLES,
    PHOTOMETRIC_INTERPRETATION,
    SAMPLEFORMAT,
)

from upsample_cli.errors import RequestError
from upsample_cli.files.images.metadata import (
    WORDS,
    Chunks,
    kept_png_chunks,
    png_options,
    tiff_options,
)
from upsample_cli.files.images.modes import PIXEL_MODES
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.files.images.png import write_png
from upsample_cli.files.images.tiff import UnturnedTiff, open_tiff

if TYPE_CHECKING:
    from upsample_cli.files.images.reading import ImageSource

Settings = dict[str, Any]

JPEG_QUALITY = 92

DEFLATE_TIFF = "tiff_adobe_deflate"
LOSSLESS_TIFF = ("raw", "packbits", "tiff_lzw", "tiff_deflate", DEFLATE_TIFF, "zstd", "lzma")
BILEVEL_TIFF = ("group3", "group4", "tiff_ccitt")

TIFF_SIGNED = 2
BYTE_BITS = 8

REDUCED = "its 16-bit colour would be reduced to 8 bits"


class Codec:
    """Reads and writes as Pillow does where it is asked nothing else."""

    def __init__(self, name: str) -> None:
        self.name = name

    def open(self, file: BinaryIO) -> Image.Image:
        """Read the header of a file; `load` of what is returned, or its pixels, come later."""
        return Image.open(file, formats=[self.name])

    def loss(self, image: Image.Image) -> str:
        """Say what would be lost or misread in decoding; nothing if it is faithful."""
        return REDUCED if _is_deep(image) and len(image.getbands()) > 1 else ""

    def native_mode(self, image: Image.Image) -> str:
        """Return the mode of the pixels as the file has them."""
        return "I;16" if image.mode.startswith("I;16") else image.mode

    def chunks(self, file: BinaryIO) -> Chunks:  # noqa: ARG002 - for formats that have some
        """Return the pieces of a file that Pillow does not keep, having checked it."""
        return ()

    def settings(
        self,
        mode: str,
        source: "ImageSource",
        options: ImageOptions,  # noqa: ARG002 - for encoders that have a quality
    ) -> Settings:
        """Return what the encoder is told, so that a file stays as its input was."""
        key = source.transparency
        if key is None or PIXEL_MODES[mode].has_alpha:
            return {}
        return {"transparency": min(key, 1) if mode == "1" and isinstance(key, int) else key}

    def carried(self, held: Mapping[str, Any]) -> tuple[Settings, list[str]]:
        """Return what the encoder is told of the metadata, and words for what it cannot take."""
        return dict(held), []

    def save(
        self,
        file: BinaryIO,
        mode: str,
        pixels: NDArray[Any],
        source: "ImageSource",
        settings: Settings,
        threads: int,  # noqa: ARG002 - for encoders that take several
    ) -> None:
        """Write pixels (height, width, channels)."""
        _from_array(mode, pixels, source).save(file, self.name, **settings)


class PngCodec(Codec):
    """PNG: Pillow's chunks, but for the pixels; colours of 16 bits."""

    def loss(self, image: Image.Image) -> str:
        """Say what would be lost; colours of 16 bits only where Pillow has to decode them."""
        loss = super().loss(image)
        if getattr(image, "n_frames", 1) > 1:
            return loss
        is_interlaced = bool(image.info.get("interlace"))
        return "its 16-bit colour is interlaced and would be reduced" * bool(loss and is_interlaced)

    def native_mode(self, image: Image.Image) -> str:
        """Return the mode of the pixels as the file has them."""
        if tiles := _tiles(image):
            stored = str(tiles[0].args).removesuffix("B")  # LA;16B, which Pillow makes RGBA
            if stored in PIXEL_MODES and PIXEL_MODES[stored].is_deep:
                return stored
        return super().native_mode(image)

    def chunks(self, file: BinaryIO) -> Chunks:
        """Return the chunks of text and colour space."""
        return kept_png_chunks(file)

    def carried(self, held: Mapping[str, Any]) -> tuple[Settings, list[str]]:
        """Return the metadata, some as chunks."""
        return png_options(dict(held)), []

    def save(
        self,
        file: BinaryIO,
        mode: str,
        pixels: NDArray[Any],
        source: "ImageSource",
        settings: Settings,
        threads: int,
    ) -> None:
        """Write pixels strictly forward."""
        data = np.ascontiguousarray(pixels)
        write_png(file, _stand_in(mode, pixels, source), data, threads, **settings)


class JpegCodec(Codec):
    """JPEG: subsampled, and progressive, as the input was."""

    def settings(self, mode: str, source: "ImageSource", options: ImageOptions) -> Settings:
        """Return the quality, and the input's subsampling and order."""
        return super().settings(mode, source, options) | {
            "quality": _quality(options) or JPEG_QUALITY,
            "subsampling": max(source.sampling, 0),
            "progressive": source.progressive,
        }


class WebpCodec(Codec):
    """WebP: lossless unless a quality is asked for."""

    def settings(self, mode: str, source: "ImageSource", options: ImageOptions) -> Settings:
        """Return the quality, if there is one."""
        quality = _quality(options)
        how = {"quality": quality} if quality else {"lossless": True, "exact": True}
        return super().settings(mode, source, options) | how


class GifCodec(Codec):
    """GIF: the palette as it is."""

    def settings(self, mode: str, source: "ImageSource", options: ImageOptions) -> Settings:
        """Return that the palette is not to be renumbered."""
        return super().settings(mode, source, options) | {"optimize": False}


class NetpbmCodec(Codec):
    """PPM and its like."""

    def native_mode(self, image: Image.Image) -> str:
        """Return the mode of the pixels: Pillow reads 16-bit grey as 32-bit integers."""
        return "I;16" if image.mode == "I" else super().native_mode(image)


class TiffCodec(Codec):
    """TIFF: compressed as the input was."""

    def open(self, file: BinaryIO) -> UnturnedTiff:
        """Read the header of a file."""
        return open_tiff(file)

    def loss(self, image: Image.Image) -> str:
        """Say what would be lost or misread in decoding, by the file's tags."""
        if not isinstance(image, UnturnedTiff):
            return super().loss(image)
        tags, mode = image.tag_v2, image.mode
        is_signed = tags.get(SAMPLEFORMAT, (1,))[0] == TIFF_SIGNED
        is_deep = max(tags.get(BITSPERSAMPLE, (1,))) > BYTE_BITS
        white_is_zero = tags.get(PHOTOMETRIC_INTERPRETATION) == 0
        losses = {
            "its white is 0, which Pillow reads as black": white_is_zero and mode in ("I;16", "F"),
            "its unsigned 32-bit integers would be read as signed": mode == "I" and not is_signed,
            "its signed 8-bit integers would be read as unsigned": mode == "L" and is_signed,
            "its unnamed extra channel would be dropped": 0 in tags.get(EXTRASAMPLES, ()),
            # 8-bit palettes are stored as v · 256 or v · 257
            "its 16-bit palette would be reduced to 8 bits": mode == "P"
            and any(c & 0xFF not in (0, c >> BYTE_BITS) for c in tags.get(COLORMAP, ())),
            REDUCED: is_deep and len(image.getbands()) > 1,
        }
        return next((loss for loss, is_real in losses.items() if is_real), "")

    def settings(self, mode: str, source: "ImageSource", options: ImageOptions) -> Settings:
        """Return the input's compression if it is lossless, else deflate."""
        lossless = LOSSLESS_TIFF + (BILEVEL_TIFF if mode == "1" else ())
        before = source.compression
        how = {"compression": before if before in lossless else DEFLATE_TIFF}
        return super().settings(mode, source, options) | how

    def carried(self, held: Mapping[str, Any]) -> tuple[Settings, list[str]]:
        """Return the metadata as tags; EXIF data may be broken."""
        try:
            return tiff_options(held), []
        except Exception:  # Pillow lets whatever broken EXIF data provoke pass through
            rest = {part: value for part, value in held.items() if part != "exif"}
            return tiff_options(rest), [f"{WORDS['exif']} that is broken"]


def _tiles(image: Image.Image) -> list[Any]:
    return image.tile if isinstance(image, ImageFile.ImageFile) else []


def _is_deep(image: Image.Image) -> bool:
    for tile in _tiles(image):
        rawmode, *rest = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        is_deep_ppm = tile.codec_name.startswith("ppm") and rest[0] >> BYTE_BITS > 0
        if str(rawmode).endswith(";16B") or is_deep_ppm:
            return True
    return False


def _quality(options: ImageOptions) -> int | None:
    if options.quality is not None and not 1 <= options.quality <= 100:
        raise RequestError("--quality", f"{options.quality} is out of range", "give 1 to 100")
    return options.quality


def _from_array(mode: str, pixels: NDArray[Any], source: "ImageSource") -> Image.Image:
    height, width, _ = pixels.shape
    if mode == "1":
        pixels = np.packbits(pixels[:, :, 0], axis=1)
    data = np.ascontiguousarray(pixels)
    image = Image.frombuffer(mode, (width, height), data, "raw", mode, 0, 1)
    if mode == "P":
        image.putpalette(_palette(pixels, source))
    return image


def _stand_in(mode: str, pixels: NDArray[Any], source: "ImageSource") -> Image.Image:
    """Return an image of one pixel for which Pillow writes what it would write for the whole."""
    image = Image.new(mode if mode == "I;16" else mode.removesuffix(";16"), (1, 1))
    if mode == "P":
        image.putpalette(_palette(pixels, source))
    return image


def _palette(pixels: NDArray[Any], source: "ImageSource") -> bytes:
    # An index past the palette's end is black to Pillow, and would not fit a short palette.
    size = max(len(source.palette), 3 * (int(pixels.max()) + 1))
    return source.palette.ljust(size, b"\0")
