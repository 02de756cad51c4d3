"""What is measured, and what is asked of it: two tables and the targets they name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from measure import Figures

OURS, OURS_REUSED = "upsample-cli", "upsample-cli, array reused"
COPY, COPY_REUSED = "copy", "copy, array reused"
COMPRESSION = "igzip alone"
NOT_PEERS = (OURS, OURS_REUSED, COPY, COPY_REUSED, COMPRESSION)

Row = dict[str, Figures]


class Target(NamedTuple):
    """What a row is held against; ``is_reached`` is None where a peer is missing."""

    text: str
    is_reached: Callable[[Row], bool | None]


def peers_of(row: Row) -> list[tuple[str, Figures]]:
    """Return the peers of a row, the fastest first."""
    peers = [(name, figures) for name, figures in row.items() if name not in NOT_PEERS]
    return sorted(peers, key=lambda peer: peer[1].seconds)


def faster_than(name: str, times: float = 1) -> Target:
    def is_reached(row: Row) -> bool | None:
        return times * row[OURS].seconds <= row[name].seconds if name in row else None

    text = f"no slower than {name}" if times == 1 else f"≥ {times:g}× {name}"
    return Target(text, is_reached)


def faster_than_all(times: float) -> Target:
    def is_reached(row: Row) -> bool | None:
        peers = peers_of(row)
        return times * row[OURS].seconds <= peers[0][1].seconds if peers else None

    return Target(f"≥ {times:g}× the fastest peer", is_reached)


def within(times: float, name: str) -> Target:
    return Target(
        f"≤ {times:g}× {name}", lambda row: row[OURS].seconds <= times * row[name].seconds
    )


def seconds_within(seconds: float) -> Target:
    return Target(f"≤ {seconds:g} s", lambda row: row[OURS].seconds <= seconds)


def memory_within(megabytes: float) -> Target:
    return Target(f"≤ {megabytes:.0f} MB", lambda row: (row[OURS].peak or 0) <= megabytes * 1e6)


VOLUME_TARGETS = (faster_than("PyTorch", 8), within(1.25, COPY))
NO_SLOWER = (faster_than("PyTorch"),)
AHEAD = (faster_than("OpenCV"), faster_than("PyTorch"))


@dataclass(frozen=True)
class Kernel:
    """One resample in memory.

    ``shape`` is spatial, slowest first; ``scale`` is a factor for every axis, or ``size`` the
    output. Images of several channels are planar (as PyTorch's tensors) or interleaved (as
    files, OpenCV and Pillow have them).
    """

    name: str
    shape: tuple[int, ...]
    mode: str
    dtype: str = "float32"
    channels: int = 1
    scale: float | None = None
    size: tuple[int, ...] | None = None
    antialias: bool = False
    is_interleaved: bool = False
    targets: tuple[Target, ...] = NO_SLOWER
    in_picture: bool = False

    @property
    def output(self) -> tuple[int, ...]:
        """The output's shape. Asked for a shape, all peers sample at the same places."""
        if self.size is not None:
            return self.size
        assert self.scale is not None
        return tuple(int(n * self.scale) for n in self.shape)

    def smaller(self, divisor: int) -> "Kernel":
        """Return the same work on less data."""
        shape = tuple(max(1, n // divisor) for n in self.shape)
        size = self.size and tuple(max(1, n // divisor) for n in self.size)
        return replace(self, shape=shape, size=size)


T1 = (189, 233, 197)
IMAGE = (1536, 2048)


def volume(name: str, mode: str, **options: Any) -> Kernel:
    return Kernel(f"{name}, float32 volume", T1, mode, **options)


def image(name: str, mode: str, **options: Any) -> Kernel:
    return Kernel(f"{name}, float32 image", IMAGE, mode, **options)


def colour(name: str, mode: str, scale: float, *, antialias: bool = False) -> list[Kernel]:
    """Return a uint8 RGB image's two rows; OpenCV competes in one, and has no antialiasing."""
    planar = Kernel(f"{name}, uint8 RGB planar", IMAGE, mode, "uint8", 3, scale, None, antialias)
    interleaved = replace(
        planar,
        name=f"{name}, uint8 RGB interleaved",
        is_interleaved=True,
        targets=NO_SLOWER if antialias else AHEAD,
        in_picture=mode == "linear" and not antialias,
    )
    return [planar, interleaved]


KERNELS = [
    volume("trilinear ×2", "linear", scale=2, targets=VOLUME_TARGETS, in_picture=True),
    volume("trilinear → 310×350×300", "linear", size=(300, 350, 310), targets=VOLUME_TARGETS),
    volume("nearest ×2", "nearest", scale=2, targets=VOLUME_TARGETS),
    volume("trilinear ×0.5", "linear", scale=0.5),
    volume("area ×2", "area", scale=2),
    volume("area ×0.5", "area", scale=0.5),
    volume("cubic ×2", "cubic", scale=2, targets=()),
    *colour("bilinear ×2", "linear", 2),
    *colour("bicubic ×2", "cubic", 2),
    *colour("antialiased bilinear ×0.4", "linear", 0.4, antialias=True),
    *colour("antialiased bicubic ×0.4", "cubic", 0.4, antialias=True),
    *colour("antialiased lanczos ×0.4", "lanczos", 0.4, antialias=True),
    Kernel("bilinear ×2, uint8 grey", IMAGE, "linear", "uint8", 1, 2, targets=AHEAD),
    Kernel(
        "bilinear ×2, uint8 4 channels interleaved",
        IMAGE,
        "linear",
        "uint8",
        4,
        2,
        is_interleaved=True,
        targets=AHEAD,
    ),
    image("bilinear ×2", "linear", scale=2),
    image("bicubic ×2", "cubic", scale=2),
    image("antialiased bilinear ×0.4", "linear", scale=0.4, antialias=True),
    image("antialiased bicubic ×0.4", "cubic", scale=0.4, antialias=True),
    image("area ×0.4", "area", scale=0.4),
    image("nearest ×2", "nearest", scale=2),
    image("nearest-exact ×2", "nearest-exact", scale=2),
    Kernel("linear ×2, float32 rows", (4096,), "linear", channels=512, scale=2),
]


@dataclass(frozen=True)
class Process:
    """One command line from its start to its end; peers read and write the same formats.

    ``kind`` says which peers can do it: those for volumes, those for images, or none. ``size``
    is the input's, x first; None stands for the sample data, or for no file at all.
    """

    name: str
    kind: str
    suffix: str = ""
    size: tuple[int, ...] | None = None
    targets: tuple[Target, ...] = ()
    in_picture: bool = False

    def smaller(self, divisor: int) -> "Process":
        size = self.size and tuple(max(1, n // divisor) for n in self.size)
        return replace(self, size=size)


def image_memory(size: tuple[int, int]) -> Target:
    """Three times what the pixels of an RGB image and of its double take."""
    return memory_within(3 * (1 + 4) * size[0] * size[1] * 3 / 1e6)


HEAD_SIZE = T1[::-1]
PHOTO_SIZE = IMAGE[::-1]
PROCESSES = [
    Process(
        "T1 head .nii.gz ×2",
        "volume",
        ".nii.gz",
        HEAD_SIZE,
        (faster_than_all(8), within(1.3, COMPRESSION), memory_within(200)),
        in_picture=True,
    ),
    Process(
        "T1 head .nii ×2",
        "volume",
        ".nii",
        HEAD_SIZE,
        (faster_than("SimpleITK", 1.5), memory_within(200)),
        in_picture=True,
    ),
    Process(
        "photo 2048×1536 PNG ×2",
        "image",
        ".png",
        PHOTO_SIZE,
        (faster_than("OpenCV"), image_memory(PHOTO_SIZE)),
        in_picture=True,
    ),
    Process(
        "image 512×512 PNG ×2",
        "image",
        ".png",
        (512, 512),
        (seconds_within(0.25),),
        in_picture=True,
    ),
    Process("small sample .nii.gz ×2", "volume", ".nii.gz", None, (seconds_within(0.25),)),
    Process("--help", "none", targets=(seconds_within(0.15),)),
]
