"""``batch --max-memory``: all its processes together stay below it, whatever the files need."""

import contextlib
import re
import subprocess
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
import pytest
from PIL import Image
from processes import command_line, environment

MIB = 2**20
TOLERANCE = 1.1

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="a process's children are counted by Linux"
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Return a folder of volumes that are streamed, and an image that needs more than a share."""
    folder = tmp_path_factory.mktemp("source")
    rng = np.random.default_rng(0)
    scan = rng.integers(0, 900, (512, 512, 14), np.int16)
    for name in ("a.nii", "b.nii.gz", "c.nii.gz"):
        nib.save(nib.Nifti1Image(scan, np.eye(4)), folder / name)
    Image.fromarray(rng.integers(0, 255, (2400, 3000, 3), np.uint8)).save(folder / "large.png")
    return folder


@pytest.fixture
def batch(source, tmp_path):
    """``batch(limit, …)`` in MiB → exit code, standard error, the most MiB seen at once."""

    def run(limit, *options):
        arguments = ("batch", source, tmp_path / "out", "-x", 2, "--max-memory", f"{limit}M")
        process = subprocess.Popen(
            command_line(*arguments, "-q", *options),
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            most = held_together(process)
            return process.returncode, process.stderr.read(), most / MIB

    return run


def held_together(process):
    most, parent = 0, psutil.Process(process.pid)
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            family = [parent, *parent.children(recursive=True)]
            most = max(most, sum(member.memory_info().rss for member in family))
        time.sleep(0.005)
    return most


@pytest.mark.parametrize("limit", [320, 420, 640])
def test_all_processes_stay_below_the_limit(batch, limit, tmp_path):
    code, error, most = batch(limit, "--jobs", 2)
    assert (code, error) == (0, "")
    assert most <= limit * TOLERANCE
    assert len(list((tmp_path / "out").glob("[!.]*"))) == 4


def test_what_is_named_as_enough_is_enough(batch):
    code, error, most = batch(200, "--exclude", "*.nii*")
    assert code == 1
    assert most <= 200 * TOLERANCE
    needed = re.search(r"large\.png: needs about (\d+) MiB, but --max-memory is 200 MiB", error)
    assert f"allow at least {needed[1]} MiB" in error
    code, error, most = batch(int(needed[1]), "--exclude", "*.nii*")
    assert (code, error) == (0, "")
    assert most <= int(needed[1]) * TOLERANCE


def test_a_limit_that_holds_no_worker_is_refused(batch, tmp_path):
    code, error, _ = batch(60)
    assert code == 2
    assert "1 worker needs at least 128.0 MiB of memory, but --max-memory leaves" in error
    assert not list((tmp_path / "out").glob("[!.]*"))
    enough = int(re.search(r"allow at least (\d+) MiB", error)[1])
    assert batch(enough, "--pattern", "*.npy")[2] <= enough * TOLERANCE
