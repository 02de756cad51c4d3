"""What a batch says: a line or a bar while it runs, a table at its end, a log for programs."""

import json
import os
import re
import struct
import sys

import pytest
from batches import lines_of, outputs, write
from platforms import fcntl, needs_terminals, pty, termios
from processes import command_line, environment

from upsample_cli.batch import preview
from upsample_cli.resources import machine

COLUMNS = 100


@pytest.fixture
def source(tmp_path):
    """Return a folder with two good files and three that fail, each in its own way."""
    write(tmp_path / "src" / "a.npy")
    write(tmp_path / "src" / "sub" / "b.png")
    write(tmp_path / "src" / "mislabelled.png").write_bytes(
        write(tmp_path / "volume.nii").read_bytes()
    )
    (tmp_path / "src" / "empty.nii").write_bytes(b"")
    (tmp_path / "src" / "junk.npy").write_bytes(b"no array")
    (tmp_path / "src" / "notes.txt").write_bytes(b"no input")
    return tmp_path / "src"


def test_one_line_a_file_and_a_table(batch, source):
    code, _, errors = batch("--scale", 2)
    assert code == 1
    head, done, *failed, picture, titles, total, skipped, failures, seconds = errors.splitlines()
    assert head == "upsample-cli: hint: left out 1 file of other formats"
    assert re.fullmatch(r"a\.npy 5×6 float32 → a\.npy 10×12 float32, linear, \d+\.\d s", done)
    assert re.fullmatch(r"sub/b\.png 8×6 uint8 → sub/b\.png 16×12 uint8, linear, .*s", picture)
    for line, name, why in zip(
        failed,
        ["empty.nii", "junk.npy", "mislabelled.png"],
        ["is empty; use", "has no known format; use", "is mislabelled: it holds a volume; "],
        strict=True,
    ):
        assert line.startswith("upsample-cli: error: ")
        assert f"{name}: {why}" in line
    assert titles.split() == ["files", "input", "output"]
    assert total.split()[:2] == ["done", "2"]
    assert (skipped.split()[:2], failures.split()[:2]) == (["skipped", "0"], ["failed", "3"])
    assert re.fullmatch(r"seconds +\d+\.\d", seconds)


def test_what_was_done_before_is_counted(batch, source):
    batch("--scale", 2)
    code, _, errors = batch("--scale", 2)
    assert code == 1
    assert "→" not in errors
    assert re.search(r"^done +0 +0 B +0 B\nskipped +2 .*\nfailed +3 ", errors, re.MULTILINE)


def test_quiet_says_what_is_wrong_alone(batch, source):
    code, _, errors = batch("--scale", 2, "--quiet")
    assert code == 1
    assert [line.split(": ")[1] for line in errors.splitlines()] == ["error"] * 3


def test_a_hint_is_shown_once_and_a_warning_with_its_file(batch, tmp_path):
    for name in ("a", "b", "c"):
        write(tmp_path / "src" / f"{name}.png")
    (tmp_path / "src" / "a.png").rename(tmp_path / "src" / "a.jpg")
    _, status, errors = batch("--scale", 0.5)
    assert set(status.values()) == {"done"}
    assert errors.count("hint: shrinking without --antialias skips pixels") == 1
    assert re.search(r"^upsample-cli: warning: .*a\.jpg: holds PNG, not JPEG$", errors, re.M)


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_one_warning_of_many_files_is_counted(batch, tmp_path, quiet):
    for number in range(9):
        path = write(tmp_path / "src" / f"p{number}.png")
        path.rename(path.with_suffix(".jpg"))
    _, status, errors = batch("--scale", 2, *quiet)
    assert len(status) == 9
    said = [line for line in errors.splitlines() if "warning: " in line]
    assert [re.search(r"p(\d)\.jpg: holds PNG, not JPEG$", line)[1] for line in said[:-1]] == [
        *"012"
    ]
    assert said[-1] == "upsample-cli: warning: 6 files more: holds PNG, not JPEG; --log names them"
    assert all(line["warnings"] for line in lines_of(tmp_path / "log.jsonl"))


def test_the_log_has_a_line_for_every_file(batch, source, tmp_path):
    batch("--scale", 2, "--mode", "cubic", "--threads", 1)
    lines = {line["input"]: line for line in lines_of(tmp_path / "log.jsonl")}
    assert sorted(lines) == ["a.npy", "empty.nii", "junk.npy", "mislabelled.png", "sub/b.png"]
    done, failed = lines["sub/b.png"], lines["junk.npy"]
    assert 0 <= done.pop("seconds") < 60
    assert done.pop("peak_memory") > 2**20
    assert done == {
        "input": "sub/b.png",
        "output": "sub/b.png",
        "status": "done",
        "error": None,
        "shape_in": [8, 6],
        "dtype_in": "uint8",
        "shape_out": [16, 12],
        "dtype_out": "uint8",
        "how": "cubic",
        "options": {
            "operation": "resample",
            "target": {"kind": "scale", "values": [2.0]},
            "mode": "cubic",
            "image": {},
            "compress_level": 1,
        },
        "warnings": [],
    }
    assert failed["status"] == "failed"
    assert "junk.npy: has no known format" in failed["error"]
    assert (failed["shape_in"], failed["shape_out"]) == (None, None)
    batch("--scale", 2, "--mode", "cubic")
    lines = {line["input"]: line for line in lines_of(tmp_path / "log.jsonl")}
    assert lines["a.npy"]["status"] == "skipped"
    assert lines["a.npy"]["options"] == done["options"]


def test_the_log_says_of_labels_what_was_done_to_them(batch, tmp_path):
    write(tmp_path / "src" / "t1.nii")
    write(tmp_path / "src" / "t1_seg.nii", dtype="uint8")
    options = ["--scale", 2, "--mode", "cubic", "--dtype", "float32"]
    batch(*options, "--labels-pattern", "*_seg*")
    image, labels = lines_of(tmp_path / "log.jsonl")
    assert (image["how"], image["options"]["mode"]) == ("cubic", "cubic")
    assert (labels["how"], labels["options"]["labels"]) == ("label", True)
    assert {"mode", "dtype"}.isdisjoint(labels["options"])
    assert (image["dtype_out"], labels["dtype_out"]) == ("float32", "uint8")


def test_a_log_is_added_to(batch, here, source, tmp_path):
    batch("--scale", 2)
    before = lines_of(tmp_path / "log.jsonl")
    here("batch", "src", "out", "--scale", 2, "--log", "log.jsonl")
    assert lines_of(tmp_path / "log.jsonl")[: len(before)] == before


@pytest.mark.parametrize("name", ["no/such/folder.jsonl", "src"])
def test_a_log_that_cannot_be_written_stops_the_batch_first(here, source, tmp_path, name):
    code, _, errors = here("batch", "src", "out", "--scale", 2, "--log", name)
    assert code == 1
    assert re.fullmatch(rf".*error: {name}: cannot be written \(.*\); name another --log\n", errors)
    assert not (tmp_path / "out").exists() or not outputs(tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("src/sub/b.png", "has the suffix of an input, .png, and lines would be added to it; name"),
        ("link.jsonl", "has the suffix of an input, .npy, and lines would be added to it; name"),
        ("out/new.nii.gz", "has the suffix of an input, .nii.gz, and lines would be added to it; "),
        ("-", "is not a file's name; name a file, or /dev/stdout"),
        ("out/.upsample-batch/journal.jsonl", "lies where the journal is; name a file elsewhere"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_log_is_no_file_of_the_batch(here, source, tmp_path, name, problem, dry):
    (tmp_path / "link.jsonl").symlink_to(source / "a.npy")
    before = (source / "sub" / "b.png").read_bytes(), (source / "a.npy").read_bytes()
    code, _, errors = here("batch", "src", "out", "--scale", 2, "--log", name, *dry)
    assert code == 2
    assert errors.startswith(f"upsample-cli: error: --log: {name} {problem}")
    assert before == ((source / "sub" / "b.png").read_bytes(), (source / "a.npy").read_bytes())
    assert not (tmp_path / "out").exists()


def dry_run(here, *arguments):
    return here("batch", "src", "out", "--dry-run", *arguments)


def test_a_dry_run_shows_every_output_and_writes_nothing(here, source, tmp_path, holds_only):
    code, answer, errors = dry_run(here, "--scale", 2, "--rename", "{stem}_x2{suffix}")
    *lines, totals = answer.splitlines()
    assert lines == [
        "a.npy 5×6 float32 → a_x2.npy 10×12 float32, linear, 480 B",
        "sub/b.png 8×6 uint8 → sub/b_x2.png 16×12 uint8, linear, 576 B",
    ]
    assert re.fullmatch(
        r"2 to do, 0 done before, 3 would fail; outputs up to 1\.0 KiB, free .*iB", totals
    )
    assert code == 1
    assert errors.count("error: ") == 3
    assert "hint: left out 1 file of other formats" in errors
    holds_only("src", "volume.nii")


def test_a_dry_run_shows_what_is_left_to_do(here, batch, source):
    batch("--scale", 2)
    write(source / "new.npy", shape=(3, 3))
    _, answer, _ = dry_run(here, "--scale", 2, "--exclude", "[ejm]*")
    line, totals = answer.splitlines()
    assert line == "new.npy 3×3 float32 → new.npy 6×6 float32, linear, 144 B"
    assert totals.startswith("1 to do, 2 done before, ")


def test_a_dry_run_names_the_file_that_would_fail_as_the_run_does(here, batch, source):
    arguments = ["--spacing", 1, "--pattern", "a.npy", "--pattern", "b.png"]
    _, _, foretold = dry_run(here, *arguments)
    _, _, errors = batch(*arguments)
    found = [line for line in errors.splitlines() if "error: " in line]
    assert sorted(foretold.splitlines()) == sorted(found)
    assert "error: sub/b.png: --spacing: only volumes have" in foretold


def test_a_dry_run_names_what_the_memory_cannot_hold(here, source, monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 50 * 2**20)
    code, answer, errors = dry_run(
        here, "--scale", 1500, "--pattern", "b.png", "--pattern", "a.npy"
    )
    assert code == 1
    assert "sub/b.png" not in answer
    assert re.search(r"sub/b\.png: needs .* of memory, but 50\.0 MiB are free", errors)


def test_a_dry_run_tells_labels_from_images(here, tmp_path):
    write(tmp_path / "src" / "t1.nii")
    write(tmp_path / "src" / "t1_seg.nii")
    _, answer, _ = dry_run(here, "--scale", 2, "--labels-pattern", "*_seg*")
    assert [line.split(", ")[1] for line in answer.splitlines()[:2]] == ["linear", "label"]
    _, answer, _ = dry_run(here, "--op", "pool", "--kernel-size", 2, "--pattern", "t1.nii")
    assert answer.splitlines()[0].split(", ")[1] == "max-pool 2×2×2"


def test_a_dry_run_counts_the_indices_of_pool(here, source):
    _, answer, _ = dry_run(here, "--op", "pool", "--kernel-size", 2, "--pattern", "a.npy")
    assert f"outputs up to {2 * 3 * (4 + 8)} B" in answer


@pytest.mark.parametrize(
    ("pattern", "free", "code"), [("*.npy", 479, 2), ("*.npy", 480, 0), ("*.png", 1, 0)]
)
def test_a_dry_run_refuses_what_cannot_fit(here, source, monkeypatch, pattern, free, code):
    usage = preview.shutil.disk_usage(source)
    monkeypatch.setattr(preview.shutil, "disk_usage", lambda _: usage._replace(free=free))
    arguments = ["--scale", 2, "--pattern", pattern, "--exclude", "[jm]*"]
    done, answer, errors = dry_run(here, *arguments)
    assert done == code
    assert ("they fit only if they compress well" in answer) == (pattern == "*.png" or code == 2)
    refusal = "error: out: needs at least 480 B of disk, but 479 B are free; free some, or do less"
    assert (refusal in errors) == (code == 2)


def on_a_terminal(folder, *arguments):
    """Run a command on a terminal of its own; return its exit code and what it wrote."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        command = command_line(*arguments)
        variables = environment()
        del variables["COLUMNS"]
        os.execve(sys.executable, command, variables)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    written = b""
    while True:
        try:
            block = os.read(terminal, 2**16)
        except OSError:  # how Linux says that nobody holds the other end
            break
        if not block:
            break
        written += block
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), written.decode()


def screen_of(written):
    """Return the lines that a terminal shows in the end; nothing wraps in them that moves."""
    lines = []
    for line in written.replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return lines


BAR = re.compile(
    r"\s*(?P<percent>\d+)%\|.*\| (?P<n>[\d.]+)(?P<n_unit>[kM]?)/(?P<total>[\d.]+)(?P<unit>[kM]?) "
    r"\[(?P<elapsed>[\d:]+)<(?P<left>[\d:?]+), +[\d.?]+ ?[kMG]?B/s"
    r"(, (?P<done>\d+) done, (?P<failed>\d+) failed)?\]"
)


@needs_terminals
def test_a_terminal_shows_a_bar_with_the_errors_above_it(source, tmp_path):
    for number in range(9):
        write(source / f"p{number}.png", shape=(300, 200), seed=number)
    first = on_a_terminal(tmp_path, "batch", "src", "out", "--scale", 2, "--jobs", 2)
    (tmp_path / "out" / "p3.png").unlink()
    again = on_a_terminal(tmp_path, "batch", "src", "out", "--scale", 2, "--jobs", 2)
    for (code, written), done, skipped in ((first, 11, 0), (again, 1, 10)):
        assert code == 1
        bars = [found for part in re.split("[\r\n]", written) if (found := BAR.fullmatch(part))]
        assert all(int(bar["percent"]) <= 100 for bar in bars)
        assert all(len(part) <= COLUMNS for part in re.split("[\r\n]", written) if "%|" in part)
        counts = [(int(bar["done"]), int(bar["failed"])) for bar in bars if bar["done"]]
        assert counts == sorted(counts)
        assert (0, 0) < counts[-1] <= (done, 3)
        if not skipped:
            assert any(re.match(r"\d", bar["left"]) for bar in bars)
        hint, *errors, titles, total, before, failed, seconds, end = screen_of(written)
        assert hint == "upsample-cli: hint: left out 1 file of other formats"
        assert [line[:21] for line in errors if line.startswith("up")] == [
            "upsample-cli: error: "
        ] * 3
        assert "%|" not in "".join(errors)
        assert titles.split() == ["files", "input", "output"]
        assert total.split()[:2] == ["done", str(done)]
        assert before.split()[:2] == ["skipped", str(skipped)]
        assert failed.split()[:2] == ["failed", "3"]
        assert (seconds.split()[0], end) == ("seconds", "")


def test_a_name_cannot_act_on_a_terminal(batch, tmp_path):
    write(tmp_path / "src" / "a\x1b[31m\nb.npy")
    code, status, errors = batch("--scale", 2)
    assert (code, list(status)) == (0, ["a\x1b[31m\nb.npy"])
    assert "a\\x1b[31m\\nb.npy 5×6 float32 → " in errors
    assert json.dumps("a\x1b[31m\nb.npy") in (tmp_path / "log.jsonl").read_text()
