"""How time and memory grow: one plane size, outputs of 512 × 512 × N int16 from 1 MB to 4 GB."""

import io
import shutil
import statistics
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
from charts import FAINT, GRID, OWN, PEER, WIDTH, Canvas
from inputs import head
from isal import igzip_threaded
from measure import launch

SCALED = Path(__file__).parent / "scaled.py"
PLANE = (256, 256)
DEPTHS = (1, 8, 64, 512, 4096)
QUICK_DEPTHS = DEPTHS[:3]
OUTPUT_PLANE = 2**20
"""Bytes of output for each plane of input."""

FILES = (".nii", ".nii.gz")
MEMORY = "interpolate, in memory"
INKS = {".nii": OWN, ".nii.gz": PEER, MEMORY: FAINT}

Points = dict[str, list[list[float]]]
"""Way → output bytes, seconds, peak bytes."""


def measure(depths: tuple[int, ...], rounds: int, folder: Path) -> Points:
    """Measure each way at each depth; what the machine has no room for is said and left out."""
    points: Points = {way: [] for way in INKS}
    slab = head((*reversed(PLANE), 96))[16:80]
    np.save(folder / "slab.npy", slab)
    for suffix in FILES:
        write(folder / f"warm_up{suffix}", slab, 1)
    for depth in depths:
        for way in INKS:
            if reason := lack_of_room(way, depth, folder):
                print(f"scale: {depth} MiB, {way}: {reason}", file=sys.stderr)  # noqa: T201
                continue
            if way != MEMORY:
                write(folder / f"scale_input{way}", slab, depth)
            points[way].append([depth * OUTPUT_PLANE, *point(way, depth, rounds, folder)])
    return points


def lack_of_room(way: str, depth: int, folder: Path) -> str:
    needed = depth * OUTPUT_PLANE * 5 // 4
    if way == MEMORY and psutil.virtual_memory().available < needed + 2**29:
        return "not enough memory"
    if way != MEMORY and shutil.disk_usage(folder).free < needed + 2**29:
        return "not enough disk"
    return ""


def point(way: str, depth: int, rounds: int, folder: Path) -> tuple[float, float]:
    """Return the median seconds and peak of a few processes."""
    if way == MEMORY:
        arguments = ["memory", str(folder / "slab.npy"), str(depth)]
    else:
        names = (f"{stem}{way}" for stem in ("warm_up", "scale_input", "scale_output"))
        arguments = ["file", *(str(folder / name) for name in names)]
    try:
        runs = [launch([sys.executable, str(SCALED), *arguments]) for _ in range(rounds)]
    finally:
        for path in folder.glob("scale_*"):
            path.unlink()
    seconds = statistics.median(float(said.split()[-1]) for _, said in runs)
    return seconds, statistics.median(sample.peak or 0 for sample, _ in runs)


def write(path: Path, slab: np.ndarray, depth: int) -> None:
    """Write a volume of ``depth`` planes, those of the slab again and again."""
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((*reversed(PLANE), depth))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    opener = igzip_threaded if path.suffix == ".gz" else io
    with opener.open(path, "wb") as file:
        file.write(header.binaryblock + bytes(4))
        for begin in range(0, depth, len(slab)):
            file.write(slab[: depth - begin].tobytes())


HEIGHT, TOP, BOTTOM, LEFT, GAP = 330, 52, 66, 58, 70
DECADES = (1, 10, 100, 1000, 10_000)
BYTES = {2**20: "1 MB", 2**23: "8 MB", 2**26: "64 MB", 2**29: "512 MB", 2**32: "4 GB"}


def draw(points: Points, path: Path) -> None:
    """Draw both panels, with one legend below."""
    canvas = Canvas(HEIGHT)
    width = (WIDTH - LEFT - GAP - 24) / 2
    times = {way: [(p[0], p[1] / p[0] * 1e9) for p in found] for way, found in points.items()}
    peaks = {way: [(p[0], p[2] / 1e6) for p in found] for way, found in points.items()}
    panel(canvas, "time per output byte (ns)", times, LEFT, width)
    panel(canvas, "peak memory (MB)", peaks, LEFT + width + GAP, width)
    x = float(LEFT)
    for way, ink in INKS.items():
        canvas.line([(x, HEIGHT - 14), (x + 22, HEIGHT - 14)], ink, 2.5)
        x += 28
        x += canvas.text((x, HEIGHT - 14), way, "lm") + 30
    note = "512 × 512 × N int16, linear ×2; start-up aside"
    canvas.text((WIDTH - 24, HEIGHT - 14), note, "rm", ink=FAINT)
    canvas.save(path)


def panel(
    canvas: Canvas,
    title: str,
    lines: dict[str, list[tuple[float, float]]],
    left: float,
    width: float,
) -> None:
    """Draw one log-log panel with a grid line a decade."""
    values = [value for line in lines.values() for _, value in line]
    low, high = (
        10.0 ** f(np.log10(v)) for f, v in ((np.floor, min(values)), (np.ceil, max(values)))
    )
    sizes = sorted({size for line in lines.values() for size, _ in line})
    top, bottom = TOP, HEIGHT - BOTTOM

    def place(size: float, value: float) -> tuple[float, float]:
        across = np.log(size / sizes[0]) / max(1e-9, np.log(sizes[-1] / sizes[0]))
        up = np.log(value / low) / np.log(high / low)
        return left + 8 + across * (width - 16), bottom - up * (bottom - top)

    canvas.text((left, 14), title, "la", size=14)
    for exponent in range(round(np.log10(low)), round(np.log10(high)) + 1):
        y = place(sizes[0], 10.0**exponent)[1]
        canvas.line([(left, y), (left + width, y)], GRID)
        canvas.text((left - 6, y), f"{10.0**exponent:,g}", "rm", ink=FAINT)
    for size in sizes:
        x = place(size, low)[0]
        canvas.text((x, bottom + 8), BYTES[int(size)], "ma", ink=FAINT)
    for way, line in lines.items():
        spots = [place(*spot) for spot in line]
        canvas.line(spots, INKS[way], 2.5)
        for spot in spots:
            canvas.dot(spot, 3.5, INKS[way])
