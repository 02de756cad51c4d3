"""The one decorator that every kernel wears, and the one operation that Numba lacks.

Numba compiles a kernel once for each combination of argument types; `kernels.store` keeps the
machine code, so that later processes neither compile nor import Numba, whose own start costs more
than a small file. A kernel's author sees a function that takes arrays and scalars.
"""

import ctypes
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np

from upsample_cli.kernels import forking, linking, store

F = TypeVar("F", bound=Callable[..., Any])
Signature = tuple["str | Signature", ...]
"""Types of arguments, such as ``("float32[3]", "int64", ("float32[1]", "bool"))``."""

before_compiling: list[Callable[[], None]] = []
"""Called when a kernel has to be compiled; what they raise keeps it from that."""

_lock = threading.RLock()
forking.let_forks_wait(_lock)
_PYTHON_TYPES = {bool: "bool", int: "int64", float: "float64"}
_log = logging.getLogger(__name__)


def kernel(function: F) -> F:
    """Compile a function over C-contiguous arrays and scalars when it is first called.

    The function is annotated to return ``int`` or None. It writes into the arrays that it is
    given, and neither allocates nor raises: the machine code runs without Numba's runtime, and
    without the GIL, because slabs run on a thread pool. ``error_model="numpy"`` because a check
    for a zero divisor would keep loops from being vectorised; no ``fastmath``, because the order
    of every operation is part of the result.
    """
    return Kernel(function)  # type: ignore[return-value]


@dataclass(frozen=True, eq=False)
class Inlined:
    """A function that kernels call, and that becomes a part of them."""

    function: Callable[..., Any]


def inlined(function: F) -> F:
    """Let kernels call a function."""
    return Inlined(function)  # type: ignore[return-value]


@dataclass(frozen=True, eq=False)
class Primitive:
    """An operation of kernels, made from the function that emits its LLVM code."""

    emit: Callable[..., Any]
    returns: str | None


def primitive(returns: str | None = None) -> Callable[[Callable[..., Any]], Any]:
    """Make an operation of kernels from a function that emits its LLVM code.

    The function takes the IR builder and the operands: LLVM values of scalars, and of arrays what
    has ``data``, ``shape`` and ``element``. ``returns`` is the name of a scalar type, or "void";
    without it, the type is the first operand's.
    """
    return lambda emit: Primitive(emit, returns)


@primitive()
def fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c`` rounded once, on every CPU; the three share a float type."""
    return builder.fma(a, b, c)


class Kernel:
    """A function, and its machine code for each signature that it has been called with."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        self.__doc__ = function.__doc__
        self.returns_int = function.__annotations__["return"] is int
        self._native: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Run the machine code on arrays, scalars of NumPy's or Python's types, and tuples."""
        kinds: list[Any] = []
        flat: list[Any] = []
        for argument in arguments:
            self._flatten(argument, kinds, flat)
        native = self._native.get(tuple(kinds))
        if native is None:
            native = self._native[tuple(kinds)] = self.prepare(signature_of(arguments))
        return native(*flat)

    def _flatten(self, argument: Any, kinds: list[Any], flat: list[Any]) -> None:
        if isinstance(argument, np.ndarray):
            if not argument.flags.c_contiguous:
                raise TypeError(f"{self.name} takes C-contiguous arrays alone")
            kinds += argument.dtype, argument.ndim
            # What Numba passes for an array: memory's owner and parent, size, itemsize, data.
            address = argument.__array_interface__["data"][0]
            flat += None, None, argument.size, argument.itemsize, address
            flat += argument.shape
            flat += argument.strides
        elif isinstance(argument, tuple):
            kinds.append(len(argument))
            for part in argument:
                self._flatten(part, kinds, flat)
        else:
            kinds.append(type(argument))
            flat.append(argument)

    def prepare(self, signature: Signature) -> Callable[..., Any]:
        """Return the machine code for a signature, from the store if it is there."""
        with _lock:
            address = self._stored(signature) or self._compiled(signature)
        types = _c_types(signature)
        return ctypes.CFUNCTYPE(ctypes.c_int64 if self.returns_int else None, *types)(address)

    def _stored(self, signature: Signature) -> int | None:
        code = store.load(self.name, signature)
        try:
            return None if code is None else linking.link(code)
        except RuntimeError:
            return None

    def _compiled(self, signature: Signature) -> int:
        for check in before_compiling:
            check()
        _say_once()
        # Numba takes longer to import than most files to resample.
        from upsample_cli.kernels.numba_code import machine_code

        code = machine_code(self.function, signature, returns_int=self.returns_int)
        store.save(self.name, signature, code)
        return linking.link(code)


@cache
def _say_once() -> None:
    if store.can_be_written():
        _log.info("compiling kernels for this machine, once; it takes a few seconds")
    else:
        _log.info(
            "compiling kernels, which takes a few seconds and cannot be kept in %s; set %s",
            store.folder() or "a home folder",
            store.FOLDER_VARIABLE,
        )


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


def _type_of(argument: Any) -> "str | Signature":
    if isinstance(argument, tuple):
        return signature_of(argument)
    if not isinstance(argument, np.ndarray):
        python_type = _PYTHON_TYPES.get(type(argument))
        return python_type or np.result_type(argument).name
    if not argument.dtype.isnative:
        raise TypeError(f"kernels take arrays of native byte order, not {argument.dtype}")
    return f"{argument.dtype.name}[{argument.ndim}]"


def _c_types(signature: Signature) -> list[Any]:
    types: list[Any] = []
    for name in signature:
        if isinstance(name, tuple):
            types += _c_types(name)
            continue
        element, bracket, dimensions = name.partition("[")
        if bracket:
            types += [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 2 + [ctypes.c_void_p]
            types += [ctypes.c_int64] * (2 * int(dimensions[:-1]))
        else:
            types.append(np.ctypeslib.as_ctypes_type(np.dtype(element)))
    return types
