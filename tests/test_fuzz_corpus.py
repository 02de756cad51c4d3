"""What fuzzing found, and what it might: each hostile file through every command that takes it.

``python tests/fuzz`` looks for more; ``tests/fuzz/rule.py`` says what every command must keep to.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from fuzz import nasty, rule
from fuzz.commands import check_file, make_companions
from fuzz.mutation import mutated
from fuzz.raw_mutation import FLOATS, INTEGERS, Random
from fuzz.rule import BrokenRuleError, check, run
from fuzz.seeds import SEEDS, nifti
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from volumes import LAYOUTS

CORPUS = sorted((Path(__file__).parent / "fuzz" / "corpus").iterdir())
MADE = [(format, name) for format in nasty.FILES for name in nasty.FILES[format]]


@pytest.fixture(scope="module")
def companions(tmp_path_factory):
    """Return a folder with the good files that command lines name."""
    folder = tmp_path_factory.mktemp("fuzz")
    make_companions(folder)
    return folder


@pytest.fixture
def place(companions, monkeypatch):
    """Work in that folder, which every case leaves as it was."""
    monkeypatch.chdir(companions)
    return companions


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_finds(place, path):
    data = path.read_bytes()
    assert len(data) < 4096
    check_file(path.suffix[1:], data, thorough=True)


@pytest.mark.parametrize(("format", "name"), MADE, ids=[f"{f}-{n}" for f, n in MADE])
def test_nasty_files(place, format, name):
    check_file(format, nasty.FILES[format][name]())


@pytest.mark.parametrize("format", SEEDS)
def test_a_few_mutants_of_every_format(place, format):
    seeds, chosen = list(SEEDS[format]()), Random(11)
    for _ in range(12):
        check_file(format, mutated(format, chosen, chosen.choice(seeds), chosen.choice(seeds)))


def values_of(kind):
    """Return what a field of one of struct's kinds may hold, the extremes among them."""
    if kind in "fd":
        finite = st.floats(width=32 if kind == "f" else 64)
        return st.one_of(st.sampled_from([f for f in FLOATS if abs(f) < 3e38]), finite)
    if kind in "cs":
        return st.just(b"?")
    bits = 8 * {"B": 1, "h": 2, "i": 4, "q": 8}[kind]
    low, high = (0, 2**bits) if kind == "B" else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    extremes = [n for n in INTEGERS if low <= n < high]
    return st.one_of(st.sampled_from(extremes), st.integers(low, high - 1))


@st.composite
def headers(draw):
    """Draw a NIfTI file with one to four fields set to anything."""
    version, order = draw(st.sampled_from([1, 2])), draw(st.sampled_from("<>"))
    fields = {}
    layout = [field for field in LAYOUTS[version] if field[0] not in ("sizeof_hdr", "magic")]
    for name, kind in draw(st.lists(st.sampled_from(layout), min_size=1, max_size=4)):
        count = int(kind[:-1]) if kind[0].isdigit() and kind[-1] != "s" else 1
        values = draw(st.lists(values_of(kind[-1]), min_size=count, max_size=count))
        fields[name] = values if count > 1 else values[0]
    return nifti(version=version, order=order, **fields)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(headers())
def test_headers_that_say_anything(place, data):
    check_file("nifti", data)


def test_what_is_outside_of_a_64_bit_volume_does_not_wrap_around(place):
    Path("in.nii").write_bytes(nifti(datatype=1024, scl_slope=1e-3, scl_inter=-3e38))
    done = run(["resample", "in.nii", "out.nii", "--like", "good.nii"])
    assert done.code == 0
    assert "cannot hold 0; outside of it is filled with" in done.err
    values = np.frombuffer(Path("out.nii").read_bytes()[-7 * 6 * 5 * 8 :], "<i8")
    assert values.max() > 2**62
    assert values.min() >= 0
    Path("in.nii").unlink()
    Path("out.nii").unlink()


def test_more_pixels_than_a_file_can_hold_are_refused_first(place):
    Path("in.bmp").write_bytes(next(SEEDS["plain"]()).replace(b"\x08\0\0\0\6", b"\0\1\1\0\6"))
    done = run(["info", "in.bmp"])
    assert done.code == 1
    assert "bytes cannot hold 65792×6 pixels; use a complete file" in done.err
    Path("in.bmp").unlink()


def test_a_row_is_read_at_once(place, monkeypatch):
    """Found with a WebP of 9 million columns: in blocks, the time grows with a row's square."""
    Image.new("RGB", (30_000, 2)).save("in.bmp")
    load, blocks = ImageFile.ImageFile.load, []

    def watched(self):
        blocks.append(self.decodermaxblock)
        return load(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", watched)
    assert run(["resample", "in.bmp", "out.bmp", "-s", "4x4"]).code == 0
    assert min(blocks) >= 30_000 * 4
    Path("in.bmp").unlink()
    Path("out.bmp").unlink()


def test_broken_exif_data_are_dropped_with_a_word(place):
    found = Path(__file__).parent / "fuzz" / "corpus" / "exif-of-no-tiff.jpeg"
    done = run(["resample", found, "out.tif", "-x", "2"])
    assert done.code == 0
    assert "out.tif: TIFF holds no EXIF data that is broken; it was dropped" in done.err
    Path("out.tif").unlink()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("", 1),
        ("upsample-cli: error: internal: ValueError: x; run with --debug and report it\n", 1),
        ("upsample-cli: error: in.nii: x\nand more\n", 1),
        ("upsample-cli: error: other.nii: x\n", 1),
        ("upsample-cli: error: in.nii: x\n", 3),
        ("warning: of another\nin.nii 1 → out.nii 2, linear, 0.0 s\n", 0),
    ],
)
def test_the_rule_is_broken_by(place, monkeypatch, said, code):
    def ended(_):
        sys.stderr.write(said)
        return code

    monkeypatch.setattr(rule.app, "run", ended)
    with pytest.raises(BrokenRuleError):
        check(["info", "in.nii"])


def test_the_rule_wants_whole_outputs_and_nothing_else(place, monkeypatch):
    def leaves(name):
        def run(_):
            Path(name).write_bytes(b"half")
            return 0

        return run

    for name, outputs in (("out.nii", ["out.nii"]), ("out.nii", []), ("other", ["out.nii"])):
        monkeypatch.setattr(rule.app, "run", leaves(name))
        with pytest.raises(BrokenRuleError):
            check(["resample", "in.nii", "out.nii"], outputs)
    assert not Path("out.nii").exists()


def test_what_is_printed_past_python_is_seen(place, monkeypatch):
    def prints(_):
        os.write(2, b"a library in C\n")
        return 0

    monkeypatch.setattr(rule.app, "run", prints)
    assert run(["info"]).err == "a library in C\n"
