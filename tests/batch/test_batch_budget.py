"""How many workers a batch has, and how much each of them may take."""

import pytest

from upsample_cli.batch import budget
from upsample_cli.batch.budget import USUAL_WORKER, Budget, plan_budget
from upsample_cli.batch.task import Task
from upsample_cli.errors import RequestError

MIB = 2**20
TASKS = [Task(f"{number}.nii", f"{number}.nii", ()) for number in range(100)]


@pytest.fixture
def machine(monkeypatch):
    """``machine(cores, memory)`` in MiB, of which all but a tenth is for the batch."""

    def be(cores, memory):
        monkeypatch.setattr(budget, "available_threads", lambda: cores)
        monkeypatch.setattr(budget, "available_memory", lambda: int(memory * MIB / 0.9) + 1)
        monkeypatch.setattr(budget, "resident_bytes", lambda: 0)
        monkeypatch.setattr(budget, "HELPER_BYTES", 0)

    return be


@pytest.mark.parametrize(
    ("cores", "memory", "files", "jobs", "threads", "limit", "expected"),
    [
        (8, 65536, 100, None, None, None, (8, 1, 8192)),
        (8, 65536, 3, None, None, None, (3, 2, 21845)),
        (8, 65536, 1, None, None, None, (1, 8, 65536)),
        (8, 1024, 100, None, None, None, (6, 1, 170)),
        (8, 300, 100, None, None, None, (1, 8, 300)),
        (8, 65536, 100, None, 4, None, (2, 4, 32768)),
        (8, 65536, 100, None, 16, None, (1, 16, 65536)),
        (8, 65536, 100, 3, None, None, (3, 2, 21845)),
        (8, 65536, 100, 3, 7, None, (3, 7, 21845)),
        (2, 65536, 100, 6, None, None, (6, 1, 10922)),
        (8, 1024, 100, 8, None, None, (8, 1, 128)),
        (8, 65536, 100, None, None, 1024, (6, 1, 170)),
        (8, 512, 100, None, None, 65536, (3, 2, 170)),
    ],
)
def test_cores_and_memory_are_shared(machine, cores, memory, files, jobs, threads, limit, expected):
    machine(cores, memory)
    planned = plan_budget(TASKS[:files], jobs, threads, limit and limit * MIB)
    assert (planned.jobs, planned.threads, planned.memory // MIB) == expected
    assert planned.jobs * planned.memory <= min(memory, limit or memory) * MIB


@pytest.mark.parametrize(
    ("jobs", "limit", "problem"),
    [
        (9, None, "9 workers need at least 1.1 GiB of memory, but 1.0 GiB are free; use fewer"),
        (2, 200, "2 workers need at least 256.0 MiB of memory, but --max-memory leaves 200.0 MiB"),
        (
            None,
            100,
            "1 worker needs at least 128.0 MiB .* leaves 100.0 MiB; allow at least 130 MiB",
        ),
    ],
)
def test_workers_that_do_not_fit_are_refused(machine, jobs, limit, problem):
    machine(8, 1024)
    with pytest.raises(RequestError, match=f"--jobs: {problem}"):
        plan_budget(TASKS, jobs, None, limit and limit * MIB)


def test_a_cgroup_is_a_machine(monkeypatch):
    left = 2 * USUAL_WORKER + 90 * MIB
    monkeypatch.setattr("upsample_cli.resources.machine.memory_left", lambda: left)
    monkeypatch.setattr(budget, "available_threads", lambda: 64)
    assert plan_budget(TASKS, None, None, None).jobs == 2


def test_the_rounds_have_ever_fewer_workers_with_the_same_in_all():
    rounds = Budget(8, 1, 100).rounds(8, is_limited=True)
    assert rounds == [Budget(8, 1, 100), Budget(4, 2, 200), Budget(2, 4, 400), Budget(1, 8, 800)]
    assert Budget(5, 2, 100).rounds(10, is_limited=True)[1:] == [
        Budget(2, 5, 250),
        Budget(1, 10, 500),
    ]


def test_without_a_limit_the_last_round_is_that_of_the_machine():
    assert Budget(1, 8, 800).rounds(8, is_limited=True) == [Budget(1, 8, 800)]
    assert Budget(1, 8, 800).rounds(8, is_limited=False)[1:] == [Budget(1, 8, None)]


def test_a_limit_is_for_all_processes(machine, monkeypatch):
    machine(2, 65536)
    monkeypatch.setattr(budget, "resident_bytes", lambda: 100 * MIB)
    monkeypatch.setattr(budget, "HELPER_BYTES", 20 * MIB)
    assert plan_budget(TASKS, 2, None, 1000 * MIB).memory == 440 * MIB
