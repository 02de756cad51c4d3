"""PNG: filters, the compressed stream and its chunks, each read by something else than us."""

import io
import struct
import zlib
from pathlib import Path

import naive
import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from upsample_cli.errors import FileError
from upsample_cli.files.images import png_decoder, png_encoder
from upsample_cli.files.images.formats import IMAGE_FORMATS, format_named
from upsample_cli.files.images.modes import PIXEL_MODES
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.files.images.reading import open_image
from upsample_cli.files.images.writing import save_image
from upsample_cli.kernels.png_filter import FILTERS, filter_rows, unfilter_rows

MODES = IMAGE_FORMATS[0].modes
DEEP_COLOURS = [mode for mode in MODES if PIXEL_MODES[mode].is_deep]
SAMPLES = Path(__file__).parents[3] / "sample_data"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
COLOUR_TYPE = {"L": 0, "I": 0, "P": 3, "RGB": 2, "LA": 4, "RGBA": 6}
GREY = Image.new("L", (1, 1))


def random_rows(rows, length, seed=0):
    """Return rows that make each filter the best one somewhere."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (rows, length), np.uint8)
    steps = np.cumsum(rng.integers(-3, 4, (rows, length)), axis=1).astype(np.uint8)
    return np.where(rng.integers(0, 4, (rows, 1)) > 0, steps, noise)


def random_pixels(mode, height, width):
    dtype, channels = PIXEL_MODES[mode].dtype, PIXEL_MODES[mode].channels
    top = {"1": 2, "P": 40}.get(mode, int(np.iinfo(dtype).max) + 1)
    return np.random.default_rng(height).integers(0, top, (height, width, channels), dtype)


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file


def opened(file):
    return open_image(file, "in.png", ImageOptions())


def source_with(mode):
    """Return an image that has a palette where the mode needs one."""
    image = Image.new("P", (1, 1)) if mode == "P" else GREY
    if mode == "P":
        image.putpalette(np.random.default_rng(1).integers(0, 256, 120, np.uint8).tobytes())
    source = opened(saved(image))
    source.pixels(blurs=False)
    return source


def written(mode, pixels, threads=1):
    out = io.BytesIO()
    assert (
        save_image(
            out,
            format_named("PNG"),
            mode,
            pixels,
            source_with(mode),
            ImageOptions(),
            threads=threads,
        )
        == []
    )
    return out.getvalue()


def chunks_of(data):
    """Parse a PNG strictly: every length, order and CRC."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = [], 8
    while at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack_from(">I", data, at + 8 + length)
        assert zlib.crc32(name + content) == crc
        chunks.append((name, content))
        at += 12 + length
    names = [name for name, _ in chunks]
    assert names[0] == b"IHDR"
    assert names.index(b"IEND") == len(names) - 1
    first = names.index(b"IDAT")
    assert set(names[first : first + names.count(b"IDAT")]) == {b"IDAT"}
    return chunks


def strictly_decoded(data):
    """Decode with zlib, which checks the Adler-32, and the filters of the specification."""
    chunks = chunks_of(data)
    width, height, depth, colour_type, *methods = struct.unpack(">IIBBBBB", chunks[0][1])
    assert methods == [0, 0, 0]
    inflater = zlib.decompressobj()
    raw = inflater.decompress(b"".join(content for name, content in chunks if name == b"IDAT"))
    assert inflater.eof
    assert inflater.unused_data == b""
    channels = CHANNELS[colour_type]
    length = -(-width * channels * depth // 8)
    assert len(raw) == height * (1 + length)
    above = [0] * length
    rows, step = [], max(1, channels * depth // 8)
    for at in range(0, len(raw), 1 + length):
        row = list(raw[at + 1 : at + 1 + length])
        for n in range(length):
            left, corner = (row[n - step], above[n - step]) if n >= step else (0, 0)
            row[n] = (row[n] + naive.png_predictor(raw[at], left, above[n], corner)) % 256
        rows.append(row)
        above = row
    packed = np.array(rows, np.uint8)
    if depth == 16:
        return packed.view(">u2").reshape(height, width, channels)
    bits = np.unpackbits(packed, axis=1)[:, : width * channels * depth]
    weights = 1 << np.arange(depth)[::-1]
    return (bits.reshape(height, width, channels, depth) * weights).sum(axis=-1)


# --- filters ---


@pytest.mark.parametrize("step", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("length", [1, 2, 5, 8, 24, 301])
def test_the_cheapest_filter_is_chosen_and_undone(length, step):
    rows, above = random_rows(40, length), random_rows(1, length, 1)[0]
    filtered = np.empty((40, 1 + length), np.uint8)
    candidates = np.empty((FILTERS, length), np.uint8)
    filter_rows(rows, above, step, candidates, filtered)
    for r, row in enumerate(rows):
        up = rows[r - 1] if r else above
        results = [naive.png_filter(name, row, up, step) for name in range(FILTERS)]
        costs = [sum(min(byte, 256 - byte) for byte in result) for result in results]
        best = costs.index(min(costs))
        assert filtered[r].tolist() == [best, *results[best]]
    assert candidates.tolist() == results  # of the last row
    again = np.empty_like(rows)
    assert unfilter_rows(filtered, above, step, again) == 0
    np.testing.assert_array_equal(again, rows)


@pytest.mark.parametrize("step", [1, 3, 8])
@pytest.mark.parametrize("name", range(FILTERS))
def test_each_filter_is_undone(name, step):
    rows, above = random_rows(2, 50), random_rows(1, 50, 1)[0]
    results = [
        naive.png_filter(name, row, up, step)
        for row, up in zip(rows, [above, rows[0]], strict=True)
    ]
    filtered = np.array([[name, *result] for result in results], np.uint8)
    again = np.empty_like(rows)
    assert unfilter_rows(filtered, above, step, again) == 0
    np.testing.assert_array_equal(again, rows)


def test_unknown_filters_are_counted():
    filtered = np.array([[0, 1], [5, 1], [255, 1]], np.uint8)
    assert unfilter_rows(filtered, np.zeros(1, np.uint8), 1, np.empty((3, 1), np.uint8)) == 2


# --- what is written ---


@pytest.mark.parametrize("size", [(1, 1), (1, 37), (41, 1), (13, 21), (9, 16)])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_read_by_pillow_and_by_the_specification(mode, size):
    pixels = random_pixels(mode, *size)
    data = written(mode, pixels)
    np.testing.assert_array_equal(strictly_decoded(data), pixels)
    image = Image.open(io.BytesIO(data))
    image.load()
    assert image.size == size[::-1]
    if PIXEL_MODES[mode].is_deep:  # Pillow keeps the upper 8 bits
        keeps = {"LA;16": "LA"}.get(mode, mode[:-3])
        np.testing.assert_array_equal(np.asarray(image.convert(keeps)), pixels >> 8)
    else:
        assert image.mode == mode
        np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)
    got_mode, got = opened(io.BytesIO(data)).pixels(blurs=False)
    assert got_mode == mode
    np.testing.assert_array_equal(got, pixels)


@pytest.mark.parametrize("colours", [1, 2, 3, 4, 5, 16, 17, 256])
def test_a_short_palette_takes_fewer_bits(colours):
    image = Image.new("P", (1, 1))
    image.putpalette(np.random.default_rng(2).integers(0, 256, 3 * colours, np.uint8).tobytes())
    source = opened(saved(image))
    source.pixels(blurs=False)
    pixels = np.random.default_rng(3).integers(0, colours, (7, 13, 1), np.uint8)
    out = io.BytesIO()
    save_image(out, format_named("PNG"), "P", pixels, source, ImageOptions())
    depth = out.getvalue()[24]
    assert depth == next(bits for bits in (1, 2, 4, 8) if colours <= 1 << bits)
    np.testing.assert_array_equal(strictly_decoded(out.getvalue()), pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(out))[..., None], pixels)


@pytest.mark.parametrize("mode", ["L", "RGBA", "RGB;16"])
def test_many_blocks_are_one_stream(mode):
    pixels = random_pixels(mode, 900, 1000)
    data = written(mode, pixels)
    assert [name for name, _ in chunks_of(data)].count(b"IDAT") > 3
    np.testing.assert_array_equal(opened(io.BytesIO(data)).pixels(blurs=False)[1], pixels)


def test_blocks_of_few_rows_and_groups_of_few_blocks(monkeypatch):
    pixels = random_pixels("RGB", 50, 30)
    monkeypatch.setattr(png_encoder, "BLOCKS_AT_ONCE", 3)
    for block in (1, 200, 1000):
        monkeypatch.setattr(png_encoder, "BLOCK", block)
        monkeypatch.setattr(png_decoder, "BLOCK", block)
        data = written("RGB", pixels, threads=3)
        np.testing.assert_array_equal(strictly_decoded(data), pixels)
        np.testing.assert_array_equal(
            png_decoder.decode([c for n, c in chunks_of(data) if n == b"IDAT"], pixels.shape, "u1"),
            pixels,
        )


def test_rows_longer_than_a_block():
    pixels = random_pixels("RGB", 3, 100_000)
    data = written("RGB", pixels, threads=2)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    assert [name for name, _ in chunks_of(data)].count(b"IDAT") == 3


@pytest.mark.parametrize("mode", ["RGB", "1", "RGBA;16"])
def test_the_bytes_are_the_same_for_any_number_of_threads(mode):
    pixels = random_pixels(mode, 700, 1000)
    assert written(mode, pixels) == written(mode, pixels, 2) == written(mode, pixels, 5)


def test_a_photo_takes_hardly_more_than_with_pillow():
    photo = Image.open(SAMPLES / "photo.png").convert("RGB")
    photo = photo.resize((640, 480))
    photo.info.clear()
    size = len(written("RGB", np.asarray(photo)))
    assert size < 1.15 * len(saved(photo, compress_level=4).getvalue())


class Forward(io.RawIOBase):
    """A pipe."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += data
        return len(data)


def test_a_png_is_written_forward():
    pipe = Forward()
    pixels = random_pixels("RGB", 5, 5)
    save_image(pipe, format_named("PNG"), "RGB", pixels, source_with("RGB"), ImageOptions())
    assert pipe.data == written("RGB", pixels)


@pytest.mark.parametrize("room", [0, 20, 100, 1_000_000])
def test_a_full_disk_is_an_error_of_the_file_system(room):
    class Full(io.BytesIO):
        def write(self, data):
            if self.tell() + len(data) > room:
                raise OSError(28, "No space left on device")
            return super().write(data)

    pixels = random_pixels("RGB", 900, 900)
    with pytest.raises(OSError, match="No space left"):
        save_image(
            Full(),
            format_named("PNG"),
            "RGB",
            pixels,
            source_with("RGB"),
            ImageOptions(),
            threads=2,
        )


# --- chunks beside the pixels ---


ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def metadata():
    """Return Pillow's options for one of everything."""
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", struct.pack(">I", 45455))
    info.add(b"cHRM", struct.pack(">8I", *range(31000, 31008)))
    info.add(b"cICP", bytes([1, 13, 0, 1]))
    info.add_text("Title", "plain")
    info.add_text("Story", "long " * 99, zip=True)
    info.add_itxt("Author", "Zoë", "fr", "Auteur", zip=True)
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return {"icc_profile": ICC, "exif": exif.tobytes(), "dpi": (144, 72), "pnginfo": info}


def pillow_chunks(image, **options):
    return [c for c in chunks_of(saved(image, **options).getvalue()) if c[0] != b"IDAT"]


def own_chunks(image, mode, **options):
    source = opened(saved(image, **options))
    _, pixels = source.pixels(blurs=False)
    out = io.BytesIO()
    save_image(out, format_named("PNG"), mode, pixels, source, ImageOptions())
    return [c for c in chunks_of(out.getvalue()) if c[0] != b"IDAT"]


def picture(mode):
    image = Image.open(SAMPLES / "photo.png").convert("RGB").resize((30, 20))
    image.info.clear()
    if mode == "I;16":
        pixels = np.asarray(image.convert("L")).astype(np.uint16) * 99
        return Image.frombuffer(mode, image.size, pixels, "raw", mode, 0, 1)
    return image.quantize(11) if mode == "P" else image.convert(mode)


CASES = [(mode, None) for mode in MODES if not PIXEL_MODES[mode].is_deep] + [
    ("1", 1),
    ("L", 77),
    ("RGB", (1, 2, 3)),
    ("I;16", 999),
    ("P", 3),
    ("P", bytes(range(0, 250, 25))),
]


@pytest.mark.parametrize("has_metadata", [False, True])
@pytest.mark.parametrize(("mode", "key"), CASES, ids=str)
def test_other_chunks_are_those_of_pillow(mode, key, has_metadata):
    options = metadata() if has_metadata else {}
    if key is not None:
        options["transparency"] = key
    expected = pillow_chunks(picture(mode), **options)
    assert sorted(own_chunks(picture(mode), mode, **options)) == sorted(expected)
    if has_metadata:
        names = [name for name, _ in own_chunks(picture(mode), mode, **options)]
        assert {b"iCCP", b"gAMA", b"cHRM", b"cICP", b"tEXt", b"zTXt", b"iTXt"} <= set(names)
        assert {b"pHYs", b"eXIf"} <= set(names)
        assert (b"tRNS" in names) == (key is not None)


@pytest.mark.parametrize("mode", DEEP_COLOURS)
def test_deep_colours_keep_their_metadata(mode):
    pixels = random_pixels(mode, 3, 5)
    source = opened(saved(picture("RGB"), **metadata()))
    source.pixels(blurs=False)
    out = io.BytesIO()
    save_image(out, format_named("PNG"), mode, pixels, source, ImageOptions())
    again = opened(io.BytesIO(out.getvalue()))
    again.pixels(blurs=True)
    assert again.metadata == source.metadata
    got = [c for c in chunks_of(out.getvalue()) if c[0] not in (b"IHDR", b"IDAT")]
    expected = own_chunks(picture("RGB"), "RGB", **metadata())
    assert got == [c for c in expected if c[0] != b"IHDR"]
    assert chunks_of(out.getvalue())[0][1][8] == 16


# --- 16-bit colours ---


def png_of(mode, pixels, *extra, content=None, interlace=0):
    """Return a hand-made PNG of 16 bits."""
    height, width, _ = pixels.shape
    colour_type = COLOUR_TYPE[mode.split(";")[0]]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, interlace)
    if content is None:
        rows = (b"\0" + row.astype(">u2").tobytes() for row in pixels)
        content = zlib.compress(b"".join(rows))
    parts = [(b"IHDR", header), *extra, (b"IDAT", content), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n"
    for name, part in parts:
        data += struct.pack(">I", len(part)) + name + part
        data += struct.pack(">I", zlib.crc32(name + part))
    return io.BytesIO(data)


@pytest.mark.parametrize("mode", DEEP_COLOURS)
def test_deep_colours_of_others_are_read_whole(mode):
    pixels = random_pixels(mode, 31, 17)
    source = opened(png_of(mode, pixels))
    assert (source.mode, source.facts()["dtype"]) == (mode, "uint16")
    got_mode, got = source.pixels(blurs=True)
    assert got_mode == mode
    assert got.dtype == np.uint16
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, pixels)


def test_deep_colours_keep_what_comes_after_the_pixels():
    whole = png_of("RGB;16", random_pixels("RGB;16", 4, 5), (b"tEXt", b"Early\0one")).getvalue()
    exif = chunks_of(saved(GREY, exif=metadata()["exif"]).getvalue())[1]
    assert exif[0] == b"eXIf"
    late = struct.pack(">I4s", len(exif[1]), exif[0]) + exif[1]
    late += struct.pack(">I", zlib.crc32(late[4:]))
    source = opened(io.BytesIO(whole[:-12] + late + whole[-12:]))
    source.pixels(blurs=True)
    assert source.metadata.exif == b"Exif\0\0" + exif[1]
    assert source.metadata.text == ((b"tEXt", b"Early\0one"),)


def test_a_deep_transparent_colour_needs_all_of_its_bits():
    pixels = random_pixels("RGB;16", 4, 5)
    pixels[0, 0], pixels[0, 1] = (0x1234, 0x5678, 0x9ABC), (0x1234, 0x5678, 0x9ABD)
    key = struct.pack(">3H", *pixels[0, 0])
    source = opened(png_of("RGB;16", pixels, (b"tRNS", key)))
    mode, blended = source.pixels(blurs=True)
    assert mode == "RGBA;16"
    assert blended[0, :2, 3].tolist() == [0, 65535]
    np.testing.assert_array_equal(blended[..., :3], pixels)
    out = io.BytesIO()
    save_image(
        out, format_named("PNG"), "RGB;16", source.pixels(blurs=False)[1], source, ImageOptions()
    )
    assert (b"tRNS", key) in chunks_of(out.getvalue())


def test_interlaced_deep_colours_are_refused():
    file = png_of("RGB;16", random_pixels("RGB;16", 4, 4), interlace=1)
    with pytest.raises(FileError, match=r"in\.png: its 16-bit colour is interlaced"):
        opened(file)


BROKEN = {
    "few rows": (zlib.compress(b"\0" * 7), "its pixels are cut short"),
    "cut": (zlib.compress(random_pixels("RGB", 9, 9).tobytes())[:70], "its pixels are cut short"),
    "nothing": (b"", "its pixels are cut short"),
    "filter 7": (zlib.compress((b"\7" + bytes(18)) * 4), "has an unknown filter"),
    "no zlib": (b"no deflated data", "its pixels are broken"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_deep_pixels_are_refused(kind):
    content, message = BROKEN[kind]
    with pytest.raises(ValueError, match=message):
        png_decoder.decode([content], (4, 3, 3), np.uint16)
    source = opened(png_of("RGB;16", np.zeros((4, 3, 3), np.uint16), content=content))
    with pytest.raises(FileError, match=r"in\.png: cannot decode this PNG: ") as caught:
        source.pixels(blurs=True)
    assert "\n" not in str(caught.value)


def test_no_more_is_inflated_than_the_pixels_take():
    bomb = zlib.compress(bytes(50_000_000))
    inflated = []
    inflater = png_decoder._Inflater([bomb])
    original = inflater._inflate
    inflater._inflate = lambda most: inflated.append(original(most)) or inflated[-1]
    inflater.fill(np.empty((2, 5), np.uint8))
    assert sum(map(len, inflated)) == 10
    assert png_decoder.decode([bomb], (2, 2, 3), np.uint16).sum() == 0


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_stream_may_be_cut_into_chunks_anywhere(size):
    pixels = random_pixels("RGB;16", 50, 40)
    whole = png_of("RGB;16", pixels).getvalue()
    (content,) = [c for n, c in chunks_of(whole) if n == b"IDAT"]
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    parts.insert(1, b"")
    np.testing.assert_array_equal(png_decoder.decode(parts, pixels.shape, np.uint16), pixels)


@pytest.mark.parametrize("mode", DEEP_COLOURS)
def test_deep_colours_are_resampled_from_file_to_file(mode, resample, tmp_path):
    pixels = random_pixels(mode, 20, 30)
    (tmp_path / "in.png").write_bytes(png_of(mode, pixels).getvalue())
    resample(tmp_path / "in.png", tmp_path / "same.png", scale=1)
    resample(tmp_path / "in.png", tmp_path / "near.png", scale=2, mode="nearest-exact")
    same = strictly_decoded((tmp_path / "same.png").read_bytes())
    near = strictly_decoded((tmp_path / "near.png").read_bytes())
    np.testing.assert_array_equal(same[..., -1], pixels[..., -1])
    np.testing.assert_array_equal(near, pixels.repeat(2, axis=0).repeat(2, axis=1))
