"""NIfTI, MGH and gzip: one field to an extreme, or a stream wrapped in another way."""

import struct
import zlib

import numpy as np
from volumes import DATATYPES, HEADER_SIZES, LAYOUTS

from fuzz.raw_mutation import Random, packed
from fuzz.seeds import gzipped

LARGEST_INSIDE = 2**16
LARGEST_PADDED = 2**15


def _nifti_layout(data: bytes) -> tuple[int, str]:
    sizes = {struct.pack(o + "i", n): (v, o) for v, n in HEADER_SIZES.items() for o in "<>"}
    return sizes[data[:4]]


def mutated_nifti(chosen: Random, data: bytes) -> bytes:
    """Set one field, or one of its numbers; mostly, let the file be as long as it then says."""
    version, order = _nifti_layout(data)
    position, places = 0, {}
    for name, kind in LAYOUTS[version]:
        places[name] = (position, kind)
        position += struct.calcsize(order + kind)
    likely = ("dim", "pixdim", "datatype", "vox_offset", "scl_slope", "scl_inter", "qform_code")
    likely += ("sform_code", "quatern_b", "srow_x", "srow_z", "xyzt_units", "dim_info")
    name = chosen.choice(likely if chosen.random() < 0.7 else list(places)[1:])
    at, kind = places[name]
    letter, step = kind[-1], struct.calcsize(order + kind[-1])
    at += step * chosen.randrange(max(1, int(kind[:-1] or 1)))
    value = packed(chosen, order, letter)
    if name == "dim" and chosen.random() < 0.7:
        value = struct.pack(order + letter, chosen.randrange(9))
    if name == "datatype" and chosen.random() < 0.8:
        value = struct.pack(order + letter, chosen.choice([*DATATYPES, 1, 1536, 2048]))
    if name.endswith("form_code") and chosen.random() < 0.8:
        value = struct.pack(order + letter, chosen.randrange(6))
    data = data[:at] + value + data[at + step :]
    return _fitted(data, version, order, places) if chosen.random() < 0.8 else data


def _fitted(data: bytes, version: int, order: str, places: dict[str, tuple[int, str]]) -> bytes:
    def numbers(name: str) -> tuple[float, ...]:
        return struct.unpack_from(order + places[name][1], data, places[name][0])

    dim, (code,), (offset,) = numbers("dim"), numbers("datatype"), numbers("vox_offset")
    if not (1 <= dim[0] <= 7 and code in DATATYPES and 0 <= offset < LARGEST_PADDED):
        return data
    needed = DATATYPES[int(code)].itemsize
    for n in dim[1 : int(dim[0]) + 1]:
        needed *= max(1, int(n))
    end = int(offset or HEADER_SIZES[version] + 4) + needed
    return data[:end].ljust(end, b"\x15") if end < LARGEST_PADDED else data


def mutated_gzip(chosen: Random, data: bytes) -> bytes:
    """Mutate what is inside, and wrap it in one of many ways."""
    inflater = zlib.decompressobj(31)
    inner = inflater.decompress(data, LARGEST_INSIDE)
    inner = mutated_nifti(chosen, inner) if chosen.random() < 0.6 else inner
    cut = chosen.randint(0, len(inner))
    level = chosen.choice((0, 1, 9))
    extras = ((0, b""), (8, b"name\0"), (8, b"name"), (4, b"\xff\xff"), (2, b"\0\0"), (224, b""))
    wrapped = [
        lambda: gzipped(inner, level),
        lambda: gzipped(inner[:cut], level) + gzipped(inner[cut:]),
        lambda: gzipped(inner, level)[: -chosen.randint(1, 9)],
        lambda: gzipped(inner, level)[:-8] + chosen.randbytes(8),
        lambda: gzipped(inner, level) + bytes(chosen.randint(1, 20)),
        lambda: gzipped(inner, level) + chosen.randbytes(chosen.randint(1, 20)),
        lambda: gzipped(inner, level, *chosen.choice(extras)),
        lambda: gzipped(inner + bytes(2 ** chosen.randint(10, 24)), 9),
        lambda: gzipped(gzipped(inner)),
        lambda: gzipped(b"") * chosen.randint(1, 300) + gzipped(inner),
    ]
    return chosen.choice(wrapped)()


MGH_FIELDS = ("i", "i", "i", "i", "i", "i", "i", "h", *("f" for _ in range(15)))
"""Version, four dimensions, type, degrees of freedom, whether placed, then geometry."""


def mutated_mgh(chosen: Random, data: bytes) -> bytes:
    """Set one field; mostly, let the file be as long as it then says."""
    index = chosen.randrange(1, len(MGH_FIELDS))
    at = struct.calcsize(">" + "".join(MGH_FIELDS[:index]))
    value = packed(chosen, ">", MGH_FIELDS[index])
    if index < 6 and chosen.random() < 0.7:
        value = struct.pack(">i", chosen.randrange(11))
    data = data[:at] + value + data[at + len(value) :]
    dims = struct.unpack_from(">4i", data, 4)
    end = 284 + 4 * int(np.prod([max(1, min(n, 2**15)) for n in dims], dtype=float))
    return data.ljust(end, b"\x3f") if end < LARGEST_PADDED else data
