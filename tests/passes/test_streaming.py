"""Planes that arrive one after another: the same bits as the whole, in a window of memory."""

import tracemalloc

import naive
import numpy as np
import pytest

from upsample_cli.passes import streaming
from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.streaming import planes_per_chunk, ring_bytes, stream_item
from upsample_cli.passes.whole import resample_array
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.target import axis_from_size

METHODS = [
    ("nearest", False, False),
    ("nearest-exact", False, False),
    ("linear", False, False),
    ("linear", True, False),
    ("linear", False, True),
    ("cubic", False, False),
    ("cubic", False, True),
    ("area", False, False),
    ("lanczos", False, True),
]
SHAPE = (17, 5, 6)
SIZES = [(34, 10, 12), (5, 4, 13), (40, 5, 6), (1, 2, 2), (17, 10, 3), (17, 5, 6)]
RUNS = [
    # planes a chunk, output planes a slab, threads
    (1, 1, 1),
    (1, 5, 2),
    (2, 3, 3),
    (5, 1, 4),
    (5, 100, 2),
    (17, 3, 2),
    (17, 100, 1),
]


def make(method, size, dtype, shape=SHAPE, dtype_out=None):
    method = Method(MODES[method[0]], *method[1:])
    axes = [axis_from_size(n, out, method) for n, out in zip(shape, size, strict=True)]
    return Resampler(axes, method, dtype, dtype_out)


class Planes:
    """Chunks of planes in order, each of which can be asked for once."""

    def __init__(self, item, planes):
        self.item, self.planes, self.given = item, planes, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.given >= len(self.item):
            raise StopIteration
        chunk = self.item[self.given : self.given + self.planes]
        self.given += len(chunk)
        return chunk


def whole_of(resampler, item):
    whole = np.empty((1, *resampler.shape_out, item.shape[-1]), resampler.dtype_out)
    return whole[0], resample_array(resampler, item[np.newaxis], whole, 1)


@pytest.mark.parametrize("largest", [None, 0], ids=["by ring", "summed"])
@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "float16", "float32", "float64", "complex64", "bool"]
)
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_streamed_equals_whole(monkeypatch, method, dtype, largest):
    if largest is not None:
        monkeypatch.setattr(streaming, "RING_BYTES", largest)
    item = naive.pseudo_random((*SHAPE, 2), "float64", 1).astype(dtype)
    for size in SIZES:
        resampler = make(method, size, dtype)
        whole, misfits = whole_of(resampler, item)
        for chunk, slab, threads in RUNS:
            planes = Planes(item, chunk)
            slabs = list(stream_item(resampler, planes, threads, slab))
            assert np.array_equal(np.concatenate([part for part, _ in slabs]), whole)
            assert sum(count for _, count in slabs) == misfits
            assert planes.given == len(item)


@pytest.mark.parametrize("chunk", range(1, 18))
def test_every_chunk_size(chunk):
    item = naive.pseudo_random((*SHAPE, 1), "float32", 2)
    resampler = make(("cubic", False, False), (23, 7, 6), "float32")
    whole, _ = whole_of(resampler, item)
    for slab in (1, 2, 7, 23):
        slabs = [part for part, _ in stream_item(resampler, Planes(item, chunk), 2, slab)]
        assert max(map(len, slabs)) <= slab
        assert np.array_equal(np.concatenate(slabs), whole)


@pytest.mark.parametrize("shape", [(19, 8), (19,)])
def test_images_and_rows_stream_too(shape):
    item = naive.pseudo_random((*shape, 3), "uint8", 3)
    size = tuple(2 * n for n in shape)
    resampler = make(("cubic", False, False), size, "uint8", shape)
    whole, _ = whole_of(resampler, item)
    slabs = [part for part, _ in stream_item(resampler, Planes(item, 4), 2, 5)]
    assert np.array_equal(np.concatenate(slabs), whole)


def test_summed_path_is_taken_by_wide_filters_alone(monkeypatch):
    calls = []
    summed = streaming._summed
    monkeypatch.setattr(streaming, "_summed", lambda *a: calls.append(1) or summed(*a))
    monkeypatch.setattr(streaming, "RING_BYTES", 0)
    item = naive.pseudo_random((*SHAPE, 1), "float32", 4)
    for method, size, expected in [
        (("area", False, False), (2, 5, 6), 1),
        (("linear", False, True), (4, 5, 6), 1),
        (("cubic", False, False), (4, 5, 6), 0),
        (("nearest", False, False), (4, 5, 6), 0),
    ]:
        calls.clear()
        list(stream_item(make(method, size, "float32"), Planes(item, 3), 1, 4))
        assert len(calls) == expected


@pytest.mark.parametrize(
    "method", [("nearest", False, False), ("cubic", False, False), ("area", False, False)], ids=str
)
@pytest.mark.parametrize("largest", [None, 0])
def test_output_comes_as_soon_as_its_planes_have(monkeypatch, method, largest):
    if largest is not None:
        monkeypatch.setattr(streaming, "RING_BYTES", largest)
    item = naive.pseudo_random((*SHAPE, 1), "float32", 5)
    resampler = make(method, (3, 5, 6), "float32")
    planes = Planes(item, 1)
    for o, _ in enumerate(stream_item(resampler, planes, 1, 1)):
        _, last = resampler.plans[0].input_range(0, o + 1)
        assert planes.given == last


@pytest.mark.parametrize("largest", [None, 0])
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_memory_does_not_grow_with_depth(monkeypatch, method, largest):
    if largest is not None:
        monkeypatch.setattr(streaming, "RING_BYTES", largest)
    announced, peaks = [], []
    for depth in (60, 240):
        shape, size = (depth, 32, 32), (depth // 3, 48, 48)
        resampler = make(method, size, "float32", shape)
        announced.append(ring_bytes(resampler, 1, 2))
        planes = (np.zeros((2, 32, 32, 1), "float32") for _ in range(depth // 2))
        tracemalloc.start()
        for _ in stream_item(resampler, planes, 1, 2):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert announced[0] == announced[1]
    assert peaks[1] < 1.2 * peaks[0]
    assert announced[1] < depth * 48 * 48 * 4 / 4


def test_ring_bytes_is_what_the_ring_takes(monkeypatch):
    taken = []
    ring = streaming.PlaneRing
    monkeypatch.setattr(streaming, "PlaneRing", lambda *a: taken.append(ring(*a)) or taken[-1])
    for dtype in ("float32", "complex64", "uint8", "float64"):
        item = naive.pseudo_random((*SHAPE, 2), "float32", 6).astype(dtype)
        resampler = make(("cubic", False, False), (34, 10, 12), dtype)
        taken.clear()
        list(stream_item(resampler, Planes(item, 3), 1, 4))
        assert [ring.slots.nbytes for ring in taken] == [ring_bytes(resampler, 2, 3)]


def test_copied_axis_needs_no_ring():
    assert ring_bytes(make(("linear", False, False), (17, 10, 12), "float32"), 1, 5) == 0


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("size", [(34, 10, 12), (2, 600, 600), (5000, 5, 6)])
def test_chunks_keep_every_thread_busy(size, threads):
    chunk, slab = planes_per_chunk(make(("linear", False, False), size, "float32"), 1, threads)
    assert isinstance(chunk, int)
    assert isinstance(slab, int)
    assert chunk >= min(threads, SHAPE[0])
    assert slab >= min(threads, size[0])
