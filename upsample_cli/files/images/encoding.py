"""What encoding an image takes beside its pixels, in bytes, for each way of encoding.

Measured on noise, for which every encoder needs the most.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from upsample_cli.files.images.modes import PIXEL_MODES, element_of_mode

if TYPE_CHECKING:
    from upsample_cli.files.images.reading import ImageSource

PNG_WRITER_BYTES, PNG_THREAD_BYTES, PNG_BLOCKS, PNG_BLOCK = 2**21, 2**21, (64, 16), 2**18
"""Of a PNG: its state; a thread's; blocks that wait, in all and for each thread; a block's size."""
WEBP_BYTES, LOSSY_WEBP_BYTES = 38, 19
"""What these encoders take for a pixel, at most: it depends on the content."""
PROGRESSIVE_BYTES = {0: 7, 1: 5, 2: 4}
"""Pillow's chroma subsampling → what the coefficients of a progressive JPEG take for a pixel."""
TIFF_COPIES = {"raw": 1.0, "tiff_lzw": 2.7}
"""Compression → the files that are in memory, of noise: libtiff's, which LZW enlarges, and ours.
Where it is not here, they are 2."""


@dataclass(frozen=True)
class Encoding:
    """An image that is to be written.

    Attributes
    ----------
    mode, pixels
        Its mode, and how many pixels it has.
    source
        Where it comes from, which decides how it is encoded.
    threads
        How many threads share the work.
    to_pipe
        Whether it goes where no one can seek.
    """

    mode: str
    pixels: int
    source: "ImageSource"
    threads: int
    to_pipe: bool

    @property
    def raw_bytes(self) -> int:
        """The size of the pixels."""
        dtype, channels = element_of_mode(self.mode)
        return self.pixels * channels * dtype.itemsize

    @property
    def copied_bytes(self) -> int:
        """What Pillow copies before it encodes."""
        mode = PIXEL_MODES[self.mode]
        return 0 if mode.is_shared else self.pixels * mode.pillow_bytes


def bytes_in_all(image: Encoding) -> int:
    """Return what an encoder takes that writes as it goes; a pipe gets the whole at once."""
    return image.copied_bytes + (image.raw_bytes if image.to_pipe else 0)


def png_bytes(image: Encoding) -> int:
    """Return what our own encoder takes."""
    encoded, threads = image.raw_bytes, image.threads
    waiting = min(PNG_BLOCKS[0], PNG_BLOCKS[1] * threads) * PNG_BLOCK
    busy = min(threads, -(-encoded // PNG_BLOCK))
    return PNG_WRITER_BYTES + busy * PNG_THREAD_BYTES + min(waiting, encoded)


def tiff_bytes(image: Encoding) -> int:
    """Return what libtiff takes, which always writes to memory."""
    copies = TIFF_COPIES.get(image.source.compression, 2)
    return image.copied_bytes + int(image.raw_bytes * copies)


def webp_bytes(image: Encoding) -> int:
    """Return what libwebp takes."""
    is_lossy = image.source.options.quality is not None
    return image.copied_bytes + image.pixels * (LOSSY_WEBP_BYTES if is_lossy else WEBP_BYTES)


def jpeg_bytes(image: Encoding) -> int:
    """Return what libjpeg takes, which holds the coefficients of a progressive file."""
    source = image.source
    coefficients = PROGRESSIVE_BYTES[max(source.sampling, 0)] if source.progressive else 0
    return bytes_in_all(image) + image.pixels * coefficients
