"""An image and its labels land on one grid, or neither is done."""

import os
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
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
    images = Images([each for each in wanted if not each.labels])
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
                work.refused.append((task, f"{each.found.name}: {why}"))
    work.tasks[:] = to_do.values()


def _difference(labels: Landing, image: Landing, labels_name: str, image_name: str) -> str:
    sizes = ["×".join(map(str, landing.shape)) for landing in (labels, image)]
    if sizes[0] == sizes[1]:
        sizes = ["its own place", "another"]
    return (
        f"labels {labels_name} would land on another grid ({sizes[0]}) than {image_name} "
        f"({sizes[1]}); put the labels on the image's grid first, with resample --like"
    )


class Images:
    """Images by where they are and what they are called, so that no label map asks for them all."""

    def __init__(self, images: Sequence[Wanted]) -> None:
        self.inside = _Stems(images, _folder)
        self.around = _Stems(images, lambda each: os.path.dirname(_folder(each)))


class _Stems:
    """Images by folder, kind and stem."""

    def __init__(self, images: Sequence[Wanted], folder_of: Callable[[Wanted], str]) -> None:
        self.images: dict[tuple[str, str, str], list[Wanted]] = defaultdict(list)
        for each in images:
            self.images[folder_of(each), _kind(each), _stem(each)].append(each)
        self.names = sorted(self.images)

    def of(self, folder: str, kind: str, stem: str) -> list[Wanted]:
        """Return the images of a stem, or else those whose stem goes on after it."""
        if exact := self.images.get((folder, kind, stem)):
            return exact
        starts = [stem + mark for mark in SEPARATORS] if stem else []
        names = [name for start in starts for name in self._beginning(folder, kind, start)]
        return [each for name in names for each in self.images[name]]

    def _beginning(self, folder: str, kind: str, start: str) -> Iterator[tuple[str, str, str]]:
        for position in range(bisect_left(self.names, (folder, kind, start)), len(self.names)):
            name = self.names[position]
            if name[:2] != (folder, kind) or not name[2].startswith(start):
                return
            yield name


def partners_of(labels: Wanted, images: Images, patterns: Sequence[str]) -> list[Wanted]:
    """Return the images that a label map may belong to.

    What a pattern says literally is taken out of the labels' name: ``t1_seg`` belongs to ``t1``, or
    else to ``t1_…``, in the same folder or, if there is none, in one beside it.
    """
    folder, name = os.path.split(labels.found.name)
    kind, stem = _kind(labels), bare_stem(name, patterns)
    # What is around includes the folder itself, in which there is none then.
    return images.inside.of(folder, kind, stem) or images.around.of(
        os.path.dirname(folder), kind, stem
    )


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


def _folder(each: Wanted) -> str:
    return os.path.dirname(each.found.name)


def _stem(each: Wanted) -> str:
    return bare_stem(os.path.basename(each.found.name), ())


def _kind(each: Wanted) -> str:
    return SUFFIXES[suffix_of(each.found.name)]


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
