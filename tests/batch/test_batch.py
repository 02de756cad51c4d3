"""The batch command: each output is what the command for a single file writes, byte for byte."""

import gzip
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from batches import lines_of, outputs, write
from PIL import Image

from upsample_cli.cli.app import application

FORMATS = [
    *("jpg", "tif", "webp", "bmp", "gif", "ppm", "pgm", "pbm", "pfm", "npy", "nii", "nii.gz"),
    *("hdr", "hdr.gz", "mgh", "mgz"),
]


def picture(path, mode):
    values = np.random.default_rng(3).integers(0, 256, (7, 9, 4)).astype(np.uint8)
    image = Image.fromarray(values, "RGBA") if mode == "RGBA" else Image.fromarray(values[..., 0])
    image.convert(mode).save(path)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """Return a folder with one file of every kind, and what is none, at several depths."""
    root = tmp_path_factory.mktemp("tree")
    source = root / "src"
    for index, suffix in enumerate(FORMATS):
        path = source / ("" if index % 2 else "deep/er") / f"{suffix.replace('.', '-')}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix in ("npy", "nii", "nii.gz", "hdr", "hdr.gz"):
            write(path, index)
        elif suffix in ("mgh", "mgz"):
            import nibabel as nib

            voxels = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
            nib.save(nib.MGHImage(voxels, np.diag([2, 2, 3, 1])), path)
        elif suffix == "pfm":
            path.write_bytes(b"Pf\n3 2\n-1.0\n" + np.arange(6, dtype="<f4").tobytes())
        else:
            picture(path, {"pgm": "L", "pbm": "1"}.get(suffix, "RGB"))
    for mode in ("RGBA", "LA", "P", "L", "1", "I;16"):
        if mode == "I;16":
            Image.fromarray(np.arange(63, dtype=np.uint16).reshape(7, 9) * 999).save(
                source / "16.png"
            )
        else:
            picture(source / f"{mode}.png", mode)
    write(source / "series.nii.gz", shape=(4, 5, 3, 2), dtype="float32")
    write(source / "intent.nii", dtype="uint8", intent_code=1002)
    write(source / "stack.npy", shape=(2, 6, 5))
    write(source / "two words" / "ü.nii.gz", dtype="uint8")
    (source / "empty.nii").write_bytes(b"")
    (source / "junk.png").write_bytes(b"no picture")
    (source / "cut.nii.gz").write_bytes((source / "deep/er/nii.nii").read_bytes()[:200])
    (source / "torn.nii.gz").write_bytes(gzip.compress(b"\0" * 400)[:-9])
    shutil.copy(source / "deep/er/nii.nii", source / "mislabelled.png")
    shutil.copy(source / "L.png", source / "really-png.jpg")
    (source / ".hidden.nii").write_bytes(b"x")
    (source / "notes.txt").write_bytes(b"x")
    (source / "link.png").symlink_to("L.png")
    write(root / "grid.nii", shape=(7, 6, 5))
    return root


FAMILIES = [
    "--scale 2",
    "--scale 1.5x2 --mode nearest --recompute-scale-factor",
    "--size 7 --mode cubic --align-corners",
    "--size 20x --straight-alpha",
    "--spacing 1.5 --mode lanczos",
    "--isotropic smallest --record",
    "--max-size 4 --antialias",
    "--fit 20x18 --mode area --quality 50",
    "--like grid.nii --fill 3",
    "--orientation LPI",
    "--scale 2 --dtype float32 --compress-level 3",
    "--scale 2 --labels",
    "--scale 2 --format nii.gz",
    "--scale 2 --frame 0 --max-pixels 50",
    "--op pool --kernel-size 2 --padding 1 --stride 2 --ceil-mode",
    "--op conv-transpose --kernel nearest --stride 2 --dtype uint8",
    "--op conv-transpose --kernel bilinear --stride 2 --format npy",
]


def one_by_one(here, source, target, command):
    """Run the command of one file on each; return the messages of those that failed, by name."""
    op, options = "resample", command.split()
    if options[0] == "--op":
        op, options = options[1], options[2:]
    suffix = options[options.index("--format") + 1] if "--format" in options else None
    errors = {}
    for path in sorted(source.rglob("*")):
        name = str(path.relative_to(source))
        if path.is_dir() or name in (".hidden.nii", "notes.txt") or ".img" in name:
            continue
        stem = path.name.partition(".")[0]
        own = f"{stem}.{suffix}" if suffix else path.name
        output = target / path.relative_to(source).with_name(own)
        output.parent.mkdir(parents=True, exist_ok=True)
        code, _, message = here(op, path, output, *options)
        if code:
            errors[name] = message.splitlines()[-1]
    return errors


@pytest.mark.parametrize("command", FAMILIES)
def test_every_output_is_that_of_the_single_command(batch, here, everything, tmp_path, command):
    shutil.copytree(everything, tmp_path, symlinks=True, dirs_exist_ok=True)
    code, status, errors = batch(*command.split())
    expected = one_by_one(here, tmp_path / "src", tmp_path / "single", command)
    assert sorted(name for name in status if status[name] == "failed") == sorted(expected)
    assert outputs(tmp_path / "out") == outputs(tmp_path / "single")
    assert code == bool(expected)
    assert set(status.values()) <= {"done", "failed"}
    said = errors.replace(str(tmp_path), "")
    for message in expected.values():
        why = message.removeprefix("upsample-cli: error: ").replace(f"{tmp_path}/single", "/out")
        assert why.replace(str(tmp_path), "") in said


def test_worker_processes_write_the_same(cli, batch, everything, tmp_path):
    shutil.copytree(everything, tmp_path, symlinks=True, dirs_exist_ok=True)
    batch("--scale", 2)
    here = outputs(tmp_path / "out")
    command = ["batch", "src", "two", "--scale", 2, "--jobs", 2, "--log", "two.jsonl"]
    first, again = cli(*command), cli(*command)
    assert outputs(tmp_path / "two") == here
    lines = lines_of(tmp_path / "two.jsonl")
    failed = sum(line["status"] == "failed" for line in lines) // 2
    skipped = sum(line["status"] == "skipped" for line in lines)
    assert len(lines) == 2 * (failed + skipped)
    for done, table in ((first, f"done +{skipped} "), (again, f"skipped +{skipped} ")):
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.count("upsample-cli: error: ") == failed
        assert re.search(f"^{table}", done.stderr, re.MULTILINE)


def options_of(command):
    parameters = typer.main.get_command(application()).commands[command].params
    return {
        option: parameter.help
        for parameter in parameters
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("-")
    }


def test_batch_has_every_option_of_the_commands_that_it_runs():
    mine = options_of("batch")
    for command in ("resample", "pool", "conv-transpose"):
        theirs = options_of(command)
        assert set(theirs) - {"--indices", "--explain"} <= set(mine)
        shared = {name for name in theirs if name in mine} - {"--format", "--stride", "--force"}
        shared -= {"-f", "--dtype", "--quiet", "-q"}
        assert {name: theirs[name] for name in shared} == {name: mine[name] for name in shared}


def test_help_says_what_batch_has(here):
    code, text, _ = here("batch", "--help")
    assert code == 0
    own = ["--pattern", "--exclude", "--to", "--rename", "--labels-pattern", "--log", "--dry-run"]
    own += ["--force", "--retry-failed", "--fail-fast", "--checksum", "--jobs", "--threads"]
    assert all(option in text for option in own)


def test_the_example_in_the_help_runs(here, samples, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    _, text, _ = here("batch", "--help")
    (example,) = re.findall(r"Example: upsample-cli (.+?) *\n", text)
    shutil.copytree(samples, tmp_path / "sample_data")
    code, _, errors = here(*shlex.split(example.rstrip(" │")))
    assert code == 0, errors
    assert sorted(outputs(tmp_path / "sample_data_x2")) == ["bold.nii.gz", "brain.nii.gz"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("--scale 2 --kernel-size 2", "--kernel-size: goes with --op pool; drop it"),
        ("--scale 2 --stride 2", "--stride: goes with --op pool or conv-transpose; drop it"),
        ("--op pool -k 2 --scale 2", "--scale: goes with --op resample; drop it"),
        ("--op pool -k 2 -m cubic", "--mode: goes with --op resample; drop it"),
        ("--op pool -k 2 --quality 9", "--quality: goes with --op resample or conv-transpose; "),
        ("--op conv-transpose --kernel nearest --stride 2 --record", "--record: goes with --op re"),
        ("--op pool", "--kernel-size: is missing; say the size of the window"),
        ("--op unpool", "--op: 'unpool' is not one of "),
        ("", "no target was given; use exactly one"),
        ("--scale 2 --size 3", "--scale, --size: several targets were given; use exactly one"),
        ("--scale 0", "--scale: a scale of 0 is not possible; use a positive finite number"),
        ("--spacing 1x1x-2", "--spacing: a spacing of -2 is not possible; use a positive"),
        ("--scale 2 --mode nearest --align-corners", "--align-corners: mode nearest has no such"),
        ("--scale 2 --dtype floot", "--dtype: floot is unknown; use a NumPy name"),
        ("--scale 2 --labels --mode cubic", "--labels: does not go with mode cubic; drop one of"),
        ("--op conv-transpose --kernel nearest", "--stride: is missing; give the factor by which"),
        ("--scale 2 --to xyz", "--to: .xyz is not a known format; use .nii, "),
        ("--scale 2 --rename x", "--rename: 'x' gives every file of a folder one name; use {stem}"),
        ("--scale 2 --pattern *.xyz", "src: holds no input; check --pattern and --exclude"),
        ("--scale 2 --to png", "a.png: would be made from a.jpg and from a.png; use --rename"),
        ("--scale 2 --jobs 0", "--jobs: 0 is not in the range x>=1."),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_written(
    batch, tmp_path, holds_only, arguments, problem
):
    write(tmp_path / "src" / "a.png")
    write(tmp_path / "src" / "a.jpg")
    code, status, errors = batch(*arguments.split())
    assert (code, status) == (2, {})
    assert problem in errors
    assert errors.count("\n") == 1
    holds_only("src")


@pytest.mark.parametrize(
    ("folders", "argument"), [(("", "out"), "SOURCE_DIR"), (("src", ""), "TARGET_DIR")]
)
def test_an_empty_name_of_a_folder_is_refused(here, tmp_path, folders, argument):
    write(tmp_path / "src" / "a.png")
    code, _, errors = here("batch", *folders, "--scale", 2)
    assert code == 2
    assert errors == f"upsample-cli: error: {argument}: is empty; name a folder\n"


def test_a_lost_reference_is_named_at_once(batch, tmp_path):
    write(tmp_path / "src" / "a.nii")
    code, status, errors = batch("--like", "lost.nii")
    assert (code, status) == (1, {})
    assert errors.endswith("error: lost.nii: does not exist; check the path\n")


@pytest.mark.parametrize("to", ["nii", ".nii", "NII"])
def test_outputs_can_have_another_format(batch, tmp_path, to):
    write(tmp_path / "src" / "sub" / "a.nii.gz")
    write(tmp_path / "src" / "b.png")
    code, status, errors = batch("--scale", 2, "--to", to)
    assert (code, status) == (1, {"b.png": "failed", "sub/a.nii.gz": "done"})
    assert "b.nii: .nii is for volumes, but src/b.png is of kind image" in errors.replace(
        str(tmp_path) + "/", ""
    ).replace("out/", "")
    assert list(outputs(tmp_path / "out")) == ["sub/a.nii"]


def test_the_input_is_never_changed(batch, tmp_path):
    write(tmp_path / "src" / "a.nii")
    before = outputs(tmp_path / "src")
    batch("--scale", 2, "--force")
    batch("--scale", 2, "--force")
    assert outputs(tmp_path / "src") == before
    assert not list(Path(tmp_path / "src").glob(".*"))


def test_a_glob_that_the_shell_took_is_told_from_a_name_too_many(here):
    code, _, error = here("batch", "src", "out", "--scale", 2, "--pattern", "a.nii", "b.nii")
    assert code == 2
    assert error.endswith("(b.nii); quote globs, and see --help\n")
