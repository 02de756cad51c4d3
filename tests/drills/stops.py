"""SIGINT and SIGTERM: 130 or 143 within two seconds, one line, and nothing half-written."""

import itertools
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
from scene import (
    Count,
    check_nobody_left,
    ended,
    files_in,
    finish,
    is_temporary,
    opened_by,
    start,
    wait_until,
    workers_of,
)
from volumes import write_volume

STAGES = ("listing", "workers", "image", "volume")
SECONDS = 2.0
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
Batch = subprocess.Popen[bytes]


def at_every_stage(folder: Path) -> Count:
    """Stop a batch while it lists, starts workers, and is amid a large image or a volume."""
    _make_sources(folder)
    count = Count()
    slowest = 0.0
    for stage, number, send in itertools.product(STAGES, CODES, (os.kill, os.killpg)):
        # A second try for a machine that was busy with something else.
        for _ in range(2):
            seconds, lost, strays = _stop(folder, stage, number, send)
            if seconds <= SECONDS:
                break
        assert seconds <= SECONDS, f"{stage}: {seconds:.1f} s after {number.name}"
        slowest = max(slowest, seconds)
        count += Count(1, lost, strays)
    count.remarks.append(f"within {slowest:.2f} s")
    return count


def twice(folder: Path) -> Count:
    """Let people be impatient: what comes while all is tidied up changes nothing."""
    _make_sources(folder)
    count = Count()
    for pause in (0.0, 0.01, 0.03):

        def send(pid: int, number: int, pause: float = pause) -> None:
            for _ in range(4):
                os.killpg(pid, number)
                time.sleep(pause)

        _, lost, strays = _stop(folder, "volume", signal.SIGINT, send)
        count += Count(1, lost, strays)
    return count


def _make_sources(folder: Path) -> None:
    rng = np.random.default_rng(1)
    for stage in STAGES:
        (folder / stage).mkdir()
    for number in range(4000):
        (folder / "listing" / f"{number % 80}").mkdir(exist_ok=True)
        (folder / "listing" / f"{number % 80}" / f"{number}.npy").touch()
    (folder / "workers" / "a.npy").touch()
    with open(folder / "image" / "large.pgm", "wb") as file:
        file.write(b"P5 8000 8000 255\n")
        file.write(rng.integers(0, 256, 64_000_000, np.uint8))
    write_volume(folder / "volume" / "a.nii.gz", rng.integers(0, 999, (160, 160, 96), "i2"))


def _has_written(target: Path, least: int) -> bool:
    sizes = [path.stat().st_size for path in target.glob(".upsample-*") if is_temporary(path.name)]
    return any(size >= least for size in sizes)


def _has_come_to(stage: str, batch: Batch, source: Path, target: Path) -> object:
    """Whether a batch has got to where it is to be stopped."""
    if stage == "listing":
        return any(name.startswith(str(source)) for name in opened_by(batch.pid))
    if stage == "workers":
        return workers_of(batch)
    # Of an image the output is begun before pixels are computed, and written at the end.
    return _has_written(target, 0 if stage == "image" else 100_000)


def _stop(folder: Path, stage: str, number: int, send) -> tuple[float, int, int]:
    """Stop one batch; return the seconds it took, and the outputs and strays that it left."""
    source, target = folder / stage, folder / "target"
    shutil.rmtree(target, ignore_errors=True)
    batch = start(source, target, "--scale", 1.3, "--mode", "lanczos", "--jobs", 2, "--quiet")
    with ended(batch):
        assert wait_until(
            lambda: batch.poll() is not None or _has_come_to(stage, batch, source, target)
        )
        time.sleep(0.15 if stage == "image" else 0)
        sent = time.monotonic()
        send(batch.pid, number)
        code, told = finish(batch)
        seconds = time.monotonic() - sent
        check_nobody_left(batch)
    # The interpreter, when it has nothing left to do, dies of a signal; shells call both 130.
    assert code in (CODES[number], -number), (stage, code, told)
    assert len(told) == 1, told
    left = files_in(target) if target.is_dir() else {}
    temporary = sum(map(is_temporary, left))
    return seconds, len(left) - temporary, temporary
