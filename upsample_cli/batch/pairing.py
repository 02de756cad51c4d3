"""An image and its labels land on one grid, or neither is done."""

import os
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from upsample_cli.batch.finding import matches_any
from upsample_cli.batch.operation import Operation
from upsample_cli.batch.planning import Wanted, Work
from upsample_cli.errors import UpsampleError
from upsample_cli.files import format_of, suffix_of
from upsample_cli.sampling.grid import Grid, corner_tolerance

WILD = re.compile(r"\[[^]]*\]|[*?]")
SEPARATORS = "_-."


@dataclass(frozen=True)
class Landing:
    """What an output will be: its shape, x first, and where its voxels are if a header says it."""

    shape: tuple[int, ...]
    grid: Grid | None

    def difference(self, other: "Landing") -> str:
        """Return in words how the voxels of the two are in other places, or an empty string."""
        if self.shape != other.shape:
            shapes = ["×".join(map(str, shape)) for shape in (self.shape, other.shape)]
            return " against ".join(shapes)
        if self.grid is None or other.grid is None:
            return ""
        apart = float(np.linalg.norm(self.grid.corners - other.grid.corners, axis=1).max())
        if apart <= corner_tolerance(self.grid, other.grid):
            return ""
        return f"the corners are up to {apart:.3g} apart"


def refuse_unequal_pairs(
    source: str, wanted: Sequence[Wanted], patterns: Sequence[str], operation: Operation, work: Work
) -> None:
    """Refuse tasks whose output would not match that of their labels, or of their image.

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
    to_do = {task.output for task in work.tasks}
    images = Images([each for each in wanted if not each.labels])
    landings = _Landings(source, operation)
    reasons: dict[str, str] = {}
    for labels in (each for each in wanted if each.labels):
        partners = images.partners_of(labels, patterns)
        if to_do.isdisjoint(each.output for each in (labels, *partners)):
            continue
        if not partners:
            work.unpaired.append(labels.found.name)
        own = landings.of(labels)
        theirs = [landing for each in partners if (landing := landings.of(each))]
        if own is None or not theirs or not all(own.difference(landing) for landing in theirs):
            continue
        names = f"labels {labels.found.name} would not land on the grid of {partners[0].found.name}"
        why = f"{names} ({own.difference(theirs[0])}); put them on its grid first, with resample "
        # Of several images that may be theirs, none is to blame, unless the labels are done.
        is_one_to_one = len(partners) == 1 or labels.output not in to_do
        for each in (labels, *partners) if is_one_to_one else (labels,):
            reasons.setdefault(each.output, f"{each.found.name}: {why}--like")
    work.refuse(reasons)


class Images:
    """The images of a tree, to be found by what their names begin with."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        self.folders: dict[str, list[tuple[str, Wanted]]] = defaultdict(list)
        for each in wanted:
            folder, name = os.path.split(each.found.name)
            self.folders[folder].append((bare_stem(name, ()), each))
        for images in self.folders.values():
            images.sort(key=itemgetter(0))
        self.beside: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for folder in self.folders:
            for key in _with_one_part_open(folder):
                self.beside[key].append(folder)

    def partners_of(self, labels: Wanted, patterns: Sequence[str]) -> list[Wanted]:
        """Return the images that a label map may belong to.

        What a pattern says literally is taken out of the labels' name: ``t1_seg`` belongs to
        ``t1``, or else to ``t1_…``, in the same folder. Where nothing is left of the name, the
        images of that folder are meant. Where a pattern names the folder, as ``labels/*`` does,
        images may also be in one whose path differs in one part, such as ``images``.
        """
        path = labels.found.name
        folder, name = os.path.split(path)
        stem = bare_stem(name, patterns)
        if found := self._named(stem, [folder], _kind(labels)):
            return found
        if not matches_any(path, [pattern for pattern in patterns if "/" in pattern]):
            return []
        beside = {each for key in _with_one_part_open(folder) for each in self.beside[key]}
        return self._named(stem, sorted(beside - {folder}), _kind(labels))

    def _named(self, stem: str, folders: list[str], kind: str) -> list[Wanted]:
        exact, longer = [], []
        for folder in folders:
            images = self.folders.get(folder, [])
            for known, each in images[bisect_left(images, stem, key=itemgetter(0)) :]:
                if not known.startswith(stem):
                    break
                if _kind(each) != kind:
                    continue
                if known == stem:
                    exact.append(each)
                elif not stem or known[len(stem)] in SEPARATORS:
                    longer.append(each)
        return exact or longer


def _with_one_part_open(folder: str) -> list[tuple[str, ...]]:
    """Return a folder's parts, with each in turn left empty."""
    parts = folder.split("/") if folder else []
    return [(*parts[:index], "", *parts[index + 1 :]) for index in range(len(parts))]


def bare_stem(name: str, patterns: Sequence[str]) -> str:
    """Return a label map's name without what the patterns name it by, and without its suffix.

    >>> bare_stem("sub-01_T1w_seg.nii.gz", ["*_seg*"])
    'sub-01_T1w'
    """
    stem = name[: len(name) - len(suffix_of(name))]
    for pattern in patterns:
        glob = pattern.rpartition("/")[2]
        glob = glob[: len(glob) - len(suffix_of(glob))]
        for literal in filter(None, WILD.split(glob)):
            before, _, after = stem.rpartition(literal)
            stem = (before + after).strip(SEPARATORS) if literal in stem else stem
    return stem


def _kind(each: Wanted) -> str:
    return format_of(suffix_of(each.found.name)).kind


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
            job: Any = plan  # only resample knows labels
            header = job.header
            grid = header.grid if header is not None and max(header.codes) > 0 else None
            return Landing(tuple(reversed(job.resampler.shape_out)), grid)
