"""The one decorator that every kernel wears.

Numba compiles a kernel once for each combination of argument types; `machine_code.cache` keeps the
machine code, so that later processes neither compile nor import Numba, whose own start costs more
than a small file. A kernel's author sees a function that takes arrays and scalars.
"""

import ctypes
import functools
import logging
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from upsample_cli.machine_code import arrays, cache, canary, forking, linking, processor
from upsample_cli.machine_code.signatures import Signature, c_types, signature_of

F = TypeVar("F", bound=Callable[..., Any])

before_compiling: list[Callable[[], None]] = []
"""Called when a kernel has to be compiled; what they raise keeps it from that."""

_lock = threading.RLock()
forking.let_forks_wait(_lock)
_log = logging.getLogger(__name__)


def kernel(function: F) -> F:
    """Compile a function over C-contiguous arrays and scalars when it is first called.

    The function is annotated to return ``int`` or None. It writes into the arrays that it is
    given, and neither allocates nor raises, else it does not compile: the machine code runs
    without Numba's runtime, and without the GIL, because slabs run on a thread pool.
    ``error_model="numpy"`` because a check for a zero divisor would keep loops from being
    vectorised; no ``fastmath``, because the order of every operation is part of the result.
    """
    return Kernel(function)  # type: ignore[return-value]


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
            flat += arrays.arguments(argument)
        elif isinstance(argument, tuple):
            kinds.append(len(argument))
            for part in argument:
                self._flatten(part, kinds, flat)
        else:
            kinds.append(type(argument))
            flat.append(argument)

    def flat(self, arguments: tuple[Any, ...]) -> list[Any]:
        """Return what the machine code is called with for arguments."""
        flat: list[Any] = []
        self._flatten(arguments, [], flat)
        return flat

    def prepare(self, signature: Signature) -> Callable[..., Any]:
        """Return the machine code for a signature, from the cache if it is there."""
        with _lock:
            address = self._stored(signature) or self._compiled(signature)
        return self.callable_at(address, signature)

    def callable_at(self, address: int, signature: Signature) -> Callable[..., Any]:
        """Return machine code as a function of what the arguments of a signature become."""
        result = ctypes.c_int64 if self.returns_int else None
        return ctypes.CFUNCTYPE(result, *c_types(signature))(address)

    def _stored(self, signature: Signature) -> int | None:
        code = cache.load(self.name, signature)
        try:
            return None if code is None else linking.link(code)
        except RuntimeError:
            return None

    def _compiled(self, signature: Signature) -> int:
        for check in before_compiling:
            check()
        _say_once()
        _hear_canary(cache.folder())
        code = self.made(signature)
        address = linking.link(code)
        cache.save(self.name, signature, code)
        return address

    def made(self, signature: Signature) -> bytes:
        """Compile for a signature, whatever the cache holds.

        Raises
        ------
        TypeError
            If the function would allocate or raise, or is nothing that Numba compiles.
        """
        # Numba takes longer to import than most files to resample. What it has to say then is
        # about settings that do not matter here.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            from upsample_cli.machine_code.numba_code import machine_code

        try:
            return machine_code(self.function, signature, returns_int=self.returns_int)
        except linking.NotAKernelError as error:
            problem = f"{self.name} is no kernel, which neither allocates nor raises: {error}"
            raise TypeError(problem) from error


_CANARY = Kernel(canary.answer)


@functools.cache
def _hear_canary(folder: Path | None) -> None:  # noqa: ARG001 - once for each
    """Compile and run the canary before the first kernel that is compiled for a folder.

    It is kept there only after it gave the right answer, and nothing else is kept before: who
    loads a kernel from a folder need not ask for it.
    """
    signature = signature_of(canary.arguments())
    if cache.load(_CANARY.name, signature) is not None:
        return
    processor.refuse_unknown()
    code = _CANARY.made(signature)
    native = _CANARY.callable_at(linking.link(code), signature)
    if not canary.is_right(lambda *arguments: native(*_CANARY.flat(arguments))):
        raise arrays.disagreement()
    cache.save(_CANARY.name, signature, code)


@functools.cache
def _say_once() -> None:
    if not cache.obstacle():
        _log.info("compiling kernels for this machine, once; it takes a few seconds")
    else:
        _log.info(
            "compiling kernels, which takes a few seconds and cannot be kept in %s; set %s",
            cache.folder() or "a home folder",
            cache.FOLDER_VARIABLE,
        )
