"""The table of modes: weight functions, tap weights, and what each mode allows."""

import naive
import numpy as np
import pytest

from upsample_cli.sampling.modes import (
    DIMENSION_BOUND,
    MODE_NAMES,
    MODES,
    Method,
    SwitchError,
    mode_named,
)

FILTERED = [mode for mode in MODES.values() if mode.filter is not None]
TAPPED = [mode for mode in MODES.values() if mode.tap_weights is not None]
FRACTIONS = np.linspace(0, 1, 65)


def by_name(modes):
    return pytest.mark.parametrize("mode", modes, ids=lambda mode: mode.name)


def test_names_of_the_table():
    names = ["nearest", "nearest-exact", "linear", "cubic", "area", "lanczos", "label"]
    assert list(MODES) == names
    assert all(name == mode.name and mode.summary for name, mode in MODES.items())
    assert DIMENSION_BOUND == {
        "bilinear": ("linear", 2),
        "trilinear": ("linear", 3),
        "bicubic": ("cubic", 2),
    }


@by_name(FILTERED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_filter_is_1_at_0_and_0_at_other_integers(mode, dtype):
    x = np.arange(-5, 6, dtype=dtype)
    values = mode.filter(x)
    assert values.dtype == dtype
    np.testing.assert_allclose(values, x == 0, atol=4 * np.finfo(dtype).eps)


@by_name(FILTERED)
def test_filter_is_even_and_ends_at_its_support(mode):
    x = np.linspace(0, mode.support, 100)
    assert np.array_equal(mode.filter(x), mode.filter(-x))
    assert not mode.filter(np.array([mode.support, mode.support + 0.1, -mode.support - 7])).any()
    assert mode.filter(np.array([mode.support - 0.5])) != 0


@by_name(FILTERED)
def test_filter_is_the_formula(mode):
    x = np.linspace(-3.5, 3.5, 211)
    name = "linear" if mode.votes else mode.name
    expected = [naive.FILTERS[name](value) for value in x]
    np.testing.assert_allclose(mode.filter(x), expected, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "error"), [("linear", 1e-15), ("cubic", 1e-15), ("lanczos", 0.02)]
)
def test_filter_is_a_partition_of_unity(name, error):
    mode = MODES[name]
    total = sum(mode.filter(FRACTIONS + k) for k in range(-4, 4))
    np.testing.assert_allclose(total, 1, atol=error)


def test_filtering_cubic_keeps_parabolas():
    moment = sum(k**2 * MODES["cubic"].filter(FRACTIONS - k) for k in range(-1, 3))
    np.testing.assert_allclose(moment, FRACTIONS**2, atol=1e-14)


@by_name(TAPPED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tap_weights(mode, dtype):
    weights = np.array(mode.tap_weights(FRACTIONS.astype(dtype)))
    eps = np.finfo(dtype).eps
    first = 1 - len(weights) // 2
    assert weights.dtype == dtype
    assert sorted(mode.tap_order) == list(range(len(weights)))
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=4 * eps)
    assert np.array_equal(weights[:, 0], np.arange(first, first + len(weights)) == 0)
    np.testing.assert_allclose(weights, weights[::-1, ::-1], atol=4 * eps)


def test_linear_taps_keep_ramps():
    left, right = MODES["linear"].tap_weights(FRACTIONS)
    assert np.array_equal(right, FRACTIONS)
    assert np.array_equal(left, 1 - FRACTIONS)


def test_cubic_taps_are_the_formula():
    expected = [[naive.keys(t - k, -0.75) for t in FRACTIONS] for k in range(-1, 3)]
    np.testing.assert_allclose(MODES["cubic"].tap_weights(FRACTIONS), expected, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "align_corners", "antialias", "message"),
    [
        ("nearest", True, False, "mode nearest has no align_corners; .*: linear, cubic, label$"),
        ("nearest-exact", True, False, "mode nearest-exact has no align_corners"),
        ("area", True, False, "mode area has no align_corners"),
        ("lanczos", True, True, "mode lanczos has no align_corners"),
        (
            "nearest",
            False,
            True,
            "mode nearest has no antialias; .*: linear, cubic, lanczos, label$",
        ),
        ("nearest-exact", False, True, "mode nearest-exact has no antialias"),
        ("area", False, True, "mode area has no antialias"),
        ("lanczos", False, False, "mode lanczos is a filter; it needs antialias"),
    ],
)
def test_refused_switches(name, align_corners, antialias, message):
    with pytest.raises(ValueError, match=message):
        Method(MODES[name], align_corners, antialias)


@pytest.mark.parametrize("antialias", [None, False, True])
@pytest.mark.parametrize("align_corners", [None, False, True])
@by_name(MODES.values())
def test_what_nobody_asked_for_is_left_to_the_mode(mode, align_corners, antialias):
    is_filter, has_taps = mode.name == "lanczos", mode in TAPPED
    if align_corners is not None and not has_taps:
        refused = "align_corners", align_corners, "linear, cubic, label"
    elif antialias and mode not in FILTERED:
        refused = "antialias", True, "linear, cubic, lanczos, label"
    elif is_filter and antialias is False:
        refused = "antialias", False, ""
    else:
        method = Method.asked_for(mode, align_corners, antialias)
        assert method == Method(mode, align_corners is True, is_filter or antialias is True)
        return
    with pytest.raises(SwitchError) as caught:
        Method.asked_for(mode, align_corners, antialias)
    assert (caught.value.switch, caught.value.value, caught.value.allowed) == refused


@pytest.mark.parametrize("name", MODE_NAMES)
def test_every_name_is_of_a_mode(name):
    ends = ("", "bi", "tri")
    assert name in [end + mode_named(name).name for end in ends]


@pytest.mark.parametrize(
    ("name", "switches"),
    [
        ("nearest", [(0, 0)]),
        ("nearest-exact", [(0, 0)]),
        ("linear", [(0, 0), (1, 0), (0, 1), (1, 1)]),
        ("cubic", [(0, 0), (1, 0), (0, 1), (1, 1)]),
        ("area", [(0, 0)]),
        ("lanczos", [(0, 1)]),
        ("label", [(0, 0), (1, 0), (0, 1), (1, 1)]),
    ],
)
def test_allowed_switches(name, switches):
    for align_corners, antialias in switches:
        method = Method(MODES[name], bool(align_corners), bool(antialias))
        assert method.copies_equal_sizes == (bool(antialias) or name in ("linear", "label"))


@pytest.mark.parametrize("name", MODES)
def test_only_nearest_and_label_modes_do_not_blur(name):
    assert MODES[name].copies == name.startswith("nearest")
    assert MODES[name].blurs != (name.startswith("nearest") or name == "label")
