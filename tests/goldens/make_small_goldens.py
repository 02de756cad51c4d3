"""Write PyTorch's outputs of small images for ``test_small_goldens.py``; needs PyTorch 2.13.

Run as ``python tests/goldens/make_small_goldens.py``. The file holds the outputs, and in ``cases``
the JSON of what was asked for; the inputs come from ``naive.pseudo_random``.
"""

import json
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))

import naive  # noqa: E402

DTYPES = ("uint8", "float16", "float32", "float64")
TARGETS = [
    ((1, 3, 7, 5), {"size": [14, 5]}),
    ((2, 9, 6, 5), {"size": [9, 7]}),
    ((1, 20, 5, 4), {"scale_factor": [2.13, 1.19]}),
    ((1, 4, 40, 9), {"scale_factor": [1.004, 0.43]}),
    ((1, 1, 30, 50), {"size": [1, 127]}),
    ((1, 8, 1, 1), {"size": [3, 2]}),
    ((1, 2, 1, 33), {"scale_factor": [3.7, 1.07], "recompute_scale_factor": True}),
    ((1, 1, 3, 29), {"size": [3, 87]}),
]
"""Shapes, and targets of height + width <= 128."""

CUBIC_OF_BYTES = [193, 240, 384, 500, 576, 577]
"""Widths from which one is taken: the fixed-point weights of the last voxel overshoot."""


def requests():
    """Yield dtype, shape and options."""
    for dtype in DTYPES:
        for mode in ("nearest", "nearest-exact"):
            yield from ((dtype, shape, {"mode": mode, **target}) for shape, target in TARGETS)
        if dtype == "uint8":
            continue
        for align_corners in (False, True):
            options = {"mode": "bilinear", "align_corners": align_corners}
            yield from ((dtype, shape, {**options, **target}) for shape, target in TARGETS)
    for width in CUBIC_OF_BYTES:
        for align_corners in (False, True):
            options = {"mode": "bicubic", "align_corners": align_corners, "size": [2, width - 1]}
            yield "uint8", (1, 1, 2, width), options


def main():
    """Write the file."""
    import torch

    torch.set_num_threads(2)
    cases, outputs = list(requests()), {}
    for seed, (dtype, shape, options) in enumerate(cases):
        array = torch.from_numpy(naive.pseudo_random(shape, dtype, seed))
        outputs[f"output_{seed}"] = torch.nn.functional.interpolate(array, **options).numpy()
    np.savez_compressed(FOLDER / "small.npz", cases=json.dumps(cases), **outputs)


if __name__ == "__main__":
    main()
