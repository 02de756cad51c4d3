"""Volumes read and written strictly forward: what every volume format shares."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import FileError
from upsample_cli.files.sinks import Compression, Layout, stream_to
from upsample_cli.files.streams import READER_BYTES, ForwardReader, bytes_of
from upsample_cli.files.volumes.volume import VolumeHeader

Array = NDArray[Any]


class VolumeSource(ABC):
    """A volume that gives its planes in the order of the file.

    Attributes
    ----------
    header
        What the file says of them.
    shape
        Spatial dimensions, slowest first (z, y, x).
    items, channels, dtype
        Number of volumes, interleaved channels of a voxel, and their native dtype.
    suffixes
        Those of a file like this one, without gzip and with it.
    """

    kind: Literal["volume"] = "volume"
    suffixes: ClassVar[tuple[str, str]]
    header: VolumeHeader

    def __init__(self, reader: ForwardReader, name: str) -> None:
        self.name = name
        self.reader = reader
        try:
            self.header = self.read_header()
            self._check_size()
        except BaseException:
            self.close()
            raise
        self.shape = tuple(reversed(self.header.spatial))
        self.items = self.header.items
        self.dtype, self.channels = self.header.element

    @abstractmethod
    def read_header(self) -> VolumeHeader:
        """Read and check the header, and leave ``reader`` where the voxels begin.

        Raises
        ------
        FileError
            If it is broken, or says what cannot be.
        """

    def _check_size(self) -> None:
        possible = self.reader.largest_possible_size()
        needed = self.reader.position + self.header.data_bytes
        if possible is not None and needed > possible:
            raise FileError(
                self.reader.name,
                f"is truncated: its header promises {needed} bytes, it can hold at most {possible}",
                "use a complete file",
            )

    @property
    def extra_dimensions(self) -> tuple[int, ...]:
        """The dimensions past the third, in the order of the header."""
        return self.header.shape[3:]

    @property
    def default_suffix(self) -> str:
        """The suffix of a file like this one, for an output without a name."""
        return self.suffixes[self.reader.is_gzip]

    def read(self, count: int) -> Array:
        """Return the next ``count`` planes, shape (count, *shape[1:], channels), native dtype."""
        shape = (count, *self.shape[1:], self.channels)
        planes = self.reader.read_array(shape, self.header.disk_dtype)
        return planes.astype(self.dtype, copy=False)

    def read_into(self, planes: Array) -> None:
        """Fill ``planes``, as ``read`` would return them, with the next ones."""
        self.reader.read_into(planes)
        if not self.header.disk_dtype.isnative:
            planes.byteswap(inplace=True)

    def skip(self, count: int) -> None:
        """Pass over the next ``count`` planes."""
        plane = self.header.disk_dtype.itemsize * self.channels * math.prod(self.shape[1:])
        self.reader.skip(count * plane)

    def reading_bytes(self, piece: int) -> int:
        """Return what reading takes beside the pieces of so many bytes that it gives."""
        gzip = READER_BYTES if self.reader.is_gzip else 0
        return gzip + (0 if self.header.disk_dtype.isnative else piece)

    def finish(self) -> list[str]:
        """Check that the file ends well; return warnings."""
        left = self.reader.finish()
        return [f"{self.name}: {left} bytes after the voxels were not kept"] if left else []

    def trailer(self) -> bytes:
        """Return what follows the voxels and is carried along; known once `finish` was called."""
        return b""

    def sink(self, layout: Layout, files: list[BinaryIO], compression: Compression) -> "VolumeSink":
        """Return what writes a volume that was made of this one."""
        if layout.header is None:
            raise TypeError("a volume is laid out by its header")
        header = layout.header.for_files(len(files))
        return VolumeSink(header, files, compression, self.trailer)

    def facts(self) -> dict[str, Any]:
        """Return what the header says, for people; shapes are x first."""
        return self.header.facts()

    def close(self) -> None:
        """Close the file."""
        self.reader.close()


class VolumeSink:
    """Writes a header, then voxels as they come, then a trailer.

    Parameters
    ----------
    header
        The output's header.
    files
        One file, or two for a pair: header, then voxels.
    compression
        Of each of them.
    trailer
        Gives the bytes after the voxels, once those are written.
    """

    def __init__(
        self,
        header: VolumeHeader,
        files: list[BinaryIO],
        compression: Compression,
        trailer: Callable[[], bytes],
    ) -> None:
        self.disk_dtype = header.disk_dtype
        self.trailer = trailer
        self.streams = [stream_to(file, compression) for file in files]
        self.streams[0].write(header.to_bytes())

    def write(self, planes: Array) -> None:
        """Write planes of the output's native dtype."""
        self.streams[-1].write(bytes_of(np.ascontiguousarray(planes, self.disk_dtype)))

    def finish(self) -> None:
        """Write what follows the voxels, and what is still buffered."""
        if trailer := self.trailer():
            self.streams[-1].write(trailer)
        for stream in self.streams:
            stream.close()

    def abort(self) -> None:
        """Stop the threads that compress, whatever state the files are in."""
        for stream in self.streams:
            stream.abort()
