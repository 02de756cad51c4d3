"""From the options of a command to what is asked of a file."""

from typing import Any

from upsample_cli.cli.parsing import parse_counts, parse_memory, parse_target
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.operations.requests import ConvolveRequest, PoolRequest, Request, UnpoolRequest
from upsample_cli.resources.threads import available_threads
from upsample_cli.sampling.target import Target

Given = dict[str, Any]
"""The options of a command, by the names of its parameters."""

TARGETS = (
    "scale",
    "size",
    "spacing",
    "isotropic",
    "max_size",
    "fit",
    "like",
    "orientation",
    "fill",
)
SAME = ("align_corners", "antialias", "recompute_scale_factor", "dtype", "labels")


def resample_request(given: Given) -> Request:
    """Return what ``resample`` is asked for.

    Raises
    ------
    RequestError
        If an option's text is not what it takes, or there is not one target.
    """
    mode = given.get("mode")
    return Request(
        target=parse_target(**{name: given[name] for name in TARGETS}),
        mode=mode.value if mode else None,
        straight_alpha=given.get("straight_alpha", False),
        record=given.get("record", False),
        **{name: given[name] for name in SAME},
        **_files(given),
    )


def pool_request(given: Given) -> PoolRequest:
    """Return what ``pool`` is asked for; errors as in ``resample_request``."""
    return PoolRequest(
        kernel_size=parse_counts("--kernel-size", given["kernel_size"]) or (),
        stride=parse_counts("--stride", given["stride"]),
        padding=parse_counts("--padding", given["padding"], least=0) or (0,),
        dilation=parse_counts("--dilation", given["dilation"]) or (1,),
        ceil_mode=given["ceil_mode"],
        indices=given.get("indices"),
        **_files(given),
    )


def conv_transpose_request(given: Given) -> ConvolveRequest:
    """Return what ``conv-transpose`` is asked for; errors as in ``resample_request``."""
    kernel = given["kernel"]
    return ConvolveRequest(
        weight=given["weight"],
        kernel=kernel.value if kernel else None,
        bias=given["bias"],
        stride=parse_counts("--stride", given["stride"]),
        padding=parse_counts("--padding", given["padding"], least=0),
        output_padding=parse_counts("--output-padding", given["output_padding"], least=0),
        dilation=parse_counts("--dilation", given["dilation"]),
        groups=given["groups"],
        output_size=parse_counts("--output-size", given["output_size"]),
        dtype=given["dtype"],
        **_files(given),
    )


def unpool_request(given: Given) -> UnpoolRequest:
    """Return what ``unpool`` is asked for; errors as in ``resample_request``."""
    return UnpoolRequest(
        indices=given["indices"],
        output_size=parse_counts("--output-size", given["output_size"]),
        **_files(given),
    )


def restore_request(given: Given) -> Request:
    """Return what ``restore`` is asked for; the record is its target."""
    mode = given["mode"]
    return Request(
        target=Target("record", ()),
        mode=mode.value if mode else "",
        dtype=given["dtype"],
        **_files(given),
    )


def _files(given: Given) -> Given:
    """Return how files are read and written."""
    return {
        "image": ImageOptions(
            **{name: given.get(name) for name in ("frame", "max_pixels", "quality")}
        ),
        "threads": given["threads"] or available_threads(),
        "max_memory": parse_memory(given.get("max_memory")),
        "compress_level": given.get("compress_level", 1),
        "format": given.get("format_name"),
        "force": given.get("force", False),
    }
