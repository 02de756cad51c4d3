"""Signals that ask to stop. Imports nothing heavy: it must be in place before anything is."""

import signal
from types import FrameType

WORDS_FOR = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Stopped(BaseException):
    """A signal arrived that asks to stop; Typer must not take it for its own.

    ``number`` is the signal's, ``exit_code`` what a shell reports for it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.exit_code = 128 + number

    def __str__(self) -> str:
        return f"{WORDS_FOR[signal.Signals(self.number)]}; no output was written"


def install() -> None:
    """Turn SIGINT and SIGTERM into an exception, once; what is being tidied up is left in peace."""
    for number in WORDS_FOR:
        # A parent that ignores a signal, as nohup does, wants its children to.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> None:
    for each in WORDS_FOR:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)
