"""Which command lines a hostile file goes through."""

import math
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz.companions import COMPANIONS
from fuzz.rule import check

LARGEST_ENLARGED = 2**19
"""Elements: more are not enlarged, so that a case takes milliseconds."""

VOLUME_MODES = ("nearest", "nearest-exact", "linear", "cubic", "area", "lanczos", "label")
LABELLED = (".nii", ".mgh", ".npy", ".png", ".jpg")
AT_ONCE = 3
"""Command lines of one case, beside info."""

Command = tuple[list[str], tuple[str, ...]]
"""Words, and the files that it writes if it succeeds."""


def file_name(format: str, data: bytes) -> str:
    """Return what a file is called: without a suffix of its kind, its content alone counts."""
    if format == "nifti" and (b"ni1\0" in data[:348] or data[4:7] == b"ni2"):
        return "in.hdr"
    return "in.bin"


def check_file(format: str, data: bytes, *, thorough: bool = False) -> None:
    """Hold the commands to the rule on one hostile file, in a folder that has the companions.

    Parameters
    ----------
    format
        One of ``formats.FORMATS``.
    data
        The file.
    thorough
        Every command line that suits it; else a few, which follow from the data.

    Raises
    ------
    BrokenRuleError
        If one does not meet it.
    """
    name = file_name(format, data)
    Path(name).write_bytes(data)
    try:
        commands = list(_commands(format, name))
        if not thorough:
            chosen = random.Random(zlib.crc32(data))
            commands = chosen.sample(commands, min(AT_ONCE, len(commands)))
        for words, outputs in commands:
            check(words, outputs)
        assert Path(name).read_bytes() == data
    finally:
        Path(name).unlink()


def _commands(format: str, name: str) -> Iterator[Command]:
    if format == "npz":
        for pooled in ("pooled.nii", "pooled.png", "pooled.npy"):
            output = "out" + Path(pooled).suffix
            yield ["unpool", pooled, output, "--indices", name], (output,)
        return
    if format == "record":
        for processed in ("x2.nii", "flat.nii"):
            yield ["restore", processed, "out.nii", "--record", name], ("out.nii",)
        return
    if format == "weights":
        for source in ("good.nii", "good.png", "good.npy"):
            output = "out" + Path(source).suffix
            words = ["conv-transpose", source, output, "--stride", "2", "--weight", name]
            yield words, (output,)
        return
    done = check(["info", name, "--json"])
    if "--frame" in done.err:
        done = check(["info", name, "--json", "--frame", "1"])
        if done.code == 0:
            for words, outputs in _of_an_image(name, done.facts):
                yield [*words, "--frame", "1"], outputs
            return
    facts = done.facts if done.code == 0 else {}
    yield ["info", name], ()
    yield ["demo", "modes", name], ()
    kind = facts.get("kind")
    if kind == "volume":
        yield from _of_a_volume(name, facts)
    elif kind == "array":
        yield from _of_any(name, facts, (".npy",), len(_shape(facts)))
    elif kind == "image":
        yield from _of_an_image(name, facts)
    else:
        for suffix in LABELLED:
            yield ["resample", name, "out" + suffix, "-x", "2"], ("out" + suffix,)
        # Of a reference the header alone counts, which may ask for gigabytes.
        yield ["explain", "good.nii", "--like", name], ()
        yield ["verify", name, "good.nii"], ()


def _shape(facts: dict[str, Any]) -> list[int]:
    return list(facts["shape"])


def _of_any(
    name: str, facts: dict[str, Any], suffixes: tuple[str, ...], dimensions: int
) -> Iterator[Command]:
    spatial = min(dimensions, 3)
    sizes = "x".join(["5", "4", "3"][:spatial])
    is_large = math.prod(_shape(facts)) > LARGEST_ENLARGED
    target = ["-s", sizes] if is_large else ["-x", "2"]
    # Onto a few pixels a filter of lanczos has six taps for each that there is.
    modes = [mode for mode in VOLUME_MODES if not (is_large and mode == "lanczos")]
    for index, mode in enumerate(modes):
        output = "out" + suffixes[index % len(suffixes)]
        yield ["resample", name, output, *target, "-m", mode], (output,)
        yield ["resample", name, output, "-s", sizes, "-m", mode], (output,)
    output = "out" + suffixes[0]
    yield ["resample", name, output, *target, "--dtype", "uint16"], (output,)
    yield ["explain", name, "-x", "2"], ()
    if not is_large:
        pooled = (output, "out.indices.npz")
        yield ["pool", name, output, "--kernel-size", "2"], pooled
        yield ["pool", name, output, "--kernel-size", "1", "--ceil-mode"], pooled
        kernel = ["--kernel", "bilinear", "--stride", "2"]
        yield ["conv-transpose", name, output, *kernel], (output,)
        yield ["unpool", name, output, "--indices", "nii.npz"], (output,)


def _of_an_image(name: str, facts: dict[str, Any]) -> Iterator[Command]:
    own = "." + str(facts["format"]).lower()
    own = {".ppm": ".pnm", ".jpeg": ".jpg"}.get(own, own)
    yield from _of_any(name, facts, (".png", ".png", own, ".tif", ".jpg"), 2)


def _of_a_volume(name: str, facts: dict[str, Any]) -> Iterator[Command]:
    is_nifti = str(facts["format"]).startswith("NIfTI")
    suffixes = (".nii", ".nii.gz") if is_nifti else (".mgh", ".mgz")
    yield from _of_any(name, facts, suffixes, len(_shape(facts)))
    output = "out" + suffixes[0]
    # A spacing makes the more voxels, the larger the header says that they are.
    yield ["resample", name, output, "--max-size", "9"], (output,)
    yield ["explain", name, "--isotropic", "smallest"], ()
    yield ["verify", name, "good.nii"], ()
    yield ["verify", "good.nii", name, "--json"], ()
    if math.prod(_shape(facts)) <= LARGEST_ENLARGED:
        yield ["resample", "good.nii", "out.nii", "--like", name, "-m", "linear"], ("out.nii",)
    if is_nifti:
        yield ["resample", name, "out.hdr", "-s", "4"], ("out.hdr", "out.img")
        yield ["resample", name, output, "-s", "4", "--record"], (output, f"{output}.record.json")
        yield ["resample", name, output, "--like", "good.nii"], (output,)
        yield ["resample", name, output, "--like", "good.mgh", "-m", "nearest-exact"], (output,)
        yield ["explain", name, "--like", "good.nii"], ()
        yield ["resample", name, output, "--orientation", "LPI"], (output,)
        yield ["restore", name, output, "--record", "good.record.json"], (output,)


def make_companions(folder: Path) -> None:
    """Write the good files that command lines name beside a hostile one."""
    for name, data in COMPANIONS().items():
        (folder / name).write_bytes(data)
