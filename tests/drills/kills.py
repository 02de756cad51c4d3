"""``kill -9`` at random moments: nothing half-written, and the same command goes on."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
from scene import (
    Count,
    check_journal,
    check_nobody_left,
    complete,
    ended,
    files_in,
    finish,
    is_temporary,
    lost_in,
    make_tree,
    not_whole,
    opened_by,
    start,
    strays_in,
    wait_until,
    workers_of,
)

MOST_IN_A_ROW = 4
"""Kills before a batch is let go on to its end; it may get there before."""

VOLUMES = ("--pattern", "*.nii*", "--pattern", "*.hdr")


def at_random_moments(folder: Path) -> Count:
    return _drill(folder, 8, 1.0, "--scale", 1.6)


def with_records(folder: Path) -> Count:
    return _drill(folder, 4, 0.5, "--scale", 1.4, "--record", *VOLUMES)


def with_indices(folder: Path) -> Count:
    return _drill(folder, 4, 0.5, "--op", "pool", "--kernel-size", 2)


def over_older_outputs(folder: Path) -> Count:
    return _drill(folder, 4, 0.5, "--scale", 1.5, older=("--scale", 1.2))


def _drill(folder: Path, kills: int, size: float, *options: object, older=()) -> Count:
    source, target, whole = (folder / name for name in ("source", "target", "whole"))
    make_tree(source, size)
    rng = random.Random(kills)
    command = (source, target, "--jobs", 2, *options)
    began = time.monotonic()
    assert complete(source, whole, "--jobs", 2, *options) == (0, [])
    seconds = time.monotonic() - began
    before: dict[str, bytes] = {}
    if older:
        assert complete(source, folder / "older", "--jobs", 2, *older) == (0, [])
        before = files_in(folder / "older")
    expected, count = files_in(whole), Count()
    while count.tried < kills:
        shutil.rmtree(target, ignore_errors=True)
        if older:
            shutil.copytree(folder / "older", target)
        count += _in_a_row(command, rng, seconds, kills - count.tried, (expected, before))
    return count


def _in_a_row(command, rng, seconds, most, allowed) -> Count:
    """Kill a batch and what resumes it, until it is done; check what there is each time."""
    target, (expected, _) = command[1], allowed
    count = Count()
    for _ in range(min(most, MOST_IN_A_ROW)):
        with ended(start(*command)) as batch:
            time.sleep(rng.uniform(0, seconds))
            if batch.poll() is not None:
                break
            count.tried += 1
            # Alone, its workers find out; the whole group dies as with its machine or its cgroup.
            kill = os.killpg if rng.random() < 0.5 else os.kill
            kill(batch.pid, signal.SIGKILL)
            check_nobody_left(batch)
        count.lost += len(not_whole(target, *allowed))
        check_journal(target)
    code, told = complete(*command)
    assert (code, told) == (0, []), told
    check_journal(target)
    return count + Count(0, len(lost_in(target, expected)), len(strays_in(target, expected)))


def workers_at_work(batch: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the workers that have begun an output."""
    return [worker for worker in workers_of(batch) if any(map(is_temporary, opened_by(worker.pid)))]


def kill_one_of(workers: list[psutil.Process], rng: random.Random) -> bool:
    for worker in rng.sample(workers, min(1, len(workers))):
        worker.kill()
    return bool(workers)


def of_workers(folder: Path) -> Count:
    """Kill a worker: its file fails, all others are done, and a retry does the one that failed."""
    source, target, whole = (folder / name for name in ("source", "target", "whole"))
    make_tree(source, 0.5)
    command = (source, target, "--jobs", 2, "--scale", 1.5)
    assert complete(source, whole, *command[2:]) == (0, [])
    expected, count, rng = files_in(whole), Count(), random.Random(4)
    while count.tried < 3:
        shutil.rmtree(target, ignore_errors=True)
        with ended(start(*command)) as batch:
            assert wait_until(lambda: workers_at_work(batch))
            time.sleep(rng.uniform(0, 0.3))
            assert wait_until(lambda: kill_one_of(workers_at_work(batch), rng))
            code, told = finish(batch)
        missing = {name.partition(".")[0] for name in lost_in(target, expected)}
        assert (code, len(told), len(missing) <= 1) == (1, 1, True), (code, told, missing)
        assert "was killed, perhaps for lack of memory" in told[0], told
        count.strays += len(strays_in(target, expected))
        count.lost += len(not_whole(target, expected))
        assert complete(*command, "--retry-failed") == (0, [])
        count.lost += len(lost_in(target, expected))
        count.tried += 1
    return count
