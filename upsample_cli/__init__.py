"""Resample images and medical volumes with PyTorch's numbers and a true header, without PyTorch."""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upsample_cli.functional import interpolate, upsample

__all__ = ["__version__", "interpolate", "upsample"]

try:
    __version__ = version("upsample-cli")
except PackageNotFoundError:  # a checkout that was not installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    """Import the functions when they are first used: the command line needs them late or never."""
    if name in ("interpolate", "upsample"):
        from upsample_cli import functional

        return getattr(functional, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
