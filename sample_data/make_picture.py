"""Make the README's picture: a photo and a volume through three modes, by the tool itself.

Run from anywhere, with the package installed: ``python sample_data/make_picture.py``. Every tile
is cut from an output of ``upsample-cli resample``; this script only labels and joins them.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
MODES = ("nearest-exact", "linear", "cubic")
PHOTO_TARGET = ("--scale", "6")
VOLUME_TARGET = ("--spacing", "0.5")
TILE = (300, 230)
GAP, BAR = 8, 26
PHOTO_CORNER = (590, 540)
SLICE_FRACTION = 0.45
INK, PAPER = "#202428", "#ffffff"


def resample(source: str, output: Path, mode: str, target: tuple[str, str]) -> Path:
    """Run the command line that the picture's caption shows."""
    command = (sys.executable, "-m", "upsample_cli", "resample", str(HERE / source), str(output))
    subprocess.run([*command, *target, "--mode", mode, "--quiet"], check=True)
    return output


def photo_tile(folder: Path, mode: str) -> Image.Image:
    """Return the boat's mast and sails, enlarged."""
    with Image.open(resample("photo.png", folder / f"{mode}.png", mode, PHOTO_TARGET)) as image:
        left, top = PHOTO_CORNER
        return image.crop((left, top, left + TILE[0], top + TILE[1])).convert("RGB")


def volume_tile(folder: Path, mode: str) -> Image.Image:
    """Return the upper part of a coronal slice, top of the head up."""
    path = resample("brain.nii.gz", folder / f"{mode}.nii", mode, VOLUME_TARGET)
    volume = nib.load(path)
    plane = np.asarray(volume.dataobj[:, int(volume.shape[1] * SLICE_FRACTION), ::-1])
    grey = np.uint8(np.clip(plane.T / 230 * 255, 0, 255))
    left, top = (grey.shape[1] - TILE[0]) // 2, 20
    return Image.fromarray(grey[top : top + TILE[1], left : left + TILE[0]])


def main() -> None:
    """Write ``readme.png`` beside this script."""
    rows = (("photo.png", PHOTO_TARGET, photo_tile), ("brain.nii.gz", VOLUME_TARGET, volume_tile))
    width = len(MODES) * TILE[0] + (len(MODES) + 1) * GAP
    height = len(rows) * (BAR + TILE[1] + GAP)
    picture = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=13)
    with tempfile.TemporaryDirectory() as name:
        for row, (source, target, tile) in enumerate(rows):
            top = row * (BAR + TILE[1] + GAP)
            for column, mode in enumerate(MODES):
                left = GAP + column * (TILE[0] + GAP)
                caption = f"{source} {' '.join(target)} --mode {mode}"
                centre = (left + TILE[0] / 2, top + BAR / 2)
                draw.text(centre, caption, INK, font, anchor="mm")
                picture.paste(tile(Path(name), mode), (left, top + BAR))
    picture.save(HERE / "readme.png", optimize=True)


if __name__ == "__main__":
    main()
