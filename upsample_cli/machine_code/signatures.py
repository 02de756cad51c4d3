"""The types of a call's arguments, by name: what a kernel is compiled for once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from upsample_cli.machine_code import arrays

Signature = tuple["str | Signature", ...]
"""Types of arguments, such as ``("float32[3]", "int64", ("float32[1]", "bool"))``."""

_PYTHON_TYPES = {bool: "bool", int: "int64", float: "float64"}


def signature_of(arguments: Sequence[Any]) -> Signature:
    """Return the types of a call's arguments.

    Raises
    ------
    TypeError
        For an array whose bytes are in the other order.

    Examples
    --------
    >>> signature_of([np.zeros((2, 3), np.float32), np.uint8(1), True, 4])
    ('float32[2]', 'uint8', 'bool', 'int64')
    """
    return tuple(map(_type_of, arguments))


def _type_of(argument: Any) -> str | Signature:
    if isinstance(argument, tuple):
        return signature_of(argument)
    if not isinstance(argument, np.ndarray):
        python_type = _PYTHON_TYPES.get(type(argument))
        return python_type or np.result_type(argument).name
    if not argument.dtype.isnative:
        raise TypeError(f"kernels take arrays of native byte order, not {argument.dtype}")
    return f"{argument.dtype.name}[{argument.ndim}]"


def split(name: str) -> tuple["np.dtype[Any]", int | None]:
    """Return the dtype that a name stands for, and the dimensions if it is an array.

    Examples
    --------
    >>> split("float32[3]"), split("bool")
    ((dtype('float32'), 3), (dtype('bool'), None))
    """
    element, bracket, dimensions = name.partition("[")
    return np.dtype(element), int(dimensions[:-1]) if bracket else None


def c_types(signature: Signature) -> list[Any]:
    """Return the C types of the arguments that a call's arguments become, one after the other."""
    types: list[Any] = []
    for name in signature:
        if isinstance(name, tuple):
            types += c_types(name)
            continue
        dtype, dimensions = split(name)
        if dimensions is None:
            types.append(np.ctypeslib.as_ctypes_type(dtype))
        else:
            types += arrays.c_types(dimensions)
    return types
