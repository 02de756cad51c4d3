"""NIfTI files made and read byte by byte, so that tests do not rely on anybody's view of them."""

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from upsample_cli import functional

LAYOUTS = {
    1: [
        ("sizeof_hdr", "i"),
        ("data_type", "10s"),
        ("db_name", "18s"),
        ("extents", "i"),
        ("session_error", "h"),
        ("regular", "c"),
        ("dim_info", "B"),
        ("dim", "8h"),
        ("intent_p1", "f"),
        ("intent_p2", "f"),
        ("intent_p3", "f"),
        ("intent_code", "h"),
        ("datatype", "h"),
        ("bitpix", "h"),
        ("slice_start", "h"),
        ("pixdim", "8f"),
        ("vox_offset", "f"),
        ("scl_slope", "f"),
        ("scl_inter", "f"),
        ("slice_end", "h"),
        ("slice_code", "B"),
        ("xyzt_units", "B"),
        ("cal_max", "f"),
        ("cal_min", "f"),
        ("slice_duration", "f"),
        ("toffset", "f"),
        ("glmax", "i"),
        ("glmin", "i"),
        ("descrip", "80s"),
        ("aux_file", "24s"),
        ("qform_code", "h"),
        ("sform_code", "h"),
        ("quatern_b", "f"),
        ("quatern_c", "f"),
        ("quatern_d", "f"),
        ("qoffset_x", "f"),
        ("qoffset_y", "f"),
        ("qoffset_z", "f"),
        ("srow_x", "4f"),
        ("srow_y", "4f"),
        ("srow_z", "4f"),
        ("intent_name", "16s"),
        ("magic", "4s"),
    ],
    2: [
        ("sizeof_hdr", "i"),
        ("magic", "8s"),
        ("datatype", "h"),
        ("bitpix", "h"),
        ("dim", "8q"),
        ("intent_p1", "d"),
        ("intent_p2", "d"),
        ("intent_p3", "d"),
        ("pixdim", "8d"),
        ("vox_offset", "q"),
        ("scl_slope", "d"),
        ("scl_inter", "d"),
        ("cal_max", "d"),
        ("cal_min", "d"),
        ("slice_duration", "d"),
        ("toffset", "d"),
        ("slice_start", "q"),
        ("slice_end", "q"),
        ("descrip", "80s"),
        ("aux_file", "24s"),
        ("qform_code", "i"),
        ("sform_code", "i"),
        ("quatern_b", "d"),
        ("quatern_c", "d"),
        ("quatern_d", "d"),
        ("qoffset_x", "d"),
        ("qoffset_y", "d"),
        ("qoffset_z", "d"),
        ("srow_x", "4d"),
        ("srow_y", "4d"),
        ("srow_z", "4d"),
        ("slice_code", "i"),
        ("xyzt_units", "i"),
        ("intent_code", "i"),
        ("intent_name", "16s"),
        ("dim_info", "B"),
        ("unused_str", "15s"),
    ],
}
"""Version → the fields of the standard's nifti1.h and nifti2.h, in order, without padding."""

HEADER_SIZES = {1: 348, 2: 540}
MAGIC = {
    (1, False): b"n+1\0",
    (1, True): b"ni1\0",
    (2, False): b"n+2\0\r\n\x1a\n",
    (2, True): b"ni2\0\r\n\x1a\n",
}

RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
RGBA = np.dtype([*RGB.descr, ("A", "u1")])
DATATYPES = {
    2: np.dtype("u1"),
    4: np.dtype("i2"),
    8: np.dtype("i4"),
    16: np.dtype("f4"),
    32: np.dtype("c8"),
    64: np.dtype("f8"),
    128: RGB,
    256: np.dtype("i1"),
    512: np.dtype("u2"),
    768: np.dtype("u4"),
    1024: np.dtype("i8"),
    1280: np.dtype("u8"),
    1792: np.dtype("c16"),
    2304: RGBA,
}

JUNK = {
    "data_type": b"leftovers!",
    "db_name": b"nobody reads this\x01",
    "extents": 16384,
    "session_error": 77,
    "regular": b"r",
    "dim_info": 0b00_11_10_01,
    "dim_tail": 9,
    "intent_p1": 1.25,
    "intent_p2": -2.5,
    "intent_p3": 3.75,
    "intent_code": 2005,
    "slice_start": 1,
    "slice_end": 4,
    "slice_code": 3,
    "slice_duration": 0.0625,
    "xyzt_units": 2 | 8,
    "cal_max": 1234.5,
    "cal_min": -17.25,
    "toffset": 0.75,
    "glmax": 255,
    "glmin": -3,
    "descrip": b"a description \xe9 that is kept".ljust(80, b"~"),
    "aux_file": b"beside.txt".ljust(24, b"#"),
    "intent_name": b"what it means".ljust(16, b"!"),
    "scl_slope": 0.1,
    "scl_inter": -3.3,
    "pixdim_tail": (2.5, 6.0, 7.0, 8.0),
    "unused_str": b"unused as it is",
}
"""A value other than zero for every field that says nothing about shape, type or place."""

OBLIQUE = np.array(
    [
        [1.9, 0.35, -0.6, -31.0],
        [-0.45, 2.4, 0.9, 17.5],
        [0.5, -0.7, 3.1, 42.25],
        [0, 0, 0, 1],
    ]
)
"""An sform with shear and three voxel sizes."""


def rotation(b, c, d):
    """Return the 3×3 rotation of a unit quaternion whose real part follows from the others."""
    a = np.sqrt(1 - b * b - c * c - d * d)
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
    )


def qform_affine(fields):
    """Return the affine of the standard's method 2."""
    quatern = [fields[f"quatern_{name}"] for name in "bcd"]
    qfac, *sizes = fields["pixdim"][:4]
    affine = np.eye(4)
    affine[:3, :3] = rotation(*quatern) @ np.diag(sizes) @ np.diag([1, 1, -1 if qfac < 0 else 1])
    affine[:3, 3] = [fields[f"qoffset_{name}"] for name in "xyz"]
    return affine


def sform_affine(fields):
    """Return the affine of the standard's method 3."""
    return np.array([*(fields[f"srow_{name}"] for name in "xyz"), (0, 0, 0, 1)])


def extension(code, content, order="<"):
    """Return one header extension, padded to a multiple of 16 bytes."""
    size = -(-(8 + len(content)) // 16) * 16
    return struct.pack(order + "ii", size, code) + content.ljust(size - 8, b"\0")


def header_bytes(fields, version=1, order="<"):
    """Return the header of these fields; one that is not given is zero."""
    packed = b""
    for name, kind in LAYOUTS[version]:
        zero = b"" if kind[-1] == "s" else b"\0" if kind == "c" else 0
        value = fields.get(name, zero)
        many = kind[0].isdigit() and kind[-1] != "s"
        packed += struct.pack(order + kind, *(value if many and value else [value] * 8)[: _n(kind)])
    assert len(packed) == HEADER_SIZES[version]
    return packed


def _n(kind):
    return int(kind[:-1]) if kind[0].isdigit() and kind[-1] != "s" else 1


def parse_header(raw, version=1, order="<"):
    """Return the fields of a header by name: a number, bytes, or a tuple of numbers."""
    fields, position = {}, 0
    for name, kind in LAYOUTS[version]:
        values = struct.unpack_from(order + kind, raw, position)
        fields[name] = values if len(values) > 1 else values[0]
        position += struct.calcsize(order + kind)
    return fields


def changed_fields(before, after, version=1, order="<"):
    """Return the names of the fields whose bytes differ; the fields cover every byte."""
    changed, position = set(), 0
    for name, kind in LAYOUTS[version]:
        part = slice(position, position + struct.calcsize(order + kind))
        if before[part] != after[part]:
            changed.add(name)
        position = part.stop
    return changed


def new_fields(shape, datatype, version=1, *, is_pair=False, extensions=b"", **changes):
    """Return the fields of a volume: oblique in both forms, every unused field filled with junk."""
    names = {name for name, _ in LAYOUTS[version]}
    fields = {name: value for name, value in JUNK.items() if name in names}
    sizes = (2.0, 2.5, 3.5)
    fields |= {
        "sizeof_hdr": HEADER_SIZES[version],
        "magic": MAGIC[version, is_pair],
        "dim": (len(shape), *shape, *[JUNK["dim_tail"]] * (7 - len(shape))),
        "datatype": datatype,
        "bitpix": DATATYPES[datatype].itemsize * 8 if datatype in DATATYPES else 1,
        "pixdim": (-1.0, *sizes, *JUNK["pixdim_tail"]),
        "vox_offset": 0 if is_pair else HEADER_SIZES[version] + 4 + len(extensions),
        "qform_code": 1,
        "sform_code": 2,
        "quatern_b": 0.1,
        "quatern_c": -0.2,
        "quatern_d": 0.3,
    }
    fields |= dict(zip(("qoffset_x", "qoffset_y", "qoffset_z"), OBLIQUE[:3, 3], strict=True))
    fields |= {f"srow_{name}": tuple(row) for name, row in zip("xyz", OBLIQUE, strict=False)}
    return fields | changes


@dataclass
class Volume:
    """A NIfTI file in its parts: ``voxels`` in the order of the header's dimensions, x first."""

    header: bytes
    fields: dict
    extensions: bytes
    voxels: np.ndarray
    tail: bytes
    version: int
    order: str


def write_volume(
    path,
    voxels,
    *,
    version=1,
    order="<",
    datatype=None,
    extensions=b"",
    flag=None,
    tail=b"",
    **fields,
):
    """Write a volume as .nii, .hdr/.img, or either with .gz; return its path.

    ``extensions`` and ``tail`` are the raw bytes before and after the voxels; ``fields`` override
    header fields by name.
    """
    path = Path(path)
    voxels = np.asarray(voxels)
    codes = {dtype: code for code, dtype in DATATYPES.items()}
    code = codes[voxels.dtype] if datatype is None else datatype
    is_pair = ".hdr" in path.suffixes
    all_fields = new_fields(
        voxels.shape, code, version, is_pair=is_pair, extensions=extensions, **fields
    )
    flag = bytes([bool(extensions), 0, 0, 0]) if flag is None else flag
    header = header_bytes(all_fields, version, order) + flag + extensions
    data = voxels.astype(voxels.dtype.newbyteorder(order)).tobytes("F") + tail
    if is_pair:
        write_bytes(path, header)
        write_bytes(image_of(path), data)
    else:
        write_bytes(path, header + data)
    return path


def image_of(path):
    """Return the file that holds the voxels of a pair's header."""
    return path.with_name(path.name.replace(".hdr", ".img"))


def write_bytes(path, data):
    """Write bytes, compressed if the name ends in .gz."""
    path.write_bytes(gzip.compress(data, 1, mtime=0) if path.suffix == ".gz" else data)


def read_bytes(path):
    """Read bytes, decompressed if they are gzip."""
    data = Path(path).read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def read_volume(path):
    """Read a NIfTI file into its parts."""
    raw = read_bytes(path)
    order = "<" if raw[0] else ">"
    version = {348: 1, 540: 2}[struct.unpack_from(order + "i", raw)[0]]
    size = HEADER_SIZES[version]
    fields = parse_header(raw, version, order)
    if fields["magic"] == MAGIC[version, True]:
        data, offset, extensions = read_bytes(image_of(path)), int(fields["vox_offset"]), raw[size:]
    else:
        data, offset = raw, int(fields["vox_offset"])
        extensions = raw[size:offset]
    dtype = DATATYPES[fields["datatype"]].newbyteorder(order)
    shape = fields["dim"][1 : fields["dim"][0] + 1]
    end = offset + int(np.prod(shape)) * dtype.itemsize
    voxels = np.frombuffer(data[offset:end], dtype).reshape(shape, order="F")
    return Volume(raw[:size], fields, extensions, voxels, data[end:], version, order)


RNG_SEED = 3
MODE_NAMES = {"linear": ("linear", "bilinear", "trilinear")}


def random_voxels(shape, dtype):
    """Return values over most of a dtype's range."""
    rng = np.random.default_rng(RNG_SEED)
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(f"{dtype.kind}{min(dtype.itemsize, 4)}")
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    values = rng.normal(size=shape) * 1000
    return (values + 1j * rng.normal(size=shape) if dtype.kind == "c" else values).astype(dtype)


def interpolated(voxels, mode="linear", **target):
    """Return what the library makes of the first three axes, x first; the rest are items."""
    spatial = min(voxels.ndim, 3)
    items = voxels.reshape(*voxels.shape[:spatial], -1, order="F").T[:, np.newaxis]
    target = {
        key: value[::-1] if isinstance(value, tuple) else value for key, value in target.items()
    }
    name = MODE_NAMES[mode][spatial - 1] if mode in MODE_NAMES else mode
    result = functional.interpolate(np.ascontiguousarray(items), mode=name, **target)[:, 0].T
    return result.reshape(*result.shape[:spatial], *voxels.shape[spatial:], order="F")
