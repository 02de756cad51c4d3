"""Time pooling, unpooling and transposed convolution beside PyTorch on 2 threads, in turns.

Run as ``python tests/pytorch/time_inverse.py``; prints medians in ms and their ratio.
"""

import statistics
import time

import numpy as np
import torch

from upsample_cli import functional

ROUNDS = 31


def cases():
    """Yield a name, a function's name, arrays and options."""
    rng = np.random.default_rng(0)

    def normal(*shape, dtype="float32"):
        return rng.standard_normal(shape, np.float32).astype(dtype)

    for dtype in ("float32", "float64", "uint8"):
        image = (normal(1, 16, 1024, 1024) * 50 + 128).astype(dtype)
        halves = {"kernel_size": 2}
        overlapping = {"kernel_size": 3, "stride": 2, "padding": 1}
        for name, options in (("2×2", halves), ("3×3", overlapping)):
            yield f"pool {name} {dtype}", "max_pool2d", (image,), options
            options = {**options, "return_indices": True}
            yield f"pool {name} {dtype}, indices", "max_pool2d", (image,), options
        if dtype != "uint8":
            pooled = functional.max_pool2d(image, 2, return_indices=True)
            yield f"unpool 2×2 {dtype}", "max_unpool2d", pooled, halves
    volume = (normal(1, 4, 128, 128, 128),)
    yield "pool 2×2×2", "max_pool3d", volume, {"kernel_size": 2, "return_indices": True}
    for dtype in ("float32", "float64"):
        twice = {"stride": 2, "padding": 1}
        arrays = normal(1, 32, 128, 128, dtype=dtype), normal(32, 16, 4, 4, dtype=dtype)
        yield f"transposed 32→16, 128², 4×4, {dtype}", "conv_transpose2d", arrays, twice
        for kernel, padding in ((4, 1), (2, 0), (3, 1)):
            weight = normal(16, 8, *[kernel] * 3, dtype=dtype)
            arrays = normal(1, 16, 64, 64, 64, dtype=dtype), weight
            options = {"stride": 2, "padding": padding}
            name = f"transposed 16→8, 64³, {kernel}×{kernel}×{kernel}, {dtype}"
            yield name, "conv_transpose3d", arrays, options


def seconds(call):
    """Return how long a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def main():
    """Print a table."""
    torch.set_num_threads(2)
    print("| case | here | PyTorch | ratio |\n| --- | ---: | ---: | ---: |")
    for name, function, arrays, options in cases():
        tensors = [torch.from_numpy(array) for array in arrays]
        ours, theirs = getattr(functional, function), getattr(torch.nn.functional, function)
        calls = [
            lambda ours=ours, arrays=arrays, options=options: ours(*arrays, **options),
            lambda theirs=theirs, tensors=tensors, options=options: theirs(*tensors, **options),
        ]
        for call in calls:
            call()
        rounds = ROUNDS if seconds(calls[1]) < 0.15 else 7
        times = [[seconds(call) for call in calls] for _ in range(rounds)]
        here, there = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
        print(f"| {name} | {here:.2f} | {there:.2f} | {here / there:.2f} |", flush=True)


if __name__ == "__main__":
    main()
