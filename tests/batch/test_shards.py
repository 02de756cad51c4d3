"""batch --shard: parts that are all of it, of one size, and at work at the same time."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import block_named
from platforms import needs_locks
from processes import SAMPLES, TIMEOUT, command_line, environment, snapshot

from upsample_cli.batch import journal as journals
from upsample_cli.batch.finding import JOURNAL_FOLDER, Found, Selection, find
from upsample_cli.batch.journal import Journal
from upsample_cli.batch.sharding import Shard
from upsample_cli.batch.stamp import Stamp
from upsample_cli.errors import RequestError

ROUNDS = 100
AT_ONCE = 4

SIZES = st.lists(st.integers(0, 10**9), max_size=40)
COUNTS = st.integers(1, 12)


def found(sizes):
    return [Found(f"sub/{n}.nii", (Stamp(size, n),)) for n, size in enumerate(sizes)]


def parts(inputs, count):
    return [Shard(number, count).of(inputs) for number in range(1, count + 1)]


@given(SIZES, COUNTS)
def test_every_input_is_in_one_part_and_keeps_its_place(sizes, count):
    inputs = found(sizes)
    taken = parts(inputs, count)
    assert Counter(each.name for part in taken for each in part) == Counter(
        each.name for each in inputs
    )
    assert all(part == sorted(part, key=inputs.index) for part in taken)


@given(SIZES, COUNTS, st.randoms())
def test_parts_depend_on_no_order(sizes, count, random):
    inputs = found(sizes)
    other = random.sample(inputs, len(inputs))
    names = [{each.name for each in part} for part in parts(inputs, count)]
    assert [{each.name for each in part} for part in parts(other, count)] == names


@given(SIZES, COUNTS)
def test_parts_are_of_about_one_size(sizes, count):
    """As by the rule of who always gives the next to the least: never a whole input too much."""
    loads = [sum(each.bytes + 1 for each in part) for part in parts(found(sizes), count)]
    largest = max(sizes, default=0) + 1
    assert max(loads) <= sum(loads) / count + largest


def test_one_part_is_all():
    inputs = found([3, 1, 2])
    assert Shard(1, 1).of(inputs) == inputs


def test_more_parts_than_inputs_leave_some_empty():
    taken = parts(found([5, 5, 5]), 7)
    assert sorted(map(len, taken)) == [0, 0, 0, 0, 1, 1, 1]


def test_files_of_no_bytes_are_spread_too():
    assert sorted(map(len, parts(found([0] * 8), 4))) == [2, 2, 2, 2]


def test_the_two_files_of_a_pair_are_one_input(tmp_path):
    for name, size in (("a.hdr", 10), ("a.img", 1000), ("b.nii", 500), ("c.nii", 500)):
        (tmp_path / name).write_bytes(bytes(size))
    inputs = find(str(tmp_path), str(tmp_path / "out"), Selection()).inputs
    names = [[each.name for each in part] for part in parts(inputs, 2)]
    assert names == [["a.hdr"], ["b.nii", "c.nii"]]


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1.0/2"])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(RequestError, match=r"^--shard: .* is not a part of a whole; use I/N"):
        Shard.parse(text)


def test_no_part_is_refused_because_of_another(tmp_path):
    """Each locks its own file and looks at the others', all at the same moment."""
    together = threading.Barrier(AT_ONCE)

    def open_and_close(number):
        for _ in range(ROUNDS):
            together.wait(TIMEOUT)
            Journal(str(tmp_path), Shard(number, AT_ONCE)).close()

    (tmp_path / JOURNAL_FOLDER).mkdir()
    for name in ("lock", "lock-1-of-9"):  # of batches that have ended
        (tmp_path / JOURNAL_FOLDER / name).touch()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(open_and_close, range(1, AT_ONCE + 1)))


@needs_locks
@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (Shard(1, 2), None),
        (None, Shard(1, 2)),
        (Shard(1, 2), Shard(1, 2)),
        (Shard(1, 2), Shard(2, 3)),
        (Shard(1, 14), Shard(1, 4)),
    ],
)
def test_batches_that_exclude_each_other(tmp_path, held, wanted):
    first = Journal(str(tmp_path), held)
    with pytest.raises(RequestError, match="another batch is at work in it; wait for its end"):
        Journal(str(tmp_path), wanted)
    first.close()
    Journal(str(tmp_path), wanted).close()


@needs_locks
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_disk_without_locks_is_no_reason_to_refuse(tmp_path, monkeypatch, number):
    def refuse(_file, _kind):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(journals.fcntl, "flock", refuse)
    Journal(str(tmp_path), Shard(1, 2)).close()


@pytest.fixture
def images(tmp_path):
    """Return a folder of images, one of which is broken."""
    source = tmp_path / "images"
    (source / "sub").mkdir(parents=True)
    for number in range(7):
        shutil.copy(SAMPLES / "logo.png", source / ("sub" if number % 2 else ".") / f"{number}.png")
    shutil.copy(SAMPLES / "photo.png", source / "large.png")
    (source / "broken.png").write_bytes((SAMPLES / "logo.png").read_bytes()[:500])
    return source


def start(tmp_path, *arguments):
    """Start a batch as a process."""
    return subprocess.Popen(
        command_line("batch", *arguments),
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=tmp_path,
        text=True,
    )


def outputs_in(target):
    return {n: held for n, held in snapshot(target).items() if not n.startswith(JOURNAL_FOLDER)}


def test_parts_work_at_the_same_time_in_one_folder(tmp_path, cli, images):
    command = (images, "out", "--scale", 2, "--jobs", 1, "--shard")
    running = [start(tmp_path, *command, f"{part}/{AT_ONCE}") for part in range(1, AT_ONCE + 1)]
    said = [process.communicate(timeout=TIMEOUT)[1] for process in running]
    assert not any("another batch" in text for text in said), said
    assert sorted(process.returncode for process in running) == [0, 0, 0, 1], said
    whole = cli("batch", images, "whole", "--scale", 2)
    assert whole.returncode == 1
    assert outputs_in(tmp_path / "out") == outputs_in(tmp_path / "whole")
    lines = [
        json.loads(line)
        for path in (tmp_path / "out" / JOURNAL_FOLDER).glob("journal-*.jsonl")
        for line in path.read_text().splitlines()
    ]
    done = Counter(line["output"] for line in lines if line["status"] == "done")
    assert done == Counter(n for n, held in outputs_in(tmp_path / "out").items() if held)

    # What is left for all at once is what failed; what is done is known from all their journals.
    again = cli("batch", images, "out", "--scale", 2)
    assert again.returncode == 1
    assert [line.split()[1] for line in again.stderr.splitlines() if line.startswith("done")] == [
        "0"
    ]
    assert "broken.png" in again.stderr


def test_a_part_without_files_is_done(cli, tmp_path, images):
    done = cli("batch", images, "out", "--scale", 2, "--shard", "40/40")
    assert done.returncode == 0
    assert outputs_in(tmp_path / "out") == {}


def test_a_part_removes_nothing_that_another_may_be_writing(cli, tmp_path, images):
    """A network's disk may not show that it is locked."""
    (tmp_path / "out").mkdir()
    other = tmp_path / "out" / ".upsample-0123456789abcdef-0.upsample-tmp"
    other.touch()
    (images / "broken.png").unlink()
    command = ("batch", images, "out", "--scale", 2, "--jobs", 1)
    assert cli(*command, "--shard", "1/2").returncode == 0
    assert other.exists()
    assert cli(*command).returncode == 0
    assert not other.exists()


def test_all_are_refused_while_a_part_is_at_work(cli, tmp_path, images):
    (tmp_path / "out").mkdir()
    at_work = Journal(str(tmp_path / "out"), Shard(1, 2))
    refused = cli("batch", images, "out", "--scale", 2)
    assert refused.returncode == 2
    assert refused.stderr == (
        "upsample-cli: error: out: another batch is at work in it; wait for its end\n"
    )
    assert cli("batch", images, "out", "--scale", 2, "--shard", "2/2").returncode in (0, 1)
    at_work.close()
    assert "another batch" not in cli("batch", images, "out", "--scale", 2).stderr


def test_a_killed_part_goes_on_and_harms_no_other(cli, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for number in range(6):
        shutil.copy(SAMPLES / "brain.nii.gz", source / f"{number}.nii.gz")
    command = (source, "out", "--scale", 4, "--shard", "1/2")
    running = start(tmp_path, *command)
    deadline = time.monotonic() + TIMEOUT
    while not list((tmp_path / "out").glob(".upsample-*.upsample-tmp")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=TIMEOUT)
    other = cli(*("batch", source, "out", "--scale", 4, "--shard", "2/2"))
    assert other.returncode == 0, other.stderr
    again = cli("batch", *command)
    assert again.returncode == 0, again.stderr
    names = {f"{number}.nii.gz" for number in range(6)}
    assert set(outputs_in(tmp_path / "out")) == names
    assert len(set(outputs_in(tmp_path / "out").values())) == 1
    last = cli("batch", *command)
    assert [line.split()[1] for line in last.stderr.splitlines() if line.startswith("skip")] == [
        "3"
    ]


def test_labels_and_images_are_judged_alike_in_every_part(cli, tmp_path):
    """A part judges an image by its labels also where another part has them."""
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a.nii.gz", "b.nii.gz", "a_seg.nii.gz"):
        shutil.copy(SAMPLES / "brain.nii.gz", source / name)
    cli("resample", SAMPLES / "brain.nii.gz", "in/b_seg.nii.gz", "--size", "20x20x20")
    options = ("--scale", 2, "--labels-pattern", "*_seg*")
    whole = cli("batch", "in", "whole", *options)
    each = [cli("batch", "in", "out", *options, "--shard", f"{part}/4") for part in range(1, 5)]

    def errors(*runs):
        return sorted(line for run in runs for line in run.stderr.splitlines() if "error:" in line)

    assert errors(whole) == errors(*each)
    assert len(errors(whole)) == 2
    assert set(outputs_in(tmp_path / "out")) == {"a.nii.gz", "a_seg.nii.gz"}
    assert outputs_in(tmp_path / "out") == outputs_in(tmp_path / "whole")


def test_the_script_for_slurm_is_true(tmp_path, images):
    script = block_named("docs/clusters.md", "slurm").text
    assert len(script.splitlines()) == 10
    shutil.copytree(images, tmp_path / "scans")
    (tmp_path / "scans" / "broken.png").unlink()
    shutil.copy(SAMPLES / "brain.nii.gz", tmp_path / "scans")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for part in (1, 2):
        numbers = {"SLURM_ARRAY_TASK_ID": str(part), "SLURM_ARRAY_TASK_COUNT": "2"}
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment(PATH=path, SLURM_CPUS_PER_TASK="1", **numbers),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    (target,) = {entry.name for entry in tmp_path.iterdir() if entry.is_dir()} - {"scans", "images"}
    assert {n for n, held in outputs_in(tmp_path / target).items() if held} == {
        n for n, held in snapshot(tmp_path / "scans").items() if held and n.endswith(".nii.gz")
    }
