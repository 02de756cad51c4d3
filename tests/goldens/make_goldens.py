"""Write PyTorch's outputs for the cases of ``test_goldens.py``; needs PyTorch 2.13.

Run as ``python tests/goldens/make_goldens.py``. Each file holds the outputs of one dtype, and in
``cases`` the JSON of what was asked for; the inputs come from ``naive.pseudo_random``.
"""

import json
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))

import naive  # noqa: E402

# 2-D outputs have height + width > 128: below, PyTorch takes shortcuts with other last bits.
# None has 3 channels, for which PyTorch on one thread does the same in bilinear mode.
# No 2-D output is 1 wide: PyTorch 2.13 repeats its first row there when it antialiases floats.
TARGETS = {
    1: [
        ((2, 1, 40), {"size": [23]}),
        ((1, 2, 13), {"scale_factor": [2.0]}),
        ((1, 1, 88), {"scale_factor": [120 / 88]}),
        ((1, 1, 88), {"scale_factor": [120 / 88], "recompute_scale_factor": True}),
        ((1, 1, 97), {"scale_factor": [0.31]}),
        ((1, 1, 11), {"scale_factor": [1.05]}),
        ((1, 1, 9), {"size": [1]}),
        ((1, 1, 1), {"size": [5]}),
        ((1, 1, 7), {"size": [100]}),
    ],
    2: [
        ((1, 1, 2, 71), {"scale_factor": [1.0, 2.0]}),
        ((1, 2, 3, 70), {"scale_factor": [0.67, 1.9]}),
        ((1, 1, 40, 50), {"size": [2, 127]}),
        ((1, 1, 200, 9), {"scale_factor": [0.65, 0.34]}),
        ((1, 1, 3, 300), {"size": [2, 131]}),
        ((1, 2, 1, 64), {"scale_factor": [1.7, 2.37], "recompute_scale_factor": True}),
        ((1, 1, 130, 6), {"scale_factor": [1.004, 0.5]}),
        ((1, 1, 4, 88), {"scale_factor": [0.5, 132 / 88]}),
    ],
    3: [
        ((1, 1, 4, 5, 6), {"scale_factor": [2.0, 2.0, 2.0]}),
        ((1, 2, 9, 7, 5), {"size": [4, 3, 11]}),
        ((1, 1, 6, 7, 8), {"scale_factor": [1.37, 0.5, 0.81]}),
        ((1, 1, 5, 6, 7), {"size": [5, 1, 9]}),
        ((2, 1, 3, 4, 5), {"scale_factor": [1.7, 1.2, 1.0], "recompute_scale_factor": True}),
    ],
}
NAME_OF_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def methods(dtype, dimensions):
    """Yield the modes and switches that PyTorch has for a dtype and a number of dimensions."""
    yield from ({"mode": mode} for mode in ("nearest", "nearest-exact"))
    is_image = dimensions == 2
    if dtype == "uint8" and not is_image:
        return
    names = [NAME_OF_LINEAR[dimensions], *(["bicubic"] if is_image else [])]
    filters = [False, True] if is_image and dtype != "float16" else [False]
    for name in names:
        for antialias in filters:
            for align_corners in (False, True):
                yield {"mode": name, "align_corners": align_corners, "antialias": antialias}
    if is_image and dtype != "float16":
        yield {"mode": "lanczos", "antialias": True}
    if dtype != "uint8":
        yield {"mode": "area"}


def make(dtype):
    """Return the cases of a dtype and PyTorch's outputs."""
    import torch

    torch.set_num_threads(1)
    cases, outputs = [], []
    for dimensions, targets in TARGETS.items():
        for method in methods(dtype, dimensions):
            for shape, target in targets:
                seed = len(cases)
                array = torch.from_numpy(naive.pseudo_random(shape, dtype, seed))
                options = {**method, **target}
                output = torch.nn.functional.interpolate(array, **options)
                cases.append({"seed": seed, "shape": shape, "options": options})
                outputs.append(output.numpy())
    return cases, outputs


def main():
    """Write one file a dtype."""
    for dtype in ("uint8", "float16", "float32", "float64"):
        cases, outputs = make(dtype)
        arrays = {f"output_{number}": output for number, output in enumerate(outputs)}
        np.savez_compressed(FOLDER / f"{dtype}.npz", cases=json.dumps(cases), **arrays)


if __name__ == "__main__":
    main()
