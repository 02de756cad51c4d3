"""TIFF files as Pillow reads them, but for what it does without being asked."""

import contextlib
import ctypes
import functools
from typing import Any, BinaryIO

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from upsample_cli.files.images.metadata import picture_exif


class UnturnedTiff(TiffImageFile):
    """Pillow's TIFF reader, but for its last step: turning the pixels as their orientation says."""

    def _setup(self) -> None:
        super()._setup()
        self._size = self._tile_size

    def load_end(self) -> None:
        """Read the EXIF directories while the file is at hand, and leave the pixels alone."""
        picture_exif(self.getexif())


def open_tiff(file: BinaryIO) -> UnturnedTiff:
    """Read the header of a TIFF file."""
    _quieten_libtiff()
    return UnturnedTiff(file, "")


@functools.cache
def _quieten_libtiff() -> None:
    """Keep libtiff from printing why it fails, beside the error that Pillow raises."""
    decoders: Any = Image
    # Where libtiff is a part of Pillow itself, it goes on printing.
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(decoders.core.__file__)
        library.TIFFSetErrorHandler(None)
        library.TIFFSetWarningHandler(None)
