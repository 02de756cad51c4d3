"""The demos: the numbers that they print, the pictures that they draw, and how they fail."""

import re
import shlex
import shutil
from functools import partial

import numpy as np
import pages
import pytest
from PIL import Image, ImageColor
from processes import SAMPLES
from volumes import write_volume

from upsample_cli import functional
from upsample_cli.demos import crops, figure
from upsample_cli.demos.conv_transpose import EXAMPLE as ONES
from upsample_cli.demos.conv_transpose import conv_transpose, crop_side
from upsample_cli.demos.modes import EXAMPLE_ROW, example_scene, modes_of_row, modes_of_scene
from upsample_cli.demos.pool_unpool import EXAMPLE as MATRIX
from upsample_cli.demos.pool_unpool import pool_unpool
from upsample_cli.demos.steps import Step
from upsample_cli.demos.text import MOST_ROWS, WIDTH, as_text, matrix_lines
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.sampling.modes import MODES
from upsample_cli.sampling.windows import Window

DEMOS = ("modes", "pool-unpool", "conv-transpose")
RNG = np.random.default_rng(8)
PLANE = RNG.integers(0, 100, (7, 6)).astype(float)


def printed_matrices(text):
    """Return every matrix of a printed demo: each run of indented rows of numbers."""
    blocks = re.findall(r"(?:^ +[\[\]\d. -]+$\n?)+", text, re.MULTILINE)
    rows = [[re.findall(r"-?[\d.]+", line) for line in block.splitlines()] for block in blocks]
    return [np.array(block, float) for block in rows]


def printed_formulas(text):
    """Return (expression, result) of every size that is worked out in numbers."""
    flat = re.sub(r"\n +", " ", text)
    return re.findall(r"_out = [^=]+ = ([^=\n]+) = (\d+)", flat)


def value_of(expression):
    python = expression.replace("·", "*").replace("−", "-").replace("/", "//")
    return eval(python.replace("floor", ""), {"__builtins__": {}})


@pytest.mark.parametrize("values", [MATRIX, PLANE], ids=["example", "plane"])
@pytest.mark.parametrize("options", [(2, 2, 0), (3, 1, 0), (3, 2, 1), (2, 3, 1)])
def test_pool_unpool_prints_what_the_library_computes(values, options):
    text = as_text(pool_unpool(values, Window(*options)))
    shown, pooled, indices, restored = printed_matrices(text)
    expected, places = functional.max_pool2d(values[np.newaxis], *options, return_indices=True)
    assert np.array_equal(shown, values)
    assert np.array_equal(pooled, expected[0])
    assert np.array_equal(indices, places[0])
    is_kept = np.isin(np.arange(values.size), places).reshape(values.shape)
    assert np.array_equal(restored, np.where(is_kept, values, 0))
    brackets = np.array(re.findall(r"\[?\d+\]?", text.split("\n\n")[2])).reshape(values.shape)
    assert np.array_equal(np.char.startswith(brackets, "["), is_kept)
    assert f"{is_kept.sum()} of {values.size} values" in text
    assert ("overlap" in text) == (places.size > is_kept.sum())


@pytest.mark.parametrize("values", [ONES, PLANE], ids=["example", "plane"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((3, 2, 0, 0), "1, 2 or 4 stamps reach a pixel: a checkerboard"),
        ((4, 2, 1, 1), "4 stamps reach every pixel: even"),
        ((2, 2, 0, 0), "nothing overlaps"),
        ((1, 2, 0, 1), "0 or 1 stamps reach a pixel: gaps"),
        ((3, 1, 1, 0), "9 stamps reach every pixel"),
    ],
)
def test_conv_transpose_prints_what_the_library_computes(values, options, words):
    kernel, stride, padding, output_padding = options
    demo = conv_transpose(values, Window(kernel, stride, padding), output_padding)
    text = as_text(demo)
    assert words in text.replace("\n   ", " ")
    given, weight, _stamp, output, *others = printed_matrices(text)
    assert np.array_equal(given, values)
    assert np.array_equal(weight, np.ones((kernel, kernel)))

    def expected(kernel, *options):
        return functional.conv_transpose2d(
            values[np.newaxis], np.ones((1, 1, kernel, kernel)), None, *options
        )[0]

    results = [expected(kernel, stride, padding, output_padding)]
    results += [expected(k, stride) for k in (stride, 2 * stride) if k != kernel]
    for shown, result in zip([output, *others], results, strict=True):
        assert np.array_equal(shown, result[:MOST_ROWS])


def test_the_stamps_of_every_pixel_add_up_to_the_output():
    demo = conv_transpose(PLANE, Window(3, 2), 0)
    stamp, output = demo.steps[2], demo.steps[3]
    (at,) = np.argwhere(demo.steps[0].marked)
    row, column = 2 * at
    inside = np.zeros(output.values.shape, bool)
    inside[row : row + 3, column : column + 3] = True
    assert np.array_equal(stamp.values, np.where(inside, PLANE[tuple(at)], 0))
    alone = inside & (output.values == PLANE[tuple(at)])
    assert np.array_equal(stamp.marked, inside & ~alone)


@pytest.mark.parametrize(
    ("make", "shapes"),
    [
        (partial(pool_unpool, PLANE, Window(3, 2, 1)), [4, 3, 7, 5]),
        (partial(pool_unpool, MATRIX, Window(2, 2)), [2, 4]),
        (partial(conv_transpose, PLANE, Window(3, 2, 1), 1), [14, 12]),
        (partial(conv_transpose, ONES, Window(4, 3), 0), [10]),
    ],
)
def test_formulas_are_right_in_numbers(make, shapes):
    formulas = printed_formulas(as_text(make()))
    assert [int(result) for _, result in formulas] == shapes
    assert [value_of(expression) for expression, _ in formulas] == shapes


def test_unpooling_says_which_size_the_formula_cannot_know():
    text = as_text(pool_unpool(np.arange(25.0).reshape(5, 5), Window(2, 2)))
    assert "output_size = 5 × 5" in text.replace("\n   ", " ")
    assert "4. max-unpool, 5 × 5" in text


@pytest.mark.parametrize("scale", [0.5, 1, 1.7, 2])
def test_modes_prints_every_mode_and_where_it_samples(scale):
    text = as_text(modes_of_row(EXAMPLE_ROW, scale))
    for mode in (mode for mode in MODES.values() if not mode.votes):
        for align_corners in (False, True)[: 1 + mode.allows_align_corners]:
            # All sample alike at scale 1; otherwise the title says which rows have align_corners.
            label = f"{mode.name}{', align_corners' if align_corners and scale == 1 else ''}"
            found = re.findall(rf"^ +{label}  +([-\d. ]+)$", text, re.MULTILINE)
            assert len(found) == 1 + (mode.allows_align_corners and scale != 1)
            line = found[-1] if align_corners else found[0]
            expected = functional.interpolate(
                EXAMPLE_ROW[np.newaxis, np.newaxis],
                scale_factor=scale,
                mode=mode.name,
                align_corners=align_corners or None,
                antialias=mode.needs_antialias,
            )[0, 0]
            np.testing.assert_allclose(np.array(line.split(), float), expected, atol=0.005)
    assert ("linear, antialias" in text) == (scale < 1)


def test_modes_prints_the_positions():
    text = as_text(modes_of_row(EXAMPLE_ROW, 2))
    positions = [line.split()[2:] for line in text.splitlines() if "sample at" in line]
    centred, cornered = (np.array(row, float) for row in positions)
    np.testing.assert_allclose(centred, np.arange(8) / 2 - 0.25)
    np.testing.assert_allclose(cornered, np.arange(8) * 3 / 7, atol=0.005)
    assert "= -0.25 + 0.5·i" in text
    assert "= 0 + 0.4286·i" in text


def test_modes_says_which_leave_the_range_of_the_input():
    assert as_text(modes_of_row(EXAMPLE_ROW, 2)).endswith("cubic; cubic, align_corners; lanczos.")
    constant = as_text(modes_of_row(np.full(4, 0.1), 2))
    assert constant.endswith("No mode left the range of the input here.")


def test_matrices_are_aligned_and_cut_to_a_terminal():
    wide = matrix_lines(Step("wide", RNG.integers(-999, 1000, (40, 40))))
    assert max(map(len, wide)) <= WIDTH
    assert len({len(line) for line in wide[:-1]}) == 1
    assert all(line.endswith("…") for line in wide)
    floats = matrix_lines(Step("floats", np.array([[0.5, -1e-9], [np.nan, 12.25]])))
    assert floats == ["     0.50  0.00", "      nan 12.25"]


def test_a_cut_matrix_keeps_what_is_marked():
    marked = np.zeros((40, 40), np.bool_)
    marked[28:31, 24:27] = True
    for marks, values in ((marked, RNG.integers(100, 1000, (40, 40))), (marked & False, marked)):
        lines = matrix_lines(Step("stamp", values * 1000 * marked, marked=marks))
        assert max(map(len, lines)) <= WIDTH
        assert lines[0] == lines[-1] == "    …"
        assert len(lines) == MOST_ROWS + 2
        assert all(line.startswith("   …") and line.endswith(" …") for line in lines[1:-1])
        assert len(re.findall(r"\d{4,}", "".join(lines))) == 9


def test_the_last_column_of_a_photo_is_shown():
    text = as_text(modes_of_row(np.array([122.0, 101, 96, 99]), 2))
    assert "…" not in text


def test_marked_pixels_of_a_file_can_be_seen():
    for window in (Window(3, 2), Window(4, 1), Window(5, 4)):
        values = RNG.random((crop_side(window),) * 2)
        panels, _ = figure.lay_out(conv_transpose(values, window, 0))
        assert min(panels[0].cell, panels[2].cell) >= 7


# ---- Pictures


def png_of(name):
    """Return the example of a demo, as the command draws it."""
    return {
        "modes": lambda: modes_of_scene(example_scene(), 8),
        "pool-unpool": lambda: pool_unpool(MATRIX, Window(2, 2)),
        "conv-transpose": lambda: conv_transpose(ONES, Window(3, 2), 0),
    }[name]()


@pytest.mark.parametrize("name", DEMOS)
def test_panels_have_the_colours_of_their_values(name):
    demo = png_of(name)
    picture = figure.draw(demo)
    panels, bottom = figure.lay_out(demo)
    assert len(panels) == len(demo.steps)
    assert picture.width == figure.WIDTH
    assert picture.height > bottom
    for panel in panels:
        colours = (figure.tints if panel.is_matrix else figure.greys)(panel.step)
        inset = 4 if panel.is_matrix else panel.cell // 4
        rows, columns = panel.step.values.shape
        for y, x in [(0, columns // 2), (rows - 1, columns // 3), (rows // 2, 0)]:
            corner = (panel.left + x * panel.cell + inset, panel.top + y * panel.cell + inset)
            assert picture.getpixel(corner) == tuple(colours[y, x]), (panel.step.title, y, x)
        assert panel.left + columns * panel.cell <= figure.WIDTH - figure.MARGIN


def test_maxima_are_outlined_and_zeros_are_white():
    demo = png_of("pool-unpool")
    picture = figure.draw(demo)
    restored = figure.lay_out(demo)[0][-1]
    for y, x in np.ndindex(4, 4):
        left, top = restored.left + x * restored.cell, restored.top + y * restored.cell
        is_kept = demo.steps[-1].marked[y, x]
        edge = picture.getpixel((left + 2, top + restored.cell // 2))
        assert (edge == ImageColor.getrgb(figure.MARK)) == is_kept
        inside = picture.getpixel((left + 4, top + 4))
        assert (inside == (255, 255, 255)) == (not is_kept)


def test_align_corners_moves_the_dots_into_the_corners():
    panels = {panel.step.title: panel for panel in figure.lay_out(png_of("modes"))[0]}
    centred, cornered = panels["linear"].step, panels["linear, align_corners"].step
    np.testing.assert_allclose([centred.dots[0], centred.dots[-1]], [(3.5, 3.5), (91.5, 91.5)])
    np.testing.assert_allclose([cornered.dots[0], cornered.dots[-1]], [(0, 0), (95, 95)])


@pytest.mark.parametrize(
    "make",
    [
        *(partial(modes_of_scene, crops.middle(PLANE, 36), scale) for scale in (0.5, 24)),
        partial(modes_of_scene, RNG.random((96, 96)), 3),
        partial(pool_unpool, RNG.random((40, 40)), Window(16, 1, 8)),
        *(
            partial(conv_transpose, RNG.random((crop_side(window),) * 2), window, window.stride - 1)
            for window in (Window(16, 16), Window(1, 16), Window(16, 1), Window(5, 3, 2))
        ),
        partial(conv_transpose, ONES, Window(16, 16), 15),
    ],
)
def test_no_panel_leaves_its_place(make):
    demo = make()
    panels, _ = figure.lay_out(demo)
    room = (figure.WIDTH - 2 * figure.MARGIN + figure.GAP) // demo.columns
    for index, panel in enumerate(panels):
        left = figure.MARGIN + index % demo.columns * room
        assert panel.left == left
        assert panel.step.values.shape[1] * panel.cell <= room
    for above, below in zip(panels, panels[demo.columns :], strict=False):
        assert above.remark_top < below.top
    figure.draw(demo)


@pytest.mark.parametrize("name", DEMOS)
def test_the_pictures_of_the_guides_are_what_the_commands_draw(name):
    path = SAMPLES / f"demo_{name.replace('-', '_')}.png"
    targets = [target for page in pages.PAGES for target in pages.links_of(page)]
    assert f"../{path.parent.name}/{path.name}" in targets
    assert path.stat().st_size <= 150_000
    with Image.open(path) as stored:
        drawn = figure.draw(png_of(name))
        assert 840 <= stored.width == drawn.width <= 1000
        assert stored.height == drawn.height
        distance = np.abs(np.int16(stored.convert("RGB")) - np.int16(drawn))
    # Another version of Pillow may shade the edges of letters otherwise.
    assert np.mean(distance.max(axis=-1) > 8) < 0.01


# ---- Files


def test_colours_are_averaged_without_their_alpha(tmp_path):
    pixels = RNG.integers(0, 256, (5, 6, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    expected = np.round(pixels[..., :3].mean(axis=-1))
    assert np.array_equal(crops.read_plane(str(tmp_path / "in.png"), ImageOptions()), expected)


def test_a_volume_gives_its_middle_slice(tmp_path):
    voxels = RNG.integers(-900, 900, (6, 5, 4), "i2")
    write_volume(tmp_path / "in.nii.gz", voxels)
    assert np.array_equal(
        crops.read_plane(str(tmp_path / "in.nii.gz"), ImageOptions()), voxels[:, :, 2].T
    )
    stack = RNG.random((3, 4, 5))
    np.save(tmp_path / "in.npy", stack)
    assert np.array_equal(crops.read_plane(str(tmp_path / "in.npy"), ImageOptions()), stack[1])


def test_a_frame_can_be_chosen(cli, tmp_path):
    frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (10, 200)]
    frames[0].save(tmp_path / "in.tif", save_all=True, append_images=frames[1:])
    done = cli("demo", "pool-unpool", "in.tif", "--frame", 1)
    assert done.returncode == 0
    assert "[200]" in done.stdout.decode()


@pytest.mark.parametrize("name", DEMOS)
def test_values_that_are_not_finite_are_shown(cli, tmp_path, name):
    plane = np.full((6, 6), np.nan)
    plane[2, 2], plane[2, 3] = 5, np.inf
    np.save(tmp_path / "in.npy", plane)
    done = cli("demo", name, "in.npy", "-o", "out.png")
    assert (done.returncode, done.stderr) == (0, "out.png written\n")
    assert "nan" in done.stdout.decode()


# ---- The command


@pytest.mark.parametrize("name", DEMOS)
def test_a_demo_runs_without_a_file(cli, holds_only, name):
    done = cli("demo", name)
    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout.decode()
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "1. input" in text
    assert "\x1b" not in text
    holds_only()


@pytest.mark.parametrize("name", DEMOS)
@pytest.mark.parametrize("source", ["photo.png", "brain.nii.gz"])
def test_a_demo_of_a_file_draws_a_picture(cli, tmp_path, holds_only, name, source):
    done = cli("demo", name, SAMPLES / source, "--output", "out.png")
    assert (done.returncode, done.stderr) == (0, "out.png written\n")
    assert max(map(len, done.stdout.decode().splitlines())) <= WIDTH
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.width == figure.WIDTH
    holds_only("out.png")


def test_options_reach_the_example(cli):
    text = cli("demo", "pool-unpool", "--kernel-size", 3, "--stride", 1).stdout.decode()
    assert text == as_text(pool_unpool(MATRIX, Window(3, 1))) + "\n"
    options = ("--kernel-size", 4, "--stride", 3, "--padding", 1, "--output-padding", 2)
    text = cli("demo", "conv-transpose", *options).stdout.decode()
    assert text == as_text(conv_transpose(ONES, Window(4, 3, 1), 2)) + "\n"
    text = cli("demo", "modes", "--scale", 1.5).stdout.decode()
    assert text == as_text(modes_of_row(EXAMPLE_ROW, 1.5)) + "\n"


def test_the_picture_is_the_same_each_time(cli, tmp_path):
    for name in ("a.png", "b.png"):
        done = cli("demo", "conv-transpose", "--output", name, "--quiet")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", "")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_an_existing_picture_is_replaced_by_force_alone(cli, tmp_path, holds_only):
    (tmp_path / "out.png").write_bytes(b"old")
    done = cli("demo", "pool-unpool", "-o", "out.png")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == "upsample-cli: error: out.png: exists; use --force to replace it\n"
    assert (tmp_path / "out.png").read_bytes() == b"old"
    assert cli("demo", "pool-unpool", "-o", "out.png", "--force").returncode == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    holds_only("out.png")


WRONG = [
    ("pool-unpool none.png", 1, "none.png: "),
    ("modes line.npy", 2, "line.npy: has one axis; use an image"),
    ("modes complex.npy", 2, "complex.npy: holds complex128, which has no grey"),
    ("modes -o out.jpg", 2, "out.jpg: is not the name of a PNG file; name it .png"),
    ("modes -o -", 2, "-: is not the name of a PNG file"),
    ("modes -o none/out.png", 2, "none/out.png: the folder none does not exist"),
    ("modes --scale 0.1", 2, "--scale: a scale of 0.1 leaves no sample of 4; use at least 0.25"),
    ("modes --scale 0", 2, "--scale: a scale of 0 is not possible"),
    ("modes --scale 25", 2, "--scale: 25"),
    ("pool-unpool --kernel-size 5", 2, "--kernel-size, --stride, --padding: a window of 5"),
    ("pool-unpool --padding 2", 2, "--kernel-size, --stride, --padding: a padding of 2"),
    ("pool-unpool --stride 0", 2, "--stride: 0 is not in the range"),
    ("conv-transpose --output-padding 2", 2, "--kernel-size, --stride, --padding, --output"),
    ("conv-transpose --padding 4", 2, "--kernel-size, --stride, --padding, --output-padding: 3"),
    ("conv-transpose --foo", 2, "No such option: --foo"),
    ("unknown", 2, "No such command 'unknown'"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), WRONG, ids=lambda value: str(value))
def test_what_is_wrong_is_said_in_one_line(cli, tmp_path, holds_only, arguments, code, message):
    np.save(tmp_path / "line.npy", np.arange(9.0))
    np.save(tmp_path / "complex.npy", np.ones((4, 4), complex))
    done = cli("demo", *arguments.split())
    assert (done.returncode, done.stdout) == (code, b"")
    assert done.stderr.startswith(f"upsample-cli: error: {message}")
    assert len(done.stderr.splitlines()) == 1
    holds_only("line.npy", "complex.npy")


@pytest.mark.parametrize("name", DEMOS)
def test_the_example_of_help_runs(cli, tmp_path, name):
    shutil.copytree(SAMPLES, tmp_path / "sample_data")
    help_text = cli("demo", name, "--help", env={"COLUMNS": "80"}).stdout.decode()
    (example,) = re.findall(r"Example: upsample-cli (.+?) *\n", help_text)
    assert shlex.split(example)[:2] == ["demo", name]
    assert cli(*shlex.split(example)).returncode == 0
    assert (tmp_path / "out.png").exists()


def test_demo_alone_lists_the_demos(cli):
    done = cli("demo")
    assert all(name in done.stdout.decode() for name in DEMOS)
