"""What a second batch does again, and what it leaves as it is."""

import contextlib
import json
import os
import shutil
import signal
import time

import numpy as np
import pytest
from batches import lines_of, outputs, write
from platforms import fcntl, needs_locks

import upsample_cli
from upsample_cli.batch import run
from upsample_cli.cli.signals import Stopped

JOURNAL = "out/.upsample-batch/journal.jsonl"


@pytest.fixture
def source(tmp_path):
    """Return a folder with a.npy and sub/b.png."""
    write(tmp_path / "src" / "a.npy")
    write(tmp_path / "src" / "sub" / "b.png")
    return tmp_path / "src"


def both(status):
    return {"a.npy": status, "sub/b.png": status}


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.*") if path.is_file()}


def set_back(path, seconds=10):
    """Make a file look as if it had been written earlier."""
    facts = path.stat()
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns - seconds * 10**9))


def rewritten(path, change):
    """Change a file's bytes, but not its size, nor its time of change."""
    facts = path.stat()
    path.write_bytes(change(path.read_bytes()))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert path.stat().st_size == facts.st_size


def test_what_is_done_is_skipped(batch, source, tmp_path):
    assert batch("--scale", 2)[:2] == (0, both("done"))
    before = outputs(tmp_path / "out"), stamps(tmp_path / "out" / "sub")
    assert batch("--scale", 2)[:2] == (0, both("skipped"))
    assert (outputs(tmp_path / "out"), stamps(tmp_path / "out" / "sub")) == before
    assert sorted(before[0]) == ["a.npy", "sub/b.png"]


@pytest.mark.parametrize(
    "options",
    [
        ["--scale", 3],
        ["--size", 12],
        ["--scale", 2, "--mode", "cubic"],
        ["--scale", 2, "--dtype", "uint8"],
        ["--scale", 2, "--antialias"],
        ["--scale", 2, "--align-corners"],
        ["--scale", 2, "--compress-level", 3],
        ["--op", "conv-transpose", "--kernel", "nearest", "--stride", 2, "--dtype", "uint8"],
    ],
)
def test_other_options_do_all_again(batch, source, options):
    batch("--scale", 2)
    assert batch(*options)[1] == both("done")
    assert batch(*options)[1] == both("skipped")


@pytest.mark.parametrize(
    "options",
    [["--threads", 1], ["--jobs", 1], ["--fail-fast"], ["--exclude", "x*"], ["--scale", "2.0"]],
)
def test_what_leaves_no_trace_in_an_output_does_nothing_again(batch, source, options):
    batch("--scale", 2)
    target = [] if "--scale" in options else ["--scale", 2]
    assert batch(*target, *options)[1] == both("skipped")


def test_another_version_does_all_again(batch, source, monkeypatch):
    batch("--scale", 2)
    monkeypatch.setattr(upsample_cli, "__version__", "99.0")
    assert batch("--scale", 2)[1] == both("done")


@pytest.mark.parametrize("change", ["touched", "grown"])
def test_a_changed_input_is_done_again(batch, source, change):
    batch("--scale", 2)
    if change == "touched":
        set_back(source / "a.npy")
    else:
        write(source / "a.npy", shape=(7, 5))
    assert batch("--scale", 2)[1] == {"a.npy": "done", "sub/b.png": "skipped"}


def test_a_changed_half_of_a_pair_is_a_changed_input(batch, tmp_path):
    write(tmp_path / "src" / "a.hdr")
    assert batch("--scale", 2)[1] == {"a.hdr": "done"}
    set_back(tmp_path / "src" / "a.img")
    assert batch("--scale", 2)[1] == {"a.hdr": "done"}
    assert batch("--scale", 2)[1] == {"a.hdr": "skipped"}


def test_with_a_checksum_a_touched_input_is_skipped(batch, source):
    batch("--scale", 2, "--checksum")
    set_back(source / "a.npy")
    assert batch("--scale", 2, "--checksum")[1] == both("skipped")


def test_with_a_checksum_a_changed_input_of_the_same_size_and_time_is_done_again(batch, source):
    batch("--scale", 2, "--checksum")
    rewritten(source / "a.npy", lambda data: data[:-4] + np.float32(9).tobytes())
    assert batch("--scale", 2)[1] == both("skipped")
    assert batch("--scale", 2, "--checksum")[1] == {"a.npy": "done", "sub/b.png": "skipped"}


def test_a_checksum_that_was_never_taken_is_not_equal(batch, source):
    batch("--scale", 2)
    assert batch("--scale", 2, "--checksum")[1] == both("done")
    assert batch("--scale", 2, "--checksum")[1] == both("skipped")


def test_a_changed_reference_does_all_again(batch, tmp_path):
    write(tmp_path / "src" / "a.nii")
    reference = write(tmp_path / "reference.nii", shape=(9, 9, 9))
    assert batch("--like", "reference.nii")[1] == {"a.nii": "done"}
    assert batch("--like", "reference.nii")[1] == {"a.nii": "skipped"}
    write(reference, shape=(9, 9, 8))
    assert batch("--like", "reference.nii")[1] == {"a.nii": "done"}


def test_a_changed_reference_of_the_same_size_and_time_is_seen_by_its_checksum(batch, tmp_path):
    write(tmp_path / "src" / "a.nii")
    reference = write(tmp_path / "reference.nii", shape=(9, 9, 9))
    options = ["--like", "reference.nii", "--checksum"]
    batch(*options)
    set_back(reference)
    assert batch(*options)[1] == {"a.nii": "skipped"}
    rewritten(reference, lambda data: data.replace(np.float32(7).tobytes(), b"\0\0\0\0"))
    assert batch(*options)[1] == {"a.nii": "done"}


def test_changed_weights_do_all_again(batch, tmp_path):
    write(tmp_path / "src" / "a.npy", shape=(1, 6, 5))
    for value in (1, 2):
        np.save(tmp_path / "w.npy", np.full((1, 1, 3, 3), value, np.float32))
        set_back(tmp_path / "w.npy", value)
        options = ["--op", "conv-transpose", "--weight", "w.npy"]
        assert batch(*options)[1] == {"a.npy": "done"}
        assert batch(*options)[1] == {"a.npy": "skipped"}


def test_force_does_all_again(batch, source):
    batch("--scale", 2)
    assert batch("--scale", 2, "--force")[1] == both("done")


def test_a_lost_output_is_made_again(batch, source, tmp_path):
    batch("--scale", 2)
    (tmp_path / "out" / "a.npy").unlink()
    assert batch("--scale", 2)[1] == {"a.npy": "done", "sub/b.png": "skipped"}


def test_lost_indices_are_made_again(batch, source, tmp_path):
    options = ["--op", "pool", "--kernel-size", 2]
    batch(*options)
    expected = outputs(tmp_path / "out")
    assert sorted(expected) == ["a.indices.npz", "a.npy", "sub/b.indices.npz", "sub/b.png"]
    (tmp_path / "out" / "a.indices.npz").unlink()
    assert batch(*options)[1] == {"a.npy": "done", "sub/b.png": "skipped"}
    assert outputs(tmp_path / "out") == expected


def test_a_file_that_no_batch_made_stays(batch, source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.npy").write_bytes(b"mine")
    code, status, errors = batch("--scale", 2)
    assert (code, status) == (1, {"a.npy": "failed", "sub/b.png": "done"})
    assert "error: a.npy: exists, and no batch made it; use --force to replace it\n" in errors
    assert (tmp_path / "out" / "a.npy").read_bytes() == b"mine"
    assert batch("--scale", 2)[0] == 1
    assert batch("--scale", 2, "--force")[1]["a.npy"] == "done"
    assert batch("--scale", 2)[1] == both("skipped")


def test_an_output_that_somebody_changed_stays(batch, source, tmp_path):
    batch("--scale", 2)
    (tmp_path / "out" / "a.npy").write_bytes(b"changed since")
    code, status, errors = batch("--scale", 3)
    assert (code, status) == (1, {"a.npy": "failed", "sub/b.png": "done"})
    assert "a.npy: is not as the last batch left it; use --force to replace it\n" in errors
    assert (tmp_path / "out" / "a.npy").read_bytes() == b"changed since"


def test_a_copy_of_the_target_is_as_good(batch, source, tmp_path):
    batch("--scale", 2)
    shutil.copytree(tmp_path / "out", tmp_path / "copy", copy_function=shutil.copyfile)
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "copy").rename(tmp_path / "out")
    assert batch("--scale", 2)[1] == both("skipped")


def test_failed_files_alone_can_be_tried_again(batch, source, tmp_path):
    good = (source / "a.npy").read_bytes()
    (source / "a.npy").write_bytes(good[:-8])
    for again in ([], [], ["--retry-failed"]):
        code, status, _ = batch("--scale", 2, *again)
        assert (code, status["a.npy"]) == (1, "failed")
    assert status == {"a.npy": "failed"}
    (source / "a.npy").write_bytes(good)
    write(source / "new.npy")
    assert batch("--scale", 2, "--retry-failed")[:2] == (0, {"a.npy": "done"})
    code, status, errors = batch("--scale", 2, "--retry-failed")
    assert (code, status) == (0, {})
    assert "hint: nothing failed the last time" in errors
    assert batch("--scale", 2)[1] == {**both("skipped"), "new.npy": "done"}


def test_an_output_outlives_a_later_failure(batch, source, tmp_path):
    batch("--scale", 2)
    before = outputs(tmp_path / "out")
    (source / "a.npy").write_bytes(b"broken")
    assert batch("--scale", 2)[1]["a.npy"] == "failed"
    assert outputs(tmp_path / "out") == before
    write(source / "a.npy")
    assert batch("--scale", 2)[:2] == (0, {"a.npy": "done", "sub/b.png": "skipped"})


def test_the_first_failure_can_be_the_last_file(batch, source):
    for name in ("b.npy", "c.npy"):
        write(source / name)
    (source / "b.npy").write_bytes(b"broken")
    code, status, errors = batch("--scale", 2, "--fail-fast")
    assert (code, status) == (1, {"a.npy": "done", "b.npy": "failed"})
    assert "\nleft            2\n" in errors
    assert batch("--scale", 2)[1] == {
        **{"a.npy": "skipped", "b.npy": "failed"},
        **{"c.npy": "done", "sub/b.png": "done"},
    }


def test_two_of_one_command_exclude_each_other(batch, source):
    code, status, errors = batch("--scale", 2, "--force", "--retry-failed")
    assert (code, status) == (2, {})
    assert errors.endswith("--force: does not go with --retry-failed; drop one of them\n")


@pytest.mark.parametrize("kept", [0, 10, -2], ids=["none", "ten bytes", "all but its end"])
def test_a_line_that_a_crash_cut_is_passed_over(batch, source, tmp_path, kept):
    batch("--scale", 2)
    journal = tmp_path / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    assert [json.loads(line)["status"] for line in lines] == ["begun", "done"] * 2
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:kept])
    assert batch("--scale", 2)[1] == {"a.npy": "skipped", "sub/b.png": "done"}
    assert batch("--scale", 2)[1] == both("skipped")


def test_the_journal_names_every_output(batch, source, tmp_path):
    batch("--scale", 2, "--checksum")
    entry = lines_of(tmp_path / JOURNAL)[-1]
    facts = {name: entry[name] for name in ("output", "source", "status", "error")}
    assert facts == {"output": "sub/b.png", "source": "sub/b.png", "status": "done", "error": ""}
    written = tmp_path / "out" / "sub" / "b.png"
    assert entry["made"] == [["sub/b.png", [written.stat().st_size, written.stat().st_mtime_ns]]]
    assert len(entry["checksum"]) == 64


@needs_locks
def test_a_second_batch_waits_for_the_first(batch, source, tmp_path):
    batch("--scale", 2)
    with contextlib.closing(open(tmp_path / "out/.upsample-batch/lock", "rb")) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, status, errors = batch("--scale", 2)
    assert (code, status) == (2, {})
    assert errors.endswith("error: out: another batch is at work in it; wait for its end\n")
    assert batch("--scale", 2)[1] == both("skipped")


def test_an_input_that_changes_meanwhile_fails(batch, source, monkeypatch, tmp_path):
    from upsample_cli.files.images import writing

    save = writing.save_image

    def touch_and_save(*arguments, **options):
        set_back(source / "sub" / "b.png")
        return save(*arguments, **options)

    monkeypatch.setattr(writing, "save_image", touch_and_save)
    code, status, errors = batch("--scale", 2)
    assert (code, status) == (1, {"a.npy": "done", "sub/b.png": "failed"})
    assert "changed after it was listed" in errors
    assert list(outputs(tmp_path / "out")) == ["a.npy"]


def begun_again(tmp_path, output):
    """Let the journal end as if a batch had been killed while it was at an output."""
    lines = (tmp_path / JOURNAL).read_text().splitlines()
    begun = next(each for line in lines if (each := json.loads(line))["output"] == output)
    assert begun["status"] == "begun"
    with open(tmp_path / JOURNAL, "a") as journal:
        journal.write(json.dumps(begun | {"at": time.time()}) + "\n")


def test_a_users_file_stays_where_a_killed_batch_had_begun(batch, source, tmp_path):
    batch("--scale", 2)
    begun_again(tmp_path, "a.npy")
    (tmp_path / "out" / "a.npy").write_bytes(b"mine")
    for again in ([], [], ["--retry-failed"]):
        code, status, errors = batch("--scale", 2, *again)
        assert (code, status["a.npy"]) == (1, "failed")
        assert "use --force to replace it\n" in errors
        assert (tmp_path / "out" / "a.npy").read_bytes() == b"mine"
    assert sorted(os.listdir(tmp_path / "out" / ".upsample-batch")) == ["journal.jsonl", "lock"]
    assert batch("--scale", 2, "--force")[1] == both("done")


def test_what_a_killed_batch_had_finished_is_known_again(batch, source, tmp_path):
    batch("--scale", 2)
    before = outputs(tmp_path / "out"), stamps(tmp_path / "out" / "sub")
    begun_again(tmp_path, "sub/b.png")
    assert batch("--scale", 2)[:2] == (0, {"a.npy": "skipped", "sub/b.png": "done"})
    assert (outputs(tmp_path / "out"), stamps(tmp_path / "out" / "sub")) == before
    assert batch("--scale", 2)[1] == both("skipped")


@pytest.fixture
def batch_stopped_at(batch, monkeypatch):
    """``batch_stopped_at("a.npy", …)`` stops a batch when it is to hear what became of a file."""
    end = run._Run._end

    def stopped(name, *arguments):
        def stop(self, outcome):
            if outcome.task.source == name:
                raise Stopped(signal.SIGINT)
            end(self, outcome)

        with monkeypatch.context() as patched:
            patched.setattr(run._Run, "_end", stop)
            return batch(*arguments)[0]

    return stopped


@pytest.mark.parametrize("options", [["--scale", 2], ["--scale", 3]])
def test_a_batch_that_is_stopped_knows_what_it_had_finished(
    batch, batch_stopped_at, source, tmp_path, options
):
    assert batch_stopped_at("a.npy", "--scale", 2) == 130
    assert list(outputs(tmp_path / "out")) == ["a.npy"]
    assert batch(*options)[1] == both("done")


def test_a_batch_that_is_stopped_owns_no_file_that_may_be_a_users(
    batch, batch_stopped_at, source, tmp_path
):
    batch("--scale", 2)
    begun_again(tmp_path, "a.npy")
    (tmp_path / "out" / "a.npy").write_bytes(b"mine")
    assert batch_stopped_at("a.npy", "--scale", 2) == 130
    assert batch("--scale", 2)[1]["a.npy"] == "failed"
    assert (tmp_path / "out" / "a.npy").read_bytes() == b"mine"


def test_an_output_of_another_input_is_made_anew(batch, tmp_path):
    first = write(tmp_path / "src" / "a.npy")
    shutil.copy2(first, tmp_path / "src" / "a.NPY")
    assert batch("--scale", 2, "--exclude", "a.NPY")[1] == {"a.npy": "done"}
    assert batch("--scale", 2, "--exclude", "a.npy", "--to", "npy")[1] == {"a.NPY": "done"}
