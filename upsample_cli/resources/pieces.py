"""How much is worked on at once."""

from collections.abc import Iterator
from dataclasses import dataclass

LARGEST_DIVISION = 64


@dataclass(frozen=True)
class Pieces:
    """How many threads work, and by what the size of what they take at once is divided.

    The output's bytes are the same for any pieces; larger ones are faster.
    """

    threads: int = 1
    division: int = 1

    def smaller(self) -> Iterator["Pieces"]:
        """Yield these, then ever smaller ones: with fewer threads only where nothing else helps.

        >>> [p.threads for p in Pieces(4).smaller() if p.division == 1]
        [4, 2, 1]
        """
        threads = self.threads
        while threads:
            division = self.division
            while division <= LARGEST_DIVISION:
                yield Pieces(threads, division)
                division *= 2
            threads //= 2
