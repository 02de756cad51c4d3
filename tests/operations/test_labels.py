"""Label maps: the vote, what it never does, and what is said about labels."""

import math
import tracemalloc

import naive
import nibabel as nib
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from upsample_cli.errors import RequestError
from upsample_cli.functional import interpolate
from upsample_cli.passes.labels import FEW_VALUES, HiddenLabels, LabelCounts, VanishedLabels
from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.streaming import ring_bytes, stream_item
from upsample_cli.passes.whole import resample_array
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.target import axis_from_size

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def resized(labels, sizes, align_corners=False, antialias=False):
    return interpolate(
        labels[np.newaxis, np.newaxis],
        size=list(sizes),
        mode="label",
        align_corners=align_corners or None,
        antialias=antialias,
    )[0, 0]


def pick(rng, dtype, shape, count):
    """Return a map of ``count`` labels from the ends and the middle of a dtype's range."""
    limits = np.iinfo(dtype)
    known = [limits.max, limits.max - 1, limits.min, limits.min + 1, 0, 1, 3, 2]
    return np.array(known[:count], dtype)[rng.integers(0, count, shape)]


@given(
    seed=st.integers(0, 2**32),
    shapes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 8)), min_size=1, max_size=3),
    dtype=st.sampled_from(INTEGERS),
    count=st.integers(1, 8),
    align_corners=st.booleans(),
    antialias=st.booleans(),
)
@example(1, [(9, 3), (9, 2), (9, 4)], "uint64", 8, False, True)
@example(2, [(3, 9), (3, 9), (3, 6)], "int8", 4, False, False)
def test_the_vote_is_the_plain_loops(seed, shapes, dtype, count, align_corners, antialias):
    labels = pick(np.random.default_rng(seed), dtype, [n for n, _ in shapes], count)
    sizes = [n for _, n in shapes]
    expected = naive.elect(labels, sizes, None, align_corners, antialias)
    result = resized(labels, sizes, align_corners, antialias)
    assert result.dtype == labels.dtype
    assert np.array_equal(result, expected)


@pytest.mark.parametrize("scale", [1.3, 1.999, 0.7])
def test_the_step_of_a_scale_is_kept(scale):
    labels = pick(np.random.default_rng(5), "uint8", (7, 9, 8), 3)
    result = interpolate(labels[np.newaxis, np.newaxis], scale_factor=scale, mode="label")[0, 0]
    assert np.array_equal(result, naive.elect(labels, result.shape, [scale] * 3))


@pytest.mark.parametrize(
    ("labels", "size", "expected"),
    [
        # The sample lies in the middle of two voxels, of which the upper one is the nearest.
        ([5, 2], [1], [2]),
        ([2, 5], [1], [5]),
        # Of four voxels the nearest is 1; two others stand together.
        ([[9, 8], [8, 1]], [1, 1], [[8]]),
        # All tie, and the nearest wins, though it is not the smallest.
        ([[4, 3], [2, 5]], [1, 1], [[5]]),
        # 4/9 is the weight of the nearest, and 2/9 + 2/9 that of its two neighbours.
        ([[7, 3], [3, 6]], [6, 6], None),
    ],
)
def test_ties(labels, size, expected):
    labels = np.array(labels, "int16")
    result = resized(labels, size)
    if expected is None:
        assert result[2, 2] == 7
        expected = naive.elect(labels, size)
    assert np.array_equal(result, expected)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
@pytest.mark.parametrize(("low", "high"), [(-3, 4), (4, 9), (-9, -4)])
def test_a_tie_without_the_nearest_goes_to_the_smaller_label(low, high, dtype):
    for first, second in [(low, high), (high, low)]:
        cube = [[[first, second], [second, first]], [[first, second], [7, 100]]]
        assert resized(np.array(cube, dtype), (1, 1, 1))[0, 0, 0] == low


@pytest.mark.parametrize("antialias", [False, True])
def test_thousands_of_labels(antialias):
    rng = np.random.default_rng(3)
    labels = rng.permutation(9 * 30 * 31).astype("int32").reshape(9, 30, 31) * 7 - 10_000
    result = resized(labels, (5, 14, 17), antialias=antialias)
    assert np.array_equal(result, naive.elect(labels, result.shape, antialias=antialias))


def blobs(shape, count=5, dtype="uint8"):
    """Return patches of labels, a few voxels wide."""
    coarse = np.random.default_rng(8).integers(0, count, [n // 3 + 1 for n in shape])
    for axis, n in enumerate(shape):
        coarse = coarse.repeat(3, axis).take(range(n), axis)
    return np.ascontiguousarray(coarse.astype(dtype))


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64"])
def test_streamed_equals_whole_for_any_number_of_threads(dtype, antialias):
    labels = blobs((17, 11, 13), dtype=dtype)[..., np.newaxis]
    method = Method(MODES["label"], antialias=antialias)
    for size in [(34, 22, 26), (5, 4, 20), (17, 20, 13), (40, 11, 13), (1, 1, 1), (17, 11, 13)]:
        axes = [axis_from_size(n, out, method) for n, out in zip((17, 11, 13), size, strict=True)]
        resampler = Resampler(axes, method, dtype)
        whole = np.empty((1, *size, 1), dtype)
        resample_array(resampler, labels[np.newaxis], whole, 1)
        assert np.array_equal(
            whole[0, ..., 0], naive.elect(labels[..., 0], size, None, False, antialias)
        )
        for chunk, slab, threads in [(1, 1, 1), (2, 3, 3), (5, 100, 2), (17, 2, 4)]:
            again = np.empty_like(whole)
            resample_array(resampler, labels[np.newaxis], again, threads)
            assert np.array_equal(again, whole)
            chunks = (labels[lo : lo + chunk] for lo in range(0, 17, chunk))
            parts = [part for part, _ in stream_item(resampler, chunks, threads, slab)]
            assert np.array_equal(np.concatenate(parts), whole[0])


def test_large_maps_on_threads(monkeypatch):
    labels = blobs((40, 50, 60), 300, "int16")
    axes = [axis_from_size(n, 2 * n, Method(MODES["label"])) for n in labels.shape]
    resampler = Resampler(axes, Method(MODES["label"]), "int16", "int32")
    results = []
    for threads in (1, 2, 5):
        target = np.empty((1, *resampler.shape_out, 1), "int32")
        resample_array(resampler, labels[np.newaxis, ..., np.newaxis], target, threads)
        results.append(target[0, ..., 0])
    assert all(np.array_equal(result, resized(labels, resampler.shape_out)) for result in results)


def test_memory_does_not_grow_with_depth():
    announced, peaks = [], []
    method = Method(MODES["label"])
    for depth in (60, 240):
        shape = (depth, 128, 128)
        resampler = Resampler([axis_from_size(n, 2 * n, method) for n in shape], method, "int16")
        announced.append(ring_bytes(resampler, 1, 2))
        planes = (np.zeros((2, 128, 128, 1), "int16") for _ in range(depth // 2))
        tracemalloc.start()
        for _ in stream_item(resampler, planes, 1, 2):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert announced[0] == announced[1] == 4 * 128 * 128 * 2
    assert peaks[1] < 1.2 * peaks[0]


def surface_error(mode, factor, radius=6.3, size=17):
    """Return how far a sphere's faces lie from it, root mean square, in voxels of the input."""
    centre = np.array([8.2, 7.9, 8.1])
    grid = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij"), -1) - centre
    sphere = (np.linalg.norm(grid, axis=-1) < radius).astype("uint8")
    fine = interpolate(sphere[np.newaxis, np.newaxis], scale_factor=factor, mode=mode)[0, 0]
    distances = []
    for axis in range(3):
        faces = np.argwhere(np.diff(fine.astype(int), axis=axis)).astype(float)
        faces[:, axis] += 0.5
        place = (faces + 0.5) / factor - 0.5
        distances.append(np.linalg.norm(place - centre, axis=1) - radius)
    return math.sqrt(np.mean(np.concatenate(distances) ** 2))


@pytest.mark.parametrize(("factor", "most"), [(2, 0.85), (3, 0.7), (4, 0.7)])
@pytest.mark.parametrize("radius", [4.4, 5.2, 6.3])
def test_a_sphere_is_nearer_to_its_surface_than_with_nearest(factor, most, radius):
    # Doubled, even the sphere itself, sampled anew, has 0.38 of nearest's error: that of its faces.
    nearest = surface_error("nearest-exact", factor, radius)
    assert surface_error("label", factor, radius) <= most * nearest


def test_counts():
    counts = LabelCounts()
    labels = np.arange(-3000, 3000, dtype="int64") * 2**40
    counts.add(labels.repeat(3))
    counts.add(np.array([7, 7, -3, 7], "int64"))
    assert len(counts.voxels) == 6002
    assert (counts.voxels[-3000 * 2**40], counts.runs[-3000 * 2**40]) == (3, 1)
    assert (counts.voxels[7], counts.runs[7], counts.voxels[-3]) == (3, 2, 1)
    counts = LabelCounts()
    counts.add(np.array([True, False, True]))
    counts.add(np.empty((0, 3), "bool"))
    assert counts.voxels == {True: 2, False: 1}


def test_vanished_labels_are_named_and_counted():
    watch = VanishedLabels("voxel")
    watch.add_input(np.array([17, 1, 17, 17, 40, 2**63], "uint64"))
    watch.add_output(np.array([1, 1], "uint64"))
    watch.add_output(np.array([2**63], "uint64"))
    assert list(watch.warnings()) == ["labels 17 (3 voxels), 40 (1 voxel) vanished"]
    watch.add_output(np.array([17, 40], "uint64"))
    assert list(watch.warnings()) == []
    watch.add_input(np.arange(100, 112, dtype="int16"))
    (message,) = watch.warnings()
    assert message.endswith("109 (1 voxel) and 2 more vanished")


def test_one_voxel_vanishes_and_is_reported(tmp_path, resample):
    labels = np.ones((6, 7, 8), "int16")
    labels[2, 3, 4] = 40
    nib.save(nib.Nifti1Image(labels, np.eye(4)), tmp_path / "in.nii.gz")
    done = resample(tmp_path / "in.nii.gz", tmp_path / "out.nii", scale=0.5, labels=True)
    assert done.warnings == ["label 40 (1 voxel) vanished"]
    assert any("--antialias" in hint for hint in done.hints)
    # Each of the eight outputs around it has only 0.75³ of its weight on it.
    done = resample(tmp_path / "in.nii.gz", tmp_path / "out2.nii", scale=2, mode="label")
    assert done.warnings == ["label 40 (1 voxel) vanished"]
    labels[2, 3, 3] = 40
    nib.save(nib.Nifti1Image(labels, np.eye(4)), tmp_path / "in2.nii.gz")
    done = resample(tmp_path / "in2.nii.gz", tmp_path / "out3.nii", scale=2, mode="label")
    assert done.warnings == []


def test_the_intent_selects_the_mode(tmp_path, cli, samples):
    source = samples / "labels.nii.gz"
    done = cli("resample", source, "by_intent.nii", "-x", "2")
    assert "label (by its intent), " in done.stderr
    for number, how in enumerate([["--labels"], ["-m", "label"], ["--labels", "-m", "label"]]):
        named = cli("resample", source, f"{number}.nii", "-x", "2", "-j", number + 1, *how)
        assert "uint8, label, " in named.stderr
        assert (tmp_path / f"{number}.nii").read_bytes() == (
            tmp_path / "by_intent.nii"
        ).read_bytes()
    before, after = (np.asarray(nib.load(p).dataobj) for p in (source, tmp_path / "0.nii"))
    assert np.array_equal(after.T, naive_volume(before.T))
    done = cli("explain", source, "-x", "2")
    assert "mode     label\n" in done.stdout.decode()
    assert (
        "mode     label\n"
        in cli("explain", samples / "brain.nii.gz", "-x", "2", "--labels").stdout.decode()
    )


def naive_volume(labels):
    """Double a volume by one-hot trilinear interpolation; what ties there is left to the vote."""
    result = resized(labels, [2 * n for n in labels.shape])
    values = np.unique(labels)
    shares = [
        interpolate(
            (labels == value).astype("float64")[np.newaxis, np.newaxis],
            scale_factor=2,
            mode="trilinear",
        )[0, 0]
        for value in values
    ]
    most = np.max(shares, axis=0)
    is_tied = np.sum([share == most for share in shares], axis=0) > 1
    return np.where(is_tied, result, values[np.argmax(shares, axis=0)])


def test_a_mode_beside_labels_is_refused(cli, samples):
    done = cli(
        "resample", samples / "labels.nii.gz", "out.nii", "-x", "2", "--labels", "-m", "cubic"
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "--labels: does not go with mode cubic" in done.stderr


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("photo.png", "has 3 values a pixel"),
        ("logo.png", "has 4 values a pixel"),
        ("bold.nii.gz", "takes whole numbers, not float32; use nearest-exact"),
    ],
)
def test_what_holds_no_labels_is_refused(tmp_path, resample, samples, name, problem):
    output = tmp_path / f"out{name[name.index('.') :]}"
    with pytest.raises(RequestError, match=problem):
        resample(samples / name, output, scale=2, mode="label")


def test_labels_stay_whole_numbers(tmp_path, resample, samples):
    source = samples / "labels.nii.gz"
    with pytest.raises(RequestError, match=r"--dtype: mode label takes whole numbers, not float32"):
        resample(source, tmp_path / "out.nii", scale=2, dtype="float32")
    resample(source, tmp_path / "wide.nii", scale=2, dtype="int32")
    resample(source, tmp_path / "own.nii", scale=2)
    wide, own = (np.asarray(nib.load(tmp_path / f"{n}.nii").dataobj) for n in ("wide", "own"))
    assert np.array_equal(wide, own)


@pytest.mark.parametrize("suffix", [".nii.gz", ".npy", ".png"])
def test_a_label_that_the_dtype_cannot_hold_is_refused(tmp_path, resample, holds_only, suffix):
    labels = np.full((6, 7), 300, "uint16")
    source = tmp_path / f"in{suffix}"
    if suffix == ".npy":
        np.save(source, labels)
    elif suffix == ".png":
        Image.fromarray(labels).save(source)
    else:
        nib.save(nib.Nifti1Image(labels[..., None], np.eye(4)), source)
    with pytest.raises(RequestError, match="--dtype: label 300 does not fit in uint8; use uint16"):
        resample(source, tmp_path / f"out{suffix}", scale=2, labels=True, dtype="uint8")
    holds_only(f"in{suffix}")
    done = resample(source, tmp_path / f"out{suffix}", scale=2, mode="nearest-exact", dtype="uint8")
    assert done.warnings[0].endswith(" values do not fit in uint8: they were saturated")


def test_float_voxels_of_a_label_map_are_blurred_with_a_warning(tmp_path, resample):
    image = nib.Nifti1Image(np.ones((4, 5, 6), "float32"), np.eye(4))
    image.header.set_intent("label")
    nib.save(image, tmp_path / "in.nii")
    (warning,) = resample(tmp_path / "in.nii", tmp_path / "out.nii", scale=2).warnings
    assert "mode linear invents values" in warning
    assert warning.endswith("use nearest-exact")


@pytest.mark.parametrize("mode", ["L", "P", "1", "I;16"])
def test_images_vote_on_grey_values_and_palette_indices(tmp_path, resample, mode):
    values = blobs((20, 26), 4)
    if mode == "I;16":
        image = Image.fromarray(values.astype("uint16") * 9000)
    else:
        image = Image.fromarray(values if mode == "P" else values // 2 * 255).convert(mode)
    if mode == "P":
        image = Image.frombytes("P", (26, 20), values.tobytes())
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(tmp_path / "in.png")
    assert resample(tmp_path / "in.png", tmp_path / "out.png", scale=2, mode="label").warnings == []
    with Image.open(tmp_path / "in.png") as before, Image.open(tmp_path / "out.png") as after:
        assert after.mode == before.mode
        assert np.array_equal(np.asarray(after), resized(np.asarray(before), (40, 52)))


def test_arrays_and_series_vote_item_by_item(tmp_path, resample):
    series = np.stack([blobs((6, 7, 8), n, "int16") for n in (2, 3, 9)])
    nib.save(nib.Nifti1Image(series.T, np.eye(4)), tmp_path / "in.nii.gz")
    np.save(tmp_path / "in.npy", series)
    resample(tmp_path / "in.nii.gz", tmp_path / "out.nii.gz", scale=2, labels=True)
    resample(tmp_path / "in.npy", tmp_path / "out.npy", scale=(2, 2, 2), labels=True)
    expected = np.stack([resized(item, (12, 14, 16)) for item in series])
    assert np.array_equal(np.asarray(nib.load(tmp_path / "out.nii.gz").dataobj).T, expected)
    assert np.array_equal(np.load(tmp_path / "out.npy"), expected)


def hidden(values):
    watch = HiddenLabels("looks like labels")
    for plane in values:
        watch.add_input(plane)
    return list(watch.warnings())


def test_what_looks_like_labels():
    noise = np.random.default_rng(1)
    scan = noise.normal(100, 30, (20, 40, 40)).clip(0, 255)
    scan[:, :20] = 0
    assert hidden(blobs((20, 40, 40), 12)) == ["looks like labels"]
    assert hidden(blobs((20, 40, 40), 2) * 255) == ["looks like labels"]
    assert hidden(blobs((20, 40, 40), 2)) == []  # between 0 and 1 there is no other
    assert hidden(np.zeros((5, 6, 7), "int16")) == []
    assert hidden(scan.astype("uint8")) == []
    assert hidden(scan.astype("int16") * 9 - 1000) == []
    assert hidden((scan / 16).astype("uint8")) == []
    assert hidden(blobs((20, 60, 60), FEW_VALUES + 100, "int16")) == []


def test_blurring_what_looks_like_labels_gives_a_warning(tmp_path, resample, samples):
    for name, scale in [("plain", None), ("scaled", 0.5)]:
        image = nib.Nifti1Image(blobs((20, 22, 24), 9), np.eye(4))
        if scale is not None:
            image.header.set_slope_inter(scale, 1)
        nib.save(image, tmp_path / f"{name}.nii.gz")
    warned = resample(tmp_path / "plain.nii.gz", tmp_path / "a.nii", scale=2).warnings
    assert [w.partition(": ")[2] for w in warned] == [
        "looks like labels, few values in patches, and mode linear invents values between them; "
        "use label"
    ]
    for name, mode in [("plain", "nearest-exact"), ("plain", "label"), ("scaled", "linear")]:
        source = tmp_path / f"{name}.nii.gz"
        assert resample(source, tmp_path / f"{name}-{mode}.nii", scale=2, mode=mode).warnings == []
    assert resample(samples / "brain.nii.gz", tmp_path / "b.nii", scale=2).warnings == []
