"""What the tests of batches share: small files, a batch without processes, a scripted operation."""

import json
import os
import signal
import time
from collections import deque
from pathlib import Path

import numpy as np
from PIL import Image
from volumes import write_volume

from upsample_cli.batch.again import run_or_compare
from upsample_cli.batch.operation import Operation
from upsample_cli.errors import MemoryLimitError, RequestError, UpsampleError
from upsample_cli.operations.output import Contents, Summary
from upsample_cli.operations.requests import ResampleRequest
from upsample_cli.sampling.target import Target

PLAIN = {"qform_code": 0, "intent_code": 0, "scl_slope": 1.0, "scl_inter": 0.0}
AFFINE = {"srow_x": (2.0, 0, 0, -5), "srow_y": (0, 2.0, 0, 3), "srow_z": (0, 0, 3.0, 7)}


class SerialWorkers:
    """Stands in for worker processes: the tasks are done here, one after the other."""

    def __init__(self, setting, _jobs, begin):
        self.setting, self.begin = setting, begin

    def run(self, tasks):
        for task in tasks:
            self.begin([task])
            yield run_or_compare(self.setting, task, lambda _share: None)


def write(path, seed=0, shape=None, dtype="int16", **fields):
    """Write a small file of the format that its name says, with folders; return its path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    name = path.name.lower()
    if ".nii" in name or ".hdr" in name:
        voxels = rng.integers(0, 5, shape or (6, 5, 4)).astype(dtype)
        return write_volume(path, voxels, **(PLAIN | AFFINE | fields))
    if name.endswith(".npy"):
        np.save(path, rng.random(shape or (6, 5), np.float32))
        return path
    pixels = rng.integers(0, 256, (*(shape or (8, 6))[::-1], 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def lines_of(path):
    """Return the lines of a file of JSON lines."""
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def outputs(folder):
    """Return the bytes of all files that a batch made, by name in its folder."""
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    names = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {name: data for name, data in names.items() if not name.startswith(".upsample-batch/")}


class TooLargeError(MemoryLimitError):
    """What a file says that needs more memory than it may take."""

    def __init__(self, subject):
        UpsampleError.__init__(self, subject, "needs more memory", "allow more")


class Scripted(Operation):
    """Does with a file what its name says, and writes down which process did it."""

    def run(self, source, output, progress):
        name = Path(source).stem
        if name.startswith("large") and not self._has(int(name.rpartition("-")[2])):
            raise TooLargeError(source)
        if name.startswith("wrong"):
            raise RequestError(source, "is wrong", "mend it")
        if name.startswith("starved"):
            raise MemoryError
        if name.startswith("broken"):
            raise ZeroDivisionError("by nothing")
        if name.startswith("killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("leaves"):
            os._exit(3)
        with progress(4) as done:
            for _ in range(4):
                done(1)
                while name.startswith("hangs"):
                    time.sleep(0.01)
        memory, threads = self.request.max_memory, self.request.threads
        Path(output).write_text(json.dumps([os.getpid(), threads, memory]))
        if name.startswith("dies after"):
            os.kill(os.getpid(), signal.SIGKILL)
        contents = Contents((1,), "uint8")
        return Summary((source, output), contents, contents, "scripted", 0.0, [], [])

    def _has(self, mebibytes):
        memory = self.request.max_memory
        return memory is None or memory >= mebibytes * 2**20


def scripted():
    """Return the operation with a request that is never looked at."""
    return Scripted("resample", ResampleRequest(target=Target("scale", (2.0,))))


class Watcher:
    """A screen that remembers what it was shown."""

    def __init__(self):
        self.ended, self.notes, self.failures = {}, [], []
        self.shares, self.tasks = deque(), []

    def begin(self, tasks):
        self.tasks = list(tasks)

    def advance(self, task, share):
        self.shares.append((task.source, share))

    def end(self, outcome):
        self.ended[outcome.task.source] = outcome

    def note(self, text):
        self.notes.append(text)

    def failed(self, text):
        self.failures.append(text)
