"""What kernels call: functions that become a part of them, and operations made of LLVM code."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from upsample_cli.machine_code.types import Builder, Value

F = TypeVar("F", bound=Callable[..., Any])


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

    The function takes the IR builder and the operands: a ``Value`` for a scalar, an ``ArrayValue``
    for an array. ``returns`` is the name of a scalar type, or "void"; without it, the type is the
    first operand's.
    """
    return lambda emit: Primitive(emit, returns)


@primitive()
def fma(builder: Builder, a: Value, b: Value, c: Value) -> Value:
    """Return ``a * b + c`` rounded once, on every CPU; the three share a float type."""
    return builder.fma(a, b, c)
