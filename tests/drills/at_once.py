"""Two batches on one target: one works, the other is refused, and outputs are never mixed."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
from scene import Count, complete, ended, files_in, finish, lost_in, not_whole, start, strays_in

ATTEMPTS = 20
REFUSED = (2, "another batch is at work in it; wait for its end")


def at_the_same_instant(folder: Path) -> Count:
    source, target = folder / "source", folder / "target"
    source.mkdir()
    for number in range(3):
        np.save(source / f"{number}.npy", np.full((60, 60 + number), number, "f4"))
    requests = {size: (source, target, "--jobs", 1, "--size", size) for size in (128, 256)}
    expected = {}
    for size, request in requests.items():
        assert complete(source, folder / f"{size}", *request[2:]) == (0, [])
        expected[size] = files_in(folder / f"{size}")
    count, ends = Count(), Counter[str]()
    for attempt in range(ATTEMPTS):
        if attempt % 5 == 0:
            shutil.rmtree(target, ignore_errors=True)
        second = 128 if attempt % 2 else 256
        force = ("--force",) if attempt % 4 > 1 else ()
        ends[_both(requests[128] + force, requests[second] + force)] += 1
        count.lost += len(not_whole(target, *expected.values()))
        count.strays += len(strays_in(target, expected[128]))
        count.tried += 1
    assert complete(*requests[128]) == (0, [])
    count.lost += len(lost_in(target, expected[128]))
    count.remarks += [f"{number}× {how}" for how, number in sorted(ends.items())]
    return count


def _both(first, second) -> str:
    """Run two batches at once; return how they ended, in words."""
    with ended(start(*first)) as one, ended(start(*second)) as other:
        codes = []
        for code, told in (finish(one), finish(other)):
            codes.append(code)
            assert code == 0 or (code == REFUSED[0] and REFUSED[1] in told[0]), (code, told)
            assert len(told) == bool(code), told
    return {0: "one after the other", 1: "one refused", 2: "both refused"}[codes.count(2)]
