"""NIfTI volumes, read and written strictly forward: .nii, .nii.gz and .hdr/.img pairs."""

import math
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import FileError
from upsample_cli.files.nifti_header import NiftiHeader, read_header
from upsample_cli.files.nifti_resampled import place_voxels
from upsample_cli.files.pairs import pair_names
from upsample_cli.files.streams import ForwardReader, GzipWriter, bytes_of, open_input

Array = NDArray[Any]


class NiftiSource:
    """A volume that gives its slabs in the order of the file.

    Attributes
    ----------
    shape
        Spatial dimensions, slowest first (z, y, x).
    items, channels, dtype
        Number of volumes, interleaved channels of a voxel, and their native dtype.
    """

    kind: Literal["volume"] = "volume"

    def __init__(self, reader: ForwardReader, name: str) -> None:
        self.name = name
        self.reader = reader
        try:
            self.header = read_header(reader.read, reader.read_rest, name)
            self._open_voxels()
            self._check_size()
        except BaseException:
            self.close()
            raise
        self.shape = tuple(reversed(self.header.spatial))
        self.items = self.header.items
        self.dtype, self.channels = self.header.element

    @property
    def extra_dimensions(self) -> tuple[int, ...]:
        """The dimensions past the third, in the order of the header."""
        return self.header.shape[3:]

    @property
    def default_suffix(self) -> str:
        """The suffix of a file like this one, for an output without a name."""
        return ".nii.gz" if self.reader.is_gzip else ".nii"

    def _open_voxels(self) -> None:
        if not self.header.is_pair:
            return
        names = pair_names(self.name)
        if names is None:
            raise FileError(self.name, "is half of a .hdr/.img pair", "name the .hdr file")
        self.reader.close()
        self.reader = ForwardReader(open_input(names[1]), names[1])
        self.reader.skip(self.header.voxel_offset)

    def _check_size(self) -> None:
        possible = self.reader.largest_possible_size()
        needed = self.reader.position + self.header.data_bytes
        if possible is not None and needed > possible:
            raise FileError(
                self.reader.name,
                f"is truncated: its header promises {needed} bytes, it can hold at most {possible}",
                "use a complete file",
            )

    def read(self, count: int) -> Array:
        """Return the next ``count`` planes, shape (count, *shape[1:], channels), native dtype."""
        shape = (count, *self.shape[1:], self.channels)
        planes = self.reader.read_array(shape, self.header.disk_dtype)
        return planes if planes.dtype.isnative else planes.astype(self.dtype)

    def read_into(self, planes: Array) -> None:
        """Fill ``planes``, as ``read`` would return them, with the next ones."""
        self.reader.read_into(planes)
        if not self.header.disk_dtype.isnative:
            planes.byteswap(inplace=True)

    def skip(self, count: int) -> None:
        """Pass over the next ``count`` planes."""
        plane = self.header.disk_dtype.itemsize * self.channels * math.prod(self.shape[1:])
        self.reader.skip(count * plane)

    def finish(self) -> list[str]:
        """Check that the file ends well; return warnings."""
        left = self.reader.finish()
        return [f"{self.name}: {left} bytes after the voxels were not kept"] if left else []

    def facts(self) -> dict[str, Any]:
        """Return what the header says, for people; shapes are x first."""
        return self.header.facts()

    def close(self) -> None:
        """Close the file."""
        self.reader.close()


class NiftiSink:
    """Writes a header, then voxels as they come.

    Parameters
    ----------
    header
        The output's header.
    files
        One file, or two for a pair: header, then voxels.
    is_gzip, level, threads
        Whether and how to compress.
    """

    def __init__(
        self, header: NiftiHeader, files: list[BinaryIO], *, is_gzip: bool, level: int, threads: int
    ) -> None:
        place_voxels(header, is_pair=len(files) == 2)
        self.header = header
        self.streams: list[Any] = [
            GzipWriter(file, level, threads) if is_gzip else file for file in files
        ]
        self.streams[0].write(header.to_bytes())

    def write(self, planes: Array) -> None:
        """Write planes of the output's native dtype."""
        on_disk = np.ascontiguousarray(planes, self.header.disk_dtype)
        self.streams[-1].write(bytes_of(on_disk))

    def finish(self) -> None:
        """Write what is still buffered."""
        for stream in self.streams:
            if isinstance(stream, GzipWriter):
                stream.close()
            else:
                stream.flush()

    def abort(self) -> None:
        """Stop the threads that compress, whatever state the files are in."""
        for stream in self.streams:
            if isinstance(stream, GzipWriter):
                stream.abort()
