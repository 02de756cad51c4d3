"""The command line as its users run it: real processes, real files, real pipes."""

import gzip
import json
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from platforms import fcntl, needs_pipes, needs_terminals, pty, termios
from processes import SAMPLES, TIMEOUT, command_line, environment
from volumes import read_bytes, read_volume, write_volume

from upsample_cli import __version__, functional

RNG = np.random.default_rng(5)
PIXELS = RNG.integers(0, 256, (6, 8, 3), np.uint8)
MATRIX = RNG.normal(size=(6, 8)).astype("f4")
STACK = RNG.normal(size=(2, 6, 8)).astype("f4")
VOXELS = RNG.integers(-900, 900, (6, 5, 4), "i2")
SERIES = RNG.normal(size=(6, 5, 4, 3)).astype("f4")

COMMANDS = ("resample", "pool", "unpool", "conv-transpose", "info", "explain", "verify")
MODES = {"nearest", "nearest-exact", "linear", "cubic", "area", "lanczos"}
MODES |= {"bilinear", "trilinear", "bicubic"}
OPTIONS = """
--scale -x --size -s --spacing --isotropic --max-size --fit --mode -m --align-corners
--no-align-corners --antialias --no-antialias --recompute-scale-factor --dtype --force -f --threads
-j --compress-level --format --record --quiet -q --debug
"""


@pytest.fixture
def folder(tmp_path):
    """Return a folder with one input of every kind."""
    Image.fromarray(PIXELS).save(tmp_path / "in.png")
    np.save(tmp_path / "in.npy", MATRIX)
    np.save(tmp_path / "stack.npy", STACK)
    write_volume(tmp_path / "in.nii", VOXELS, sform_code=0)
    write_volume(tmp_path / "in.nii.gz", VOXELS, sform_code=0)
    write_volume(tmp_path / "series.nii", SERIES, sform_code=0)
    return tmp_path


def content(path):
    """Return a file as an array, slowest axis first."""
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".png":
        return np.moveaxis(np.asarray(Image.open(path)), -1, 0)
    return read_volume(path).voxels.T


def summary_of(source, output, before, after, mode):
    return rf"{re.escape(source)} {before} → {re.escape(output)} {after}, {mode}, \d+\.\d s\n"


RESAMPLES = [
    ("in.npy --size 1024x768", "1024×768 float32", {"size": (768, 1024), "mode": "bilinear"}),
    (
        "in.npy --scale 2x1.5 -m cubic -j 3",
        "16×9 float32",
        {"scale_factor": (1.5, 2), "mode": "bicubic"},
    ),
    (
        "in.npy -s 16×9 --mode bilinear --align-corners",
        "16×9 float32",
        {"size": (9, 16), "mode": "bilinear", "align_corners": True},
    ),
    (
        "in.npy -s 5 -m bicubic --align-corners",
        "5×5 float32",
        {"size": 5, "mode": "bicubic", "align_corners": True},
    ),
    (
        "in.npy --scale 0.5 --antialias",
        "4×3 float32",
        {"scale_factor": 0.5, "mode": "bilinear", "antialias": True},
    ),
    (
        "in.npy --scale 0.7X0.6 --no-antialias --no-align-corners -m linear",
        "5×3 float32",
        {"scale_factor": (0.6, 0.7), "mode": "bilinear"},
    ),
    (
        "in.npy --scale 1.3 --recompute-scale-factor",
        "10×7 float32",
        {"scale_factor": 1.3, "mode": "bilinear", "recompute_scale_factor": True},
    ),
    ("in.npy -x 2.5 -m nearest", "20×15 float32", {"scale_factor": 2.5, "mode": "nearest"}),
    (
        "in.npy -x 1.6 --mode nearest-exact",
        "12×9 float32",
        {"scale_factor": 1.6, "mode": "nearest-exact"},
    ),
    ("in.npy -s 3x2 -m area", "3×2 float32", {"size": (2, 3), "mode": "area"}),
    (
        "in.npy -s 5x4 -m lanczos",
        "5×4 float32",
        {"size": (4, 5), "mode": "lanczos", "antialias": True},
    ),
    ("stack.npy -x 2x2", "16×12×2 float32", {"scale_factor": 2, "mode": "bilinear"}),
    ("stack.npy -x 2", "16×12×4 float32", {"scale_factor": 2, "mode": "trilinear"}),
    (
        "in.nii --scale 2x1x0.5 -m trilinear",
        "12×5×2 int16",
        {"scale_factor": (0.5, 1, 2), "mode": "trilinear"},
    ),
    ("in.nii.gz --size 9x8x7", "9×8×7 int16", {"size": (7, 8, 9), "mode": "trilinear"}),
    (
        "in.nii --spacing 1x1.25x1.75",
        "12×10×8 int16",
        {"scale_factor": 2, "mode": "trilinear"},
    ),
    (
        "series.nii -s 7x5x8 -m trilinear --align-corners",
        "7×5×8×3 float32",
        {"size": (8, 5, 7), "mode": "trilinear", "align_corners": True},
    ),
    ("in.png --size 16x", "16×12 uint8", {"size": (12, 16), "mode": "bilinear"}),
    ("in.png --fit 20x18", "20×15 uint8", {"size": (15, 20), "mode": "bilinear"}),
    ("in.png --max-size 4", "4×3 uint8", {"size": (3, 4), "mode": "bilinear"}),
    (
        "in.nii --spacing keepx1.25×KEEP",
        "6×10×4 int16",
        {"scale_factor": (1, 2, 1), "mode": "trilinear"},
    ),
    (
        "in.nii --isotropic 1",
        "12×12×14 int16",
        {"scale_factor": (3.5, 2.5, 2), "mode": "trilinear"},
    ),
    ("in.png -s x3 -m nearest", "4×3 uint8", {"size": (3, 4), "mode": "nearest"}),
    ("in.png --scale 2 -m bicubic", "16×12 uint8", {"scale_factor": 2, "mode": "bicubic"}),
]


@pytest.mark.parametrize(("arguments", "after", "call"), RESAMPLES, ids=lambda value: str(value))
def test_resample(cli, folder, arguments, after, call):
    source, *options = arguments.split()
    output = "out" + source[source.index(".") :]
    done = cli("resample", source, output, *options)
    assert (done.returncode, done.stdout) == (0, b"")
    mode = next((word for word in options if word in MODES), "linear")
    before = shape_text(folder / source)
    *notes, summary = done.stderr.splitlines(keepends=True)
    assert re.fullmatch(summary_of(source, output, before, after, mode), summary)
    assert all(
        note.startswith(("upsample-cli: hint: ", "upsample-cli: warning: ")) for note in notes
    )
    assert shape_text(folder / output) == after
    array = content(folder / source)
    dimensions = 3 if call["mode"] == "trilinear" else 2
    items = np.ascontiguousarray(array.reshape(-1, 1, *array.shape[-dimensions:]))
    expected = functional.interpolate(items, **call)
    assert np.array_equal(content(folder / output).reshape(expected.shape), expected)


def shape_text(path):
    array = content(path)
    shape = array.shape[1:] if path.suffix == ".png" else array.shape
    return "×".join(str(n) for n in shape[::-1]) + f" {array.dtype.newbyteorder('=').name}"


@pytest.mark.parametrize("source", ["in.nii", "in.nii.gz", "in.npy", "in.png"])
def test_standard_input_and_output_carry_what_files_carry(cli, folder, resample, source):
    output = "out" + source[2:]
    resample(folder / source, folder / output, scale=2)
    done = cli("resample", "-", "-", "--scale", "2", stdin=(folder / source).read_bytes())
    assert done.returncode == 0
    assert done.stdout == (folder / output).read_bytes()
    before, after = shape_text(folder / source), shape_text(folder / output)
    assert re.fullmatch(summary_of("-", "-", before, after, "linear"), done.stderr)


@pytest.mark.parametrize(("source", "suffix"), [("in.nii", "nii.gz"), ("in.png", "TIFF")])
def test_format_says_what_standard_output_carries(cli, folder, resample, source, suffix):
    output = folder / f"out.{suffix.lower().lstrip('.')}"
    resample(folder / source, output, scale=2)
    done = cli("resample", source, "-", "-x", "2", "--format", suffix, "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == output.read_bytes()


def test_commands_chain_in_a_pipe(folder):
    line = (
        f"{shlex.join(command_line('resample', 'in.nii', '-', '--scale', '2', '-q'))} | "
        f"{shlex.join(command_line('resample', '-', 'out.nii', '--scale', '0.5', '-q'))}"
    )
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=folder,
        env=environment(),
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"")
    after = read_volume(folder / "out.nii")
    assert after.fields["pixdim"][1:4] == (2.0, 2.5, 3.5)
    assert after.voxels.shape == VOXELS.shape


@needs_pipes
def test_a_named_pipe_is_an_input(cli, folder, resample):
    resample(folder / "in.nii", folder / "expected.nii", scale=2)
    os.mkfifo(folder / "pipe.nii")
    feed = subprocess.Popen(["bash", "-c", "cat in.nii > pipe.nii"], cwd=folder)
    done = cli("resample", "pipe.nii", "out.nii", "-x", "2")
    assert feed.wait(TIMEOUT) == done.returncode == 0
    assert (folder / "out.nii").read_bytes() == (folder / "expected.nii").read_bytes()


def test_quiet_says_nothing(cli, folder):
    done = cli("resample", "in.nii", "out.nii", "--scale", "0.5", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", "")


def test_a_downscale_hints_at_antialias_once(cli, folder):
    done = cli("resample", "in.nii", "out.nii", "--scale", "0.5")
    hint, _summary = done.stderr.splitlines()
    assert hint.startswith("upsample-cli: hint: ")
    assert "--antialias" in hint
    assert done.stdout == b""


def test_nearest_hints_at_nearest_exact(cli, folder):
    done = cli("resample", "in.nii", "out.nii", "--scale", "0.5", "-m", "nearest")
    hint, _summary = done.stderr.splitlines()
    assert "nearest-exact" in hint
    assert "1.5 voxels" in hint


def test_saturation_gives_a_warning(cli, folder):
    done = cli("resample", "in.nii", "out.nii", "-x", "1", "--dtype", "uint8")
    warning, summary = done.stderr.splitlines()
    lost = np.count_nonzero((VOXELS < 0) | (VOXELS > 255))
    assert warning.startswith("upsample-cli: warning: ")
    assert f"{lost} values do not fit in uint8" in warning
    assert "6×5×4 int16 → out.nii 6×5×4 uint8" in summary
    assert np.array_equal(read_volume(folder / "out.nii").voxels, np.clip(VOXELS, 0, 255))


def test_debug_shows_the_traceback_and_keeps_the_exit_code(cli, folder):
    for arguments, code in (("none.nii out.nii -x 2", 1), ("in.nii out.nii -x 0", 2)):
        done = cli("resample", *arguments.split(), "--debug")
        assert "Traceback (most recent call last)" in done.stderr
        assert done.returncode == code


def test_force_replaces_an_output(cli, folder):
    (folder / "out.nii").write_bytes(b"old")
    assert cli("resample", "in.nii", "out.nii", "-x", "2", "-f").returncode == 0
    assert read_volume(folder / "out.nii").voxels.shape == (12, 10, 8)


@pytest.mark.parametrize("link", [None, "symlink", "hardlink"])
def test_the_input_is_replaced_by_force(cli, folder, link, holds_only):
    only = folder / "only"
    only.mkdir()
    (folder / "in.nii").rename(only / "in.nii")
    output = only / (f"{link}.nii" if link else "in.nii")
    if link == "symlink":
        output.symlink_to("in.nii")
    elif link == "hardlink":
        output.hardlink_to(only / "in.nii")
    names = {"in.nii", output.name}
    assert cli("resample", only / "in.nii", output, "-x", "2", "--force").returncode == 0
    assert read_volume(output).voxels.shape == (12, 10, 8)
    kept = read_volume(only / "in.nii").voxels.shape
    assert kept == ((6, 5, 4) if link == "hardlink" else (12, 10, 8))
    assert output.is_symlink() == (link == "symlink")
    holds_only(*names, folder=only)


def test_levels_of_compression(cli, folder, resample):
    voxels = np.cumsum(RNG.integers(-9, 9, (40, 40, 40)), axis=0).astype("i2")
    write_volume(folder / "smooth.nii", voxels)
    resample(folder / "smooth.nii", folder / "fast.nii.gz", scale=1, compress_level=0)
    done = cli("resample", "smooth.nii", "small.nii.gz", "-x", "1", "--compress-level", "3")
    assert done.returncode == 0
    fast, small = ((folder / name).read_bytes() for name in ("fast.nii.gz", "small.nii.gz"))
    assert gzip.decompress(small) == gzip.decompress(fast)
    assert len(small) < len(fast)


INFO = {
    "in.nii": {
        "kind": "volume",
        "format": "NIfTI-1",
        "shape": [6, 5, 4],
        "dtype": "int16",
        "byte_order": "little",
        "spacing": [2.0, 2.5, 3.5],
        "unit": "mm",
        "slope": 0.1,
        "intercept": -3.3,
        "intent": 2005,
        "qform_code": 1,
        "sform_code": 0,
    },
    "series.nii": {"shape": [6, 5, 4, 3], "dtype": "float32"},
    "in.npy": {"kind": "array", "shape": [6, 8], "dtype": "float32", "order": "C"},
    "in.png": {"kind": "image", "format": "PNG", "shape": [8, 6], "dtype": "uint8", "mode": "RGB"},
}


@pytest.mark.parametrize("name", INFO)
def test_info_as_json(cli, folder, name):
    done = cli("info", name, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert facts["file"] == name
    assert {key: facts[key] for key in INFO[name]} == INFO[name]


def test_info_as_json_is_valid_whatever_the_header_holds(cli, folder):
    write_volume(folder / "nan.nii", VOXELS, scl_slope=np.nan, srow_x=(np.inf,) * 4, sform_code=0)
    facts = json.loads(
        cli("info", "nan.nii", "--json").stdout, parse_constant=lambda name: pytest.fail(name)
    )
    assert facts["slope"] is None
    assert facts["sform"][0] == [None] * 4


def test_info_as_text(cli):
    done = cli("info", SAMPLES / "brain.nii.gz")
    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout.decode()
    for line in (
        r"shape +64 × 84 × 32",
        r"dtype +int16",
        r"spacing +2\.5 × 2\.25 × 4\.5",
        r"unit +mm",
        r"orientation +RAS",
        r"qform_code +1 \(scanner\)",
        r"sform_code +1 \(scanner\)",
        r"sform +2\.4939 +0\.1570 +0\.0000 +-85\.0717",
    ):
        assert re.search(rf"^{line}", text, re.MULTILINE), line


def test_info_reads_standard_input(cli, folder):
    done = cli("info", "-", "--json", stdin=(folder / "in.nii.gz").read_bytes())
    assert json.loads(done.stdout)["shape"] == [6, 5, 4]


@pytest.mark.parametrize(
    ("arguments", "axes", "words"),
    [
        (
            "in.nii --scale 2x1x0.5",
            [("x", 6, 12, -0.25, 0.5, "2"), ("y", 5, 5, 0, 1, "copied"), ("z", 4, 2, 0.5, 2, "2")],
            ["input    6×5×4 int16", "output   12×5×2 int16, 240 B", "mode     linear"],
        ),
        (
            "in.nii --spacing 1 --dtype float32 -m cubic",
            [("x", 6, 12, -0.25, 0.5, "4"), ("y", 5, 12, -0.3, 0.4, "4")],
            [
                *["output   12×12×14 float32, 7.9 KiB", "mode     cubic", "sums in  float32"],
                "spacing  2 × 2.5 × 3.5 mm → 1 × 1 × 1 mm",
                "field    12 × 12.5 × 14 mm → 12 × 12 × 14 mm",
                "edges    move by up to 0.5 mm",
            ],
        ),
        (
            "series.nii -s 11x5x4 --align-corners",
            [("x", 6, 11, 0, 0.5, "2"), ("z", 4, 4, 0, 1, "copied")],
            ["output   11×5×4×3 float32", "mode     linear, align_corners"],
        ),
        (
            "in.npy -x 2 -m nearest-exact",
            [("x", 8, 16, -0.25, 0.5, "1"), ("y", 6, 12, -0.25, 0.5, "1")],
            ["sums in  nothing: values are copied"],
        ),
        (
            "in.png -s 4x --antialias",
            [("x", 8, 4, 0.5, 2, "4"), ("y", 6, 3, 0.5, 2, "4")],
            ["output   4×3 uint8", "mode     linear, antialias", "fixed point"],
        ),
    ],
)
def test_explain(cli, folder, arguments, axes, words, holds_only):
    names = [path.name for path in folder.iterdir()]
    done = cli("explain", *arguments.split())
    assert done.returncode == 0
    shrinks = any(step > 1 for _, _, _, _, step, _ in axes) and "antialias" not in arguments
    assert done.stderr.startswith("upsample-cli: hint: ") == shrinks
    text = done.stdout.decode()
    for name, size_in, size_out, start, step, taps in axes:
        line = re.search(rf"^{name} +{size_in} +{size_out} +(\S+) +(\S+) +{taps}$", text, re.M)
        assert line, text
        np.testing.assert_allclose([float(line[1]), float(line[2])], [start, step], rtol=1e-5)
    assert all(word in text for word in words), text
    holds_only(*names)


def test_explain_gives_the_affine_that_resample_writes(cli, tmp_path, resample):
    source = SAMPLES / "brain.nii.gz"
    text = cli("explain", source, "--scale", "1.7").stdout.decode()
    rows = [line.split()[-4:] for line in text.splitlines()[-4:]]
    resample(source, tmp_path / "out.nii", scale=1.7)
    fields = read_volume(tmp_path / "out.nii").fields
    written = [fields[f"srow_{name}"] for name in "xyz"]
    np.testing.assert_allclose(np.array(rows, float)[:3], written, atol=1e-4)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_of_help_runs(cli, tmp_path, command):
    shutil.copytree(SAMPLES, tmp_path / "sample_data")
    help_text = cli(command, "--help")
    assert (help_text.returncode, help_text.stderr) == (0, "")
    (example,) = re.findall(r"Example: upsample-cli (.+?) *\n", help_text.stdout.decode())
    words = shlex.split(example)
    assert words[0] == command
    if command == "unpool":
        pooled = cli("pool", SAMPLES / "brain.nii.gz", words[1], "--kernel-size", "2")
        assert pooled.returncode == 0
    done = cli(*words)
    assert done.returncode == 0
    assert "error" not in done.stderr


def test_help_lists_commands_and_options(cli):
    overview = cli("--help").stdout.decode()
    assert all(command in overview for command in COMMANDS)
    text = cli("resample", "-h", env={"COLUMNS": "200"}).stdout.decode()
    for option in OPTIONS.split():
        assert re.search(rf"(?<!\S){option}(?!\S)", text.replace(",", " ")), option
    assert "x first" in text
    assert "nearest-exact" in text


def test_version(cli):
    done = cli("--version")
    assert (done.returncode, done.stdout.decode(), done.stderr) == (
        0,
        f"upsample-cli {__version__}\n",
        "",
    )


def test_the_installed_script_is_the_same_program(folder):
    script = shutil.which("upsample-cli", path=os.path.dirname(sys.executable))
    assert script
    done = subprocess.run(
        [script, "--version"], capture_output=True, timeout=TIMEOUT, check=True, text=True
    )
    assert done.stdout == f"upsample-cli {__version__}\n"


def test_output_is_readable_where_only_ascii_can_be_printed(cli, folder):
    for arguments in ("info in.nii", "resample in.nii out.nii -x 2"):
        done = cli(*arguments.split(), env={"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"})
        assert (done.returncode, "error" in done.stderr) == (0, False), done.stderr


def with_a_bar_after(seconds):
    """Return what starts the command with another patience, so that no test depends on speed."""
    changed = f"console.SECONDS_BEFORE_A_BAR = {seconds}"
    return [
        sys.executable,
        "-c",
        "from upsample_cli.__main__ import main; from upsample_cli.cli import console; "
        f"{changed}; main()",
    ]


def on_a_terminal(folder, *arguments, seconds=0):
    """Run with a terminal as standard error; return its exit code and what the terminal showed."""
    own, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
    process = subprocess.Popen(
        [*with_a_bar_after(seconds), *arguments],
        cwd=folder,
        env=environment(TERM="xterm"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=other,
    )
    os.close(other)
    shown = b""
    try:
        while block := os.read(own, 65536):
            shown += block
    except OSError:
        pass  # Linux says EIO when the other side has closed
    os.close(own)
    return process.wait(TIMEOUT), shown.decode()


@needs_terminals
def test_a_bar_shows_on_a_terminal_alone(cli, folder):
    arguments = ("resample", "in.nii", "out.nii", "-x", "2")
    code, shown = on_a_terminal(folder, *arguments)
    assert code == 0
    assert re.search(r"\d+%\|", shown)
    assert shown.rstrip().endswith(" s")
    piped = subprocess.run(
        [*with_a_bar_after(0), *arguments, "-f"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert b"%" not in piped.stderr
    assert b"\r" not in piped.stderr


@needs_terminals
def test_no_bar_for_quiet_or_short_work(folder):
    arguments = ("resample", "in.nii", "out.nii", "-x", "2", "-f")
    assert on_a_terminal(folder, *arguments, "--quiet") == (0, "")
    code, shown = on_a_terminal(folder, *arguments, seconds=1000)
    assert code == 0
    assert "%" not in shown
    assert shown.startswith("in.nii ")


def test_a_volume_in_a_subfolder_is_named_shortly_in_the_summary(cli, folder):
    (folder / "sub").mkdir()
    done = cli("resample", folder / "series.nii", "sub/out.nii.gz", "-s", "3")
    summary = done.stderr.splitlines()[-1] + "\n"
    expected = summary_of(
        "series.nii", "out.nii.gz", "6×5×4×3 float32", "3×3×3×3 float32", "linear"
    )
    assert re.fullmatch(expected, summary)
    assert len(read_bytes(folder / "sub" / "out.nii.gz")) == 352 + 81 * 4


@pytest.mark.parametrize("name", ["two\nlines.nii", "\x1b[31mred.nii"])
def test_a_name_cannot_add_lines_or_colours(cli, folder, name):
    (folder / "in.nii").rename(folder / name)
    done = cli("resample", name, "out.nii", "-x", 2)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.rstrip("\n").isprintable()
    shown = cli("info", name).stdout.decode()
    assert shown.splitlines()[0].isprintable()
    assert shown.splitlines()[1].startswith("kind")


def test_without_standard_error_the_work_is_done_and_data_stay_clean(cli, folder):
    expected = cli("resample", "in.nii", "-", "-x", 2).stdout
    done = cli("resample", "in.nii", "-", "-x", 2, preexec_fn=lambda: os.close(2))
    assert (done.returncode, done.stdout == expected) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("resample in.nii out.nii -x 2 --mode NEAREST", "--mode: 'NEAREST' is not one of"),
        ("resample", "INPUT: is missing"),
        ("resample in.png out.png --fit 10", "--fit: '10' is not what it takes; use a width"),
        ("resample in.png out.png --fit 1e3x5", "--fit: '1e3x5' is not what it takes"),
        ("resample in.png out.png --isotropic 1", "--isotropic: only volumes have a voxel"),
        ("resample in.nii out.nii --isotropic 1x2", "--isotropic: '1x2' is not what it takes"),
        ("resample in.nii out.nii --isotropic big", "--isotropic: 'big' is not a number"),
        ("resample in.nii out.nii --fit 3x3", "--fit: only what has a width and a height"),
        ("resample in.nii out.nii --scale 2xkeep", "--scale: '2xkeep' is not a number"),
        ("resample in.nii out.nii --max-size 0", "--max-size: a size of 0 leaves no sample"),
        ("resample in.png out.png -x 2 --fit 3x3", "--scale, --fit: several targets were given"),
        ("resample in.nii out.nii -x 2 --foo", "No such option: --foo"),
        ("resample in.nii out.nii -x 2 --threads 0", "--threads: 0 is not in the range"),
        ("resample in.nii out.nii -x 2 -m area --no-align-corners", "--no-align-corners: mode"),
    ],
)
def test_a_usage_error_names_its_option(cli, folder, arguments, message):
    done = cli(*arguments.split())
    assert done.returncode == 2
    assert done.stderr.startswith(f"upsample-cli: error: {message}")
    assert len(done.stderr.splitlines()) == 1


def test_switching_off_what_a_mode_lacks_is_no_error(cli, folder):
    assert (
        cli(
            "resample", "in.nii", "out.nii", *["-x", "2", "-m", "area", "--no-antialias"]
        ).returncode
        == 0
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_program_loads_is_one_line_too(number):
    code = (
        "import builtins, os, sys\n"
        "load = builtins.__import__\n"
        "def stopped(name, *rest):\n"
        f"    if name == 'typer': os.kill(os.getpid(), {int(number)})\n"
        "    return load(name, *rest)\n"
        "builtins.__import__ = stopped\n"
        "from upsample_cli.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    assert done.returncode == 128 + number
    assert re.fullmatch(r"upsample-cli: error: \w+ed; no output was written\n", done.stderr)
