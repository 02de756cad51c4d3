"""The campaign: a process a format, watched for how it ends, until the time is over."""

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from processes import environment

from fuzz.finds import Finds
from fuzz.formats import FORMATS

GUIDED, RANDOM = "atheris", "random"
WORTH_GUIDING = 60
"""Seconds of a format: instrumenting the readers takes ten of them."""
GRACE = 60
"""Seconds that a worker may need to start and to end, beyond its time."""


@dataclass
class Tally:
    """What was tried on one format."""

    cases: int = 0
    seconds: float = 0
    coverage: int = 0
    megabytes: int = 0
    ends: list[str] = field(default_factory=list)

    def add(self, progress: dict, seconds: float, said: str) -> None:
        """Take what a worker has left behind."""
        self.cases += progress.get("cases", 0)
        self.megabytes = max(self.megabytes, progress.get("megabytes", 0))
        self.seconds += seconds
        self.coverage = max([self.coverage, *map(int, re.findall(r"cov: (\d+)", said))])


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="tests/fuzz", description=__doc__.split("\n")[0])
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, help="for all formats together (default: 1)")
    length.add_argument("--seconds", type=float, help="the same in seconds")
    parser.add_argument("--only", metavar="FORMAT", action="append", choices=FORMATS)
    parser.add_argument("--seed", type=int, default=1, help="what the random numbers follow from")
    parser.add_argument(
        "--engine", choices=(GUIDED, RANDOM), help=f"default: {GUIDED} if there, for long"
    )
    parser.add_argument("--finds", metavar="FOLDER", type=Path, help="where cases that fail go")
    return parser.parse_args()


def main() -> int:
    """Run the campaign; return 1 if anything was found."""
    asked = arguments()
    formats = asked.only or list(FORMATS)
    total = asked.seconds or 60 * (asked.minutes or 1)
    can_guide = total / len(formats) >= WORTH_GUIDING and importlib.util.find_spec("atheris")
    engine = asked.engine or (GUIDED if can_guide else RANDOM)
    finds = Finds(asked.finds or Path(tempfile.mkdtemp(prefix="fuzz-finds-")))
    tallies = {}
    for number, format in enumerate(formats):
        tallies[format] = fuzz(format, total / len(formats), asked.seed + number, engine, finds)
        print(_line(format, tallies[format]), flush=True)  # noqa: T201
    cases = sum(tally.cases for tally in tallies.values())
    found = finds.names()
    where = f"; see {finds.folder}" if found else ""
    print(f"{cases} cases by {engine}, {len(found)} kinds of finds{where}")  # noqa: T201
    return 1 if found else 0


def fuzz(format: str, seconds: float, seed: int, engine: str, finds: Finds) -> Tally:
    """Fuzz one format, again and again if a worker dies."""
    tally, end = Tally(), time.monotonic() + seconds
    # Starting takes seconds of its own, which a short campaign does not have twice.
    while (left := end - time.monotonic()) > min(3, seconds / 2):
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            words = [format, left, seed, engine, folder, finds.folder]
            code, said = _run_worker([str(word) for word in words], left + GRACE)
            progress = Path(folder, "progress.json")
            facts = json.loads(progress.read_text()) if progress.exists() else {}
            tally.add(facts, time.monotonic() - started, said)
            if code == 0:
                break
            case, hang = Path(folder, "case"), Path(folder, "hang")
            said += hang.read_text() if hang.exists() else ""
            tally.ends.append(f"a worker ended with {code}")
            finds.add(format, case.read_bytes() if case.exists() else b"", f"ended {code}\n{said}")
        seed += 1000
    return tally


def _run_worker(words: list[str], limit: float) -> tuple[int, str]:
    start = f"import sys; sys.path[:1] = {sys.path[:2]}; from fuzz.worker import main; main()"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-c", start, *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(),
        )
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        log.seek(0)
        return code, log.read().decode(errors="replace")[-4000:]


def _line(format: str, tally: Tally) -> str:
    coverage = f", coverage {tally.coverage}" if tally.coverage else ""
    ends = f"; {', '.join(tally.ends)}" if tally.ends else ""
    return (
        f"{format:8} {tally.cases:7} cases in {tally.seconds:4.0f} s, "
        f"at most {tally.megabytes} MiB{coverage}{ends}"
    )
