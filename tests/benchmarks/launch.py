"""Run one command; print its wall seconds and peak memory as JSON.

A process of its own, and a small one: Linux counts what the parent held at the start of a child
as the child's.
"""

import json
import os
import sys
import time

begin = time.perf_counter()
silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - begin
print(json.dumps({"seconds": seconds, "peak": usage.ru_maxrss * 1024}))  # noqa: T201
sys.exit(os.waitstatus_to_exitcode(status) and 1)
