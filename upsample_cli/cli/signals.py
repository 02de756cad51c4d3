"""Signals that ask to stop. Imports nothing heavy: it must be in place before anything is."""

import math
import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

WORDS_FOR = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}

NOTHING_WRITTEN = "no output was written"

SECONDS_TO_TIDY = 3.0
"""For which a second signal does nothing: it would interrupt the removal of what is half-written.

Later it may be that the first was lost."""

_stopped_at = -math.inf


class Stopped(BaseException):
    """A signal arrived that asks to stop; Typer must not take it for its own.

    ``exit_code`` is what a shell reports for the signal.
    """

    def __init__(self, number: int, outlook: str = NOTHING_WRITTEN) -> None:
        super().__init__(_message(number, outlook))
        self.number = number
        self.exit_code = 128 + number


def exit_at_once() -> None:
    """Let a signal end the process there and then, while there is nothing to tidy up.

    An exception would be lost in the callbacks that run while modules are imported.
    """
    _install(_exit)


def raise_stopped() -> None:
    """Let a signal raise ``Stopped``, so that what was begun is tidied up."""
    _install(_raise)


def _install(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in WORDS_FOR:
        # A parent that ignores a signal, as nohup does, wants its children to.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    os.write(2, f"upsample-cli: error: {_message(number)}\n".encode())
    os._exit(128 + number)


def _raise(number: int, _frame: FrameType | None) -> None:
    global _stopped_at
    if time.monotonic() > _stopped_at + SECONDS_TO_TIDY:
        _stopped_at = time.monotonic()
        raise Stopped(number)


def _message(number: int, outlook: str = NOTHING_WRITTEN) -> str:
    return f"{WORDS_FOR[signal.Signals(number)]}; {outlook}"
