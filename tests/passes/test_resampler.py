"""An array in memory: the same bits in slabs, in groups, and on any number of threads."""

import naive
import numpy as np
import pytest

from upsample_cli.passes import whole as module
from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.whole import resample_array
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.target import axis_from_scale, axis_from_size

METHODS = [
    ("nearest", False, False),
    ("nearest-exact", False, False),
    ("linear", False, False),
    ("linear", True, False),
    ("linear", False, True),
    ("cubic", True, False),
    ("cubic", False, True),
    ("area", False, False),
    ("lanczos", False, True),
]
SHAPE = (11, 6, 9)
SIZES = [(22, 12, 18), (4, 3, 20), (25, 6, 9), (1, 2, 2), (11, 12, 4)]
DTYPES = ["uint8", "int16", "float32", "float64", "complex64", "float16", "bool"]


def make(method, size, dtype, shape=SHAPE, dtype_out=None):
    method = Method(MODES[method[0]], *method[1:])
    axes = [axis_from_size(n, out, method) for n, out in zip(shape, size, strict=True)]
    return Resampler(axes, method, dtype, dtype_out)


def run(resampler, source, threads=1):
    shape = (len(source), *resampler.shape_out, source.shape[-1])
    target = np.empty(shape, resampler.dtype_out)
    return target, resample_array(resampler, source, target, threads)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_slabs_and_threads_change_nothing(monkeypatch, method, dtype):
    source = naive.pseudo_random((3, *SHAPE, 2), "float64", 1).astype(dtype)
    for size in SIZES:
        resampler = make(method, size, dtype)
        monkeypatch.setattr(module, "SLAB_BYTES", 2**30)
        whole = run(resampler, source)
        for slab_bytes, threads in [(1, 1), (300, 4), (3000, 2), (30_000, 3)]:
            monkeypatch.setattr(module, "SLAB_BYTES", slab_bytes)
            monkeypatch.setattr(module, "LEAST_BYTES", slab_bytes)
            parts = run(resampler, source, threads)
            assert np.array_equal(parts[0], whole[0])
            assert parts[1] == whole[1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_whole_is_the_formula(method, dtype):
    source = naive.pseudo_random((2, *SHAPE, 3), dtype, 2)
    for size in SIZES:
        result, misfits = run(make(method, size, dtype), source)
        expected = naive.interpolate(
            np.moveaxis(source, -1, 1), size, *method[:1], None, *method[1:]
        )
        error = 1e-5 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(np.moveaxis(result, -1, 1), expected, atol=error * 255)
        assert misfits == 0


@pytest.mark.parametrize("channels", [1, 3, 4, 16])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_channels_do_not_mix(dtype, channels):
    source = naive.pseudo_random((1, 7, 5, channels), dtype, 3)
    resampler = make(("cubic", False, False), (15, 9), dtype, (7, 5))
    together, _ = run(resampler, source)
    for c in range(channels):
        alone, _ = run(resampler, source[..., c : c + 1])
        assert np.array_equal(together[..., c], alone[..., 0])


def test_passes_run_x_first():
    """Rounding after each pass makes the order visible in uint8."""
    source = naive.pseudo_random((1, 9, 8, 1), "uint8", 4)
    both, _ = run(make(("cubic", False, False), (20, 30), "uint8", (9, 8)), source)
    x, _ = run(make(("linear", False, False), (9, 8), "uint8", (9, 8)), source)
    assert np.array_equal(x, source)
    method = Method(MODES["cubic"])
    keep = axis_from_scale(9, 1.0, method)
    axes = [keep, axis_from_size(8, 30, method)]
    x, _ = run(Resampler(axes, method, "uint8"), source)
    axes = [axis_from_size(9, 20, method), axis_from_scale(30, 1.0, method)]
    x_then_y, _ = run(Resampler(axes, method, "uint8"), x)
    assert np.array_equal(both, x_then_y)


def test_copied_axes_have_no_plan():
    resampler = make(("linear", False, False), (11, 12, 9), "float32")
    assert [plan is None for plan in resampler.plans] == [True, False, True]
    cubic = Method(MODES["cubic"])
    assert Resampler([axis_from_scale(9, 1.05, cubic)], cubic, "float32").plans[0] is not None


def test_nothing_to_do_is_a_copy():
    source = naive.pseudo_random((2, *SHAPE, 1), "float32", 5)
    result, misfits = run(make(("linear", False, False), SHAPE, "float32"), source)
    assert np.array_equal(result, source)
    assert not np.shares_memory(result, source)
    assert misfits == 0


@pytest.mark.parametrize(("lo", "hi"), [(0, 1), (3, 8), (21, 22), (0, 22)])
def test_window_names_the_planes_that_are_read(lo, hi):
    resampler = make(("cubic", False, False), (22, 12, 18), "float32")
    source = naive.pseudo_random((1, *SHAPE, 2), "float32", 6)
    whole, _ = run(resampler, source)
    first, last, _ = resampler.part(lo, hi)
    spoilt = source[0].copy()
    spoilt[:first], spoilt[last:] = np.nan, np.nan
    slab = np.empty((hi - lo, 12, 18, 2), np.float32)
    resampler.slab(spoilt, lo, hi, slab)
    assert np.array_equal(slab, whole[0, lo:hi])
    for unread in {first, last - 1}:
        spoilt = source[0].copy()
        spoilt[unread] = np.nan
        resampler.slab(spoilt, lo, hi, slab)
        assert np.isnan(slab).any()


def test_misfits_are_counted_over_all_slabs(monkeypatch):
    source = np.arange(-50, 350, dtype="int16").reshape(1, 20, 20, 1)
    resampler = make(("nearest", False, False), (40, 20), "int16", (20, 20), "uint8")
    for slab_bytes in (1, 100, 2**20):
        monkeypatch.setattr(module, "SLAB_BYTES", slab_bytes)
        result, misfits = run(resampler, source, 2)
        assert np.array_equal(result, np.clip(source, 0, 255).repeat(2, axis=1))
        assert misfits == 2 * (50 + 94)


def test_no_items():
    resampler = make(("linear", False, False), (22, 12, 18), "float32")
    result, misfits = run(resampler, np.empty((0, *SHAPE, 1), "float32"))
    assert result.shape == (0, 22, 12, 18, 1)
    assert misfits == 0
