"""Resample images and medical volumes with PyTorch's numbers and a true header, without PyTorch."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upsample_cli.functional import (
        conv_transpose1d,
        conv_transpose2d,
        conv_transpose3d,
        interpolate,
        max_pool1d,
        max_pool2d,
        max_pool3d,
        max_unpool1d,
        max_unpool2d,
        max_unpool3d,
        upsample,
    )

    __version__: str

__all__ = [
    "__version__",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "interpolate",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "upsample",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: the command line needs it late or never."""
    if name == "__version__":
        from importlib.metadata import version

        return version("upsample-cli")
    if name in __all__:
        from upsample_cli import functional

        return getattr(functional, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
