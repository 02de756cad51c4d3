"""The agreement on how a kernel is passed an array: as Numba's structure of one, flattened.

A C callback of Numba's takes an array as the fields of Numba's own structure, an argument each,
and shape and strides as an argument for each axis. No document promises that. Therefore Numba is
bounded above in pyproject.toml, ``numba_code`` compares its structure with ``FIELDS`` before it
compiles anything, and ``canary`` runs before any other kernel.
"""

import ctypes
from typing import Any, NamedTuple

from numpy.typing import NDArray

from upsample_cli.errors import UpsampleError


class Field(NamedTuple):
    """One field of the structure: its name there, the C type, and whether each axis has one."""

    name: str
    c_type: Any
    of_each_axis: bool = False


FIELDS = (
    Field("meminfo", ctypes.c_void_p),  # who frees the memory: no one, as far as kernels know
    Field("parent", ctypes.c_void_p),  # the Python object: null, and never read
    Field("nitems", ctypes.c_int64),  # read for ``size``
    Field("itemsize", ctypes.c_int64),  # in bytes, read for ``itemsize``
    Field("data", ctypes.c_void_p),  # the address of the first element
    Field("shape", ctypes.c_int64, of_each_axis=True),
    Field("strides", ctypes.c_int64, of_each_axis=True),  # in bytes
)
"""The fields in Numba's order."""


def c_types(dimensions: int) -> list[Any]:
    """Return the C types of the arguments that an array becomes.

    Examples
    --------
    >>> len(c_types(dimensions=2))
    9
    """
    return [kind for _, kind, each in FIELDS for _ in range(dimensions if each else 1)]


def arguments(array: NDArray[Any]) -> tuple[Any, ...]:
    """Return the arguments that a C-contiguous array becomes, for ``FIELDS`` in their order.

    Examples
    --------
    >>> import numpy as np
    >>> (*owners, size, itemsize, address, rows, columns, step, inner) = arguments(
    ...     np.zeros((2, 3), np.float32)
    ... )
    >>> owners, size, itemsize, (rows, columns), (step, inner)
    ([None, None], 6, 4, (2, 3), (12, 4))
    """
    address = array.__array_interface__["data"][0]
    return None, None, array.size, array.itemsize, address, *array.shape, *array.strides


def disagreement() -> UpsampleError:
    """Return the error for a Numba that passes arrays otherwise."""
    from importlib.metadata import version  # slow, and seldom needed

    return UpsampleError(
        f"numba {version('numba')}",
        "passes arrays to compiled code otherwise than upsample-cli does",
        "install the numba that upsample-cli asks for",
    )
