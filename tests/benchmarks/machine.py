"""What the numbers were measured on and with; a machine is named by its kind alone."""

import hashlib
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from in_memory import THREADS
from programs import IMAGE_PEERS, VOLUME_PEERS, Program

import upsample_cli

PACKAGES = {
    "upsample-cli": ("upsample-cli",),
    "PyTorch": ("torch",),
    "OpenCV": ("opencv-python-headless", "opencv-python", "opencv-contrib-python"),
    "Pillow": ("pillow",),
    "SciPy": ("scipy",),
    "SimpleITK": ("simpleitk",),
    "nibabel": ("nibabel",),
    "NumPy": ("numpy",),
    "Numba": ("numba",),
    "isal": ("isal",),
}
VERSION_TIMEOUT = 20


def description() -> dict[str, str]:
    """Return the machine and every version, in words."""
    facts = {
        "processor": f"{processor()}, {os.cpu_count()} cores, {THREADS} threads used",
        "memory": f"{total_memory() / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    }
    facts |= {name: package_version(names) for name, names in PACKAGES.items()}
    facts["upsample-cli"] += f", source {fingerprint()}"
    for name, peer in (VOLUME_PEERS | IMAGE_PEERS).items():
        if isinstance(peer, Program):
            facts[name] = program_version(peer.path())
    return facts


def fingerprint() -> str:
    """Return what tells one state of our code from another: numbers of two are never mixed."""
    digest = hashlib.sha256()
    for path in sorted(Path(upsample_cli.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def total_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def package_version(names: tuple[str, ...]) -> str:
    for name in names:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "not installed"


def program_version(path: str | None) -> str:
    """Return the first number in what a program says about itself."""
    if path is None:
        return "not installed"
    done = subprocess.run(
        [path, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT, check=False
    )
    words = (word.strip(",;").removeprefix("vips-") for word in done.stdout.split())
    return next((word for word in words if word[:1].isdigit()), "unknown version")
