"""The journal of a batch: torn, full of what is not ours, from another version or clock."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from upsample_cli.batch.journal import BEGUN, Entry, Journal, read_journal
from upsample_cli.batch.sharding import Shard
from upsample_cli.batch.stamp import Stamp
from upsample_cli.errors import FileError, RequestError


def entries_of(folder):
    return read_journal(folder / ".upsample-batch")[0]


@pytest.fixture
def journal(tmp_path):
    """Return the bytes of a journal with three outputs, and what they say."""
    own = Journal(str(tmp_path))
    for name in ("a.npy", "b\udcff.npy", "c\n.npy"):
        for status in (BEGUN, "done"):
            made = ((name, Stamp(5, 7)),)
            own.add([Entry(name, name, status, "key", (Stamp(1, 2**62),), None, made)])
    own.close()
    return (tmp_path / ".upsample-batch" / "journal.jsonl").read_bytes()


def test_a_journal_that_ends_anywhere_is_read_up_to_there(tmp_path, journal):
    path = tmp_path / ".upsample-batch" / "journal.jsonl"
    lines = journal.splitlines(keepends=True)
    ends = np.cumsum([len(line) for line in lines])
    for end in range(len(journal) + 1):
        path.write_bytes(journal[:end])
        # A line is whole without its newline too.
        whole = int(np.sum(ends - 1 <= end))
        expected = {}
        for line in lines[:whole]:
            entry = Entry.from_line(line)
            expected[entry.output] = entry
        assert entries_of(tmp_path) == expected
        if end % 50 == 0:
            own = Journal(str(tmp_path))
            added = Entry("new.npy", "new.npy", BEGUN, "key")
            own.add([added])
            own.close()
            assert entries_of(tmp_path) == expected | {"new.npy": added}


GARBAGE = [
    b"",
    b"\0" * 300,
    b"\xff\xfe\n",
    b"{}",
    b"[]",
    b"null",
    b"17",
    b"[" * 100_000,
    b'{"output": "a.npy"}',
    b'{"output": [], "source": "", "status": "", "key": "", "stamps": [], "made": [], "at": 1.0}',
    b'{"output": "", "source": "", "status": "", "key": "", "stamps": [], "made": [], "at": "1"}',
    b'{"output": "", "source": "", "status": "", "key": "", "stamps": [1], "made": [], "at": 1.0}',
    b'{"output": "", "source": "", "status": "", "key": "", "stamps": ["ab"], "made": [], "at": 1}',
    b'{"output": "", "source": "", "status": "", "key": "", "stamps": {}, "made": {"ab": 1}}',
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_lines_that_are_none_of_ours_are_passed_over(tmp_path, journal, garbage):
    path = tmp_path / ".upsample-batch" / "journal.jsonl"
    before = entries_of(tmp_path)
    first, *rest = journal.splitlines(keepends=True)
    path.write_bytes(first + garbage + b"\n" + b"".join(rest) + garbage)
    assert entries_of(tmp_path) == before


def test_a_line_of_another_version_is_as_if_there_were_none(tmp_path, journal):
    path = tmp_path / ".upsample-batch" / "journal.jsonl"
    facts = [json.loads(line) for line in journal.splitlines()]
    older = [{key: value for key, value in each.items() if key != "made"} for each in facts]
    for lines in (older, [each | {"unknown": 1} for each in facts]):
        path.write_bytes(b"\n".join(json.dumps(line).encode() for line in lines))
        assert entries_of(tmp_path) == {}


def test_a_clock_that_is_put_back_makes_no_entry_older(tmp_path):
    own = Journal(str(tmp_path))
    tomorrow = Entry("a", "a", "done", "old", at=time.time() + 86400)
    own.add([tomorrow])
    for status in (BEGUN, "done"):
        own.add([replace(tomorrow, status=status, key="new", at=time.time())])
    own.close()
    assert entries_of(tmp_path)["a"].key == "new"
    assert entries_of(tmp_path)["a"].status == "done"
    assert entries_of(tmp_path)["a"].at > tomorrow.at


def test_a_journal_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(FileError, match=r"journal\.jsonl: cannot be read"):
        read_journal(tmp_path)


def test_a_batch_whose_journal_is_full_holds_its_lock_until_its_workers_have_ended(
    tmp_path, monkeypatch
):
    own = Journal(str(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr("os.write", lambda _, lines: len(lines) - 1)
        with pytest.raises(FileError, match="cannot keep the journal of the batch"):
            own.add([Entry("a", "a", BEGUN, "key")])
    with pytest.raises(RequestError, match="another batch is at work in it"):
        Journal(str(tmp_path))
    own.close()
    Journal(str(tmp_path)).close()


@pytest.mark.parametrize("latest", [1, 2])
def test_of_several_journals_the_latest_line_counts(tmp_path, latest):
    for number in (3 - latest, latest):
        own = Journal(str(tmp_path), Shard(number, 2))
        own.add([Entry("a", "a", "done", f"key {number}")])
        own.close()
    assert entries_of(tmp_path)["a"].key == f"key {latest}"


def test_a_journal_of_many_lines_is_written_anew_by_who_is_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("upsample_cli.batch.journal.SHRINK_FROM", 1)
    folder = tmp_path / ".upsample-batch"
    for number in (1, 2):
        own = Journal(str(tmp_path), Shard(number, 2))
        for _ in range(5):
            own.add([Entry(f"{number}", "", "done", "key")])
        own.close()
    before = entries_of(tmp_path)
    lines = {path.name: path.read_bytes().count(b"\n") for path in folder.glob("*.jsonl")}
    assert lines == {"journal-1-of-2.jsonl": 5, "journal-2-of-2.jsonl": 5}
    Journal(str(tmp_path)).close()
    assert entries_of(tmp_path) == before
    assert [path.name for path in folder.glob("*.jsonl")] == ["journal.jsonl"]
    assert (folder / "journal.jsonl").read_bytes().count(b"\n") == 2
