"""The tables of formats: what rows say agrees with itself, and with the files that there are."""

import pytest

from upsample_cli.errors import RequestError
from upsample_cli.files import (
    FORMATS,
    file_names,
    files_of,
    format_of,
    formats,
    is_gzip,
    is_uncompressed,
    known_suffixes,
    output_suffix,
    suffix_of,
    suffixes_like,
)
from upsample_cli.files.images.formats import IMAGE_FORMATS
from upsample_cli.files.images.metadata import WORDS
from upsample_cli.files.images.modes import PIXEL_MODES


def test_a_suffix_names_one_format():
    suffixes = known_suffixes()
    assert len(suffixes) == len(set(suffixes))
    for suffix in suffixes:
        assert suffix == suffix.lower()
        assert suffix_of("A" + suffix.upper()) == suffix
        assert suffix in suffixes_like(suffix)


def test_rows_speak_of_their_own_suffixes():
    for entry in formats():
        assert set(entry.gzip) | set(entry.uncompressed) <= set(entry.suffixes)
        assert not set(entry.gzip) & set(entry.uncompressed)
        assert all((entry.read_header is None) == (entry.kind != "volume") for entry in FORMATS)


def test_what_is_compressed():
    gzip = {suffix for suffix in known_suffixes() if is_gzip(suffix)}
    assert gzip == {".nii.gz", ".hdr.gz", ".img.gz", ".mgz", ".mgh.gz"}
    plain = {suffix for suffix in known_suffixes() if is_uncompressed(suffix)}
    assert plain == {
        *(".nii", ".hdr", ".img", ".mgh", ".npy"),
        *(".bmp", ".ppm", ".pgm", ".pfm", ".pnm"),
    }


def test_an_output_may_have_the_suffixes_of_its_inputs_format():
    assert suffixes_like(".mgz") == (".mgh", ".mgz", ".mgh.gz")
    assert suffixes_like(".img.gz") == format_of(".nii").suffixes
    assert {".png", ".pfm", ".jpg"} < set(suffixes_like(".gif"))
    assert ".npy" not in suffixes_like(".gif")


@pytest.mark.parametrize(
    ("name", "suffix", "expected"),
    [
        ("a.nii", ".nii", ["a.nii"]),
        ("a.img.gz", ".img.gz", ["a.hdr.gz", "a.img.gz"]),
        ("A.HDR", ".hdr", ["A.HDR", "A.IMG"]),
        ("-", ".nii.gz", ["-"]),
        ("-", ".png", ["-"]),
    ],
)
def test_the_files_of_an_output(name, suffix, expected):
    assert file_names(name, suffix) == expected
    assert list(files_of(name)) == expected


@pytest.mark.parametrize("suffix", [".hdr", ".img", ".hdr.gz", ".img.gz"])
def test_a_pair_needs_a_name(suffix):
    with pytest.raises(RequestError, match=r"--format: a .hdr/.img pair needs a name; use nii or"):
        file_names("-", suffix)


@pytest.mark.parametrize(
    ("name", "wanted", "expected"),
    [("a.img", "hdr", ".hdr"), ("a.pgm", "ppm", ".ppm"), ("a.jpeg", "JPG", ".jpg")],
)
def test_suffixes_that_mean_the_same_do_not_contradict(name, wanted, expected):
    assert output_suffix(name, wanted, ".npy") == expected


@pytest.mark.parametrize(
    ("name", "wanted"), [("a.mgz", "mgh"), ("a.img.gz", "img"), ("a.png", "tif")]
)
def test_suffixes_that_mean_another_do(name, wanted):
    with pytest.raises(RequestError, match=f"--format: {wanted} contradicts the name {name}"):
        output_suffix(name, wanted, ".npy")


@pytest.mark.parametrize("entry", IMAGE_FORMATS, ids=lambda entry: entry.suffixes[0])
def test_a_row_of_images_names_what_there_is(entry):
    assert set(entry.modes) <= set(PIXEL_MODES)
    assert set(entry.metadata) <= set(WORDS)
    assert set(entry.longest) <= set(entry.metadata)


def test_modes_become_modes_of_as_many_bits():
    for name, mode in PIXEL_MODES.items():
        if mode.blended is None:
            continue
        opaque, with_alpha = (PIXEL_MODES[blended] for blended in mode.blended)
        assert opaque.dtype == with_alpha.dtype == mode.dtype, name
        assert with_alpha.has_alpha
        assert not opaque.has_alpha
        assert with_alpha.channels == opaque.channels + 1


def test_a_limit_holds_for_the_parts_that_have_one():
    jpeg = next(entry for entry in IMAGE_FORMATS if entry.name == "JPEG")
    assert jpeg.holds("exif", bytes(65_502))
    assert not jpeg.holds("exif", bytes(65_503))
    assert jpeg.holds("icc_profile", bytes(10**6))
    assert not jpeg.holds("text", ((b"tEXt", b"a\0b"),))


def test_what_goes_through_memory():
    through = {e.suffixes[0] for e in IMAGE_FORMATS if e.in_memory(to_pipe=False)}
    assert through == {".tif"}
    straight = {e.suffixes[0] for e in IMAGE_FORMATS if not e.in_memory(to_pipe=True)}
    assert straight == {".png"}
