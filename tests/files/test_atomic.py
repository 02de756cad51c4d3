"""The temporary file that becomes the output."""

import errno
import os
import stat
import subprocess
import sys
from contextlib import contextmanager

import pytest
from platforms import fcntl, needs_locks

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files.atomic import (
    MOST_WRITERS,
    TEMPORARY_SUFFIX,
    AtomicFile,
    check_destination,
    remove_all_stale,
    remove_stale,
)
from upsample_cli.operations.output import open_outputs

WRITER = """
import os, signal, sys
from upsample_cli.files.atomic import AtomicFile
file = AtomicFile(sys.argv[1])
file.file.write(b"half")
print("writing", flush=True)
sys.stdin.read()
"""

CLEANER = """
import sys
from pathlib import Path
from upsample_cli.files.atomic import remove_stale
remove_stale(Path(sys.argv[1]))
"""


@contextmanager
def written(path, **options):
    """Write as the pipeline does: commit at the end, discard after an error."""
    file = AtomicFile(path, **options)
    try:
        yield file
    except BaseException:
        file.discard()
        raise
    file.commit()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(path, data=b"new", **options):
    with written(path, **options) as output:
        output.file.write(data)


def test_the_output_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "out.bin"
    with written(path) as output:
        output.file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["out.bin"]


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), written(tmp_path / "out.bin") as output:
        output.file.write(b"half")
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_an_existing_output_needs_force(tmp_path):
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with pytest.raises(RequestError, match=r"out\.bin: exists; use --force"):
        AtomicFile(path)
    assert path.read_bytes() == b"old"
    write(path, force=True)
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["out.bin"]


def test_an_output_that_appears_meanwhile_stays(tmp_path):
    path = tmp_path / "out.bin"
    with pytest.raises(RequestError, match="exists"), written(path) as output:
        output.file.write(b"new")
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"
    assert names(tmp_path) == ["out.bin"]


def test_a_link_keeps_pointing_at_what_is_now_new(tmp_path):
    target, link = tmp_path / "target.bin", tmp_path / "link.bin"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write(link, force=True)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_permissions_are_those_of_the_umask_or_of_what_is_replaced(tmp_path):
    path = tmp_path / "out.bin"
    before = os.umask(0o027)
    try:
        write(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    write(path, force=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("missing/out.bin", RequestError, "folder .*missing does not exist"),
        (".", RequestError, "is a folder"),
        (os.devnull, RequestError, "not a regular file; use -"),
        ("file/out.bin", RequestError, "cannot be written"),
    ],
)
def test_where_no_file_can_be_is_refused(tmp_path, name, error, message, force):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(error, match=message):
        check_destination(str(tmp_path / name), force=force)


def test_a_name_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("n" * 251 + ".bin")
    write(path)
    assert path.read_bytes() == b"new"


def test_a_file_that_a_killed_run_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "out.bin"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"writing\n"
        write(path, b"mine")
        held = [name for name in names(tmp_path) if name.endswith(TEMPORARY_SUFFIX)]
        assert len(held) == 1, "a file that is being written is not stale"
        other.kill()
    write(path, b"again", force=True)
    assert names(tmp_path) == ["out.bin"]


def test_what_killed_runs_left_in_a_folder_is_removed_at_once(tmp_path):
    for name in ("a.bin", "b.bin"):
        abandoned = AtomicFile(tmp_path / name)
        abandoned.file.close()
    with written(tmp_path / "c.bin") as output:
        output.file.write(b"new")
        remove_all_stale(tmp_path)
        assert len(names(tmp_path)) == 1, "a file that is being written is not stale"
    assert names(tmp_path) == ["c.bin"]


def test_many_may_write_one_destination_and_the_last_to_end_wins(tmp_path):
    path = tmp_path / "out.bin"
    files = [AtomicFile(path, force=True) for _ in range(MOST_WRITERS)]
    with pytest.raises(FileError, match="16 other runs are writing it"):
        AtomicFile(path, force=True)
    for number, file in enumerate(files):
        file.file.write(bytes([number]))
        file.commit()
    assert path.read_bytes() == bytes([MOST_WRITERS - 1])
    assert names(tmp_path) == ["out.bin"]


def test_no_folder_is_listed_to_write_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "scandir", None)
    monkeypatch.setattr(os, "listdir", None)
    write(tmp_path / "out.bin")


def test_temporary_files_of_other_outputs_are_left_alone(tmp_path):
    stranger = tmp_path / f".upsample-000000000000-ffffffff{TEMPORARY_SUFFIX}"
    stranger.write_bytes(b"")
    write(tmp_path / "out.bin")
    assert stranger.exists()


def test_a_file_that_is_being_named_is_not_stale(tmp_path, monkeypatch):
    path = tmp_path / "out.bin"
    replace = os.replace

    def replace_while_another_run_starts(source, destination):
        done = subprocess.run(
            [sys.executable, "-c", CLEANER, str(path)], check=True, capture_output=True
        )
        assert done.stderr == b""
        replace(source, destination)

    monkeypatch.setattr(os, "replace", replace_while_another_run_starts)
    write(path, force=True)
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(("call", "force"), [("link", False), ("replace", True)])
def test_a_file_is_whole_before_it_has_its_name(tmp_path, monkeypatch, call, force):
    sizes, give = [], getattr(os, call)

    def measure(source, destination):
        sizes.append(os.stat(source).st_size)
        give(source, destination)

    monkeypatch.setattr(os, call, measure)
    write(tmp_path / "out.bin", b"new", force=force)
    assert sizes == [3]


def test_a_disk_that_is_full_only_when_a_file_is_closed(tmp_path, monkeypatch):
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    close = os.close

    def closed(file):
        close(file)
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "close", closed)
    with pytest.raises(FileError, match="cannot be written"):
        write(path, force=True)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["out.bin"]


@needs_locks
def test_a_name_that_another_run_took_meanwhile_is_not_stale(tmp_path, monkeypatch):
    abandoned = AtomicFile(tmp_path / "out.bin")
    abandoned.file.close()

    def flock(_file, _kind):
        os.rename(abandoned.temporary, tmp_path / "removed by another")
        abandoned.temporary.write_bytes(b"of a third")

    monkeypatch.setattr(fcntl, "flock", flock)
    remove_stale(tmp_path / "out.bin")
    assert abandoned.temporary.read_bytes() == b"of a third"


@needs_locks
def test_a_file_that_was_taken_for_stale_before_its_lock_is_begun_anew(tmp_path, monkeypatch):
    removed = []

    def flock(_file, _kind):
        if not removed:
            (name,) = names(tmp_path)
            removed.append(name)
            (tmp_path / name).unlink()

    monkeypatch.setattr(fcntl, "flock", flock)
    write(tmp_path / "out.bin")
    assert names(tmp_path) == ["out.bin"]
    assert removed


def test_the_second_file_of_a_pair_is_named_first_and_goes_where_the_first_cannot_be(
    tmp_path, monkeypatch
):
    link, linked = os.link, []

    def refuse(source, destination):
        linked.append(destination.name)
        if destination.name == "a.hdr":
            raise FileExistsError(destination)
        link(source, destination)

    monkeypatch.setattr(os, "link", refuse)
    pair = [str(tmp_path / "a.hdr"), str(tmp_path / "a.img")]
    with pytest.raises(RequestError, match="exists"), open_outputs(pair, force=False):
        pass
    assert linked == ["a.img", "a.hdr"]
    assert names(tmp_path) == []
