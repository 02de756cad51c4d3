"""Inputs like real ones: smooth structure, edges, and noise, which compresses badly."""

import nibabel as nib
import numpy as np
from PIL import Image

HEAD = (197, 233, 189)
"""x, y, z: a T1-weighted head at 1 mm."""

PHOTO = (2048, 1536)
HEAD_NOISE, PHOTO_NOISE = 8.5, 3.0
"""Standard deviations that make the ×2 outputs compress as scans and photos do."""


def head(size=HEAD):
    """Return an int16 head (z, y, x): brain, skull and scalp in air, with a scanner's noise."""
    z, y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in reversed(size))
    z, y, x = z[:, None, None], y[:, None], x
    radius = np.sqrt((x / 0.8) ** 2 + (y / 0.9) ** 2 + (z / 0.95) ** 2)
    folds = np.sin(19 * x) * np.sin(17 * y + 2 * z) * np.sin(23 * z + x)
    signal = np.where(radius < 0.8, 420 + 130 * np.tanh(6 * folds), 0)
    signal = np.where((radius > 0.8) & (radius < 0.83), 60, signal)
    signal = np.where((radius > 0.88) & (radius < 0.98), 700 - 300 * (radius - 0.88), signal)
    noise = np.random.default_rng(1).standard_normal((2, *signal.shape), np.float32) * HEAD_NOISE
    return np.rint(np.hypot(signal + noise[0], noise[1])).astype(np.int16)


def photo(size=PHOTO):
    """Return uint8 RGB (height, width, 3): a sky, hills with hard edges, fine texture and grain."""
    y, x = np.mgrid[0 : 1 : size[1] * 1j, 0 : 1 : size[0] * 1j].astype(np.float32)
    sky = np.stack([90 + 90 * y, 140 + 60 * y, 210 - 20 * y], axis=-1)
    ridge = 0.55 + 0.1 * np.sin(9 * x) + 0.04 * np.sin(31 * x)
    grass = 14 * np.sin(900 * x + 40 * y) * np.sin(700 * y)
    hills = np.stack([70 + 40 * x + grass, 110 - 30 * y + grass, 60 + grass], axis=-1)
    picture = np.where((y > ridge)[..., np.newaxis], hills, sky)
    grain = np.random.default_rng(2).standard_normal(picture.shape, np.float32) * PHOTO_NOISE
    return np.clip(np.rint(picture + grain), 0, 255).astype(np.uint8)


def write_head(path, size=HEAD):
    """Write the head with 1 mm voxels, x first as NIfTI has it."""
    nib.save(nib.Nifti1Image(head(size).T, np.eye(4)), path)


def write_photo(path, size=PHOTO):
    """Write the photo as PNG."""
    Image.fromarray(photo(size)).save(path, compress_level=1)
