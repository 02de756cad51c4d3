"""What a user should know about a job before it runs: warnings and hints, in words."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from upsample_cli.files.images.formats import format_of_suffix
from upsample_cli.sampling.modes import DIMENSION_BOUND

if TYPE_CHECKING:
    from upsample_cli.files import Source
    from upsample_cli.operations.job import Job

ELEMENT_NAMES = {"image": "pixel", "volume": "voxel", "array": "element"}
SHRINKING = 1 + 1e-6
"""The step from which an axis is called shrunk: more than rounding makes of 1."""


def warnings_about(job: "Job") -> Iterator[str]:
    """Yield what may make the result wrong for its purpose."""
    mode = job.method.mode
    blur = f"mode {mode.name}" if mode.blurs else ""
    yield from warnings_about_source(job.source, blur, f"use {_label_mode(job)}")


def warnings_about_source(source: "Source", blur: str, remedy: str) -> Iterator[str]:
    """Yield what may be wrong with an input; ``blur`` names what mixes its values, if anything."""
    if source.kind == "image":
        named = format_of_suffix(Path(source.name).suffix)
        if named and named.name != source.format:
            yield f"{source.name}: holds {source.format}, not {named.name}"
    if source.kind == "volume" and source.header.is_label_map and blur:
        yield _blurred(source.name, "its intent says that it holds labels", blur, remedy)


def blurred_labels(job: "Job", why: str) -> str:
    """Return a warning about a mode that mixes labels."""
    blur = f"mode {job.method.mode.name}"
    return _blurred(job.source.name, why, blur, f"use {_label_mode(job)}")


def _blurred(name: str, why: str, blur: str, remedy: str) -> str:
    return f"{name}: {why}, and {blur} invents values between them; {remedy}"


def _label_mode(job: "Job") -> str:
    can_vote = job.resampler.dtype_in.kind in "iu" and job.channels == 1
    return "label" if can_vote else "nearest-exact"


def says_labels(source: "Source") -> bool:
    """Whether a file's header says that it is a label map, and its voxels can be one."""
    if source.kind != "volume" or not source.header.is_label_map:
        return False
    return source.dtype.kind in "iu" and source.channels == 1


def may_hide_labels(job: "Job") -> bool:
    """Whether only its values can tell if a volume that will be blurred is a label map."""
    source = job.source
    if source.kind != "volume" or not job.method.mode.blurs or source.header.is_label_map:
        return False
    return source.dtype.kind in "iu" and source.channels == 1 and source.header.scaling == (1, 0)


def hints_about(job: "Job") -> Iterator[str]:
    """Yield what a user may not have thought of."""
    source, method, element = job.source, job.method, ELEMENT_NAMES[job.source.kind]
    if source.kind != "image" and job.request.has_image_options:
        yield "--frame, --quality, --max-pixels and --straight-alpha are for images"
    if source.kind == "array" and len(source.full_shape) > len(job.axes) and not _said_axes(job):
        yield (
            f"the last {len(job.axes)} of {len(source.full_shape)} axes are resampled; "
            "one number per axis says otherwise, such as 2x2 for a stack of images"
        )
    step = job.step
    if job.mapped is not None:
        if step > SHRINKING and method.mode.allows_antialias:
            yield (
                "the new grid is coarser, and voxels between its samples are skipped; first "
                "--spacing with --antialias weighs them all"
            )
        return
    can_antialias = method.mode.allows_antialias and job.request.target.kind != "record"
    if step > SHRINKING and can_antialias and not method.antialias:
        yield f"shrinking without --antialias skips {element}s; --antialias weighs them all"
    if step > SHRINKING and method.mode.name == "nearest":
        yield (
            f"nearest reads up to {(step + 1) / 2:.3g} {element}s beside where the output says; "
            "nearest-exact reads the nearest"
        )


def _said_axes(job: "Job") -> bool:
    return len(job.request.target.values) > 1 or job.mode in DIMENSION_BOUND
