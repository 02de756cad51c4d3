"""Write PyTorch's outputs for ``test_inverse_goldens.py``; needs PyTorch 2.13.

Run as ``python tests/goldens/make_inverse_goldens.py``. The file holds the outputs, and in
``cases`` the JSON of what was asked for; the inputs come from ``naive.pseudo_random``.
"""

import json
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))

import naive  # noqa: E402

POOLINGS = [
    ({"kernel_size": 2}, 0),
    ({"kernel_size": 3, "stride": 2, "padding": 1}, 0),
    ({"kernel_size": 3, "stride": 2, "ceil_mode": True}, 0),
    ({"kernel_size": 2, "stride": 3, "padding": 1, "dilation": 2, "ceil_mode": True}, 0),
    ({"kernel_size": 3, "stride": 1, "dilation": 2}, 7),
]
"""Options, and every how many values one is NaN."""

SHAPES = {1: (2, 3, 25), 2: (2, 11, 14), 3: (1, 2, 7, 8, 9)}

TRANSPOSED = [
    ((2, 6, 9, 8), (6, 5, 4, 4), {"stride": 2, "padding": 1}),
    ((4, 6, 7), (4, 3, 3, 2), {"stride": (3, 1), "output_padding": (2, 0), "groups": 2}),
    ((1, 3, 30), (3, 9, 5), {"stride": 4, "padding": 2, "dilation": 3, "output_padding": 1}),
    ((1, 4, 5, 4, 6), (4, 2, 3, 2, 4), {"stride": 2, "padding": (1, 0, 1)}),
    ((2, 3, 4, 5), (2, 1, 2, 2, 2), {"stride": (1, 2, 3), "groups": 2}),
]


def with_nans(shape, dtype, seed, every):
    """Return small whole numbers, many of them equal, and here and there a NaN."""
    array = (naive.pseudo_random(shape, "float64", seed) // 32).astype(dtype)
    if every and array.dtype.kind == "f":
        array.flat[::every] = np.nan
    return array


def cases():
    """Yield a function's name, its inputs' shapes, dtype, seed, NaNs and options."""
    for dtype in ("uint8", "float16", "float32", "float64"):
        for spatial, shape in SHAPES.items():
            for options, every in POOLINGS:
                options = {**options, "return_indices": True}
                yield f"max_pool{spatial}d", [shape], dtype, every, options
    for dtype in ("float32", "float64"):
        for shape, weight, options in TRANSPOSED:
            spatial = len(weight) - 2
            bias = (weight[1] * options.get("groups", 1),)
            yield f"conv_transpose{spatial}d", [shape, weight, bias], dtype, 0, options


def inputs(name, shapes, dtype, every, seed):
    """Return the arrays of a case."""
    if name.startswith("max_pool"):
        return [with_nans(shapes[0], dtype, seed, every)]
    return [naive.pseudo_random(shape, dtype, seed + n) - 100 for n, shape in enumerate(shapes)]


def main():
    """Write the file; a pooling's third output is its unpooling."""
    import torch

    torch.set_num_threads(1)
    functional = torch.nn.functional
    stored, outputs = [], {}
    for seed, (name, shapes, dtype, every, options) in enumerate(cases()):
        tensors = [torch.from_numpy(a) for a in inputs(name, shapes, dtype, every, seed)]
        results = getattr(functional, name)(*tensors, **options)
        results = list(results) if isinstance(results, tuple) else [results]
        if options.get("kernel_size") == 2 and "dilation" not in options and dtype != "uint8":
            spatial = int(name[-2])
            sizes = list(shapes[0][-spatial:])
            unpool = getattr(functional, f"max_unpool{spatial}d")
            results.append(unpool(*results, 2, output_size=sizes))
        stored.append([name, shapes, dtype, every, options, len(results)])
        outputs |= {f"output_{seed}_{n}": result.numpy() for n, result in enumerate(results)}
    np.savez_compressed(FOLDER / "inverse.npz", cases=json.dumps(stored), **outputs)


if __name__ == "__main__":
    main()
