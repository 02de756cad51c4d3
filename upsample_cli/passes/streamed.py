"""What resamples a file: its planes arrive in their order, and the output's leave in theirs."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from upsample_cli.passes.arithmetic import Arithmetic
from upsample_cli.resources.pieces import Pieces

Array = NDArray[Any]


class Planes(Protocol):
    """What gives the planes of an item in their order."""

    def read(self, count: int) -> Array:
        """Return the next planes, shape (count, height, width, channels), native dtype."""

    def read_into(self, planes: Array) -> None:
        """Fill an array with the next planes."""

    def skip(self, count: int) -> None:
        """Pass over the next planes."""


class Streamed(ABC):
    """The way from items of one shape and dtype to items of another, plane after plane.

    Attributes
    ----------
    shape_in, shape_out
        Voxels, slowest axis first.
    dtype_in, dtype_out
        Native dtypes of the elements.
    arithmetic
        In what numbers it is computed.
    items
        How many a source holds.
    holds_item
        Whether all planes of an item that are needed are in memory at once.
    needs_kernels
        Whether any kernel is loaded.
    """

    shape_in: tuple[int, ...]
    shape_out: tuple[int, ...]
    dtype_in: np.dtype[Any]
    dtype_out: np.dtype[Any]
    arithmetic: Arithmetic
    items: int
    holds_item: bool = False
    needs_kernels: bool = True

    @abstractmethod
    def stream(self, source: Planes, channels: int, pieces: Pieces) -> Iterator[tuple[Array, int]]:
        """Resample the items of a source, and read each to its end.

        Yields
        ------
        Slabs (planes, *shape_out[1:], channels) in order, each with the number of values that did
        not fit the output dtype.
        """

    @abstractmethod
    def working_bytes(self, channels: int, pieces: Pieces) -> int:
        """Return an estimate of the memory that the items need, one after the other."""

    def planes_at_once(self, channels: int, pieces: Pieces) -> tuple[int, int]:  # noqa: ARG002
        """Return about how many planes wait to be converted after reading, and before writing."""
        return (self.shape_in[0] if self.holds_item else 1), 1
