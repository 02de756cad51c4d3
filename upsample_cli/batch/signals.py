"""Signals that ask to stop, while something is under way that must not end in the middle."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

TO_STOP = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Let a signal to stop take effect at the end of this context.

    A process that is started here never sees the interrupt that a terminal sends to all.
    """
    arrived: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    before = {}
    # Python calls handlers in the main thread alone; elsewhere nothing can be interrupted.
    if threading.current_thread() is threading.main_thread():
        for asked in TO_STOP:
            if callable(handler := signal.getsignal(asked)):
                before[asked] = handler
                signal.signal(asked, note)
    try:
        with _blocked(signal.SIGINT):
            yield
    finally:
        for asked, handler in before.items():
            signal.signal(asked, handler)
    for number in dict.fromkeys(arrived):
        signal.raise_signal(number)


@contextlib.contextmanager
def _blocked(number: signal.Signals) -> Iterator[None]:
    """Block a signal for this thread, and for good in a process that it starts."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
