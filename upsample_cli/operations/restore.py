"""Back to the grid that a record was made on."""

import os
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import open_source
from upsample_cli.operations.grid_record import read_record, record_name
from upsample_cli.operations.output import Progress, Summary
from upsample_cli.operations.requests import Request
from upsample_cli.operations.resample import resample
from upsample_cli.passes.labels import LabelCounts
from upsample_cli.sampling.target import Target

if TYPE_CHECKING:
    from upsample_cli.files import VolumeSource

VALUES_AT_ONCE = 2**20

WHY_ANOTHER = {
    "label": "--mode takes another",
    "linear": "--mode takes another",
    "nearest-exact": "it may shift labels by half a voxel; save them as integers for mode label",
}
"""Mode that was chosen → what a user may do about it."""


def restore(
    request: Request, processed: str, output: str, record_file: str | None, progress: Progress
) -> Summary:
    """Bring a volume on a processed grid back onto the original one.

    Parameters
    ----------
    request
        How; its target is replaced by the record's. An empty mode is chosen here: label for
        labels, linear for the rest.
    processed, output
        Paths; the output may be ``-``.
    record_file
        The record; by default the one that belongs to ``processed``.
    progress
        As in ``pipeline.resample``.

    Raises
    ------
    FileError, RequestError
        With nothing written, and nothing left behind.
    """
    if processed == "-":
        raise RequestError("-", "standard input can be read only once", "name a file")
    with closing(open_source(processed, request.image)) as source:
        if source.kind != "volume" or "record" not in source.header.abilities:
            raise RequestError(processed, "is no NIfTI volume", "convert it to .nii.gz")
        record = read_record(record_file or _own_record(processed))
        maps = record.way_back(source.header)
        hints = []
        if not request.mode:
            mode = mode_for(source)
            hints.append(f"{processed}: mode {mode} was chosen; {WHY_ANOTHER[mode]}")
            request = replace(request, mode=mode)
    request = replace(request, target=Target("record", (), maps), geometry=record.geometry)
    done = resample(request, processed, output, progress)
    return replace(done, hints=[*hints, *done.hints])


def _own_record(processed: str) -> str:
    name = record_name(processed)
    if not os.path.exists(name):
        raise FileError(name, "does not exist", "name it with --record")
    return name


def mode_for(source: "VolumeSource") -> str:
    """Return the mode that suits what a volume holds; reads it as far as that takes."""
    if not holds_labels(source):
        return "linear"
    can_vote = source.dtype.kind in "iu" and source.channels == 1
    # After an even upscale the original centres lie between voxels, and a copy takes the upper.
    return "label" if can_vote else "nearest-exact"


def holds_labels(source: "VolumeSource") -> bool:
    """Tell by intent, or by few whole numbers in long runs, whether a volume holds labels."""
    if source.header.is_label_map:
        return True
    is_plain = source.header.scaling == (1.0, 0.0) and source.channels == 1
    if source.dtype.kind not in "iuf" or not is_plain:
        return False
    counts = LabelCounts()
    plane = int(np.prod(source.shape[1:]))
    step = max(1, VALUES_AT_ONCE // plane)
    left = source.shape[0] * source.items
    while left and not counts.is_settled:
        planes = source.read(min(step, left))
        if planes.dtype.kind == "f" and not np.array_equal(planes, np.rint(planes)):
            return False
        counts.add(planes)
        left -= len(planes)
    return counts.are_like_labels
