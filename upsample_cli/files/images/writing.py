"""Images written through Pillow, with the metadata of the image that they came from."""

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from upsample_cli.errors import FileError, RequestError, UpsampleError
from upsample_cli.files.images.formats import WITH_ALPHA, check_can_write
from upsample_cli.files.images.metadata import save_options
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.files.images.png import write_png
from upsample_cli.files.images.reading import ImageSource, reason_of

JPEG_QUALITY = 92

DEFLATE_TIFF = "tiff_adobe_deflate"
LOSSLESS_TIFF = ("raw", "packbits", "tiff_lzw", "tiff_deflate", DEFLATE_TIFF, "zstd", "lzma")
BILEVEL_TIFF = ("group3", "group4", "tiff_ccitt")


def write_image(
    file: BinaryIO,
    format: str,
    mode: str,
    pixels: NDArray[Any],
    source: ImageSource,
    options: ImageOptions,
    *,
    name: str = "output",
    threads: int = 1,
) -> list[str]:
    """Write pixels as an image, with the metadata of the image that they came from.

    The resolution (DPI) stays what it was. The bytes depend on the arguments alone.

    Parameters
    ----------
    file
        At its start. A PNG is written strictly forward; any other format may need to seek.
    format, mode
        As `check_can_write` allows.
    pixels
        (height, width, channels), of the dtype in `PIXEL_MODES`.
    source
        Gives the metadata, palette, transparent colour and encoding.
    options
        The quality.
    name
        What messages call the file.
    threads
        How many threads share the encoding of a PNG.

    Returns
    -------
    list of str
        One line for each kind of metadata that the format cannot hold.

    Raises
    ------
    FileError
        The format has no place for an image of this size. An error of the file system is raised
        as it is.
    """
    check_can_write(format, mode, name, source.transparency)
    held, lost = save_options(source.metadata, format)
    settings = _encoding(format, mode, source, options) | held
    try:
        if format == "PNG":
            data = np.ascontiguousarray(pixels)
            write_png(file, _stand_in(mode, pixels, source), data, threads, **settings)
        else:
            _from_array(mode, pixels, source).save(file, format, **settings)
    except UpsampleError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise FileError(name, f"cannot encode this {format}: {reason_of(error)}") from error
    return [f"{name}: {format} holds no {part}; it was dropped" for part in lost]


def _encoding(format: str, mode: str, source: ImageSource, options: ImageOptions) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if source.transparency is not None and mode not in WITH_ALPHA:
        key = source.transparency
        settings["transparency"] = min(key, 1) if mode == "1" and isinstance(key, int) else key
    if format == "JPEG":
        settings["quality"] = _quality(options) or JPEG_QUALITY
        settings["subsampling"] = max(source.sampling, 0)
        settings["progressive"] = source.progressive
    elif format == "WEBP":
        quality = _quality(options)
        settings |= {"quality": quality} if quality else {"lossless": True, "exact": True}
    elif format == "TIFF":
        settings["compression"] = _tiff_compression(mode, source.compression)
    elif format == "GIF":
        settings["optimize"] = False  # it would renumber the palette
    return settings


def _quality(options: ImageOptions) -> int | None:
    if options.quality is not None and not 1 <= options.quality <= 100:
        raise RequestError("--quality", f"{options.quality} is out of range", "give 1 to 100")
    return options.quality


def _tiff_compression(mode: str, before: str) -> str:
    lossless = LOSSLESS_TIFF + (BILEVEL_TIFF if mode == "1" else ())
    return before if before in lossless else DEFLATE_TIFF


def _from_array(mode: str, pixels: NDArray[Any], source: ImageSource) -> Image.Image:
    height, width, _ = pixels.shape
    if mode == "1":
        pixels = np.packbits(pixels[:, :, 0], axis=1)
    data = np.ascontiguousarray(pixels)
    image = Image.frombuffer(mode, (width, height), data, "raw", mode, 0, 1)
    if mode == "P":
        image.putpalette(_palette(pixels, source))
    return image


def _stand_in(mode: str, pixels: NDArray[Any], source: ImageSource) -> Image.Image:
    """Return an image of one pixel for which Pillow writes what it would write for the whole."""
    image = Image.new(mode if mode == "I;16" else mode.removesuffix(";16"), (1, 1))
    if mode == "P":
        image.putpalette(_palette(pixels, source))
    return image


def _palette(pixels: NDArray[Any], source: ImageSource) -> bytes:
    # An index past the palette's end is black to Pillow, and would not fit a short palette.
    size = max(len(source.palette), 3 * (int(pixels.max()) + 1))
    return source.palette.ljust(size, b"\0")
