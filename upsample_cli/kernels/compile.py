"""The one decorator that every kernel wears, and the one operation that Numba lacks.

Numba compiles a kernel once for each combination of argument types; `kernels.store` keeps the
machine code, so that later processes neither compile nor import Numba, whose own start costs more
than a small file. A kernel's author sees a function that takes arrays and scalars.
"""

import ctypes
import inspect
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import FunctionType, SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from upsample_cli.kernels import store

F = TypeVar("F", bound=Callable[..., Any])
Signature = tuple[str, ...]

_inlined: list[Callable[..., Any]] = []
_waits: list[Callable[[], object]] = []
_lock = threading.RLock()


def kernel(function: F) -> F:
    """Compile a function over C-contiguous arrays and scalars when it is first called.

    The function is annotated to return ``int`` or None. It writes into the arrays that it is
    given, and neither allocates nor raises: the machine code runs without Numba's runtime, and
    without the GIL, because slabs run on a thread pool. ``error_model="numpy"`` because a check
    for a zero divisor would keep loops from being vectorised; no ``fastmath``, because the order
    of every operation is part of the result.
    """
    return Kernel(function)  # type: ignore[return-value]


def inlined(function: F) -> F:
    """Let kernels call a function, which becomes a part of them."""
    _inlined.append(function)
    return function


def before_compiling(call: Callable[[], object]) -> None:
    """Have ``call`` made once, when a kernel must be compiled and so the caller has to wait."""
    _waits.append(call)


@dataclass(frozen=True, eq=False)
class Primitive:
    """An operation of kernels, made from the function that emits its LLVM code."""

    emit: Callable[..., Any]
    returns: str | None

    def __call__(self, *operands: Any) -> Any:
        """Stand in a kernel's source; only machine code has the operation."""
        raise NotImplementedError(f"{self.emit.__name__} works in kernels alone")


def primitive(returns: str | None = None) -> Callable[[Callable[..., Any]], Primitive]:
    """Make an operation of kernels from a function that emits its LLVM code.

    The function takes the IR builder and the operands: LLVM values of scalars, and of arrays what
    has ``data`` and ``shape``. ``returns`` is a scalar type's name; without, the first operand's.
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
        self._native: dict[Signature, Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Run the machine code on arrays and scalars of NumPy's or Python's types."""
        signature = tuple([_type_of(argument) for argument in arguments])
        native = self._native.get(signature) or self.prepare(signature)
        flat: list[Any] = []
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                flat += _fields_of(argument)
            else:
                flat.append(argument)
        return native(*flat)

    def prepare(self, signature: Signature) -> Callable[..., Any]:
        """Load the machine code for a signature such as ``("float32[3]", "int64")``."""
        with _lock:
            if signature not in self._native:
                code = store.load(self.name, signature)
                if code is None:
                    code = self._compile(signature)
                    store.save(self.name, signature, code)
                self._native[signature] = self._callable(store.link(code), signature)
            return self._native[signature]

    def _compile(self, signature: Signature) -> bytes:
        while _waits:
            _waits.pop()()
        returns_int = self.function.__annotations__["return"] is int
        return _machine_code(self.function, signature, returns_int=returns_int)

    def _callable(self, address: int, signature: Signature) -> Callable[..., Any]:
        types: list[Any] = []
        for name in signature:
            element, bracket, dimensions = name.partition("[")
            if bracket:
                types += [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 2 + [ctypes.c_void_p]
                types += [ctypes.c_int64] * (2 * int(dimensions[:-1]))
            else:
                types.append(np.ctypeslib.as_ctypes_type(np.dtype(element)))
        returns = ctypes.c_int64 if self.function.__annotations__["return"] is int else None
        return ctypes.CFUNCTYPE(returns, *types)(address)


def _type_of(argument: Any) -> str:
    if isinstance(argument, np.ndarray):
        if not argument.flags.c_contiguous:
            raise TypeError(f"kernels take C-contiguous arrays, not strides {argument.strides}")
        return f"{argument.dtype.name}[{argument.ndim}]"
    return (
        np.result_type(argument).name
        if isinstance(argument, np.generic)
        else _SCALARS[type(argument)]
    )


_SCALARS = {bool: "bool", int: "int64", float: "float64"}


def _fields_of(array: np.ndarray[Any, Any]) -> tuple[Any, ...]:
    """Return meminfo, parent, size, itemsize, data, shape and strides, as Numba passes an array."""
    address = array.__array_interface__["data"][0]
    return (None, None, array.size, array.itemsize, address, *array.shape, *array.strides)


def _machine_code(
    function: Callable[..., Any], signature: Signature, *, returns_int: bool
) -> bytes:
    """Compile with Numba, which is imported here and nowhere else."""
    import numba

    types = [_numba_type(name) for name in signature]
    returns = numba.types.int64 if returns_int else numba.types.void
    compiled = numba.cfunc(returns(*types), error_model="numpy")(_for_numba(function))
    return store.object_of(compiled.inspect_llvm(), compiled.native_name)


def _numba_type(name: str) -> Any:
    import numba

    element, bracket, dimensions = name.partition("[")
    scalar = numba.from_dtype(np.dtype(element))
    return numba.types.Array(scalar, int(dimensions[:-1]), "C") if bracket else scalar


@cache
def _for_numba(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose globals are what Numba knows in place of what this module made."""
    from numba.extending import register_jitable

    known = dict(function.__globals__)
    for name in function.__code__.co_names:
        value = known.get(name)
        if isinstance(value, Primitive):
            known[name] = _intrinsic(value)
        elif value in _inlined:
            known[name] = register_jitable(forceinline=True)(_for_numba(value))
    return FunctionType(function.__code__, known, function.__name__, function.__defaults__)


@cache
def _intrinsic(primitive: "Primitive") -> Any:
    from numba import types
    from numba.extending import intrinsic

    def typed(typing_context: Any, *operands: Any) -> Any:  # noqa: ARG001
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            values = [
                _as_array(context, builder, kind, value)
                for kind, value in zip(signature.args, arguments, strict=True)
            ]
            return primitive.emit(builder, *values)

        result = getattr(types, primitive.returns) if primitive.returns else operands[0]
        return result(*operands), codegen

    typed.__signature__ = inspect.signature(primitive.emit)  # type: ignore[attr-defined]
    return intrinsic(typed)


def _as_array(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    from numba import types
    from numba.core import cgutils

    if not isinstance(kind, types.Array):
        return value
    array = context.make_array(kind)(context, builder, value)
    shape = cgutils.unpack_tuple(builder, array.shape)  # type: ignore[no-untyped-call]
    return SimpleNamespace(data=array.data, shape=shape)
