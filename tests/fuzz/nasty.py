"""Hostile files that somebody thought of, of every format, made in code; see also ``corpus``."""

import gzip
import io
import itertools
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np

from fuzz.array_mutation import DESCRIPTIONS, HEADERS, SHAPES
from fuzz.companions import COMPANIONS
from fuzz.image_mutation import EXIFS, PNG_EXTRAS, SIDES
from fuzz.seeds import SEEDS, gzipped, nifti, npy, png, png_chunk

Made = dict[str, Callable[[], bytes]]

NAN, INF = float("nan"), float("inf")
SIGNALLING = struct.unpack("<f", b"\1\0\xa0\x7f")[0]

NIFTI_FIELDS = {
    "dims-as-many-as-the-file": {"dim": (7, 1, 1, 1, 1, 1, 1, 24)},
    "dims-whose-product-wraps": {"dim": (7, 2**14, 2**14, 2**14, 2**14, 2**8, 1, 1)},
    "dims-immense": {"dim": (7, *[32767] * 7)},
    "one-voxel": {"dim": (1, 1, 1, 1, 1, 1, 1, 1)},
    "datatype-binary": {"datatype": 1},
    "datatype-float128": {"datatype": 1536},
    "datatype-complex256": {"datatype": 2048},
    "datatype-negative": {"datatype": -1},
    "bitpix-wrong": {"bitpix": 3},
    "sizes-negative": {"pixdim": (-1.0, -2.0, -2.5, -3.5, 1, 1, 1, 1)},
    "sizes-denormal": {"pixdim": (1.0, 1e-45, 1e-45, 1e-45, 1, 1, 1, 1), "sform_code": 0},
    "sizes-immense": {"pixdim": (1.0, 3e38, 3e38, 3e38, 1, 1, 1, 1), "sform_code": 0},
    "qfac-nan": {"pixdim": (NAN, 2.0, 2.5, 3.5, 1, 1, 1, 1)},
    "quaternion-of-no-rotation": {"quatern_b": 3e38, "sform_code": 0},
    "sform-immense": {"srow_x": (3e38, 3e38, 3e38, 3e38)},
    "sform-denormal": {f"srow_{name}": (1e-45,) * 4 for name in "xyz"},
    "codes-negative": {"qform_code": -1, "sform_code": -5},
    "codes-unknown": {"qform_code": 99, "sform_code": 32767},
    "slope-nan": {"scl_slope": NAN},
    "slope-infinite": {"scl_slope": INF},
    "slope-denormal": {"scl_slope": 1e-45, "scl_inter": 3e38},
    "slope-immense": {"scl_slope": 3e38, "scl_inter": -3e38},
    "intercept-nan": {"scl_inter": NAN},
    "units-unknown": {"xyzt_units": 255},
    "axes-unknown": {"dim_info": 255},
    "slices-odd": {"slice_start": -9, "slice_end": 32767, "slice_code": 255, "slice_duration": INF},
    "texts-of-control-characters": {"descrip": b"\x1b[2J\n\r\0\xff" * 8, "intent_name": b"\n" * 16},
    "offset-fraction": {"vox_offset": 352.5},
    "offset-huge": {"vox_offset": 2.0**27},
    "offset-not-a-number": {"vox_offset": NAN},
    "label-of-complex": {"intent_code": 1002, "datatype": 32},
}


def _niftis() -> Made:
    made: Made = {}
    for name, fields in NIFTI_FIELDS.items():
        made[name] = partial(nifti, **fields)
        if name not in ("offset-fraction", "offset-not-a-number"):
            whole = {k: int(v) if k == "vox_offset" else v for k, v in fields.items()}
            made[f"{name}-2"] = partial(nifti, version=2, order=">", **whole)
    sizes = (0, 7, 8, 9, 2**31 - 1, -8)
    for size in sizes:
        content = struct.pack("<ii", size, 6) + bytes(8)
        made[f"extension-of-{size}"] = partial(nifti, extensions=content)
    made["pair-header-alone"] = lambda: nifti(pair=True)[:348]
    made["header-cut"] = lambda: nifti()[:347]
    made["voxels-cut"] = lambda: nifti()[:-1]
    made["sizes-of-both-orders"] = lambda: nifti()[:4] + nifti(order=">")[4:]
    made["text-after"] = lambda: nifti() + b"more"
    return made


def _gzips() -> Made:
    data = nifti()
    return {
        "magic-alone": lambda: b"\x1f\x8b",
        "header-alone": lambda: gzipped(data)[:10],
        "method-unknown": lambda: b"\x1f\x8b\x07" + gzipped(data)[3:],
        "flags-reserved": lambda: gzipped(data, flags=0xE0),
        "name-endless": lambda: b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 3000,
        "extra-past-the-end": lambda: gzipped(data, flags=4, between=b"\xff\xff"),
        "header-checksum-wrong": lambda: gzipped(data, flags=2, between=b"\x12\x34"),
        "checksum-wrong": lambda: gzipped(data)[:-8] + bytes(4) + gzipped(data)[-4:],
        "length-wrong": lambda: gzipped(data)[:-4] + b"\xff" * 4,
        "trailer-cut": lambda: gzipped(data)[:-1],
        "zeros-after": lambda: gzipped(data) + bytes(600),
        "text-after": lambda: gzipped(data) + b"text",
        "magic-after": lambda: gzipped(data) + b"\x1f\x8b",
        "second-member-cut": lambda: gzipped(data[:360]) + gzipped(data[360:])[:-9],
        "second-member-wrong": lambda: gzipped(data[:360]) + gzipped(data[360:])[:-8] + bytes(8),
        "header-over-two-members": lambda: gzipped(data[:100]) + gzipped(data[100:]),
        "a-byte-a-member": lambda: b"".join(gzipped(data[i : i + 1]) for i in range(len(data))),
        "members-of-nothing": lambda: gzipped(b"") * 900 + gzipped(data),
        "nothing": lambda: gzipped(b""),
        "gzip-in-gzip": lambda: gzipped(gzipped(data)),
        "stored-block-lengths-differ": lambda: (
            gzipped(data, 0)[:11] + b"\0" + gzipped(data, 0)[12:]
        ),
        "bomb-after-the-voxels": lambda: gzipped(data + bytes(2**24), 9),
        "bomb-that-is-no-volume": lambda: gzip.compress(bytes(2**24), 9, mtime=0),
        "bomb-of-extensions": lambda: gzipped(nifti(vox_offset=2**24)[:352] + bytes(2**24), 9),
        "voxels-that-it-may-hold": lambda: gzipped(nifti(dim=(3, 60, 60, 60, 1, 1, 1, 1))),
        "voxels-beyond-any-ratio": lambda: gzipped(nifti(dim=(4, 999, 999, 999, 99, 1, 1, 1))),
    }


def _pngs() -> Made:
    made: Made = {}
    for index, (name, content) in enumerate(PNG_EXTRAS):
        word = "".join(chr(c) if chr(c).isalnum() else "_" for c in name)
        made[f"{word}-{index}"] = partial(png, extra=png_chunk(name, content))
    for width, height in itertools.product(SIDES[5:], SIDES[:4]):
        made[f"{width}x{height}"] = partial(_png_of, width, height)
        made[f"{height}x{width}"] = partial(_png_of, height, width)
    for colour, depth in itertools.product((0, 2, 3, 4, 6, 1, 7), (1, 3, 16, 0, 255)):
        made[f"colour-{colour}-depth-{depth}"] = partial(_png_of, 5, 4, colour, depth)
    made["filter-unknown"] = lambda: png(raw=b"\x09" * 64)
    made["filter-unknown-16"] = lambda: png(depth=16, raw=b"\x09" * 124)
    made["pixels-cut-16"] = lambda: png(depth=16, raw=bytes(40))
    made["pixels-too-many"] = lambda: png(raw=bytes(5000))
    made["signature-alone"] = lambda: png()[:8]
    made["chunk-longer-than-the-file"] = lambda: png()[:33] + b"\xff" * 12
    made["end-missing"] = lambda: png()[:-12]
    return made


def _png_of(width: int, height: int, colour: int = 2, depth: int = 8) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    good = png(raw=zlib.compress(bytes(200)))
    return good[:8] + png_chunk(b"IHDR", head) + good[33:]


def _jpegs() -> Made:
    (grey, colour, *_) = SEEDS["jpeg"]()
    made: Made = {f"cut-at-{end}": partial(grey.__getitem__, slice(end)) for end in (3, 20, 99, -9)}
    for index, exif in enumerate(EXIFS):
        segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
        made[f"exif-{index}"] = partial(_put, colour, 2, segment)
    at = colour.index(b"\xff\xc0")
    for side in (0, 1, 65535):
        made[f"height-{side}"] = partial(_put, colour, at + 5, struct.pack(">H", side), 2)
        made[f"width-{side}"] = partial(_put, colour, at + 7, struct.pack(">H", side), 2)
    made["components-9"] = partial(_put, colour, at + 9, b"\x09", 1)
    made["precision-12"] = partial(_put, colour, at + 4, b"\x0c", 1)
    made["arithmetic"] = partial(_put, colour, at + 1, b"\xc9", 1)
    made["lossless"] = partial(_put, colour, at + 1, b"\xc3", 1)
    return made


def _put(data: bytes, at: int, content: bytes, over: int = 0) -> bytes:
    return data[:at] + content + data[at + over :]


def _arrays() -> Made:
    made: Made = {}
    for index, description in enumerate(DESCRIPTIONS):
        text = f"{{'descr': {description}, 'fortran_order': False, 'shape': (4, 4), }}\n"
        made[f"description-{index}"] = partial(npy, text)
    for index, shape in enumerate(SHAPES):
        text = f"{{'descr': '<f4', 'fortran_order': True, 'shape': {shape}, }}\n"
        made[f"shape-{index}"] = partial(npy, text)
    for index, header in enumerate(HEADERS):
        made[f"header-{index}"] = partial(npy, header.encode("utf-8", "replace"))
    made["header-of-4-gib"] = lambda: b"\x93NUMPY\2\0\xff\xff\xff\xff" + bytes(64)
    made["version-of-the-future"] = lambda: b"\x93NUMPY\7\0" + npy("{}")[8:]
    made["header-bomb"] = lambda: gzip.compress(
        b"\x93NUMPY\2\0\0\0\0\1" + b" " * 2**24 + bytes(64), mtime=0
    )
    return made


def _mghs() -> Made:
    good = next(SEEDS["mgh"]().__iter__())
    fields = {"dims": ">4i", "type": ">i", "placed": ">h", "sizes": ">3f", "directions": ">9f"}
    places = {"dims": 4, "type": 20, "placed": 28, "sizes": 30, "directions": 42, "centre": 78}
    fields["centre"] = ">3f"
    made: Made = {}
    for name, kind in fields.items():
        count = struct.calcsize(kind) // struct.calcsize(kind[0] + kind[-1])
        numbers = (0.0, NAN, INF, 3e38, 1e-45, -1.0) if kind[-1] == "f" else (0, -1, 32767)
        for number in numbers:
            value = struct.pack(kind, *[number] * count)
            made[f"{name}-{number}"] = partial(_put, good, places[name], value, len(value))
    made["header-cut"] = lambda: good[:283]
    made["voxels-cut"] = lambda: good[:290]
    return made


def _mutilated(format: str) -> Made:
    """Return each good file cut at many places, and with single bytes inverted."""
    made: Made = {}
    for number, data in enumerate(SEEDS[format]()):
        for at in (1, 5, 11, 19, 27, 40, len(data) // 2, len(data) - 1):
            made[f"{number}-cut-at-{at}"] = partial(data.__getitem__, slice(at))
            inverted = bytes([data[min(at, len(data) - 1)] ^ 0xFF])
            made[f"{number}-inverted-at-{at}"] = partial(_put, data, at, inverted, 1)
    return made


MEMBERS = {
    "text-of-no-characters": ("kind", np.full(4, 2**31, "u4").view("U4")[0:1]),
    "surrogates": ("kind", np.full(4, 0xD800, "u4").view("U4")[0:1]),
    "format-of-bytes": ("format", np.array(b"upsample-cli max-pool")),
    "version-9": ("version", np.array(9)),
    "version-immense": ("version", np.array(2**63 - 1)),
    "no-windows": ("kernel_size", np.zeros(0, "i8")),
    "windows-of-0": ("kernel_size", np.zeros(3, "i8")),
    "windows-immense": ("kernel_size", np.full(3, 2**62)),
    "stride-negative": ("stride", np.full(3, -(2**63))),
    "padding-immense": ("padding", np.full(3, 2**63 - 1)),
    "dilation-0": ("dilation", np.zeros(3, "i8")),
    "shape-immense": ("shape", np.full(3, 2**62)),
    "shape-negative": ("shape", np.full(3, -1)),
    "shape-of-9": ("shape", np.ones(9, "i8")),
    "indices-negative": ("indices", np.full((2, 3, 3), -1)),
    "indices-past-the-end": ("indices", np.full((2, 3, 3), 2**62)),
    "indices-of-floats": ("indices", np.zeros((2, 3, 3))),
    "header-empty": ("header", np.zeros(0, "u1")),
    "header-of-nothing": ("header", np.zeros(352, "u1")),
    "checksum-of-nothing": ("checksum", np.array("")),
    "ceil-mode-of-many": ("ceil_mode", np.ones(1, "?")),
}


def _records() -> Made:
    return {
        name: partial(_with_member, member, value) for name, (member, value) in MEMBERS.items()
    } | {
        "no-archive": lambda: b"PK\3\4" + bytes(40),
        "archive-of-nothing": lambda: b"PK\5\6" + bytes(18),
        "directory-far-away": lambda: b"PK\5\6" + bytes(12) + b"\xff" * 4 + bytes(2),
        "bzip2": partial(_with_member, "version", np.array(1), zipfile.ZIP_BZIP2),
        "lzma": partial(_with_member, "version", np.array(1), zipfile.ZIP_LZMA),
        "bomb": partial(_with_member, "header", np.zeros(2**24, "u1")),
    }


def _with_member(name: str, value: np.ndarray, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    changed, stream = io.BytesIO(), io.BytesIO()
    np.save(changed, value)
    good = COMPANIONS()["nii.npz"]
    with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(stream, "w", method) as new:
        for member in old.namelist():
            is_it = member == f"{name}.npy"
            new.writestr(member, changed.getvalue() if is_it else old.read(member))
    return stream.getvalue()


FILES: dict[str, Made] = {
    "nifti": _niftis(),
    "gzip": _gzips(),
    "png": _pngs(),
    "jpeg": _jpegs(),
    "npy": _arrays(),
    "mgh": _mghs(),
    "npz": _records(),
    "tiff": _mutilated("tiff"),
    "webp": _mutilated("webp"),
    "gif": _mutilated("gif"),
    "plain": _mutilated("plain"),
}
"""Format → name → what makes a hostile file."""
