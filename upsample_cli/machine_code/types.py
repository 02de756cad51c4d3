"""What kernels and primitives take. Numba reads none of it: signatures come from the arguments.

Python's own types stand for what Numba makes of them as well: ``int`` for whatever counts or
subscripts, ``float`` for float64.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""A C-contiguous array, or a view of one within a kernel."""

Scalar: TypeAlias = int | float | np.number[Any]
"""A value of an array's dtype, which is any that the kernel is for."""

Real: TypeAlias = np.floating[Any]
"""A value of float32 or float64."""

Label: TypeAlias = np.unsignedinteger[Any]
"""The bits of an integer label."""

SumPlan: TypeAlias = tuple[Array, Array, Array, Array]
"""(taps, weights, counts, rounded), as in ``sampling.axis.AxisPlan``."""

Work: TypeAlias = tuple[Array, Array, Array]
"""(columns, sums, starts), the scratch of ``columns``."""

# llvmlite says nothing of its types: to who reads these they are names, to mypy they are Any.
Builder: TypeAlias = ir.IRBuilder
Value: TypeAlias = ir.Value
Type: TypeAlias = ir.Type
Vector: TypeAlias = ir.VectorType


class ArrayValue(NamedTuple):
    """An array as primitives are given it: the pointer to its first element, and its sizes."""

    data: Value
    shape: Sequence[Value]
    element: Type
