"""``interpolate`` and ``upsample``: PyTorch's arguments, shapes, dtypes and errors."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upsample_cli.functional import PrecisionWarning, interpolate, upsample

MODES_OF = {
    1: ["nearest", "nearest-exact", "linear", "cubic", "area", "lanczos"],
    2: ["nearest", "nearest-exact", "bilinear", "bicubic", "area", "lanczos"],
    3: ["nearest", "nearest-exact", "trilinear", "cubic", "area", "lanczos"],
}
RULE_OF = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}
ROW, IMAGE, VOLUME = (1, 2, 5), (1, 2, 5, 6), (1, 2, 4, 5, 6)
EVERY_DTYPE = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


def call(array, mode, **options):
    return interpolate(array, mode=mode, antialias=mode == "lanczos", **options)


@pytest.mark.parametrize(
    ("shape", "options", "error", "message"),
    [
        (ROW, {}, ValueError, "exactly one of size and scale_factor"),
        (ROW, {"size": 4, "scale_factor": 2}, ValueError, "exactly one of size and scale_factor"),
        (ROW, {"size": (4, 4)}, ValueError, "size has 2 numbers for 1 spatial axes"),
        (IMAGE, {"size": [4]}, ValueError, "size has 1 numbers for 2 spatial axes"),
        (VOLUME, {"scale_factor": (2, 2)}, ValueError, "scale_factor has 2 numbers for 3"),
        (IMAGE, {"size": 0}, ValueError, "a size of 0 leaves no sample"),
        (IMAGE, {"size": (4, -1)}, ValueError, "a size of -1 leaves no sample"),
        (IMAGE, {"size": 0, "mode": "area"}, ValueError, "a size of 0 leaves no sample"),
        (IMAGE, {"size": 2**41}, ValueError, "a size of 2199023255552 is too large"),
        (IMAGE, {"scale_factor": 0.1}, ValueError, "a scale of 0.1 leaves no sample of 5"),
        (IMAGE, {"scale_factor": 0}, ValueError, "a scale of 0 is not possible"),
        (IMAGE, {"scale_factor": -1.0}, ValueError, "a scale of -1 is not possible"),
        (IMAGE, {"scale_factor": math.nan}, ValueError, "a scale of nan is not possible"),
        (IMAGE, {"scale_factor": math.inf}, ValueError, "a scale of inf is not possible"),
        (IMAGE, {"scale_factor": 1e30}, ValueError, "is too large"),
        (IMAGE, {"size": 4.0}, TypeError, "size must be whole numbers, not 4.0"),
        (IMAGE, {"size": (4, "5")}, TypeError, "size must be whole numbers, not '5'"),
        (IMAGE, {"size": True}, TypeError, "size must be whole numbers, not True"),
        (IMAGE, {"size": (None, 4)}, TypeError, "size must be whole numbers, not None"),
        (IMAGE, {"size": np.array([4, 4])}, TypeError, "size must be whole numbers"),
        (IMAGE, {"scale_factor": "2"}, TypeError, "scale_factor must be numbers, not '2'"),
        (IMAGE, {"scale_factor": (2, None)}, TypeError, "scale_factor must be numbers, not None"),
        (IMAGE, {"scale_factor": True}, TypeError, "scale_factor must be numbers, not True"),
        (
            IMAGE,
            {"size": 4, "recompute_scale_factor": True},
            ValueError,
            "recompute_scale_factor does not go with size",
        ),
        (IMAGE, {"size": 4, "mode": "spline"}, ValueError, "mode 'spline' is unknown; .* bicubic$"),
        (
            IMAGE,
            {"size": 4, "mode": "linear"},
            ValueError,
            "needs 3-D input.* is 4-D; use bilinear",
        ),
        (VOLUME, {"size": 4, "mode": "linear"}, ValueError, "needs 3-D input.*; use trilinear"),
        (ROW, {"size": 4, "mode": "bilinear"}, ValueError, "needs 4-D input.*; use linear"),
        (VOLUME, {"size": 4, "mode": "bilinear"}, ValueError, "needs 4-D input.*; use trilinear"),
        (ROW, {"size": 4, "mode": "trilinear"}, ValueError, "needs 5-D input.*; use linear"),
        (IMAGE, {"size": 4, "mode": "trilinear"}, ValueError, "needs 5-D input.*; use bilinear"),
        (ROW, {"size": 4, "mode": "bicubic"}, ValueError, "needs 4-D input.*; use cubic"),
        (VOLUME, {"size": 4, "mode": "bicubic"}, ValueError, "needs 4-D input.*; use cubic"),
        (IMAGE, {"size": 4, "align_corners": False}, ValueError, "nearest has no align_corners"),
        (IMAGE, {"size": 4, "align_corners": True}, ValueError, "nearest has no align_corners"),
        (
            IMAGE,
            {"size": 4, "mode": "area", "align_corners": False},
            ValueError,
            "area has no align_corners",
        ),
        (
            IMAGE,
            {"size": 4, "mode": "nearest-exact", "align_corners": True},
            ValueError,
            "nearest-exact has no align_corners",
        ),
        (
            IMAGE,
            {"size": 4, "mode": "lanczos", "align_corners": True, "antialias": True},
            ValueError,
            "lanczos has no align_corners",
        ),
        (IMAGE, {"size": 4, "mode": "lanczos"}, ValueError, "lanczos is a filter; it needs"),
        (IMAGE, {"size": 4, "antialias": True}, ValueError, "nearest has no antialias"),
        (
            IMAGE,
            {"size": 4, "mode": "area", "antialias": True},
            ValueError,
            "area has no antialias",
        ),
        ((5, 6), {"size": 4}, ValueError, "input has 2 dimensions; use 3"),
        ((1,) * 6, {"size": 4}, ValueError, "input has 6 dimensions; use 3"),
        ((), {"size": 4}, ValueError, "input has 0 dimensions; use 3"),
        ((1, 0, 5), {"size": 4}, ValueError, r"input of shape \(1, 0, 5\) is empty"),
        ((1, 1, 0), {"size": 4}, ValueError, r"input of shape \(1, 1, 0\) is empty"),
        ((1, 1, 5, 0), {"size": 4, "mode": "area"}, ValueError, "is empty; only the batch size"),
    ],
)
def test_refused_requests(shape, options, error, message):
    with pytest.raises(error, match=message):
        interpolate(np.zeros(shape, np.float32), **options)


@pytest.mark.parametrize("dtype", ["O", "U4", "S4", "M8[s]", "m8[s]", "V8", "longdouble"])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_refused_dtypes(mode, dtype):
    with pytest.raises(TypeError, match="cannot be resampled; use a boolean, an integer"):
        interpolate(np.zeros(IMAGE, dtype), size=4, mode=mode)


@pytest.mark.parametrize(
    ("shape", "options", "out"),
    [
        (ROW, {"size": 9}, (9,)),
        (ROW, {"size": (9,)}, (9,)),
        (IMAGE, {"size": 9}, (9, 9)),
        (IMAGE, {"size": [9, 3]}, (9, 3)),
        (IMAGE, {"size": (np.int64(9), np.uint8(3))}, (9, 3)),
        (VOLUME, {"size": (1, 2, 3)}, (1, 2, 3)),
        (IMAGE, {"scale_factor": 2}, (10, 12)),
        (IMAGE, {"scale_factor": (1.5, 0.5)}, (7, 3)),
        (IMAGE, {"scale_factor": np.float32(2)}, (10, 12)),
        (VOLUME, {"scale_factor": [0.25, 1, 1.2]}, (1, 5, 7)),
        ((1, 1, 88), {"scale_factor": 120 / 88}, (119,)),
        ((1, 1, 88), {"scale_factor": 120 / 88, "recompute_scale_factor": True}, (119,)),
    ],
)
@pytest.mark.parametrize("kind", range(6))
def test_shapes(shape, options, out, kind):
    mode = MODES_OF[len(shape) - 2][kind]
    result = call(np.zeros(shape, np.float32), mode, **options)
    assert result.shape == shape[:2] + out
    assert result.dtype == np.float32
    assert result.flags.c_contiguous


@pytest.mark.parametrize("dtype", EVERY_DTYPE)
@pytest.mark.parametrize("shape", [ROW, IMAGE, VOLUME])
def test_dtypes_stay_and_constants_too(shape, dtype):
    # Weights of float16 do not sum to 1, in PyTorch and so here: one unit in the last place is off.
    error = np.finfo(np.float16).eps if dtype == "float16" else 2e-6
    for mode in MODES_OF[len(shape) - 2]:
        result = call(np.ones(shape, dtype), mode, size=7)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, 1, rtol=error)


@pytest.mark.parametrize("dtype", EVERY_DTYPE)
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_copies_bits(mode, dtype):
    rng = np.random.default_rng(1)
    size = np.dtype(dtype).itemsize
    values = rng.integers(0, 256, (1, 2, 5, 6, size), np.uint8)
    if dtype == "bool":
        values &= 1
    values = values.view(dtype)[..., 0]
    result = interpolate(values, scale_factor=2, mode=mode)
    expected = values.repeat(2, axis=2).repeat(2, axis=3)
    assert result.tobytes() == expected.tobytes()


@pytest.mark.parametrize("shape", [(0, 3, 5), (0, 3, 5, 6), (0, 3, 4, 5, 6)])
def test_batch_of_none(shape):
    for mode in MODES_OF[len(shape) - 2]:
        result = call(np.zeros(shape, np.float32), mode, size=4)
        assert result.shape == (0, 3, *(4,) * (len(shape) - 2))
        assert result.dtype == np.float32


def test_area_takes_no_channels_as_pytorch_does():
    assert interpolate(np.zeros((2, 0, 5, 6)), size=4, mode="area").shape == (2, 0, 4, 4)


LAYOUTS = {
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "fortran": np.asfortranarray,
    "channels last": lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "every second": lambda a: a.repeat(2, axis=3)[..., ::2],
    "reversed": lambda a: np.ascontiguousarray(a[:, :, ::-1, ::-1])[:, :, ::-1, ::-1],
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "little-endian": lambda a: a.astype(a.dtype.newbyteorder("<")),
    "unaligned": lambda a: np.frombuffer(b"." + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "broadcast": lambda a: np.broadcast_to(a[:1, :1], a.shape),
}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_and_byte_order_change_nothing(layout, dtype):
    plain = naive.pseudo_random((2, 3, 7, 8), "float64", 1).astype(dtype)
    if layout == "broadcast":
        plain[:] = plain[:1, :1]
    array = LAYOUTS[layout](plain)
    before = array.tobytes()
    for mode in MODES_OF[2]:
        result = call(array, mode, size=(11, 9))
        assert result.dtype == plain.dtype
        assert result.dtype.isnative
        assert result.flags.writeable
        assert np.array_equal(result, call(plain, mode, size=(11, 9)))
    assert array.tobytes() == before


@pytest.mark.parametrize("mode", MODES_OF[2])
def test_output_is_never_the_input(mode):
    array = naive.pseudo_random(IMAGE, "float32", 2)
    result = call(array, mode, size=IMAGE[2:])
    np.testing.assert_allclose(result, array, rtol=1e-6)
    assert not np.shares_memory(result, array)


def test_lists_are_arrays():
    assert interpolate([[[1.0, 3.0]]], size=4, mode="linear").tolist() == [[[1.0, 1.5, 2.5, 3.0]]]


@pytest.mark.parametrize(
    ("mode", "size", "values", "expected"),
    [
        ("linear", 4, [math.nan, 1, 2, 3], [math.nan, 1, 2, 3]),
        ("linear", 8, [1, math.nan, 1, 1], [*[math.nan] * 5, 1, 1, 1]),
        ("linear", 2, [1, math.inf, 1, 1], [math.inf, 1]),
        ("linear", 7, [1, math.inf, 1, 1], [math.nan, *[math.inf] * 3, 1, 1, 1]),
        ("nearest", 4, [math.nan, math.inf], [math.nan, math.nan, math.inf, math.inf]),
        ("area", 2, [math.inf, -math.inf, 1, 2], [math.nan, 1.5]),
    ],
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_what_is_not_finite_travels(dtype, mode, size, values, expected):
    result = interpolate(np.array([[values]], dtype), size=size, mode=mode)[0, 0]
    assert np.array_equal(result, expected, equal_nan=True)


def test_a_tap_of_weight_0_on_nan_is_nan():
    array = np.array([[[1, 2, math.nan]]], np.float32)
    result = interpolate(array, size=5, mode="linear", align_corners=True)
    assert np.isnan(result[0, 0]).tolist() == [False, False, True, True, True]


def test_precision_warning_names_the_remedy():
    array = np.full((1, 1, 4), 2**53 + 1, np.int64)
    with pytest.warns(PrecisionWarning, match=r"int64 values beyond 2\*\*53 .* nearest-exact"):
        interpolate(array, size=8, mode="linear")
    assert (interpolate(array, size=8, mode="nearest-exact") == 2**53 + 1).all()
    assert (interpolate(array - 1, size=8, mode="linear") == 2**53).all()


def test_upsample_is_interpolate():
    array = naive.pseudo_random(IMAGE, "float32", 3)
    assert np.array_equal(upsample(array, 9), interpolate(array, 9, mode="nearest"))
    assert np.array_equal(upsample(array, None, 1.7), interpolate(array, scale_factor=1.7))
    cornered = interpolate(array, (9, 4), mode="bicubic", align_corners=True)
    assert np.array_equal(upsample(array, (9, 4), None, "bicubic", True), cornered)
    with pytest.raises(ValueError, match="exactly one of size and scale_factor"):
        upsample(array)


def test_recompute_takes_the_step_from_the_sizes():
    array = naive.pseudo_random((1, 1, 88), "float64", 4)
    scale = 120 / 88
    given_scale = interpolate(array, scale_factor=scale, mode="linear")
    recomputed = interpolate(array, scale_factor=scale, mode="linear", recompute_scale_factor=True)
    assert not np.array_equal(given_scale, recomputed)
    assert np.array_equal(recomputed, interpolate(array, size=119, mode="linear"))


def test_size_of_equal_axes_is_kept_by_the_linear_family_alone():
    array = naive.pseudo_random((1, 1, 9), "float32", 5)
    assert np.array_equal(interpolate(array, scale_factor=1.1, mode="linear"), array)
    assert not np.array_equal(interpolate(array, scale_factor=1.1, mode="cubic"), array)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_size_of_equal_axes_is_kept_in_fixed_point(mode):
    array = naive.pseudo_random((1, 1, 9, 8), "uint8", 6)
    result = interpolate(array, scale_factor=(1.1, 1.1), mode=mode)
    assert np.array_equal(result, array)
    wider = interpolate(array, scale_factor=(1.1, 2.0), mode=mode)
    assert np.array_equal(wider, interpolate(array, size=(9, 16), mode=mode))


@st.composite
def requests(draw):
    """Draw the arguments of a call: a seed, a shape, a target, a mode, its switches, a dtype."""
    spatial = draw(st.integers(1, 3))
    most = {1: 40, 2: 14, 3: 7}[spatial]
    shape = (
        draw(st.integers(1, 2)),
        draw(st.sampled_from([1, 2, 3])),
        *(draw(st.integers(1, most)) for _ in range(spatial)),
    )
    mode = draw(st.sampled_from(MODES_OF[spatial]))
    rule = RULE_OF.get(mode, mode)
    is_tapped = rule in ("linear", "cubic")
    options = {"mode": mode, "antialias": rule == "lanczos" or (is_tapped and draw(st.booleans()))}
    if is_tapped:
        options["align_corners"] = draw(st.booleans())
    if draw(st.booleans()):
        options["size"] = tuple(draw(st.integers(1, 2 * most)) for _ in range(spatial))
    else:
        options["scale_factor"] = tuple(
            draw(st.floats(1 / n, 3.5).filter(lambda f, n=n: int(n * f) >= 1)) for n in shape[2:]
        )
        options["recompute_scale_factor"] = draw(st.booleans())
    dtype = draw(st.sampled_from(EVERY_DTYPE))
    return draw(st.integers(0, 99)), shape, dtype, options


@settings(max_examples=400, deadline=None)
@given(requests())
def test_any_request_is_the_formula(request):
    seed, shape, dtype, options = request
    array = naive.pseudo_random(shape, "float64", seed)
    array = (array > 100 if dtype == "bool" else array / 2).astype(dtype)
    result = interpolate(array, **options)

    scales = options.get("scale_factor")
    sizes = options.get("size") or [int(n * f) for n, f in zip(shape[2:], scales, strict=True)]
    rule = RULE_OF.get(options["mode"], options["mode"])
    if options.get("recompute_scale_factor") or rule == "area":
        scales = None
    is_double = dtype in ("float64", "complex128")
    expected = naive.interpolate(
        array.real,
        tuple(sizes),
        rule,
        scales,
        options.get("align_corners", False),
        options["antialias"],
        np.float64 if is_double else np.float32,
        is_fixed_point=dtype == "uint8" and len(shape) == 4 and rule not in ("area", "nearest"),
        is_small=len(shape) == 4 and sum(sizes) <= 128,
    )
    assert result.shape == expected.shape
    assert result.dtype == dtype
    if rule.startswith("nearest"):
        assert np.array_equal(result.real, expected)
    elif dtype == "bool":
        is_clear = np.abs(expected - 0.5) > 1e-5
        assert np.array_equal(result[is_clear], (expected >= 0.5)[is_clear])
    else:
        limits = np.iinfo(dtype) if result.dtype.kind in "iu" else None
        if limits:
            expected = np.clip(expected, limits.min, limits.max)
        error = {"float64": 1e-12, "complex128": 1e-12, "float16": 2e-3}.get(dtype, 2e-5)
        slack = {"uint8": 2} if len(shape) == 4 else {}
        whole = slack.get(dtype, 0.51) if limits else 0
        np.testing.assert_allclose(result.real, expected, atol=whole + error * 128, rtol=0)


def test_a_mask_is_not_lost_silently():
    masked = np.ma.masked_array(np.zeros((1, 1, 4)), mask=[[[0, 1, 0, 0]]])
    with pytest.raises(TypeError, match=r"masked array.*filled"):
        interpolate(masked, size=2)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "cubic"])
def test_twice_the_size_by_another_scale_is_no_doubling(mode):
    """What is regular in the middle of a row may not be so at its end."""
    for size in range(1, 40):
        row = np.arange(size, dtype=np.float64).reshape(1, 1, size) ** 2
        for scale in np.linspace(2, 2 + 1 / size, 9, endpoint=False):
            result = interpolate(row, scale_factor=float(scale), mode=mode)
            expected = naive.interpolate(row, (2 * size,), mode, (float(scale),))
            np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-3)
