"""What the drills share: folders of inputs, batches as processes, and what is left of them."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image
from processes import TIMEOUT, command_line, environment
from volumes import write_volume

from upsample_cli.files.atomic import TEMPORARY_SUFFIX

JOURNAL = ".upsample-batch/journal.jsonl"
OWN_FILES = {JOURNAL, ".upsample-batch/lock"}
SECONDS_FOR_ORPHANS = 5
"""In which processes end whose parent was killed, on a busy machine."""


@dataclass
class Count:
    """What a drill did: attempts, outputs that were lost, files that nobody asked for."""

    tried: int = 0
    lost: int = 0
    strays: int = 0
    remarks: list[str] = field(default_factory=list)

    def __add__(self, other: "Count") -> "Count":
        sums = (getattr(self, name) + getattr(other, name) for name in ("tried", "lost", "strays"))
        return Count(*sums)


def make_tree(source: Path, size: float = 1.0) -> None:
    """Write 30 inputs of every kind, in nested folders; ``size`` is for the longest axis."""
    rng = np.random.default_rng(5)

    def noise(*shape: int, dtype: str = "i2") -> Any:
        shape = (max(4, int(shape[0] * size)), *shape[1:])
        return rng.integers(0, 200, shape).astype(dtype)

    for number in range(6):
        folder = source / f"sub-{number:02}" / "anat"
        folder.mkdir(parents=True)
        labels = noise(96, 80, 48, dtype="u1") // 40
        write_volume(folder / "t1.nii.gz", noise(96, 80, 48))
        write_volume(folder / "t1_seg.nii.gz", labels, intent_code=1002)
        write_volume(folder / "t2.nii", noise(64, 80, 48))
        write_volume(folder / "pd.hdr", noise(64, 64, 32))
        Image.fromarray(noise(700, 500, 3, dtype="u1")).save(folder / "slice.png")
    for number in range(2):
        np.save(source / f"features {number}.npy", noise(400, 300, dtype="f4"))


def start(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """Start a batch as the leader of a group of processes, as a shell does."""
    return subprocess.Popen(
        command_line("batch", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**options.pop("env", {})),
        start_new_session=True,
        **options,
    )


def finish(batch: subprocess.Popen[bytes]) -> tuple[int, list[str]]:
    """Return a batch's exit code, and its lines that tell more than what was done."""
    _, err = batch.communicate(timeout=TIMEOUT)
    told = [line for line in err.decode().splitlines() if line.startswith("upsample-cli: error: ")]
    others = [line for line in err.decode().splitlines() if line.startswith(("Trace", "Exception"))]
    return batch.returncode, told + others


def complete(*arguments: object, **options: Any) -> tuple[int, list[str]]:
    """Run a batch to its end."""
    return finish(start(*arguments, **options))


def files_in(folder: Path) -> dict[str, bytes]:
    """Return what the files of a target folder hold, but for the batch's own."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    named = {str(path.relative_to(folder)): path for path in paths}
    return {name: path.read_bytes() for name, path in named.items() if name not in OWN_FILES}


def is_temporary(name: str) -> bool:
    return name.endswith(TEMPORARY_SUFFIX)


def strays_in(target: Path, expected: dict[str, bytes]) -> list[str]:
    """Return the files of a target that an undisturbed batch does not leave."""
    return sorted(set(files_in(target)) - set(expected))


def not_whole(target: Path, *allowed: dict[str, bytes]) -> list[str]:
    """Return the outputs that are there and are not what one of some undisturbed runs wrote."""
    return [
        name
        for name, content in files_in(target).items()
        if not is_temporary(name) and content not in [each.get(name) for each in allowed]
    ]


def lost_in(target: Path, expected: dict[str, bytes]) -> list[str]:
    """Return the outputs that are missing, or not what an undisturbed run wrote."""
    there = files_in(target)
    return [name for name, content in expected.items() if there.get(name) != content]


def check_journal(target: Path) -> None:
    """Assert that every line of a journal is whole, but for the last one."""
    path = target / JOURNAL
    lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    for line in lines[:-1]:
        if line:
            json.loads(line)


def group_of(leader: int) -> list[psutil.Process]:
    """Return the processes of a group that run."""
    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (OSError, psutil.NoSuchProcess):
            continue
    return members


def workers_of(batch: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return a batch's workers that run."""
    return [process for process in group_of(batch.pid) if "spawn_main" in " ".join(_words(process))]


def opened_by(pid: int) -> list[str]:
    """Return the names of the files and folders that a process has open; none once it ended."""
    names = []
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            names.append(os.readlink(entry))
    except OSError:
        pass
    return names


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def wait_until(is_so: Callable[[], object], seconds: float = TIMEOUT) -> bool:
    """Return whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def check_nobody_left(batch: subprocess.Popen[bytes]) -> None:
    """Assert that no process of a batch outlives it."""
    gone = wait_until(lambda: not group_of(batch.pid), SECONDS_FOR_ORPHANS)
    assert gone, f"still there: {[_words(process) for process in group_of(batch.pid)]}"


@contextmanager
def ended(batch: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """End a batch and all of its processes, whatever happens."""
    try:
        yield batch
    finally:
        for process in group_of(batch.pid):
            process.send_signal(signal.SIGKILL)
        batch.communicate(timeout=TIMEOUT)
