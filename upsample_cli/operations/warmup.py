"""Compiles every kernel ahead of the first file, by small work of every kind."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from upsample_cli.files.images import png_decoder, png_encoder
from upsample_cli.functional import conv_transpose2d, interpolate, max_pool2d, max_unpool2d
from upsample_cli.kernels import separable
from upsample_cli.passes.direct import SAMPLERS, DirectResampler
from upsample_cli.passes.elements import store
from upsample_cli.passes.labels import LabelCounts
from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.whole import resample_array
from upsample_cli.resources.pieces import Pieces
from upsample_cli.sampling.mapping import VoxelMap
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.target import axis_from_scale

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float32", "float64")
DTYPES = ("bool", *INTEGERS, "float16", "float32", "float64", "complex64", "complex128")
METHODS = (Method(MODES["nearest-exact"]), Method(MODES["linear"]), Method(MODES["cubic"]))
STRIP_SIZE = 80
"""The side of a volume that is large enough for strips on threads."""


def tasks() -> Iterator[Callable[[], object]]:
    """Yield calls which, together, need every kernel for every dtype that it is made for."""
    for dtype, method, scale in product(DTYPES, METHODS, (2, 0.4)):
        yield partial(_resample, dtype, method, scale)
    for dtype in ("float32", "float64"):
        yield partial(_resample_volume, dtype, "linear")
        yield partial(_sum_planes, dtype)
        yield partial(interpolate, np.ones((1, 1, 40, 40), dtype), size=(20, 20), mode="bicubic")
        image = np.ones((1, 1, 4, 4), dtype)
        yield partial(conv_transpose2d, image, image[:, :, :2, :2], stride=2)
        yield partial(interpolate, image, scale_factor=2, mode="bilinear")
        yield partial(interpolate, image, scale_factor=2, mode="area")
        yield from (partial(_store, dtype, integer) for integer in INTEGERS)
    for dtype in ("uint8", "uint16", "uint32", "uint64"):
        yield partial(_resample_volume, dtype, "nearest-exact")
    for dtype in ("bool", *INTEGERS):
        yield partial(_vote, dtype)
    for mode, dtype in product(SAMPLERS, ("uint8", "uint16", "uint32", "uint64", *FLOATS)):
        if mode != "label" or dtype not in FLOATS:
            yield partial(_sample, mode, dtype)
    for dtype in DTYPES[:-2]:
        yield partial(_pool_and_back, np.ones((1, 4, 4), dtype))
    yield partial(_png_and_back, np.ones((4, 4, 3), np.uint8), 8)
    yield partial(_png_and_back, np.ones((4, 4, 3), np.uint16), 16)


def _resample(dtype: str, method: Method, scale: float) -> None:
    axes = [axis_from_scale(5, scale, method, recompute=False)] * 2
    for channels, dtype_out in ((1, dtype), (2, dtype), (3, dtype)):
        resampler = Resampler(axes, method, dtype, dtype_out)
        source = np.ones((1, 5, 5, channels), dtype)
        target = np.empty((1, *resampler.shape_out, channels), dtype_out)
        resample_array(resampler, source, target, 1)


def _resample_volume(dtype: str, mode: str) -> None:
    method = Method(MODES[mode])
    axes = [axis_from_scale(STRIP_SIZE, 2, method, recompute=False)] * 3
    resampler = Resampler(axes, method, dtype)
    target = np.empty((1, *resampler.shape_out, 1), dtype)
    resample_array(resampler, np.ones((1, *resampler.shape_in, 1), dtype), target, 2)


def _vote(dtype: str) -> None:
    labels = np.ones((1, 1, 4), dtype)
    interpolate(labels, scale_factor=2, mode="label")
    LabelCounts().add(labels)


def _sample(mode: str, dtype: str) -> None:
    mapping = VoxelMap((2, 2, 2), (2, 2, 2), np.eye(4))
    resampler = DirectResampler(mapping, Method(MODES[mode]), np.dtype(dtype), np.dtype(dtype))
    for _ in resampler.stream(_Ones(dtype), 1, Pieces()):
        pass


class _Ones:
    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def read(self, count: int) -> Any:
        return np.ones((count, 2, 2, 1), self.dtype)

    def read_into(self, planes: Any) -> None:
        planes[...] = 1

    def skip(self, count: int) -> None:
        pass


def _sum_planes(dtype: str) -> None:
    plane = np.ones(4, dtype)
    separable.accumulate(plane, plane[0], 0, 1, plane.copy())


def _store(dtype: str, integer: str) -> None:
    store(np.ones(4, dtype), np.empty(4, integer))


def _pool_and_back(image: Any) -> None:
    pooled, indices = max_pool2d(image, 2, return_indices=True)
    max_unpool2d(pooled, indices, 2)


def _png_and_back(pixels: Any, depth: int) -> None:
    contents = png_encoder.encode(pixels, depth, 1)
    png_decoder.decode(contents, pixels.shape, pixels.dtype)
