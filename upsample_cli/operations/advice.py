"""What a user should know about a file or a resample before it runs: warnings and hints."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from upsample_cli.files.images.formats import format_of_suffix
from upsample_cli.operations.labels import labels_of
from upsample_cli.sampling.modes import DIMENSION_BOUND, Method

if TYPE_CHECKING:
    from upsample_cli.files import Source
    from upsample_cli.operations.requests import ResampleRequest

ELEMENT_NAMES = {"image": "pixel", "volume": "voxel", "array": "element"}
SHRINKING = 1 + 1e-6
"""The step from which an axis is called shrunk: more than rounding makes of 1."""


def source_warnings(source: "Source", blur: str, remedy: str) -> Iterator[str]:
    """Yield what may be wrong with an input; ``blur`` names what mixes its values, if anything."""
    if source.kind == "image":
        named = format_of_suffix(Path(source.name).suffix)
        if named and named.name != source.format:
            yield f"{source.name}: holds {source.format}, not {named.name}"
    if blur and labels_of(source).are_meant:
        yield blurred_labels(source.name, "its intent says that it holds labels", blur, remedy)


def blurred_labels(name: str, why: str, blur: str, remedy: str) -> str:
    """Return a warning about what mixes the labels of a file."""
    return f"{name}: {why}, and {blur} invents values between them; {remedy}"


def option_hints(request: "ResampleRequest", source: "Source") -> Iterator[str]:
    """Yield which options say nothing about such an input, or could say more."""
    if source.kind != "image" and request.has_image_options:
        yield "--frame, --quality, --max-pixels and --straight-alpha are for images"
    said_axes = len(request.target.values) > 1 or request.mode in DIMENSION_BOUND
    if source.kind == "array" and source.leading and not said_axes:
        yield (
            f"the last {len(source.shape)} of {len(source.full_shape)} axes are resampled; "
            "one number per axis says otherwise, such as 2x2 for a stack of images"
        )


def shrinking_hints(
    step: float, method: Method, element: str, *, can_antialias: bool
) -> Iterator[str]:
    """Yield what shrinking leaves out or moves, if the largest step is one that shrinks."""
    if step <= SHRINKING:
        return
    if can_antialias and method.mode.allows_antialias and not method.antialias:
        yield f"shrinking without --antialias skips {element}s; --antialias weighs them all"
    if method.mode.name == "nearest":
        yield (
            f"nearest reads up to {(step + 1) / 2:.3g} {element}s beside where the output says; "
            "nearest-exact reads the nearest"
        )


def coarser_grid_hints(step: float, method: Method) -> Iterator[str]:
    """Yield what is skipped between the samples of another grid."""
    if step > SHRINKING and method.mode.allows_antialias:
        yield (
            "the new grid is coarser, and voxels between its samples are skipped; first "
            "--spacing with --antialias weighs them all"
        )
