"""batch --dask on a real scheduler with real workers, some of which are lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter

import clusters
import numpy as np
import pytest
from platforms import needs_signals
from processes import SAMPLES, TIMEOUT, command_line, environment, snapshot

VOLUMES = 8
SMALL, LARGE = ("--scale", 1), ("--scale", 4)
"""Of a large output a test can see a worker at work."""

OTHER_VERSION = "9.9.9"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Return a cluster that no test may harm: a worker of one thread, and one of three."""
    with clusters.Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.add_worker()
        cluster.add_worker("--nthreads", 3)
        cluster.wait_for_workers()
        yield cluster


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """Return a cluster without workers, whose scheduler no test may harm."""
    with clusters.Cluster(tmp_path_factory.mktemp("scheduler")) as cluster:
        yield cluster


@pytest.fixture
def own_cluster(scheduler):
    """Return a cluster without workers; those that a test adds it may harm."""
    yield scheduler
    scheduler.end_workers()


@pytest.fixture
def volumes(tmp_path):
    """Return a folder of many volumes of some size."""
    source = tmp_path / "volumes"
    (source / "sub").mkdir(parents=True)
    for number in range(VOLUMES):
        folder = source / "sub" if number % 3 == 0 else source
        shutil.copy(SAMPLES / "brain.nii.gz", folder / f"v{number:02}.nii.gz")
    return source


@pytest.fixture
def batch(tmp_path):
    """``batch(source, target, *options)`` → a process, which is ended with the test."""
    started = []

    def start(source, target, *options):
        process = subprocess.Popen(
            command_line("batch", source, target, *options),
            stderr=subprocess.PIPE,
            env=environment(),
            cwd=tmp_path,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        clusters.end(process)
        process.stderr.close()


def ended(process):
    """Wait for a batch and return its exit code and what it said."""
    _, said = process.communicate(timeout=TIMEOUT)
    return process.returncode, said


def errors(said):
    """Return what a batch said was wrong."""
    return [line for line in said.splitlines() if "error: " in line]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def times_done(path):
    """Return how often each output is said to be done in a journal or a log."""
    return Counter(line["output"] for line in lines(path) if line["status"] == "done")


def outputs_in(target):
    """Return all that is in a target folder, but for the journal and its lock."""
    return {n: held for n, held in snapshot(target).items() if not n.startswith(".upsample-batch")}


@pytest.fixture(scope="module")
def made_alone(tmp_path_factory):
    """``made_alone(*options)`` → the bytes that one process makes of a volume."""
    made = {}

    def make(*options):
        if options not in made:
            output = tmp_path_factory.mktemp("alone") / "out.nii.gz"
            command = command_line("resample", SAMPLES / "brain.nii.gz", output, *options)
            subprocess.run(command, env=environment(), check=True, capture_output=True)
            made[options] = output.read_bytes()
        return made[options]

    return make


def check_all_done_once(volumes, target, expected, log=None):
    """Assert that each output holds the same, was done exactly once, and that nothing else is."""
    names = {name for name, held in snapshot(volumes).items() if held is not None}
    held = {name: data for name, data in outputs_in(target).items() if data is not None}
    assert held == dict.fromkeys(names, expected)
    assert times_done(target / ".upsample-batch" / "journal.jsonl") == Counter(names)
    assert log is None or times_done(log) == Counter(names)
    assert set(os.listdir(target / ".upsample-batch")) == {"journal.jsonl", "lock"}


def preload(tmp_path, text):
    """Return the option by which a worker runs Python when it starts."""
    path = tmp_path / "preload_for_test.py"
    path.write_text(
        f"import os, pathlib, time\nmark = pathlib.Path({str(tmp_path / 'mark')!r})\n{text}"
    )
    return "--preload", path


def test_it_makes_what_one_machine_makes(cluster, cli, tmp_path):
    source = tmp_path / "in"
    (source / "a b" / "ü").mkdir(parents=True)
    for number in range(6):
        shutil.copy(SAMPLES / "brain.nii.gz", source / "a b" / f"{number}.nii.gz")
        shutil.copy(SAMPLES / "photo.png", source / "a b" / "ü" / f"{number}\n.png")
    np.save(source / "array.npy", np.arange(600, dtype=np.int16).reshape(20, 30))
    shutil.copy(SAMPLES / "logo.png", os.fsencode(source) + b"/\xff.png")
    (source / "bad.nii.gz").write_bytes((SAMPLES / "brain.nii.gz").read_bytes()[:1000])
    local = cli("batch", "in", "local", "--scale", 2)
    log = tmp_path / "log.jsonl"
    done = cli("batch", "in", "out", "--scale", 2, "--dask", cluster.address, "--log", log)
    assert (local.returncode, done.returncode) == (1, 1), done.stderr
    assert errors(done.stderr) == errors(local.stderr)
    assert "bad.nii.gz: is truncated" in done.stderr
    assert outputs_in(tmp_path / "out") == outputs_in(tmp_path / "local")
    assert set(times_done(log).values()) == {1}
    assert times_done(tmp_path / "out" / ".upsample-batch" / "journal.jsonl") == times_done(log)


def test_references_are_found_by_workers_in_other_folders_and_so_are_shards(
    cluster, cli, tmp_path, volumes, made_alone
):
    shutil.copy(SAMPLES / "brain.nii.gz", tmp_path / "grid.nii.gz")
    like = ("--like", "grid.nii.gz", "--dask", cluster.address)
    parts = [cli("batch", volumes, "out", *like, "--shard", f"{part}/2") for part in (1, 2)]
    assert [part.returncode for part in parts] == [0, 0], parts[0].stderr
    journals = (tmp_path / "out" / ".upsample-batch").glob("journal-*.jsonl")
    assert sum((times_done(path) for path in journals), Counter()).total() == VOLUMES
    expected = made_alone("--like", SAMPLES / "brain.nii.gz")
    assert set(outputs_in(tmp_path / "out").values()) == {expected, None}


@needs_signals
def test_a_killed_workers_file_is_done_by_another(
    own_cluster, batch, tmp_path, volumes, made_alone
):
    workers = own_cluster.add_workers()
    log = tmp_path / "log.jsonl"
    running = batch(volumes, "out", *LARGE, "--dask", own_cluster.address, "--log", log)
    clusters.kill_in_the_middle(workers)
    code, said = ended(running)
    assert (code, errors(said)) == (0, [])
    assert "begun again, by another worker" in said
    check_all_done_once(volumes, tmp_path / "out", made_alone(*LARGE), log)


DIES_WHEN_DONE = """
def dask_setup(worker):
    from upsample_cli.batch import again
    run_task = again.run_task
    def run(setting, task, advance):
        outcome = run_task(setting, task, advance)
        if "v05" in task.source and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), 9)
        return outcome
    again.run_task = run
"""

DIES_IN_A_PAIR = """
def dask_setup(worker):
    from upsample_cli.files.atomic import AtomicFile
    commit = AtomicFile.commit
    def run(file):
        commit(file)
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), 9)
    AtomicFile.commit = run
"""


def test_the_work_of_a_worker_is_known_again_that_died_before_it_said_so(
    own_cluster, batch, tmp_path, volumes, made_alone
):
    for _ in range(2):
        own_cluster.add_worker(*preload(tmp_path, DIES_WHEN_DONE))
    own_cluster.wait_for_workers()
    code, said = ended(batch(volumes, "out", *SMALL, "--dask", own_cluster.address))
    assert (code, errors(said)) == (0, [])
    assert "v05.nii.gz: begun again" in said
    check_all_done_once(volumes, tmp_path / "out", made_alone(*SMALL))


def test_a_pair_is_completed_whose_worker_died_between_its_files(own_cluster, batch, cli, tmp_path):
    (tmp_path / "in").mkdir()
    cli("resample", SAMPLES / "brain.nii.gz", "in/pair.hdr", *SMALL)
    for _ in range(2):
        own_cluster.add_worker(*preload(tmp_path, DIES_IN_A_PAIR))
    own_cluster.wait_for_workers()
    code, said = ended(batch("in", "out", "--scale", 2, "--dask", own_cluster.address))
    assert (code, errors(said)) == (0, [])
    assert cli("batch", "in", "local", "--scale", 2, "--jobs", 1).returncode == 0
    assert outputs_in(tmp_path / "out") == outputs_in(tmp_path / "local")


POISON = """
def dask_setup(worker):
    from upsample_cli.batch import again
    run_task = again.run_task
    def run(setting, task, advance):
        if "v00" in task.source:
            time.sleep(1)
            os.kill(os.getpid(), 9)
        return run_task(setting, task, advance)
    again.run_task = run
"""


def test_a_file_that_kills_its_workers_fails_alone(tmp_path, batch, volumes):
    """Also where Dask blames the files that only waited behind it."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    with clusters.Cluster(folder, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as cluster:
        for _ in range(2):
            cluster.add_worker(*preload(tmp_path, POISON))
        cluster.wait_for_workers()
        code, said = ended(batch(volumes, "out", *SMALL, "--dask", cluster.address))
    assert code == 1
    (error,) = errors(said)
    assert "v00.nii.gz: 1 workers were lost while they did it; see the log of tcp://" in error
    journal = tmp_path / "out" / ".upsample-batch" / "journal.jsonl"
    assert times_done(journal).total() == VOLUMES - 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_the_same_command_goes_on(
    own_cluster, batch, tmp_path, volumes, made_alone, number
):
    workers = own_cluster.add_workers()
    command = (volumes, "out", *LARGE, "--dask", own_cluster.address)
    running = batch(*command)
    clusters.wait_for(lambda: any(map(clusters.temporary_file_of, workers)), "a worker to write")
    running.send_signal(number)
    code, said = ended(running)
    assert code == 128 + number
    assert [line.partition("error: ")[2].partition(";")[0] for line in errors(said)] == [
        "terminated" if number == signal.SIGTERM else "interrupted"
    ]
    assert "Traceback" not in said
    clusters.wait_for(
        lambda: not any(map(clusters.temporary_file_of, workers)), "workers to give up"
    )
    some = times_done(tmp_path / "out" / ".upsample-batch" / "journal.jsonl")
    assert len(some) < VOLUMES
    code, said = ended(batch(*command))
    assert (code, errors(said)) == (0, [])
    check_all_done_once(volumes, tmp_path / "out", made_alone(*LARGE))


def test_a_lost_scheduler_is_one_line_and_its_batch_goes_on_without(
    batch, tmp_path, volumes, made_alone
):
    (tmp_path / "cluster").mkdir()
    with clusters.Cluster(tmp_path / "cluster") as cluster:
        cluster.add_workers()
        running = batch(volumes, "out", *LARGE, "--dask", cluster.address)
        journal = tmp_path / "out" / ".upsample-batch" / "journal.jsonl"
        clusters.wait_for(lambda: journal.exists() and times_done(journal), "a file to be done")
        clusters.end(cluster.scheduler)
        code, said = ended(running)
    assert code == 1
    (error,) = errors(said)
    assert f"scheduler {cluster.address}: is lost, or has dropped the batch; what" in error
    assert "Traceback" not in said
    code, said = ended(batch(volumes, "out", *LARGE))
    assert (code, errors(said)) == (0, [])
    check_all_done_once(volumes, tmp_path / "out", made_alone(*LARGE))


@pytest.fixture
def other_version(tmp_path):
    """Return a folder in which a process finds another version of this package installed."""
    facts = tmp_path / "other" / f"upsample_cli-{OTHER_VERSION}.dist-info"
    facts.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: upsample-cli\nVersion: {OTHER_VERSION}\n"
    (facts / "METADATA").write_text(text)
    return str(tmp_path / "other")


@needs_signals
def test_a_worker_of_another_version_that_joins_late_does_nothing_and_is_refused_next(
    own_cluster, batch, cli, other_version, volumes, tmp_path, made_alone
):
    (good,) = own_cluster.add_workers(1)
    running = batch(volumes, "out", *LARGE, "--dask", own_cluster.address)
    clusters.wait_for(lambda: clusters.temporary_file_of(good), "the worker to write", pause=0.002)
    good.send_signal(signal.SIGSTOP)
    own_cluster.add_worker(PYTHONPATH=other_version)
    said = ""
    while "runs upsample-cli" not in said:
        said = running.stderr.readline()
        assert said, "the batch ended"
    good.send_signal(signal.SIGCONT)
    assert "hint: worker tcp://127.0.0.1:" in said
    code, said = ended(running)
    assert (code, errors(said)) == (0, [])
    check_all_done_once(volumes, tmp_path / "out", made_alone(*LARGE))
    done = cli("batch", volumes, "refused", *SMALL, "--dask", own_cluster.address)
    assert done.returncode == 2
    (error,) = errors(done.stderr)
    assert error.startswith("upsample-cli: error: tcp://127.0.0.1:")
    assert f"runs upsample-cli {OTHER_VERSION}, and not" in error
    assert outputs_in(tmp_path / "refused") == {}


@needs_signals
def test_without_workers_it_does_not_begin_but_waits_later(
    own_cluster, batch, tmp_path, volumes, made_alone
):
    command = (volumes, "out", *LARGE, "--dask", own_cluster.address)
    code, said = ended(batch(*command))
    assert code == 2
    assert f"--dask: the scheduler {own_cluster.address} has no workers; start some" in said
    workers = own_cluster.add_workers(1)
    running = batch(*command)
    clusters.kill_in_the_middle(workers)
    said = ""
    while "no worker is left; start some with dask worker tcp://" not in said:
        said = running.stderr.readline()
        assert said, "the batch ended"
    own_cluster.add_worker()
    assert ended(running)[0] == 0
    check_all_done_once(volumes, tmp_path / "out", made_alone(*LARGE))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("tcp://127.0.0.1:1",), "--dask: no scheduler answers at tcp://127.0.0.1:1; start one"),
        (("somewhere",), "--dask: 'somewhere' is no scheduler's address; use tcp://HOST:PORT"),
        (("tcp://127.0.0.1:1", "--jobs", 2), "--jobs: does not go with --dask; drop it"),
    ],
)
def test_what_cannot_be_is_one_line(cli, volumes, options, message):
    done = cli("batch", volumes, "out", *SMALL, "--dask", *options)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"upsample-cli: error: {message}")


def test_without_dask_it_says_what_to_install(here, monkeypatch, volumes):
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, said = here("batch", volumes, "out", *SMALL, "--dask", "tcp://127.0.0.1:1")
    assert code == 2
    assert "--dask: needs dask.distributed; pip install 'upsample-cli[dask]'" in said
