"""Resample images and medical volumes with PyTorch's numbers and a true header, without PyTorch."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upsample_cli.functional import interpolate, upsample

    __version__: str

__all__ = ["__version__", "interpolate", "upsample"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: the command line needs it late or never."""
    if name in ("interpolate", "upsample"):
        from upsample_cli import functional

        return getattr(functional, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("upsample-cli")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
