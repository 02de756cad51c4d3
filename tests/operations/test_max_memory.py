"""``--max-memory``: whole processes stay below it, or say what would be enough; the bytes stay."""

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from processes import peak_memory

from upsample_cli.cli.parsing import parse_memory
from upsample_cli.errors import MemoryLimitError, RequestError
from upsample_cli.resources import machine
from upsample_cli.resources.budget import pieces_within
from upsample_cli.resources.pieces import Pieces

MIB = 2**20
TOLERANCE = 1.1

on_linux = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the kernel's own peak counter is Linux's"
)

TURNED = np.array([[0.95, -0.3, 0, 9], [0.3, 0.95, 0, -20], [0, 0, 1, 0], [0, 0, 0, 1]])
"""A grid in the same planes, about its first corner."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Return a folder of noise, which compresses badly, in every format; and of labels."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(0)
    save_volumes(folder, rng)
    save_images(folder, rng)
    np.save(folder / "a.npy", rng.random((24, 512, 512), np.float32))
    np.save(folder / "weight.npy", rng.random((8, 4, 3, 3), np.float32))
    np.save(folder / "channels.npy", rng.random((12, 8, 256, 256), np.float32))
    return folder


def save_volumes(folder, rng):
    scan = rng.integers(0, 900, (512, 512, 14), np.int16)
    volumes = {
        "scan.nii": scan,
        "scan.nii.gz": scan,
        "float.nii": rng.random((256, 256, 36), np.float32),
        "bold.nii.gz": rng.integers(0, 900, (96, 96, 32, 12), np.int16),
        "labels.nii.gz": np.add.outer(
            np.add.outer(*[np.arange(320) // 32] * 2), np.arange(48) // 6
        ).astype(np.uint8),
    }
    for name, voxels in volumes.items():
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), folder / name)
    nib.save(nib.Nifti1Image(np.zeros((512, 512, 20), np.int16), TURNED), folder / "turned.nii")


def save_images(folder, rng):
    photo = Image.fromarray(rng.integers(0, 255, (1200, 1500, 3), np.uint8))
    for name in ("photo.png", "photo.jpg", "photo.tif"):
        photo.save(folder / name)
    photo.save(folder / "progressive.jpg", progressive=True)
    Image.fromarray(rng.integers(0, 255, (1200, 1500, 4), np.uint8)).save(folder / "clear.png")


CASES = [
    ("resample", "scan.nii", "out.nii", "-x", 2, "-j", 2),
    ("resample", "scan.nii.gz", "out.nii.gz", "-x", 2, "-j", 1),
    ("resample", "scan.nii.gz", "out.nii.gz", "-x", 2, "-j", 2),
    ("resample", "scan.nii.gz", "out.nii.gz", "-x", 2, "-j", 4),
    ("resample", "scan.nii.gz", "out.nii", "-s", "64x64x4", "--antialias", "-j", 2),
    ("resample", "float.nii", "out.nii", "-x", 2, "-m", "cubic", "-j", 4),
    ("resample", "float.nii", "out.nii.gz", "-s", "300x300x3", "-m", "area", "-j", 2),
    ("resample", "bold.nii.gz", "out.nii.gz", "-x", 2, "-j", 2),
    ("resample", "labels.nii.gz", "out.nii", "-x", 2, "--labels", "-j", 2),
    ("resample", "scan.nii", "out.nii", "--like", "turned.nii", "-j", 2),
    ("resample", "scan.nii", "out.nii", "--orientation", "SAR", "-j", 2),
    ("resample", "a.npy", "out.npy", "-s", "700x700x24", "-j", 2),
    ("resample", "photo.png", "out.png", "-x", 2, "-j", 2),
    ("resample", "photo.png", "out.jpg", "-x", 0.2, "-j", 2),
    ("resample", "clear.png", "out.png", "-x", 0.4, "-m", "cubic", "-j", 2),
    ("resample", "progressive.jpg", "out.jpg", "-x", 1.5, "-j", 1),
    ("resample", "photo.tif", "out.tif", "-x", 1.5, "-j", 4),
    ("pool", "scan.nii.gz", "out.nii.gz", "-k", "2x2x1", "-j", 2),
    ("pool", "photo.png", "out.png", "-k", 2, "-j", 2),
    ("conv-transpose", "float.nii", "out.nii", "--kernel", "bilinear", "--stride", 2, "-j", 2),
    ("conv-transpose", "channels.npy", "out.npy", "--weight", "weight.npy", "-j", 2),
]


@pytest.fixture
def limited(inputs, tmp_path):
    """``limited(case, limit)`` → exit code, peak, stderr; the output replaces the one before."""

    def run(case, limit=None):
        command, source, output, *rest = case
        names = [inputs / word if (inputs / str(word)).exists() else word for word in rest]
        limit = [] if limit is None else ["--max-memory", f"{limit}M"]
        words = [inputs / source, tmp_path / output, *names, *limit, "-q", "-f"]
        return peak_memory(command, *words)

    return run


def named_amount(message):
    """Return the MiB that an error says to be enough."""
    found = re.search(r"needs about (\d+) MiB, but --max-memory is (\S+) MiB; allow at", message)
    assert found, message
    assert message.count("\n") == 1
    return int(found[1])


@on_linux
@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(map(str, case)))
def test_the_peak_stays_below_the_limit_and_the_bytes_the_same(limited, tmp_path, case):
    code, _, message = limited(case, 16)
    assert code == 2
    assert not list(tmp_path.iterdir())
    least = named_amount(message)

    code, unlimited, message = limited(case)
    assert code == 0, message
    whole = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    between = (least + unlimited // MIB) // 2
    for limit in {least, max(least, between)}:
        code, peak, message = limited(case, limit)
        assert code == 0, message
        assert peak <= TOLERANCE * limit * MIB
        assert limit > least or peak >= limit * MIB / TOLERANCE
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == whole


@on_linux
def test_what_needs_much_more_without_a_limit_fits(limited):
    case = ("resample", "scan.nii.gz", "out.nii.gz", "-x", 2, "-j", 4)
    _, unlimited, _ = limited(case)
    least = named_amount(limited(case, 16)[2])
    assert unlimited > 1.3 * least * MIB


@on_linux
def test_unpool_and_restore_obey_it(limited, inputs, tmp_path):
    pooled, back = tmp_path / "pooled.nii", tmp_path / "back.nii"
    assert peak_memory("pool", inputs / "scan.nii", pooled, "-k", 2, "-q")[0] == 0
    twice = tmp_path / "twice.nii"
    words = ("resample", inputs / "float.nii", twice, "-x", 2, "--record", "-q")
    assert peak_memory(*words)[0] == 0
    for command, source in (("unpool", pooled), ("restore", twice)):
        words = (command, source, back, "-q", "-f", "-j", 2, "--max-memory")
        least = named_amount(peak_memory(*words, "20M")[2])
        code, peak, message = peak_memory(*words, f"{least}M")
        assert code == 0, message
        assert least * MIB / TOLERANCE <= peak <= TOLERANCE * least * MIB


@on_linux
def test_kernels_are_not_compiled_where_that_takes_more(inputs, tmp_path):
    words = ("resample", inputs / "scan.nii", tmp_path / "out.nii", "-x", 2, "--max-memory", "160M")
    code, peak, message = peak_memory(*words, UPSAMPLE_CLI_CACHE=str(tmp_path / "cache"))
    assert code == 2
    assert re.search(r"kernels: needs about \d+ MiB, .* run upsample-cli warmup first", message)
    assert peak < TOLERANCE * 160 * MIB
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("command", ["explain", "pool"])
def test_explain_says_whether_and_how_it_fits(here, inputs, tmp_path, command):
    words = {"explain": ["-x", 2], "pool": [tmp_path / "out.nii", "-k", 2, "--explain"]}[command]
    words = [command, inputs / "scan.nii", *words, "-q", "-j", 4, "--max-memory"]
    code, text, _ = here(*words, "20M")
    assert code == 0
    assert re.search(r"memory +needs about \d+ MiB, but --max-memory is 20 MiB; allow", text)
    code, text, _ = here(*words, "16G")
    assert code == 0
    assert re.search(r"memory +about [\d.]+ \S+, program included, which fits\n", text)


def granular(pieces):
    """Return what work takes that needs 8 MiB for each thread and 32 MiB for all of its pieces."""
    return (8 * pieces.threads + 32 // pieces.division) * MIB


def test_pieces_become_smaller_before_threads_become_fewer(monkeypatch):
    monkeypatch.setattr("upsample_cli.resources.budget.program_bytes", lambda *_, **__: 0)
    settled = []
    for limit in (1000, 64, 63, 40, 32, 20):
        pieces = pieces_within(limit * MIB, granular, Pieces(4), "file")
        settled.append((pieces.threads, pieces.division))
    assert settled == [(4, 1), (4, 1), (4, 2), (4, 4), (4, 64), (2, 8)]
    with pytest.raises(MemoryLimitError, match=r"file: needs about 9 MiB, .* is 7 MiB") as caught:
        pieces_within(7 * MIB, granular, Pieces(4), "file")
    assert isinstance(caught.value, RequestError)
    assert caught.value.needed == 9 * MIB
    assert caught.value.limit == 7 * MIB


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("512M", 512 * MIB),
        ("512m", 512 * MIB),
        ("200MiB", 200 * MIB),
        ("1.5G", 1536 * MIB),
        (" 2 GB ", 2 * 10**9),
        ("64kB", 64_000),
        ("1T", 2**40),
    ],
)
def test_sizes_are_read(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "M", "0", "-1M", "1X", "1MiBs", "1e9", "nan", "1,5G", "0.1B"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(RequestError, match=r"--max-memory: .* is not a number of bytes; use 512M"):
        parse_memory(text)


@on_linux
def test_the_peak_of_a_process_can_begin_anew():
    block = np.ones(96 * MIB, np.uint8)
    high = machine.peak_resident_bytes()
    assert high >= machine.resident_bytes() - MIB
    del block
    if machine.reset_peak():
        assert machine.peak_resident_bytes() < high - 64 * MIB


def test_without_a_status_file_the_peak_is_that_of_getrusage(monkeypatch, tmp_path):
    pytest.importorskip("resource")
    monkeypatch.setattr(machine, "STATUS_FILE", tmp_path / "none")
    monkeypatch.setattr(machine, "RESET_FILE", tmp_path / "none" / "none")
    assert machine.peak_resident_bytes() > 10 * MIB
    assert not machine.reset_peak()
