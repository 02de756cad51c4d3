"""Worker processes: what they share, what becomes of a file whose worker dies, and of the rest."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from batches import Scripted, Watcher, lines_of, scripted
from processes import TIMEOUT, environment

import upsample_cli
from upsample_cli.batch import budget, workers
from upsample_cli.batch.finding import Selection, find
from upsample_cli.batch.run import BatchRequest, run_batch
from upsample_cli.batch.task import Outcome, Setting, Task
from upsample_cli.batch.workers import Advance, Workers
from upsample_cli.errors import FileError
from upsample_cli.files.atomic import AtomicFile

MIB = 2**20


@pytest.fixture
def files(tmp_path):
    """``files("a", …)`` makes inputs of those names in src; nobody reads them."""

    def make(*names, size=1):
        (tmp_path / "src").mkdir(exist_ok=True)
        for name in names:
            (tmp_path / "src" / f"{name}.npy").write_bytes(b"x" * size)

    return make


@pytest.fixture
def start(tmp_path):
    """``start(2)`` returns two workers, and the tasks for all files in src."""

    @contextlib.contextmanager
    def run(jobs, operation=None):
        begun = []
        (tmp_path / "out").mkdir(exist_ok=True)
        folders = str(tmp_path / "src"), str(tmp_path / "out")
        setting = Setting(*folders, operation or scripted(), 1, None, upsample_cli.__version__)
        workers = Workers(setting, jobs, begun.extend)
        tasks = [
            Task(found.name, found.name, found.stamps)
            for found in find(*folders, Selection()).inputs
        ]
        with contextlib.closing(workers.run(tasks)) as events:
            yield workers, events, tasks, begun
        assert not workers.workers

    return run


def outcomes(events):
    return {event.task.source: event for event in events if isinstance(event, Outcome)}


def statuses(ended):
    return {name.removesuffix(".npy"): outcome.status for name, outcome in ended.items()}


def test_each_file_is_done_once_by_one_of_them(files, start, tmp_path):
    files(*"abcdef", size=MIB + 1)
    with start(2) as (_, events, tasks, begun):
        heard = list(events)
    ended = outcomes(heard)
    assert begun == tasks
    assert statuses(ended) == dict.fromkeys("abcdef", "done")
    workers = {json.loads((tmp_path / "out" / f"{name}.npy").read_text())[0] for name in "abcdef"}
    assert len(workers) == 2
    assert os.getpid() not in workers
    shares = [event.share for event in heard if isinstance(event, Advance)]
    assert shares == sorted([0.25, 0.5, 0.75] * 6) or set(shares) == {0.25, 0.5, 0.75}
    assert all(outcome.peak_bytes > MIB for outcome in ended.values())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("killed", "the worker process was killed, perhaps for lack of memory; try it alone"),
        ("leaves", "the worker process ended with code 3; try it alone, with --jobs 1"),
    ],
)
def test_a_worker_that_dies_fails_its_file_alone(files, start, name, why):
    files("a", "b", name, "x", "y", "z")
    with start(1) as (_, events, _, _):
        ended = outcomes(events)
    assert statuses(ended) == {**dict.fromkeys("abxyz", "done"), name: "failed"}
    assert ended[f"{name}.npy"].error.startswith(f"{name}.npy: {why}")


def test_what_else_goes_wrong_fails_its_file_alone(files, start):
    files("a", "broken", "wrong", "z")
    with start(1) as (_, events, _, _):
        ended = outcomes(events)
    failed = {"broken": "failed", "wrong": "failed"}
    assert statuses(ended) == {"a": "done", "z": "done", **failed}
    assert ended["broken.npy"].error == (
        "broken.npy: internal: ZeroDivisionError: by nothing; run with --debug and report it"
    )
    assert "in run" in ended["broken.npy"].trace
    assert ended["wrong.npy"].error.endswith("wrong.npy: is wrong; mend it")


def test_a_worker_that_somebody_kills_fails_its_file_and_leaves_nothing(files, start, tmp_path):
    files("a", "hangs", "z")
    with start(2) as (workers, events, _, _):
        heard = []
        # Until the file that hangs is begun, its worker would not be to blame.
        while len(outcomes(heard)) < 2 or "hangs.npy" not in [e.task.source for e in heard]:
            heard.append(next(events))
        (busy,) = [worker for worker in workers.workers if worker.tasks]
        left = AtomicFile(tmp_path / "out" / "hangs.npy")
        left.file.close()  # as the lock of a process that is no more
        psutil.Process(busy.process.pid).send_signal(signal.SIGKILL)
        ended = outcomes([*heard, *events])
    assert statuses(ended) == {"a": "done", "z": "done", "hangs": "failed"}
    assert sorted(os.listdir(tmp_path / "out")) == ["a.npy", "z.npy"]


def test_whoever_stops_listening_ends_all(files, start):
    files("a", "hangs-1", "hangs-2", "hangs-3")
    with start(2) as (workers, events, _, _):
        while not isinstance(next(events), Outcome):
            pass
        pids = [worker.process.pid for worker in workers.workers]
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_worker_that_hears_no_signal_is_ended_too(files, start):
    files("hangs")
    with start(1) as (workers, events, _, _):
        while not isinstance(next(events), Advance):
            pass
        process = psutil.Process(workers.workers[0].process.pid)
        process.suspend()
    assert not process.is_running()


class Stop(Exception):  # noqa: N818
    """A signal to stop arrived."""


@pytest.fixture
def stop_raises():
    """Let a signal to stop raise ``Stop``, as in the command."""

    def stop(_number, _frame):
        raise Stop

    before = signal.signal(signal.SIGTERM, stop)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_signal_amid_the_start_of_a_worker_waits(files, start, stop_raises, monkeypatch):
    files("a")
    whole = []

    class Interrupted(workers._Worker):
        def __init__(self, setting):
            signal.raise_signal(signal.SIGTERM)
            super().__init__(setting)
            whole.append(self.process)

    monkeypatch.setattr(workers, "_Worker", Interrupted)
    with pytest.raises(Stop), start(1) as (_, events, _, _):
        list(events)
    assert [process.is_alive() for process in whole] == [False]


def test_a_signal_amid_the_end_of_all_workers_waits(files, start, stop_raises, monkeypatch):
    files("hangs-1", "hangs-2")
    kill = workers._Worker.kill

    def interrupted(worker):
        signal.raise_signal(signal.SIGTERM)
        kill(worker)

    with pytest.raises(Stop), start(2) as (pool, events, _, _):
        while not isinstance(next(events), Advance):
            pass
        pids = [worker.process.pid for worker in pool.workers]
        monkeypatch.setattr(workers._Worker, "kill", interrupted)
    assert not pool.workers
    assert not any(psutil.pid_exists(pid) for pid in pids)


class Unfit(Scripted):
    """Ends the process that it is sent to."""

    def __setstate__(self, state):
        os._exit(9)


def test_workers_that_cannot_start_end_the_batch(files, start):
    files("a")
    unfit = Unfit(scripted().name, scripted().request)
    problem = "worker process: could not be started: it ended with code 9; try --jobs 1"
    with pytest.raises(FileError, match=problem), start(2, unfit) as (_, events, _, _):
        list(events)


def run(tmp_path, **wanted):
    watcher = Watcher()
    request = BatchRequest(
        source=str(tmp_path / "src"),
        target=str(tmp_path / "out"),
        operation=scripted(),
        version=upsample_cli.__version__,
        **wanted,
    )
    return run_batch(request, watcher), watcher


def test_what_is_too_large_for_a_share_waits_for_a_larger_one(files, tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "available_memory", lambda: 800 * MIB * 10 // 9)
    files("a", "large-150", "large-300", "large-700", "large-900", "starved", "z")
    log = tmp_path / "log.jsonl"
    totals, watcher = run(tmp_path, jobs=4, threads=1, max_memory=2**40, log=str(log))
    failed = {"large-900": "failed", "starved": "failed"}
    done = dict.fromkeys(["a", "large-150", "large-300", "large-700", "z"], "done")
    assert statuses(watcher.ended) == done | failed
    assert (totals.files["done"], totals.files["failed"]) == (5, 2)
    memory = {
        name: json.loads((tmp_path / "out" / f"{name}.npy").read_text())[2] // MIB for name in done
    }
    expected = {"a": 200, "z": 200, "large-150": 200, "large-300": 400, "large-700": 800}
    assert {name: round(got, -1) for name, got in memory.items()} == expected
    lines = lines_of(log)
    assert len(lines) == 7
    errors = {line["input"]: line["error"] for line in lines if line["status"] == "failed"}
    assert errors["large-900.npy"].endswith("needs more memory; allow more")
    assert errors["starved.npy"] == (
        "starved.npy: not enough memory is free; ask for a smaller output"
    )


def test_without_a_limit_the_largest_is_tried_alone(files, tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "available_memory", lambda: 400 * MIB)
    files("a", "large-9999")
    totals, _ = run(tmp_path, jobs=2)
    assert totals.all_good
    _, threads, memory = json.loads((tmp_path / "out" / "large-9999.npy").read_text())
    assert memory is None
    assert threads == budget.available_threads()


def test_the_first_failure_can_be_the_last(files, tmp_path):
    files("a", "wrong", *(f"x{number:02}" for number in range(40)))
    totals, watcher = run(tmp_path, jobs=1, fail_fast=True)
    assert statuses(watcher.ended) == {"a": "done", "wrong": "failed"}
    assert totals.left == 40


def test_a_worker_that_dies_makes_no_file_its_own_that_may_be_a_users(files, tmp_path):
    files("killed")
    output = tmp_path / "out" / "killed.npy"
    run(tmp_path, jobs=1)
    journal = tmp_path / "out" / ".upsample-batch" / "journal.jsonl"
    journal.write_text(journal.read_text().splitlines()[0] + "\n")  # begun, and no more
    output.write_text("mine")
    for why in ("was killed", "exists, and no batch made it"):
        _, watcher = run(tmp_path, jobs=1)
        assert why in watcher.ended["killed.npy"].error
    assert output.read_text() == "mine"


@pytest.mark.parametrize("possible", [0, 1])
def test_processes_that_the_system_does_not_start(files, start, monkeypatch, possible):
    files(*"abc", size=MIB + 1)
    started = []

    class Limited(workers._Worker):
        def __init__(self, setting):
            if len(started) == possible:
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            started.append(self)
            super().__init__(setting)

    monkeypatch.setattr(workers, "_Worker", Limited)
    with start(3) as (_, events, _, _):
        if possible:
            assert statuses(outcomes(events)) == dict.fromkeys("abc", "done")
        else:
            with pytest.raises(FileError, match=r"could not be started \(Resource temporarily"):
                list(events)


def test_what_a_worker_made_before_it_died_is_the_batch_s_own(files, tmp_path):
    files("dies after")
    for _ in range(2):
        _, watcher = run(tmp_path, jobs=1)
        assert "was killed" in watcher.ended["dies after.npy"].error


PARENT = """
from batches import Watcher, scripted
from upsample_cli import __version__
from upsample_cli.batch.run import BatchRequest, run_batch

class Teller(Watcher):
    def advance(self, task, share):
        print("at work", flush=True)

run_batch(BatchRequest("src", "out", scripted(), __version__, jobs=1), Teller())
"""


def test_no_worker_outlives_its_parent(files, tmp_path):
    files("hangs")
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        env=environment(PYTHONPATH=path),
        cwd=tmp_path,
    ) as parent:
        assert parent.stdout.readline() == b"at work\n"
        children = psutil.Process(parent.pid).children()
        parent.kill()
    _, alive = psutil.wait_procs(children, TIMEOUT)
    for child in alive:
        child.kill()
    assert not alive
