"""The one decorator that every kernel wears, and the one operation that Numba lacks."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile a function over C-contiguous arrays and scalars.

    ``nogil`` because slabs run on a thread pool; ``error_model="numpy"`` because a check for a
    zero divisor would keep loops from being vectorised; no ``fastmath``, because the order of
    every operation is part of the result. ``cache`` keeps the machine code between processes;
    where no folder can be written, the kernel is compiled anew each time.
    """
    compile_anew: Any = numba.njit(nogil=True, error_model="numpy")
    compile_once: Any = numba.njit(nogil=True, error_model="numpy", cache=True)
    try:
        return compile_once(function)
    except RuntimeError:
        return compile_anew(function)


@intrinsic
def _fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:  # noqa: ARG001
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.fma(*arguments)

    return a(a, a, a), codegen


fma: Any = _fma
"""``fma(a, b, c)`` is ``a * b + c`` rounded once, on every CPU; the three share a float type."""
