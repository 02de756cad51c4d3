"""One file: reader → plan → kernels → writer, slab by slab."""

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import GZIP_SUFFIXES, SUFFIXES, output_suffix, suffixes_like
from upsample_cli.files.atomic import AtomicFile, check_destination
from upsample_cli.files.image_formats import (
    WITH_ALPHA,
    check_can_write,
    check_size,
    format_of_suffix,
)
from upsample_cli.files.pairs import pair_names
from upsample_cli.files.streams import standard_output
from upsample_cli.job import Job, Request, prepare
from upsample_cli.passes.streaming import items_per_group, planes_per_chunk, stream_item
from upsample_cli.passes.whole import resample_array
from upsample_cli.resources import check_disk, check_memory

if TYPE_CHECKING:
    from upsample_cli.files import VolumeSource
    from upsample_cli.files.array import ArraySource

Array = NDArray[Any]
Progress = Callable[[int], AbstractContextManager[Callable[[int], object]]]

UNCOMPRESSED = (".nii", ".hdr", ".img", ".mgh", ".npy", ".bmp", ".ppm", ".pgm", ".pfm", ".pnm")
COMPRESSED_AT_MOST = 1000
"""For lack of disk a compressed output is refused only if even this ratio would not fit it."""


@dataclass(frozen=True)
class Destination:
    """The output's name, or ``-``, and the suffix that decides its format."""

    name: str
    suffix: str


@dataclass(frozen=True)
class Summary:
    """What a finished resample has done, in words."""

    line: str
    warnings: list[str]
    hints: list[str]


def resample(request: Request, input_name: str, output_name: str, progress: Progress) -> Summary:
    """Resample one file into another.

    Parameters
    ----------
    request
        What to do.
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
    _check_output(input_name, output_name, force=request.force)
    job = prepare(request, input_name)
    with contextlib.closing(job.source):
        suffix = output_suffix(output_name, request.format, job.source.default_suffix)
        output = Destination(output_name, suffix)
        _check_kind(job, output)
        _check_room(job, output)
        names = _file_names(output)
        record = _record(job, input_name, output_name) if request.record else {}
        all_names = [*names, *record]
        with (
            open_outputs(all_names, force=request.force) as files,
            progress(job.output_bytes) as done,
        ):
            RUNNERS[job.source.kind](job, output, files[: len(names)], done)
            for file, content in zip(files[len(names) :], record.values(), strict=True):
                file.write(content)
    seconds = time.perf_counter() - started
    return Summary(_line(job, input_name, output_name, seconds), job.warnings, job.hints)


def _record(job: Job, input_name: str, output_name: str) -> dict[str, bytes]:
    """Return the record's name and content."""
    from upsample_cli.record import record_name, record_of

    if output_name == "-":
        raise RequestError("--record", "standard output has no place for it", "name a file")
    return {record_name(output_name): record_of(job, Path(input_name).name)}


def _line(job: Job, input_name: str, output_name: str, seconds: float) -> str:
    shown = [name if name == "-" else Path(name).name for name in (input_name, output_name)]
    resampler = job.resampler
    return (
        f"{shown[0]} {job.shape_in} {resampler.dtype_in.name} → "
        f"{shown[1]} {job.shape_out} {resampler.dtype_out.name}, "
        f"{job.request.mode}, {seconds:.1f} s"
    )


def _check_output(input_name: str, output_name: str, *, force: bool) -> None:
    if output_name == "-":
        if sys.stdout is not None and sys.stdout.isatty():
            raise RequestError("-", "standard output is a terminal", "redirect it into a file")
        return
    with contextlib.suppress(OSError, ValueError):
        if not force and os.path.samefile(input_name, output_name):
            raise RequestError(output_name, "is the input itself", "use --force to replace it")
    check_destination(output_name, force=force)


def _check_kind(job: Job, output: Destination) -> None:
    kind = SUFFIXES[output.suffix]
    same = suffixes_like(job.source.default_suffix)
    if kind == job.source.kind and output.suffix not in same:
        raise RequestError(
            "--format" if output.name == "-" else output.name,
            f"{output.suffix} is not the format of {job.source.name}, and a resample keeps it",
            f"use {', '.join(same)}",
        )
    if kind != job.source.kind:
        raise RequestError(
            "--format" if output.name == "-" else output.name,
            f"{output.suffix} is for {kind}s, but {job.source.name} is of kind {job.source.kind}",
            f"use {', '.join(same)}",
        )
    if job.source.kind == "image":
        transparency = job.source.transparency
        check_can_write(_image_format(output.suffix), job.image_mode, output.name, transparency)
        check_size(_image_format(output.suffix), job.resampler.shape_out, output.name)


def _image_format(suffix: str) -> str:
    name = format_of_suffix(suffix)
    assert name is not None
    return name


def _check_room(job: Job, output: Destination) -> None:
    check_memory(output.name, job.working_bytes)
    ratio = 1 if output.suffix in UNCOMPRESSED else COMPRESSED_AT_MOST
    check_disk(output.name, job.output_bytes // ratio)


def _file_names(output: Destination) -> list[str]:
    if not output.suffix.startswith((".hdr", ".img")):
        return [output.name]
    names = pair_names(output.name)
    if names is None:
        raise RequestError("--format", "a .hdr/.img pair needs a name", "use nii or nii.gz")
    return list(names)


@contextlib.contextmanager
def open_outputs(names: list[str], *, force: bool) -> Iterator[list[BinaryIO]]:
    """Open the files that make up one output; they appear together, or not at all."""
    if names == ["-"]:
        with _named_write_errors("-"), standard_output() as stream:
            yield [stream]
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
        # The voxels of a pair come before the header that points to them, and go with it.
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


def _run_stream(
    job: Job, output: Destination, files: list[BinaryIO], done: Callable[[int], object]
) -> None:
    assert job.source.kind != "image"
    sink = job.open_sink(files, is_gzip=output.suffix.endswith(GZIP_SUFFIXES))
    misfits = 0
    try:
        for planes, count in _resampled(job, job.source):
            sink.write(planes)
            misfits += count
            done(planes.nbytes)
        job.warnings += job.source.finish()
        sink.finish()
    except BaseException:
        sink.abort()
        raise
    _warn_of_losses(job, misfits)


def _resampled(job: Job, source: "VolumeSource | ArraySource") -> Iterator[tuple[Array, int]]:
    """Yield what is to be written, in order, each with the number of values that did not fit."""
    resampler, threads = job.resampler, job.request.threads
    group = items_per_group(resampler, job.channels)
    if group > 1:
        for begin in range(0, job.items, group):
            count = min(group, job.items - begin)
            items = source.read(count * source.shape[0])
            items = items.reshape(count, *resampler.shape_in, job.channels)
            result = np.empty((count, *resampler.shape_out, job.channels), resampler.dtype_out)
            yield result, resample_array(resampler, items, result, threads)
        return
    chunk, slab = planes_per_chunk(resampler, job.channels, threads)
    for _ in range(job.items):
        yield from stream_item(resampler, _chunks(source, chunk), threads, slab)


def _chunks(source: "VolumeSource | ArraySource", size: int) -> Iterator[Array]:
    total = source.shape[0]
    for begin in range(0, total, size):
        yield source.read(min(size, total - begin))


def _run_image(
    job: Job, output: Destination, files: list[BinaryIO], done: Callable[[int], object]
) -> None:
    from upsample_cli.files.image_writing import write_image
    from upsample_cli.passes.alpha import weigh_colours

    request, source, resampler = job.request, job.source, job.resampler
    assert source.kind == "image"
    _, pixels = source.pixels(blurs=job.method.mode.blurs)
    result = np.empty((*resampler.shape_out, job.channels), resampler.dtype_out)
    misfits = resample_array(resampler, pixels[np.newaxis], result[np.newaxis], request.threads)
    if job.image_mode in WITH_ALPHA and job.method.mode.blurs and not request.straight_alpha:
        weigh_colours(pixels, result, job.axes, job.method, request.threads)
    done(result.nbytes)
    format = _image_format(output.suffix)
    # A pipe cannot go back to a header, and libtiff hides why a write failed.
    in_memory = format == "TIFF" or (format != "PNG" and output.name == "-")
    file = io.BytesIO() if in_memory else files[0]
    job.warnings += write_image(
        file,
        format,
        job.image_mode,
        result,
        source,
        request.image,
        name=output.name,
        threads=request.threads,
    )
    if isinstance(file, io.BytesIO):
        files[0].write(file.getbuffer())
    _warn_of_losses(job, misfits)


RUNNERS: dict[str, Callable[..., None]] = {
    "volume": _run_stream,
    "array": _run_stream,
    "image": _run_image,
}


def _warn_of_losses(job: Job, misfits: int) -> None:
    resampler = job.resampler
    if misfits and resampler.dtype_in != resampler.dtype_out:
        is_float = resampler.dtype_out.kind in "fc"
        became = "became infinite" if is_float else "were saturated, and NaN became 0"
        job.warnings.append(
            f"{misfits} values do not fit in {resampler.dtype_out.name}: they {became}"
        )
    if resampler.arithmetic.is_inexact:
        job.warnings.append(
            f"{resampler.dtype_in.name} values beyond 2**53 were rounded; "
            "mode nearest-exact keeps them"
        )
