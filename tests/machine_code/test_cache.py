"""Machine code that is kept: the same bits, whatever becomes of the folder."""

import importlib
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from processes import TIMEOUT, environment, snapshot

from upsample_cli.kernels import separable
from upsample_cli.machine_code import cache
from upsample_cli.machine_code.compile import Kernel
from upsample_cli.operations import warmup

MESSAGE = "upsample-cli: compiling kernels for this machine, once; it takes a few seconds"
SET = "set UPSAMPLE_CLI_CACHE"

SUM_OF_ONE = """
import sys
import numpy as np
from upsample_cli.kernels import separable
row, total = np.arange(5, dtype=np.float32), np.empty(5, np.float32)
separable.accumulate(row, np.float32(0.3), 0, 1, total)
print(total.tobytes().hex(), "numba" in sys.modules)
"""


def sum_in_a_process(folder, **changes):
    """Return the bits of a sum, and whether Numba was needed for it."""
    done = subprocess.run(
        [sys.executable, "-c", SUM_OF_ONE],
        env=environment(UPSAMPLE_CLI_CACHE=str(folder), **changes),
        capture_output=True,
        text=True,
        check=True,
    )
    bits, used_numba = done.stdout.split()
    return bits, used_numba == "True"


EXPECTED = (np.arange(5, dtype=np.float32) * np.float32(0.3)).tobytes().hex()


def objects(folder):
    """Return what is kept of kernels, and of them alone: not of the canary before them."""
    return sorted(path for path in folder.glob("*/*") if not path.name.startswith("canary."))


def test_a_kernel_is_compiled_once_and_then_loaded_without_numba(tmp_path):
    assert sum_in_a_process(tmp_path) == (EXPECTED, True)
    (kept,) = objects(tmp_path)
    assert kept.suffix == ".o"
    written = kept.stat().st_mtime_ns
    assert sum_in_a_process(tmp_path) == (EXPECTED, False)
    assert objects(tmp_path) == [kept]
    assert kept.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:0],
        lambda content: content[:-1],
        lambda content: content[:40],
        lambda content: content[:99] + bytes([content[99] ^ 1]) + content[100:],
        lambda content: bytes(len(content)),
    ],
    ids=["empty", "short", "very short", "one bit", "zeros"],
)
def test_what_is_not_what_was_saved_is_compiled_again(tmp_path, damage):
    sum_in_a_process(tmp_path)
    (kept,) = objects(tmp_path)
    kept.write_bytes(damage(kept.read_bytes()))
    assert sum_in_a_process(tmp_path) == (EXPECTED, True)
    assert sum_in_a_process(tmp_path) == (EXPECTED, False)


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert sum_in_a_process(tmp_path / "file") == (EXPECTED, True)
    assert (tmp_path / "file").read_text() == "not a folder"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_folder_that_cannot_be_written_is_done_without():
    assert sum_in_a_process("/proc/nowhere") == (EXPECTED, True)


def test_no_home_is_no_folder(monkeypatch):
    def no_home(*_a, **_k):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv(cache.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(cache.platformdirs, "user_cache_dir", no_home)
    assert cache.folder() is None
    assert cache.load("separable.accumulate", ()) is None
    cache.save("separable.accumulate", (), b"code")
    assert cache.kept() == 0
    assert cache.obstacle() == "cannot be found"


def test_code_of_another_kernel_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path))
    cache.save("a", ("float32[1]",), b"code")
    assert cache.load("a", ("float32[1]",)) == b"code"
    (entry,) = objects(tmp_path)
    for name, signature in [("a", ("float64[1]",)), ("b", ("float32[1]",))]:
        cache._path(name, signature).write_bytes(entry.read_bytes())
        assert cache.load(name, signature) is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="who may write a file is POSIX's")
def test_code_that_others_could_have_written_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path))
    cache.save("a", (), b"code")
    (entry,) = objects(tmp_path)
    assert entry.stat().st_mode & 0o444 == 0o444 & ~current_umask()
    for path, bits in product((entry, entry.parent), (0o002, 0o020)):
        mode = path.stat().st_mode
        path.chmod(mode | bits)
        assert cache.load("a", ()) is None
        assert cache.obstacle() == ("can be written by others" if path.is_dir() else "")
        path.chmod(mode)
    assert cache.load("a", ()) == b"code"
    monkeypatch.setattr(os, "getuid", lambda: os.stat(entry).st_uid + 1)
    assert (cache.load("a", ()) is None) == (os.stat(entry).st_uid != 0)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="who may write a file is POSIX's")
def test_a_link_does_not_hide_who_could_have_written(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path))
    cache.save("a", (), b"code")
    (entry,) = objects(tmp_path)
    elsewhere = entry.rename(tmp_path / "elsewhere")
    entry.symlink_to(elsewhere)
    assert cache.load("a", ()) == b"code"
    elsewhere.chmod(0o664)
    assert cache.load("a", ()) is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="who may write a file is POSIX's")
@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_what_a_user_keeps_is_taken_whatever_the_umask(tmp_path, monkeypatch, umask):
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "new"))
    before = os.umask(umask)
    try:
        cache.save("a", (), b"code")
        assert cache.obstacle() == ""
    finally:
        os.umask(before)
    (entry,) = objects(tmp_path / "new")
    assert cache.load("a", ()) == b"code"
    assert entry.stat().st_mode & 0o777 == 0o644 & ~umask
    assert entry.parent.stat().st_mode & 0o777 == 0o755 & ~umask


def test_warmup_names_a_folder_that_others_can_write(cli, tmp_path):
    env = environment(UPSAMPLE_CLI_CACHE=str(tmp_path))
    place = tmp_path / cache.folder().name
    place.mkdir()
    place.chmod(0o775)
    done = cli("warmup", "--quiet", env=env)
    assert done.returncode == 1
    assert done.stderr == f"upsample-cli: error: {place}: can be written by others; {SET}\n"


def current_umask():
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_what_does_not_link_is_compiled_again(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path))
    signature = ("float32[1]", "float32", "bool", "float32[1]")
    cache.save("separable.accumulate", signature, b"no object file")
    assert sum_in_a_process(tmp_path) == (EXPECTED, True)
    assert sum_in_a_process(tmp_path) == (EXPECTED, False)


def test_what_a_killed_process_left_is_removed_later(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path))
    cache.save("a", (), b"code")
    (entry,) = objects(tmp_path)
    old, new = entry.with_name("old.tmp"), entry.with_name("new.tmp")
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    cache.save("b", (), b"code")
    assert not old.exists()
    assert new.exists()


LOCKS = {
    "ours": "from upsample_cli.machine_code.compile import _lock as lock",
    "llvmlite's": "from llvmlite.binding.ffi import lib; lock = lib._lock",
    "numba's": "from numba.core.compiler_lock import global_compiler_lock as lock",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_a_fork_waits_for_a_compiler_and_its_child_compiles(tmp_path, lock):
    code = f"""
import os, signal, threading, time
import numpy as np
from upsample_cli.kernels import separable
{lock}
row = np.ones(4, np.float32)
separable.accumulate(row, np.float32(1), True, row.copy())
held, over = threading.Event(), []
def compile():
    with lock:
        held.set()
        time.sleep(0.5)
        over.append(1)
threading.Thread(target=compile, daemon=True).start()
held.wait()
if os.fork() == 0:
    signal.alarm(50)
    row = row.astype(float)
    separable.accumulate(row, row[0], True, row.copy())
    os._exit(0 if over else 9)
row = row.astype(float)
separable.accumulate(row, row[0], True, row.copy())
os._exit(os.wait()[1] != 0)
"""
    env = environment(**{cache.FOLDER_VARIABLE: str(tmp_path)})
    done = subprocess.run([sys.executable, "-c", code], env=env, timeout=TIMEOUT)
    assert done.returncode == 0


def test_first_runs_at_once_leave_one_whole_entry(tmp_path):
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SUM_OF_ONE],
            env=environment(UPSAMPLE_CLI_CACHE=str(tmp_path)),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    answers = [process.communicate()[0].split()[0] for process in running]
    assert answers == [EXPECTED] * 4
    assert len(objects(tmp_path)) == 1
    assert sum_in_a_process(tmp_path) == (EXPECTED, False)


def test_what_the_code_depends_on_names_the_folder(tmp_path):
    sum_in_a_process(tmp_path)
    assert sum_in_a_process(tmp_path, UPSAMPLE_CLI_CPU="generic") == (EXPECTED, True)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_sources_name_the_folder():
    rooms = {Path(module.__file__).parent for module in (cache, separable)}
    sources = {path.read_bytes() for room in rooms for path in room.glob("*.py")}
    assert sources <= set(cache._dependencies())


def test_a_command_says_what_it_waits_for_and_only_then(cli, samples, tmp_path):
    env = environment(UPSAMPLE_CLI_CACHE=str(tmp_path / "cache"))
    arguments = ("resample", samples / "logo.png", tmp_path / "out.png", "-x", "2", "-f")
    first = cli(*arguments, env=env)
    assert first.returncode == 0
    assert first.stderr.splitlines()[0] == MESSAGE
    assert first.stderr.count(MESSAGE) == 1
    as_compiled = (tmp_path / "out.png").read_bytes()
    second = cli(*arguments, env=env)
    assert MESSAGE not in second.stderr
    assert (tmp_path / "out.png").read_bytes() == as_compiled


def test_quiet_waits_in_silence(cli, samples, tmp_path):
    env = environment(UPSAMPLE_CLI_CACHE=str(tmp_path / "cache"))
    done = cli(
        "resample", samples / "logo.png", tmp_path / "out.png", "-m", "nearest-exact",
        "-x", "2", "-q", env=env,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("brain.nii.gz", "out.nii.gz", "-x", "2"),
        ("brain.nii.gz", "out.nii", "-x", "0.5", "--antialias", "--dtype", "float32"),
        ("bold.nii.gz", "out.nii.gz", "-x", "1.5", "-m", "cubic"),
        ("labels.nii.gz", "out.nii.gz", "-x", "2", "-m", "nearest-exact"),
        ("photo.png", "out.png", "-x", "2"),
        ("photo.png", "out.png", "-x", "0.3", "-m", "lanczos"),
        ("logo.png", "out.png", "-x", "1.7", "-m", "cubic"),
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_after_a_warmup_nothing_is_compiled(cli, samples, tmp_path, arguments):
    before = snapshot(cache.folder())
    source, output, *options = arguments
    done = cli("resample", samples / source, tmp_path / output, *options)
    assert done.returncode == 0
    assert MESSAGE not in done.stderr
    assert snapshot(cache.folder()) == before


def test_every_task_of_a_warmup_runs():
    for task in warmup.tasks():
        task()
    assert cache.kept() >= 40


def test_a_warmup_calls_every_kernel(monkeypatch):
    called = set()
    call = Kernel.__call__
    monkeypatch.setattr(
        Kernel, "__call__", lambda self, *a: called.add(self.name) or call(self, *a)
    )
    for task in warmup.tasks():
        task()
    folder = Path(separable.__file__).parent
    modules = [
        importlib.import_module(f"upsample_cli.kernels.{p.stem}") for p in folder.glob("*.py")
    ]
    known = {value.name for m in modules for value in vars(m).values() if isinstance(value, Kernel)}
    assert len(known) > 15
    assert called >= known


def test_a_cache_that_cannot_be_kept_is_named(cli, samples, tmp_path):
    (tmp_path / "file").touch()
    env = environment(UPSAMPLE_CLI_CACHE=str(tmp_path / "file"))
    done = cli("resample", samples / "logo.png", tmp_path / "o.png", "-x2", "-mnearest", env=env)
    first = done.stderr.splitlines()[0]
    assert first.startswith("upsample-cli: compiling kernels, which takes a few seconds and cannot")
    assert first.endswith("set UPSAMPLE_CLI_CACHE")


def test_warmup_tells_where_the_kernels_are(cli):
    done = cli("warmup")
    assert done.returncode == 0
    assert done.stderr.endswith(f" compiled kernels are in {cache.folder()}\n")


def test_warmup_without_a_folder_is_an_error(cli, tmp_path):
    (tmp_path / "file").touch()
    env = environment(UPSAMPLE_CLI_CACHE=str(tmp_path / "file"))
    done = cli("warmup", "--quiet", env=env)
    assert done.returncode == 1
    assert "cannot be written; set UPSAMPLE_CLI_CACHE" in done.stderr


def test_a_kernel_refuses_what_it_would_misread():
    row = np.ones(8, np.float32)
    with pytest.raises(TypeError, match="C-contiguous"):
        separable.accumulate(row[::2], np.float32(1), 0, 1, row[:4])
    with pytest.raises(TypeError, match="native byte order"):
        separable.accumulate(row.astype(">f4"), np.float32(1), 0, 1, row)
