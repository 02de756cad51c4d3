"""Two outputs are alike by what they hold, where a machine may have deflated them otherwise."""

import gzip
import io
import zipfile
from functools import cache

import numpy as np
import pytest
from anew import deflated_anew
from PIL import Image, ImageCms, PngImagePlugin

from upsample_cli.files.alike import alike

DATA = np.cumsum(np.random.default_rng(0).integers(-2, 3, 3_000_000)).astype(np.uint8).tobytes()
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@cache
def gzipped(level, data=DATA):
    return gzip.compress(data, level, mtime=level)


@cache
def zipped(level, names=("a.npy", "b.npy"), data=(DATA[:200_000], b"b")):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, content in zip(names, data, strict=True):
            archive.writestr(name, content)
    return file.getvalue()


@cache
def png(level, data=DATA, **changes):
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", changes.pop("text", "words " * 99), zip=True)
    file, settings = io.BytesIO(), {"icc_profile": PROFILE, "dpi": (300, 300)} | changes
    image = Image.frombytes("L", (1500, 2000), data)
    image.save(file, "PNG", compress_level=level, pnginfo=text, **settings)
    return file.getvalue()


def changed(data):
    return data[:-1] + bytes([data[-1] ^ 1])


SAME = {
    "gzip": lambda: (gzipped(1), gzipped(9)),
    "gzip members": lambda: (gzipped(1), gzipped(6, DATA[:99]) + gzipped(1, DATA[99:])),
    "npz": lambda: (zipped(1), zipped(9)),
    "png": lambda: (png(1), png(9)),
    "png profile and text": lambda: (png(6), deflated_anew(png(6), 1)),
}
OTHER = {
    "gzip": lambda: (gzipped(1), gzipped(1, changed(DATA))),
    "gzip, longer": lambda: (gzipped(1), gzipped(1, DATA + b"\0")),
    "gzip, cut": lambda: (gzipped(1), gzipped(6)[:-9]),
    "gzip, both cut": lambda: (gzipped(1)[:-9], gzipped(6)[:-9]),
    "gzip and its content": lambda: (gzipped(1), DATA),
    "npz": lambda: (zipped(1), zipped(1, data=(DATA[:200_000], b"c"))),
    "npz, names": lambda: (zipped(1), zipped(1, names=("a.npy", "c.npy"))),
    "npz, cut": lambda: (zipped(1), zipped(6)[:-30]),
    "npz, member moved": lambda: (zipped(1, data=(b"ab", b"c")), zipped(1, data=(b"a", b"bc"))),
    "png": lambda: (png(1), png(1, changed(DATA))),
    "png, profile": lambda: (png(1), png(1, icc_profile=changed(PROFILE))),
    "png, text": lambda: (png(1), png(1, text="other")),
    "png, density": lambda: (png(1), png(1, dpi=(72, 72))),
    "png, cut": lambda: (png(1), png(6)[:-20]),
    "png and gzip": lambda: (png(1), gzipped(1)),
    "bytes": lambda: (DATA, changed(DATA)),
    "nothing": lambda: (gzipped(1), b""),
}


def judged(tmp_path, first, second):
    (tmp_path / "first").write_bytes(first)
    (tmp_path / "second").write_bytes(second)
    return alike(str(tmp_path / "first"), str(tmp_path / "second"))


@pytest.mark.parametrize("make", SAME.values(), ids=SAME)
def test_what_was_deflated_otherwise_is_alike(tmp_path, make):
    first, second = make()
    assert first != second
    assert judged(tmp_path, first, second)
    assert judged(tmp_path, second, first)


@pytest.mark.parametrize("make", OTHER.values(), ids=OTHER)
def test_other_content_is_not(tmp_path, make):
    first, second = make()
    assert not judged(tmp_path, first, second)
    assert not judged(tmp_path, second, first)


ANY = {"empty": lambda: b"", "any": lambda: DATA, "damaged": lambda: gzipped(1)[:-9]}


@pytest.mark.parametrize("make", ANY.values(), ids=ANY)
def test_the_same_bytes_are_alike_whatever_they_are(tmp_path, make):
    content = make()
    assert judged(tmp_path, content, content)
