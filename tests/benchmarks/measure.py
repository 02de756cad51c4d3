"""Time contenders side by side: each runs once a round, in an order that turns with the rounds."""

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

LAUNCH = Path(__file__).parent / "launch.py"
SAMPLE_SECONDS = 0.03
"""Calls shorter than this are repeated, and the mean of so many is one sample."""


class Sample(NamedTuple):
    seconds: float
    peak: int | None = None


class Figures(NamedTuple):
    """Medians over the rounds; ``peak`` in bytes, for a process."""

    seconds: float
    fastest: float
    peak: int | None
    rounds: int


class ContenderError(Exception):
    """A contender that could not do the work; the message says why."""


Contender = Callable[[], Sample]


def interleaved(
    contenders: dict[str, Contender], rounds: int
) -> tuple[dict[str, Figures], dict[str, str]]:
    """Return the figures of those that work, and the reasons of those that fail.

    The run before the first round fills caches, loads libraries and compiles; it is not counted.
    """
    failures: dict[str, str] = {}
    for name, run in contenders.items():
        try:
            run()
        except ContenderError as failure:
            failures[name] = str(failure)
    names = [name for name in contenders if name not in failures]
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % max(1, len(names))
        for name in names[first:] + names[:first]:
            samples[name].append(contenders[name]())
    return {name: figures_of(runs) for name, runs in samples.items()}, failures


def figures_of(samples: list[Sample]) -> Figures:
    seconds = [sample.seconds for sample in samples]
    peaks = [sample.peak for sample in samples if sample.peak is not None]
    peak = int(statistics.median(peaks)) if peaks else None
    return Figures(statistics.median(seconds), min(seconds), peak, len(samples))


def timed(call: Callable[[], object]) -> Contender:
    """Return the contender that times a call in this process."""
    repeats = 0

    def run() -> Sample:
        nonlocal repeats
        if not repeats:
            call()
            repeats = math.ceil(SAMPLE_SECONDS / _seconds_of(call, 1))
        return Sample(_seconds_of(call, repeats) / repeats)

    return run


def _seconds_of(call: Callable[[], object], repeats: int) -> float:
    begin = time.perf_counter()
    for _ in range(repeats):
        call()
    return time.perf_counter() - begin


def process(command: list[str], output: Path | None = None) -> Contender:
    """Return the contender that times a whole process, whose output is removed before each run."""

    def run() -> Sample:
        if output is not None:
            output.unlink(missing_ok=True)
        return launch(command)[0]

    return run


def launch(command: list[str]) -> tuple[Sample, str]:
    """Run a command to its end; return what it took, and what it wrote to standard error."""
    done = subprocess.run(
        [sys.executable, str(LAUNCH), *command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise ContenderError(f"failed: {lines[-1]}")
    return Sample(**json.loads(done.stdout)), done.stderr
