"""Break batches as machines and people do, as real processes: ``python tests/drills``.

Prints what each drill tried, how many outputs were lost (missing, mixed or not whole at the end)
and how many stray files were left. The exit code is 1 if any was, or if a drill failed otherwise.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

if sys.platform != "linux":
    sys.exit("tests/drills: needs Linux, whose /proc tells what a process is at")

sys.path.append(str(Path(__file__).parent.parent))

import at_once
import caches
import forks
import full_disk
import kills
import many
import same_bytes
import stops
from processes import command_line, environment
from scene import Count

DRILLS = {
    "kill -9 at random moments, then resume": kills.at_random_moments,
    "kill -9 over outputs of other options": kills.over_older_outputs,
    "kill -9 with records beside outputs": kills.with_records,
    "kill -9 with indices beside outputs": kills.with_indices,
    "kill -9 of a worker": kills.of_workers,
    "SIGINT and SIGTERM, to one and to all": stops.at_every_stage,
    "Ctrl-C twice": stops.twice,
    "disk full: a small disk": full_disk.on_a_small_disk,
    "disk full: a limit on files": full_disk.at_a_limit,
    "two batches on one target at once": at_once.at_the_same_instant,
    "cache folder missing, in the way, corrupt": caches.of_every_kind,
    "forks in a process with threads": forks.among_threads,
    "forks while a thread compiles": forks.while_a_thread_compiles,
    "the same bytes in every process": same_bytes.in_every_process,
    "10,000 files": many.ten_thousand_files,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/drills", description=__doc__.split("\n")[0])
    parser.add_argument("--only", metavar="WORD", default="", help="drills whose name has this")
    chosen = {name: do for name, do in DRILLS.items() if parser.parse_args().only in name}
    subprocess.run(command_line("warmup", "--quiet"), env=environment(), check=True)
    started, total, failed = time.monotonic(), Count(), 0
    for name, drill in chosen.items():
        began = time.monotonic()
        count, failure = run(drill)
        count.remarks.append(f"{time.monotonic() - began:.0f} s")
        total += count
        failed += bool(failure or count.lost or count.strays)
        line(name, count, failure)
    total.remarks.append(f"{time.monotonic() - started:.0f} s")
    line("all", total, f"{failed} drills failed" if failed else "")
    return 1 if failed else 0


def run(drill) -> tuple[Count, str]:
    """Run a drill in a folder of its own; return what it counted, and what else went wrong."""
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        try:
            return drill(Path(folder)), ""
        except Exception as error:
            traceback.print_exc()
            return Count(), f"failed: {error}".splitlines()[0]


def line(name: str, count: Count, remark: str) -> None:
    numbers = f"tried {count.tried:3}, lost {count.lost}, strays {count.strays}"
    remarks = "; ".join(filter(None, [*count.remarks, remark]))
    print(f"{name:42} {numbers}" + (f"; {remarks}" if remarks else ""), flush=True)


if __name__ == "__main__":
    sys.exit(main())
