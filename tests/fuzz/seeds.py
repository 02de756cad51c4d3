"""Good files of every format and variant, as bytes: what the mutations start from."""

import gzip
import io
import struct
import zlib

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from volumes import DATATYPES, extension, header_bytes, new_fields

from fuzz.companions import COMPANIONS, VOXELS

ICC = b"\0\0\0\x80fuzz" + bytes(120)
EXIF = (
    b"Exif\0\0MM\0*\0\0\0\x08\0\x02"
    b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"
    b"\x01\x0e\0\x02\0\0\0\x04abc\0\0\0\0\0"
)
"""An orientation and a description."""


def nifti(shape=(4, 3, 2), datatype=4, version=1, order="<", *, extensions=b"", pair=False, **more):
    """Return a NIfTI file of counted voxels; of a pair, its header."""
    fields = new_fields(shape, datatype, version, is_pair=pair, extensions=extensions, **more)
    dtype = DATATYPES.get(datatype, DATATYPES[2])
    count = int(np.prod(shape)) * dtype.itemsize
    data = (np.arange(count) % 63).astype("u1").tobytes()
    flag = bytes([bool(extensions), 0, 0, 0])
    return header_bytes(fields, version, order) + flag + extensions + (b"" if pair else data)


def _niftis():
    afni = extension(4, b"<AFNI/>") + extension(6, b"a comment")
    yield from (nifti(datatype=code, version=version) for code in DATATYPES for version in (1, 2))
    yield from (nifti(order=">", version=version) for version in (1, 2))
    yield from (nifti(shape, 16) for shape in ((5,), (4, 3), (1, 1, 1), (3, 2, 2, 3), (2,) * 7))
    yield nifti(extensions=afni)
    yield nifti(extensions=afni, version=2, order=">")
    yield from (nifti((4, 3, 2), 2, version, pair=True) for version in (1, 2))
    for codes in ((0, 0), (1, 0), (0, 1)):
        yield nifti(qform_code=codes[0], sform_code=codes[1])
    yield nifti(intent_code=1002)
    yield nifti(scl_slope=0.0)


def gzipped(data, level=1, flags=0, between=b""):
    """Return one gzip member, with the optional fields that its flags ask for."""
    head = b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + between
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
    body = deflater.compress(data) + deflater.flush()
    return head + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def _gzips():
    files = [nifti(), nifti(version=2), *_mghs(), *_arrays()[:2]]
    for data in files:
        yield gzip.compress(data, mtime=0)
    data = nifti()
    yield gzipped(data[:400]) + gzipped(data[400:])
    yield gzipped(b"") + gzipped(data)
    yield gzipped(data) + bytes(7)
    yield gzipped(data) + b"what is not gzip"
    yield gzipped(data, level=0)
    yield gzipped(data, flags=8, between=b"name\0")
    yield gzipped(data, flags=4 | 16, between=b"\4\0abcdcomment\0")
    yield gzipped(data)[:-4] + bytes(4)
    yield gzipped(data)[:-8] + bytes(8)
    yield gzip.compress(nifti((64, 64, 64)), mtime=0)
    yield gzip.compress(gzip.compress(data, mtime=0), mtime=0)


def _mghs():
    from nibabel.freesurfer.mghformat import MGHImage

    files = []
    for dtype in ("u1", "i2", "i4", "f4"):
        image = MGHImage(VOXELS[:3, :3, :2].astype(dtype), np.diag([1.0, 2.0, 3.0, 1.0]))
        files.append(image.to_bytes())
    frames = np.stack([VOXELS[:3, :2, :2]] * 2, axis=-1).astype("f4")
    return [*files, MGHImage(frames, np.eye(4)).to_bytes(), files[0] + b"a trailer of tags"]


def npy(header, data=bytes(64), version=1):
    """Return an .npy file of this header, a text or bytes."""
    text = header if isinstance(header, bytes) else header.encode()
    return (
        b"\x93NUMPY"
        + struct.pack("<BBH" if version == 1 else "<BBI", version, 0, len(text))
        + (text + data)
    )


def _arrays():
    def saved(array):
        stream = io.BytesIO()
        np.save(stream, array)
        return stream.getvalue()

    values = np.arange(24.0)
    shapes = [(24,), (4, 6), (2, 3, 4), (1, 2, 3, 4), (1, 1, 2, 3, 4)]
    files = [saved(values.reshape(shape)) for shape in shapes]
    files += [saved(values.astype(kind)) for kind in ("?", "u1", ">i2", "<i8", "f2", "c8", ">c16")]
    files += [saved(np.asfortranarray(values.reshape(2, 3, 4)))]
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4), }\n"
    return [*files, *(npy(text, version=version) for version in (1, 2, 3))]


def _saved(image, format, **settings):
    stream = io.BytesIO()
    image.save(stream, format, **settings)
    return stream.getvalue()


def image(mode, size=(8, 6)):
    """Return a picture of counted pixels."""
    blank = Image.new(mode, size)
    kind = {"I;16": "u2", "I": "i4", "F": "f4"}.get(mode, "u1")
    length = len(blank.tobytes()) // np.dtype(kind).itemsize
    data = (np.arange(length) * 37 % 256).astype(kind).tobytes()
    made = Image.frombytes(mode, size, data)
    if mode == "P":
        made.putpalette(bytes(range(256)) * 3)
    return made


def png_chunk(name, content):
    """Return a chunk with its CRC."""
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def png(colour=2, depth=8, size=(5, 4), interlace=0, extra=b"", raw=None):
    """Return a PNG, put together chunk by chunk; ``extra`` goes before the pixels."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 1)
    row = 1 + -(-size[0] * samples * depth // 8)
    # Interlaced rows are shorter and more; twice as many bytes are enough for all seven passes.
    data = bytes(row * size[1] * (2 if interlace else 1)) if raw is None else raw
    head = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlace)
    palette = png_chunk(b"PLTE", (bytes(range(256)) * 3)[: 3 * 2**depth]) if colour == 3 else b""
    parts = (png_chunk(b"IHDR", head), palette, extra, png_chunk(b"IDAT", zlib.compress(data)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + png_chunk(b"IEND", b"")


PNG_KINDS = [
    *((0, depth) for depth in (1, 2, 4, 8, 16)),
    *((3, depth) for depth in (1, 2, 4, 8)),
    *((colour, depth) for colour in (2, 4, 6) for depth in (8, 16)),
]


def _pngs():
    yield from (png(*kind, interlace=interlace) for kind in PNG_KINDS for interlace in (0, 1))
    keys = {0: b"\0\1", 2: b"\0\1\0\2\0\3", 3: b"\0\x80"}
    for colour, key in keys.items():
        yield png(colour, 8, extra=png_chunk(b"tRNS", key))
        yield png(colour, 16 if colour != 3 else 4, extra=png_chunk(b"tRNS", key))
    info = PngInfo()
    info.add_text("a", "text", zip=True)
    info.add_itxt("b", "more", zip=True)
    settings = {"pnginfo": info, "icc_profile": ICC, "dpi": (72, 72), "exif": EXIF}
    yield _saved(image("RGBA"), "PNG", **settings)
    frames = [image("RGB"), image("RGB", (8, 6)).rotate(180)]
    yield _saved(frames[0], "PNG", save_all=True, append_images=frames[1:])


def _jpegs():
    for mode in ("L", "RGB", "CMYK"):
        yield _saved(image(mode), "JPEG")
    yield _saved(image("RGB"), "JPEG", progressive=True, exif=EXIF, icc_profile=ICC, comment=b"c")
    yield _saved(image("RGB", (33, 17)), "JPEG", subsampling=2, dpi=(72, 72), restart_marker_rows=1)


def _tiffs():
    modes = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F")
    yield from (_saved(image(mode), "TIFF", exif=EXIF[6:], icc_profile=ICC) for mode in modes)
    for how in ("packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "zstd", "lzma"):
        yield _saved(image("RGB"), "TIFF", compression=how)
    yield from (_saved(image("1"), "TIFF", compression=f"group{n}") for n in (3, 4))
    yield _saved(image("L"), "TIFF", save_all=True, append_images=[image("RGB")])
    yield _saved(image("L"), "TIFF", big_tiff=True)


def _webps():
    yield _saved(image("RGB"), "WEBP", exif=EXIF, icc_profile=ICC, xmp=b"<x/>")
    yield _saved(image("RGBA"), "WEBP", lossless=True)
    yield _saved(image("RGB"), "WEBP", save_all=True, append_images=[image("RGBA")])


def _gifs():
    yield _saved(image("P"), "GIF", transparency=3, comment=b"c")
    yield _saved(image("L"), "GIF", interlace=1)
    yield _saved(image("P"), "GIF", save_all=True, append_images=[image("P").rotate(180)])


def _plain_images():
    yield from (_saved(image(mode), "BMP", dpi=(72, 72)) for mode in ("1", "L", "P", "RGB"))
    yield from (_saved(image(mode), "PPM") for mode in ("1", "L", "RGB", "I;16", "F"))
    yield b"P1\n# a comment\n3 2\n1 0 1\n0 1 0\n"
    yield b"P2 3 2 255 1 2 3 4 5 6"
    yield b"P3 1 2 65535 1 2 3 4 5 6"
    yield b"Pf\n2 1\n1.0\n" + bytes(8)


def _weights():
    for shape in ((1, 1, 2, 2, 2), (3, 1, 2, 2), (2, 2, 3, 3), (1, 1, 1, 1, 1)):
        stream = io.BytesIO()
        np.save(stream, np.arange(np.prod(shape), dtype="f4").reshape(shape))
        yield stream.getvalue()


def _companions(*suffixes):
    return [data for name, data in COMPANIONS().items() if name.endswith(suffixes)]


SEEDS = {
    "nifti": _niftis,
    "gzip": _gzips,
    "mgh": _mghs,
    "npy": _arrays,
    "png": _pngs,
    "jpeg": _jpegs,
    "tiff": _tiffs,
    "webp": _webps,
    "gif": _gifs,
    "plain": _plain_images,
    "npz": lambda: _companions(".npz"),
    "record": lambda: _companions(".record.json"),
    "weights": _weights,
}
"""Format → what makes its good files; ``plain`` is BMP and netpbm."""
