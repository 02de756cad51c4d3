"""MODES: the table of resampling modes; a new mode is a weight function and one entry here."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from upsample_cli.sampling.rounding import fused_multiply_add
from upsample_cli.sampling.sines import sine

Floats = NDArray[np.floating]

KEYS_A = -0.75
"""PyTorch's free parameter of the Keys cubic when it interpolates."""
KEYS_A_ANTIALIAS = -0.5
"""PyTorch's parameter of the same cubic when it filters (``antialias=True``)."""


def linear_weights(t: Floats) -> list[Floats]:
    """Weights of the two voxels around a sample at fraction ``t`` of the way between them."""
    return [1 - t, t]


def cubic_weights(t: Floats) -> list[Floats]:
    """Weights of the four voxels around a sample, each operation rounded as PyTorch rounds it."""
    a = t.dtype.type(KEYS_A)
    u = 1 - t
    return [_cubic_far(t + 1, a), _cubic_near(t, a), _cubic_near(u, a), _cubic_far(u + 1, a)]


def _cubic_near(x: Floats, a: np.floating) -> Floats:
    return fused_multiply_add(a + 2, x, -(a + 3)) * x * x + 1


def _cubic_far(x: Floats, a: np.floating) -> Floats:
    return fused_multiply_add(fused_multiply_add(a, x, -5 * a), x, 8 * a) * x - 4 * a


def triangle(x: Floats) -> Floats:
    """Return the linear filter: 1 at 0, 0 from 1 on."""
    return np.maximum(1 - np.abs(x), 0)


def keys_cubic(x: Floats) -> Floats:
    """Return the Keys cubic filter with A = -0.5, of support 2."""
    a = x.dtype.type(KEYS_A_ANTIALIAS)
    x = np.abs(x)
    near = fused_multiply_add(fused_multiply_add(a + 2, x, -(a + 3)) * x, x, 1)
    far = fused_multiply_add(fused_multiply_add(a * x - 5 * a, x, 8 * a), x, -4 * a)
    return np.where(x < 1, near, np.where(x < 2, far, x.dtype.type(0)))


def lanczos3(x: Floats) -> Floats:
    """Return the Lanczos filter of support 3: sinc(x) · sinc(x / 3).

    In PyTorch's source the second factor is of a C++ double whatever the data's dtype.
    """
    weights = np.zeros_like(x)
    inside = np.abs(x) < 3
    x = np.abs(x[inside])
    weights[inside] = _sinc(x) * _sinc(x.astype(np.float64) / 3)
    return weights


def _sinc(x: Floats) -> Floats:
    angle = x * x.dtype.type(np.pi)
    return np.divide(sine(angle), angle, out=np.ones_like(x), where=x != 0)


@dataclass(frozen=True)
class Mode:
    """What one resampling mode does, and what it allows.

    ``tap_weights`` maps the fraction t to the weights of the ``len(tap_order)`` voxels around a
    sample, from left to right; ``tap_order`` is the order in which PyTorch sums them, which
    decides the last bit. ``filter`` and ``support`` (in voxels) serve ``antialias``.
    """

    name: str
    summary: str
    tap_weights: Callable[[Floats], list[Floats]] | None = None
    tap_order: tuple[int, ...] = ()
    filter: Callable[[Floats], Floats] | None = None
    support: float = 0.0
    averages: bool = False
    """It averages the voxels that an output voxel covers; the step follows from the sizes."""
    copies_equal_sizes: bool = False
    """PyTorch copies an axis whose size stays, whatever the scale factor says."""
    votes: bool = False
    """The value wins whose voxels have the most weight together; no values are mixed."""

    @property
    def allows_align_corners(self) -> bool:
        """Whether samples may be placed corner to corner."""
        return self.tap_weights is not None

    @property
    def allows_antialias(self) -> bool:
        """Whether the filter can be widened to the output's spacing."""
        return self.filter is not None

    @property
    def needs_antialias(self) -> bool:
        """Whether the mode exists as a filter only."""
        return self.filter is not None and self.tap_weights is None

    @property
    def copies(self) -> bool:
        """Whether every output is a copy of one voxel, whatever is around it."""
        return self.name.startswith("nearest")

    @property
    def blurs(self) -> bool:
        """Whether an output can hold a value that the input does not."""
        return not (self.copies or self.votes)


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("nearest", "copies the voxel at floor(i·step): PyTorch's old rule, off-centre"),
        Mode("nearest-exact", "copies the voxel nearest to the sample's centre"),
        Mode(
            "linear",
            "interpolates between the 2 voxels around the sample on each axis",
            tap_weights=linear_weights,
            tap_order=(1, 0),
            filter=triangle,
            support=1.0,
            copies_equal_sizes=True,
        ),
        Mode(
            "cubic",
            "interpolates among 4 voxels on each axis (Keys, A = -0.75)",
            tap_weights=cubic_weights,
            tap_order=(1, 0, 2, 3),
            filter=keys_cubic,
            support=2.0,
        ),
        Mode("area", "averages the voxels that the output voxel covers", averages=True),
        Mode(
            "lanczos",
            "filters with a windowed sinc of 3 lobes; always antialiased",
            filter=lanczos3,
            support=3.0,
        ),
        Mode(
            "label",
            "takes the label on which most of linear's weight falls: smooth borders, no new label",
            tap_weights=linear_weights,
            tap_order=(0, 1),
            filter=triangle,
            support=1.0,
            copies_equal_sizes=True,
            votes=True,
        ),
    )
}

DIMENSION_BOUND: dict[str, tuple[str, int]] = {
    "bilinear": ("linear", 2),
    "trilinear": ("linear", 3),
    "bicubic": ("cubic", 2),
}
"""PyTorch's names that fix the number of dimensions: name → (mode, dimensions)."""


MODE_NAMES = (*MODES, *DIMENSION_BOUND)
"""All names that a mode can be asked for by."""


def mode_named(name: str) -> Mode:
    """Return the mode of one of MODE_NAMES.

    >>> mode_named("trilinear").name
    'linear'
    """
    return MODES[DIMENSION_BOUND[name][0] if name in DIMENSION_BOUND else name]


class SwitchError(ValueError):
    """A mode does not go with a switch.

    ``switch`` is ``align_corners`` or ``antialias``, and ``value`` what was asked of it.
    ``allowed`` are the modes that have the switch, in one string; empty where the mode cannot be
    without it.
    """

    def __init__(self, mode: Mode, switch: str, *, value: bool, allowed: str = "") -> None:
        has_not = f"has no {switch}; the modes that have: {allowed}"
        super().__init__(
            f"mode {mode.name} {has_not if allowed else f'is a filter; it needs {switch}=True'}"
        )
        self.switch, self.value, self.allowed = switch, value, allowed


@dataclass(frozen=True)
class Method:
    """How to resample: a mode with its two switches.

    Raises
    ------
    SwitchError
        If the mode does not allow what a switch asks for.
    """

    mode: Mode
    align_corners: bool = False
    antialias: bool = False

    def __post_init__(self) -> None:
        _check_switches(self.mode, self.align_corners or None, self.antialias)

    @classmethod
    def asked_for(cls, mode: Mode, align_corners: bool | None, antialias: bool | None) -> "Method":
        """Return the method of switches of which None was left to the mode.

        >>> Method.asked_for(MODES["lanczos"], None, None).antialias
        True

        Raises
        ------
        SwitchError
            If the mode does not allow what a switch asks for, or has no align_corners to refuse.
        """
        _check_switches(mode, align_corners, antialias)
        is_filter = mode.needs_antialias if antialias is None else antialias
        return cls(mode, bool(align_corners), is_filter)

    @property
    def copies_equal_sizes(self) -> bool:
        """Whether an axis whose size stays is copied, whatever its scale factor."""
        return self.antialias or self.mode.copies_equal_sizes


def _check_switches(mode: Mode, align_corners: bool | None, antialias: bool | None) -> None:
    """Raise SwitchError unless a mode goes with its switches; None is what nobody asked for."""
    if align_corners is not None and not mode.allows_align_corners:
        allowed = ", ".join(m.name for m in MODES.values() if m.allows_align_corners)
        raise SwitchError(mode, "align_corners", value=align_corners, allowed=allowed)
    if antialias and not mode.allows_antialias:
        allowed = ", ".join(m.name for m in MODES.values() if m.allows_antialias)
        raise SwitchError(mode, "antialias", value=antialias, allowed=allowed)
    if mode.needs_antialias and not (antialias or antialias is None):
        raise SwitchError(mode, "antialias", value=False)
