"""Images read through Pillow, without losing what they carry."""

import io
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.JpegImagePlugin import get_sampling
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COLORMAP,
    EXTRASAMPLES,
    PHOTOMETRIC_INTERPRETATION,
    SAMPLEFORMAT,
    TiffImageFile,
)

from upsample_cli.errors import FileError, RequestError, UpsampleError
from upsample_cli.files.images.deep import read_deep, with_keyed_alpha
from upsample_cli.files.images.formats import (
    BLENDED,
    DEEP_COLOURS,
    IMAGE_FORMATS,
    PIXEL_MODES,
    Transparency,
    format_of_content,
)
from upsample_cli.files.images.limits import check_length, check_size, too_large
from upsample_cli.files.images.metadata import (
    Metadata,
    kept_png_chunks,
    read_metadata,
)
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.files.images.png import without_pixels
from upsample_cli.files.images.tiff import open_tiff

ROWS = 64
"""Rows that are copied out of Pillow at a time: few enough to stay in the cache."""


PIXEL_BYTES = 8
"""At most: four channels of 16 bits."""

CAN_BE_KEYED = ("1", "L", "P", "RGB", "I;16", "RGB;16")
DEEP_AND_KEYED = ("I;16", "RGB;16")
TIFF_SIGNED = 2
BYTE_BITS = 8

_pillow_globals = threading.RLock()


@dataclass
class ImageSource:
    """An image file whose header has been read; `pixels` decodes it.

    ``mode`` is Pillow's mode of the selected frame, ``I;16`` for every unsigned 16-bit grey, and
    one of `DEEP_COLOURS` for colours of 16 bits.
    ``transparency`` is the palette index, the alpha of each palette entry, or the colour that is
    transparent. ``metadata`` is complete once `pixels` has been called.
    """

    file: BinaryIO
    name: str
    options: ImageOptions
    format: str
    mode: str
    width: int
    height: int
    transparency: Transparency = None
    sampling: int = -1
    progressive: bool = False
    compression: str = ""
    palette: bytes = b""
    metadata: Metadata = field(default_factory=Metadata)

    kind: ClassVar[Literal["image"]] = "image"
    items: ClassVar[int] = 1
    extra_dimensions: ClassVar[tuple[int, ...]] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @property
    def default_suffix(self) -> str:
        """The suffix of an output that keeps the format and the mode."""
        entries = [f for f in IMAGE_FORMATS if f.name == self.format]
        return next((f for f in entries if self.mode in f.modes), entries[0]).suffixes[0]

    def facts(self) -> dict[str, Any]:
        """Return what the header says, for people; the shape is x first."""
        return {
            "kind": self.kind,
            "format": self.format,
            "shape": [self.width, self.height],
            "dtype": str(PIXEL_MODES[self.mode].dtype),
            "mode": self.mode,
            "pixels": PIXEL_MODES[self.mode].words,
            "transparent_colour": self.transparency is not None,
        }

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def pixels(self, *, blurs: bool) -> tuple[str, NDArray[Any]]:
        """Decode the image.

        Parameters
        ----------
        blurs
            Whether the resampling mode mixes pixels. If not, palette images stay indices and
            1-bit images stay 0 and 1 (uint8); if so, see `result_mode`.

        Returns
        -------
        mode
            The mode of the pixels.
        pixels
            A writable C-contiguous array (height, width, channels), of the dtype in `PIXEL_MODES`.

        Raises
        ------
        FileError
            The file is truncated or corrupt.
        """
        mode = result_mode(self, blurs=blurs)
        with _decoding(self.name, self.format):
            chunks = kept_png_chunks(self.file) if self.format == "PNG" else ()
            # Without --max-pixels the default limit does, and threads need not wait for each other.
            with _pillow_limit(self.options) if self.options.max_pixels else nullcontext():
                # Pillow would spend as long on the pixels that it reduces as they take here.
                file = without_pixels(self.file) if self.mode in DEEP_COLOURS else self.file
                image = _open_frame(file, self.name, self.format, self.options)
                image.load()
                pixels = self._decoded(image, mode)
            self.metadata = read_metadata(image, chunks)
            if self.mode == "P":
                self.palette = bytes(image.getpalette("RGB") or ())
            return mode, pixels

    def _decoded(self, image: Image.Image, mode: str) -> NDArray[Any]:
        is_keyed = mode != self.mode and self.mode in DEEP_AND_KEYED
        if self.mode in DEEP_COLOURS:
            pixels = read_deep(self.file, self.mode, self.shape)
        elif is_keyed:
            pixels = _to_array(image, self.mode)
        else:
            return _to_array(_blended(image, self, mode), mode)
        if not is_keyed:
            return pixels
        assert isinstance(self.transparency, (int, tuple))
        return with_keyed_alpha(pixels, self.transparency)


def open_image(file: BinaryIO, name: str, options: ImageOptions) -> ImageSource:
    """Read the header of an image.

    Parameters
    ----------
    file
        Open for as long as the result is used; a pipe is read into memory.
    name
        What messages call the file.
    options
        The frame and the limit of pixels.

    Raises
    ------
    FileError
        The file is no image, is broken, is too large, or holds what Pillow would reduce.
    RequestError
        The file has several frames and none is named, or not the one that is.
    """
    with _decoding(name, "image"):
        if not file.seekable():
            file = io.BytesIO(file.read())
        file.seek(0)
        head = file.read(512)
        if not head:
            raise FileError(name, "it is empty")
        format = format_of_content(head)
        if format is None:
            known = ", ".join(dict.fromkeys(f.name for f in IMAGE_FORMATS))
            raise FileError(name, "it is no image of a known format", f"known are {known}")
    with _decoding(name, format):
        image = _open_frame(file, name, format, options)
        return ImageSource(
            file=file,
            name=name,
            options=options,
            format=format,
            mode=_native_mode(image),
            width=image.width,
            height=image.height,
            transparency=_transparency(image),
            sampling=get_sampling(image),
            progressive=bool(image.info.get("progressive")),
            compression=str(image.info.get("compression", "")),
        )


@contextmanager
def _decoding(name: str, format: str) -> Iterator[None]:
    try:
        yield
    except UpsampleError:
        raise
    except UnidentifiedImageError as error:
        raise FileError(name, f"its {format} header is broken") from error
    except Image.DecompressionBombError as error:
        pixels = next(iter(re.findall(r"\d+", str(error))), "too many")
        raise too_large(name, pixels) from error
    except Exception as error:  # Pillow lets whatever a broken file provokes pass through
        raise FileError(name, f"cannot decode this {format}: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """Return Pillow's words for what went wrong, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _pillow_limit(options: ImageOptions) -> Iterator[int | None]:
    """Raise Pillow's limit, and mute its warnings, while one thread holds both; yield our limit."""
    with _pillow_globals, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit = Image.MAX_IMAGE_PIXELS
        wanted = options.max_pixels or limit
        if limit is not None:
            Image.MAX_IMAGE_PIXELS = max(limit, wanted or limit)
        try:
            yield wanted
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _open_frame(
    file: BinaryIO, name: str, format: str, options: ImageOptions
) -> ImageFile.ImageFile:
    with _pillow_limit(options) as limit:
        file.seek(0)
        tiff = format == "TIFF"
        image = open_tiff(file) if tiff else Image.open(file, formats=[format])
        check_size(image, name, limit)
        frame = _frame_number(image, name, options.frame)
        image.seek(frame)
        check_size(image, name, limit)
        check_length(image, name, file)
        if loss := _loss(image):
            raise FileError(name, loss, "use a copy that is stored otherwise")
        # Pillow appends blocks until it has a row, which takes minutes if the row is much longer.
        image.decodermaxblock = max(image.decodermaxblock, PIXEL_BYTES * image.width)
        if frame:
            image.load()  # an animation's later frames know their mode only when composed
    if _native_mode(image) not in PIXEL_MODES:
        raise FileError(name, f"its pixels are {image.mode}", f"known are {', '.join(PIXEL_MODES)}")
    return image


def _frame_number(image: Image.Image, name: str, wanted: int | None) -> int:
    frames: int = getattr(image, "n_frames", 1)
    if wanted is None and frames > 1:
        remedy = f"give one of 0 to {frames - 1}"
        raise RequestError("--frame", f"{name} has {frames} frames", remedy)
    frame = wanted or 0
    if not 0 <= frame < frames:
        has = "one frame" if frames == 1 else f"{frames} frames"
        raise RequestError("--frame", f"{name} has {has}, no frame {frame}", "they count from 0")
    return frame


def _loss(image: ImageFile.ImageFile) -> str:
    """Say what Pillow would lose or misread in decoding this image; nothing if it is faithful."""
    deep = any(_is_deep(tile.codec_name, tile.args) for tile in image.tile)
    losses = {}
    if isinstance(image, TiffImageFile):
        tags, mode = image.tag_v2, image.mode
        signed = tags.get(SAMPLEFORMAT, (1,))[0] == TIFF_SIGNED
        deep = max(tags.get(BITSPERSAMPLE, (1,))) > BYTE_BITS
        white_is_zero = tags.get(PHOTOMETRIC_INTERPRETATION) == 0
        losses = {
            "its white is 0, which Pillow reads as black": white_is_zero and mode in ("I;16", "F"),
            "its unsigned 32-bit integers would be read as signed": mode == "I" and not signed,
            "its signed 8-bit integers would be read as unsigned": mode == "L" and signed,
            "its unnamed extra channel would be dropped": 0 in tags.get(EXTRASAMPLES, ()),
            # 8-bit palettes are stored as v · 256 or v · 257
            "its 16-bit palette would be reduced to 8 bits": mode == "P"
            and any(c & 0xFF not in (0, c >> BYTE_BITS) for c in tags.get(COLORMAP, ())),
        }
    deep_colour = deep and len(image.getbands()) > 1
    is_png = image.format == "PNG" and getattr(image, "n_frames", 1) == 1
    losses["its 16-bit colour would be reduced to 8 bits"] = deep_colour and not is_png
    interlaced = bool(image.info.get("interlace"))
    losses["its 16-bit colour is interlaced and would be reduced"] = deep_colour and interlaced
    return next((loss for loss, real in losses.items() if real), "")


def _is_deep(codec: str, arguments: object) -> bool:
    rawmode, *rest = arguments if isinstance(arguments, tuple) else (arguments,)
    return str(rawmode).endswith(";16B") or (codec.startswith("ppm") and rest[0] >> BYTE_BITS > 0)


def _native_mode(image: Image.Image) -> str:
    # Pillow reads a 16-bit PGM as 32-bit integers, though its values are 0 to 65535.
    if image.mode.startswith("I;16") or (image.format == "PPM" and image.mode == "I"):
        return "I;16"
    if image.format == "PNG" and isinstance(image, ImageFile.ImageFile) and image.tile:
        stored = str(image.tile[0].args).removesuffix("B")  # LA;16B, which Pillow makes RGBA
        return stored if stored in DEEP_COLOURS else image.mode
    return image.mode


def _transparency(image: ImageFile.ImageFile) -> Transparency:
    key: object = image.info.get("transparency")
    native = _native_mode(image)
    if native not in CAN_BE_KEYED or not isinstance(key, (int, bytes, tuple)):
        return None
    # PNG counts the key in the file's own depth, while Pillow spreads 2 and 4 bits over 0 to 255.
    shallow = re.fullmatch(r"L;([24])", str(image.tile[0].args)) if image.tile else None
    if isinstance(key, int) and image.mode == "L":
        top = (1 << int(shallow[1] if shallow else BYTE_BITS)) - 1
        return (key & top) * 255 // top
    if isinstance(key, tuple) and image.mode == native:
        return tuple(channel & 0xFF for channel in key)
    return key


def result_mode(source: ImageSource, *, blurs: bool) -> str:
    """Return the mode that `ImageSource.pixels` gives, without decoding.

    Blending turns 1-bit into L, a palette into RGB, and gives alpha to an image that has a
    transparent palette entry or colour.
    """
    if not blurs:
        return source.mode
    opaque, with_alpha = BLENDED.get(source.mode, (source.mode, source.mode))
    return opaque if source.transparency is None else with_alpha


def _blended(image: Image.Image, source: ImageSource, mode: str) -> Image.Image:
    if mode == source.mode:
        return image
    if source.transparency is not None:
        image.info["transparency"] = source.transparency
    return image.convert(mode)


def _to_array(image: Image.Image, mode: str) -> NDArray[Any]:
    """Copy by strips: np.array() takes five times as long, and a whole copy more of memory."""
    shape = image.height, image.width, PIXEL_MODES[mode].channels
    pixels: NDArray[Any] = np.empty(shape, PIXEL_MODES[mode].dtype)
    for top in range(0, image.height, ROWS):
        strip = pixels[top : top + ROWS]
        box = (0, top, image.width, top + len(strip))
        strip[...] = np.asarray(image.crop(box)).reshape(strip.shape)
    return pixels
