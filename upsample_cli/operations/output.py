"""What every command asks of its output: a name, a format, room, and to be whole or absent."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import file_names as names_of_files
from upsample_cli.files import format_of, is_gzip, is_uncompressed, suffixes_like
from upsample_cli.files.atomic import AtomicFile, check_destination
from upsample_cli.files.images.formats import ImageFormat, format_with
from upsample_cli.files.streams import standard_output

if TYPE_CHECKING:
    from upsample_cli.files import Source
    from upsample_cli.files.images.reading import ImageSource

Progress = Callable[[int], AbstractContextManager[Callable[[int], object]]]
"""From a number of bytes to a context in which it takes the number that was just done.

The context is left before the output gets its name: an error that it raises leaves no output."""

COMPRESSED_AT_MOST = 1000
"""For lack of disk a compressed output is refused only if even this ratio would not fit it."""


@dataclass(frozen=True)
class Destination:
    """The output's name, or ``-``, and the suffix that decides its format."""

    name: str
    suffix: str

    @property
    def is_gzip(self) -> bool:
        """Whether its bytes are compressed with gzip."""
        return is_gzip(self.suffix)

    @property
    def image_format(self) -> ImageFormat:
        """An image's format."""
        return format_with(self.suffix)


@dataclass(frozen=True)
class Contents:
    """What a file holds: its shape, x first, without the channels of a pixel; and its dtype."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def shown_shape(self) -> str:
        """The shape as people write it."""
        return "×".join(map(str, self.shape))

    def __str__(self) -> str:
        return f"{self.shown_shape} {self.dtype}"


@dataclass(frozen=True)
class Summary:
    """What a finished command has done.

    Attributes
    ----------
    names
        The input and the output, as they were given.
    before, after
        What they hold.
    how
        The mode, in words.
    seconds
        What it took.
    warnings, hints
        What the user should know.
    beside
        The name of a file that was written beside the output.
    """

    names: tuple[str, str]
    before: Contents
    after: Contents
    how: str
    seconds: float
    warnings: list[str]
    hints: list[str]
    beside: str = ""

    @property
    def line(self) -> str:
        """The one line that says what became of an input."""
        source, output = (name if name == "-" else Path(name).name for name in self.names)
        after = f"{self.after} + {Path(self.beside).name}" if self.beside else str(self.after)
        return f"{source} {self.before} → {output} {after}, {self.how}, {self.seconds:.1f} s"


def check_output(input_name: str, output_name: str, *, force: bool) -> None:
    """Refuse an output that cannot be written, or that is the input, before anything is read."""
    if output_name == "-":
        if sys.stdout is not None and sys.stdout.isatty():
            raise RequestError("-", "standard output is a terminal", "redirect it into a file")
        return
    with contextlib.suppress(OSError, ValueError):
        if not force and os.path.samefile(input_name, output_name):
            raise RequestError(output_name, "is the input itself", "use --force to replace it")
    check_destination(output_name, force=force)


def check_kind(source: "Source", output: Destination) -> None:
    """Refuse an output of another kind than the input's, or a volume of another format."""
    kind = format_of(output.suffix).kind
    same = suffixes_like(source.default_suffix)
    if kind == source.kind and output.suffix in same:
        return
    problem = f"{output.suffix} is for {kind}s, but {source.name} is of kind {source.kind}"
    if kind == source.kind:
        problem = f"{output.suffix} is not the format of {source.name}, which is kept"
    subject = "--format" if output.name == "-" else output.name
    raise RequestError(subject, problem, f"use {', '.join(same)}")


def check_image(
    source: "ImageSource",
    output: Destination,
    mode: str,
    shape: tuple[int, ...],
    *,
    exact: bool = False,
) -> None:
    """Refuse an image, of a Pillow mode and (height, width), that its format cannot hold."""
    output.image_format.check_can_write(mode, output.name, source.transparency, exact=exact)
    output.image_format.check_size(shape, output.name)


def space_on_disk(output: Destination, size: int) -> int:
    """Return the bytes that a file of so many bytes of elements takes on its disk at least."""
    return size // (1 if is_uncompressed(output.suffix) else COMPRESSED_AT_MOST)


def file_names(output: Destination) -> list[str]:
    """Return the files that make up an output: two for a .hdr/.img pair."""
    return names_of_files(output.name, output.suffix)


@contextlib.contextmanager
def open_outputs(names: list[str], *, force: bool) -> Iterator[list[BinaryIO]]:
    """Open the files that make up one output; they appear together, or not at all.

    The first name may be ``-``; then only what is to lie beside it appears together.
    """
    if names[0] == "-":
        with contextlib.ExitStack() as stack:
            beside = stack.enter_context(open_outputs(names[1:], force=force)) if names[1:] else []
            stack.enter_context(_named_write_errors("-"))
            yield [stack.enter_context(standard_output()), *beside]
        return
    with contextlib.ExitStack() as stack:
        atomic = []
        for name in names:
            file = AtomicFile(name, force=force)
            stack.callback(file.discard)
            atomic.append(file)
        with _named_write_errors(names[0]):
            yield [file.file for file in atomic]
        for name in names:
            check_destination(name, force=force)
        # What the first file points to comes before it, and goes with it.
        for file in reversed(atomic):
            file.commit()
            if not force:
                stack.callback(file.destination.unlink, missing_ok=True)
        stack.pop_all()


@contextlib.contextmanager
def _named_write_errors(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileError(name, f"cannot be written ({error.strerror or error})") from error


def loss_warning(misfits: int, dtype: np.dtype[Any], *, can_be_nan: bool = True) -> str:
    """Say what became of the values that did not fit in the output's dtype."""
    became = "became infinite" if dtype.kind in "fc" else "were saturated"
    if dtype.kind not in "fc" and can_be_nan:
        became += ", and NaN became 0"
    return f"{misfits} values do not fit in {dtype.name}: they {became}"
