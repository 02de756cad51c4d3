"""Good files that command lines name beside a hostile one; and records to make hostile."""

import functools
import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from volumes import write_volume

from fuzz.rule import run

VOXELS = (np.arange(7 * 6 * 5, dtype="i2").reshape(7, 6, 5) * 37) % 301

PROGRAM_LINES = (
    ("pool", "good.nii", "pooled.nii", "--kernel-size", "2", "--indices", "nii.npz"),
    ("pool", "good.png", "pooled.png", "--kernel-size", "2", "--indices", "png.npz"),
    ("pool", "good.npy", "pooled.npy", "--kernel-size", "2x2", "--indices", "npy.npz"),
    ("resample", "good.nii", "x2.nii", "-x", "2", "--record"),
    ("resample", "flat.nii", "flat2.nii", "-x", "2", "--record"),
    ("resample", "good.mgh", "x2.mgh", "-x", "2"),
)


def _mgh():
    from nibabel.freesurfer.mghformat import MGHImage

    return MGHImage(VOXELS.astype("f4"), np.diag([2.0, 2.5, 3.5, 1.0]))


@functools.cache
def COMPANIONS():  # noqa: N802
    """Return the good files, name → bytes; ``in.img`` is for hostile headers of pairs."""
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            write_volume("good.nii", VOXELS, scl_slope=1.0, scl_inter=0.0)
            write_volume("flat.nii", VOXELS[:, :, 0], scl_slope=1.0, scl_inter=0.0)
            pixels = (np.arange(9 * 8 * 3) % 251).astype("u1").reshape(9, 8, 3)
            Image.fromarray(pixels).save("good.png")
            np.save("good.npy", VOXELS.astype("f4")[:2])
            _mgh().to_filename("good.mgh")
            for words in PROGRAM_LINES:
                done = run(words)
                assert done.code == 0, done
            names = {path.name: path.read_bytes() for path in Path().iterdir()}
        finally:
            os.chdir(here)
    names["good.record.json"] = names.pop("x2.nii.record.json")
    names["flat.record.json"] = names.pop("flat2.nii.record.json")
    names["in.img"] = VOXELS.tobytes()
    return names
