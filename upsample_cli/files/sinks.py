"""Where an output's elements go: what is written, through gzip or not, strictly forward."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from upsample_cli.files.deflate import deflated

if TYPE_CHECKING:
    from upsample_cli.files.volumes.volume import VolumeHeader

COMPRESSION_BLOCK = 2**20
"""Bytes that are deflated as one unit. Fixed, so that a file's bytes depend on nothing else."""

MOST_COMPRESSORS = 8
"""Each holds a few blocks; this many outrun any disk."""
BLOCKS_PER_COMPRESSOR = 2
"""One is deflated; one waits before it or, deflated, for those before it."""

GZIP_HEADER = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
"""No name, no time, no system."""

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
    """Compresses to a file on background threads, as one gzip member without name and time.

    The bytes depend on the data and the level, not on the number of threads, nor on the pieces in
    which the data come. Bounded memory: whoever writes waits for the oldest block.

    Parameters
    ----------
    file
        Where to.
    level
        ISA-L's, 0 to 3.
    threads
        How many deflate; the caller does nothing but write what they have done.
    """

    def __init__(self, file: BinaryIO, level: int, threads: int) -> None:
        self.file = file
        self.level = level
        self.threads = min(max(1, threads), MOST_COMPRESSORS)
        self.pool = ThreadPoolExecutor(self.threads)
        self.block, self.history = bytearray(), bytearray()
        self.waiting: deque[Future[_Deflated]] = deque()
        self.crc, self.size = 0, 0
        self.is_closed = False
        file.write(GZIP_HEADER)

    def write(self, data: Any) -> None:
        """Write bytes, so that every block but the last is full whatever the pieces were."""
        view = memoryview(data).cast("B")
        while len(view):
            count = min(len(view), COMPRESSION_BLOCK - len(self.block))
            self.block += view[:count]
            view = view[count:]
            if len(self.block) == COMPRESSION_BLOCK:
                self._begin_block(is_last=False)

    def close(self) -> None:
        """Write what is left, and the trailer; the file stays open."""
        if self.is_closed:
            return
        try:
            self._begin_block(is_last=True)
            while self.waiting:
                self._end_block()
            trailer = self.crc.to_bytes(4, "little") + (self.size % 2**32).to_bytes(4, "little")
            self.file.write(trailer)
            self.file.flush()
        finally:
            self.abort()

    def abort(self) -> None:
        """Stop the threads, whatever state the file is in."""
        self.is_closed = True
        self.waiting.clear()
        self.pool.shutdown(cancel_futures=True)

    def _begin_block(self, *, is_last: bool) -> None:
        while len(self.waiting) >= BLOCKS_PER_COMPRESSOR * self.threads:
            self._end_block()
        block, history = self.block, self.history
        self.waiting.append(self.pool.submit(_deflated, block, self.level, history, is_last))
        self.block, self.history = bytearray(), block

    def _end_block(self) -> None:
        done = self.waiting.popleft().result()
        self.file.write(done.content)
        self.crc = isal_zlib.crc32_combine(self.crc, done.crc, done.size)
        self.size += done.size


class _Deflated(NamedTuple):
    content: bytes
    crc: int
    size: int


def _deflated(block: bytearray, level: int, history: bytearray, is_last: bool) -> _Deflated:
    content = deflated(block, level, history=history, is_last=is_last)
    return _Deflated(content, isal_zlib.crc32(block), len(block))
