"""A part of the inputs, the same wherever it is computed: for arrays of jobs on a cluster."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace

from upsample_cli.batch.finding import Found
from upsample_cli.errors import RequestError


@dataclass(frozen=True)
class Shard:
    """Part ``number``, from 1, of ``count``."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Return the shard that a text names.

        >>> Shard.parse("2/8")
        Shard(number=2, count=8)

        Raises
        ------
        RequestError
            If it is not two numbers I/N with 1 <= I <= N.
        """
        number, _, count = text.partition("/")
        if number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
            return cls(int(number), int(count))
        problem = f"{text!r} is not a part of a whole"
        raise RequestError("--shard", problem, "use I/N with I from 1 to N, such as 2/8")

    def of(self, inputs: Sequence[Found]) -> list[Found]:
        """Return this shard's inputs, in their order; every input is in one shard of a count.

        The largest goes first, each to the shard with the fewest bytes so far, so that all end at
        about one time.
        """
        loads = [(0, number) for number in range(1, self.count + 1)]
        heapify(loads)
        mine = set()
        for found in sorted(inputs, key=lambda found: (-found.bytes, os.fsencode(found.name))):
            load, number = loads[0]
            # A file that is empty, or a link to nothing, is work too.
            heapreplace(loads, (load + found.bytes + 1, number))
            if number == self.number:
                mine.add(found.name)
        return [found for found in inputs if found.name in mine]
