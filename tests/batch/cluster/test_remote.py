"""What a cluster's worker does by itself: whether it fits, and whose an output is."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import distributed
import pytest
from anew import deflated_anew
from inprocess import as_target, no_progress
from processes import SAMPLES

from upsample_cli import __version__
from upsample_cli.batch.cluster import remote
from upsample_cli.batch.cluster.remote import Token, Unfit, difference, run_on_worker
from upsample_cli.batch.operation import Operation
from upsample_cli.batch.stamp import stamps_of
from upsample_cli.batch.task import DONE, FAILED, Setting, Task, run_task
from upsample_cli.operations.requests import ResampleRequest

FACTOR = 2


@pytest.fixture
def said(monkeypatch):
    """Let this process be a worker; return what it says to the scheduler."""
    events = []
    worker = SimpleNamespace(
        address="tcp://here:1",
        state=SimpleNamespace(nthreads=1),
        log_event=lambda _, event: events.append(event),
    )
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    monkeypatch.setattr(remote, "SECONDS_UNFIT", 0)
    return events


@pytest.fixture
def setting(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    operation = Operation("resample", ResampleRequest(target=as_target(scale=FACTOR)))
    folders = str(tmp_path / "in"), str(tmp_path / "out")
    aside = tmp_path / "out" / ".upsample-batch" / "own"
    return Setting(*folders, operation, 1, None, __version__, str(aside))


@pytest.fixture
def token(tmp_path, setting):
    os.makedirs(setting.aside)
    path = os.path.join(setting.aside, "token")
    with open(path, "w") as file:
        file.write("word")
    return Token(path, "word")


def task_of(setting, name, sample="brain.nii.gz"):
    """Put an input into the source folder, and return its task."""
    path = os.path.join(setting.source, name)
    shutil.copy(SAMPLES / sample, path)
    return Task(name, name, stamps_of(path))


def test_a_worker_like_the_others_fits(setting, token):
    task = task_of(setting, "a.nii.gz")
    assert difference(setting, token, ((setting.source + "/a.nii.gz", task.stamps),)) == ""


def test_a_worker_of_another_version_does_not_fit(setting, token):
    other = replace(setting, version="0.0.1")
    assert difference(other, token, ()) == f"runs upsample-cli {__version__}, and not 0.0.1"


@pytest.mark.parametrize("text", [None, "another word"])
def test_a_worker_with_another_target_folder_does_not_fit(setting, token, text):
    os.unlink(token.path)
    if text is not None:
        with open(token.path, "w") as file:
            file.write(text)
    why = difference(setting, token, ())
    assert why == f"does not see the same target folder {setting.target}"


def test_a_worker_that_sees_other_inputs_does_not_fit(setting, token):
    task = task_of(setting, "a.nii.gz")
    path = os.path.join(setting.source, "a.nii.gz")
    later = tuple(stamp._replace(changed=stamp.changed + 1) for stamp in task.stamps)
    assert difference(setting, token, ((path, later),)) == f"sees another {path}"
    os.unlink(path)
    assert difference(setting, token, ((path, task.stamps),)) == f"does not see {path}"


def test_a_worker_that_does_not_fit_gives_the_file_back(setting, token, said):
    task = task_of(setting, "a.nii.gz")
    os.utime(os.path.join(setting.source, "a.nii.gz"), ns=(0, 0))
    answer = run_on_worker(setting, task, token, 7)
    assert isinstance(answer, Unfit)
    assert answer.worker == "tcp://here:1"
    assert answer.why == f"sees another {setting.source}/a.nii.gz"
    assert said == [("word", 7, 0.0)]
    assert os.listdir(setting.target) == [".upsample-batch"]


def test_an_input_that_was_never_there_fails_as_everywhere(setting, token, said):
    outcome = run_on_worker(setting, Task("no.nii.gz", "no.nii.gz", ()), token, 0)
    assert outcome.status == FAILED
    assert "no.nii.gz: does not exist" in outcome.error


@pytest.mark.parametrize("name", ["a.nii.gz", "a.png", "sub/a.nii"])
def test_an_output_of_the_same_bytes_is_done(setting, token, said, name):
    """A worker that was lost before it could say so made it."""
    os.makedirs(os.path.join(setting.source, "sub"))
    sample = "photo.png" if name.endswith("png") else "brain.nii.gz"
    task = task_of(setting, name, sample)
    first = run_task(setting, task, lambda _: None)
    again = run_on_worker(setting, task, token, 0)
    assert (first.status, again.status) == (DONE, DONE)
    assert again.made == first.made, "it was written again"
    assert (again.before, again.after) == (first.before, first.after)
    assert os.listdir(setting.aside) == ["token"]


@pytest.mark.parametrize("name", ["a.nii.gz", "a.png"])
def test_an_output_that_another_machine_deflated_is_done(setting, token, said, name):
    """Its bytes may differ, its content does not."""
    sample = "photo.png" if name.endswith("png") else "brain.nii.gz"
    task = task_of(setting, name, sample)
    run_task(setting, task, lambda _: None)
    path = Path(setting.target, name)
    ours = path.read_bytes()
    theirs = deflated_anew(ours, 9)
    assert theirs != ours
    path.write_bytes(theirs)
    outcome = run_on_worker(setting, task, token, 0)
    assert outcome.status == DONE, outcome.error
    assert path.read_bytes() == theirs
    assert outcome.made == ((name, stamps_of(str(path))[0]),)


def test_a_strangers_output_stays_and_fails(setting, token, said):
    task = task_of(setting, "a.nii.gz")
    path = os.path.join(setting.target, "a.nii.gz")
    shutil.copy(SAMPLES / "brain.nii.gz", path)
    before = stamps_of(path)
    outcome = run_on_worker(setting, task, token, 0)
    assert outcome.status == FAILED
    assert outcome.error == f"{path}: exists; use --force to replace it"
    assert stamps_of(path) == before
    assert os.listdir(setting.aside) == ["token"]


def test_an_output_that_may_be_replaced_is(setting, token, said):
    task = replace(task_of(setting, "a.nii.gz"), replaces=True)
    path = os.path.join(setting.target, "a.nii.gz")
    shutil.copy(SAMPLES / "logo.png", path)
    outcome = run_on_worker(setting, task, token, 0)
    assert outcome.status == DONE
    assert outcome.made == (("a.nii.gz", stamps_of(path)[0]),)


@pytest.mark.parametrize("lost", ["hdr", "img"])
def test_half_a_pair_is_completed(setting, token, said, lost):
    shutil.copy(SAMPLES / "brain.nii.gz", os.path.join(setting.source, "whole.nii.gz"))
    source = os.path.join(setting.source, "a.hdr")
    one = replace(setting.operation.request, target=as_target(scale=1))
    Operation("resample", one).run(
        os.path.join(setting.source, "whole.nii.gz"), source, no_progress
    )
    task = Task("a.hdr", "a.hdr", stamps_of(source))
    run_task(setting, task, lambda _: None)
    half = os.path.join(setting.target, f"a.{lost}")
    with open(half, "rb") as file:
        expected = file.read()
    os.unlink(half)
    outcome = run_on_worker(setting, task, token, 0)
    assert outcome.status == DONE
    assert outcome.task == task
    assert [name for name, _ in outcome.made] == ["a.hdr", "a.img"]
    with open(half, "rb") as file:
        assert file.read() == expected


def test_half_a_strangers_pair_is_not_completed(setting, token, said):
    task = task_of(setting, "a.nii.gz")
    task = replace(task, output="a.hdr")
    with open(os.path.join(setting.target, "a.img"), "w") as file:
        file.write("a stranger's")
    outcome = run_on_worker(setting, task, token, 0)
    assert outcome.status == FAILED
    assert sorted(os.listdir(setting.target)) == [".upsample-batch", "a.img"]


def test_pools_are_compared_with_their_indices(setting, token, said):
    from upsample_cli.operations.requests import PoolRequest

    request = PoolRequest(kernel_size=(2,))
    setting = replace(setting, operation=Operation("pool", request))
    task = task_of(setting, "a.nii.gz")
    first = run_task(setting, task, lambda _: None)
    assert first.status == DONE, first.error
    assert run_on_worker(setting, task, token, 0).made == first.made


def test_a_file_is_given_up_when_the_batch_has_ended(setting, token, said, monkeypatch):
    monkeypatch.setattr(remote, "SECONDS_BETWEEN_LOOKS", 0)
    monkeypatch.setattr(Token, "is_seen", lambda _: len(said) < 2)
    larger = replace(setting.operation.request, target=as_target(scale=6))
    setting = replace(setting, operation=Operation("resample", larger))
    outcome = run_on_worker(setting, task_of(setting, "a.nii.gz"), token, 3)
    assert len(said) == 2
    assert 0 < said[1][2] < 1
    assert outcome.status == FAILED
    assert "given up" in outcome.error
    assert os.listdir(setting.target) == [".upsample-batch"]


@pytest.mark.parametrize("name", ["a.nii.gz", "a.png"])
def test_a_last_look_comes_before_the_output_gets_its_name(setting, token, said, monkeypatch, name):
    """Also after an image is encoded, which takes longer than its pixels."""
    looks = iter([True, True, False])
    monkeypatch.setattr(Token, "is_seen", lambda _: next(looks))
    sample = "photo.png" if name.endswith("png") else "brain.nii.gz"
    outcome = run_on_worker(setting, task_of(setting, name, sample), token, 0)
    assert "given up" in outcome.error
    assert os.listdir(setting.target) == [".upsample-batch"]
