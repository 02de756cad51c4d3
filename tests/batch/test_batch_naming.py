"""The names of a batch's outputs."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upsample_cli.batch.finding import Found
from upsample_cli.batch.naming import Naming, check_outputs
from upsample_cli.errors import RequestError
from upsample_cli.files import known_suffixes, suffix_of

LETTERS = st.text("aZ0_-{} é%.", min_size=1, max_size=6)
PLAIN = st.text("aZ0_- é%", max_size=4)


@pytest.mark.parametrize(
    ("suffix", "template", "name", "output"),
    [
        (None, "{stem}{suffix}", "a.nii.gz", "a.nii.gz"),
        (None, "{stem}_x2{suffix}", "sub/a.b.NII.GZ", "sub/a.b_x2.NII.GZ"),
        (".nii", "{stem}{suffix}", "a.NII.GZ", "a.nii"),
        (".png", "big-{stem}{suffix}", "x/y/a.jpeg", "x/y/big-a.png"),
        (None, "{stem}{{x}}{suffix}", "{stem}.png", "{stem}{x}.png"),
        (".hdr", "{stem}{suffix}", "a.nii.gz", "a.hdr"),
    ],
)
def test_an_output_is_named_after_its_input(suffix, template, name, output):
    assert Naming(suffix, template).output(name) == output


@given(
    stems=st.lists(LETTERS.filter(lambda s: not suffix_of(s)), min_size=2, max_size=2, unique=True),
    suffix=st.sampled_from(sorted(known_suffixes())),
    to=st.sampled_from([None, *sorted(known_suffixes())]),
    around=st.tuples(PLAIN, PLAIN),
    folder=st.sampled_from(["", "sub/", "a.nii/b/"]),
)
def test_names_stay_apart_in_their_folder_and_keep_their_format(stems, suffix, to, around, folder):
    naming = Naming(to, around[0] + "{stem}" + around[1] + "{suffix}")
    first, second = (naming.output(folder + stem + suffix) for stem in stems)
    assert first != second
    assert first == folder + around[0] + stems[0] + around[1] + (to or suffix)
    assert suffix_of(first) == (to or suffix)


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{stem}_x2", "does not end with the suffix"),
        ("{suffix}{stem}", "does not end with the suffix"),
        ("{stem}{suffix}.bak", "does not end with the suffix"),
        ("x2{suffix}", "gives every file of a folder one name"),
        ("", "gives every file of a folder one name"),
        ("{name}{suffix}", "has another field"),
        ("{stem!r}{suffix}", "has another field"),
        ("{stem:>9}{suffix}", "has another field"),
        ("{stem.x}{suffix}", "has another field"),
        ("{}{suffix}", "has another field"),
        ("{stem{suffix}", "is no template"),
        ("../{stem}{suffix}", "names another folder"),
        (".{stem}{suffix}", "makes hidden files"),
    ],
)
def test_a_template_that_names_no_outputs_is_refused(template, problem):
    with pytest.raises(RequestError, match=f"--rename: .*{problem}.*; use {{stem}} and {{suffix}}"):
        Naming(None, template)


@pytest.mark.parametrize("suffix", [".xyz", "", ".gz"])
def test_an_unknown_format_is_refused(suffix):
    with pytest.raises(RequestError, match=r"--to: .* is not a known format; use \.nii, \.nii\.gz"):
        Naming(suffix)


def check(names, naming, beside=lambda _output: [], source="src", target="out"):
    pairs = [(Found(name, ()), naming.output(name)) for name in names]
    check_outputs(str(source), str(target), pairs, beside)


@pytest.mark.parametrize(
    ("names", "to", "made"),
    [
        (["a.png", "a.jpg"], ".png", "a.png"),
        (["sub/a.nii", "sub/a.nii.gz"], ".nii.gz", "sub/a.nii.gz"),
        (["a.hdr", "a.nii"], ".hdr", "a.hdr"),
        (["a.nii", "a.mgz"], ".img", "a.hdr"),
    ],
)
def test_two_inputs_that_would_make_one_output_are_refused(names, to, made):
    problem = f"{made}: would be made from {names[0]} and from {names[1]}; use --rename"
    with pytest.raises(RequestError, match=re.escape(problem)):
        check(names, Naming(to))


def test_a_record_may_be_the_output_of_another():
    with pytest.raises(RequestError, match=r"would be made from a\.npy and from b\.npy"):
        check(["a.npy", "b.npy"], Naming(), lambda _output: ["indices.npz"])


def test_one_name_in_two_folders_is_no_clash():
    check(["a.png", "sub/a.png", "a.nii", "a.nii.gz"], Naming())


@pytest.mark.parametrize(
    ("source", "target", "problem"),
    [
        ("data", "data", "is the source folder"),
        ("data", "data/../data", "is the source folder"),
        ("data/sub", "data", "contains the source folder"),
        ("link", "data", "is the source folder"),
    ],
)
def test_outputs_among_the_inputs_are_refused(tmp_path, source, target, problem):
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("data")
    with pytest.raises(RequestError, match=f"{problem}; name a folder of its own"):
        check(["a.png"], Naming(), source=tmp_path / source, target=tmp_path / target)


def test_a_target_within_the_source_is_fine(tmp_path):
    check(["a.png"], Naming(), source=tmp_path, target=tmp_path / "out")
