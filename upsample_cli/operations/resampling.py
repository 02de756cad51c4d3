"""What a resample is, whatever it is resampled onto."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import RequestError
from upsample_cli.files.images.modes import element_of_mode
from upsample_cli.files.sinks import Layout
from upsample_cli.operations.advice import (
    ELEMENT_NAMES,
    blurred_labels,
    option_hints,
    source_warnings,
)
from upsample_cli.operations.labels import Labels
from upsample_cli.operations.output import Contents, loss_warning
from upsample_cli.operations.requests import LABEL, ResampleRequest
from upsample_cli.operations.work import Work
from upsample_cli.passes.labels import HiddenLabels, VanishedLabels, Watch, WatchedPlanes
from upsample_cli.passes.streamed import Planes, Streamed
from upsample_cli.resources.pieces import Pieces
from upsample_cli.sampling.modes import Method

if TYPE_CHECKING:
    from upsample_cli.files import Source

Array = NDArray[Any]


@dataclass(kw_only=True)
class Resampling(Work):
    """A resample that is ready to run, along the input's axes or onto another grid.

    Attributes
    ----------
    mode
        The mode's name, as it was asked for.
    method, resampler
        How values are made, and the passes that do it.
    labels
        What the input says of labels.
    watch
        What is learnt of labels while they pass by.
    misfits
        How many values did not fit the output's dtype.
    """

    request: ResampleRequest
    mode: str
    method: Method
    resampler: Streamed
    labels: Labels
    watch: Watch = field(init=False)
    misfits: int = field(default=0, init=False)
    record: bytes = field(default=b"", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        blur = f"mode {self.method.mode.name}" if self.method.mode.blurs else ""
        remedy = f"use {self.labels.mode}"
        self.warnings += source_warnings(self.source, blur, remedy)
        self.hints += option_hints(self.request, self.source)
        self.watch = self._watch(blur, remedy)

    def _watch(self, blur: str, remedy: str) -> Watch:
        # By the mode that was asked for: where voxels are only copied, labels can vanish too.
        if self.mode == LABEL or (self.labels.are_said and not blur):
            return VanishedLabels(ELEMENT_NAMES[self.source.kind])
        if self.labels.may_hide and blur:
            why = "looks like labels, few values in patches"
            return HiddenLabels(blurred_labels(self.source.name, why, blur, remedy))
        return Watch()

    @property
    def shown_mode(self) -> str:
        """The mode, in the words of the summary."""
        return self.mode

    @property
    def how(self) -> str:
        """The mode, and who chose it if nobody asked for it."""
        was_asked_for = self.request.mode or self.request.labels
        why = " (by its intent)" if self.method.mode.votes and not was_asked_for else ""
        return self.shown_mode + why

    @property
    def shape_out(self) -> tuple[int, ...]:
        """The output's spatial shape, slowest axis first."""
        return self.resampler.shape_out

    @property
    def before(self) -> Contents:
        """What the input holds."""
        return self._contents(self.resampler.shape_in, self.resampler.dtype_in)

    @property
    def after(self) -> Contents:
        """What the output will hold."""
        return self._contents(self.resampler.shape_out, self.dtype_out)

    def _contents(self, spatial: tuple[int, ...], dtype: np.dtype[Any]) -> Contents:
        return Contents((*reversed(spatial), *self.source.extra_dimensions), dtype.name)

    @property
    def layout(self) -> Layout:
        """The output's shape, slowest axis first, its dtype and header."""
        leading = reversed(self.source.extra_dimensions)
        return Layout((*leading, *self.shape_out), self.dtype_out, self.header)

    @property
    def output_bytes(self) -> int:
        """The size of the output's elements."""
        return math.prod(self.layout.shape) * self.channels * self.dtype_out.itemsize

    def working_bytes(self, pieces: Pieces) -> int:
        """Return an estimate of the memory that it needs with these pieces, beside the program."""
        resampler, source = self.resampler, cast("Any", self.source)
        read, given = resampler.planes_at_once(self.channels, pieces)
        plane_in = math.prod(resampler.shape_in[1:]) * resampler.dtype_in.itemsize
        plane_out = math.prod(resampler.shape_out[1:]) * self.dtype_out.itemsize
        is_swapped = self.header is not None and not self.header.disk_dtype.isnative
        return int(
            resampler.working_bytes(self.channels, pieces)
            + is_swapped * given * plane_out * self.channels
            + source.reading_bytes(read * plane_in * self.channels)
            + self.compression(pieces).working_bytes(self.output_bytes)
        )

    @property
    def loads_kernels(self) -> bool:
        """Whether any kernel is loaded: not where voxels are only turned, and no label counted."""
        return self.resampler.needs_kernels or not self.watch.is_settled

    def results(self) -> Iterator[Array]:
        """Yield slabs (planes, …, channels) in the order of the file."""
        planes = WatchedPlanes(cast(Planes, self.source), self.watch)
        for slab, misfits in self.resampler.stream(planes, self.channels, self.pieces):
            self.look_at(slab, misfits)
            yield slab

    def look_at(self, elements: Array, misfits: int) -> None:
        """Take note of what was made, and of how many values did not fit.

        Raises
        ------
        RequestError
            If one of them is a label: saturated, it would be another.
        """
        if misfits and (beyond := self.watch.beyond(self.dtype_out)):
            problem = f"label {beyond[0]} does not fit in {self.dtype_out.name}"
            raise RequestError("--dtype", problem, f"use {self.resampler.dtype_in.name}")
        self.watch.add_output(elements)
        self.misfits += misfits

    def conclude(self) -> None:
        """Take note of the labels that vanished, and of the values that were changed."""
        self.warnings += self.watch.warnings()
        dtype = self.resampler.dtype_in
        if self.misfits and dtype != self.dtype_out:
            can_be_nan = dtype.kind in "fc"
            self.warnings.append(loss_warning(self.misfits, self.dtype_out, can_be_nan=can_be_nan))
        if self.resampler.arithmetic.is_inexact:
            why = "values beyond 2**53 were rounded; mode nearest-exact keeps them"
            self.warnings.append(f"{dtype.name} {why}")

    def check_output(self) -> None:
        """Refuse a record of what has no way back."""
        if self.request.record:
            from upsample_cli.operations.grid_record import record_of

            self.record = record_of(self)

    def write_beside(self, files: list[BinaryIO]) -> None:
        """Write the record, if it was asked for."""
        for file in files:
            file.write(self.record)

    def described(self) -> Iterator[str]:
        """Yield the mode, and in what numbers it is computed."""
        switches = [name for name in ("align_corners", "antialias") if getattr(self.method, name)]
        yield f"mode     {', '.join([self.explained_mode, *switches])}"
        yield f"which    {self.method.mode.summary}"
        yield f"sums in  {self.resampler.arithmetic.description}"

    @property
    def explained_mode(self) -> str:
        """The mode that PyTorch's names for so many dimensions stand for."""
        return self.method.mode.name


@contextlib.contextmanager
def named_dtype_errors(request: ResampleRequest, source: "Source") -> Iterator[None]:
    """Name what has a dtype that cannot be resampled: the option, or else the input."""
    try:
        yield
    except TypeError as error:
        raise RequestError("--dtype" if request.dtype else source.name, str(error)) from error


def elements_of(source: "Source", method: Method) -> tuple[np.dtype[Any], int, str]:
    """Return native dtype, channels, and for an image the Pillow mode of what is resampled.

    Raises
    ------
    RequestError
        If labels are to be elected, and an element has several values.
    """
    if source.kind != "image":
        dtype, channels, mode = source.dtype, source.channels, ""
    else:
        from upsample_cli.files.images.reading import result_mode

        mode = result_mode(source, blurs=method.mode.blurs)
        dtype, channels = element_of_mode(mode)
    if method.mode.votes and channels > 1:
        what = f"has {channels} values a {ELEMENT_NAMES[source.kind]}"
        raise RequestError(source.name, f"{what}, and a label map has one", "use nearest-exact")
    return dtype, channels, mode
