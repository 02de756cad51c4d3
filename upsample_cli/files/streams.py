"""Byte streams that are read and written strictly forward, through gzip or not."""

import contextlib
import io
import os
import sys
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from isal import igzip_threaded, isal_zlib
from numpy.typing import NDArray

from upsample_cli.codecs.deflate import deflated
from upsample_cli.errors import FileError, RequestError

GZIP_MAGIC = b"\x1f\x8b"
GZIP_LARGEST_RATIO = 1032
"""Deflate cannot expand further: 258 bytes from 2 bits."""

COMPRESSION_BLOCK = 2**20
"""Bytes that are deflated as one unit. Fixed, so that a file's bytes depend on nothing else."""

MOST_COMPRESSORS = 8
"""Each holds a few blocks; this many outrun any disk."""
BLOCKS_PER_COMPRESSOR = 2
"""One is deflated; one waits before it or, deflated, for those before it."""

GZIP_HEADER = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
"""No name, no time, no system."""

DECOMPRESSION_BLOCK = 2**18
"""Bytes that are inflated at once. Larger ones are no faster, and eight times as much is held."""

READER_BYTES = 12 * DECOMPRESSION_BLOCK
"""What reading gzip holds: the compressed bytes, and blocks that wait."""

UNREADABLE = (OSError, zlib.error, isal_zlib.error, ValueError)
"""What a broken file, or broken gzip data, provokes."""

SKIP_BYTES = 2**20
HEAD_BYTES = 1024


def open_input(name: str) -> io.BufferedReader:
    """Open a file, or standard input for ``-``, for reading forward.

    Raises
    ------
    FileError
        If there is no such file, or it is a folder or cannot be read.
    """
    if name == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise RequestError("-", "standard input is a terminal", "pipe a file into it")
        return _with_full_head(sys.stdin.buffer)  # type: ignore[arg-type]
    try:
        file = open(name, "rb")  # noqa: SIM115 - the caller closes it
        return file if file.seekable() else _with_full_head(file)
    except FileNotFoundError as error:
        raise FileError(name, "does not exist", "check the path") from error
    except IsADirectoryError as error:
        raise FileError(name, "is a folder", "name a file in it") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(name, f"cannot be read ({reason})") from error


class _HeadThenFile(io.RawIOBase):
    """A pipe whose first bytes have been read."""

    def __init__(self, head: bytes, file: io.BufferedReader) -> None:
        self.head = head
        self.file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.head:
            return self.file.readinto1(buffer)
        count = min(len(buffer), len(self.head))
        buffer[:count], self.head = self.head[:count], self.head[count:]
        return count

    def close(self) -> None:
        self.file.close()
        super().close()


def _with_full_head(file: io.BufferedReader) -> io.BufferedReader:
    """Wait for the head of a pipe, which may arrive byte by byte, so that it can be peeked at."""
    return io.BufferedReader(_HeadThenFile(file.read(HEAD_BYTES), file))


@contextlib.contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Open standard output for bytes.

    Raises
    ------
    FileError
        If it cannot take them all; what is left is dropped, so that no one tries again at exit.
    """
    if sys.stdout is None:
        raise RequestError("-", "there is no standard output", "name a file")
    # Python's own is unbuffered on request, and then drops what a write did not take.
    file = open(sys.stdout.fileno(), "wb", closefd=False)  # noqa: SIM115
    try:
        yield file
        file.flush()
    except BaseException:
        discard_standard_output()
        raise
    finally:
        file.close()


def discard_standard_output() -> None:
    """Send what is still buffered for standard output nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def head_of(file: io.BufferedReader) -> bytes:
    """Return the first bytes of a stream, decompressed, without consuming them."""
    head = file.peek(HEAD_BYTES)
    if not head.startswith(GZIP_MAGIC):
        return head[:HEAD_BYTES]
    # Byte by byte: a small file's trailer may be in the head, and wrong.
    inflater, found = zlib.decompressobj(wbits=31), b""
    with contextlib.suppress(zlib.error):
        for begin in range(len(head)):
            found += inflater.decompress(head[begin : begin + 1], HEAD_BYTES)
            if len(found) >= HEAD_BYTES:
                break
    return found


def bytes_of(array: NDArray[Any]) -> memoryview:
    """View a C-contiguous array as its bytes."""
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]


class ForwardReader:
    """Reads a file, decompressed if it is gzip, strictly forward; errors name the file."""

    def __init__(self, file: io.BufferedReader, name: str) -> None:
        self.name = name
        self.source = file
        self.is_gzip = file.peek(2)[:2] == GZIP_MAGIC
        self.file: BinaryIO = file
        if self.is_gzip:
            # A thread that waits for a pipe could not be stopped by an interrupt.
            threads = 1 if file.seekable() else 0
            self.file = igzip_threaded.open(  # type: ignore[no-untyped-call]
                file, "rb", threads=threads, block_size=DECOMPRESSION_BLOCK
            )
        self.position = 0

    def largest_possible_size(self) -> int | None:
        """Return a bound on the decompressed size, or None for a pipe."""
        try:
            size = os.fstat(self.source.fileno()).st_size
        except (OSError, ValueError):
            return None
        if not self.source.seekable():
            return None
        return size * GZIP_LARGEST_RATIO if self.is_gzip else size

    def read(self, count: int) -> bytes:
        """Return exactly ``count`` bytes."""
        return self.read_array((count,), np.dtype(np.uint8)).tobytes()

    def read_rest(self, limit: int) -> bytes:
        """Return everything up to the end of the file, or the first ``limit`` bytes of it."""
        with self._named_errors():
            rest = self.file.read(limit)
        self.position += len(rest)
        return rest

    def read_array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Read a C-contiguous array; errors as in ``read_into``."""
        array = np.empty(shape, dtype)
        self.read_into(array)
        return array

    def read_into(self, array: NDArray[Any]) -> None:
        """Fill a C-contiguous array with the next bytes.

        Raises
        ------
        FileError
            If the file ends before it, or its gzip data are corrupt.
        """
        view = bytes_of(array)
        filled = 0
        with self._named_errors():
            while filled < len(view):
                count = self.file.readinto(view[filled:])  # type: ignore[attr-defined]
                if not count:
                    raise FileError(
                        self.name,
                        f"is truncated: it ends after {self.position + filled} of at least "
                        f"{self.position + len(view)} bytes",
                        "use a complete file",
                    )
                filled += count
        self.position += filled

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes."""
        if not self.is_gzip and self.source.seekable():
            with self._named_errors():
                self.source.seek(count, os.SEEK_CUR)
            self.position += count
            return
        while count:
            step = min(count, SKIP_BYTES)
            self.read_array((step,), np.dtype(np.uint8))
            count -= step

    def finish(self) -> int:
        """Read to the end, so that a wrong checksum is found; return how many bytes were left."""
        size = None if self.is_gzip else self.largest_possible_size()
        if size is not None:
            return size - self.position
        left = 0
        with self._named_errors():
            while block := self.file.read(SKIP_BYTES):
                left += len(block)
        return left

    def close(self) -> None:
        """Close the file and stop the thread that decompresses it."""
        if self.is_gzip:
            self.file.close()
        self.source.close()

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except FileError:
            raise
        except EOFError as error:
            raise FileError(
                self.name,
                "is truncated, or followed by what is not gzip: its gzip data end early",
                "use a complete file",
            ) from error
        except UNREADABLE as error:  # type: ignore[misc]  # of isal's error the stub has an instance
            raise FileError(self.name, f"cannot be read ({error})") from error


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
