"""Every command of the pages is run, every Python example too, and every link leads somewhere."""

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import nibabel as nib
import numpy as np
import pages
import pytest
import typer
from PIL import Image
from processes import SAMPLES, TIMEOUT, environment

from upsample_cli.cli import app

NOT_RUN = {
    "CONTRIBUTING.md": [
        ("installs", "python3 -m venv .venv"),
        ("runs the tests within a test", ".venv/bin/python -m pytest -q -n auto"),
        ("takes minutes, or needs PyTorch or peers", ".venv/bin/python tests/drills"),
        ("checks the checkout, not a copy", ".venv/bin/python -m ruff check ."),
    ],
    "README.md": [
        (
            "installs",
            "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/upsample-cli",
        ),
        (
            "installs",
            "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/",
        ),
    ],
    "docs/clusters.md": [
        ("needs SLURM's variables; tests/batch/test_shards.py sets them and runs it", "set -euo"),
        (
            "installs, and needs a scheduler; tests/batch/cluster starts one",
            "pip install '.[dask]'",
        ),
        (
            "compiles for a minute or two",
            "UPSAMPLE_CLI_CACHE=/opt/upsample-cli upsample-cli warmup",
        ),
    ],
    "docs/images.md": [("needs the network", "curl -s https://example.org/a.png |")],
}
"""Page → the reason, and how the first command begins, of each block that no test runs."""

OUR_PAGES = ["README.md"] + [
    page for page in pages.PAGES if page.startswith("docs/") and page != "docs/coming_from.md"
]
"""The pages that speak of this program's options alone."""

SHELL_SIGNS = re.compile(r"[|><;&$`*?{]|^(for|if|while|cd|cp|mkdir) ")
EXIT_CODE = re.compile(r"#.*\bexit code (\d+)")
SECONDS = re.compile(r"\b\d+(\.\d+)? s\b")


# ---- Files that the pages speak of


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the sample data, and with files of the names that the pages use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    shutil.copytree(SAMPLES, "sample_data")
    for name, sample in {"t1": "brain", "labels": "labels", "dwi": "bold", "bold": "bold"}.items():
        shutil.copy(f"sample_data/{sample}.nii.gz", f"{name}.nii.gz")
    shutil.copy("sample_data/labels.nii.gz", "segmentation.nii.gz")
    nib.save(nib.load("sample_data/bold.nii.gz").slicer[..., 0], "pet.nii.gz")
    lay_out_images()
    lay_out_folders()
    rng = np.random.default_rng(0)
    for name, shape in {"features": (3, 24, 32), "w": (3, 2, 3, 3), "b": (2,)}.items():
        np.save(f"{name}.npy", rng.random(shape, np.float32))
    return tmp_path


def lay_out_images():
    shutil.copy("sample_data/photo.png", "photo.png")
    shutil.copy("sample_data/logo.png", "logo.png")
    with Image.open("photo.png") as photo:
        photo.convert("RGB").save("photo.jpg")
        frames = [photo.convert("P").rotate(angle) for angle in (0, 30)]
    frames[0].save("animation.gif", save_all=True, append_images=frames[1:])
    with Image.open("photo.png") as photo:
        deep = np.asarray(photo.convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save("deep.png")


def lay_out_folders():
    for subject in ("sub-01", "sub-02"):
        folder = Path("scans", subject, "anat")
        folder.mkdir(parents=True)
        shutil.copy("sample_data/brain.nii.gz", folder / f"{subject}_T1w.nii.gz")
        shutil.copy("sample_data/labels.nii.gz", folder / f"{subject}_T1w_seg.nii.gz")
    Path("photos", "garden").mkdir(parents=True)
    shutil.copy("photo.jpg", "photos/house.jpg")
    shutil.copy("photo.png", "photos/garden/tree.png")


# ---- Commands and examples


class Reader:
    """Does what a page says, block by block, in the folder at hand."""

    def __init__(self, capfd):
        self.capfd = capfd
        self.names = {"__name__": "page"}
        self.printed = ""

    def follow(self, block):
        if block.language == "sh":
            for line in block.commands:
                self.run(line)
        elif block.language == "python":
            self.execute(block.text)
        elif "prints" in block.notes:
            self.compare(block.text)

    def run(self, line):
        expected = EXIT_CODE.search(line)
        code = run_in_shell(line) if SHELL_SIGNS.search(bare(line)) else run_here(line)
        self.printed = "".join(self.capfd.readouterr())
        assert code == (int(expected[1]) if expected else 0), f"{line}\n{self.printed}"

    def execute(self, text):
        if ">>>" not in text:
            exec(compile(text, "page", "exec"), self.names)
            return
        test = doctest.DocTestParser().get_doctest(text, self.names, "page", None, 0)
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
        failed, tried = runner.run(test, clear_globs=False)
        self.names |= test.globs
        assert tried
        assert not failed, self.capfd.readouterr().out

    def compare(self, text):
        printed = [bare_output(line) for line in self.printed.splitlines()]
        for line in filter(str.strip, text.splitlines()):
            assert bare_output(line) in printed, f"{line!r} is not in\n{self.printed}"


def bare(line):
    """Return a command line without its comment."""
    return re.sub(r"\s#.*", "", line)


def bare_output(line):
    return SECONDS.sub("… s", line).rstrip()


def run_here(line):
    words = shlex.split(line, comments=True)
    # A limit of memory counts all that the process holds, and a process of tests holds much.
    needs_process = words[0] != "upsample-cli" or "--max-memory" in words or words[1] == "batch"
    if needs_process:
        return run_in_shell(line)
    return app.run(words[1:])


def run_in_shell(line):
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        env=environment(),
        stdin=subprocess.DEVNULL,
        timeout=TIMEOUT,
        check=False,
    )
    return done.returncode


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("page", pages.PAGES)
def test_what_a_page_says_is_so(page, capfd):
    reader = Reader(capfd)
    for block in pages.blocks_of(page):
        if block.why_not_run is None:
            reader.follow(block)


def test_every_block_is_of_a_kind_that_is_checked():
    for page in pages.PAGES:
        kinds = {block.language for block in pages.blocks_of(page)}
        assert kinds <= {"sh", "python", "text"}, page


def test_what_is_not_run_is_known():
    for page in pages.PAGES:
        left_out = [block for block in pages.blocks_of(page) if block.why_not_run is not None]
        known = NOT_RUN.get(page, [])
        assert [block.why_not_run for block in left_out] == [reason for reason, _ in known], page
        for block, (_, begins) in zip(left_out, known, strict=True):
            assert block.commands[0].startswith(begins)


def test_the_pages_run_most_of_what_they_show():
    blocks = [block for page in pages.PAGES for block in pages.blocks_of(page)]
    is_run = {True: 0, False: 0}
    for block in blocks:
        ours = [line for line in block.commands if "upsample-cli " in line]
        is_run[block.why_not_run is None] += len(ours) if block.language == "sh" else 0
    assert is_run[True] > 100
    assert is_run[False] <= 6


# ---- Links and names


@pytest.mark.parametrize("page", pages.PAGES)
def test_every_link_leads_somewhere(page):
    for target in pages.links_of(page):
        scheme, _, path, _, anchor = urlsplit(target)
        if scheme:
            assert scheme in ("https", "mailto"), target
            continue
        assert not path.startswith("/"), target
        place = Path(os.path.normpath(Path(page).parent / path)) if path else Path(page)
        assert (pages.ROOT / place).exists(), target
        if anchor:
            assert anchor in pages.anchors_of(str(place)), target


def test_every_page_is_reached_from_the_readme():
    reached, ahead = set(), ["README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page not in pages.PAGES:
            continue
        reached.add(page)
        targets = [urlsplit(target).path for target in pages.links_of(page)]
        ahead += [os.path.normpath(Path(page).parent / path) for path in targets if path]
    assert reached == set(pages.PAGES)


FOREIGN_OPTIONS = {"--nworkers", "--nthreads"}  # Dask's


def known_options(command):
    names = {name for parameter in command.params for name in parameter.opts}
    names |= {name for parameter in command.params for name in parameter.secondary_opts}
    return names.union(*map(known_options, getattr(command, "commands", {}).values()))


@pytest.mark.parametrize("page", OUR_PAGES)
def test_options_in_the_text_exist(page):
    named = set(re.findall(r"`(--[a-z][a-z-]+)", pages.prose_of(page)))
    assert named <= known_options(typer.main.get_command(app.application())) | FOREIGN_OPTIONS
