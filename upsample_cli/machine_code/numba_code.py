"""What Numba makes of a kernel: an object file for one signature."""

import inspect
from collections.abc import Callable
from functools import cache
from types import FunctionType, SimpleNamespace
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from upsample_cli.machine_code import linking
from upsample_cli.machine_code.compile import Inlined, Primitive, Signature


def machine_code(function: Callable[..., Any], signature: Signature, *, returns_int: bool) -> bytes:
    """Compile a function of module-level names for a signature, as ``linking.link`` takes it."""
    returns = types.int64 if returns_int else types.void
    c_signature = returns(*map(_numba_type, signature))
    compiled = numba.cfunc(c_signature, error_model="numpy")(_for_numba(function))
    return linking.object_of(compiled.inspect_llvm(), compiled.native_name)


def _numba_type(name: str | Signature) -> Any:
    if isinstance(name, tuple):
        return types.Tuple([_numba_type(part) for part in name])
    element, bracket, dimensions = name.partition("[")
    scalar = numba.from_dtype(np.dtype(element))
    return types.Array(scalar, int(dimensions[:-1]), "C") if bracket else scalar


@cache
def _for_numba(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose globals are what Numba knows in place of what `compile` made."""
    known = dict(function.__globals__)
    for name in function.__code__.co_names:
        value = known.get(name)
        if isinstance(value, Primitive):
            known[name] = _intrinsic(value)
        elif isinstance(value, Inlined):
            # Else a call could fail for all that LLVM knows, and Numba's runtime would be needed.
            known[name] = register_jitable(forceinline=True)(_for_numba(value.function))
    return FunctionType(function.__code__, known, function.__name__, function.__defaults__)


@cache
def _intrinsic(primitive: Primitive) -> Any:
    def typed(typing_context: Any, *operands: Any) -> Any:  # noqa: ARG001
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            values = [
                _as_array(context, builder, kind, value)
                for kind, value in zip(signature.args, arguments, strict=True)
            ]
            result = primitive.emit(builder, *values)
            return context.get_dummy_value() if result is None else result

        returns = getattr(types, primitive.returns) if primitive.returns else operands[0]
        return returns(*operands), codegen

    typed.__signature__ = inspect.signature(primitive.emit)  # type: ignore[attr-defined]
    return intrinsic(typed)


def _as_array(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if not isinstance(kind, types.Array):
        return value
    array = context.make_array(kind)(context, builder, value)
    shape = cgutils.unpack_tuple(builder, array.shape)
    element = context.get_value_type(kind.dtype)
    return SimpleNamespace(data=array.data, shape=shape, element=element)
