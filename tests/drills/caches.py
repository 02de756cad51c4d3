"""The folder of compiled kernels is missing, in the way, read-only or corrupt: the same bytes."""

import os
import shutil
from pathlib import Path

import numpy as np
from processes import powerless
from scene import Count, complete, files_in, lost_in, strays_in

COMMAND = ("--jobs", 2, "--scale", 2, "--mode", "nearest-exact")


def of_every_kind(folder: Path) -> Count:
    source = folder / "source"
    source.mkdir()
    for number in range(4):
        np.save(source / f"{number}.npy", np.full((30, 30 + number), number, "u2"))
    assert complete(source, folder / "whole", *COMMAND) == (0, [])
    expected, count, cache = files_in(folder / "whole"), Count(), folder / "cache"
    for change in (_missing, _cut, _random, _read_only, _in_the_way):
        change(cache)
        target = folder / change.__name__
        env = {"UPSAMPLE_CLI_CACHE": str(cache)}
        code, told = complete(source, target, *COMMAND, env=env, preexec_fn=powerless)
        assert (code, told) == (0, []), (change.__name__, told)
        lost, strays = lost_in(target, expected), strays_in(target, expected)
        count += Count(1, len(lost), len(strays) + len(list(folder.glob("cache/*/*.tmp"))))
    return count


def _missing(cache: Path) -> None:
    assert not cache.exists()


def _stored(cache: Path) -> list[Path]:
    paths = list(cache.glob("*/*.o"))
    assert paths
    return paths


def _cut(cache: Path) -> None:
    for path in _stored(cache):
        os.truncate(path, path.stat().st_size // 2)


def _random(cache: Path) -> None:
    for path in _stored(cache):
        path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size))


def _read_only(cache: Path) -> None:
    shutil.rmtree(cache)
    cache.mkdir(mode=0o555)


def _in_the_way(cache: Path) -> None:
    cache.rmdir()
    cache.touch()
