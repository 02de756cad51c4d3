"""How much work a resample is, in what does not depend on the machine: never in seconds.

A pass over memory is counted by the elements that it writes, as a multiple of the output's. The
numbers are ceilings: a fused pass may write less, none may write more.
"""

import math
import os
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from upsample_cli import interpolate
from upsample_cli.files.volumes.volume_source import VolumeSink, VolumeSource
from upsample_cli.kernels import separable
from upsample_cli.operations.resample import TAP_BYTES
from upsample_cli.passes import whole
from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.streaming import stream_item
from upsample_cli.passes.whole import resample_array
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.target import axis_from_scale

SHAPE = (32, 24, 40)
IO_COUNTERS = Path("/proc/self/io")
NIFTI_HEADER = 352
DEPTH = 160
OUTPUT_BYTES = 8 * 64 * 48 * DEPTH * 2


def make(scale, mode="linear", dtype="float32", shape=SHAPE, antialias=False):
    method = Method(MODES[mode], False, antialias)
    axes = [axis_from_scale(n, s, method) for n, s in zip(shape, scale, strict=True)]
    return Resampler(axes, method, dtype)


class Passes:
    """Counts what the passes of a resampler write, and how often one is started."""

    def __init__(self, resampler):
        self.elements = self.calls = 0
        for name in ("along", "across"):
            setattr(resampler.arithmetic, name, self.counted(getattr(resampler.arithmetic, name)))

    def counted(self, weigh):
        def call(*arguments):
            self.elements += arguments[-1].size  # the target
            self.calls += 1
            return weigh(*arguments)

        return call


def multiple_streamed(resampler, chunk=4, slab=6, threads=2):
    """Return how many outputs' worth of elements the passes of a streamed item write."""
    passes = Passes(resampler)
    item = np.ones((*resampler.shape_in, 1), resampler.dtype_in)
    chunks = (item[begin : begin + chunk] for begin in range(0, len(item), chunk))
    for _ in stream_item(resampler, chunks, threads, slab):
        pass
    return passes.elements / math.prod(resampler.shape_out)


@pytest.mark.parametrize(
    ("scale", "ceiling"),
    [
        ((2, 2, 2), 1 / 4 + 1 / 2 + 1),  # x on the input's rows, y on its planes, z on the output
        ((0.5, 0.5, 0.5), 4 + 2 + 1),  # the same, from a larger input to a smaller output
        ((1, 2, 2), 1 / 2 + 1),  # an axis that is copied has no pass
        ((2, 1, 1), 1),
        ((1, 1, 2), 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
def test_a_streamed_volume_is_passed_once_an_axis(mode, scale, ceiling):
    # One is the output itself: less would mean that the passes are no longer what is counted.
    assert 1 <= multiple_streamed(make(scale, mode)) <= ceiling


@pytest.mark.parametrize("threads", [1, 2])
def test_a_volume_in_memory_passes_again_only_what_strips_share(monkeypatch, threads):
    resampler = make((2, 2, 2), dtype="int16")
    output = np.empty((1, *resampler.shape_out, 1), np.int16)
    monkeypatch.setattr(whole, "SLAB_BYTES", output.nbytes // 16)
    monkeypatch.setattr(whole, "LEAST_BYTES", 1)
    passes = Passes(resampler)
    resample_array(resampler, np.ones((1, *SHAPE, 1), np.int16), output, threads)
    # Two strips that meet both read the planes on either side; an inner plane takes 1/4 + 1/2 of
    # its two output planes. The slabs of a strip share a window, and pass nothing again.
    strips = threads * whole.STRIPS_PER_THREAD if threads > 1 else 1
    shared = 2 * (strips - 1) / SHAPE[0]
    assert 1 <= passes.elements / output.size <= 1 + (1 + shared) * 3 / 4


def test_a_float_volume_in_memory_is_one_call_a_strip(monkeypatch):
    calls = []
    planes = separable.planes
    monkeypatch.setattr(separable, "planes", lambda *a: calls.append(a) or planes(*a))
    monkeypatch.setattr(whole, "LEAST_BYTES", 1)
    monkeypatch.setattr(whole, "SLAB_BYTES", 1)
    resampler = make((2, 2, 2))
    passes = Passes(resampler)
    output = np.empty((1, *resampler.shape_out, 1), np.float32)
    resample_array(resampler, np.ones((1, *SHAPE, 1), np.float32), output, 2)
    assert len(calls) == 2 * whole.STRIPS_PER_THREAD
    assert passes.calls == 0


def test_what_no_output_reads_is_not_passed():
    resampler = make((0.25, 0.25, 0.25))
    passes = Passes(resampler)
    output = np.empty((1, *resampler.shape_out, 1), np.float32)
    resample_array(resampler, np.ones((1, *SHAPE, 1), np.float32), output, 1)
    # Two of four planes and rows: x on 2 × 2 rows for each row of the output, y on 2 planes. All
    # planes of a small item are passed at once, 4 for each of the output.
    per_plane = 2 + 1
    assert passes.elements == (4 * per_plane - 1) * output.size


def test_small_items_share_their_passes():
    resampler = make((2, 2), shape=(8, 8))
    passes = Passes(resampler)
    items = np.ones((1000, 8, 8, 1), np.float32)
    target = np.empty((1000, *resampler.shape_out, 1), np.float32)
    resample_array(resampler, items, target, 1)
    # 1 MB of output is less than a slab: one group of items, one pass an axis.
    assert passes.calls <= 2


@pytest.fixture
def volume(tmp_path):
    """Return what writes an int16 volume of so many planes."""

    def write(depth, suffix=".nii"):
        path = tmp_path / f"in{depth}{suffix}"
        noise = np.random.default_rng(0).integers(0, 900, (64, 48, depth), np.int16)
        nib.save(nib.Nifti1Image(noise, np.eye(4)), path)
        return path

    return write


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_each_plane_is_read_once_and_written_once(monkeypatch, tmp_path, resample, volume, suffix):
    read, written = [], []
    real_read, real_write = VolumeSource.read, VolumeSink.write
    monkeypatch.setattr(VolumeSource, "read", lambda s, n: read.append(n) or real_read(s, n))
    monkeypatch.setattr(
        VolumeSink, "write", lambda s, slab: written.append(slab.nbytes) or real_write(s, slab)
    )
    resample(volume(DEPTH, suffix), tmp_path / f"out{suffix}", scale=2, threads=2)
    # The source only reads forward, so that DEPTH planes read are every plane once, in order.
    assert sum(read) == DEPTH
    assert sum(written) == OUTPUT_BYTES


def moved_bytes():
    """Return how many bytes this process has read from files and written to them so far."""
    lines = IO_COUNTERS.read_text().splitlines()
    counters = dict(line.split(": ") for line in lines)
    return int(counters["rchar"]), int(counters["wchar"])


@pytest.mark.skipif(not IO_COUNTERS.exists(), reason="the kernel's own counters are Linux's")
def test_a_file_is_read_once_and_written_once(tmp_path, resample, volume):
    source, output = volume(DEPTH), tmp_path / "out.nii"
    resample(source, tmp_path / "warm.nii", scale=2, threads=2)  # loads modules and kernels
    before = moved_bytes()
    resample(source, output, scale=2, threads=2)
    read, written = (after - then for after, then in zip(moved_bytes(), before, strict=True))
    assert output.stat().st_size == NIFTI_HEADER + OUTPUT_BYTES
    # Beside the file: how much memory is free, and the counters themselves. No second look.
    assert read < 1.1 * source.stat().st_size
    assert output.stat().st_size <= written < 1.01 * output.stat().st_size


def traced_peak(work):
    """Return the largest sum of NumPy's arrays that live while ``work`` runs."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_deeper_file_takes_longer_tables_and_nothing_else(tmp_path, resample, volume):
    peaks = []
    for depth in (400, 400, 1600):  # the first fills caches
        source = volume(depth)
        output = tmp_path / f"out{depth}.nii"
        peaks.append(traced_peak(lambda s=source, o=output: resample(s, o, scale=2, force=True)))
    # 2400 outputs more on the slowest axis; a plan and its kin are all that is as long as it.
    assert peaks[2] - peaks[1] <= 2400 * TAP_BYTES * 2


def test_a_volume_in_memory_has_no_copy_of_itself(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0}, raising=False)
    beyond = []
    for depth in (64, 64, 256):
        volume = np.ones((1, 1, depth, 96, 96), np.float32)
        output_bytes = volume.nbytes * 8
        peak = traced_peak(lambda v=volume: interpolate(v, scale_factor=2, mode="trilinear"))
        beyond.append(peak - output_bytes)
    # The output itself, the slab at work, and the tables of 384 outputs more.
    assert 0 <= beyond[1] < 2 * whole.SLAB_BYTES
    assert beyond[2] - beyond[1] <= 384 * TAP_BYTES * 2
