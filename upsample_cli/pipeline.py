"""One file: reader → plan → kernels → writer, slab by slab."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from upsample_cli.advice import ELEMENT_NAMES, blurred_labels, may_hide_labels, says_labels
from upsample_cli.errors import RequestError
from upsample_cli.files import output_suffix
from upsample_cli.files.image_formats import WITH_ALPHA
from upsample_cli.job import Job, prepare
from upsample_cli.memory import fit
from upsample_cli.output import (
    Destination,
    Progress,
    Summary,
    check_image,
    check_kind,
    check_output,
    check_room,
    file_names,
    loss_warning,
    open_outputs,
    save_image,
)
from upsample_cli.passes.labels import HiddenLabels, VanishedLabels, Watch, WatchedPlanes
from upsample_cli.passes.mapped import MappedResampler
from upsample_cli.passes.streaming import items_per_group, planes_per_chunk, stream_item
from upsample_cli.passes.whole import resample_array
from upsample_cli.request import LABEL, Request

if TYPE_CHECKING:
    from upsample_cli.files import VolumeSource
    from upsample_cli.files.array import ArraySource
    from upsample_cli.files.nifti import NiftiSource

Array = NDArray[Any]


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
    check_output(input_name, output_name, force=request.force)
    job = prepare(request, input_name)
    with contextlib.closing(job.source):
        output = destination(job, output_name)
        check_room(output, memory=job.working_bytes, disk=job.output_bytes, remedy=job.less_memory)
        names = file_names(output)
        record = _record(job, input_name, output_name) if request.record else {}
        with (
            open_outputs([*names, *record], force=request.force) as files,
            progress(job.output_bytes) as done,
        ):
            RUNNERS[job.source.kind](job, output, files[: len(names)], done)
            for file, content in zip(files[len(names) :], record.values(), strict=True):
                file.write(content)
    names_given = (input_name, output_name)
    seconds = time.perf_counter() - started
    return Summary(
        names_given, job.before, job.after, job.how, seconds, job.warnings, job.hints, *record
    )


def destination(job: Job, output_name: str) -> Destination:
    """Return where the output goes, having checked that its format and the memory can hold it."""
    suffix = output_suffix(output_name, job.request.format, job.source.default_suffix)
    job.output = output = Destination(output_name, suffix)
    check_kind(job.source, output)
    if job.source.kind == "image":
        check_image(job.source, output, job.image_mode, job.resampler.shape_out)
    fit(job, job.request.max_memory, output_name)
    return output


def _record(job: Job, input_name: str, output_name: str) -> dict[str, bytes]:
    """Return the record's name and content."""
    from upsample_cli.record import record_name, record_of

    if output_name == "-":
        raise RequestError("--record", "standard output has no place for it", "name a file")
    return {record_name(output_name): record_of(job, Path(input_name).name)}


def _run_stream(
    job: Job, output: Destination, files: list[BinaryIO], done: Callable[[int], object]
) -> None:
    assert job.source.kind != "image"
    sink = job.open_sink(files, is_gzip=output.is_gzip)
    misfits = 0
    watch = _watch(job)
    try:
        for planes, count in _resampled(job, job.source, watch):
            _check_labels(job, watch, count)
            watch.add_output(planes)
            sink.write(planes)
            misfits += count
            done(planes.nbytes)
        job.warnings += job.source.finish()
        sink.finish()
    except BaseException:
        sink.abort()
        raise
    job.warnings += watch.warnings()
    _warn_of_losses(job, misfits)


def _watch(job: Job) -> Watch:
    # By the mode that was asked for: where voxels are only copied, labels can vanish too.
    if job.mode == LABEL or (says_labels(job.source) and not job.method.mode.blurs):
        return VanishedLabels(ELEMENT_NAMES[job.source.kind])
    if may_hide_labels(job):
        return HiddenLabels(blurred_labels(job, "looks like labels, few values in patches"))
    return Watch()


def _check_labels(job: Job, watch: Watch, misfits: int) -> None:
    """Refuse a dtype that does not hold a label: saturated, it would be another."""
    if misfits and isinstance(watch, VanishedLabels):
        dtype = job.resampler.dtype_out
        problem = f"label {watch.beyond(dtype)[0]} does not fit in {dtype.name}"
        raise RequestError("--dtype", problem, f"use {job.resampler.dtype_in.name}")


def _resampled(
    job: Job, source: "VolumeSource | ArraySource", watch: Watch
) -> Iterator[tuple[Array, int]]:
    """Yield what is to be written, in order, each with the number of values that did not fit."""
    resampler, threads, division = job.resampler, job.pieces.threads, job.pieces.division
    if isinstance(resampler, MappedResampler):
        watched = WatchedPlanes(cast("NiftiSource", source), watch)
        for _ in range(job.items):
            yield from resampler.stream(watched, job.channels, threads, division)
        return
    group = items_per_group(resampler, job.channels, division)
    if group > 1:
        for begin in range(0, job.items, group):
            count = min(group, job.items - begin)
            items = source.read(count * source.shape[0])
            watch.add_input(items)
            items = items.reshape(count, *resampler.shape_in, job.channels)
            result = np.empty((count, *resampler.shape_out, job.channels), resampler.dtype_out)
            yield result, resample_array(resampler, items, result, threads, begin)
        return
    chunk, slab = planes_per_chunk(resampler, job.channels, threads, division)
    for number in range(job.items):
        chunks = _chunks(source, chunk, watch)
        yield from stream_item(resampler.of_item(number), chunks, threads, slab, division)


def _chunks(source: "VolumeSource | ArraySource", size: int, watch: Watch) -> Iterator[Array]:
    total = source.shape[0]
    for begin in range(0, total, size):
        planes = source.read(min(size, total - begin))
        watch.add_input(planes)
        yield planes


def _run_image(
    job: Job, output: Destination, files: list[BinaryIO], done: Callable[[int], object]
) -> None:
    from upsample_cli.passes.alpha import weigh_colours

    request, source, resampler, threads = job.request, job.source, job.resampler, job.pieces.threads
    assert source.kind == "image"
    assert not isinstance(resampler, MappedResampler)
    _, pixels = source.pixels(blurs=job.method.mode.blurs)
    result = np.empty((*resampler.shape_out, job.channels), resampler.dtype_out)
    misfits = resample_array(resampler, pixels[np.newaxis], result[np.newaxis], threads)
    watch = _watch(job)
    watch.add_input(pixels)
    _check_labels(job, watch, misfits)
    watch.add_output(result)
    job.warnings += watch.warnings()
    if job.image_mode in WITH_ALPHA and job.method.mode.blurs and not request.straight_alpha:
        weigh_colours(pixels, result, job.axes, job.method, threads)
    del pixels  # or they would lie beside what the encoder needs
    done(result.nbytes)
    job.warnings += save_image(
        files[0], output, job.image_mode, result, source, request.image, threads
    )
    _warn_of_losses(job, misfits)


RUNNERS: dict[str, Callable[..., None]] = {
    "volume": _run_stream,
    "array": _run_stream,
    "image": _run_image,
}


def _warn_of_losses(job: Job, misfits: int) -> None:
    resampler = job.resampler
    if misfits and resampler.dtype_in != resampler.dtype_out:
        can_be_nan = resampler.dtype_in.kind in "fc"
        job.warnings.append(loss_warning(misfits, resampler.dtype_out, can_be_nan=can_be_nan))
    if resampler.arithmetic.is_inexact:
        job.warnings.append(
            f"{resampler.dtype_in.name} values beyond 2**53 were rounded; "
            "mode nearest-exact keeps them"
        )
