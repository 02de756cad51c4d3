"""What pooling leaves beside its result, so that unpooling needs nothing else: an .npz file.

Its members are plain arrays, for ``numpy.load``: ``indices``, int64, flat within each plane in C
order, in the shape of the pooled file in PyTorch's layout; ``kernel_size``, ``stride``,
``padding`` and ``dilation``, one number per spatial axis, slowest first as PyTorch has them;
``ceil_mode``; ``shape``, that of the original in PyTorch's layout; ``kind``, volume, image or
array; ``header``, the bytes of a volume's header and its extensions; ``checksum``, SHA-256 of
the pooled values; ``format`` and ``version``.
"""

import contextlib
import hashlib
import io
import math
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import suffix_of, volume_header
from upsample_cli.files.streams import HEAD_BYTES, bytes_of, open_input
from upsample_cli.operations.stack import Stack
from upsample_cli.sampling.windows import Window

if TYPE_CHECKING:
    from upsample_cli.files import VolumeHeader

Array = NDArray[Any]

FORMAT, VERSION = "upsample-cli max-pool", 1
SUFFIX = ".indices.npz"
WINDOW_FIELDS = ("kernel_size", "stride", "padding", "dilation")
FASTEST = 1
"""Of zlib's levels; most bytes of an index are zero."""

READ_AT_ONCE = 2**20
LONGEST_TEXT = 4096
LARGEST_HEADER = 2**28
BROKEN = "is not a record that pool wrote, or is damaged"


@dataclass(frozen=True)
class Pooling:
    """What pooling did to a file.

    Attributes
    ----------
    kind
        volume, image or array.
    windows
        One per spatial axis, slowest first.
    ceil_mode
        Whether the number of windows was rounded up.
    shape
        The original shape in PyTorch's layout.
    header
        The bytes of the original header and its extensions; empty but for a volume.
    """

    kind: str
    windows: tuple[Window, ...]
    ceil_mode: bool
    shape: tuple[int, ...]
    header: bytes = b""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The original spatial shape, slowest first."""
        return self.shape[len(self.shape) - len(self.windows) :]


def indices_name(pooled: str, given: str | None) -> str:
    """Return the file of a pooled file's indices: the one given, or the one beside it.

    >>> indices_name("a/out.nii.gz", None)
    'a/out.indices.npz'
    """
    if given is None and pooled == "-":
        raise RequestError("--indices", "is missing", "name a file, as - has none beside it")
    if given == "-":
        raise RequestError("--indices", "cannot be a pipe", "name a file")
    if given is not None:
        return given
    return pooled[: len(pooled) - len(suffix_of(pooled))] + SUFFIX


class Checksum:
    """The SHA-256 of the values of a pooled file: dtype, scaling, then the stored values."""

    def __init__(self, stack: Stack) -> None:
        self.dtype = stack.dtype.newbyteorder("<")
        self.digest = hashlib.sha256(f"{self.dtype.str} {stack.scaling}".encode())

    def add(self, values: Array) -> None:
        """Take the next batch of stored values."""
        self.digest.update(bytes_of(np.ascontiguousarray(values, self.dtype)))

    def text(self) -> str:
        """Return what has been taken so far, in hexadecimal."""
        return self.digest.hexdigest()


def write_indices(file: BinaryIO, pooling: Pooling, indices: Array, checksum: str) -> None:
    """Write the file of indices; its bytes depend on the arguments alone."""
    windows = pooling.windows
    members: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "kind": pooling.kind,
        "kernel_size": [window.kernel for window in windows],
        "stride": [window.stride for window in windows],
        "padding": [window.padding for window in windows],
        "dilation": [window.dilation for window in windows],
        "ceil_mode": pooling.ceil_mode,
        "shape": pooling.shape,
        "header": np.frombuffer(pooling.header, np.uint8),
        "checksum": checksum,
        "indices": indices,
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=FASTEST) as archive:
        for name, value in members.items():
            # A member that is opened by its name has the date 1980-01-01.
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy_format.write_array(member, np.asarray(value), allow_pickle=False)


class IndicesFile:
    """An open file of indices. Everything in it may be hostile.

    Raises
    ------
    FileError
        If it is not what pool wrote, or says what cannot be.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            self.file = open_input(name)
        except FileError as error:
            remedy = "name the file that pool wrote with --indices"
            raise FileError(name, error.problem, remedy) from error
        try:
            with self._named_errors():
                self.archive = zipfile.ZipFile(self.file)
            self.pooling = self._read_pooling()
        except BaseException:
            self.close()
            raise

    def _read_pooling(self) -> Pooling:
        with self._named_errors():
            if self._text("format") != FORMAT:
                raise ValueError("it has another format")
            version = int(self._numbers("version")[0])
            if version != VERSION:
                remedy = "use the version that wrote it"
                raise FileError(self.name, f"is a record of version {version}", remedy)
            fields = [self._numbers(name) for name in WINDOW_FIELDS]
            windows = tuple(Window(*of_axis) for of_axis in zip(*fields, strict=True))
            shape = tuple(self._numbers("shape"))
            if not 1 <= len(windows) <= min(3, len(shape)) or min(shape) < 1:
                raise ValueError("its shape is not possible")
            ceil_mode = bool(self._member("ceil_mode", "b", 1).ravel()[0])
            header = self._member("header", "u", LARGEST_HEADER).tobytes()
            return Pooling(self._text("kind"), windows, ceil_mode, shape, header)

    def checksum(self) -> str:
        """Return the checksum of the pooled values."""
        with self._named_errors():
            return self._text("checksum")

    def indices(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Return the indices, of this shape."""
        with self._named_errors():
            found = self._member("indices", "i", math.prod(shape) * 8)
            if found.dtype != np.int64 or found.shape != shape:
                raise ValueError("its indices have another shape")
            return found

    def header(self) -> "VolumeHeader":
        """Return the header of the original volume."""
        stream = io.BytesIO(self.pooling.header)

        def read(count: int) -> bytes:
            found = stream.read(count)
            if len(found) < count:
                raise FileError(self.name, BROKEN, "pool again")
            return found

        return volume_header(self.pooling.header[:HEAD_BYTES], read, stream.read, self.name)

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def _text(self, name: str) -> str:
        found = self._member(name, "U", LONGEST_TEXT).ravel()
        # NumPy makes a text of any numbers, and Python fails where it meets such a text.
        if (found.view(np.uint32) > sys.maxunicode).any():
            raise ValueError(f"{name} is no text")
        return str(found[0])

    def _numbers(self, name: str) -> list[int]:
        return [int(number) for number in self._member(name, "i", LONGEST_TEXT).ravel()]

    def _member(self, name: str, kind: str, limit: int) -> Array:
        """Read an array of up to ``limit`` bytes; what it claims to be is checked first."""
        entry = self.archive.getinfo(f"{name}.npy")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name} is compressed in another way")
        with self.archive.open(entry) as member:
            if npy_format.read_magic(member) != (1, 0):
                raise ValueError(f"{name} has another version")
            shape, is_fortran, dtype = npy_format.read_array_header_1_0(member)
            size = math.prod(shape) * dtype.itemsize
            if dtype.kind != kind or is_fortran or not 0 <= size <= limit:
                raise ValueError(f"{name} is {dtype} of shape {shape}")
            array = np.empty(shape, dtype)
            # Read whole, it would be in memory twice.
            for begin in range(0, size, READ_AT_ONCE):
                piece = bytes_of(array)[begin : begin + READ_AT_ONCE]
                piece[:] = member.read(len(piece))
            if member.read(1):
                raise ValueError(f"{name} has another size")
        return array.astype(dtype.newbyteorder("="), copy=False)

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except UNREADABLE as error:
            raise FileError(self.name, BROKEN, "pool again") from error


UNREADABLE = (
    *(ValueError, IndexError, KeyError, TypeError, OverflowError, RuntimeError, OSError),
    *(EOFError, SyntaxError, TokenError, zipfile.BadZipFile, zlib.error),
)
"""What a broken zip archive, or a broken array in it, provokes."""
