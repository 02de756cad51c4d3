"""Independent tasks: all are done, once, by whatever threads there can be."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from processes import TIMEOUT, environment

from upsample_cli.resources import threads
from upsample_cli.resources.threads import end_threads, nesting, run_all

PROGRAM = """
import atexit, threading, weakref
import numpy as np

image = np.random.default_rng(0).integers(0, 256, (1, 3, 400, 500), np.uint8)

def resample():
    from upsample_cli import interpolate
    return interpolate(image, scale_factor=2, mode="bilinear")

def check(name):
    assert np.array_equal(resample(), expected), name
    print(name, flush=True)

class Owner:
    pass
"""

EXPECTED = "expected = resample()\n"
"""Threads were kept, and end before what follows."""
ALONE = """
import subprocess, sys
from upsample_cli.resources.threads import run_all
expected = np.repeat(np.repeat(image, 2, 2), 2, 3)
def resample():
    from upsample_cli import interpolate
    return interpolate(image, scale_factor=2, mode="nearest")
"""
"""No thread was ever started before."""

ENDS = {
    "a thread that outlives the main one": """
def late():
    threading.main_thread().join()
    for _ in range(3):
        check("late")
threading.Thread(target=late).start()
""",
    "atexit": "atexit.register(check, 'late')",
    "a finalizer": "owner = Owner(); weakref.finalize(owner, check, 'late')",
}


def test_results_are_in_the_order_of_the_tasks():
    tasks = [partial(pow, n, 2) for n in range(100)]
    for count in (1, 2, 3, 200):
        assert run_all(tasks, count) == [n * n for n in range(100)]
    assert run_all([], 4) == []


def test_the_caller_is_one_of_the_threads():
    gate = threading.Barrier(3, timeout=TIMEOUT)

    def meet():
        gate.wait()
        return threading.get_ident()

    found = run_all([meet] * 3, 3)
    assert len(set(found)) == 3
    assert threading.get_ident() in found


@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_error_is_raised_and_what_has_not_begun_is_dropped(count):
    done = []

    def fail():
        raise ValueError("broken")

    def work():
        time.sleep(0.001)
        done.append(1)

    with pytest.raises(ValueError, match="broken"):
        run_all([fail, *[work] * 1000], count)
    assert len(done) < 1000
    assert run_all([lambda: 1] * 9, count) == [1] * 9


def test_threads_that_call_at_once_share_one_pool(monkeypatch):
    made = []

    class SlowPool(ThreadPoolExecutor):
        def __init__(self, count):
            time.sleep(0.05)
            made.append(count)
            super().__init__(count)

    end_threads()
    monkeypatch.setattr(threads, "ThreadPoolExecutor", SlowPool)
    callers = [
        threading.Thread(target=run_all, args=([lambda: None] * 8, 5), daemon=True)
        for _ in range(6)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(TIMEOUT)
    assert made == [4]
    end_threads()


@pytest.mark.parametrize("taken", [0, 1])
def test_without_threads_the_caller_does_all(monkeypatch, taken):
    class RefusingPool(ThreadPoolExecutor):
        def submit(self, work):
            nonlocal taken
            taken -= 1
            if taken < 0:
                raise RuntimeError("cannot schedule new futures after interpreter shutdown")
            return super().submit(work)

    end_threads()
    monkeypatch.setattr(threads, "ThreadPoolExecutor", RefusingPool)
    done = []
    run_all([partial(done.append, n) for n in range(50)], 4)
    assert sorted(done) == list(range(50))
    end_threads()


def test_calls_within_a_task_are_counted_and_end():
    def nested():
        return nesting(), run_all([nesting] * 4, 2)

    assert nesting() == 0
    for depth, inner in run_all([nested] * 6, 2):
        assert depth == 1
        assert set(inner) <= {1, 2}  # a helper of the inner call is in no task
    assert nesting() == 0


@pytest.mark.parametrize("before", [EXPECTED, ALONE], ids=["threads kept", "none yet"])
@pytest.mark.parametrize("end", ENDS)
def test_interpolate_works_when_the_main_thread_has_ended(end, before):
    program = PROGRAM + before + ENDS[end]
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert set(done.stdout.split()) == {"late"}


FINALIZED = """
import gc, sys
from upsample_cli import interpolate
import numpy as np

rng = np.random.default_rng(0)
volume = rng.random((1, 1, 30, 40, 50), np.float32)
other = rng.random((1, 1, 9, 40, 50), np.float32)
ready = interpolate(other, scale_factor=1.7, mode="trilinear")
expected = interpolate(volume, scale_factor=1.7, mode="trilinear")

# Wherever a pass calls a kernel, another resampling of this thread comes between.
from upsample_cli.machine_code.compile import Kernel
plain, is_within, count = Kernel.__call__, [False], [0]
def interrupted(self, *arguments):
    if not is_within[0]:
        is_within[0] = True
        assert np.array_equal(interpolate(other, scale_factor=1.7, mode="trilinear"), ready)
        is_within[0] = False
        count[0] += 1
    return plain(self, *arguments)
Kernel.__call__ = interrupted
import os
if hasattr(os, "sched_setaffinity"):  # then all is done on one thread
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
assert np.array_equal(interpolate(volume, scale_factor=1.7, mode="trilinear"), expected)
assert count[0] > 2, count
"""


def test_a_finalizer_that_resamples_amid_a_pass_changes_nothing():
    done = subprocess.run(
        [sys.executable, "-c", FINALIZED],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
