"""Pillow: double every PNG of a folder, bilinear, in N processes.

Usage: pillow_folder.py SOURCE TARGET N
"""

import sys
from functools import partial
from multiprocessing import Pool
from pathlib import Path

from PIL import Image


def double(target: Path, source: Path) -> None:
    with Image.open(source) as image:
        size = 2 * image.width, 2 * image.height
        image.resize(size, Image.Resampling.BILINEAR).save(target / source.name)


if __name__ == "__main__":
    folder, output, processes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    output.mkdir(exist_ok=True)
    with Pool(processes) as pool:
        pool.map(partial(double, output), sorted(folder.glob("*.png")), chunksize=16)
