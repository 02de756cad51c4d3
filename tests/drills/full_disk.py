"""A disk that fills up: clear lines, what was there stays, and the same command goes on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

from processes import environment
from scene import (
    JOURNAL,
    Count,
    complete,
    files_in,
    is_temporary,
    lost_in,
    make_tree,
    not_whole,
)

COMMAND = ("--jobs", 2, "--scale", 1.3)
SMALL, LARGE = "2m", "64m"


def at_a_limit(folder: Path) -> Count:
    """Let outputs, the journal and the log meet the largest size that a file may have."""
    source, target = folder / "source", folder / "target"
    make_tree(source, 0.3)
    assert complete(source, folder / "whole", *COMMAND) == (0, [])
    expected, count = files_in(folder / "whole"), Count()
    largest = max(map(len, expected.values()))
    for limit, named in ((largest - 1, "cannot be written"), (700, "keep the journal")):
        code, told = complete(source, target, *COMMAND, preexec_fn=_limit(limit))
        assert code == 1, (code, told)
        assert told, "nothing was said"
        assert all(named in line and "internal" not in line for line in told), told
        count += Count(
            1, len(not_whole(target, expected)), sum(map(is_temporary, files_in(target)))
        )
    count += _at_a_full_log(source, target, folder / "log.jsonl")
    assert complete(source, target, *COMMAND) == (0, [])
    count.lost += len(lost_in(target, expected))
    return count


def _at_a_full_log(source: Path, target: Path, log: Path) -> Count:
    """Fill the log so far that its next line is torn, then go on with it."""
    earlier = json.dumps({"input": "of an earlier batch" * 9999}).encode() + b"\n"
    log.write_bytes(earlier)
    limit = _limit(len(earlier) + 50)
    code, told = complete(
        source, target, "--log", log, "--force", *COMMAND, "--pattern", "*.npy", preexec_fn=limit
    )
    assert (code, len(told)) == (1, 1), told
    assert "log.jsonl: cannot be written" in told[0], told
    assert complete(source, target, "--log", log, "--force", *COMMAND, "--pattern", "*.npy")[0] == 0
    first, torn, *rest = log.read_bytes().splitlines(keepends=True)
    assert (first, len(torn), len(rest)) == (earlier, 51, 2), rest
    assert all(json.loads(line)["status"] == "done" for line in rest)
    return Count(1)


def _limit(size: int):
    import resource

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def on_a_small_disk(folder: Path) -> Count:
    """Do the same on a disk of a few megabytes, in a namespace where anybody may mount one."""
    namespace = ["unshare", "--map-root-user", "--mount"]
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "drill", str(disk)]
    try:
        may = subprocess.run([*namespace, *mount], capture_output=True).returncode == 0
    except FileNotFoundError:
        may = False
    if not may:
        return Count(remarks=["not tried: nobody may mount here"])
    done = subprocess.run(
        [*namespace, sys.executable, __file__, str(folder)],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return Count(*map(int, done.stdout.split()))


def _inside(folder: Path) -> Count:
    source, disk = folder / "source", folder / "disk"
    target = disk / "target"
    make_tree(source, 0.3)
    assert complete(source, folder / "whole", *COMMAND) == (0, [])
    expected, count = files_in(folder / "whole"), Count()
    options = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "drill", str(disk)]
    subprocess.run(options, check=True)
    count += _while_outputs_do_not_fit(source, target, expected)
    count += _without_any_room(source, target, expected)
    subprocess.run(["mount", "-o", f"remount,size={LARGE}", str(disk)], check=True)
    assert complete(source, target, *COMMAND) == (0, [])
    count.lost += len(lost_in(target, expected))
    count.strays += len(set(files_in(target)) - set(expected))
    return count


def _while_outputs_do_not_fit(source: Path, target: Path, expected: dict[str, bytes]) -> Count:
    code, told = complete(source, target, *COMMAND)
    assert code == 1, (code, told)
    assert told, "nothing was said"
    words = ("No space left", "of disk, but", "the disk is full")
    assert all(any(word in line for word in words) for line in told), told
    assert files_in(target), "nothing fits"
    return Count(1, len(not_whole(target, expected)), sum(map(is_temporary, files_in(target))))


def _without_any_room(source: Path, target: Path, expected: dict[str, bytes]) -> Count:
    """Start with a disk that does not even take a line of the journal."""
    filler, before = target.parent / "filler", files_in(target)
    with open(filler, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    size = (target / JOURNAL).stat().st_size
    # A disk gives room in blocks: what is left of the journal's last one is filled too.
    os.truncate(target / JOURNAL, size)
    with open(target / JOURNAL, "ab") as journal:
        journal.write(b"\n" * (-size % 4096))
    code, told = complete(source, target, *COMMAND)
    assert (code, len(told)) == (1, 1), (code, told)
    assert "cannot keep the journal" in told[0], told
    assert files_in(target) == before
    filler.unlink()
    return Count(1, len(not_whole(target, expected)))


if __name__ == "__main__":
    result = _inside(Path(sys.argv[1]))
    print(result.tried, result.lost, result.strays)
