"""What Numba makes of a kernel: an object file for one signature."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils, config
from numba.core.compiler_lock import global_compiler_lock
from numba.core.datamodel.registry import default_manager
from numba.core.errors import NumbaError
from numba.extending import intrinsic, register_jitable

from upsample_cli.machine_code import arrays, linking, processor
from upsample_cli.machine_code.primitives import Inlined, Primitive
from upsample_cli.machine_code.signatures import Signature, split
from upsample_cli.machine_code.types import ArrayValue

WITHOUT_RUNTIME: dict[str, Any] = {"_nrt": False}
"""Numba then counts no references to arrays, and refuses to compile what allocates one."""
OPTIONS: dict[str, Any] = {"error_model": "numpy"} | WITHOUT_RUNTIME


def machine_code(function: Callable[..., Any], signature: Signature, *, returns_int: bool) -> bytes:
    """Compile a function of module-level names for a signature, as ``linking.link`` takes it.

    Raises
    ------
    UpsampleError
        If Numba's structure of an array is not the one that was agreed.
    linking.NotAKernelError
        If the function would allocate memory or raise, or is nothing that Numba compiles.
    """
    returns = types.int64 if returns_int else types.void
    with _own_settings():
        _refuse_other_structure()
        c_signature = returns(*map(_numba_type, signature))
        try:
            compiled = numba.cfunc(c_signature, **OPTIONS)(_for_numba(function))
        except NumbaError as error:
            raise linking.NotAKernelError(str(error)) from error
        return linking.object_of(compiled.inspect_llvm(), compiled.native_name)


@contextmanager
def _own_settings() -> Iterator[None]:
    """Compile as if there were no variable of Numba's and no file of its settings.

    They are the user's, for other functions: here one would compile everything again, another
    change what a kernel may read. As Numba reads them again only when the variables change, what
    is set here stays until it is put back.
    """
    cpu, features = processor.name_and_features()
    own = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}
    with global_compiler_lock, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        config.reload_config()
        users = {name: value for name, value in vars(config).items() if name.isupper()}
        # Threads that Numba has started for the user keep it from another number.
        own["NUMBA_NUM_THREADS"] = str(users["NUMBA_NUM_THREADS"])
        config._env_reloader.process_environ(own)
        try:
            yield
        finally:
            vars(config).update(users)


@cache
def _refuse_other_structure() -> None:
    model = default_manager.lookup(types.Array(types.uint8, 2, "C"))
    if tuple(model._fields) != tuple(field.name for field in arrays.FIELDS):
        raise arrays.disagreement()


def _numba_type(name: str | Signature) -> Any:
    if isinstance(name, tuple):
        return types.Tuple([_numba_type(part) for part in name])
    dtype, dimensions = split(name)
    scalar = numba.from_dtype(dtype)
    return scalar if dimensions is None else types.Array(scalar, dimensions, "C")


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
            known[name] = register_jitable(forceinline=True, **WITHOUT_RUNTIME)(
                _for_numba(value.function)
            )
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
    return ArrayValue(data=array.data, shape=shape, element=element)
