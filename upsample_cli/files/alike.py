"""Whether two output files hold the same, though they may have been made on different machines.

The same data are deflated to other bytes on another kind of processor, or by another version of a
library (docs/same_bytes.md). So where bytes differ, what was deflated is compared instead: the
stream of a gzip file, the image data and every other chunk of a PNG, the members of an .npz. Any
other format is compared by its bytes alone.
"""

import filecmp
import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, BinaryIO

from upsample_cli.files.images import png
from upsample_cli.files.streams import GZIP_MAGIC

PIECE = 2**20
UNREADABLE = (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, NotImplementedError)
"""What a file provokes that is damaged, or only begins like its format."""


def alike(first: str, second: str) -> bool:
    """Return whether two files have the same bytes or, by their format, the same content.

    Raises
    ------
    OSError
        If one of them cannot be read.
    """
    if filecmp.cmp(first, second, shallow=False):
        return True
    found = _content_digest(first)
    return found is not None and found == _content_digest(second)


def _content_digest(name: str) -> bytes | None:
    """Return a digest of what a file holds, or None if its format is compared by its bytes."""
    with open(name, "rb") as file:
        head = file.read(8)
        parts = next((parts for magic, parts in PARTS.items() if head.startswith(magic)), None)
        if parts is None:
            return None
        file.seek(0)
        digest = hashlib.sha256()
        try:
            for label, pieces in parts(file):
                part = hashlib.sha256()
                for piece in pieces:
                    part.update(piece)
                digest.update(hashlib.sha256(label).digest() + part.digest())
        except UNREADABLE:
            return None
    return digest.digest()


Parts = Iterator[tuple[bytes, Iterator[bytes]]]
"""The parts of a file, each with a label, and its content in pieces of any size."""


def _gzip_parts(file: BinaryIO) -> Parts:
    with gzip.GzipFile(fileobj=file) as stream:
        yield b"gzip", _pieces(stream)


def _zip_parts(file: BinaryIO) -> Parts:
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as member:
                yield entry.filename.encode(), _pieces(member)


def _pieces(stream: io.BufferedIOBase | IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(PIECE):
        yield piece


def _png_parts(file: BinaryIO) -> Parts:
    image = hashlib.sha256()
    inflater = zlib.decompressobj()
    for name, content in png.png_chunks(file):
        if name == b"IDAT":
            _take_inflated(inflater, content, image.update)
        elif name in DEFLATED_CHUNKS:
            # A name, a zero, the number of the method.
            text, _, deflated = content.partition(b"\0")
            yield name, iter([text, zlib.decompress(deflated[1:])])
        else:
            yield name, iter([content])
    if not inflater.eof:
        raise ValueError("its image data are cut short")
    yield b"IDAT", iter([image.digest()])


def _take_inflated(inflater: Any, content: bytes, take: Callable[[bytes], object]) -> None:
    """Inflate a chunk of image data piece by piece, as they may be a thousand times larger."""
    take(inflater.decompress(content, PIECE))
    while inflater.unconsumed_tail:
        take(inflater.decompress(inflater.unconsumed_tail, PIECE))


DEFLATED_CHUNKS = (b"iCCP", b"zTXt")
PARTS: dict[bytes, Callable[[BinaryIO], Parts]] = {
    GZIP_MAGIC: _gzip_parts,
    png.SIGNATURE: _png_parts,
    b"PK\x03\x04": _zip_parts,
}
"""By what a file begins with."""
