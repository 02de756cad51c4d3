"""The contenders of a kernel: ours, a copy of the output, and whatever peer does the same work."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from cases import COPY, COPY_REUSED, OURS, OURS_REUSED, Kernel, Row

from upsample_cli import interpolate
from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.whole import resample_array
from upsample_cli.resources.threads import available_threads
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.target import axis_from_size

Call = Callable[[], object]
Array = np.ndarray[Any, Any]

THREADS = available_threads()
TORCH_NAMES = {
    ("linear", 2): "bilinear",
    ("linear", 3): "trilinear",
    ("cubic", 2): "bicubic",
    ("cubic", 1): None,
    ("cubic", 3): None,
}
TORCH_LAYOUTS = ("PyTorch planar", "PyTorch channels-last")


def contenders(kernel: Kernel) -> tuple[dict[str, Call], dict[str, str]]:
    """Return every contender of a kernel, and why those that could do it are absent."""
    source = random_input(kernel)
    calls = own_calls(kernel, source)
    absent = {}
    for name, (module, peer) in PEERS.items():
        if not is_comparable(name, kernel):
            continue
        if find_spec(module) is None:
            absent[name] = "not installed"
        else:
            calls |= peer(kernel, source)
    return calls, absent


def random_input(kernel: Kernel) -> Array:
    """Return N × C × space, or N × space × C for interleaved channels."""
    shape = (kernel.channels, *kernel.shape)
    if kernel.is_interleaved:
        shape = (*kernel.shape, kernel.channels)
    random = np.random.default_rng(3)
    if kernel.dtype == "uint8":
        return random.integers(0, 256, (1, *shape), np.uint8)
    return random.standard_normal((1, *shape), np.float32)


def resampler_of(kernel: Kernel) -> Resampler:
    method = Method(MODES[kernel.mode], False, kernel.antialias)
    sizes = zip(kernel.shape, kernel.output, strict=True)
    axes = [axis_from_size(n, out, method) for n, out in sizes]
    return Resampler(axes, method, kernel.dtype)


def own_calls(kernel: Kernel, source: Array) -> dict[str, Call]:
    """Return ours and the copy, each into a fresh array and into one that is at hand."""
    resampler = resampler_of(kernel)
    items, channels = (1, kernel.channels) if kernel.is_interleaved else (kernel.channels, 1)
    block = source.reshape(items, *kernel.shape, channels)
    shape = (items, *kernel.output, channels)
    at_hand, filled = np.empty(shape, kernel.dtype), np.ones(shape, kernel.dtype)

    def into(target: Array) -> None:
        resample_array(resampler, block, target, THREADS)

    def fresh() -> object:
        if kernel.is_interleaved:
            return into(np.empty(shape, kernel.dtype))
        name = torch_name(kernel) or kernel.mode
        return interpolate(source, kernel.output, mode=name, antialias=kernel.antialias)

    return {
        OURS: fresh,
        OURS_REUSED: lambda: into(at_hand),
        COPY: lambda: np.copyto(np.empty(shape, kernel.dtype), filled),
        COPY_REUSED: lambda: np.copyto(at_hand, filled),
    }


def torch_name(kernel: Kernel) -> str | None:
    return TORCH_NAMES.get((kernel.mode, len(kernel.shape)), kernel.mode)


OPENCV_FLAGS = {
    ("linear", False): "INTER_LINEAR",
    ("cubic", False): "INTER_CUBIC",
    ("area", False): "INTER_AREA",
    ("nearest", False): "INTER_NEAREST",
    ("nearest-exact", False): "INTER_NEAREST_EXACT",
}
PILLOW_FILTERS = {
    ("linear", True): "BILINEAR",
    ("cubic", True): "BICUBIC",
    ("lanczos", True): "LANCZOS",
    ("nearest-exact", False): "NEAREST",
}
PILLOW_ENLARGING = {("linear", False): "BILINEAR", ("cubic", False): "BICUBIC"}
"""Pillow always widens its filter, which changes nothing when an image grows."""

NOTES = (
    "Peers compute in their own numbers: OpenCV's uint8 has 11-bit weights, its INTER_AREA weighs "
    "the pixels at a window's edges, Pillow's bicubic has a = -0.5 where PyTorch's has -0.75, and "
    "SimpleITK leaves zeros beyond the outermost voxel centres. Cubic volumes have no peer with "
    "the same kernel."
)


def pillow_filter(kernel: Kernel) -> str | None:
    key = (kernel.mode, kernel.antialias)
    is_growing = kernel.output >= kernel.shape
    return PILLOW_FILTERS.get(key) or (PILLOW_ENLARGING.get(key) if is_growing else None)


def is_comparable(peer: str, kernel: Kernel) -> bool:
    """Whether a peer has this operation on data laid out like this."""
    if peer == "PyTorch":
        return torch_name(kernel) is not None
    if peer in ("SciPy", "SimpleITK"):
        return len(kernel.shape) == 3 and kernel.mode == "linear"
    if len(kernel.shape) != 2 or (kernel.channels > 1 and not kernel.is_interleaved):
        return False
    if peer == "OpenCV":
        return (kernel.mode, kernel.antialias) in OPENCV_FLAGS
    return pillow_filter(kernel) is not None


def torch_calls(kernel: Kernel, source: Array) -> dict[str, Call]:
    """Return PyTorch's call; for colours in both layouts, so that the faster can be taken."""
    import torch

    torch.set_num_threads(THREADS)
    tensor = torch.from_numpy(source)
    if kernel.is_interleaved:
        tensor = tensor.permute(0, 3, 1, 2)
    layouts = {"PyTorch": tensor}
    if kernel.channels > 1 and tensor.ndim == 4:
        formats = (torch.contiguous_format, torch.channels_last)
        pairs = zip(TORCH_LAYOUTS, formats, strict=True)
        layouts = {name: tensor.contiguous(memory_format=layout) for name, layout in pairs}

    def call(tensor: Any) -> object:
        with torch.inference_mode():
            return torch.nn.functional.interpolate(
                tensor, kernel.output, mode=torch_name(kernel), antialias=kernel.antialias
            )

    return {name: lambda tensor=tensor: call(tensor) for name, tensor in layouts.items()}


def with_faster_layout(row: Row) -> Row:
    """Let PyTorch's faster layout stand for both."""
    layouts = [row[name] for name in TORCH_LAYOUTS if name in row]
    others = {name: figures for name, figures in row.items() if name not in TORCH_LAYOUTS}
    return others | ({"PyTorch": min(layouts)} if layouts else {})


def pixels_of(kernel: Kernel, source: Array) -> tuple[Array, tuple[int, int]]:
    """Return (height, width[, channels]), and the output's width and height."""
    height, width = kernel.output
    pixels = source[0, ..., 0] if kernel.is_interleaved and kernel.channels == 1 else source[0]
    return (pixels if kernel.is_interleaved else pixels[0]), (width, height)


def opencv_calls(kernel: Kernel, source: Array) -> dict[str, Call]:
    import cv2

    cv2.setNumThreads(THREADS)
    pixels, size = pixels_of(kernel, source)
    flag = getattr(cv2, OPENCV_FLAGS[kernel.mode, kernel.antialias])
    return {"OpenCV": lambda: cv2.resize(pixels, size, interpolation=flag)}


def pillow_calls(kernel: Kernel, source: Array) -> dict[str, Call]:
    from PIL import Image

    pixels, size = pixels_of(kernel, source)
    # RGBA would be weighed by alpha; CMYK has four channels that are not.
    mode = {1: "F" if kernel.dtype == "float32" else "L", 3: "RGB", 4: "CMYK"}[kernel.channels]
    raw = "F;32NF" if mode == "F" else mode
    image = Image.frombytes(mode, pixels.shape[1::-1], pixels.tobytes(), "raw", raw)
    resample = Image.Resampling[pillow_filter(kernel) or ""]
    return {"Pillow": lambda: image.resize(size, resample)}


def scipy_calls(kernel: Kernel, source: Array) -> dict[str, Call]:
    from scipy.ndimage import zoom

    volume = source[0, 0]
    sizes = zip(kernel.output, kernel.shape, strict=True)
    factors = [out / n for out, n in sizes]
    return {"SciPy": lambda: zoom(volume, factors, order=1, mode="nearest", grid_mode=True)}


def simpleitk_calls(kernel: Kernel, source: Array) -> dict[str, Call]:
    import SimpleITK as sitk  # noqa: N813

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(THREADS)
    image = sitk.GetImageFromArray(source[0, 0])
    size = kernel.output[::-1]
    spacing = [n / out for n, out in zip(image.GetSize(), size, strict=True)]
    work = sitk.ResampleImageFilter()
    work.SetSize(size)
    work.SetOutputSpacing(spacing)
    work.SetOutputOrigin([(step - 1) / 2 for step in spacing])
    work.SetInterpolator(sitk.sitkLinear)
    return {"SimpleITK": lambda: work.Execute(image)}


PEERS: dict[str, tuple[str, Callable[[Kernel, Array], dict[str, Call]]]] = {
    "PyTorch": ("torch", torch_calls),
    "OpenCV": ("cv2", opencv_calls),
    "Pillow": ("PIL", pillow_calls),
    "SciPy": ("scipy", scipy_calls),
    "SimpleITK": ("SimpleITK", simpleitk_calls),
}
"""Peer → the module that it needs, and what makes its calls."""
