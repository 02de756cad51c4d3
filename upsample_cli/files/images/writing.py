"""Images written with the metadata of the image that they came from."""

import io
from typing import Any, BinaryIO

from numpy.typing import NDArray

from upsample_cli.errors import FileError, UpsampleError
from upsample_cli.files.images.formats import ImageFormat
from upsample_cli.files.images.metadata import WORDS, Metadata
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.files.images.reading import ImageSource, reason_of


def save_image(
    file: BinaryIO,
    format: ImageFormat,
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
        At its start.
    format, mode
        As `ImageFormat.check_can_write` allows.
    pixels
        (height, width, channels), of the dtype in `PIXEL_MODES`.
    source
        Gives the metadata, palette, transparent colour and encoding.
    options
        The quality.
    name
        What messages call the file; ``-`` for a pipe, in which no one can seek.
    threads
        How many threads may share the encoding.

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
    format.check_can_write(mode, name, source.transparency)
    codec = format.load_codec()
    held, lost = _shared_out(source.metadata, format)
    carried, broken = codec.carried(held)
    settings = codec.settings(mode, source, options) | carried
    target = io.BytesIO() if format.in_memory(to_pipe=name == "-") else file
    try:
        codec.save(target, mode, pixels, source, settings, threads)
    except UpsampleError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise FileError(name, f"cannot encode this {format.name}: {reason_of(error)}") from error
    if isinstance(target, io.BytesIO) and target is not file:
        file.write(target.getbuffer())
    return [f"{name}: {format.name} holds no {part}; it was dropped" for part in lost + broken]


def _shared_out(metadata: Metadata, format: ImageFormat) -> tuple[dict[str, Any], list[str]]:
    """Return the parts that a format holds, and words for those that are lost."""
    there = {part: value for part in WORDS if (value := getattr(metadata, part))}
    held = {part: value for part, value in there.items() if format.holds(part, value)}
    lost = [WORDS[part] for part in there if part not in held]
    if any(name == b"sRGB" for name, _ in metadata.colour_space):
        # a file that says nothing of its colour space is taken to be sRGB
        lost = [words for words in lost if words != WORDS["colour_space"]]
    return held, lost
