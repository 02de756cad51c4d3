"""Bad input: one line that names what is wrong, the right exit code, and nothing touched."""

import gzip
import os
import signal
import struct
import subprocess
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from platforms import (
    needs_limits,
    needs_preparation,
    needs_signals,
    needs_terminals,
    pty,
    resource,
)
from processes import TIMEOUT, check_line, command_line, environment, snapshot
from volumes import read_bytes, write_bytes, write_volume

from upsample_cli.files.atomic import TEMPORARY_SUFFIX

FAILED, WRONG = 1, 2

RNG = np.random.default_rng(9)
VOXELS = RNG.integers(-900, 900, (6, 5, 4), "i2")
PIXELS = RNG.integers(0, 256, (6, 8, 3), np.uint8)
NOISE = RNG.integers(-30000, 30000, (96, 96, 64), "i2")


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a good input of every kind, an existing output, and a folder."""
    write_volume(tmp_path / "in.nii", VOXELS, sform_code=0)
    write_volume(tmp_path / "in.nii.gz", VOXELS, sform_code=0)
    write_volume(tmp_path / "pair.hdr", VOXELS, sform_code=0)
    Image.fromarray(PIXELS).save(tmp_path / "in.png")
    np.save(tmp_path / "in.npy", PIXELS[:, :, 0].astype("f4"))
    (tmp_path / "old.nii").write_bytes(b"an older output")
    (tmp_path / "dir.nii").mkdir()
    return tmp_path


def cut(name, end):
    """Return what truncates a file, or what cuts bytes off its end."""

    def change(folder):
        path = folder / name
        path.write_bytes(path.read_bytes()[:end])

    return change


def damage(name, position):
    """Return what flips the bits of one byte."""

    def change(folder):
        data = bytearray((folder / name).read_bytes())
        data[position] ^= 0xFF
        (folder / name).write_bytes(data)

    return change


def put(name, data):
    """Return what writes a file."""
    return lambda folder: (folder / name).write_bytes(data)


def copy(source, name):
    """Return what gives a good file another name."""
    return lambda folder: (folder / name).write_bytes((folder / source).read_bytes())


def link(name, target, kind):
    return lambda folder: getattr(folder / name, f"{kind}_to")(
        target if kind == "symlink" else folder / target
    )


def without(name):
    return lambda folder: (folder / name).unlink()


def volume(**fields):
    """Return what writes a volume with these header fields as in.nii."""
    return lambda folder: write_volume(folder / "in.nii", VOXELS, **fields)


def many_frames(folder):
    frames = [Image.new("L", (8, 6), shade) for shade in (0, 99)]
    frames[0].save(folder / "many.tif", save_all=True, append_images=frames[1:])


def interlaced_deep_colour(folder):
    rows = b"".join(b"\0" + bytes(8 * 6) for _ in range(6))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 8, 6, 16, 2, 0, 0, 1)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )

    (folder / "deep.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )
    )


FILES = [
    ("missing", "none.nii out.nii -x 2", FAILED, "none.nii", None),
    ("missing-folder-of-input", "none/in.nii out.nii -x 2", FAILED, "none/in.nii", None),
    ("input-is-a-folder", "dir.nii out.nii -x 2", FAILED, "dir.nii", None),
    ("missing-half", "pair.hdr out.hdr -x 2", FAILED, "pair.img", without("pair.img")),
    ("empty", "in.nii out.nii -x 2", FAILED, "in.nii", put("in.nii", b"")),
    ("empty-gzip", "in.nii.gz out.nii -x 2", FAILED, "in.nii.gz", put("in.nii.gz", b"")),
    ("empty-image", "in.png out.png -x 2", FAILED, "in.png", put("in.png", b"")),
    ("truncated", "in.nii out.nii -x 2", FAILED, "in.nii", cut("in.nii", -1)),
    ("truncated-header", "in.nii out.nii -x 2", FAILED, "in.nii", cut("in.nii", 200)),
    ("truncated-gzip", "in.nii.gz out.nii -x 2", FAILED, "in.nii.gz", cut("in.nii.gz", -60)),
    ("truncated-image", "in.png out.png -x 2", FAILED, "in.png", cut("in.png", 90)),
    ("truncated-array", "in.npy out.npy -x 2", FAILED, "in.npy", cut("in.npy", -1)),
    ("truncated-pair", "pair.hdr out.hdr -x 2", FAILED, "pair.img", cut("pair.img", -1)),
    ("corrupt-gzip", "in.nii.gz out.nii -x 2", FAILED, "in.nii.gz", damage("in.nii.gz", -150)),
    ("wrong-crc", "in.nii.gz out.nii.gz -x 2", FAILED, "in.nii.gz", damage("in.nii.gz", -8)),
    ("wrong-length", "in.nii.gz out.nii.gz -x 2", FAILED, "in.nii.gz", damage("in.nii.gz", -4)),
    ("cut-trailer", "in.nii.gz out.nii.gz -x 2", FAILED, "in.nii.gz", cut("in.nii.gz", -8)),
    ("half-a-trailer", "in.nii.gz out.nii.gz -x 2", FAILED, "in.nii.gz", cut("in.nii.gz", -3)),
    ("corrupt-image", "in.png out.png -x 2", FAILED, "in.png", damage("in.png", 50)),
    ("image-as-volume", "x.nii.gz out.nii -x 2", FAILED, "x.nii.gz", copy("in.png", "x.nii.gz")),
    ("text-as-volume", "x.nii out.nii -x 2", FAILED, "x.nii", put("x.nii", b"no volume\n" * 99)),
    ("volume-as-image", "x.png out.png -x 2", FAILED, "x.png", copy("in.nii", "x.png")),
    ("text-as-image", "x.png out.png -x 2", FAILED, "x.png", put("x.png", b"no picture")),
    ("text-in-gzip", "x.nii.gz o.nii -x 2", FAILED, "x", put("x.nii.gz", gzip.compress(b"text"))),
    ("many-frames", "many.tif out.tif -x 2", WRONG, "--frame", many_frames),
    ("interlaced", "deep.png out.png -x 2", FAILED, "deep.png", interlaced_deep_colour),
    ("unreadable-array", "in.npy out.npy -x 2", FAILED, "in.npy", damage("in.npy", 20)),
    (
        "array-of-objects",
        "in.npy out.npy -x 2",
        FAILED,
        "in.npy",
        lambda folder: np.save(folder / "in.npy", np.array([None, 1], object)),
    ),
]

REQUESTS = [
    ("scale-0", "in.nii out.nii --scale 0", "--scale"),
    ("scale-negative", "in.nii out.nii --scale -1", "--scale"),
    ("scale-nan", "in.nii out.nii --scale nan", "--scale"),
    ("scale-infinite", "in.nii out.nii --scale inf", "--scale"),
    ("scale-too-small", "in.nii out.nii --scale 1e-9", "--scale"),
    ("scale-too-large", "in.nii out.nii --scale 1e300", "--scale"),
    ("scale-one-axis-vanishes", "in.nii out.nii --scale 1x1x0.2", "--scale"),
    ("scale-no-number", "in.nii out.nii --scale two", "--scale"),
    ("scale-left-out", "in.nii out.nii --scale 2x", "--scale"),
    ("size-0", "in.nii out.nii --size 0", "--size"),
    ("size-negative", "in.nii out.nii --size 4x-4x4", "--size"),
    ("size-fraction", "in.nii out.nii --size 4.5", "--size"),
    ("size-nothing", "in.nii out.nii --size x", "--size"),
    ("size-left-out", "in.nii out.nii --size 4x4x", "--size"),
    ("spacing-0", "in.nii out.nii --spacing 0", "--spacing"),
    ("spacing-nan", "in.nii out.nii --spacing nan", "--spacing"),
    ("spacing-tiny", "in.nii out.nii --spacing 1e-30", "--spacing"),
    ("spacing-of-an-image", "in.png out.png --spacing 1", "--spacing"),
    ("spacing-with-corners", "in.nii out.nii --spacing 1 --align-corners", "--spacing"),
    ("larger-than-the-disk", "in.nii out.nii --size 30000x30000x30000", "out.nii"),
    ("larger-than-memory", "in.png out.png --size 900000x900000", "out.png"),
    ("more-than-nifti-1", "in.nii out.nii --size 40000x2x2", "NIfTI-2"),
    ("no-target", "in.nii out.nii", "--scale, --size, --spacing"),
    ("two-targets", "in.nii out.nii --scale 2 --size 4", "--scale, --size"),
    ("three-targets", "in.nii out.nii -x 2 -s 4 --spacing 1", "--spacing"),
    ("two-numbers-for-three-axes", "in.nii out.nii --scale 2x2", "--scale"),
    ("three-numbers-for-an-image", "in.png out.png --size 2x2x2", "--size"),
    ("four-numbers", "in.nii out.nii --spacing 1x1x1x1", "--spacing"),
    ("bilinear-volume", "in.nii out.nii -x 2 -m bilinear", "--mode"),
    ("bicubic-volume", "in.nii out.nii -x 2 -m bicubic", "--mode"),
    ("trilinear-image", "in.png out.png -x 2 -m trilinear", "--mode"),
    ("trilinear-array", "in.npy out.npy -x 2 -m trilinear", "in.npy"),
    ("corners-nearest", "in.nii out.nii -x 2 -m nearest --align-corners", "--align-corners"),
    ("corners-area", "in.nii out.nii -x 2 -m area --align-corners", "--align-corners"),
    ("no-corners-lanczos", "in.nii o.nii -x 2 -m lanczos --no-align-corners", "--no-align-corners"),
    ("antialias-exact", "in.nii out.nii -x 2 -m nearest-exact --antialias", "--antialias"),
    ("antialias-area", "in.nii out.nii -x 2 -m area --antialias", "--antialias"),
    ("lanczos-without", "in.nii out.nii -x 2 -m lanczos --no-antialias", "--no-antialias"),
    ("recompute-with-size", "in.nii out.nii -s 4 --recompute-scale-factor", "recompute"),
    ("volume-to-image", "in.nii out.png -x 2", "out.png"),
    ("volume-to-array", "in.nii out.npy -x 2", "out.npy"),
    ("image-to-volume", "in.png out.nii -x 2", "out.nii"),
    ("array-to-image", "in.npy out.png -x 2", "out.png"),
    ("unknown-suffix", "in.nii out.xyz -x 2", "out.xyz"),
    ("no-suffix", "in.nii out -x 2", "out"),
    ("unknown-format", "in.nii - -x 2 --format xyz", "--format"),
    ("format-of-another-kind", "in.nii out.nii -x 2 --format png", "--format"),
    ("format-against-the-name", "in.png out.png -x 2 --format jpg", "--format"),
    ("gzip-against-the-name", "in.nii out.nii -x 2 --format nii.gz", "--format"),
    ("pair-to-standard-output", "in.nii - -x 2 --format hdr", "--format"),
    ("folder-missing", "in.nii none/out.nii -x 2", "none"),
    ("output-exists", "in.nii old.nii -x 2", "old.nii"),
    ("half-of-a-pair-exists", "in.nii pair.img -x 2", "pair.img"),
    ("output-is-a-folder", "in.nii dir.nii -x 2 --force", "dir.nii"),
    ("output-is-the-input", "in.nii in.nii -x 2", "in.nii"),
    ("output-is-a-device", "in.nii /dev/null -x 2 --force", "/dev/null"),
    ("dtype-unknown", "in.nii out.nii -x 2 --dtype real", "--dtype"),
    ("dtype-empty", "in.nii out.nii -x 2 --dtype=", "--dtype"),
    ("dtype-structured", "in.nii out.nii -x 2 --dtype i4,f4", "--dtype"),
    ("dtype-sub-array", "in.nii out.nii -x 2 --dtype (2,)i4", "--dtype"),
    ("dtype-brace", "in.nii out.nii -x 2 --dtype {", "--dtype"),
    ("dtype-text", "in.npy out.npy -x 2 --dtype U4", "--dtype"),
    ("dtype-of-an-image", "in.png out.png -x 2 --dtype float32", "--dtype"),
    ("threads-0", "in.nii out.nii -x 2 --threads 0", "--threads"),
    ("threads-no-number", "in.nii out.nii -x 2 -j many", "--threads"),
    ("level-4", "in.nii out.nii.gz -x 2 --compress-level 4", "--compress-level"),
    ("unknown-option", "in.nii out.nii -x 2 --fast", "--fast"),
    ("unknown-mode", "in.nii out.nii -x 2 -m sinc", "--mode"),
    ("no-output", "in.nii", "OUTPUT"),
    ("too-many-files", "in.nii out.nii more.nii -x 2", "more.nii"),
    ("frame-of-a-single-image", "in.png out.png -x 2 --frame 1", "--frame"),
    ("negative-frame", "in.png out.png -x 2 --frame -1", "--frame"),
]

FILES_AS_PROCESSES = {
    "missing",
    "empty",
    "truncated",
    "truncated-gzip",
    "truncated-image",
    "corrupt-gzip",
    "wrong-crc",
    "cut-trailer",
    "image-as-volume",
    "text-as-volume",
    "many-frames",
}
REQUESTS_AS_PROCESSES = {
    "scale-0",
    "scale-nan",
    "larger-than-the-disk",
    "larger-than-memory",
    "no-target",
    "two-numbers-for-three-axes",
    "trilinear-image",
    "corners-nearest",
    "volume-to-image",
    "unknown-suffix",
    "folder-missing",
    "output-exists",
    "output-is-the-input",
    "output-is-a-device",
    "dtype-unknown",
    "threads-0",
    "unknown-option",
    "unknown-mode",
}
"""One of each kind; the others take the same ways to an end and run in this process."""


def check_refused(folder, run, arguments, expected, *named):
    before = snapshot(folder)
    code, out, err = run("resample", *arguments.split())
    check_line(err, *named)
    assert (code, out) == (expected, "")
    assert snapshot(folder) == before


@pytest.fixture
def process(cli):
    """``process("resample", …)`` runs a real process → exit code, stdout, stderr."""

    def run(*arguments, **options):
        done = cli(*arguments, **options)
        return done.returncode, done.stdout.decode(), done.stderr

    return run


@pytest.mark.parametrize(
    ("name", "arguments", "code", "named", "prepare"), FILES, ids=[case[0] for case in FILES]
)
def test_bad_files(folder, process, here, name, arguments, code, named, prepare):
    if prepare:
        prepare(folder)
    run = process if name in FILES_AS_PROCESSES else here
    check_refused(folder, run, arguments, code, named)


@pytest.mark.parametrize(
    ("name", "arguments", "named"), REQUESTS, ids=[case[0] for case in REQUESTS]
)
def test_wrong_requests(folder, process, here, name, arguments, named):
    run = process if name in REQUESTS_AS_PROCESSES else here
    check_refused(folder, run, arguments, WRONG, named)


NAN_ROW = {"srow_y": (0.0, np.nan, 0.0, 0.0)}
HEADERS = {
    "dim-zero": {"dim": (3, 6, 0, 4, 1, 1, 1, 1)},
    "dim-negative": {"dim": (3, 6, -5, 4, 1, 1, 1, 1)},
    "dim-of-time-zero": {"dim": (4, 6, 5, 4, 0, 1, 1, 1)},
    "dim-larger-than-the-file": {"dim": (3, 6, 5, 5, 1, 1, 1, 1)},
    "dim-far-larger": {"dim": (7, *[32767] * 7)},
    "no-dimensions": {"dim": (0, 6, 5, 4, 1, 1, 1, 1)},
    "eight-dimensions": {"dim": (8, 6, 5, 4, 1, 1, 1, 1)},
    "negative-dimensions": {"dim": (-3, 6, 5, 4, 1, 1, 1, 1)},
    "sform-nan": NAN_ROW,
    "sform-infinite": {"srow_z": (np.inf,) * 4},
    "sform-zero": {"srow_x": (0.0,) * 4},
    "sform-flat": {"srow_x": (1.0, 1.0, 0, 0), "srow_y": (1.0, 1.0, 0, 0)},
    "sform-offset-nan": {"srow_x": (1.0, 0, 0, np.nan)},
    "sform-flat-but-for-rounding": {
        "srow_x": (0.1, 0.2, 0.3, 0),
        "srow_y": (0.4, 0.5, 0.6, 0),
        "srow_z": (0.7, 0.8, 0.9, 0),
    },
    "qform-nan": {"quatern_c": np.nan, "sform_code": 0},
    "qform-infinite": {"quatern_c": np.inf, "sform_code": 0},
    "qform-too-long": {"quatern_b": 0.9, "quatern_c": 0.9, "sform_code": 0},
    "qform-offset-nan": {"qoffset_x": np.nan, "sform_code": 0},
    "qform-without-size": {"pixdim": (1.0, 2.0, 0.0, 3.0, 0, 0, 0, 0), "sform_code": 0},
    "qform-size-nan": {"pixdim": (1.0, np.nan, 2.0, 3.0, 0, 0, 0, 0), "sform_code": 0},
    "size-zero": {"pixdim": (1.0, 2, 0, 3, 0, 0, 0, 0), "qform_code": 0, "sform_code": 0},
    "size-nan": {"pixdim": (1.0, 2, np.nan, 3, 0, 0, 0, 0), "qform_code": 0, "sform_code": 0},
    "size-infinite": {"pixdim": (1.0, 2, np.inf, 3, 0, 0, 0, 0), "qform_code": 0, "sform_code": 0},
    "offset-in-the-header": {"vox_offset": 300},
    "offset-negative": {"vox_offset": -352},
    "offset-past-the-end": {"vox_offset": 10_000},
    "offset-far-past-the-end": {"vox_offset": 2**40},
    "magic-of-nothing": {"magic": b"nope"},
    "analyze": {"magic": b"\0\0\0\0"},
    "half-of-a-pair": {"magic": b"ni1\0"},
}
NOT_FINITE_OFFSETS = {"offset-nan": np.nan, "offset-infinite": np.inf}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("version", [1, 2])
def test_bad_headers(folder, here, name, version):
    fields = dict(HEADERS[name])
    if version == 2 and "magic" in fields:
        fields["magic"] = fields["magic"].replace(b"ni1", b"ni2").ljust(8, b"\0")
    volume(version=version, **fields)(folder)
    check_refused(folder, here, "in.nii out.nii -x 2", FAILED, "in.nii")
    code, out, err = here("info", "in.nii")
    check_line(err, "in.nii")
    assert (code, out) == (FAILED, "")


@pytest.mark.parametrize("name", NOT_FINITE_OFFSETS)
def test_offsets_that_are_no_number(folder, here, name):
    volume(vox_offset=NOT_FINITE_OFFSETS[name])(folder)
    check_refused(folder, here, "in.nii out.nii -x 2", FAILED, "in.nii")


@pytest.mark.parametrize("offset", [-1, np.nan, np.inf, 241, 1e30])
def test_bad_offsets_in_a_pair(folder, here, offset):
    write_volume(folder / "pair.hdr", VOXELS, vox_offset=offset)
    check_refused(folder, here, "pair.hdr out.hdr -x 2", FAILED, "pair.")


@pytest.mark.parametrize("name", ["dim-zero", "dim-larger-than-the-file", "sform-nan"])
def test_bad_headers_as_processes(folder, process, name):
    volume(**HEADERS[name])(folder)
    check_refused(folder, process, "in.nii out.nii -x 2", FAILED, "in.nii")


@pytest.mark.parametrize(
    ("dim", "datatype"), [((3, 30000, 30000, 30000, 1, 1, 1, 1), 64), ((7, *[32767] * 7), 1792)]
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_dims_are_checked_before_anything_is_allocated(folder, here, dim, datatype, suffix):
    write_volume(folder / f"in{suffix}", VOXELS, dim=dim, datatype=datatype)
    check_refused(folder, here, f"in{suffix} out.nii -s 2", FAILED, f"in{suffix}")


def test_truncation_shows_only_at_the_end_of_a_pipe(folder, process):
    data = (folder / "in.nii").read_bytes()[:-1]

    def run(*arguments):
        return process(*arguments, stdin=data)

    check_refused(folder, run, "- out.nii -x 2", FAILED, "-")


@pytest.mark.parametrize("command", ["info in.nii", "explain in.nii -x 2"])
def test_other_commands_fail_alike(folder, process, command):
    cut("in.nii", 100)(folder)
    code, out, err = process(*command.split())
    check_line(err, "in.nii")
    assert (code, out) == (FAILED, "")


def test_an_unknown_command(process):
    code, out, err = process("upscale")
    check_line(err, "upscale")
    assert (code, out) == (WRONG, "")


@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_the_input_through_a_link(folder, here, kind):
    link("link.nii", "in.nii", kind)(folder)
    check_refused(folder, here, "in.nii link.nii -x 2", WRONG, "link.nii", "--force")


def test_a_file_where_a_folder_should_be(folder, process):
    before = snapshot(folder)
    code, out, err = process("resample", "in.nii", "old.nii/out.nii", "-x", "2")
    check_line(err, "old.nii/out.nii")
    assert code in (FAILED, WRONG)
    assert (out, snapshot(folder)) == ("", before)


def test_a_name_that_the_file_system_cannot_hold(folder, here):
    check_refused(folder, here, f"in.nii {'n' * 300}.nii -x 2", WRONG, "nnn")


def test_a_folder_that_takes_no_files(folder, process):
    before = snapshot(folder)
    code, out, err = process("resample", "in.nii", "/proc/self/out.nii.gz", "-x", "1")
    check_line(err, "/proc/self/out.nii.gz")
    assert (code, out, snapshot(folder)) == (FAILED, "", before)


def limit_files(size):
    """Return what makes any file larger than this fail, as a full disk would."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@needs_limits
@pytest.mark.parametrize(
    ("source", "output", "options"),
    [
        ("noise.nii", "out.nii", "-x 2"),
        ("noise.nii", "out.nii.gz", "-x 1"),
        ("noise.png", "out.png", "-x 2"),
        ("noise.npy", "out.npy", "-x 1"),
        ("noise.nii", "old.nii", "-x 1 --force"),
    ],
)
def test_a_disk_that_fills_up_midway(folder, process, source, output, options):
    write_volume(folder / "noise.nii", NOISE)
    np.save(folder / "noise.npy", NOISE)
    pixels = NOISE.view(np.uint8).reshape(768, 512, 3)
    Image.fromarray(pixels).save(folder / "noise.png")

    def run(*arguments):
        return process(*arguments, preexec_fn=limit_files(700_000))

    check_refused(folder, run, f"{source} {output} {options}", FAILED, output.split(".")[0])


UNBUFFERED = pytest.mark.parametrize("unbuffered", ["", "1"])


@UNBUFFERED
@pytest.mark.parametrize("command", ["resample in.nii - -x 2", "info in.nii"])
def test_a_full_device_on_standard_output(folder, cli, command, unbuffered):
    with open("/dev/full", "wb") as full:
        done = cli(*command.split(), stdout=full, env={"PYTHONUNBUFFERED": unbuffered})
    check_line(done.stderr, "-")
    assert done.returncode == FAILED


@needs_limits
@UNBUFFERED
def test_standard_output_that_takes_only_a_part(folder, cli, unbuffered):
    with open(folder / "part.nii", "wb") as part:
        done = cli(
            "resample",
            "in.nii",
            "-",
            "--size=33",
            stdout=part,
            env={"PYTHONUNBUFFERED": unbuffered},
            preexec_fn=limit_files(40_000),
        )
    check_line(done.stderr, "-")
    assert done.returncode == FAILED


@UNBUFFERED
@pytest.mark.parametrize("command", ["resample in.nii - -x 40 -q", "info in.nii"])
def test_a_reader_that_goes_away(folder, command, unbuffered):
    own, other = os.pipe()
    os.close(own)
    with open(other, "wb") as closed:
        done = subprocess.run(
            command_line(*command.split()),
            stdin=subprocess.DEVNULL,
            stdout=closed,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environment(PYTHONUNBUFFERED=unbuffered),
            timeout=TIMEOUT,
            check=False,
            text=True,
        )
    check_line(done.stderr, "-")
    assert done.returncode == FAILED


@needs_preparation
def test_no_standard_output_at_all(folder, cli):
    done = cli("resample", "in.nii", "-", "-x", "2", preexec_fn=lambda: os.close(1))
    check_line(done.stderr, "-")
    assert done.returncode in (FAILED, WRONG)


@needs_terminals
@pytest.mark.parametrize("which", ["stdin", "stdout"])
def test_a_terminal_carries_no_data(folder, cli, which):
    own, other = pty.openpty()
    arguments = {"stdin": "- out.nii -x 2", "stdout": "in.nii - -x 2"}[which]
    try:
        done = cli("resample", *arguments.split(), **{which: other})
    finally:
        os.close(own)
        os.close(other)
    check_line(done.stderr, "terminal")
    assert done.returncode == WRONG


@pytest.fixture
def midway(folder):
    """``midway(source, output)`` starts a resample and stops feeding it halfway; kills it at last.

    It returns once the temporary file is there, in a folder of its own.
    """
    started = []

    def start(source, output):
        process = subprocess.Popen(
            command_line("resample", "-", f"work/{output}", "-x", "1.5"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environment(),
        )
        started.append(process)
        data = (folder / source).read_bytes()
        process.stdin.write(data[: len(data) // 2])
        process.stdin.flush()
        deadline = time.monotonic() + TIMEOUT
        while not list((folder / "work").iterdir()):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return process

    (folder / "work").mkdir()
    write_volume(folder / "noise.nii", NOISE)
    write_bytes(folder / "noise.nii.gz", read_bytes(folder / "noise.nii"))
    yield start
    for process in started:
        process.kill()
        process.wait(TIMEOUT)
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


@needs_signals
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_signal_midway_leaves_nothing(folder, midway, number, code, word, suffix):
    process = midway(f"noise{suffix}", f"out{suffix}")
    process.send_signal(number)
    assert process.wait(TIMEOUT) == code
    check_line(process.stderr.read().decode(), word)
    assert process.stdout.read() == b""
    assert snapshot(folder / "work") == {}


@needs_signals
def test_the_next_run_removes_what_a_killed_one_left(folder, midway, process, holds_only):
    killed = midway("noise.nii", "out.nii")
    running = midway("noise.nii", "other.nii")
    killed.kill()
    assert killed.wait(TIMEOUT) == -signal.SIGKILL
    left = [path.name for path in (folder / "work").iterdir()]
    assert len(left) <= 2
    assert all(name.startswith(".upsample-") for name in left)
    assert all(name.endswith(TEMPORARY_SUFFIX) for name in left)
    code, _, err = process("resample", "in.nii", "work/out.nii", "-x", "2", "-q")
    assert (code, err) == (0, "")
    running.terminate()
    running.wait(TIMEOUT)
    holds_only("out.nii", folder=folder / "work")


def test_a_run_that_is_still_writing_keeps_its_temporary(folder, midway, process):
    running = midway("noise.nii", "out.nii")
    (temporary,) = (folder / "work").iterdir()
    assert process("resample", "in.nii", "work/out.nii", "-x", "2", "-q")[0] == 0
    assert temporary.exists()
    first = (folder / "work" / "out.nii").read_bytes()
    rest = (folder / "noise.nii").read_bytes()
    _, err = running.communicate(rest[len(rest) // 2 :], timeout=TIMEOUT)
    check_line(err.decode(), "out.nii", "exists")
    assert running.returncode == WRONG
    assert snapshot(folder / "work") == {"out.nii": first}


def test_dev_null_stays_a_device(process, folder):
    process("resample", "in.nii", "/dev/null", "-x", "2", "--force", "--format", "nii")
    assert Path("/dev/null").is_char_device()
