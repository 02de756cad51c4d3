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

from upsample_cli.errors import FileError, RequestError, UpsampleError
from upsample_cli.files.images.deep import read_deep, with_keyed_alpha
from upsample_cli.files.images.formats import (
    IMAGE_FORMATS,
    ImageFormat,
    format_named,
    format_of_content,
)
from upsample_cli.files.images.limits import check_length, check_size, too_large
from upsample_cli.files.images.metadata import Metadata, read_metadata
from upsample_cli.files.images.modes import (
    PIXEL_MODES,
    Transparency,
    blended_mode,
    element_of_mode,
)
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.files.images.png import largest_chunk, without_pixels

ROWS = 64
"""Rows that are copied out of Pillow at a time: few enough to stay in the cache."""

PIXEL_BYTES = 8
"""At most: four channels of 16 bits."""

KEYING_BYTES = 16
"""What telling which deep pixels are transparent takes for each."""

BYTE_BITS = 8

_pillow_globals = threading.RLock()


@dataclass
class ImageSource:
    """An image file whose header has been read; `pixels` decodes it.

    ``mode`` is Pillow's mode of the selected frame, ``I;16`` for every unsigned 16-bit grey, and
    a deep one of `PIXEL_MODES` for colours of 16 bits.
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

    def decoding_bytes(self, *, blurs: bool) -> int:
        """Return what decoding takes, the pixels that `pixels` returns included."""
        own, mode = PIXEL_MODES[self.mode], result_mode(self, blurs=blurs)
        dtype, channels = element_of_mode(mode)
        each = dtype.itemsize * channels + format_named(self.format).decoder_bytes
        if not own.is_deep:
            each += own.pillow_bytes
        if mode != self.mode:
            is_keyed_deep = dtype.itemsize == 2
            each += KEYING_BYTES if is_keyed_deep else PIXEL_MODES[mode].pillow_bytes
        chunk = largest_chunk(self.file) if own.is_deep else 0
        return self.width * self.height * each + chunk

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
            format = format_named(self.format)
            chunks = format.load_codec().chunks(self.file)
            # Without --max-pixels the default limit does, and threads need not wait for each other.
            with _pillow_limit(self.options) if self.options.max_pixels else nullcontext():
                # Pillow would spend as long on the pixels that it reduces as they take here.
                is_deep = PIXEL_MODES[self.mode].is_deep
                file = without_pixels(self.file) if is_deep else self.file
                image = _open_frame(file, self.name, format, self.options)
                image.load()
                pixels = self._decoded(image, mode)
            self.metadata = read_metadata(image, chunks)
            if self.mode == "P":
                self.palette = bytes(image.getpalette("RGB") or ())
            return mode, pixels

    def _decoded(self, image: Image.Image, mode: str) -> NDArray[Any]:
        own = PIXEL_MODES[self.mode]
        is_keyed = mode != self.mode and own.dtype.itemsize == 2
        if own.is_deep:
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
    with _decoding(name, format.name):
        image = _open_frame(file, name, format, options)
        mode = format.load_codec().native_mode(image)
        return ImageSource(
            file=file,
            name=name,
            options=options,
            format=format.name,
            mode=mode,
            width=image.width,
            height=image.height,
            transparency=_transparency(image, mode),
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
    file: BinaryIO, name: str, format: ImageFormat, options: ImageOptions
) -> Image.Image:
    codec = format.load_codec()
    with _pillow_limit(options) as limit:
        file.seek(0)
        image = codec.open(file)
        check_size(image, name, limit)
        frame = _frame_number(image, name, options.frame)
        image.seek(frame)
        check_size(image, name, limit)
        check_length(image, name, file)
        if loss := codec.loss(image):
            raise FileError(name, loss, "use a copy that is stored otherwise")
        if isinstance(image, ImageFile.ImageFile):
            # Pillow appends blocks until it has a row, which takes minutes if it is much longer.
            image.decodermaxblock = max(image.decodermaxblock, PIXEL_BYTES * image.width)
        if frame:
            image.load()  # an animation's later frames know their mode only when composed
    if codec.native_mode(image) not in PIXEL_MODES:
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


def _transparency(image: Image.Image, native: str) -> Transparency:
    key: object = image.info.get("transparency")
    if not PIXEL_MODES[native].can_be_keyed or not isinstance(key, (int, bytes, tuple)):
        return None
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    # PNG counts the key in the file's own depth, while Pillow spreads 2 and 4 bits over 0 to 255.
    shallow = re.fullmatch(r"L;([24])", str(tiles[0].args)) if tiles else None
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
    return blended_mode(source.mode, source.transparency) if blurs else source.mode


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
