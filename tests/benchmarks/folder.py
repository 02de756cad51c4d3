"""Measure a folder of small images beside its peers: ``python tests/benchmarks/folder.py``.

Writes ``folder.md``. Every contender doubles 1,000 PNGs of 256×256 pixels; those that start a
process for every file do it one after the other, as a shell's loop does.
"""

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from inputs import photo
from machine import description
from measure import Contender, Figures, Sample, interleaved, launch
from PIL import Image
from programs import IMAGE_PEERS, PEERS, own_command
from report import duration, table

FILES, ROUNDS, SIDE = 1000, 3, 256
OURS, LOOP, SCRIPT, TOOL = (
    "upsample-cli batch",
    "Pillow loop",
    "Pillow script a file",
    "ImageMagick",
)
HERE = Path(__file__).parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="folder.py", description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=FILES, help=f"default: {FILES}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder / "in", options.files)
        figures, absent = interleaved(contenders(folder), options.rounds)
    text = report(figures, absent, options)
    print(text)  # noqa: T201
    if options.files == FILES:
        (HERE / "folder.md").write_text(text)


def write_images(folder: Path, count: int) -> None:
    """Write PNGs that compress as photographs do."""
    folder.mkdir()
    whole, random = photo(), np.random.default_rng(3)
    for number in range(count):
        y, x = (int(random.integers(0, n - SIDE)) for n in whole.shape[:2])
        crop = whole[y : y + SIDE, x : x + SIDE]
        Image.fromarray(np.ascontiguousarray(crop)).save(folder / f"{number:04d}.png")


def contenders(folder: Path) -> dict[str, Contender]:
    """Return the contenders, each of which makes its own folder anew."""
    cores = str(len(os.sched_getaffinity(0)))
    source, output = str(folder / "in"), folder / "out"
    loop = [sys.executable, str(PEERS / "pillow_folder.py"), source, str(output), cores]
    commands = {
        OURS: own_command("batch", source, str(output), "--scale", "2", "--quiet"),
        LOOP: loop,
        SCRIPT: for_each(source, output, "Pillow"),
        TOOL: for_each(source, output, "ImageMagick"),
    }
    return {name: fresh(command, output) for name, command in commands.items() if command}


def for_each(source: str, output: Path, peer: str) -> list[str]:
    """Return a shell's loop that starts a peer for every file."""
    command = IMAGE_PEERS[peer].command("SOURCE", "TARGET")
    if command is None:
        return []
    words = {"SOURCE": '"$f"', "TARGET": f'{shlex.quote(str(output))}/"${{f##*/}}"'}
    line = " ".join(words.get(word) or shlex.quote(word) for word in command)
    script = f"mkdir -p {shlex.quote(str(output))}; for f in {shlex.quote(source)}/*.png; do {line}"
    return ["sh", "-ec", f"{script}; done"]


def fresh(command: list[str], output: Path) -> Contender:
    def run() -> Sample:
        shutil.rmtree(output, ignore_errors=True)
        return launch(command)[0]

    return run


def report(figures: dict[str, Figures], absent: dict[str, str], options: argparse.Namespace) -> str:
    facts = [f"- {name}: {fact}" for name, fact in description().items()]
    ours = figures[OURS].seconds
    rows = [
        [name, duration(each.seconds), f"{each.seconds / ours:.1f}×"]
        for name, each in figures.items()
    ]
    rows += [[name, why, ""] for name, why in absent.items()]
    title = f"# {options.files:,} PNGs, 256×256 → 512×512, in a folder"
    rule = f"Medians of {options.rounds} interleaved rounds, after one that is not counted."
    return "\n\n".join([title, "\n".join(facts), rule, table(["", "time", "ours"], rows)]) + "\n"


if __name__ == "__main__":
    main()
