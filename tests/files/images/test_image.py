"""Images: what is read, what is refused, and that what is written reads back the same."""

import io
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files.images.formats import (
    IMAGE_FORMATS,
    format_named,
    format_of_suffix,
    is_image,
)
from upsample_cli.files.images.modes import PIXEL_MODES, element_of_mode, mode_for_dtype
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.files.images.reading import open_image, result_mode
from upsample_cli.files.images.writing import save_image

SAMPLES = Path(__file__).parents[3] / "sample_data"
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
DPI = (144, 72)


def make(mode, height=13, width=21):
    """Return random pixels of a mode: the Pillow image, where Pillow has such, and its array."""
    rng = np.random.default_rng(7)
    dtype, channels = PIXEL_MODES[mode].dtype, PIXEL_MODES[mode].channels
    shape = (height, width, channels)
    if mode == "F":
        pixels = rng.standard_normal(shape).astype(dtype) * 1e6
    else:
        top = {"1": 2, "P": 40}.get(mode, int(np.iinfo(dtype).max) + 1)
        pixels = rng.integers(-top if mode == "I" else 0, top, shape, dtype)
    if mode == "1":
        return Image.fromarray(pixels[:, :, 0].astype(bool)), pixels
    if PIXEL_MODES[mode].is_deep:
        return None, pixels
    image = Image.frombuffer(mode, (width, height), pixels.copy(), "raw", mode, 0, 1)
    if mode == "P":
        image.putpalette(rng.integers(0, 256, 120, np.uint8).tobytes())
    return image, pixels


def save(image, format, **options):
    """Return a file in memory that Pillow wrote."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file


def source_of(file, name="in.img", **options):
    return open_image(file, name, ImageOptions(**options))


def rewrite(file, format, *, blurs=False, name="out", **options):
    """Read and write again; return what Pillow makes of it, the bytes and the warnings."""
    source = source_of(file, **options)
    mode, pixels = source.pixels(blurs=blurs)
    out = io.BytesIO()
    lost = save_image(
        out, format_named(format), mode, pixels, source, ImageOptions(**options), name=name
    )
    image = Image.open(out)
    image.load()
    return image, out.getvalue(), lost


def chunk(name, content):
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def png(depth, colour_type, rows, *extra):
    """Return a hand-made PNG; ``rows`` are the packed bytes of each row."""
    width = len(rows[0]) * 8 // (depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type])
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *extra, (b"IDAT", data), (b"IEND", b"")]
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


def tiff(tags, data):
    """Return a hand-made little-endian TIFF of one strip."""
    tags = {**tags, 273: (4, [0]), 279: (4, [len(data)])}
    start = 8 + 2 + 12 * len(tags) + 4
    extra = {tag: v for tag, v in tags.items() if len(v[1]) * (2 if v[0] == 3 else 4) > 4}
    size = sum(len(v[1]) * (2 if v[0] == 3 else 4) for v in extra.values())
    tags[273] = (4, [start + size])
    out, tail, at = struct.pack("<2sHIH", b"II", 42, 8, len(tags)), b"", start
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        out += struct.pack("<HHI", tag, kind, len(values))
        if len(packed) > 4:
            out += struct.pack("<I", at)
            tail, at = tail + packed, at + len(packed)
        else:
            out += packed.ljust(4, b"\0")
    return io.BytesIO(out + b"\0\0\0\0" + tail + data)


def tiff_tags(width, height, bits, photometric, **more):
    tags = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, list(bits)),
        259: (3, [1]),
        262: (3, [photometric]),
        277: (3, [len(bits)]),
        278: (4, [height]),
    }
    return tags | {int(tag[1:]): (3, values) for tag, values in more.items()}


LOSSLESS = [(f, mode) for f in IMAGE_FORMATS if f.name != "JPEG" for mode in f.modes]


# --- formats and modes ---


@pytest.mark.parametrize(("entry", "mode"), LOSSLESS, ids=lambda v: getattr(v, "suffixes", [v])[0])
def test_written_pixels_read_back_the_same(entry, mode):
    image, pixels = make(mode)
    source = source_of(save(image or Image.new("L", (1, 1)), "TIFF"))
    out = io.BytesIO()
    assert save_image(out, entry, mode, pixels, source, ImageOptions()) == []
    if mode == "P":
        source.pixels(blurs=False)  # the palette is known once decoded
        out = io.BytesIO()
        save_image(out, entry, mode, pixels, source, ImageOptions())
    again = source_of(out)
    assert (again.format, again.mode, again.width, again.height) == (entry.name, mode, 21, 13)
    got_mode, got = again.pixels(blurs=False)
    assert got_mode == mode
    assert got.dtype == PIXEL_MODES[mode].dtype
    assert got.flags.c_contiguous
    assert got.flags.writeable
    np.testing.assert_array_equal(got, pixels)
    if mode == "P":
        assert again.pixels(blurs=True)[0] == "RGB"
        expected = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(again.pixels(blurs=True)[1], expected)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_reads_back_close(mode):
    plane = np.linspace(10, 240, 64 * 48).reshape(48, 64)
    pixels = np.repeat(plane[..., None], PIXEL_MODES[mode].channels, 2).astype(np.uint8)
    pixels[..., -1] = 255 - pixels[..., -1]
    source = source_of(save(Image.new("L", (1, 1)), "PNG"))
    out = io.BytesIO()
    save_image(out, format_named("JPEG"), mode, pixels, source, ImageOptions())
    got_mode, got = source_of(out).pixels(blurs=True)
    assert got_mode == mode
    assert np.abs(got.astype(int) - pixels).max() <= 8


def test_an_image_taller_than_a_strip_keeps_its_row_order():
    image, pixels = make("RGB", height=201, width=5)
    np.testing.assert_array_equal(source_of(save(image, "PNG")).pixels(blurs=True)[1], pixels)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM"])
def test_images_are_told_by_content(format):
    head = save(make("L" if format != "WEBP" else "RGB")[0], format).getvalue()[:512]
    assert is_image(head)
    assert not is_image(head[1:])


@pytest.mark.parametrize("head", [b"", b"P7\n", b"BM, said the bear, is no header", b"\x93NUMPY"])
def test_other_content_is_no_image(head):
    assert not is_image(head)


def test_every_suffix_names_a_format_that_pillow_writes():
    Image.init()
    for entry in IMAGE_FORMATS:
        assert entry.name in Image.SAVE
        assert {format_of_suffix(s).name for s in entry.suffixes} == {entry.name}
    assert format_of_suffix(".JPG").name == "JPEG"
    assert format_of_suffix(".nii") is None


@pytest.mark.parametrize(
    ("format", "mode", "name", "message"),
    [
        ("JPEG", "RGBA", "o.jpg", "o.jpg: JPEG holds no transparency; write .png or .tif"),
        ("JPEG", "LA", "o.jpg", "JPEG holds no transparency; write .png"),
        ("BMP", "RGBA", "o.bmp", "BMP holds no transparency; write .png"),
        ("JPEG", "P", "o.jpg", "JPEG holds no palette pixels; write .png"),
        ("PNG", "CMYK", "o.png", "PNG holds no CMYK pixels; write .jpg or .tif"),
        (
            "PNG",
            "I",
            "o.png",
            "PNG holds no 32-bit integer pixels; write .tif or use --dtype uint16",
        ),
        (
            "PNG",
            "F",
            "o.png",
            "PNG holds no 32-bit float pixels; write .tif or .pfm or use --dtype",
        ),
        ("WEBP", "L", "o.webp", "WEBP holds no grey pixels; write .png"),
        ("GIF", "RGB", "o.gif", "GIF holds no RGB pixels; write .png"),
        ("PPM", "RGB", "o.pgm", "PGM holds no RGB pixels; write .png"),
        ("PPM", "L", "o.ppm", "PPM holds no grey pixels; write .png"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(format, mode, name, message):
    with pytest.raises(RequestError, match=re.escape(message)):
        format_named(format).check_can_write(mode, name)


def test_standard_output_takes_any_netpbm_kind():
    for mode in ("1", "L", "RGB", "I;16"):
        format_named("PPM").check_can_write(mode, "-")


@pytest.mark.parametrize(
    ("mode", "dtype", "expected"),
    [
        ("L", "uint16", "I;16"),
        ("I;16", "int32", "I"),
        ("I", "float32", "F"),
        ("F", "uint8", "L"),
        ("RGB", "uint8", "RGB"),
        ("P", "uint8", "P"),
    ],
)
def test_dtype_picks_the_mode(mode, dtype, expected):
    assert mode_for_dtype(mode, np.dtype(dtype)) == expected


@pytest.mark.parametrize(
    ("mode", "dtype", "message"),
    [
        ("RGB", "uint16", "--dtype: RGB pixels are uint8, never uint16; use uint8"),
        ("P", "float32", "--dtype: palette pixels are uint8"),
        ("L", "float64", "--dtype: images do not hold float64; use one of uint8, uint16"),
    ],
)
def test_dtype_without_a_mode_is_refused(mode, dtype, message):
    with pytest.raises(RequestError, match=message):
        mode_for_dtype(mode, np.dtype(dtype))


# --- palettes, 1-bit images and transparency ---


def keyed(mode, key):
    image, pixels = make(mode)
    return save(image, "PNG", transparency=key), image, pixels


@pytest.mark.parametrize(
    ("mode", "blended"),
    [
        ("1", "L"),
        ("P", "RGB"),
        ("L", "L"),
        ("LA", "LA"),
        ("RGB", "RGB"),
        ("RGBA", "RGBA"),
        ("I;16", "I;16"),
        ("CMYK", "CMYK"),
        ("I", "I"),
        ("F", "F"),
    ],
)
def test_blending_leaves_only_what_can_be_blended(mode, blended):
    source = source_of(save(make(mode)[0], "TIFF"))
    assert result_mode(source, blurs=True) == source.pixels(blurs=True)[0] == blended
    assert result_mode(source, blurs=False) == source.pixels(blurs=False)[0] == mode


def test_one_bit_becomes_black_and_white_when_blended():
    image, pixels = make("1")
    np.testing.assert_array_equal(source_of(save(image, "PNG")).pixels(blurs=True)[1], pixels * 255)


@pytest.mark.parametrize("key", [3, bytes(range(0, 250, 10))], ids=["one entry", "alpha table"])
def test_palette_transparency(key):
    file, image, pixels = keyed("P", key)
    alpha = np.full(256, 255, np.uint8)
    alpha[3 if key == 3 else slice(0, len(key))] = 0 if key == 3 else np.frombuffer(key, np.uint8)
    mode, blended = source_of(file).pixels(blurs=True)
    assert mode == "RGBA"
    np.testing.assert_array_equal(blended[..., 3], alpha[pixels[..., 0]])
    np.testing.assert_array_equal(blended[..., :3], np.asarray(image.convert("RGB")))
    again, _, _ = rewrite(file, "PNG")
    assert again.mode == "P"
    assert again.info["transparency"] == key
    np.testing.assert_array_equal(np.asarray(again), pixels[..., 0])


@pytest.mark.parametrize(
    ("mode", "blended"), [("1", "LA"), ("L", "LA"), ("RGB", "RGBA"), ("I;16", "LA;16")]
)
def test_transparent_colour(mode, blended):
    pixels = make(mode)[1]
    value = pixels[4, 5].tolist()
    key = value[0] if len(value) == 1 else tuple(value)
    file, *_ = keyed(mode, key)
    got_mode, got = source_of(file).pixels(blurs=True)
    assert got_mode == result_mode(source_of(file), blurs=True) == blended
    is_key = (pixels == pixels[4, 5]).all(-1)
    assert is_key.any()
    opaque = 65535 if mode == "I;16" else 255
    np.testing.assert_array_equal(got[..., -1], np.where(is_key, 0, opaque))
    again, written, _ = rewrite(file, "PNG")
    values = [min(v, 1) if mode == "1" else v for v in value]  # in the depth of the file
    assert chunk(b"tRNS", struct.pack(f">{len(values)}H", *values)) in written
    assert again.info["transparency"] == Image.open(file).info["transparency"]
    np.testing.assert_array_equal(
        np.asarray(again), pixels.squeeze(-1) if mode != "RGB" else pixels
    )


def test_transparent_colour_of_a_2_bit_png_is_spread_like_its_pixels():
    file = png(2, 0, [bytes([0b00_01_10_11])], (b"tRNS", b"\0\2"))
    mode, pixels = source_of(file).pixels(blurs=True)
    assert mode == "LA"
    assert pixels[0].tolist() == [[0, 255], [85, 255], [170, 0], [255, 255]]


@pytest.mark.parametrize("format", ["TIFF", "BMP", "GIF"])
def test_transparency_is_never_dropped(format):
    source = source_of(keyed("P", bytes(range(0, 250, 10)))[0])
    with pytest.raises(RequestError, match=r"out.x: .* holds no transparency .*write .png"):
        format_named(format).check_can_write("P", "out.x", source.transparency)
    format_named("PNG").check_can_write("P", "out.x", source.transparency)
    format_named("TIFF").check_can_write("RGBA", "out.x", source.transparency)


def test_gif_keeps_its_palette_order_and_transparent_index():
    image, pixels = make("P")
    file = save(image, "GIF", transparency=7, optimize=False)
    again, _, _ = rewrite(file, "GIF")
    assert (again.mode, again.info["transparency"]) == ("P", 7)
    np.testing.assert_array_equal(np.asarray(again), pixels[..., 0])


def test_a_pixel_past_the_end_of_the_palette_stays_black():
    file = png(8, 3, [bytes([0, 1, 9])], (b"PLTE", bytes([255, 0, 0, 0, 255, 0])))
    again, _, _ = rewrite(file, "PNG")
    assert np.asarray(again).tolist() == [[0, 1, 9]]
    assert again.convert("RGB").getpixel((2, 0)) == (0, 0, 0)


# --- what is refused when reading ---


@pytest.mark.parametrize(
    "file",
    [
        tiff(tiff_tags(2, 1, (16, 16, 16), 2), bytes(12)),
        tiff(tiff_tags(2, 1, (16, 16, 16), 2, t284=[2]), bytes(12)),
        tiff(tiff_tags(2, 1, (16,) * 4, 2, t338=[2]), bytes(16)),
        tiff(tiff_tags(2, 1, (16,) * 4, 5), bytes(16)),
        io.BytesIO(b"P6 2 1 65535\n" + bytes(12)),
        io.BytesIO(b"P6 2 1 1023\n" + bytes(12)),
        io.BytesIO(b"P3 1 1 1023\n1000 2 3\n"),
    ],
    ids=lambda file: file.getvalue()[:26].hex(),
)
def test_16_bit_colour_is_refused(file):
    with pytest.raises(FileError, match=r"in\.img: its 16-bit colour would be reduced to 8 bits"):
        source_of(file)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (tiff(tiff_tags(2, 1, (16,), 0), bytes(4)), "its white is 0"),
        (tiff(tiff_tags(2, 1, (32,), 1), bytes(8)), "its unsigned 32-bit integers"),
        (tiff(tiff_tags(2, 1, (8,), 1, t339=[2]), bytes(2)), "its signed 8-bit integers"),
        (tiff(tiff_tags(2, 1, (8,) * 4, 2, t338=[0]), bytes(8)), "its unnamed extra channel"),
        (tiff(tiff_tags(2, 1, (8,) * 3, 8), bytes(6)), "its pixels are LAB; known are 1, L"),
        (tiff(tiff_tags(2, 1, (8,) * 3, 6), bytes(6)), "its pixels are YCbCr"),
        (tiff(tiff_tags(2, 1, (8,) * 2, 1, t338=[1]), bytes(4)), "its pixels are La"),
        (tiff(tiff_tags(2, 1, (8,), 3, t320=[0x1234] * 768), bytes(2)), "its 16-bit palette"),
        (tiff(tiff_tags(2, 1, (64,), 1), bytes(16)), "cannot decode this TIFF: unknown pixel mode"),
    ],
)
def test_what_pillow_would_misread_is_refused(file, message):
    with pytest.raises(FileError, match=rf"in\.img: {message}"):
        source_of(file)


@pytest.mark.parametrize(
    ("file", "mode", "values"),
    [
        (png(16, 0, [bytes([1, 2, 255, 254])]), "I;16", [0x0102, 0xFFFE]),
        (png(4, 0, [bytes([0x0F])]), "L", [0, 255]),
        (tiff(tiff_tags(2, 1, (16,), 1), bytes([1, 2, 255, 254])), "I;16", [0x0201, 0xFEFF]),
        (tiff(tiff_tags(2, 1, (16,), 1, t339=[2]), b"\xff\xff\1\0"), "I", [-1, 1]),
        (io.BytesIO(b"P5 2 1 65535\n\1\2\xff\xfe"), "I;16", [0x0102, 0xFFFE]),
        (io.BytesIO(b"P2 2 1 65535\n258 65534\n"), "I;16", [0x0102, 0xFFFE]),
    ],
    ids=["png 16", "png 4", "tiff 16", "tiff int16", "pgm 16", "plain pgm 16"],
)
def test_deep_and_shallow_grey_is_read_whole(file, mode, values):
    source = source_of(file)
    got_mode, pixels = source.pixels(blurs=True)
    assert (source.mode, got_mode) == (mode, mode)
    assert pixels.dtype == PIXEL_MODES[mode].dtype
    assert pixels.ravel().tolist() == values


def test_a_big_endian_tiff_becomes_native():
    image, pixels = make("I;16")
    big = Image.frombuffer("I;16B", image.size, pixels.astype(">u2"), "raw", "I;16B", 0, 1)
    file = save(big, "TIFF")
    assert file.getvalue().startswith(b"MM")
    mode, got = source_of(file).pixels(blurs=True)
    assert mode == "I;16"
    np.testing.assert_array_equal(got, pixels)


PHOTO = Image.open(SAMPLES / "photo.png").convert("RGB").resize((90, 70))
PHOTO.info.clear()
FILES = {
    "PNG": save(PHOTO, "PNG"),
    "JPEG": save(PHOTO, "JPEG"),
    "TIFF": save(PHOTO, "TIFF"),
    "BMP": save(PHOTO, "BMP"),
    "WEBP": save(PHOTO, "WEBP"),
    "PPM": save(PHOTO, "PPM"),
    "GIF": save(PHOTO.convert("P"), "GIF"),
}


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_refused(format, part):
    whole = FILES[format].getvalue()
    with pytest.raises(FileError, match=r"in\.img: ") as caught:
        source_of(io.BytesIO(whole[: int(len(whole) * part)])).pixels(blurs=True)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_png_without_its_last_byte_is_refused():
    with pytest.raises(FileError, match="it is truncated"):
        source_of(io.BytesIO(FILES["PNG"].getvalue()[:-1])).pixels(blurs=True)


def test_a_wrong_checksum_is_refused():
    stored = bytearray(save(PHOTO, "PNG", compress_level=0).getvalue())
    stored[5000] ^= 1
    with pytest.raises(FileError, match="the checksum of its IDAT chunk is wrong"):
        source_of(io.BytesIO(bytes(stored))).pixels(blurs=True)


@pytest.mark.parametrize("format", [f for f in FILES if f != "TIFF"])  # libtiff writes to stderr
def test_garbage_is_refused_or_read_in_silence(format, capfd):
    rng = np.random.default_rng(3)
    whole = np.frombuffer(FILES[format].getvalue(), np.uint8)
    messages = []
    for _ in range(60):
        broken = whole.copy()
        where = rng.integers(4, min(len(whole), 400), 6)
        broken[where] = rng.integers(0, 256, 6)
        try:
            source_of(io.BytesIO(broken.tobytes())).pixels(blurs=True)
        except (FileError, RequestError) as error:
            messages.append(str(error))
    assert not any("\n" in message for message in messages)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "in.img: it is empty"),
        (b"not an image", "in.img: it is no image of a known format; known are PNG, JPEG"),
        (b"\x89PNG\r\n\x1a\n", "in.img: "),
        (b"\xff\xd8\xff\xe0", "in.img: "),
        (b"II*\0", "in.img: its TIFF header is broken|in.img: cannot decode this TIFF"),
    ],
)
def test_what_is_no_image_is_refused(content, message):
    with pytest.raises(FileError, match=message):
        source_of(io.BytesIO(content))


def test_content_goes_before_the_suffix(tmp_path):
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(FILES["PNG"].getvalue())
    with path.open("rb") as file:
        source = open_image(file, path.name, ImageOptions())
        assert source.format == "PNG"
        assert source.pixels(blurs=True)[1].shape == (70, 90, 3)


def test_a_pipe_is_read_whole():
    read, write = os.pipe()
    with open(write, "wb") as end:
        end.write(save(make("L")[0], "PNG").getvalue())  # less than a pipe holds
    with open(read, "rb") as file:
        file.peek(512)
        source = source_of(file)
        assert source.shape == (13, 21)
        np.testing.assert_array_equal(source.pixels(blurs=True)[1], make("L")[1])


@pytest.mark.parametrize(
    ("format", "mode", "suffix"),
    [("JPEG", "L", ".jpg"), ("PPM", "1", ".pbm"), ("TIFF", "F", ".tif")],
)
def test_the_default_suffix_can_hold_the_image(format, mode, suffix):
    source = source_of(save(make(mode)[0], format))
    assert source.default_suffix == suffix
    format_of_suffix(suffix).check_can_write(mode, "out" + suffix, source.transparency)
    assert source.facts()["shape"] == [21, 13]
    assert element_of_mode(mode) == (source.facts()["dtype"], 1)


# --- limits and frames ---


@pytest.mark.parametrize("factor", [1.5, 3])
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "GIF"])
def test_a_decompression_bomb_is_refused_until_trusted(format, factor, monkeypatch):
    limit = int(6300 / factor)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(FileError, match=r"in.img: it has 6300 pixels.*use --max-pixels 6300"):
        source_of(FILES[format])
    assert source_of(FILES[format], max_pixels=6300).pixels(blurs=True)[1].shape == (70, 90, 3)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_max_pixels_is_itself_a_limit():
    with pytest.raises(FileError, match="it has 6300 pixels"):
        source_of(FILES["PNG"], max_pixels=6299)


FRAMES = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]


def animation(format):
    options = {"lossless": True} if format == "WEBP" else {}
    options |= {"quality": 95, "subsampling": 0} if format == "MPO" else {}
    return save(FRAMES[0], format, save_all=True, append_images=FRAMES[1:], **options)


@pytest.mark.parametrize("format", ["GIF", "TIFF", "WEBP", "PNG", "MPO"])
def test_a_multi_frame_file_needs_a_frame(format):
    file = animation(format)
    with pytest.raises(RequestError, match=r"--frame: in\.img has 3 frames; give one of 0 to 2"):
        source_of(file)
    for wrong in (-1, 3):
        with pytest.raises(RequestError, match=rf"--frame: in\.img has 3 frames, no frame {wrong}"):
            source_of(file, frame=wrong)
    for frame, expected in enumerate(FRAMES):
        source = source_of(file, frame=frame)
        assert source.format == ("JPEG" if format == "MPO" else format)
        got = source.pixels(blurs=True)[1][..., :3].astype(int)
        assert np.abs(got - np.asarray(expected)).max() <= 3


def test_a_single_frame_has_only_frame_0():
    assert source_of(FILES["PNG"], frame=0).width == 90
    with pytest.raises(RequestError, match=r"--frame: in\.img has one frame, no frame 1"):
        source_of(FILES["PNG"], frame=1)


# --- metadata ---


def exif_bytes(orientation=6):
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", orientation
    exif.get_ifd(0x8769)[33434] = 0.004
    return exif.tobytes()


def with_everything(format, mode="RGB"):
    options = {"icc_profile": ICC, "exif": exif_bytes(), "xmp": XMP, "dpi": DPI}
    if format == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP)
        options["pnginfo"] = info
    if format == "TIFF":
        exif = Image.Exif()
        exif.load(options["exif"])
        exif[700] = XMP
        options["exif"] = exif
    if format == "JPEG":
        options["comment"] = b"said here"
    return save(make(mode)[0], format, **options)


@pytest.mark.parametrize("target", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("origin", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_metadata_is_kept(origin, target):
    image, written, lost = rewrite(with_everything(origin), target)
    assert image.info["icc_profile"] == ICC
    assert image.info["xmp"] == XMP
    exif = Image.open(io.BytesIO(written)).getexif()  # loading a TIFF would drop its orientation
    assert (exif[271], exif[274]) == ("Maker", 6)
    assert exif.get_ifd(0x8769)[33434] == pytest.approx(0.004)
    if origin != "TIFF" and target != "TIFF":
        assert image.info["exif"].removeprefix(b"Exif\0\0") == exif_bytes().removeprefix(
            b"Exif\0\0"
        )
    has_dpi = "WEBP" not in (origin, target)
    if has_dpi:
        assert np.allclose(np.float64(image.info["dpi"]), DPI, atol=0.02)
    expected = []
    if target == "WEBP" and origin != "WEBP":
        expected.append("out: WEBP holds no resolution (DPI); it was dropped")
    if origin == "JPEG" and target != "JPEG":
        expected.append(f"out: {target} holds no comment; it was dropped")
    assert sorted(lost) == sorted(expected)


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_tiff_orientation_and_pixels_are_left_as_they_are(orientation, compression):
    image, pixels = make("RGB")
    exif = Image.Exif()
    exif[274] = orientation
    file = save(image, "TIFF", exif=exif, compression=compression)
    source = source_of(file)
    assert (source.width, source.height) == (21, 13)
    np.testing.assert_array_equal(source.pixels(blurs=True)[1], pixels)
    _, written, _ = rewrite(file, "TIFF")
    np.testing.assert_array_equal(source_of(io.BytesIO(written)).pixels(blurs=True)[1], pixels)
    assert Image.open(io.BytesIO(written)).tag_v2[274] == orientation


def test_png_chunks_are_kept_as_they_were():
    chunks = [
        (b"gAMA", struct.pack(">I", 45455)),
        (b"cHRM", struct.pack(">8I", *range(31000, 31008))),
        (b"tEXt", b"Title\0plain \xe9"),
        (b"zTXt", b"Story\0\0" + zlib.compress(b"long " * 99, 9)),
        (b"iTXt", b"Author\0\1\0fr\0Auteur\0" + zlib.compress("Zoë".encode(), 9)),
    ]
    for blurs in (False, True):
        _, written, lost = rewrite(png(8, 2, [bytes(9)], *chunks), "PNG", blurs=blurs)
        assert lost == []
        for part in chunks:
            assert written.count(chunk(*part)) == 1


def test_png_text_after_the_pixels_is_kept():
    body = png(8, 0, [b"\1\2"]).getvalue()
    late = chunk(b"tEXt", b"Late\0but here")
    _, written, _ = rewrite(io.BytesIO(body[:-12] + late + body[-12:]), "PNG")
    assert late in written


def test_a_png_keyword_is_not_taken_for_metadata():
    file = png(8, 0, [b"\1\2"], (b"tEXt", b"icc_profile\0no"), (b"tEXt", b"dpi\0no"))
    image, _, lost = rewrite(file, "JPEG")
    assert "icc_profile" not in image.info
    assert lost == ["out: JPEG holds no PNG text; it was dropped"]


def test_dropped_metadata_is_named():
    with (SAMPLES / "photo.png").open("rb") as file:
        _, _, lost = rewrite(file, "BMP", name="out.bmp")
    assert lost == [
        f"out.bmp: BMP holds no {part}; it was dropped" for part in ("ICC profile", "PNG text")
    ]


def test_the_sample_photo_keeps_everything_as_png():
    with (SAMPLES / "photo.png").open("rb") as file:
        image, _, lost = rewrite(file, "PNG")
    before = Image.open(SAMPLES / "photo.png")
    before.load()
    assert lost == []
    assert image.info == before.info


def test_a_long_xmp_that_no_jpeg_segment_holds_is_named():
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "x" * 70_000)
    _, _, lost = rewrite(save(PHOTO, "PNG", pnginfo=info), "JPEG")
    assert lost == ["out: JPEG holds no XMP data; it was dropped"]


# --- encoding ---


@pytest.mark.parametrize("sampling", [0, 1, 2])
def test_jpeg_keeps_subsampling_and_progression(sampling):
    file = save(PHOTO, "JPEG", subsampling=sampling, progressive=sampling == 1)
    image, _, _ = rewrite(file, "JPEG")
    assert Image.open(file).layer[0][1:3] == image.layer[0][1:3]
    assert ("progressive" in image.info) == (sampling == 1)


def test_jpeg_from_elsewhere_is_4_4_4_at_quality_92():
    _, written, _ = rewrite(FILES["PNG"], "JPEG")
    expected = save(PHOTO, "JPEG", quality=92, subsampling=0)
    assert written == expected.getvalue()
    smaller = rewrite(FILES["PNG"], "JPEG", quality=40)[1]
    assert smaller == save(PHOTO, "JPEG", quality=40, subsampling=0).getvalue()


@pytest.mark.parametrize("quality", [0, 101, -5])
@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_quality_out_of_range_is_refused(format, quality):
    with pytest.raises(RequestError, match=f"--quality: {quality} is out of range; give 1 to 100"):
        rewrite(FILES["PNG"], format, quality=quality)


def test_webp_is_lossless_until_quality_is_given():
    _, pixels = make("RGBA")
    pixels[:3, :, 3] = 0  # the colour under full transparency is data too
    file = save(Image.fromarray(pixels, "RGBA"), "PNG")
    np.testing.assert_array_equal(np.asarray(rewrite(file, "WEBP")[0]), pixels)
    assert len(rewrite(FILES["PNG"], "WEBP", quality=20)[1]) < len(FILES["PNG"].getvalue()) / 4


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("RGB", "raw", "raw"),
        ("RGB", "tiff_lzw", "tiff_lzw"),
        ("RGB", "packbits", "packbits"),
        ("RGB", "jpeg", "tiff_adobe_deflate"),
        ("1", "group4", "group4"),
    ],
)
def test_tiff_keeps_lossless_compression(mode, before, after):
    file = save(make(mode)[0], "TIFF", compression=before)
    assert rewrite(file, "TIFF")[0].info["compression"] == after


def test_bilevel_compression_is_not_tried_on_grey(capfd):
    file = save(make("1")[0], "TIFF", compression="group4")
    assert rewrite(file, "TIFF", blurs=True)[0].info["compression"] == "tiff_adobe_deflate"
    assert capfd.readouterr().err == ""


def test_cmyk_jpeg_keeps_its_colours():
    flat = Image.new("CMYK", (32, 32), (200, 10, 60, 30))
    again, _, _ = rewrite(save(flat, "JPEG", quality=95), "JPEG")
    assert again.mode == "CMYK"
    assert np.abs(np.asarray(again).astype(int) - np.asarray(flat)).max() <= 2
    as_tiff, _, _ = rewrite(save(flat, "JPEG", quality=95), "TIFF")
    assert np.abs(np.asarray(as_tiff).astype(int) - np.asarray(flat)).max() <= 2


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_written_bytes_depend_on_the_input_alone(format):
    first, second = (rewrite(with_everything("JPEG"), format)[1] for _ in range(2))
    assert first == second


def test_real_files_are_written_through_their_descriptor(tmp_path):
    source = source_of(FILES["PNG"])
    mode, pixels = source.pixels(blurs=True)
    for format in ("TIFF", "PNG"):
        with (tmp_path / "out").open("w+b") as file:
            save_image(file, format_named(format), mode, pixels, source, ImageOptions())
        with (tmp_path / "out").open("rb") as file:
            again = source_of(file)
            np.testing.assert_array_equal(again.pixels(blurs=True)[1], pixels)
            np.testing.assert_array_equal(again.pixels(blurs=False)[1], pixels)


def test_an_image_too_large_for_its_format_is_refused():
    source = source_of(FILES["PNG"])
    pixels = np.zeros((1, 16384, 3), np.uint8)
    with pytest.raises(FileError, match=r"o\.webp: cannot encode this WEBP: .*16383"):
        save_image(
            io.BytesIO(), format_named("WEBP"), "RGB", pixels, source, ImageOptions(), name="o.webp"
        )


class FullDisk(io.BytesIO):
    def write(self, _):
        raise OSError(28, "No space left on device")


def test_an_error_of_the_file_system_passes_through():
    source = source_of(FILES["PNG"])
    mode, pixels = source.pixels(blurs=True)
    with pytest.raises(OSError, match="No space left"):
        save_image(FullDisk(), format_named("PNG"), mode, pixels, source, ImageOptions())


@pytest.mark.parametrize(("format", "side"), [("JPEG", 65_501), ("WEBP", 16_384), ("GIF", 65_536)])
def test_a_side_beyond_the_format_is_refused(format, side):
    format_named(format).check_size((side - 1, 1), "out.x")
    with pytest.raises(RequestError, match=rf"out.x: {format} holds at most {side - 1} pixels"):
        format_named(format).check_size((1, side), "out.x")
