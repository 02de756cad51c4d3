"""The contenders of a process: our command line, and each peer's script or program."""

import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cases import COMPRESSION, OURS, Process
from in_memory import THREADS
from inputs import write_head, write_photo
from measure import Contender, launch, process, timed

PEERS = Path(__file__).parent / "peers"
SAMPLE = Path(__file__).parent.parent.parent / "sample_data" / "brain.nii.gz"


class Script(NamedTuple):
    """A peer that is a Python package: a script of ours, and the modules that it imports."""

    name: str
    modules: tuple[str, ...]

    def command(self, source: str, output: str) -> list[str] | None:
        if any(find_spec(module) is None for module in self.modules):
            return None
        return [sys.executable, str(PEERS / self.name), source, output]


class Program(NamedTuple):
    """A peer that is a program: the names it may have, and its arguments."""

    names: tuple[str, ...]
    arguments: Callable[[str, str], list[str]]

    def command(self, source: str, output: str) -> list[str] | None:
        path = self.path()
        return None if path is None else [path, *self.arguments(source, output)]

    def path(self) -> str | None:
        return next(filter(None, map(shutil.which, self.names)), None)


def mrgrid(source: str, output: str) -> list[str]:
    settings = ["-interp", "linear", "-datatype", "int16", "-quiet", "-force"]
    return [source, "regrid", "-scale", "2", *settings, output]


def vips(source: str, output: str) -> list[str]:
    return ["resize", source, output, "2", "--kernel", "linear"]


def imagemagick(source: str, output: str) -> list[str]:
    return [source, "-filter", "triangle", "-resize", "200%", output]


VOLUME_PEERS: dict[str, Script | Program] = {
    "PyTorch": Script("pytorch_volume.py", ("torch", "nibabel")),
    "SimpleITK": Script("simpleitk_volume.py", ("SimpleITK",)),
    "SciPy": Script("scipy_volume.py", ("scipy", "nibabel")),
    "nibabel": Script("nibabel_volume.py", ("nibabel", "scipy")),
    "mrgrid": Program(("mrgrid",), mrgrid),
}
IMAGE_PEERS: dict[str, Script | Program] = {
    "PyTorch": Script("pytorch_image.py", ("torch", "PIL")),
    "OpenCV": Script("opencv_image.py", ("cv2",)),
    "Pillow": Script("pillow_image.py", ("PIL",)),
    "vips": Program(("vips",), vips),
    # ImageMagick 7, Debian's name for version 6, and the name that others use too.
    "ImageMagick": Program(("magick", "convert-im6.q16", "convert"), imagemagick),
}
PEERS_OF = {"volume": VOLUME_PEERS, "image": IMAGE_PEERS, "none": {}}


def own_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "upsample_cli", *arguments]


def own_resample(source: Path, output: Path) -> list[str]:
    return own_command("resample", str(source), str(output), "--scale", "2", "--quiet", "--force")


def contenders(work: Process, folder: Path) -> tuple[dict[str, Contender], dict[str, str]]:
    """Return every contender of a process, and why others are absent."""
    if work.kind == "none":
        return {OURS: process(own_command("--help"))}, {}
    source, output = input_of(work, folder), folder / f"output{work.suffix}"
    runs = {OURS: process(own_resample(source, output), output)}
    if work.suffix == ".nii.gz" and work.size:
        runs[COMPRESSION] = compression(source, folder)
    absent = {}
    for name, peer in PEERS_OF[work.kind].items():
        command = peer.command(str(source), str(output))
        if command is None:
            absent[name] = "not installed"
        else:
            runs[name] = process(command, output)
    return runs, absent


def input_of(work: Process, folder: Path) -> Path:
    """Return the input, made if it is not the sample."""
    if work.size is None:
        return SAMPLE
    source = folder / f"input{work.suffix}"
    write = write_photo if work.kind == "image" else write_head
    write(source, work.size)
    return source


def compression(source: Path, folder: Path) -> Contender:
    """Return what deflates the output's bytes, and does nothing else, on as many threads."""
    from isal import igzip_threaded

    plain, target = folder / "plain.nii", folder / "alone.gz"
    launch(own_resample(source, plain))
    data = np.fromfile(plain, np.uint8)
    plain.unlink()

    def compress() -> None:
        with igzip_threaded.open(target, "wb", compresslevel=1, threads=THREADS) as file:
            file.write(data)

    return timed(compress)
