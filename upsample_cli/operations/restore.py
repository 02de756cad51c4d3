"""Back to the grid that a record was made on."""

import os
from contextlib import closing
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import open_source
from upsample_cli.operations import resample
from upsample_cli.operations.grid_record import read_record, record_name
from upsample_cli.operations.labels import labels_of
from upsample_cli.operations.requests import FileRequest, ResampleRequest, RestoreRequest
from upsample_cli.operations.work import Work
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


def prepare(request: RestoreRequest, processed: str) -> Work:
    """Settle how a volume on a processed grid comes back onto the original one.

    The work is a resample with the record's maps for its target. Errors are as in
    `operations.work.prepare`.
    """
    if processed == "-":
        raise RequestError("-", "standard input can be read only once", "name a file")
    hints = []
    with closing(open_source(processed, request.image)) as source:
        if source.kind != "volume" or "record" not in source.header.abilities:
            raise RequestError(processed, "is no NIfTI volume", "convert it to .nii.gz")
        record = read_record(request.record or _own_record(processed))
        maps = record.way_back(source.header)
        mode = request.mode
        if mode is None:
            mode = mode_for(source)
            hints.append(f"{processed}: mode {mode} was chosen; {WHY_ANOTHER[mode]}")
    work = resample.prepare(
        ResampleRequest(
            target=Target("record", (), maps),
            geometry=record.geometry,
            mode=mode,
            dtype=request.dtype,
            **{each.name: getattr(request, each.name) for each in fields(FileRequest)},
        ),
        processed,
    )
    work.hints[:0] = hints
    return work


def _own_record(processed: str) -> str:
    name = record_name(processed)
    if not os.path.exists(name):
        raise FileError(name, "does not exist", "name it with --record")
    return name


def mode_for(source: "VolumeSource") -> str:
    """Return the mode that suits what a volume holds; reads it as far as that takes."""
    # After an even upscale the original centres lie between voxels, and a copy takes the upper.
    return labels_of(source).mode if holds_labels(source) else "linear"


def holds_labels(source: "VolumeSource") -> bool:
    """Tell by intent, or by few whole numbers in long runs, whether a volume holds labels."""
    labels = labels_of(source)
    if labels.are_meant:
        return True
    if source.dtype.kind not in "iuf" or not labels.are_plain:
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
