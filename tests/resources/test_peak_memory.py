"""Peak memory of whole processes: a window of planes, never the volume."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from processes import peak_memory

LIMIT = 250_000_000
GROWTH = 15_000_000

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the kernel's own peak counter is Linux's"
)


def peak_of(*arguments):
    code, peak, message = peak_memory(*arguments)
    assert code == 0, message
    return peak


def write_noise(path, depth):
    plane = np.random.default_rng(0).integers(0, 900, (256, 256, 1), np.int16)
    image = nib.Nifti1Image(np.broadcast_to(plane, (256, 256, depth)), np.eye(4))
    nib.save(image, path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_the_peak_does_not_grow_with_the_depth(tmp_path, suffix):
    peaks = []
    for depth in (64, 384):
        source, output = tmp_path / f"in{depth}{suffix}", tmp_path / f"out{depth}{suffix}"
        write_noise(source, depth)
        peaks.append(peak_of("resample", source, output, "--scale", 2, "-q", "-j", 2))
        source.unlink()
        assert nib.load(output).shape == (512, 512, 2 * depth)
        output.unlink()
    assert max(peaks) < LIMIT
    assert peaks[1] - peaks[0] < GROWTH


def test_a_filter_over_the_whole_depth_keeps_sums_not_planes(tmp_path):
    source = tmp_path / "in.nii"
    write_noise(source, 512)
    target = ("--size", "512x512x2", "--antialias", "-q", "-j", 2)
    peak = peak_of("resample", source, tmp_path / "out.nii", *target)
    assert peak < LIMIT


def test_a_mapped_array_does_not_stay_resident(tmp_path):
    source = tmp_path / "in.npy"
    np.save(source, np.ones((256, 512, 512), np.float32))
    target = ("--size", "512x512x256", "--mode", "cubic", "-q", "-j", 2)
    peak = peak_of("resample", source, tmp_path / "out.npy", *target)
    assert peak < LIMIT
