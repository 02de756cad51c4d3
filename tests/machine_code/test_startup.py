"""What a command imports: no more than it needs, because that is most of a small file's time."""

import subprocess
import sys

import pytest
from processes import environment

HEAVY = ("numba", "nibabel", "PIL", "isal", "llvmlite", "psutil", "tqdm", "pydantic")
HEAVY += ("dask", "distributed")

RUN = """
import sys
from upsample_cli.cli.app import run
assert run(sys.argv[1:]) == 0
print(*sys.modules, file=sys.stderr)
"""


def imported(*arguments):
    """Return which heavy packages a command line imports."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in done.stderr.split() if name in HEAVY}


COMMANDS = ("resample", "batch", "pool", "unpool", "conv-transpose", "info", "verify")
COMMANDS += ("restore", "explain", "warmup")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_imports_nothing_heavy(command):
    assert imported(*command, "--help") == set()


@pytest.mark.parametrize(
    ("source", "output", "unneeded"),
    [
        ("brain.nii.gz", "out.nii.gz", {"numba", "PIL", "tqdm", "pydantic"}),
        ("logo.png", "out.png", {"numba", "nibabel", "tqdm", "pydantic"}),
    ],
)
def test_a_resample_imports_what_its_format_needs(samples, tmp_path, source, output, unneeded):
    found = imported("resample", samples / source, tmp_path / output, "--scale", "2")
    assert found
    assert found.isdisjoint(unneeded)


def test_pool_and_its_inverses_import_what_their_format_needs(samples, tmp_path):
    unneeded = {"numba", "PIL", "tqdm", "pydantic"}
    pooled, enlarged = tmp_path / "pooled.nii", ("--kernel", "nearest", "--stride", 2)
    for command in (
        ("pool", samples / "bold.nii.gz", pooled, "--kernel-size", 2),
        ("unpool", pooled, tmp_path / "back.nii"),
        ("conv-transpose", pooled, tmp_path / "large.nii", *enlarged),
    ):
        assert imported(*command).isdisjoint(unneeded)


def test_info_imports_no_kernels(samples):
    assert imported("info", samples / "logo.png").isdisjoint({"numba", "nibabel", "llvmlite"})


def test_a_batch_imports_dask_only_for_a_cluster(samples, tmp_path):
    command = ("batch", samples, tmp_path / "out", "--pattern", "logo.png", "--scale", 2)
    assert imported(*command, "--jobs", 1).isdisjoint({"dask", "distributed"})
