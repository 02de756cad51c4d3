"""Measure upsample-cli beside its peers: ``python tests/benchmarks``.

Writes ``results.md``, ``results.png`` and ``scale.png``, and ``results.json`` that they are drawn
from. Peers that are not installed are listed as such.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

if sys.platform != "linux":
    sys.exit("tests/benchmarks: needs Linux, whose os.wait4 gives peak memory in kilobytes")

import in_memory
import machine
import picture
import programs
import report
import scale
from cases import KERNELS, OURS, PROCESSES, Kernel, Process
from measure import Figures, interleaved, timed

ROUNDS, QUICK_ROUNDS, SCALE_ROUNDS = 7, 3, 3
QUICK_DIVISOR = 4
SCALE = "scale"
HERE = Path(__file__).parent
STORED = "results.json"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small data, few rounds")
    parser.add_argument(
        "--only", metavar="NAME", action="append", help="cases whose name has this; 'scale' too"
    )
    parser.add_argument("--rounds", metavar="N", type=int, help=f"rounds (default: {ROUNDS})")
    parser.add_argument(
        "--output", metavar="DIR", type=Path, help="default: this folder; for --quick, quick/ in it"
    )
    parser.add_argument(
        "--draw", action="store_true", help="measure nothing, write from results.json"
    )
    options = parser.parse_args()
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    # Quick numbers must not take the place of real ones.
    options.output = options.output or (HERE / "quick" if options.quick else HERE)
    if options.draw and not (options.output / STORED).exists():
        parser.error(f"--draw: there is no {STORED} in {options.output}; measure first")
    return options


def main() -> None:
    options = arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    stored = options.output / STORED
    results = previous(stored, options)
    if not options.draw:
        with tempfile.TemporaryDirectory() as name:
            measure(results, options, stored, Path(name))
    (options.output / "results.md").write_text(report.markdown(results))
    picture.draw(results, options.output / "results.png")
    if results["scale"]:
        scale.draw(results["scale"], options.output / "scale.png")


def previous(stored: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return what was measured before, if with the same versions on the same machine."""
    fresh = {"machine": machine.description(), "is_quick": options.quick}
    if stored.exists():
        results = json.loads(stored.read_text())
        if options.draw or {key: results[key] for key in fresh} == fresh:
            for name, row in results["rows"].items():
                results["rows"][name] = {who: Figures(*figures) for who, figures in row.items()}
            return results
    return {**fresh, "rows": {}, "absent": {}, "scale": {}}


def measure(
    results: dict[str, Any], options: argparse.Namespace, stored: Path, folder: Path
) -> None:
    """Measure every case that is asked for; what is done is stored at once."""
    for case in [*PROCESSES, *KERNELS]:
        if is_wanted(case.name, options):
            say(case.name)
            work = case.smaller(QUICK_DIVISOR) if options.quick else case
            results["rows"][case.name], results["absent"][case.name] = side_by_side(
                work, options.rounds, folder
            )
            stored.write_text(json.dumps(results, indent=1))
    if is_wanted(SCALE, options):
        say(SCALE)
        depths = scale.QUICK_DEPTHS if options.quick else scale.DEPTHS
        results["scale"] = scale.measure(depths, min(SCALE_ROUNDS, options.rounds), folder)
        stored.write_text(json.dumps(results, indent=1))


def is_wanted(name: str, options: argparse.Namespace) -> bool:
    return not options.only or any(part in name for part in options.only)


def side_by_side(
    case: Kernel | Process, rounds: int, folder: Path
) -> tuple[dict[str, Figures], dict[str, str]]:
    """Return a case's figures, and why some peers have none."""
    if isinstance(case, Process):
        runs, absent = programs.contenders(case, folder)
    else:
        calls, absent = in_memory.contenders(case)
        runs = {name: timed(call) for name, call in calls.items()}
    row, failures = interleaved(runs, rounds)
    if OURS in failures:
        sys.exit(f"{case.name}: {OURS} {failures[OURS]}")
    return in_memory.with_faster_layout(row), absent | failures


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)  # noqa: T201


main()
