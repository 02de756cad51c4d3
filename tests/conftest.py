"""What the tests of files and commands share."""

import subprocess
from pathlib import Path

import pytest
from batches import SerialWorkers, lines_of
from hypothesis import settings
from inprocess import resample_file
from processes import SAMPLES, TIMEOUT, command_line, environment

from upsample_cli.cli import app

collect_ignore = ["benchmarks", "drills", "fuzz"]  # programs that take long, and measure seconds

# No example fails for being slow on a busy machine.
settings.register_profile("any-machine", settings(), deadline=None)
settings.load_profile("any-machine")


def pytest_sessionstart(session):
    """Compile every kernel before the first test, so that no command has to say that it does."""
    if not hasattr(session.config, "workerinput"):
        subprocess.run(command_line("warmup", "--quiet"), env=environment(), check=True)


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
