"""What the tests of files and commands share."""

import subprocess
from pathlib import Path

import pytest
from batches import SerialWorkers, lines_of
from hypothesis import settings
from inprocess import resample_file
from processes import SAMPLES, TIMEOUT, command_line, environment

from upsample_cli.cli import app
from upsample_cli.machine_code.cache import FOLDER_VARIABLE

TESTS = Path(__file__).parent
IS_COMPILED = pytest.StashKey[bool]()

collect_ignore = ["benchmarks", "drills", "fuzz"]  # programs that take long, and measure seconds

# No example fails for being slow on a busy machine.
settings.register_profile("any-machine", settings(), deadline=None)
settings.load_profile("any-machine")


WITHOUT_KERNELS = (
    *("sampling", "test_architecture.py", "test_collection.py", "cli/test_commands.py"),
    *("files/test_alike.py", "files/test_array.py", "files/test_atomic.py"),
    *("files/test_deflate.py", "files/test_rows.py", "files/test_sinks.py"),
    *("files/test_streams.py", "files/volumes/test_headers.py", "resources/test_cgroup.py"),
    *("batch/test_batch_finding.py", "batch/test_batch_journal.py"),
    *("batch/test_batch_naming.py", "batch/test_batch_workers.py"),
)
"""Tests that run no kernel, by their place in this folder; `runs_no_kernel` holds them to it."""


def needs_kernels(path):
    """Whether a file of tests runs kernels: every one that is not known to run none."""
    return not any(path.is_relative_to(TESTS / place) for place in WITHOUT_KERNELS)


def compile_ahead(paths):
    """Compile every kernel if one is needed, so that no command has to say that it does."""
    if any(map(needs_kernels, paths)):
        subprocess.run(command_line("warmup", "--quiet"), env=environment(), check=True)


def pytest_collection_finish(session):
    """Compile before the first test, in the one process that there is."""
    is_worker = hasattr(session.config, "workerinput")
    if not is_worker and not session.config.option.collectonly:
        compile_ahead({item.path for item in session.items})


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node, ids):
    """Compile when the first worker knows what it will run; the others wait for it."""
    config = node.config
    if not config.stash.get(IS_COMPILED, False):
        config.stash[IS_COMPILED] = True
        compile_ahead({config.rootpath / test.partition("::")[0] for test in ids})


@pytest.fixture(scope="session")
def empty_cache(tmp_path_factory):
    """Return a folder for compiled kernels that has none."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(autouse=True)
def runs_no_kernel(request, empty_cache):
    """Give tests that run no kernel an empty cache, and see that it stays empty."""
    if not isinstance(request.node, pytest.Function) or needs_kernels(request.path):
        yield
        return
    before = set(empty_cache.rglob("*.o"))
    # With patches of its own, so that those of the test are undone before it looks.
    with pytest.MonkeyPatch.context() as patches:
        patches.setenv(FOLDER_VARIABLE, str(empty_cache))
        yield
    assert set(empty_cache.rglob("*.o")) == before, "it runs kernels: WITHOUT_KERNELS is wrong"


@pytest.fixture
def resample():
    """``resample(source, output, scale=2, mode="cubic", …)`` in this process → Summary."""
    return resample_file


@pytest.fixture
def samples():
    """Return the folder of sample data."""
    return SAMPLES


@pytest.fixture
def cli(tmp_path):
    """``cli("resample", …)`` as a real process → CompletedProcess: stdout bytes, stderr text."""

    def run(*arguments, stdin=b"", stdout=subprocess.PIPE, env=None, cwd=tmp_path, **options):
        source = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
        done = subprocess.run(
            command_line(*arguments),
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=environment(**(env or {})),
            cwd=cwd,
            timeout=TIMEOUT,
            check=False,
            **source,
            **options,
        )
        done.stderr = done.stderr.decode()
        return done

    return run


@pytest.fixture
def here(tmp_path, monkeypatch, capfd):
    """``here("pool", …)`` runs a command line in this process → exit code, stdout, stderr."""

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        code = app.run([str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def batch(here, tmp_path, monkeypatch):
    """``batch("--scale", 2)`` from src to out, in this process → code, status by input, stderr."""
    monkeypatch.setattr("upsample_cli.batch.run.Workers", SerialWorkers)

    def run(*arguments):
        log = tmp_path / "log.jsonl"
        log.unlink(missing_ok=True)
        code, _, errors = here("batch", "src", "out", "--log", "log.jsonl", *arguments)
        lines = lines_of(log) if log.exists() else []
        return code, {line["input"]: line["status"] for line in lines}, errors

    return run


@pytest.fixture
def holds_only(tmp_path):
    """``holds_only("a.nii", …)`` asserts that the folder has no other entry, hidden or not."""

    def check(*names, folder=tmp_path):
        assert sorted(entry.name for entry in Path(folder).iterdir()) == sorted(names)

    return check
