"""NumPy arrays in .npy files, memory-mapped where they are files."""

import contextlib
import io
import math
from collections.abc import Iterator
from tokenize import TokenError
from typing import Any, BinaryIO, Literal

import numpy as np
from isal import isal_zlib
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files.sinks import Compression, Layout, stream_to
from upsample_cli.files.streams import READER_BYTES, ForwardReader, bytes_of

Array = NDArray[Any]

VERSIONS = {
    (1, 0): (npy_format.read_array_header_1_0, 2),
    (2, 0): (npy_format.read_array_header_2_0, 4),
    (3, 0): (npy_format.read_array_header_2_0, 4),
}
"""The version of a file → what reads its header, and the bytes of that header's length."""
LARGEST_HEADER = 2**16
"""Checked before it is read, because it may be announced as 4 GiB."""

LARGEST_DIMENSIONS = 5
LARGEST_SPATIAL = 3


UNREADABLE = (
    *(ValueError, OSError, EOFError, SyntaxError, TypeError, TokenError, RecursionError),
    *(MemoryError, isal_zlib.error),
)
"""What a broken file, or a Python literal that is none, provokes."""


class ArraySource:
    """An array that gives its slabs in C order.

    The last axes are spatial, up to three; ``set_dimensions`` says how many. Every axis before
    them counts items.

    Attributes
    ----------
    full_shape
        The array's own shape.
    shape, items, channels, dtype
        As in ``files.volumes.volume_source.VolumeSource``.
    """

    kind: Literal["array"] = "array"
    channels = 1
    default_suffix = ".npy"

    def __init__(self, reader: ForwardReader, name: str) -> None:
        self.name = name
        self.reader = reader
        self.is_mapped = reader.largest_possible_size() is not None and not reader.is_gzip
        try:
            with self._named_errors():
                self._read_header()
            self._check()
        except BaseException:
            self.close()
            raise
        self.dtype = self.disk_dtype.newbyteorder("=")
        self.position = 0
        self._in_memory: Array | None = None
        self.set_dimensions(min(len(self.full_shape), LARGEST_SPATIAL))

    def _read_header(self) -> None:
        file = self.reader.file
        version = npy_format.read_magic(file)
        if version not in VERSIONS:
            raise ValueError(f"version {version} is unknown")
        read, length_bytes = VERSIONS[version]
        prefix = file.read(length_bytes)
        length = int.from_bytes(prefix, "little")
        if length > LARGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        shape, self.is_fortran, self.disk_dtype = read(io.BytesIO(prefix + file.read(length)))
        # To NumPy's reader, True is a size too.
        self.full_shape = tuple(int(size) for size in shape)
        # Only a mapping needs to know where the elements begin.
        self.offset = file.tell() if self.is_mapped else 0

    def _check(self) -> None:
        dimensions = len(self.full_shape)
        if not 1 <= dimensions <= LARGEST_DIMENSIONS:
            raise FileError(self.name, f"has {dimensions} dimensions", "use 1 to 5")
        if min(self.full_shape) < 1:
            raise FileError(self.name, f"is empty: its shape is {self.full_shape}")
        if self.disk_dtype.kind not in "biufc":
            raise FileError(self.name, f"holds {self.disk_dtype}", "use an array of numbers")
        possible = self.reader.largest_possible_size()
        needed = self.offset + math.prod(self.full_shape) * self.disk_dtype.itemsize
        if possible is not None and needed > possible:
            raise FileError(
                self.name,
                f"is truncated: its header promises {needed} bytes, it can hold at most {possible}",
                "use a complete file",
            )

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except UNREADABLE as error:  # type: ignore[misc]  # of isal's error the stub has an instance
            raise FileError(self.name, "is not a usable .npy array", "save it again") from error

    def set_dimensions(self, count: int) -> None:
        """Take the last ``count`` axes as spatial."""
        if not 1 <= count <= min(len(self.full_shape), LARGEST_SPATIAL):
            raise RequestError(
                self.name,
                f"has {len(self.full_shape)} axes, of which {count} cannot be spatial",
                f"give 1 to {min(len(self.full_shape), LARGEST_SPATIAL)} numbers",
            )
        self.shape = tuple(self.full_shape[-count:])
        self.leading = tuple(self.full_shape[: len(self.full_shape) - count])
        self.items = math.prod(self.leading)

    @property
    def extra_dimensions(self) -> tuple[int, ...]:
        """The axes that count items, the fastest first."""
        return self.leading[::-1]

    def read(self, count: int) -> Array:
        """Return the next ``count`` slabs, shape (count, *shape[1:], 1), native dtype."""
        begin, self.position = self.position, self.position + count
        inner = self.shape[1:]
        if not self.is_mapped and not self.is_fortran:
            slabs = self.reader.read_array((count, *inner), self.disk_dtype)
        elif not self.is_fortran:
            slabs = self._whole().reshape(-1, *inner)[begin : begin + count]
        else:
            outer = np.unravel_index(range(begin, begin + count), (*self.leading, self.shape[0]))
            slabs = self._whole()[outer]
        return np.array(slabs, self.dtype, order="C")[..., np.newaxis]

    def _whole(self) -> Array:
        order: Literal["F", "C"] = "F" if self.is_fortran else "C"
        if self.is_mapped:
            # Mapped anew for each read, so that pages that were read do not stay resident.
            with self._named_errors():
                return np.memmap(
                    self.reader.source,
                    self.disk_dtype,
                    "r",
                    self.offset,
                    self.full_shape,
                    order,
                )
        if self._in_memory is None:
            flat = self.reader.read_array((math.prod(self.full_shape),), self.disk_dtype)
            self._in_memory = flat.reshape(self.full_shape, order=order)
        return self._in_memory

    def reading_bytes(self, piece: int) -> int:
        """Return what reading takes beside the pieces of so many bytes that it gives."""
        gzip = READER_BYTES if self.reader.is_gzip else 0
        # Every page has elements of every slab, and those that are read stay while they are.
        whole = math.prod(self.full_shape) * self.dtype.itemsize
        return gzip + (whole if self.is_fortran else piece * self.is_mapped)

    def sink(self, layout: Layout, files: list[BinaryIO], compression: Compression) -> "ArraySink":
        """Return what writes an array that was made of this one."""
        return ArraySink(self.disk_dtype, layout, files, compression)

    def finish(self) -> list[str]:
        """Check that the file ends well; return warnings."""
        self.reader.finish()
        return []

    def facts(self) -> dict[str, Any]:
        """Return what the header says, for people; the shape is NumPy's, x last."""
        return {
            "kind": self.kind,
            "shape": list(self.full_shape),
            "dtype": str(self.disk_dtype),
            "order": "Fortran" if self.is_fortran else "C",
        }

    def close(self) -> None:
        """Close the file."""
        self.reader.close()


class ArraySink:
    """Writes an .npy header of version 1, then the elements in C order.

    The byte order of ``own``, the input's dtype, is kept where the output's dtype is the same.
    """

    def __init__(
        self,
        own: np.dtype[Any],
        layout: Layout,
        files: list[BinaryIO],
        compression: Compression,
    ) -> None:
        is_own = own.newbyteorder("=") == layout.dtype
        self.dtype = own if is_own else np.dtype(layout.dtype)
        (file,) = files
        self.stream = stream_to(file, compression)
        header = {
            "descr": npy_format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": layout.shape,
        }
        npy_format.write_array_header_1_0(self.stream, header)

    def write(self, slabs: Array) -> None:
        """Write slabs of the output's native dtype."""
        self.stream.write(bytes_of(np.ascontiguousarray(slabs, self.dtype)))

    def finish(self) -> None:
        """Write what is still buffered."""
        self.stream.close()

    def abort(self) -> None:
        """Stop what runs in the background, whatever state the file is in."""
        self.stream.abort()
