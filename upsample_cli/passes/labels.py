"""What is learnt about the labels of a file while it passes by, slab by slab."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.kernels.labels import tally
from upsample_cli.passes.streamed import Planes

Array = NDArray[Any]

LISTED = 10
"""So many labels are named in a message."""
FEW_VALUES = 256
"""A volume of more distinct values is not taken for a label map."""
LEAST_RUN = 2.0
"""The mean run of equal voxels along x, the commonest value aside, from which it may be one."""
EVIDENCE = 2**18
"""Voxels, the commonest value aside, after which short runs settle that it is none."""


class LabelCounts:
    """How many voxels each label has, and in how many runs along the fastest axis.

    Labels, as against what a scan measures, are few values in long runs.
    """

    def __init__(self) -> None:
        self.voxels: dict[int, int] = {}
        self.runs: dict[int, int] = {}

    def add(self, labels: Array) -> None:
        """Count the elements of an array, by their bits."""
        flat = np.ascontiguousarray(labels).reshape(-1)
        bits = flat.view(f"u{flat.dtype.itemsize}")
        slots = 1024
        while bits.size:
            keys = np.zeros(slots, bits.dtype)
            counts, runs = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
            bits = bits[tally(bits, keys, counts, runs, slots // 2) :]
            used = np.flatnonzero(counts)
            found = keys[used].view(flat.dtype).tolist()
            for label, count, run in zip(found, counts[used], runs[used], strict=True):
                self.voxels[label] = self.voxels.get(label, 0) + int(count)
                self.runs[label] = self.runs.get(label, 0) + int(run)
            slots *= 2

    @property
    def is_settled(self) -> bool:
        """Whether there are too many values, or too short runs, for labels."""
        rest, runs = self._beside_commonest()
        return len(self.voxels) > FEW_VALUES or (rest > EVIDENCE and rest < LEAST_RUN * runs)

    @property
    def are_like_labels(self) -> bool:
        """Whether there are few values in long runs."""
        rest, runs = self._beside_commonest()
        return 0 < len(self.voxels) <= FEW_VALUES and rest >= LEAST_RUN * runs

    def _beside_commonest(self) -> tuple[int, int]:
        if not self.voxels:
            return 0, 0
        commonest = max(self.voxels, key=self.voxels.__getitem__)
        rest = sum(self.voxels.values()) - self.voxels[commonest]
        return rest, sum(self.runs.values()) - self.runs[commonest]


class Watch:
    """Sees the elements of a file before and after the resample; this one looks away."""

    @property
    def is_settled(self) -> bool:
        """Whether no more of the input needs to be seen."""
        return True

    def add_input(self, elements: Array) -> None:
        """See the next elements of the input."""

    def add_output(self, elements: Array) -> None:
        """See the next elements of the output; what they were made of has been seen."""

    def beyond(self, dtype: np.dtype[Any]) -> list[int]:  # noqa: ARG002
        """Return the labels so far that an integer dtype cannot hold, in order."""
        return []

    def warnings(self) -> Iterator[str]:
        """Yield what a user should know."""
        yield from ()


class VanishedLabels(Watch):
    """Which labels of the input no voxel of the output has; ``element`` is what has a label."""

    def __init__(self, element: str) -> None:
        self.element = element
        self.counts = LabelCounts()
        self.found: set[int] = set()

    @property
    def is_settled(self) -> bool:
        """No: every label counts."""
        return False

    @property
    def missing(self) -> set[int]:
        """The labels that have not been seen in the output yet."""
        return self.counts.voxels.keys() - self.found

    def add_input(self, elements: Array) -> None:
        """Count the labels of the input."""
        self.counts.add(elements)

    def add_output(self, elements: Array) -> None:
        """Look for the labels that are missing; there is no other."""
        if self.missing:
            seen = LabelCounts()
            seen.add(elements)
            self.found |= seen.voxels.keys()

    def warnings(self) -> Iterator[str]:
        """Yield a list of what has vanished."""
        lost = sorted(self.missing)
        if lost:
            named = ", ".join(map(self._named, lost[:LISTED]))
            more = f" and {len(lost) - LISTED} more" if len(lost) > LISTED else ""
            yield f"label{'s' if len(lost) > 1 else ''} {named}{more} vanished"

    def beyond(self, dtype: np.dtype[Any]) -> list[int]:
        """Return the labels so far that an integer dtype cannot hold, in order."""
        limits = np.iinfo(dtype)
        return [n for n in sorted(self.counts.voxels) if not limits.min <= n <= limits.max]

    def _named(self, label: int) -> str:
        count = self.counts.voxels[label]
        return f"{int(label)} ({count} {self.element}{'s' if count > 1 else ''})"


class WatchedPlanes:
    """Planes that a watch sees on their way, also those that are skipped: labels vanish there."""

    def __init__(self, source: Planes, watch: Watch) -> None:
        self.source = source
        self.watch = watch

    def read(self, count: int) -> Array:
        """Return the next planes."""
        planes = self.source.read(count)
        self.watch.add_input(planes)
        return planes

    def read_into(self, planes: Array) -> None:
        """Fill an array with the next planes."""
        self.source.read_into(planes)
        self.watch.add_input(planes)

    def skip(self, count: int) -> None:
        """Pass over the next planes; look at them while the watch is not settled."""
        while count and not self.watch.is_settled:
            self.read(1)
            count -= 1
        self.source.skip(count)


class HiddenLabels(Watch):
    """Whether an input that is blurred looks like labels; ``warning`` is what to say then."""

    def __init__(self, warning: str) -> None:
        self.warning = warning
        self.counts = LabelCounts()

    def add_input(self, elements: Array) -> None:
        """Count values until it is settled that they are no labels."""
        if not self.counts.is_settled:
            self.counts.add(elements)

    def warnings(self) -> Iterator[str]:
        """Yield the warning for what is like labels, with room for other values between."""
        values = self.counts.voxels
        if self.counts.are_like_labels and max(values) - min(values) > 1:
            yield self.warning
