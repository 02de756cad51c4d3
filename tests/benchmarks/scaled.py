"""One point of the scale figure, as a process: print the seconds of the work, start-up aside.

``scaled.py file WARM_UP INPUT OUTPUT`` runs the command line on files. ``scaled.py memory SLAB
DEPTH`` runs the function on a volume in memory, which is the slab again and again.
"""

import statistics
import sys
import time

SECONDS = 0.5
"""Short work is repeated for so long, and its median given."""


def main() -> None:
    work = {"file": on_files, "memory": in_memory}[sys.argv[1]](*sys.argv[2:])
    spent: list[float] = []
    while sum(spent) < SECONDS:
        begin = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begin)
    # The launcher keeps standard output for itself.
    print(statistics.median(spent), file=sys.stderr)  # noqa: T201


def on_files(warm_up, source, output):
    from upsample_cli.cli.app import run

    options = ("--scale", "2", "--quiet", "--force")
    run(["resample", warm_up, output, *options])

    def work():
        if run(["resample", source, output, *options]):
            sys.exit(1)

    return work


def in_memory(name, depth):
    import numpy as np

    from upsample_cli import interpolate

    slab, depth = np.load(name), int(depth)
    volume = np.empty((1, 1, depth, *slab.shape[1:]), slab.dtype)
    for begin in range(0, depth, len(slab)):
        volume[0, 0, begin : begin + len(slab)] = slab[: depth - begin]
    interpolate(volume[:, :, :1], scale_factor=2, mode="trilinear")
    return lambda: interpolate(volume, scale_factor=2, mode="trilinear")


if __name__ == "__main__":
    main()
