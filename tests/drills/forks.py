"""A fork in a program with threads: the child computes, whatever its parent's threads hold."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from processes import environment
from scene import Count

FORKS = 30
SECONDS = 60

PROGRAM = f"""
import os, sys, threading
import numpy as np
from upsample_cli import interpolate

volume = np.random.default_rng(0).random((1, 1, 24, 64, 64), np.float32)
expected = interpolate(volume, scale_factor=2, mode="trilinear")
ending = threading.Event()

def work():
    while not ending.is_set():
        interpolate(volume, scale_factor=2, mode="trilinear")

threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
bad = 0
for _ in range({FORKS}):
    if (child := os.fork()) == 0:
        result = interpolate(volume, scale_factor=2, mode="trilinear")
        os._exit(0 if np.array_equal(result, expected) else 1)
    bad += os.waitpid(child, 0)[1] != 0
ending.set()
for thread in threads:
    thread.join()
sys.exit(bad)
"""

COMPILING_FORKS, SECONDS_FOR_A_CHILD = 6, 120

COMPILING = f"""
import os, signal, sys, threading, time
import numpy as np
from upsample_cli import interpolate

values = np.random.default_rng(0).integers(0, 99, (1, 1, 12, 12))

def resample(dtype, mode):
    return interpolate(values.astype(dtype), scale_factor=2, mode=mode)

def compile_all():
    for dtype in ("f4", "f8", "u1", "i2", "u2", "i4", "i1", "u4", "i8", "u8"):
        for mode in ("bicubic", "bilinear", "area"):
            resample(dtype, mode)

thread = threading.Thread(target=compile_all, daemon=True)
thread.start()
while "numba" not in sys.modules:
    time.sleep(0.01)
bad = 0
for number in range({COMPILING_FORKS}):
    time.sleep(0.3 + 0.17 * number)
    assert thread.is_alive(), "nothing is left to compile amid a fork"
    if (child := os.fork()) == 0:
        signal.alarm({SECONDS_FOR_A_CHILD})  # which ends a child that waits for ever
        smaller = interpolate(values.astype("f4"), size=5, mode="bicubic", antialias=True)
        os._exit(0 if smaller.shape == (1, 1, 5, 5) and np.isfinite(smaller).all() else 1)
    if bad := os.waitpid(child, 0)[1] != 0:
        break
os._exit(bad)
"""

BATCH = """
import sys, threading
from upsample_cli import __version__, interpolate
from upsample_cli.batch.operation import Operation
from upsample_cli.batch.run import BatchRequest, run_batch
from upsample_cli.operations.requests import ResampleRequest
from upsample_cli.sampling.target import Target
import numpy as np

class Screen:
    def begin(self, tasks): pass
    def advance(self, task, share): pass
    def end(self, outcome): print(outcome.error) if outcome.error else None
    def note(self, text): pass
    def failed(self, text): print(text)

if __name__ == "__main__":
    volume, ending, totals = np.ones((1, 1, 24, 64, 64), np.float32), threading.Event(), []
    def work():
        while not ending.is_set():
            interpolate(volume, scale_factor=2, mode="trilinear")
    operation = Operation("resample", ResampleRequest(target=Target("scale", (2.0,))))
    request = BatchRequest(sys.argv[1], sys.argv[2], operation, __version__, jobs=2)
    busy = threading.Thread(target=work)
    busy.start()
    batch = threading.Thread(target=lambda: totals.append(run_batch(request, Screen())))
    batch.start()
    batch.join()
    ending.set()
    sys.exit(0 if totals and totals[0].files["done"] == 4 else 1)
"""


def among_threads(folder: Path) -> Count:
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment(), timeout=SECONDS)
    return Count(FORKS, lost=done.returncode) + _a_batch_from_a_thread(folder)


def while_a_thread_compiles(folder: Path) -> Count:
    """Every kernel is compiled, by the child too, which nobody but its own thread could end."""
    env = environment(UPSAMPLE_CLI_CACHE=str(folder / "cache"))
    seconds = COMPILING_FORKS * SECONDS_FOR_A_CHILD + SECONDS
    done = subprocess.run([sys.executable, "-c", COMPILING], env=env, timeout=seconds)
    return Count(COMPILING_FORKS, lost=done.returncode)


def _a_batch_from_a_thread(folder: Path) -> Count:
    (folder / "source").mkdir()
    for number in range(4):
        np.save(folder / "source" / f"{number}.npy", np.ones((9, 9), "f4"))
    (folder / "program.py").write_text(BATCH)
    command = [sys.executable, "program.py", "source", "target"]
    done = subprocess.run(command, cwd=folder, env=environment(), timeout=SECONDS)
    return Count(1, lost=done.returncode)
