"""A folder of 10,000 files: listed within a second, and a resume that has nothing to do is quick.

All are links to one file, and so are the outputs, whose journal has a real line's copies.
"""

import json
import os
import time
from pathlib import Path

import numpy as np
from scene import JOURNAL, Count, complete

from upsample_cli.batch.finding import Selection, find

FILES = 10_000
COMMAND = ("--scale", 2, "--jobs", 1)


def ten_thousand_files(folder: Path) -> Count:
    source, target = folder / "source", folder / "target"
    source.mkdir()
    np.save(source / "00000.npy", np.zeros((2, 2), "f4"))
    assert complete(source, target, *COMMAND) == (0, [])
    last = (target / JOURNAL).read_text().splitlines()[-1]
    names = [f"{number:05}.npy" for number in range(1, FILES)]
    with open(target / JOURNAL, "a", encoding="ascii") as journal:
        for name in names:
            for place in (source, target):
                os.link(place / "00000.npy", place / name)
            journal.write(last.replace("00000.npy", name) + "\n")
    listing = min(_seconds(find, str(source), str(target), Selection()) for _ in range(3))
    assert listing < 1, f"listing took {listing:.2f} s"
    began = time.monotonic()
    assert complete(source, target, *COMMAND, "--log", folder / "log.jsonl") == (0, [])
    resume = time.monotonic() - began
    began = time.monotonic()
    assert complete(source, target, *COMMAND, "--dry-run") == (0, [])
    preview = time.monotonic() - began
    log = (folder / "log.jsonl").read_text().splitlines()
    statuses = [json.loads(line)["status"] for line in log]
    remark = f"listed in {listing:.2f} s, resumed in {resume:.1f} s, dry run in {preview:.1f} s"
    return Count(FILES, lost=FILES - statuses.count("skipped"), remarks=[remark])


def _seconds(do, *arguments) -> float:
    began = time.monotonic()
    do(*arguments)
    return time.monotonic() - began
