"""What a user should know about a job before it runs: warnings and hints, in words."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from upsample_cli.files.image_formats import format_of_suffix
from upsample_cli.sampling.modes import DIMENSION_BOUND

if TYPE_CHECKING:
    from upsample_cli.job import Job

ELEMENT_NAMES = {"image": "pixel", "volume": "voxel", "array": "element"}
SHRINKING = 1 + 1e-6
"""The step from which an axis is called shrunk: more than rounding makes of 1."""


def warnings_about(job: "Job") -> Iterator[str]:
    """Yield what may make the result wrong for its purpose."""
    source = job.source
    if source.kind == "image":
        named = format_of_suffix(Path(source.name).suffix)
        if named not in (None, source.format):
            yield f"{source.name}: holds {source.format}, not {named}"
    if source.kind == "volume" and source.header.is_label_map and job.method.mode.blurs:
        yield (
            f"{source.name}: its intent says that it holds labels, and mode "
            f"{job.method.mode.name} invents values between them; use nearest-exact"
        )


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
    step = max(axis.step for axis in job.axes)
    can_antialias = method.mode.allows_antialias and job.request.target.kind != "record"
    if step > SHRINKING and can_antialias and not method.antialias:
        yield f"shrinking without --antialias skips {element}s; --antialias weighs them all"
    if step > SHRINKING and method.mode.name == "nearest":
        yield (
            f"nearest reads up to {(step + 1) / 2:.3g} {element}s beside where the output says; "
            "nearest-exact reads the nearest"
        )


def _said_axes(job: "Job") -> bool:
    return len(job.request.target.values) > 1 or job.request.mode in DIMENSION_BOUND
