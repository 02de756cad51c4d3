"""What pooling, unpooling and transposed convolution share: work on a stack, batch by batch."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from upsample_cli.files.sinks import Layout
from upsample_cli.operations.explain import axis_rows, size_rows
from upsample_cli.operations.output import Contents
from upsample_cli.operations.stack import Stack, blends
from upsample_cli.operations.work import Work
from upsample_cli.resources.pieces import Pieces

Array = NDArray[Any]


@dataclass(kw_only=True)
class Stacked(Work):
    """Work that is ready to run on the items of a stack.

    Attributes
    ----------
    stack
        The open input.
    leading
        The output's axes before the spatial ones, in PyTorch's order.
    name
        What is done, in words.
    formulas
        The size of each axis as PyTorch's documentation computes it, slowest first.
    """

    stack: Stack
    leading: tuple[int, ...]
    name: str
    formulas: list[str]

    @abstractmethod
    def batches(self) -> Iterator[Array]:
        """Yield the output as (n, channels, *spatial), in order."""

    def scratch_bytes(self, pieces: Pieces) -> int:  # noqa: ARG002
        """Return what a batch needs beside its input and its output, until it is done."""
        return 0

    def kept_bytes(self, pieces: Pieces) -> int:  # noqa: ARG002
        """Return what is kept of all batches until the end."""
        return 0

    @property
    def how(self) -> str:
        """What is done, in words."""
        return self.name

    @property
    def before(self) -> Contents:
        """What the input holds."""
        stack = self.stack
        return contents(stack, stack.leading, stack.spatial, stack.dtype)

    @property
    def after(self) -> Contents:
        """What the output will hold."""
        return contents(self.stack, self.leading, self.shape_out, self.dtype_out)

    @property
    def layout(self) -> Layout:
        """The output's shape, slowest axis first, its dtype and header."""
        return Layout((*self.leading, *self.shape_out), self.dtype_out, self.header)

    @property
    def output_bytes(self) -> int:
        """The size of the output's elements."""
        return math.prod(self.layout.shape) * self.dtype_out.itemsize

    def batch_size(self, pieces: Pieces) -> int:
        """Return the number of items that are read together."""
        return self.stack.batch_size(pieces.division)

    def batch_in(self, pieces: Pieces) -> int:
        """Return the size of what is read together."""
        return self.stack.item_bytes * self.batch_size(pieces)

    def batch_out(self, pieces: Pieces) -> int:
        """Return the size of what is made of that."""
        return self.output_bytes // self.stack.items * self.batch_size(pieces)

    def working_bytes(self, pieces: Pieces) -> int:
        """Return an estimate of the memory that it needs with these pieces, beside the program."""
        source = cast("Any", self.source)
        read, written = self.batch_in(pieces), self.batch_out(pieces)
        copied = written if self.channels > 1 and source.kind != "array" else 0
        scratch = self.scratch_bytes(pieces)
        if source.kind != "image":
            writing = self.compression(pieces).working_bytes(self.output_bytes)
            files = source.reading_bytes(read) + writing
            return int(self._held(read, pieces) + max(scratch, copied) + files)
        read *= 2 if self.stack.channels > 1 else 1
        stages = (
            self.decoding_bytes(blurs=blends(source)),
            self._held(read, pieces) + scratch,
            self.kept_bytes(pieces) + written + copied + self.encoding_bytes(pieces),
        )
        return int(max(stages))

    def _held(self, read: int, pieces: Pieces) -> int:
        """Return the size of batches of input and output, for ``read`` bytes of one of input.

        Of several, the one before is held while the next is made.
        """
        together = 2 if self.batch_size(pieces) < self.stack.items else 1
        return together * (read + self.batch_out(pieces)) + self.kept_bytes(pieces)

    def results(self) -> Iterator[Array]:
        """Yield the output's elements in the order of the file; of an image all at once."""
        for batch in self.batches():
            if self.source.kind == "array":
                yield batch
            elif self.source.kind == "volume":
                yield np.moveaxis(batch, 1, -1)
            else:
                yield np.ascontiguousarray(np.moveaxis(batch[0], 0, -1))

    def described(self) -> Iterator[str]:
        """Yield what is done."""
        yield f"does     {self.name}"

    def sampled(self) -> Iterator[str]:
        """Yield the formula of each size, and how each axis is sampled."""
        yield ""
        yield from size_rows(self.axes, self.formulas)
        yield ""
        yield from axis_rows(self.axes)


def contents(
    stack: Stack, leading: Sequence[int], spatial: Sequence[int], dtype: np.dtype[Any]
) -> Contents:
    """Return what a file of a stack's kind holds, of (*leading, *spatial) in PyTorch's order."""
    has_channels = stack.source.kind == "image" or (
        stack.source.kind == "volume" and stack.channels > 1
    )
    extra = leading[:-1] if has_channels else leading
    return Contents((*extra, *spatial)[::-1], dtype.name)
