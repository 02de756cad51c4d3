"""Onto another grid: the planes of an item arrive in their order, the output's leave in theirs."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from upsample_cli.passes.arithmetic import Arithmetic
from upsample_cli.passes.elements import as_real

Array = NDArray[Any]


class Planes(Protocol):
    """What gives the planes of an item in their order."""

    def read(self, count: int) -> Array:
        """Return the next planes, shape (count, height, width, channels), native dtype."""

    def read_into(self, planes: Array) -> None:
        """Fill an array with the next planes."""

    def skip(self, count: int) -> None:
        """Pass over the next planes."""


class MappedResampler(ABC):
    """The way from items on one grid to items on another.

    Attributes
    ----------
    shape_in, shape_out
        Voxels, slowest axis first.
    dtype_in, dtype_out
        Native dtypes of the elements.
    arithmetic
        In what numbers it is computed.
    holds_item
        Whether all planes of an item that are needed are in memory at once.
    """

    shape_in: tuple[int, ...]
    shape_out: tuple[int, ...]
    dtype_in: np.dtype[Any]
    dtype_out: np.dtype[Any]
    arithmetic: Arithmetic
    holds_item: bool

    @abstractmethod
    def stream(
        self, source: Planes, channels: int, threads: int, division: int = 1
    ) -> Iterator[tuple[Array, int]]:
        """Resample the next item of a source, and read it to its end.

        Yields
        ------
        Slabs (planes, *shape_out[1:], channels) in order, each with the number of values that did
        not fit the output dtype.
        """

    @abstractmethod
    def working_bytes(self, channels: int, threads: int, division: int = 1) -> int:
        """Return an estimate of the memory that one item needs."""


def fill_of(arithmetic: Arithmetic, element: np.dtype[Any], stored: float, channels: int) -> Array:
    """Return the lanes of a voxel, in the arithmetic's dtype, whose channels all have one value.

    A complex voxel gets it as its real part.
    """
    if arithmetic.method.mode.blurs:
        kind = np.result_type(arithmetic.dtype, 1j) if element.kind == "c" else arithmetic.dtype
        return as_real(np.full(channels, stored, kind))
    return arithmetic.load(np.full((1, channels), stored, element)).reshape(-1)
