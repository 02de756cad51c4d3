"""An image and its labels land on one grid, or neither is done."""

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from upsample_cli.batch.operation import Operation
from upsample_cli.batch.planning import Wanted, Work
from upsample_cli.errors import UpsampleError
from upsample_cli.files import SUFFIXES, suffix_of
from upsample_cli.sampling.grid import Grid, corner_tolerance

WILD = re.compile(r"\[[^]]*\]|[*?]")
SEPARATORS = "_-."


@dataclass(frozen=True)
class Landing:
    """What an output will be: its shape, x first, and where its voxels are if a header says it."""

    shape: tuple[int, ...]
    grid: Grid | None

    def agrees_with(self, other: "Landing") -> bool:
        """Whether the voxels of both are in the same places."""
        if self.shape[:3] != other.shape[:3]:
            return False
        if self.grid is None or other.grid is None:
            return True
        apart = np.linalg.norm(self.grid.corners - other.grid.corners, axis=1).max()
        return bool(apart <= corner_tolerance(self.grid, other.grid))


def refuse_unequal_pairs(
    source: str, wanted: Sequence[Wanted], patterns: Sequence[str], operation: Operation, work: Work
) -> None:
    """Move tasks whose output would not match that of their labels, or image, to the refused.

    Parameters
    ----------
    source
        The source folder.
    wanted
        All inputs, also those of other shards.
    patterns
        What names label maps.
    operation
        What is done to images.
    work
        What is to be done; it is changed.
    """
    to_do = {task.output: task for task in work.tasks}
    images = _by_folder([each for each in wanted if not each.labels])
    landings = _Landings(source, operation)
    for labels in (each for each in wanted if each.labels):
        partners = partners_of(labels, images, patterns)
        if not any(each.output in to_do for each in (labels, *partners)):
            continue
        own = landings.of(labels)
        theirs = [landing for each in partners if (landing := landings.of(each))]
        if own is None or not theirs or any(own.agrees_with(landing) for landing in theirs):
            continue
        image = partners[0]
        why = _difference(own, theirs[0], labels.found.name, image.found.name)
        for each in (labels, image) if len(partners) == 1 else (labels,):
            if task := to_do.pop(each.output, None):
                work.tasks.remove(task)
                work.refused.append((task, f"{each.found.name}: {why}"))


def _difference(labels: Landing, image: Landing, labels_name: str, image_name: str) -> str:
    sizes = ["×".join(map(str, landing.shape)) for landing in (labels, image)]
    if sizes[0] == sizes[1]:
        sizes = ["its own place", "another"]
    return (
        f"labels {labels_name} would land on another grid ({sizes[0]}) than {image_name} "
        f"({sizes[1]}); put the labels on the image's grid first, with resample --like"
    )


Folders = dict[str, list[Wanted]]


def _by_folder(wanted: Sequence[Wanted]) -> Folders:
    folders: Folders = defaultdict(list)
    for each in wanted:
        folders[os.path.dirname(each.found.name)].append(each)
    return folders


def partners_of(labels: Wanted, images: Folders, patterns: Sequence[str]) -> list[Wanted]:
    """Return the images that a label map may belong to.

    What a pattern says literally is taken out of the labels' name: ``t1_seg`` belongs to ``t1``, or
    else to ``t1_…``, in the same folder or, if there is none, in one beside it.
    """
    folder, name = os.path.split(labels.found.name)
    stem = bare_stem(name, patterns)
    beside = [each for path in images for each in images[path] if _are_siblings(path, folder)]
    for candidates in (images.get(folder, []), beside):
        same_kind = [each for each in candidates if _kind(each) == _kind(labels)]
        exact = [each for each in same_kind if _stem(each) == stem]
        longer = [each for each in same_kind if _begins(_stem(each), stem)]
        if exact or longer:
            return exact or longer
    return []


def bare_stem(name: str, patterns: Sequence[str]) -> str:
    """Return a label map's name without what the patterns name it by, and without its suffix.

    >>> bare_stem("sub-01_T1w_seg.nii.gz", ["*_seg*"])
    'sub-01_T1w'
    """
    stem = name[: len(name) - len(suffix_of(name))]
    for pattern in patterns:
        glob = pattern.rpartition("/")[2]
        glob = glob[: len(glob) - len(suffix_of(glob))]
        for literal in WILD.split(glob):
            stem = stem.replace(literal, "", 1) if literal else stem
    return stem


def _stem(each: Wanted) -> str:
    return bare_stem(os.path.basename(each.found.name), ())


def _kind(each: Wanted) -> str:
    return SUFFIXES[suffix_of(each.found.name)]


def _begins(stem: str, start: str) -> bool:
    return bool(start) and stem.startswith(tuple(start + mark for mark in SEPARATORS))


def _are_siblings(path: str, folder: str) -> bool:
    return path != folder and os.path.dirname(path) == os.path.dirname(folder)


class _Landings:
    """Where outputs land, each settled once."""

    def __init__(self, source: str, operation: Operation) -> None:
        self.source = source
        self.operations = {False: operation, True: operation.for_labels()}
        self.known: dict[str, Landing | None] = {}

    def of(self, each: Wanted) -> Landing | None:
        """Return where an output lands, or None if the input cannot tell, as its task will say."""
        name = each.found.name
        if name not in self.known:
            try:
                self.known[name] = self._settle(each)
            except UpsampleError:
                self.known[name] = None
        return self.known[name]

    def _settle(self, each: Wanted) -> Landing:
        path = os.path.join(self.source, each.found.name)
        with self.operations[each.labels].prepared(path) as plan:
            header = plan.header
            grid = header.grid if header is not None and max(header.codes) > 0 else None
            return Landing(plan.after.shape, grid)
