"""What is known before a pooling, an unpooling or a transposed convolution; how it is written."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from upsample_cli.files import output_suffix
from upsample_cli.files.sinks import Compression, Layout
from upsample_cli.operations.memory import decoding_bytes, encoding_bytes, fit, gzip_bytes
from upsample_cli.operations.output import (
    Contents,
    Destination,
    Summary,
    check_image,
    check_kind,
)
from upsample_cli.operations.requests import FileRequest
from upsample_cli.operations.stack import Stack, blends
from upsample_cli.resources.pieces import Pieces
from upsample_cli.sampling.axis import AxisMap

if TYPE_CHECKING:
    from upsample_cli.files.volumes.volume import VolumeHeader

Array = NDArray[Any]
Done = Callable[[int], object]


@dataclass
class Plan:
    """Everything that is known before the first voxel is read.

    Attributes
    ----------
    stack
        The open input.
    axes
        How the output's voxels lie among the input's, slowest axis first.
    leading
        The output's axes before the spatial ones, in PyTorch's order.
    channels, dtype
        Channels of an item of the output, and its native dtype.
    name
        What is done, in words.
    formulas
        The size of each axis as PyTorch's documentation computes it, slowest first.
    header
        The output's header, for a volume.
    image_mode
        The output's Pillow mode, for an image.
    pieces
        How much is worked on at once.
    output
        Where it goes; until that is known, standard output in the source's format.
    warnings, hints
        What the user should know.
    """

    stack: Stack
    axes: list[AxisMap]
    leading: tuple[int, ...]
    channels: int
    dtype: np.dtype[Any]
    name: str
    formulas: list[str]
    header: "VolumeHeader | None" = None
    image_mode: str = ""
    pieces: Pieces = field(default_factory=Pieces)
    output: Destination = field(init=False)
    warnings: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.output = Destination("-", self.stack.source.default_suffix)

    def close(self) -> None:
        """Close the input."""
        self.stack.source.close()

    @property
    def sizes(self) -> tuple[int, ...]:
        """The output's spatial shape, slowest first."""
        return tuple(axis.size_out for axis in self.axes)

    @property
    def how(self) -> str:
        """What is done, in words."""
        return self.name

    @property
    def output_bytes(self) -> int:
        """The size of the output's elements."""
        return math.prod(self.leading) * math.prod(self.sizes) * self.dtype.itemsize

    @property
    def working_bytes(self) -> int:
        """An estimate of the memory that the work needs, beyond what the program itself takes."""
        source, threads, written = self.stack.source, self.pieces.threads, self.batch_out
        copied = written if self.channels > 1 and source.kind != "array" else 0
        if source.kind != "image":
            files = source.reading_bytes(self.batch_in) + gzip_bytes(
                self.output, self.pieces, self.output_bytes
            )
            return self.held(self.batch_in) + max(self.scratch_bytes, copied) + files
        read = self.batch_in * (2 if self.stack.channels > 1 else 1)
        encoding = encoding_bytes(self.output, self.image_mode, self.sizes, source, threads)
        stages = (
            decoding_bytes(source, blurs=blends(source)),
            self.held(read) + self.scratch_bytes,
            self.kept_bytes + written + copied + encoding,
        )
        return max(stages)

    def held(self, read: int) -> int:
        """Return the size of batches of input and output, for ``read`` bytes of one of input.

        Of several, the one before is held while the next is made.
        """
        together = 2 if self.batch_size < self.stack.items else 1
        return together * (read + self.batch_out) + self.kept_bytes

    @property
    def batch_size(self) -> int:
        """The number of items that are read together."""
        return self.stack.batch_size(self.pieces.division)

    @property
    def batch_in(self) -> int:
        """The size of what is read together."""
        return self.stack.item_bytes * self.batch_size

    @property
    def batch_out(self) -> int:
        """The size of what is made of that."""
        return self.output_bytes // self.stack.items * self.batch_size

    @property
    def scratch_bytes(self) -> int:
        """What a batch needs beside its input and its output, until it is done."""
        return 0

    @property
    def kept_bytes(self) -> int:
        """What is kept of all batches until the end."""
        return 0

    @property
    def before(self) -> Contents:
        """What the input holds."""
        stack = self.stack
        return contents(stack, stack.leading, stack.spatial, stack.dtype)

    @property
    def after(self) -> Contents:
        """What the output will hold."""
        return contents(self.stack, self.leading, self.sizes, self.dtype)

    def summary(self, names: tuple[str, str], seconds: float, beside: str = "") -> Summary:
        """Return what was done, from which input to which output."""
        notes = self.warnings, self.hints
        return Summary(names, self.before, self.after, self.name, seconds, *notes, beside)


def contents(
    stack: Stack, leading: Sequence[int], spatial: Sequence[int], dtype: np.dtype[Any]
) -> Contents:
    """Return what a file of a stack's kind holds, of (*leading, *spatial) in PyTorch's order."""
    has_channels = stack.source.kind == "image" or (
        stack.source.kind == "volume" and stack.channels > 1
    )
    extra = leading[:-1] if has_channels else leading
    return Contents((*extra, *spatial)[::-1], dtype.name)


def destination(
    plan: Plan, request: FileRequest, output_name: str, *, exact: bool = False
) -> Destination:
    """Return where the output goes, having checked that its format and the memory can hold it.

    ``exact`` values can become neither another dtype nor nearly the same.
    """
    source = plan.stack.source
    suffix = output_suffix(output_name, request.format, source.default_suffix)
    plan.output = output = Destination(output_name, suffix)
    check_kind(source, output)
    if source.kind == "image":
        check_image(source, output, plan.image_mode, plan.sizes, exact=exact)
    fit(plan, request.max_memory, output_name)
    return output


def write_results(
    plan: Plan,
    request: FileRequest,
    output: Destination,
    files: list[BinaryIO],
    results: Iterable[Array],
    done: Done,
) -> None:
    """Write batches of shape (n, channels, *sizes) as they come; warnings are added to the plan."""
    source = plan.stack.source
    if source.kind == "image":
        from upsample_cli.files.images.writing import save_image

        (result,) = results
        pixels = np.ascontiguousarray(np.moveaxis(result[0], 0, -1))
        plan.warnings += save_image(
            files[0],
            output.image_format,
            plan.image_mode,
            pixels,
            source,
            request.image,
            name=output.name,
            threads=plan.pieces.threads,
        )
        done(result.nbytes)
        return
    layout = Layout((*plan.leading, *plan.sizes), plan.dtype, plan.header)
    compression = Compression(output.is_gzip, request.compress_level, plan.pieces.threads)
    sink = source.sink(layout, files, compression)
    try:
        for result in results:
            sink.write(result if source.kind == "array" else np.moveaxis(result, 1, -1))
            done(result.nbytes)
        plan.warnings += source.finish()
        sink.finish()
    except BaseException:
        sink.abort()
        raise
