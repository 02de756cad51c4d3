"""How the tests start a cluster: a scheduler and workers, each a process, on loopback."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from processes import environment

TIMEOUT = 90
"""Seconds after which something is taken to hang; nothing here needs more than a few."""


def wait_for(condition, what, pause=0.05):
    """Poll until a condition holds, and return what it gave."""
    deadline = time.monotonic() + TIMEOUT
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(pause)
    return found


class Cluster:
    """A scheduler and workers, ended with the context."""

    def __init__(self, folder, **variables):
        self.folder = Path(folder)
        self.variables = variables
        self.workers = []
        self.processes = contextlib.ExitStack()

    def __enter__(self):
        with self.processes:
            file = self.folder / "scheduler.json"
            port = ("--port", 0)
            self.scheduler = self._start(
                "scheduler", "--scheduler-file", file, *port, **self.variables
            )
            wait_for(lambda: file.exists() and file.read_text().endswith("}"), "the scheduler")
            self.address = json.loads(file.read_text())["address"]
            self.processes = self.processes.pop_all()
        return self

    def __exit__(self, *_):
        self.processes.close()

    def add_worker(self, *options, **variables):
        """Start a worker of one thread, and return its process; it joins when it likes."""
        own = self.folder / f"worker-{len(self.workers)}"
        fixed = ("--no-nanny", "--nthreads", 1, "--memory-limit", 0, "--local-directory", own)
        worker = self._start("worker", self.address, *fixed, *options, **variables)
        self.workers.append(worker)
        return worker

    def add_workers(self, count=2, **variables):
        """Start workers, wait until they are there, and return their processes."""
        started = [self.add_worker(**variables) for _ in range(count)]
        self.wait_for_workers()
        return started

    def wait_for_workers(self):
        """Wait until all workers that were started have joined."""

        def joined():
            logs = self.folder.glob("worker-*.log")
            return sum("Starting established connection" in log.read_text() for log in logs)

        wait_for(lambda: joined() == len(self.workers), "workers")

    def end_workers(self):
        """End all workers."""
        for worker in self.workers:
            end(worker)

    def _start(self, role, *options, **variables):
        number = f"-{len(self.workers)}" if role == "worker" else ""
        log = self.processes.enter_context((self.folder / f"{role}{number}.log").open("w"))
        fixed = ("--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
        command = [sys.executable, "-m", f"distributed.cli.dask_{role}", *fixed, *options]
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=log,
            stderr=log,
            cwd=self.folder,
            env=environment(**variables),
        )
        self.processes.callback(end, process)
        return process


def end(process):
    """End a process, whatever state it is in."""
    if process.poll() is None:
        process.kill()
    process.wait(TIMEOUT)


def temporary_file_of(process):
    """Return the name of the output's temporary file that a process has open, if it has one."""
    with contextlib.suppress(psutil.Error):
        for file in psutil.Process(process.pid).open_files():
            if file.path.endswith(".upsample-tmp"):
                return file.path
    return None


def kill_in_the_middle(workers):
    """Kill the first worker that is writing a file, and return it."""

    def found():
        for worker in workers:
            if temporary_file_of(worker):
                os.kill(worker.pid, signal.SIGSTOP)
                if (name := temporary_file_of(worker)) and os.path.exists(name):
                    return worker
                os.kill(worker.pid, signal.SIGCONT)
        return None

    victim = wait_for(found, "a worker to write", pause=0.002)
    victim.kill()
    victim.wait(TIMEOUT)
    return victim
