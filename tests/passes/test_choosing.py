"""An arithmetic answers for itself: it is chosen in one place, and told apart nowhere else."""

import ast
from pathlib import Path

import naive
import numpy as np
import pytest

import upsample_cli
from upsample_cli.passes import choosing, whole
from upsample_cli.passes.aligned import AlignedResampler
from upsample_cli.passes.arithmetic import Arithmetic, Joint
from upsample_cli.passes.axis_by_axis import AxisByAxis
from upsample_cli.passes.direct import DirectResampler
from upsample_cli.passes.elements import store
from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.streaming import planes_per_chunk, stream_bytes, stream_item
from upsample_cli.passes.whole import resample_array, strip_bytes
from upsample_cli.resources.pieces import Pieces
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.target import axis_from_scale, axis_from_size

ROOT = Path(upsample_cli.__file__).parent
SHAPE = (11, 5, 6)
LINEAR = Method(MODES["linear"])
UINT8 = np.dtype(np.uint8)


class Brightest(Joint):
    """A toy: the largest of the voxels around a sample."""

    dtype = np.dtype(np.float32)
    description = "the largest"

    def load(self, block):
        return np.ascontiguousarray(block, self.dtype)

    def sample(self, source, plans, target):
        for axis, plan in enumerate(plans, start=1):
            if plan is not None:
                source = np.take(source, plan.taps, axis).max(axis)
        target[...] = source

    def destination(self, target):
        return target if target.dtype == self.dtype else None

    def store(self, block, target):
        return store(block, target)


def all_subclasses(cls):
    return {cls}.union(*map(all_subclasses, cls.__subclasses__()))


def told_apart(path):
    """Yield the names that a file's ``isinstance`` and ``type(...) is`` compare with."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            yield from (n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name))
        if isinstance(node, ast.Compare) and ast.unparse(node.left).startswith("type("):
            yield from (n.id for n in ast.walk(node) if isinstance(n, ast.Name))


def test_no_arithmetic_and_no_resampler_is_told_apart():
    own = [*all_subclasses(Arithmetic), AlignedResampler, AxisByAxis, DirectResampler, Resampler]
    names = {cls.__name__ for cls in own if cls.__module__.startswith("upsample_cli.")}
    assert {"Copying", "Joint", "Labelling", "SmallBlending"} <= names
    found = {str(path): names.intersection(told_apart(path)) for path in ROOT.rglob("*.py")}
    assert len(found) > 100
    assert not {path: classes for path, classes in found.items() if classes}


@pytest.mark.parametrize("dtype_in", ["float32", "int16"])
@pytest.mark.parametrize("dtype_out", ["float32", "uint8"])
@pytest.mark.parametrize("scale", [(2, 2, 2), (2, 1, 1), (1, 2, 1), (0.5, 2, 3)], ids=str)
def test_a_new_arithmetic_is_one_class(monkeypatch, dtype_in, dtype_out, scale):
    monkeypatch.setattr(
        choosing, "choose_arithmetic", lambda _, method, *__: Brightest(method, np.float32)
    )
    monkeypatch.setattr(whole, "SLAB_BYTES", 1)
    monkeypatch.setattr(whole, "LEAST_BYTES", 1)
    axes = [axis_from_scale(n, s, LINEAR) for n, s in zip(SHAPE, scale, strict=True)]
    passes = Resampler(axes, LINEAR, dtype_in, dtype_out)
    item = naive.pseudo_random((*SHAPE, 2), "uint8", 1).astype(dtype_in)
    expected = np.empty((1, *passes.shape_out, 2), np.float32)
    Brightest(LINEAR, np.float32).sample(item[np.newaxis], passes.plans, expected)
    for threads in (1, 2):
        result = np.empty((1, *passes.shape_out, 2), dtype_out)
        assert resample_array(passes, item[np.newaxis], result, threads) == 0
        assert np.array_equal(result, expected.astype(dtype_out))
        chunk, slab = planes_per_chunk(passes, 2, threads)
        for size in (1, 4, chunk):
            chunks = (item[begin : begin + size] for begin in range(0, len(item), size))
            slabs = [part for part, _ in stream_item(passes, chunks, threads, slab)]
            assert np.array_equal(np.concatenate(slabs), result[0])
    # Nothing lies between the axes, and nothing before and after them where nothing is converted.
    assert (strip_bytes(passes, 1, 2, 1) == 0) == (dtype_in == dtype_out)
    assert stream_bytes(passes, 2, Pieces(1)) >= item[0].nbytes + result[0, 0].nbytes


@pytest.mark.parametrize(
    ("method", "dtype_out", "dimensions", "is_copied"),
    [
        (Method(MODES["cubic"]), "uint8", 2, True),
        (Method(MODES["cubic"]), "uint8", 3, False),
        (Method(MODES["cubic"]), "float32", 2, False),
        (Method(MODES["nearest"]), "uint8", 2, False),
    ],
)
def test_fixed_point_copies_where_the_size_stays(method, dtype_out, dimensions, is_copied):
    axes = [axis_from_scale(8, 1.1, method), *[axis_from_size(8, 5, method)] * (dimensions - 1)]
    scaled = choosing.scaled_axes(axes, method, UINT8, np.dtype(dtype_out))
    assert not axes[0].is_copy
    assert scaled == [AxisMap.copied(8) if is_copied else axes[0], *axes[1:]]
