"""Batches over folders that are in the way, change, or have names that nobody expects."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from platforms import needs_preparation
from processes import TIMEOUT, command_line, environment, powerless, snapshot
from volumes import write_volume

from upsample_cli.batch.finding import Selection, find
from upsample_cli.batch.journal import read_journal

DONE, FAILED, WRONG = 0, 1, 2
SCALE = ("--scale", "2", "--mode", "nearest-exact", "--jobs", "1")
JOURNAL = Path("out/.upsample-batch/journal.jsonl")

not_for_windows = pytest.mark.skipif(sys.platform == "win32", reason="POSIX's names and links")


@pytest.fixture
def folder(tmp_path):
    """Return a folder with in/a.npy, in/b.npy and in/sub/c.npy."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for number, name in enumerate(["a", "b", "sub/c"]):
        np.save(tmp_path / "in" / f"{name}.npy", np.full((3, 4), number, "u2"))
    return tmp_path


@pytest.fixture
def batch(cli, folder):
    """``batch()`` runs in → out as a process → exit code, lines of error and warning, the rest."""

    def run(*arguments, source="in", target="out", **options):
        done = cli("batch", source, target, *SCALE, *arguments, **options)
        lines = done.stderr.splitlines()
        told = [line for line in lines if line.startswith("upsample-cli: ")]
        assert not any("internal" in line or "Traceback" in line for line in lines), lines
        return done.returncode, told, [line for line in lines if line not in told]

    return run


def outputs(folder, target="out"):
    """Return what is in a target folder, but for what the batch keeps there for itself."""
    found = snapshot(folder / target)
    return {name: content for name, content in found.items() if ".upsample" not in name}


def counted(rest, status):
    """Return a number of the table at the end."""
    return next(int(line.split()[1]) for line in rest if line.startswith(status))


@needs_preparation
def test_a_target_that_cannot_be_written(batch, folder):
    (folder / "out").mkdir(mode=0o555)
    code, (line,), _ = batch(preexec_fn=powerless)
    assert code == FAILED
    assert "out/.upsample-batch: cannot keep the journal of the batch (Permission denied)" in line
    assert list((folder / "out").iterdir()) == []


@needs_preparation
def test_a_folder_of_the_target_that_cannot_be_written(batch, folder):
    (folder / "out" / "sub").mkdir(parents=True)
    (folder / "out" / "sub").chmod(0o555)
    code, (line,), _ = batch(preexec_fn=powerless)
    assert code == FAILED
    assert "sub/c.npy: cannot be written (Permission denied)" in line
    assert sorted(outputs(folder)) == ["a.npy", "b.npy", "sub"]
    (folder / "out" / "sub").chmod(0o755)
    assert batch("--retry-failed", preexec_fn=powerless)[:2] == (DONE, [])


@pytest.mark.parametrize("where", ["out", "out/sub", "out/.upsample-batch", "out/.upsample-batch/"])
def test_a_file_where_a_folder_should_be(batch, folder, where):
    path = folder / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")
    code, (line,), _ = batch()
    assert code == FAILED
    assert line.count("error: ") == 1
    assert path.read_text() == "in the way"


@needs_preparation
def test_inputs_that_cannot_be_read(batch, folder):
    (folder / "in" / "b.npy").chmod(0)
    (folder / "in" / "sub").chmod(0)
    code, told, _ = batch(preexec_fn=powerless)
    assert code == FAILED
    assert sorted(line.partition("/in/")[2] for line in told) == [
        "b.npy: cannot be read (Permission denied)",
        "sub/: cannot be listed (Permission denied); make it readable",
    ]
    assert list(outputs(folder)) == ["a.npy"]
    (folder / "in" / "sub").chmod(0o755)


@needs_preparation
def test_a_folder_alone_that_cannot_be_listed_fails_the_batch(batch, folder):
    (folder / "in" / "sub").chmod(0)
    code, (line,), _ = batch(preexec_fn=powerless)
    (folder / "in" / "sub").chmod(0o755)
    assert (code, "sub/: cannot be listed" in line) == (FAILED, True)
    assert sorted(outputs(folder)) == ["a.npy", "b.npy"]


@not_for_windows
def test_links_to_nothing_out_of_the_source_and_in_circles(batch, folder):
    (folder / "elsewhere").mkdir()
    np.save(folder / "elsewhere" / "d.npy", np.ones((2, 2)))
    for name, end in {
        "nothing.npy": "none.npy",
        "out.npy": folder / "elsewhere" / "d.npy",
        "circle.npy": "circle.npy",
        "sub/loop": "..",
        "inside.npy": "a.npy",
    }.items():
        (folder / "in" / name).symlink_to(end)
    os.mkfifo(folder / "in" / "pipe.npy")
    code, told, _ = batch()
    assert code == FAILED
    assert sorted(line.rpartition("/in/")[2].removeprefix("upsample-cli: ") for line in told) == [
        "circle.npy: cannot be read (Too many levels of symbolic links)",
        "hint: left out out.npy: is a link that leads out of the source folder",
        "hint: left out pipe.npy: is not a regular file",
        "hint: left out sub/loop: is a link to a folder, whose files are found where they are",
        "nothing.npy: does not exist; check the path",
    ]
    assert sorted(outputs(folder)) == ["a.npy", "b.npy", "inside.npy", "sub", "sub/c.npy"]


FOLLOWED = """
import sys
from pathlib import Path
from upsample_cli import __version__
from upsample_cli.batch import run
from upsample_cli.batch.operation import Operation
from upsample_cli.cli.screen import BatchScreen
from upsample_cli.operations.requests import ResampleRequest
from upsample_cli.sampling.target import Target

class Screen(BatchScreen):
    def begin(self, tasks):
        {change}

if __name__ == "__main__":
    operation = Operation("resample", ResampleRequest(target=Target("scale", (2.0,))))
    request = run.BatchRequest("in", "out", operation, __version__, jobs=1)
    totals = run.run_batch(request, Screen(quiet=True))
    print(dict(totals.files))
"""
"""A batch whose inputs change between the listing and the reading."""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ('Path("in/b.npy").unlink()', "b.npy: does not exist"),
        ('Path("in/b.npy").write_bytes(Path("in/a.npy").read_bytes())', "b.npy: changed after"),
        ('open("in/b.npy", "ab").write(b"more")', "b.npy: changed after it was listed"),
        ('Path("in/b.npy").unlink(); Path("in/b.npy").mkdir()', "b.npy: "),
    ],
)
def test_an_input_that_vanishes_or_changes_after_the_listing(folder, change, problem):
    (folder / "program.py").write_text(FOLLOWED.format(change=change))
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == "{'done': 2, 'failed': 1}\n"
    assert sorted(outputs(folder)) == ["a.npy", "sub", "sub/c.npy"]


NAMES = [
    b"with spaces .npy",
    b"new\nline.npy",
    b'quote\'s "two" \\ back.npy',
    b"\xff\xfe.npy",
    b"--force.npy",
    b"-",
    "é.npy".encode(),
    "e\u0301.npy".encode(),
    b"*[x]?.npy",
    b"{stem} {0}.npy",
    b"%s\x1b[31m\x07.npy",
    b"n" * 251 + b".npy",
    b"-folder \xff\n/a.npy",
]


def check_name(name):
    return name.endswith(b".npy")


@not_for_windows
def test_names_that_nobody_expects(cli, tmp_path):
    source, target = (os.fsencode(tmp_path) + b"/" + end for end in (b"-in \xfe\n", b"-out \xfd"))
    for name in NAMES:
        path = os.path.join(source, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            np.save(file, np.ones((2, 3), "u1"))
    wanted = sorted(filter(check_name, NAMES))
    arguments = (*SCALE, "--log", "log.jsonl", "--", *map(os.fsdecode, (source, target)))
    done = cli_bytes(tmp_path, *arguments)
    assert done.returncode == DONE, done.stderr
    text = done.stderr.decode()
    lines = text.split("\n")[:-1]
    assert sum("→" in line for line in lines) == len(wanted)
    assert all(line.isprintable() for line in lines)
    there = [
        os.path.relpath(os.path.join(folder, name), target)
        for folder, _, names in os.walk(target)
        for name in names
        if name.endswith(b".npy")
    ]
    assert sorted(there) == wanted
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert sorted(os.fsencode(entry["output"]) for entry in logged) == wanted
    entries, _ = read_journal(Path(os.fsdecode(target)) / ".upsample-batch")
    assert sorted(os.fsencode(name) for name in entries) == wanted
    again = cli_bytes(tmp_path, *arguments)
    assert counted(again.stderr.decode().splitlines(), "skipped") == len(wanted)


def cli_bytes(cwd, *arguments):
    return subprocess.run(
        command_line("batch", *arguments),
        cwd=cwd,
        env=environment(),
        capture_output=True,
        timeout=TIMEOUT,
    )


def test_a_name_that_is_too_long_for_its_output(batch, folder):
    (folder / "in" / "a.npy").rename(folder / "in" / ("n" * 251 + ".npy"))
    code, (line,), _ = batch("--rename", "{stem}_x2{suffix}")
    assert code == FAILED
    assert "File name too long" in line
    assert sorted(outputs(folder)) == ["b_x2.npy", "sub", "sub/c_x2.npy"]


def test_any_way_to_name_a_folder(batch, folder):
    ways = ["in/", "./in", f"{folder}/in", "in/sub/..", "."]
    batch()
    for way in ways[:-1]:
        code, told, rest = batch(source=way, target=f"{folder}/out/")
        assert (code, told, counted(rest, "skipped")) == (DONE, [], 3)
    code, _, rest = batch(source=".", target="../out", cwd=folder / "in")
    assert (code, counted(rest, "skipped")) == (DONE, 3)


@not_for_windows
def test_a_target_behind_a_link_and_one_within_the_source(batch, folder):
    (folder / "real").mkdir()
    (folder / "out").symlink_to("real")
    assert batch()[:2] == (DONE, [])
    whole = outputs(folder)
    assert (folder / "out").is_symlink()
    for _ in range(2):
        assert batch(target="in/made")[:2] == (DONE, [])
        assert outputs(folder, "in/made") == whole
    (folder / "link").symlink_to("in")
    code, (line,), _ = batch(source="link", target="in")
    assert (code, "is the source folder" in line) == (WRONG, True)
    code, (line,), _ = batch(source="in/sub", target="in")
    assert (code, "contains the source folder" in line) == (WRONG, True)


def test_outputs_that_were_deleted_touched_or_are_a_users(batch, folder):
    (folder / "out").mkdir()
    (folder / "out" / "a.npy").write_bytes(b"mine")
    code, (line,), _ = batch()
    assert (code, "out/a.npy" in line or "a.npy: exists, and no batch made it" in line) == (1, True)
    assert (folder / "out" / "a.npy").read_bytes() == b"mine"
    whole = outputs(folder)
    (folder / "out" / "b.npy").unlink()
    (folder / "out" / "sub" / "c.npy").write_bytes(b"edited")
    code, told, _ = batch()
    assert (code, len(told)) == (FAILED, 2)
    assert "sub/c.npy: is not as the last batch left it; use --force" in told[1]
    assert outputs(folder) == whole | {"sub/c.npy": b"edited"}
    assert batch("--force")[:2] == (DONE, [])
    assert batch()[2][2].split()[:2] == ["skipped", "3"]


def test_a_copy_of_the_target_is_as_good(batch, folder):
    batch()
    shutil.copytree(folder / "out", folder / "copy", copy_function=shutil.copyfile)
    shutil.rmtree(folder / "out")
    code, told, rest = batch(target="copy")
    assert (code, told, counted(rest, "skipped")) == (DONE, [], 3)


def test_what_a_killed_batch_left_goes_though_its_input_did(batch, folder):
    assert batch()[0] == DONE
    (folder / "in" / "sub" / "c.npy").unlink()
    lines = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    begun = next(line for line in lines if b'"begun"' in line and b"sub/c.npy" in line)
    with open(folder / JOURNAL, "ab") as journal:
        journal.write(json.dumps(json.loads(begun) | {"at": time.time()}).encode() + b"\n")
    left = folder / "out" / "sub" / ".upsample-0123456789abcdef-0.upsample-tmp"
    left.write_bytes(b"half")
    assert batch()[0] == DONE
    assert not left.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_messages_that_cannot_be_written_stop_no_work(folder):
    with open("/dev/full", "wb") as full:
        code = subprocess.call(
            command_line("batch", "in", "out", *SCALE), cwd=folder, env=environment(), stderr=full
        )
    assert code == DONE
    assert len(outputs(folder)) == 4


def test_a_log_may_lie_in_a_target_that_is_new(batch, folder):
    assert batch("--log", "out/log.jsonl")[:2] == (DONE, [])
    assert len((folder / "out" / "log.jsonl").read_text().splitlines()) == 3


def test_folders_as_deep_as_names_go(batch, folder):
    deep = folder / "in" / "/".join("d" * 100) / "x"
    deep.mkdir(parents=True)
    shutil.move(folder / "in" / "a.npy", deep)
    assert batch()[:2] == (DONE, [])
    assert len([name for name in outputs(folder) if name.endswith("/x/a.npy")]) == 1


def test_more_folders_in_each_other_than_calls_in_a_program(folder, monkeypatch):
    deep = 1200
    # Made and removed from the inside: most programs that remove folders do not get so far.
    monkeypatch.chdir(folder / "in")
    for _ in range(deep):
        os.mkdir("d")
        os.chdir("d")
    Path("a.npy").touch()
    found = find(str(folder / "in"), str(folder / "out"), Selection()).inputs
    Path("a.npy").unlink()
    for _ in range(deep):
        os.chdir("..")
        os.rmdir("d")
    assert max(each.name.count("/") for each in found) == deep


def test_another_file_system_and_a_pair_with_its_record(cli, tmp_path):
    elsewhere = Path("/dev/shm") if Path("/dev/shm").is_dir() else tmp_path
    target = elsewhere / f"batch-{os.getpid()}"
    (tmp_path / "in").mkdir()
    write_volume(tmp_path / "in" / "pair.hdr", np.ones((4, 5, 6), "i2"))
    arguments = ("batch", "in", target, "--scale", "2", "--record", "--jobs", "1")
    try:
        assert cli(*arguments).returncode == DONE
        first = snapshot(target)
        assert {"pair.hdr", "pair.img", "pair.hdr.record.json"} <= set(first)
        (target / "pair.img").unlink()
        assert cli(*arguments).returncode == DONE
        changed = {name for name, content in snapshot(target).items() if content != first[name]}
        assert changed == {".upsample-batch/journal.jsonl"}
    finally:
        shutil.rmtree(target, ignore_errors=True)
