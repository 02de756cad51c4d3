"""The same bytes in every process, wherever the system puts its memory.

A process of its own for each attempt: what ISA-L once hashed was an address, which stays as it is
while a process lasts. Most deflate thousands of short streams, each at an address of its own, from
data in which every wrong hash shows; the others are commands. How many of as many processes differ
that use python-isal as it is tells how sharp the drill is.
"""

import hashlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from processes import SAMPLES, command_line, environment
from scene import Count

PROCESSES, ROUNDS, FOR_COMPARISON = 200, 3, 20
AT_ONCE, SECONDS = 2, 120
LEVELS = (0, 1, 2, 3)

PROGRAM = """
import hashlib, sys
import numpy as np
{imports}

seed, level = int(sys.argv[1]), int(sys.argv[2])
made, own, junk = np.random.default_rng(0), np.random.default_rng(seed), []
digest = hashlib.md5()
for length in made.integers(70, 1500, 1500):
    data = made.integers(0, 3, length, np.uint8).tobytes()
    junk.append(bytearray(int(own.integers(1, 150_000))))  # it moves what comes after it
    if len(junk) > 20:
        del junk[int(own.integers(20))]
    digest.update({deflate})
print(digest.hexdigest())
"""
OURS = PROGRAM.format(
    imports="from upsample_cli.files.deflate import deflated", deflate="deflated(data, level)"
)
ISAL = PROGRAM.format(
    imports="from isal import isal_zlib",
    deflate="(c := isal_zlib.compressobj(level, 8, -15)).compress(data) + c.flush()",
)

COMMANDS = {
    "photo.png": ["resample", SAMPLES / "photo.png", "photo.png", "--scale", 1.5],
    "pooled.nii.gz": ["pool", SAMPLES / "brain.nii.gz", "pooled.nii.gz", "--kernel-size", 2],
    **{
        f"{level}{suffix}": [
            *("resample", source, f"{level}{suffix}"),
            *("--compress-level", level, "--scale", 2),
        ]
        for level in LEVELS
        for suffix, source in ((".nii.gz", SAMPLES / "brain.nii.gz"), (".mgz", "../volume.mgz"))
    },
}


def in_every_process(folder: Path, processes: int = PROCESSES, rounds: int = ROUNDS) -> Count:
    assert int(Path("/proc/sys/kernel/randomize_va_space").read_text()), "addresses are not random"
    volume = nib.load(SAMPLES / "brain.nii.gz")
    nib.save(nib.MGHImage(np.float32(volume.dataobj), volume.affine), folder / "volume.mgz")
    count = Count(remarks=[])
    of_streams = _odd_streams(OURS, processes)
    of_commands = _odd(_of_each(partial(_digests_of_outputs, folder), range(rounds)))
    count.tried, count.lost = processes + rounds * len(COMMANDS), of_streams + of_commands
    alone = _odd_streams(ISAL, FOR_COMPARISON, levels=(1, 2))
    count.remarks.append(f"python-isal as it is: {alone} of {FOR_COMPARISON} differ")
    return count


def _odd_streams(program: str, processes: int, levels: tuple[int, ...] = LEVELS) -> int:
    def digest(number: int) -> dict[str, str]:
        level = levels[number % len(levels)]
        return {str(level): _run([sys.executable, "-c", program, number, level])}

    return _odd(_of_each(digest, range(processes)))


def _of_each(do, numbers: Iterable[int]) -> list[dict[str, str]]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(do, numbers))


def _odd(digests: list[dict[str, str]]) -> int:
    """Return how many digests are not the usual one of their name."""
    odd = 0
    for name in {name for each in digests for name in each}:
        found = Counter(each[name] for each in digests if name in each)
        odd += found.total() - max(found.values())
    return odd


def _digests_of_outputs(folder: Path, number: int) -> dict[str, str]:
    own = folder / f"{number}"
    own.mkdir()
    for command in COMMANDS.values():
        options = "--quiet", "--threads", 1 + number % 3
        _run(command_line(*command, *options), cwd=own, FILLER="x" * 1000 * number)
    return {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in own.iterdir()}


def _run(command, cwd: Path | None = None, **changes: str) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment(**changes),
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return done.stdout
