"""Back to the grid that a record was made on."""

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from upsample_cli.errors import RequestError
from upsample_cli.files import open_source
from upsample_cli.job import Request
from upsample_cli.output import Progress, Summary
from upsample_cli.pipeline import resample
from upsample_cli.record import read_record, record_name
from upsample_cli.sampling.target import Target

if TYPE_CHECKING:
    from upsample_cli.files import VolumeSource

MOST_LABELS = {1: 128, 2: 256, 4: 256, 8: 256}
"""Bytes of an integer dtype → the most distinct values that labels have; images have more."""
VALUES_AT_ONCE = 2**20


def restore(
    request: Request, processed: str, output: str, record_file: str | None, progress: Progress
) -> Summary:
    """Bring a volume on a processed grid back onto the original one.

    Parameters
    ----------
    request
        How; its target is replaced by the record's. An empty mode is chosen here: nearest-exact
        for labels, linear for the rest.
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
    record = read_record(record_file or record_name(processed))
    with closing(open_source(processed, request.image)) as source:
        if source.kind != "volume" or source.header.format != "NIfTI":
            raise RequestError(processed, "is no NIfTI volume", "restore takes no other")
        maps = record.way_back(source.header)
        hints = []
        if not request.mode:
            mode = "nearest-exact" if holds_labels(source) else "linear"
            hints.append(f"{processed}: mode {mode} was chosen; --mode takes another")
            request = replace(request, mode=mode)
    request = replace(request, target=Target("record", (), maps), geometry=record.geometry)
    done = resample(request, processed, output, progress)
    return replace(done, hints=[*hints, *done.hints])


def holds_labels(source: "VolumeSource") -> bool:
    """Tell by intent, or by few distinct whole numbers, whether a volume holds labels.

    Reads it as far as it takes: an image has shown too many values after a slab or two.
    """
    if source.header.is_label_map:
        return True
    is_plain = source.header.scaling == (1.0, 0.0) and source.channels == 1
    if source.dtype.kind not in "iu" or not is_plain:
        return False
    found = np.empty(0, source.dtype)
    plane = int(np.prod(source.shape[1:]))
    step = max(1, VALUES_AT_ONCE // plane)
    left = source.shape[0] * source.items
    while left:
        found = np.union1d(found, source.read(min(step, left)))
        left -= min(step, left)
        if len(found) > MOST_LABELS[source.dtype.itemsize]:
            return False
    return True
