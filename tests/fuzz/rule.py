"""The rule that every command line meets, whatever its files hold.

Exit code 0, 1 or 2. A failure says exactly one line, which names a file or an option and is no
internal error; it leaves the folder as it was. A success says only lines of this program, and its
output is whole: it opens again and can be read to its end. Nothing else reaches standard error:
no traceback, no warning of Python, no word of a library in C.
"""

import functools
import io
import json
import os
import re
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import typer
from PIL import Image

from upsample_cli.cli import app
from upsample_cli.files import open_source
from upsample_cli.files.images.options import ImageOptions

ERROR = re.compile(r"upsample-cli: error: ([^\n]+)\n")
NOTE = re.compile(r"upsample-cli: (warning|hint): .+|.+ → .+ s")
MUTED_BY_PYTHON = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""What a plain interpreter does not print."""

PLANES_AT_ONCE = 64


class BrokenRuleError(AssertionError):
    """A command line did not meet the rule."""


@dataclass(frozen=True)
class Outcome:
    """What a command line has ended with."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def facts(self) -> dict[str, object]:
        """The answer of ``--json``."""
        parsed: dict[str, object] = json.loads(self.out, parse_constant=_no_constant)
        return parsed


def _no_constant(word: str) -> float:
    raise BrokenRuleError(f"{word} is no JSON")


@contextmanager
def captured() -> Iterator[Callable[[], tuple[str, str]]]:
    """Catch both streams where a process has them, so that C libraries are caught too."""
    python = sys.stdout, sys.stderr
    for stream in python:
        stream.flush()
    kept = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        for file, number in ((out, 1), (err, 2)):
            os.dup2(file.fileno(), number)
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(io.FileIO(number, "wb", closefd=False), "utf-8", line_buffering=True)
            for number in (1, 2)
        )

        def texts() -> tuple[str, str]:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            for file in (out, err):
                file.seek(0)
            return out.read().decode(errors="replace"), err.read().decode(errors="replace")

        try:
            yield texts
        finally:
            sys.stdout, sys.stderr = python
            for copy, number in zip(kept, (1, 2), strict=True):
                os.dup2(copy, number)
                os.close(copy)


def run(arguments: Sequence[object]) -> Outcome:
    """Run a command line in this process.

    Raises
    ------
    BrokenRuleError
        If it ends with anything but an exit code.
    """
    words = tuple(str(argument) for argument in arguments)
    with captured() as texts, warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("always")
        for category in MUTED_BY_PYTHON:
            warnings.simplefilter("ignore", category)
        # The command keeps warnings to itself; those of arithmetic mean that a case was not seen.
        warnings.simplefilter("error", RuntimeWarning)
        try:
            with mock.patch.object(app, "application", return_value=_built()):
                code = app.run(list(words))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise BrokenRuleError(f"{_line(words)} raised:\n{traceback.format_exc()}") from error
        out, err = texts()
    return Outcome(words, code, out, err)


@functools.cache
def _built() -> Callable[..., object]:
    """Return Typer's application as it is built for each run: nine tenths of a case's time."""
    return typer.main.get_command(app.application())


def check(arguments: Sequence[object], outputs: Sequence[str] = ()) -> Outcome:
    """Run a command line in the current folder, hold it to the rule, and remove its outputs."""
    before = set(os.listdir())
    done = run(arguments)
    try:
        _check_words(done)
        new = set(os.listdir()) - before
        if new != (set(outputs) if done.code == 0 else set()):
            raise BrokenRuleError(f"{_said(done)}\nit left {sorted(new)}")
        for name in outputs if done.code == 0 else ():
            check_whole(name, done)
    finally:
        for name in set(os.listdir()) - before:
            Path(name).unlink()
    return done


def _check_words(done: Outcome) -> None:
    if done.code not in (0, 1, 2):
        raise BrokenRuleError(_said(done))
    if done.code == 0:
        if not all(NOTE.fullmatch(line) for line in done.err.splitlines()):
            raise BrokenRuleError(_said(done))
        return
    if done.arguments[0] == "verify" and done.code == 1 and done.out and not done.err:
        return
    line = ERROR.fullmatch(done.err)
    if done.out or not line or line[1].startswith(("internal:", "memory:")):
        raise BrokenRuleError(_said(done))
    files = [word for word in done.arguments[1:] if "." in word]
    if not line[1].startswith("--") and not any(Path(name).stem in line[1] for name in files):
        raise BrokenRuleError(f"{_said(done)}\nwhich names no file")


def check_whole(name: str, done: Outcome) -> None:
    """Hold an output to be readable to its end, by this program and where it can be by another."""
    if name.endswith((".img", ".img.gz", ".json")):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name.endswith(".npz"):
                with np.load(name) as members:
                    assert all(members[member] is not None for member in members)
                return
            with closing(open_source(name, ImageOptions())) as source:
                if source.kind == "image":
                    source.pixels(blurs=False)
                    with Image.open(name) as image:
                        image.load()
                    return
                total = source.shape[0] * source.items
                for begin in range(0, total, PLANES_AT_ONCE):
                    source.read(min(PLANES_AT_ONCE, total - begin))
                assert source.finish() == []
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise BrokenRuleError(f"{_said(done)}\n{name} is not whole: {problem}") from error


def _said(done: Outcome) -> str:
    return f"{_line(done.arguments)} ended with {done.code} and said:\n{done.out[:200]}{done.err}"


def _line(words: Sequence[str]) -> str:
    return " ".join(words)
