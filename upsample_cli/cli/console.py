"""The only place that prints or draws a progress bar. Messages go to standard error."""

import contextlib
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from upsample_cli.errors import FileError, RequestError
from upsample_cli.text import printable

if TYPE_CHECKING:
    from upsample_cli.operations.output import Summary
    from upsample_cli.operations.requests import FileRequest

PROGRAM = "upsample-cli"
SECONDS_BEFORE_A_BAR = 1.0

show_tracebacks = False
"""Set by ``--debug``."""


def set_up(*, quiet: bool, debug: bool) -> None:
    """Show tracebacks if asked, and unless quiet, what the library has to say while it works."""
    global show_tracebacks
    show_tracebacks = debug
    _quieten_libraries()
    log = logging.getLogger("upsample_cli")
    if not log.handlers:
        log.addHandler(_LogLines())
    log.setLevel(logging.WARNING if quiet else logging.INFO)


def _quieten_libraries() -> None:
    """Keep for ``--debug`` what libraries warn of; it is about their own work on a broken file."""

    def showwarning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if show_tracebacks:
            _line(f"debug: {category.__name__}: {message}")

    warnings.showwarning = showwarning
    if not show_tracebacks:
        # What is logged without anybody listening would be printed.
        logging.lastResort = logging.NullHandler()


class _LogLines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _line(record.getMessage())


def error(message: object) -> None:
    """Print the one line that ends a command, after the traceback that ``--debug`` asks for."""
    if show_tracebacks and sys.stderr is not None:
        traceback.print_exc()
    _line(f"error: {message}")


def problem(message: object, trace: str) -> None:
    """Print what went wrong elsewhere, after its traceback if ``--debug`` asks for it."""
    if show_tracebacks and trace and sys.stderr is not None:
        print(trace, file=sys.stderr)
    _line(f"error: {message}")


def notes(warnings: list[str], hints: list[str], *, quiet: bool) -> None:
    """Print what the user should know; hints are for people, so ``--quiet`` drops them."""
    for warning in warnings:
        _line(f"warning: {warning}")
    if not quiet:
        for hint in hints:
            _line(f"hint: {hint}")


def summary(line: str, *, quiet: bool) -> None:
    """Print what was done."""
    if not quiet:
        _print(line)


def finished(done: "Summary", *, quiet: bool) -> None:
    """Print what a command did, after what the user should know."""
    notes(done.warnings, done.hints, quiet=quiet)
    summary(done.line, quiet=quiet)


def explanation(operation: str, request: "FileRequest", source: str, *, quiet: bool) -> None:
    """Print what an operation would do to a file, and whether memory allows it."""
    from upsample_cli.operations.explain import explained
    from upsample_cli.operations.work import prepare

    with contextlib.closing(prepare(operation, request, source)) as work:
        answer(explained(work))
        notes(work.warnings, work.hints, quiet=quiet)


def answer(text: str) -> None:
    """Print to standard output what was asked for."""
    from upsample_cli.files.streams import discard_standard_output

    if sys.stdout is None:
        raise RequestError("-", "there is no standard output", "open it")
    # A name may hold what the terminal's encoding does not.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        print(text, flush=True)
    except OSError as error:
        discard_standard_output()
        raise FileError("-", f"cannot be written ({error.strerror})") from error


def progress(quiet: bool, unit: str = "B") -> Callable[[int], Any]:
    """Return what makes a progress bar from a number of units; only a terminal shows it."""

    @contextlib.contextmanager
    def bar(total: int) -> Iterator[Callable[[int], object]]:
        if quiet or sys.stderr is None or not sys.stderr.isatty():
            yield lambda _: None
            return
        from tqdm import tqdm

        with tqdm(
            total=total, unit=unit, unit_scale=True, delay=SECONDS_BEFORE_A_BAR, leave=False
        ) as drawn:
            yield drawn.update

    return bar


def file_bar(total: int, files: int, quiet: bool) -> Any:
    """Return a bar over the bytes of many files, or None where nobody would see it."""
    if quiet or not files or sys.stderr is None or not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # a thread more, for a bar that is drawn whenever a file ends
    # Over all files so far, not the last: sizes differ, and so would the time that is left.
    return tqdm(total=total, unit="B", unit_scale=True, smoothing=0, leave=False)


@contextlib.contextmanager
def beside(bar: Any) -> Iterator[None]:
    """Let lines be printed while a bar, or None, is drawn."""
    if bar is None:
        yield
        return
    with bar.external_write_mode(file=sys.stderr):
        yield


def end_messages() -> None:
    """Give up what could not be written; else the interpreter would end with a code for it."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        sys.stderr = None


def _line(message: str) -> None:
    _print(f"{PROGRAM}: {message}")


def _print(line: str) -> None:
    # Without standard error, print() would take standard output, where data may go.
    if sys.stderr is not None:
        # Work goes on where its messages cannot: behind a full disk, or to a reader who left.
        with contextlib.suppress(OSError):
            print(printable(line), file=sys.stderr)
