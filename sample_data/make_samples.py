"""Make the sample images and volumes in this folder.

Run ``python sample_data/make_samples.py``. Everything is an analytic phantom or a procedural
picture, so nothing is downloaded, and fixed seeds make every run write the same bytes.

``brain.nii.gz``
    T1-like head, 64 x 84 x 32 voxels of 2.5 x 2.25 x 4.5 mm, oblique to the scanner axes. Stored
    as int16 with ``scl_slope`` 0.5 and ``scl_inter`` -8, with slice timing, display range and a
    comment extension in the header.
``labels.nii.gz``
    uint8 tissue labels on the grid of ``brain.nii.gz``, with the label intent code: 0 background,
    1 CSF, 2 grey matter, 3 white matter, 4 ventricle, 5 skull, 6 soft tissue.
``bold.nii.gz``
    The same head as a float32 time series, 24 x 28 x 12 voxels x 6 volumes, 2 s apart, with a
    slow sinusoidal activation. The first voxel axis runs right to left, so ``qfac`` is -1.
``photo.png``
    320 x 240 RGB landscape with smooth gradients, fine texture, hard edges, thin diagonal lines
    and a resolution chart. Carries a 144 DPI density, a ``Title`` text chunk and an sRGB profile.
``logo.png``
    160 x 160 RGBA mark in warm colours. Its fully transparent pixels hold a strong magenta, which
    bleeds into the edges of the mark under any resampler that ignores alpha.

Needs numpy, Pillow and nibabel. World coordinates are millimetres in NIfTI's RAS+ frame: x to the
right, y to the front, z to the top of the head.
"""

from __future__ import annotations

import gzip
import io
import struct
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageDraw
from PIL.PngImagePlugin import PngInfo

HERE = Path(__file__).resolve().parent

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Point = tuple[float, float]
Colour = tuple[int, int, int]


# --------------------------------------------------------------------------------------------
# Head phantom
# --------------------------------------------------------------------------------------------


class Tissue(NamedTuple):
    """One material of the phantom: its label and its mean signal in each contrast."""

    label: int
    t1: float
    bold: float


TISSUES: dict[str, Tissue] = {
    "air": Tissue(label=0, t1=0.0, bold=0.0),
    "csf": Tissue(label=1, t1=38.0, bold=880.0),
    "grey": Tissue(label=2, t1=118.0, bold=700.0),
    "white": Tissue(label=3, t1=178.0, bold=580.0),
    "ventricle": Tissue(label=4, t1=32.0, bold=920.0),
    "skull": Tissue(label=5, t1=22.0, bold=60.0),
    "muscle": Tissue(label=6, t1=92.0, bold=240.0),
    "fat": Tissue(label=6, t1=205.0, bold=150.0),
    "eye": Tissue(label=6, t1=45.0, bold=900.0),
}
CODES: dict[str, int] = {name: code for code, name in enumerate(TISSUES)}

CEREBRUM_CENTRE = (0.0, -14.0, 14.0)
CEREBRUM_AXES = (59.0, 72.0, 54.0)
CEREBRUM_BASE_DEPTH = 33.0  # mm; the underside of a brain is flatter than its top

CSF_RIM = 3.0  # mm from the brain to the inside of the skull
SKULL_RIM = 8.5  # mm from the brain to the outside of the skull
SCALP_RIM = 14.0  # mm from the brain to the skin
CORTEX_THICKNESS = 3.6  # mm; a little thick, so that it survives these voxels
SULCUS_HALF_WIDTH = 0.9  # mm


class Grid(NamedTuple):
    """A voxel grid: its shape and the affine from voxel indices to world millimetres."""

    shape: tuple[int, int, int]
    affine: Floats


def rotation(axis: int, degrees: float) -> Floats:
    """Return the 3 x 3 right-handed rotation about world axis 0, 1 or 2."""
    angle = np.deg2rad(degrees)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[second, first] = np.sin(angle)
    matrix[first, second] = -np.sin(angle)
    return matrix


def oblique_grid(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    centre: tuple[float, float, float],
    turn: Floats,
) -> Grid:
    """Return a grid of ``spacing`` mm turned by ``turn``, with its middle at ``centre`` in mm.

    A negative spacing makes that voxel axis run backwards.
    """
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(spacing)
    middle = (np.array(shape) - 1) / 2
    affine[:3, 3] = np.array(centre) - affine[:3, :3] @ middle
    return Grid(shape, affine)


def world_points(grid: Grid, offset: tuple[float, ...]) -> Floats:
    """Return the world position in mm of every voxel shifted by ``offset`` voxels: (3, *shape)."""
    indices = np.indices(grid.shape, dtype=np.float64) + np.reshape(offset, (3, 1, 1, 1))
    turned = np.tensordot(grid.affine[:3, :3], indices, axes=1)
    return np.asarray(turned + grid.affine[:3, 3].reshape(3, 1, 1, 1))


def ellipsoid(points: Floats, centre: tuple[float, ...], axes: tuple[float, ...]) -> Floats:
    """Return the approximate signed distance in mm to an ellipsoid, negative inside it."""
    column = (3, 1, 1, 1)
    local = points - np.reshape(centre, column)
    once = np.linalg.norm(local / np.reshape(axes, column), axis=0)
    twice = np.linalg.norm(local / np.reshape(axes, column) ** 2, axis=0)
    return np.asarray(once * (once - 1) / np.maximum(twice, 1e-6))


def mirrored(points: Floats) -> Floats:
    """Fold the left half of the head onto the right, so that paired organs are written once."""
    return np.stack([np.abs(points[0]), points[1], points[2]])


def merge(first: Floats, second: Floats, blend: float) -> Floats:
    """Return the union of two signed distances, rounded off over ``blend`` mm at the join."""
    overlap = np.maximum(blend - np.abs(first - second), 0) / blend
    return np.asarray(np.minimum(first, second) - overlap**2 * blend / 4)


def cerebrum_distance(points: Floats) -> Floats:
    """Return the signed distance in mm to the cerebrum with its temporal lobes."""
    x, y, z = points
    height = z - CEREBRUM_CENTRE[2]
    stretch = np.where(height < 0, CEREBRUM_AXES[2] / CEREBRUM_BASE_DEPTH, 1.0)
    rounded = np.stack([x, y, CEREBRUM_CENTRE[2] + height * stretch])
    dome = ellipsoid(rounded, CEREBRUM_CENTRE, CEREBRUM_AXES)
    temporal = ellipsoid(mirrored(points), (34.0, -2.0, -17.0), (20.0, 36.0, 17.0))
    return merge(dome, temporal, 4.0)


def cerebellum_distance(points: Floats) -> Floats:
    """Return the signed distance in mm to the cerebellum."""
    return ellipsoid(mirrored(points), (13.0, -54.0, -31.0), (33.0, 25.0, 18.0))


def brainstem_distance(points: Floats) -> Floats:
    """Return the signed distance in mm to the brainstem, which tapers into the spinal cord."""
    x, y, z = points
    axis_y = -20.0 + 0.16 * (z + 5.0)
    pons = ellipsoid(points, (0.0, -20.0, -24.0), (16.0, 14.0, 15.0))
    radius = np.clip(10.5 + 0.07 * (z + 40.0), 7.0, 13.0)
    cord = np.maximum(np.hypot(x, y - axis_y) - radius, z - 2.0)
    return merge(pons, cord, 8.0)


def skin_distance(points: Floats, brain: Floats) -> Floats:
    """Return the signed distance in mm to the skin: cranium, face, nose and neck."""
    x, y, z = points
    face = ellipsoid(points, (0.0, 24.0, -36.0), (50.0, 46.0, 56.0))
    nose = ellipsoid(points, (0.0, 66.0, -34.0), (11.0, 14.0, 17.0))
    neck = np.maximum(np.hypot(x, y + 28.0) - 50.0, z + 16.0)
    return merge(merge(merge(brain - SCALP_RIM, face, 14.0), neck, 22.0), nose, 8.0)


def fold_pattern(points: Floats, wavelength: float, seed: int) -> Floats:
    """Return a smooth random field of unit variance whose sign changes twice per wavelength (mm).

    It is a sum of plane waves; its zero level is a winding sheet, much like a sulcus.
    """
    rng = np.random.default_rng(seed)
    waves = 28
    directions = rng.normal(size=(waves, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    frequencies = 2 * np.pi / wavelength * rng.uniform(0.8, 1.2, size=(waves, 1))
    phases = rng.uniform(0, 2 * np.pi, size=waves)
    field = np.zeros(points.shape[1:])
    for wave, phase in zip(directions * frequencies, phases, strict=True):
        field += np.cos(np.tensordot(wave, points, axes=1) + phase)
    return np.asarray(field * np.sqrt(2 / waves))


def sulcus_distance(points: Floats, depth: Floats) -> Floats:
    """Return the distance in mm to the nearest sulcus, ``depth`` being mm below the surface.

    The folds are a pattern on the surface that is carried inwards, so that sulci stand upright.
    """
    wavelength = 27.0
    column = (3, 1, 1, 1)
    local = (points - np.reshape(CEREBRUM_CENTRE, column)) / np.reshape(CEREBRUM_AXES, column)
    radius = np.maximum(np.linalg.norm(local, axis=0), 0.1)
    surface = local / radius * np.reshape(CEREBRUM_AXES, column) + 0.2 * depth
    pattern = fold_pattern(surface, wavelength, seed=11)
    sideways = np.abs(pattern) * wavelength / (2 * np.pi) * np.minimum(radius, 1.0)
    floor = 15.0 + 5.0 * np.sin(surface[1] / 9.0) * np.cos(surface[2] / 11.0)
    return np.asarray(np.hypot(sideways, np.maximum(depth - floor, 0)))


def fissure_distance(points: Floats) -> Floats:
    """Return the distance in mm to the fissure between the hemispheres, above the callosum."""
    callosum = ellipsoid(points, (0.0, -12.0, 4.0), (60.0, 40.0, 26.0))
    return np.asarray(np.hypot(points[0], np.maximum(-callosum, 0)))


def deep_grey(points: Floats) -> Bools:
    """Return where the thalamus, caudate and putamen lie."""
    right = mirrored(points)
    thalamus = ellipsoid(right, (11.0, -20.0, 6.0), (8.0, 13.0, 8.0))
    caudate = ellipsoid(right, (15.0, 10.0, 14.0), (5.0, 13.0, 8.0))
    turned = np.stack([right[0] + 0.25 * (right[1] + 4.0), right[1], right[2]])
    putamen = ellipsoid(turned, (27.0, -2.0, 4.0), (5.5, 16.0, 11.0))
    return np.asarray(np.minimum(np.minimum(thalamus, caudate), putamen) < 0)


def ventricles(points: Floats) -> Bools:
    """Return where the lateral, third and fourth ventricles lie."""
    right = mirrored(points)
    outwards = np.stack([right[0] - 0.010 * (right[1] + 6.0) ** 2, right[1], right[2]])
    body = ellipsoid(outwards, (7.0, -8.0, 19.0), (4.5, 31.0, 8.0))
    horn = ellipsoid(right, (21.0, -42.0, 8.0), (6.0, 17.0, 8.0))
    third = ellipsoid(points, (0.0, -16.0, 4.0), (2.0, 13.0, 9.0))
    fourth = ellipsoid(points, (0.0, -36.0, -28.0), (6.0, 4.0, 9.0))
    return np.asarray((merge(body, horn, 5.0) < 0) | (third < 0) | (fourth < 0))


def paint_cerebrum(codes: Bytes, points: Floats, distance: Floats) -> None:
    """Write the tissues of the cerebrum into ``codes``, from the white matter outwards."""
    inside = distance < 0
    fissure = fissure_distance(points) - SULCUS_HALF_WIDTH
    sulcus = sulcus_distance(points, -distance) - SULCUS_HALF_WIDTH
    fold = np.minimum(sulcus, fissure)
    cortex = np.minimum(fold, -distance) < CORTEX_THICKNESS
    codes[inside] = CODES["white"]
    codes[inside & (cortex | deep_grey(points))] = CODES["grey"]
    codes[inside & (fold < 0)] = CODES["csf"]


def paint_hindbrain(codes: Bytes, points: Floats) -> None:
    """Write the cerebellum, with its fine folia, and the brainstem into ``codes``."""
    cerebellum = cerebellum_distance(points)
    _, y, z = points
    folia = np.sin(2 * np.pi * (np.arctan2(z + 31.0, y + 30.0) * 28.0) / 10.0)
    codes[cerebellum < 0] = CODES["grey"]
    codes[cerebellum < -8.5 - 6.5 * folia] = CODES["white"]
    codes[brainstem_distance(points) < 0] = CODES["white"]


def paint_face(codes: Bytes, points: Floats) -> None:
    """Write the airway, the jaw and the eyes into ``codes``."""
    right = mirrored(points)
    sinus = ellipsoid(points, (0.0, 52.0, -8.0), (13.0, 8.0, 9.0))
    airway = ellipsoid(points, (0.0, 34.0, -40.0), (9.0, 24.0, 10.0))
    jaw = np.abs(ellipsoid(points, (0.0, 20.0, -56.0), (38.0, 36.0, 14.0))) - 3.0
    codes[jaw < 0] = CODES["skull"]
    codes[np.minimum(sinus, airway) < 0] = CODES["air"]
    codes[ellipsoid(right, (29.0, 52.0, -22.0), (12.0, 12.0, 12.0)) < 0] = CODES["eye"]


def tissue_codes(points: Floats) -> Bytes:
    """Return the index into ``TISSUES`` at each world point: (3, *shape) mm to (*shape,)."""
    cerebrum = cerebrum_distance(points)
    brain = merge(cerebrum, cerebellum_distance(points), 14.0)
    skin = skin_distance(points, brain)
    codes = np.full(points.shape[1:], CODES["air"], dtype=np.uint8)
    codes[skin < 0] = CODES["fat"]
    codes[skin < -4.0] = CODES["muscle"]
    paint_face(codes, points)
    codes[brain < SKULL_RIM] = CODES["skull"]
    codes[np.abs(brain - (CSF_RIM + SKULL_RIM) / 2) < 0.7] = CODES["muscle"]  # bone marrow
    codes[np.minimum(brain, brainstem_distance(points)) < CSF_RIM] = CODES["csf"]
    paint_hindbrain(codes, points)
    paint_cerebrum(codes, points, cerebrum)
    codes[ventricles(points)] = CODES["ventricle"]
    return codes


def tissue_fractions(grid: Grid, samples: tuple[int, int, int]) -> Floats:
    """Return how much of each voxel every tissue fills: (tissues, *grid.shape), 0 to 1.

    Each voxel is sampled on a small regular lattice, which gives edges a true partial volume.
    """
    lattice = [(np.arange(count) + 0.5) / count - 0.5 for count in samples]
    fractions = np.zeros((len(TISSUES), *grid.shape))
    for offset in product(*lattice):
        codes = tissue_codes(world_points(grid, offset))
        for code in range(len(TISSUES)):
            fractions[code] += codes == code
    return fractions / np.prod(samples)


def signal(fractions: Floats, means: list[float]) -> Floats:
    """Return the noise-free signal of each voxel, given the mean signal of each tissue."""
    return np.asarray(np.tensordot(np.array(means), fractions, axes=1))


def rician(clean: Floats, sigma: float, rng: np.random.Generator) -> Floats:
    """Return ``clean`` as the magnitude of a complex signal with noise ``sigma`` per channel."""
    noise = rng.normal(scale=sigma, size=(2, *clean.shape))
    return np.asarray(np.hypot(clean + noise[0], noise[1]))


# --------------------------------------------------------------------------------------------
# Volumes
# --------------------------------------------------------------------------------------------

HEAD_CENTRE = (0.0, -11.0, 11.0)  # mm; the point in the middle of both fields of view

BRAIN_GRID = oblique_grid(
    shape=(64, 84, 32),
    spacing=(2.5, 2.25, 4.5),
    centre=HEAD_CENTRE,
    turn=rotation(0, 7.0) @ rotation(2, -4.0),
)
BRAIN_SLOPE, BRAIN_INTERCEPT = 0.5, -8.0

BOLD_GRID = oblique_grid(
    shape=(24, 28, 12),
    spacing=(-6.75, 6.75, 12.0),
    centre=HEAD_CENTRE,
    turn=rotation(0, -5.0) @ rotation(1, 3.0),
)
BOLD_VOLUMES = 6
BOLD_TR = 2.0  # seconds
ACTIVATION_CENTRE = (-32.0, -22.0, 46.0)  # mm; left motor cortex
ACTIVATION_WIDTH = 13.0  # mm, standard deviation
ACTIVATION_GAIN = 0.08  # of the signal; stronger than life, so that it shows
ACTIVATION_PERIOD = 12.0  # seconds


def place(header: Any, affine: Floats, qform_code: int, sform_code: int) -> None:
    """Write ``affine`` into both transforms of ``header``, equal to float32 precision."""
    header.set_qform(affine, qform_code)
    header.set_sform(header.get_qform(), sform_code)


def new_header(data: NDArray[Any], spacing: tuple[float, ...]) -> Any:
    """Return a little-endian single-file NIfTI-1 header for ``data``; spacing in mm and s."""
    header_class: Any = nib.Nifti1Header  # nibabel leaves its header classes untyped
    header = header_class(endianness="<")
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    header.set_zooms(spacing)
    header.set_xyzt_units("mm", "sec")
    header["scl_slope"], header["scl_inter"] = 1.0, 0.0
    header["descrip"] = b"upsample-cli phantom"
    return header


def set_slices(header: Any, code: int, duration: float) -> None:
    """Record that all slices lie along z, in acquisition order ``code``, ``duration`` s each."""
    header.set_dim_info(freq=0, phase=1, slice=2)
    header["slice_start"] = 0
    header["slice_end"] = header.get_data_shape()[2] - 1
    header["slice_code"] = code
    header["slice_duration"] = duration


def write_nifti(path: Path, header: Any, data: NDArray[Any]) -> None:
    """Write ``header`` and the stored values ``data`` as a reproducible ``.nii.gz``.

    ``nib.save`` would choose its own scale for integers and stamp the time into the gzip header.
    """
    body = io.BytesIO()
    header.write_to(body)
    body.write(b"\0" * (int(header["vox_offset"]) - body.tell()))
    body.write(data.astype(data.dtype.newbyteorder("<")).tobytes(order="F"))
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0) as packed,
    ):
        packed.write(body.getvalue())


def make_brain(fractions: Floats) -> None:
    """Write ``brain.nii.gz``, the scaled int16 head."""
    clean = signal(fractions, [tissue.t1 for tissue in TISSUES.values()])
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, size) for size in clean.shape), indexing="ij")
    coil_shading = 1.0 + 0.07 * i - 0.05 * j + 0.05 * k
    real = rician(clean * coil_shading, sigma=3.0, rng=np.random.default_rng(20))
    stored = np.rint((real - BRAIN_INTERCEPT) / BRAIN_SLOPE).astype(np.int16)

    header = new_header(stored, (2.5, 2.25, 4.5))
    place(header, BRAIN_GRID.affine, qform_code=1, sform_code=1)
    set_slices(header, code=3, duration=0.0625)  # alternating, upwards
    header["scl_slope"], header["scl_inter"] = BRAIN_SLOPE, BRAIN_INTERCEPT
    header["cal_min"], header["cal_max"] = 0.0, 230.0
    comment = b"Analytic T1-like head made by sample_data/make_samples.py"
    header.extensions.append(nib.nifti1.Nifti1Extension("comment", comment))
    write_nifti(HERE / "brain.nii.gz", header, stored)


def make_labels(fractions: Floats) -> None:
    """Write ``labels.nii.gz``, the label that fills most of each voxel of the brain grid."""
    labels = np.array([tissue.label for tissue in TISSUES.values()])
    filled = np.stack([fractions[labels == label].sum(axis=0) for label in range(max(labels) + 1)])
    stored = filled.argmax(axis=0).astype(np.uint8)

    header = new_header(stored, (2.5, 2.25, 4.5))
    place(header, BRAIN_GRID.affine, qform_code=1, sform_code=1)
    header.set_intent("label", name="tissue")
    header["cal_min"], header["cal_max"] = 0.0, float(max(labels))
    write_nifti(HERE / "labels.nii.gz", header, stored)


def make_bold() -> None:
    """Write ``bold.nii.gz``, the float32 time series."""
    fractions = tissue_fractions(BOLD_GRID, samples=(3, 3, 4))
    clean = signal(fractions, [tissue.bold for tissue in TISSUES.values()])
    points = world_points(BOLD_GRID, (0.0, 0.0, 0.0))
    offset = points - np.reshape(ACTIVATION_CENTRE, (3, 1, 1, 1))
    blob = np.exp(-np.sum(offset**2, axis=0) / (2 * ACTIVATION_WIDTH**2))
    times = BOLD_TR * np.arange(BOLD_VOLUMES)
    course = np.sin(2 * np.pi * times / ACTIVATION_PERIOD)
    response = 1.0 + ACTIVATION_GAIN * blob[..., np.newaxis] * course
    real = rician(clean[..., np.newaxis] * response, sigma=6.0, rng=np.random.default_rng(21))
    stored = (np.rint(real * 4) / 4).astype(np.float32)  # quarter steps keep the file small

    header = new_header(stored, (6.75, 6.75, 12.0, BOLD_TR))
    place(header, BOLD_GRID.affine, qform_code=1, sform_code=2)
    set_slices(header, code=1, duration=0.125)  # sequential, upwards
    header["toffset"] = 0.5
    write_nifti(HERE / "bold.nii.gz", header, stored)


# --------------------------------------------------------------------------------------------
# Photo
# --------------------------------------------------------------------------------------------

PHOTO_WIDTH, PHOTO_HEIGHT = 320, 240
PHOTO_SCALE = 4  # canvas samples per photo pixel and axis
PHOTO_DPI = 144
HORIZON = 138.0  # photo pixels from the top
SUN: Point = (238.0, 40.0)


def photo_grid() -> tuple[Floats, Floats]:
    """Return the x and y of every canvas sample, in photo pixels."""
    y, x = np.mgrid[0 : PHOTO_HEIGHT * PHOTO_SCALE, 0 : PHOTO_WIDTH * PHOTO_SCALE]
    return (x + 0.5) / PHOTO_SCALE, (y + 0.5) / PHOTO_SCALE


def fractal(shape: tuple[int, ...], falloff: float, seed: int, stretch: float = 1.0) -> Floats:
    """Return periodic noise of unit variance whose amplitude falls as frequency ** -falloff.

    ``stretch`` above 1 draws the features out along the last axis.
    """
    white = np.fft.fftn(np.random.default_rng(seed).normal(size=shape))
    axes = [np.fft.fftfreq(size) * size for size in shape]
    axes[-1] = axes[-1] * stretch * shape[0] / shape[-1]
    radius = np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")))
    field = np.fft.ifftn(white * np.where(radius > 0, np.maximum(radius, 1) ** -falloff, 0)).real
    return np.asarray((field - field.mean()) / field.std())


def mix(first: Any, second: Any, weight: Floats) -> Floats:
    """Return ``first`` blended towards ``second`` by ``weight`` (0 to 1), broadcast over RGB."""
    share = np.clip(weight, 0.0, 1.0)[..., np.newaxis]
    return np.asarray(np.asarray(first) * (1 - share) + np.asarray(second) * share)


def paint_sky(x: Floats, y: Floats) -> Floats:
    """Return an evening sky with a sun and drifting clouds: (height, width, 3), 0 to 255."""
    sky = mix((58, 104, 176), (252, 206, 158), (y / HORIZON) ** 1.3)
    from_sun = np.hypot(x - SUN[0], y - SUN[1])
    sky = mix(sky, (255, 214, 140), 0.75 * np.exp(-((from_sun / 48.0) ** 1.2)))
    cloud = fractal(x.shape, 1.5, seed=10, stretch=2.5)
    cover = np.clip(cloud * 0.55 + 0.05, 0, 1) * np.clip(1.15 - y / HORIZON, 0, 1)
    lit = mix((236, 226, 228), (255, 226, 190), np.exp(-from_sun / 90.0))
    sky = mix(sky, lit, 1.1 * cover)
    return mix(sky, (255, 248, 222), np.clip((9.0 - from_sun) * PHOTO_SCALE, 0, 1))


def ridge_line(width: int, base: float, height: float, falloff: float, seed: int) -> Floats:
    """Return the y of a mountain crest for each canvas column, in photo pixels."""
    return base - height * fractal((2 * width,), falloff, seed)[:width]


def paint_mountains(land: Floats, y: Floats) -> Floats:
    """Return ``land`` with three ridges in front of it, hazier the further away they are."""
    width = y.shape[1]
    rock = fractal(y.shape, 1.1, seed=2)
    slope = np.gradient(fractal(y.shape, 1.9, seed=3), axis=1)
    light = 12.0 * slope[..., np.newaxis] / slope.std()  # the sun stands to the right
    far = ridge_line(width, 84.0, 14.0, 1.35, seed=12)
    snow = np.clip((0.45 * far + 43.0 + 6.0 * rock - y) / 3.0, 0, 1)
    body = mix((112, 122, 156), (228, 226, 232), snow) + light
    body = mix(body, (178, 176, 190), (y - 70.0) / 90.0)  # haze
    land = mix(land, body, (y > far).astype(float))
    middle = ridge_line(width, 113.0, 9.0, 1.3, seed=6)
    body = mix((76, 100, 118), (128, 142, 150), (y - middle) / 40.0) + 0.5 * light
    land = mix(land, body, (y > middle).astype(float))
    forest = ridge_line(width, 129.0, 3.2, 0.8, seed=7)
    body = np.array((38.0, 66.0, 58.0)) + 9.0 * fractal(y.shape, 0.6, seed=8)[..., np.newaxis]
    return mix(land, body, (y > forest).astype(float))


def paint_lake(land: Floats, x: Floats, y: Floats) -> Floats:
    """Return ``land`` with everything below the horizon replaced by its rippled reflection."""
    ripple = fractal(y.shape, 1.0, seed=9, stretch=7.0)
    depth = np.maximum(y - HORIZON, 0)
    source = HORIZON - 1.25 * depth + ripple * (0.5 + 0.06 * depth)
    rows = np.clip(source * PHOTO_SCALE, 0, HORIZON * PHOTO_SCALE - 1).astype(int)
    sway = (ripple * (0.3 + 0.02 * depth) * PHOTO_SCALE).astype(int)
    columns = np.clip(np.arange(y.shape[1]) + sway, 0, y.shape[1] - 1)
    water = mix(land[rows, columns], (28, 62, 92), 0.26 + 0.003 * depth)
    path = np.exp(-(((x - SUN[0]) / (7.0 + 0.22 * depth)) ** 2))
    water = mix(water, (255, 226, 168), path * np.clip(ripple * 0.8 + 0.1, 0, 0.9))
    return mix(land, water, (y >= HORIZON).astype(float))


class Pen:
    """Draws on the canvas with coordinates and line widths in photo pixels."""

    def __init__(self, canvas: Image.Image) -> None:
        """Draw on ``canvas``, which has ``PHOTO_SCALE`` samples per photo pixel."""
        self.draw = ImageDraw.Draw(canvas)

    def polygon(self, points: list[Point], fill: Colour) -> None:
        """Fill a polygon."""
        self.draw.polygon([(x * PHOTO_SCALE, y * PHOTO_SCALE) for x, y in points], fill=fill)

    def line(self, start: Point, end: Point, fill: Colour, width: float) -> None:
        """Draw a straight line of ``width`` photo pixels, a quarter pixel at the least."""
        ends = [(x * PHOTO_SCALE, y * PHOTO_SCALE) for x, y in (start, end)]
        self.draw.line(ends, fill=fill, width=max(1, round(width * PHOTO_SCALE)))

    def box(self, left: float, top: float, width: float, height: float, fill: Colour) -> None:
        """Fill a rectangle that ends exactly at its right and bottom edges."""
        x0, y0 = left * PHOTO_SCALE, top * PHOTO_SCALE
        x1, y1 = (left + width) * PHOTO_SCALE - 1, (top + height) * PHOTO_SCALE - 1
        self.draw.rectangle((x0, y0, x1, y1), fill=fill)


def draw_boat(pen: Pen) -> None:
    """Draw a sailing boat: hard edges, and rigging as thin diagonal lines."""
    pen.polygon([(97, 184), (161, 184), (152, 194), (106, 194)], (176, 44, 38))
    pen.polygon([(96, 181), (163, 181), (161, 185), (97, 185)], (246, 240, 230))
    pen.polygon([(131, 100), (131, 174), (164, 174)], (252, 249, 240))
    pen.polygon([(131, 100), (131, 174), (139, 174)], (222, 216, 208))
    pen.polygon([(126, 108), (126, 172), (101, 172)], (236, 150, 60))
    pen.polygon([(126, 140), (126, 150), (109.5, 150), (113.5, 140)], (250, 240, 220))
    pen.box(127.5, 93, 2, 88, (70, 48, 36))
    pen.box(129, 174, 37, 1.5, (70, 48, 36))
    for end in ((97.0, 181.0), (90.0, 179.0), (163.0, 181.0)):
        pen.line((128.5, 94.0), end, (44, 40, 44), 0.5)
    pen.line((104, 181), (90, 179), (70, 48, 36), 1.25)
    pen.polygon([(128.5, 93), (128.5, 87), (118, 90)], (40, 84, 170))


def draw_pine(pen: Pen, x: float, foot: float, height: float, rng: np.random.Generator) -> None:
    """Draw a dark conifer with ragged boughs, its trunk standing at (``x``, ``foot``)."""
    pen.box(round(x - 1), foot - 0.2 * height, 2, 0.2 * height, (44, 32, 26))
    tiers = int(height / 3.4)
    for tier in range(tiers):
        share = (tier + 1) / tiers
        top = foot - height + (tier / tiers) * 0.88 * height
        reach = height * 0.23 * share * rng.uniform(0.8, 1.15)
        shade = int(rng.integers(0, 16))
        fill = (16 + shade // 2, 36 + shade, 30 + shade // 2)
        low = top + 0.16 * height
        pen.polygon([(x, top), (x + reach, low), (x, low - 2), (x - reach, low + 1)], fill)


def draw_grass(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a bank of thin grass blades along the bottom edge."""
    for _ in range(1500):
        x, depth = rng.uniform(-6, 326), rng.uniform(0, 1)
        foot = 222.0 + 22.0 * depth + 5.0 * np.sin(x / 31.0)
        reach = rng.uniform(5, 12) * (0.6 + 0.7 * depth)
        lean = rng.normal(1.5, 3.0)
        light = int(rng.integers(0, 70))
        fill = (34 + light, 62 + light, 30 + light // 3)
        pen.line((x, foot), (x + lean, foot - reach), fill, rng.choice([0.5, 0.75, 1.0]))


def draw_chart(pen: Pen) -> None:
    """Draw a resolution chart on a post: bars of 3, 2 and 1 pixels, a checker and a star."""
    ink, paper = (24, 24, 28), (244, 242, 236)
    pen.box(281, 206, 4, 34, (84, 62, 46))
    pen.box(250, 163, 66, 44, (84, 62, 46))
    pen.box(252, 165, 62, 40, paper)
    left = 255
    for bar, count in ((3, 3), (2, 3), (1, 4)):
        for index in range(count):
            pen.box(left + 2 * bar * index, 168, bar, 15, ink)
        left += 2 * bar * count + 1
    for row, column in product(range(8), range(3)):
        pen.box(297 + 4 * column + 2 * (row % 2), 168 + 2 * row, 2, 2, ink)
    for row, bar in ((187, 1), (194, 2)):
        for index in range(3):
            pen.box(255, row + 2 * bar * index, 24, bar, ink)
    draw_star(pen, (297.0, 194.5), 9.5, ink)


def draw_star(pen: Pen, centre: Point, radius: float, ink: Colour) -> None:
    """Draw a radial star of 18 dark wedges, whose pitch shrinks towards ``centre``."""
    angles = np.linspace(0, 2 * np.pi, 37)
    rim = [(centre[0] + radius * np.cos(a), centre[1] + radius * np.sin(a)) for a in angles]
    for first, second in zip(rim[0:-1:2], rim[1::2], strict=True):
        pen.polygon([centre, first, second], ink)


def float_boat(scene: Bytes) -> Bytes:
    """Return ``scene`` with the boat and its reflection on the lake: (height, width, 3)."""
    canvas = Image.fromarray(scene)
    draw_boat(Pen(canvas))
    floating = np.array(canvas)
    keel = 194 * PHOTO_SCALE
    depth = np.arange(scene.shape[0] - keel)
    wave = np.rint(3.0 * np.sin(depth / 5.0) + 2.0 * np.sin(depth / 2.3)).astype(int)
    columns = (np.arange(scene.shape[1]) + wave[:, np.newaxis]) % scene.shape[1]
    above = (keel - 1 - depth)[:, np.newaxis]
    mirrored_boat = floating[above, columns]
    changed = np.any(mirrored_boat != scene[above, columns], axis=2)
    floating[keel:] = mix(floating[keel:], mirrored_boat, 0.45 * changed)
    return floating


def draw_foreground(canvas: Image.Image) -> None:
    """Draw the near shore on ``canvas``."""
    pen = Pen(canvas)
    rng = np.random.default_rng(10)
    bank = [(float(x), 218.0 + 5.0 * np.sin(x / 31.0)) for x in range(0, 324, 4)]
    pen.polygon([*bank, (320.0, 240.0), (0.0, 240.0)], (40, 60, 32))
    for x, foot, height in ((14, 222, 104), (66, 226, 66), (40, 228, 128)):
        draw_pine(pen, x, foot, height, rng)
    draw_chart(pen)
    draw_grass(pen, rng)


def shrink_photo(canvas: Floats) -> Bytes:
    """Average the canvas down to photo pixels in linear light, as a sensor would."""
    linear = (np.clip(canvas, 0, 255) / 255) ** 2.2
    blocks = linear.reshape(PHOTO_HEIGHT, PHOTO_SCALE, PHOTO_WIDTH, PHOTO_SCALE, 3)
    encoded = blocks.mean(axis=(1, 3)) ** (1 / 2.2)
    return np.asarray(np.rint(255 * encoded), dtype=np.uint8)


def srgb_profile() -> bytes:
    """Return an sRGB ICC profile with a fixed date in place of the time it was made."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2024, 1, 1, 0, 0, 0)
    return bytes(profile)


def make_photo() -> None:
    """Write ``photo.png``."""
    x, y = photo_grid()
    scene = paint_lake(paint_mountains(paint_sky(x, y), y), x, y)
    canvas = Image.fromarray(float_boat(np.rint(np.clip(scene, 0, 255)).astype(np.uint8)))
    draw_foreground(canvas)
    text = PngInfo()
    text.add_text("Title", "Evening lake with a resolution chart")
    Image.fromarray(shrink_photo(np.asarray(canvas, dtype=np.float64))).save(
        HERE / "photo.png",
        optimize=True,
        dpi=(PHOTO_DPI, PHOTO_DPI),
        pnginfo=text,
        icc_profile=srgb_profile(),
    )


# --------------------------------------------------------------------------------------------
# Logo
# --------------------------------------------------------------------------------------------

LOGO_SIZE = 160
LOGO_SCALE = 8  # mask samples per logo pixel and axis
HIDDEN: Colour = (255, 0, 255)


def coverage(mask: Image.Image) -> Floats:
    """Return how much of each logo pixel ``mask`` covers: (size, size), 0 to 1."""
    samples = np.asarray(mask, dtype=np.float64) / 255
    blocks = samples.reshape(LOGO_SIZE, LOGO_SCALE, LOGO_SIZE, LOGO_SCALE)
    return np.asarray(blocks.mean(axis=(1, 3)))


def new_mask() -> Image.Image:
    """Return an empty supersampled mask."""
    return Image.new("L", (LOGO_SIZE * LOGO_SCALE, LOGO_SIZE * LOGO_SCALE))


def curve_mask() -> Floats:
    """Return the coverage of a quarter disc: the smooth shape that the pixels stand for."""
    mask = new_mask()
    box = [value * LOGO_SCALE for value in (-112, 16, 144, 272)]
    ImageDraw.Draw(mask).pieslice(box, 270, 360, fill=255)
    return coverage(mask)


def steps_mask() -> Floats:
    """Return the coverage of the same quarter disc drawn in coarse, rounded pixels."""
    mask = new_mask()
    draw = ImageDraw.Draw(mask)
    for column, count in enumerate((4, 4, 3, 2)):
        for row in range(count):
            left, top = 16 + 32 * column, 112 - 32 * row
            box = [value * LOGO_SCALE for value in (left + 2, top + 2, left + 30, top + 30)]
            draw.rounded_rectangle(box, radius=5 * LOGO_SCALE, fill=255)
    return coverage(mask)


def make_logo() -> None:
    """Write ``logo.png``: opaque coarse pixels over a half-transparent smooth curve."""
    curve, steps = curve_mask(), steps_mask()
    alpha = np.rint(255 * np.maximum(0.45 * curve, steps))
    y, x = np.mgrid[0:LOGO_SIZE, 0:LOGO_SIZE] / (LOGO_SIZE - 1)
    warm = mix((255, 226, 92), (255, 122, 60), (x + y) / 2)
    colour = np.where(alpha[..., np.newaxis] > 0, warm, HIDDEN)
    pixels = np.dstack([np.rint(colour), alpha]).astype(np.uint8)
    Image.fromarray(pixels).save(HERE / "logo.png", optimize=True)


def main() -> None:
    """Write every sample into this script's folder and print its size."""
    fractions = tissue_fractions(BRAIN_GRID, samples=(2, 2, 3))
    make_brain(fractions)
    make_labels(fractions)
    make_bold()
    make_photo()
    make_logo()
    for name in ("brain.nii.gz", "labels.nii.gz", "bold.nii.gz", "photo.png", "logo.png"):
        print(f"{name}: {(HERE / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
