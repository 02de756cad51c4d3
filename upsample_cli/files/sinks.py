"""Where an output's elements go: what is written, through gzip or not, strictly forward."""

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np
from isal import igzip_threaded
from numpy.typing import NDArray

if TYPE_CHECKING:
    from upsample_cli.files.volumes.volume import VolumeHeader

COMPRESSION_BLOCK = 2**20
"""Bytes that are deflated as one unit. Fixed, so that a file's bytes depend on nothing else."""

MOST_COMPRESSORS = 8
"""Each holds a few blocks; this many outrun any disk."""

COMPRESSOR_BYTES = 4 * COMPRESSION_BLOCK
"""A compressor's own buffer, and the blocks that wait before and after it."""


@dataclass(frozen=True)
class Layout:
    """What a file of elements holds.

    Attributes
    ----------
    shape
        The whole shape in PyTorch's order: (*leading, *spatial), slowest axis first. Channels that
        a voxel interleaves on disk are its last leading axis.
    dtype
        Native.
    header
        A volume's; its shape and dtype are those above.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    header: "VolumeHeader | None" = None


@dataclass(frozen=True)
class Compression:
    """How an output's bytes are compressed: with gzip, at a level, on so many threads; or not."""

    is_gzip: bool
    level: int
    threads: int

    def working_bytes(self, written: int) -> int:
        """Return what compressing so many bytes takes."""
        if not self.is_gzip:
            return 0
        full = min(self.threads, MOST_COMPRESSORS) * COMPRESSOR_BYTES + 2 * COMPRESSION_BLOCK
        # What is written waits before a compressor, and again after it; a small file fills none.
        return min(full, 2 * written + COMPRESSION_BLOCK)


class Sink(Protocol):
    """What takes an output's elements, in order."""

    def write(self, planes: NDArray[Any], /) -> None:
        """Write slabs of the output's native dtype."""

    def finish(self) -> None:
        """Write what is still buffered, and what follows the elements."""

    def abort(self) -> None:
        """Stop what runs in the background, whatever state the files are in."""


class Stream(Protocol):
    """What takes an output's bytes, in order."""

    def write(self, data: Any, /) -> None:
        """Write bytes."""

    def close(self) -> None:
        """Write what is still buffered; the file below stays open."""

    def abort(self) -> None:
        """Stop what runs in the background, whatever state the file is in."""


def stream_to(file: BinaryIO, compression: Compression) -> Stream:
    """Return what writes to a file, compressed if that is asked for."""
    if compression.is_gzip:
        return GzipWriter(file, compression.level, compression.threads)
    return PlainWriter(file)


class PlainWriter:
    """Writes bytes as they are."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def write(self, data: Any) -> None:
        """Write bytes."""
        self.file.write(data)

    def close(self) -> None:
        """Write what is still buffered; the file stays open."""
        self.file.flush()

    def abort(self) -> None:
        """Nothing runs in the background."""


class GzipWriter:
    """Compresses to a file on background threads; the bytes do not depend on their number."""

    def __init__(self, file: BinaryIO, level: int, threads: int) -> None:
        self.file: BinaryIO = igzip_threaded.open(  # type: ignore[no-untyped-call]
            file,
            "wb",
            compresslevel=level,
            threads=min(max(1, threads), MOST_COMPRESSORS),
            block_size=COMPRESSION_BLOCK,
        )
        self.position = 0

    def write(self, data: Any) -> None:
        """Write bytes, so that every block but the last is full whatever the pieces were."""
        view = memoryview(data).cast("B")
        while len(view):
            count = min(len(view), COMPRESSION_BLOCK - self.position % COMPRESSION_BLOCK)
            self.file.write(view[:count])
            self.position += count
            view = view[count:]

    def close(self) -> None:
        """Write the trailer."""
        self.file.close()

    def abort(self) -> None:
        """Stop the threads, whatever state the file is in."""
        with contextlib.suppress(OSError, ValueError):
            self.close()
