"""How much memory a piece of work needs, and the largest pieces with which it fits into a limit.

An estimate has four parts: what the process holds before the work begins, which is measured; what
it is still to load; the arrays of the work, which each of the passes knows; and what reading and
writing a format takes beside them, which its source and its row know.
"""

import math
import sys
from typing import TYPE_CHECKING, Protocol

from upsample_cli.errors import MemoryLimitError
from upsample_cli.files.images.modes import PIXEL_MODES
from upsample_cli.files.sinks import Compression
from upsample_cli.machine_code import compile as compiling
from upsample_cli.machine_code.linking import is_ready
from upsample_cli.operations.advice import says_labels
from upsample_cli.operations.requests import LABEL
from upsample_cli.passes.alpha import weighing_bytes
from upsample_cli.passes.mapped import MappedResampler
from upsample_cli.passes.streaming import items_per_group, planes_per_chunk, stream_bytes
from upsample_cli.passes.whole import strip_bytes
from upsample_cli.resources.machine import resident_bytes, return_freed_memory
from upsample_cli.resources.pieces import Pieces
from upsample_cli.resources.scratch import forget
from upsample_cli.resources.threads import end_threads
from upsample_cli.sampling.mapping import Orientation

if TYPE_CHECKING:
    from upsample_cli.files.images.reading import ImageSource
    from upsample_cli.operations.job import Job
    from upsample_cli.operations.output import Destination

MIB = 2**20

KERNELS_BYTES = 8 * MIB
"""What the first kernels take: LLVM's linker, and modules that work imports when it begins."""
COMPILING_BYTES = 120 * MIB
"""What Numba takes, where a kernel has to be compiled first."""
THREAD_BYTES = MIB // 2
"""What a thread takes beside its arrays: its stack, and its part of the heap."""

WITH_ROOM_TO_SPARE = 4
"""A limit of so many times what is needed leaves room for what earlier work left in the heap."""


class Work(Protocol):
    """What is to be done to one file, in pieces that can be changed until it begins."""

    pieces: Pieces

    @property
    def working_bytes(self) -> int:
        """An estimate of the memory that it needs with these pieces, beside the program."""


def program_bytes(threads: int) -> int:
    """Return what this process holds, and what it will load for any work."""
    return resident_bytes() + loading_bytes() + threads * THREAD_BYTES


def loading_bytes() -> int:
    """Return what the kernels take, if none has been loaded yet."""
    return 0 if is_ready() else KERNELS_BYTES


def total_bytes(work: Work) -> int:
    """Return the most that the process will hold while it does some work."""
    return program_bytes(work.pieces.threads) + work.working_bytes


def fit(work: Work, limit: int | None, subject: str) -> None:
    """Make the pieces of some work as small as a limit demands.

    Under a limit a process does one piece of work at a time: what earlier work has left for the
    next is given back first.

    Parameters
    ----------
    work
        Its pieces are changed to the largest that fit, if they do not fit as they are.
    limit
        Bytes that the whole process may hold; None for any number.
    subject
        What an error is about.

    Raises
    ------
    MemoryLimitError
        If even the smallest pieces need more. The amount that it names is enough.
    """
    compiling.before_compiling.clear()
    if limit is None:
        return
    needed = total_bytes(work)
    if needed > limit // WITH_ROOM_TO_SPARE:
        needed = _make_fit(work, limit, subject)

    def check() -> None:
        if "numba" not in sys.modules and needed + COMPILING_BYTES > limit:
            remedy = "run upsample-cli warmup first, which compiles them"
            raise MemoryLimitError("kernels", needed + COMPILING_BYTES, limit, remedy)

    compiling.before_compiling.append(check)


def _make_fit(work: Work, limit: int, subject: str) -> int:
    """Choose the pieces of some work, and return what it then needs."""
    end_threads()
    forget()
    return_freed_memory()
    least = sys.maxsize
    for pieces in work.pieces.smaller():
        work.pieces = pieces
        least = min(least, needed := total_bytes(work))
        if needed <= limit:
            return needed
    # What is resident differs a little from run to run.
    raise MemoryLimitError(subject, least + MIB, limit)


def job_bytes(job: "Job") -> int:
    """Return what a resample needs beside the program."""
    return _image_bytes(job) if job.source.kind == "image" else _stream_bytes(job)


def _stream_bytes(job: "Job") -> int:
    resampler, channels, pieces = job.resampler, job.channels, job.pieces
    plane_in = math.prod(resampler.shape_in[1:]) * channels * resampler.dtype_in.itemsize
    plane_out = math.prod(resampler.shape_out[1:]) * channels * resampler.dtype_out.itemsize
    if isinstance(resampler, MappedResampler):
        work = resampler.working_bytes(channels, pieces.threads, pieces.division)
        chunk, slab = resampler.shape_in[0] if resampler.holds_item else 1, 1
    elif (group := items_per_group(resampler, channels, pieces.division)) > 1:
        count = min(group, job.items)
        chunk, slab = count * resampler.shape_in[0], count * resampler.shape_out[0]
        work = strip_bytes(resampler, count, channels, pieces.threads)
        work += 2 * (chunk * plane_in + slab * plane_out)
    else:
        chunk, slab = planes_per_chunk(resampler, channels, pieces.threads, pieces.division)
        work = stream_bytes(resampler, channels, pieces)
    if _only_turns(job):
        work -= loading_bytes()
    is_swapped = job.header is not None and not job.header.disk_dtype.isnative
    work += slab * plane_out if is_swapped else 0
    assert job.source.kind != "image"
    return (
        work
        + job.source.reading_bytes(chunk * plane_in)
        + gzip_bytes(job.output, pieces, job.output_bytes)
    )


def _only_turns(job: "Job") -> bool:
    """Whether voxels are only put in another order, for which no kernel is loaded."""
    is_turned = isinstance(job.request.target, Orientation)
    is_as_stored = job.resampler.dtype_in == job.resampler.dtype_out
    are_counted = job.mode == LABEL or says_labels(job.source)
    return is_turned and is_as_stored and not are_counted


def gzip_bytes(output: "Destination", pieces: Pieces, written: int) -> int:
    """Return what compressing ``written`` bytes takes, which is the same at every level."""
    return Compression(output.is_gzip, 0, pieces.threads).working_bytes(written)


def _image_bytes(job: "Job") -> int:
    source, resampler, threads = job.source, job.resampler, job.pieces.threads
    assert source.kind == "image"
    assert not isinstance(resampler, MappedResampler)
    pixels = math.prod(resampler.shape_in) * job.channels * resampler.dtype_in.itemsize
    kept = strip_bytes(resampler, 1, job.channels, threads)
    weighing = 0
    is_weighed = PIXEL_MODES[job.image_mode].has_alpha and job.method.mode.blurs
    if is_weighed and not job.request.straight_alpha:
        dtype = resampler.dtype_in
        weighing = weighing_bytes(job.axes, job.method, dtype, job.channels, threads)
    resampling = pixels + job.output_bytes + kept + weighing
    encoding = encoding_bytes(job.output, job.image_mode, resampler.shape_out, source, threads)
    decoding = decoding_bytes(source, blurs=job.method.mode.blurs)
    return max(decoding, resampling, job.output_bytes + kept + weighing + encoding)


def decoding_bytes(source: "ImageSource", *, blurs: bool) -> int:
    """Return what decoding an image takes, its pixels included, but for what it comes before.

    That are the kernels: an image is decoded before the first is loaded.
    """
    return max(0, source.decoding_bytes(blurs=blurs) - loading_bytes())


def encoding_bytes(
    output: "Destination", mode: str, shape: tuple[int, ...], source: "ImageSource", threads: int
) -> int:
    """Return what writing an image, of (height, width), takes beside its pixels."""
    to_pipe = output.name == "-"
    return output.image_format.encoding_bytes(mode, shape, source, threads, to_pipe=to_pipe)
