"""The way of one file through any operation: check, prepare, settle, open, run, summary."""

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from upsample_cli.files import open_source, output_suffix
from upsample_cli.files.sinks import Compression, Layout, Sink
from upsample_cli.operations.output import (
    Contents,
    Destination,
    Progress,
    Summary,
    check_image,
    check_kind,
    check_output,
    file_names,
    open_outputs,
    space_on_disk,
)
from upsample_cli.operations.requests import FileRequest
from upsample_cli.resources.budget import keep_compiler_within, loading_bytes, pieces_within
from upsample_cli.resources.machine import check_disk, check_memory
from upsample_cli.resources.pieces import Pieces
from upsample_cli.sampling.axis import AxisMap

if TYPE_CHECKING:
    from upsample_cli.files import Source, VolumeHeader, VolumeSource
    from upsample_cli.files.array import ArraySource
    from upsample_cli.files.images.reading import ImageSource

Array = NDArray[Any]
Done = Callable[[int], object]
R = TypeVar("R")


@dataclass(kw_only=True)
class Work(ABC):
    """What is to be done to one file: everything that can be known before the first voxel is read.

    Attributes
    ----------
    request, source
        What is asked, and the open input.
    axes
        How the output's voxels lie among the input's, slowest axis first.
    dtype_out, channels
        The native dtype of the output's elements, and how many of them make up one.
    header
        The output's header, for a volume.
    image_mode
        The output's Pillow mode, for an image.
    input_name
        The input as it was given.
    pieces
        How much is worked on at once.
    output
        Where it goes; until that is settled, standard output in the source's format.
    warnings, hints
        What the user should know.
    """

    request: FileRequest
    source: "Source"
    axes: list[AxisMap]
    dtype_out: np.dtype[Any]
    channels: int
    header: "VolumeHeader | None" = None
    image_mode: str = ""
    input_name: str = field(default="", init=False)
    pieces: Pieces = field(init=False)
    output: Destination = field(init=False)
    warnings: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    is_exact: ClassVar[bool] = False
    """Whether values can become neither another dtype nor nearly the same."""

    def __post_init__(self) -> None:
        self.pieces = Pieces(self.request.threads)
        self.output = Destination("-", self.source.default_suffix)

    # What an operation answers.

    @property
    @abstractmethod
    def how(self) -> str:
        """What is done, in the words of the summary."""

    @property
    @abstractmethod
    def before(self) -> Contents:
        """What the input holds."""

    @property
    @abstractmethod
    def after(self) -> Contents:
        """What the output will hold."""

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """The output's shape, slowest axis first, its dtype and header."""

    @property
    @abstractmethod
    def output_bytes(self) -> int:
        """The size of the output's elements."""

    @abstractmethod
    def working_bytes(self, pieces: Pieces) -> int:
        """Return an estimate of the memory that it needs with these pieces, beside the program."""

    @abstractmethod
    def results(self) -> Iterator[Array]:
        """Yield the output's elements in the order of the file; of an image all at once."""

    @abstractmethod
    def described(self) -> Iterator[str]:
        """Yield what is done, line by line, for ``explain``."""

    @abstractmethod
    def sampled(self) -> Iterator[str]:
        """Yield where the output's samples lie, line by line, for ``explain``."""

    # What it may answer otherwise.

    less_memory: str = field(default="ask for a smaller output", init=False)
    """What would need less memory."""

    @property
    def shape_out(self) -> tuple[int, ...]:
        """The output's spatial shape, slowest axis first."""
        return tuple(axis.size_out for axis in self.axes)

    @property
    def bytes_beside(self) -> int:
        """The size of what is written beside the output, before compression."""
        return 0

    @property
    def loads_kernels(self) -> bool:
        """Whether any kernel is loaded."""
        return True

    def check_output(self) -> None:  # noqa: B027
        """Refuse an output, now known, that does not go with what is done."""

    def read_ahead(self) -> None:  # noqa: B027
        """Read what has to be whole before an output is opened."""

    def conclude(self) -> None:  # noqa: B027
        """Note what is known only after the last element was written."""

    def write_beside(self, files: list[BinaryIO]) -> None:  # noqa: B027
        """Write the files that `FileRequest.beside` names."""

    # What is the same for all.

    def close(self) -> None:
        """Close what is open."""
        self.source.close()

    def settle(self, output_name: str) -> None:
        """Settle where the output goes and how much is worked on at once.

        Raises
        ------
        RequestError
            If its format cannot hold the output, or the memory allowed not even small pieces.
        """
        request, source = self.request, self.source
        suffix = output_suffix(output_name, request.format, source.default_suffix)
        self.output = Destination(output_name, suffix)
        check_kind(source, self.output)
        if source.kind == "image":
            check_image(source, self.output, self.image_mode, self.shape_out, exact=self.is_exact)
        limit = request.max_memory
        self.pieces = pieces_within(
            limit, self.working_bytes, self.pieces, output_name, loads_kernels=self.loads_kernels
        )
        keep_compiler_within(limit, self.working_bytes, self.pieces)
        self.check_output()

    def check_room(self) -> None:
        """Refuse what needs more memory or disk than is free."""
        check_memory(self.output.name, self.working_bytes(self.pieces), self.less_memory)
        check_disk(self.output.name, space_on_disk(self.output, self.output_bytes))

    def compression(self, pieces: Pieces) -> Compression:
        """Return how the output is compressed."""
        return Compression(self.output.is_gzip, self.request.compress_level, pieces.threads)

    def decoding_bytes(self, *, blurs: bool) -> int:
        """Return what decoding an image takes, its pixels included, but for what it comes before.

        That are the kernels: an image is decoded before the first is loaded.
        """
        source = cast("ImageSource", self.source)
        return max(0, source.decoding_bytes(blurs=blurs) - loading_bytes())

    def encoding_bytes(self, pieces: Pieces) -> int:
        """Return what writing an image takes beside its pixels."""
        output, source = self.output, cast("ImageSource", self.source)
        return output.image_format.encoding_bytes(
            self.image_mode,
            self.shape_out,
            source,
            pieces.threads,
            to_pipe=output.name == "-",
        )

    def write(self, files: list[BinaryIO], done: Done) -> None:
        """Make the output; warnings are added."""
        source = self.source
        if source.kind == "image":
            (pixels,) = self.results()
            done(pixels.nbytes)
            self.warnings += self._save(files[0], pixels)
        else:
            self._stream(source, files, done)
        self.conclude()

    def _save(self, file: BinaryIO, pixels: Array) -> list[str]:
        from upsample_cli.files.images.writing import save_image

        return save_image(
            file,
            self.output.image_format,
            self.image_mode,
            pixels,
            cast("ImageSource", self.source),
            self.request.image,
            name=self.output.name,
            threads=self.pieces.threads,
        )

    def _stream(
        self, source: "VolumeSource | ArraySource", files: list[BinaryIO], done: Done
    ) -> None:
        sink: Sink = source.sink(self.layout, files, self.compression(self.pieces))
        try:
            for elements in self.results():
                sink.write(elements)
                done(elements.nbytes)
            self.warnings += source.finish()
            sink.finish()
        except BaseException:
            sink.abort()
            raise

    def summary(self, seconds: float) -> Summary:
        """Return what was done."""
        names = self.input_name, self.output.name
        beside = self.request.beside(self.output.name)
        notes = self.warnings, self.hints
        return Summary(names, self.before, self.after, self.how, seconds, *notes, *beside)


def prepare(operation: str, request: FileRequest, input_name: str) -> Work:
    """Settle what an operation would do to a file; the caller closes the work.

    Parameters
    ----------
    operation
        The module whose ``prepare`` does it, such as ``upsample_cli.operations.pool``.
    request, input_name
        What is asked, and a path, or ``-`` for standard input.

    Raises
    ------
    FileError
        If the input cannot be read or is broken.
    RequestError
        If it cannot be done as requested.
    """
    request.check()
    work: Work = import_module(operation).prepare(request, input_name)
    work.input_name = input_name
    return work


def from_source(request: FileRequest, input_name: str, settle: "Callable[[Source], R]") -> R:
    """Open an input and return what ``settle`` makes of it, which keeps it open."""
    source = open_source(input_name, request.image)
    try:
        return settle(source)
    except BaseException:
        source.close()
        raise


def carry_out(
    operation: str, request: FileRequest, input_name: str, output_name: str, progress: Progress
) -> Summary:
    """Make one file of another.

    Parameters
    ----------
    operation, request
        As in `prepare`.
    input_name, output_name
        Paths, or ``-`` for standard input and output.
    progress
        Given the bytes that the output will have, returns a context in which it takes the number
        of bytes that were just done.

    Raises
    ------
    FileError, RequestError
        With nothing written, and nothing left behind.
    """
    started = time.perf_counter()
    beside = request.beside(output_name)
    for name in (output_name, *beside):
        check_output(input_name, name, force=request.force)
    with contextlib.closing(prepare(operation, request, input_name)) as work:
        work.settle(output_name)
        work.check_room()
        work.read_ahead()
        names = file_names(work.output)
        with open_outputs([*names, *beside], force=request.force) as files:
            with progress(work.output_bytes) as done:
                work.write(files[: len(names)], done)
            work.write_beside(files[len(names) :])
    return work.summary(time.perf_counter() - started)
