"""What the tests of files and commands share."""

import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from processes import SAMPLES, TIMEOUT, command_line, environment

from upsample_cli import pipeline
from upsample_cli.cli import app
from upsample_cli.files.image_options import ImageOptions
from upsample_cli.job import Request
from upsample_cli.sampling.mapping import Like, Orientation
from upsample_cli.sampling.target import Target

collect_ignore = ["benchmarks"]  # needs what users do not have, and measures seconds

# No example fails for being slow on a busy machine.
settings.register_profile("any-machine", settings(), deadline=None)
settings.load_profile("any-machine")


def pytest_sessionstart(session):
    """Compile every kernel before the first test, so that no command has to say that it does."""
    if not hasattr(session.config, "workerinput"):
        subprocess.run(command_line("warmup", "--quiet"), env=environment(), check=True)


@contextmanager
def no_progress(_total):
    yield lambda _done: None


def as_target(**wanted):
    """Return the target of ``scale=``, ``size=`` or ``spacing=``: a number, or one per axis."""
    ((kind, values),) = wanted.items()
    return Target(kind, tuple(values) if isinstance(values, (tuple, list)) else (values,))


def resample_file(source, output, *, image=None, **options):
    """Run a resample in this process."""
    if "like" in options:
        target = Like(str(options.pop("like")), options.pop("fill", None))
    elif "orientation" in options:
        target = Orientation(options.pop("orientation"))
    else:
        kinds = ("scale", "size", "spacing")
        target = as_target(**{key: options.pop(key) for key in kinds if key in options})
    request = Request(target=target, image=image or ImageOptions(), **options)
    return pipeline.resample(request, str(source), str(output), no_progress)


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
def holds_only(tmp_path):
    """``holds_only("a.nii", …)`` asserts that the folder has no other entry, hidden or not."""

    def check(*names, folder=tmp_path):
        assert sorted(entry.name for entry in Path(folder).iterdir()) == sorted(names)

    return check
