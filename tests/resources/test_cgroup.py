"""What control groups leave of the memory, from folders laid out as Linux lays them out."""

import pytest

from upsample_cli.resources.cgroup import memory_left

GIB = 2**30


def write_group(folder, *, limit, used, cached, version):
    folder.mkdir(parents=True, exist_ok=True)
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }[version]
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {cached}\nactive_file 7\n")


@pytest.fixture
def own(tmp_path):
    def write(text):
        path = tmp_path / "own"
        path.write_text(text)
        return path

    return write


def test_the_groups_of_a_job_count_with_those_around_it(tmp_path, own):
    root, job = tmp_path / "fs", "system.slice/slurmstepd.scope/job_7/step_0"
    group = own(f"0::/{job}\n")
    write_group(root / job, limit="max", used=GIB, cached=0, version=2)
    write_group(root / job / "..", limit=4 * GIB, used=GIB, cached=0, version=2)
    write_group(root / "system.slice", limit=64 * GIB, used=2 * GIB, cached=0, version=2)
    assert memory_left(root, group) == 3 * GIB


def test_cached_files_are_free(tmp_path, own):
    root = tmp_path / "fs"
    write_group(root, limit=8 * GIB, used=7 * GIB, cached=5 * GIB, version=2)
    assert memory_left(root, own("0::/\n")) == 6 * GIB


def test_the_first_version_has_a_folder_for_each_controller(tmp_path, own):
    root = tmp_path / "fs"
    write_group(root / "memory" / "job", limit=2 * GIB, used=GIB, cached=0, version=1)
    group = own("5:cpu,cpuacct:/job\n4:memory:/job\n0::/job\n")
    assert memory_left(root, group) == GIB


def test_a_container_sees_its_own_group_as_the_root(tmp_path, own):
    root = tmp_path / "fs"
    write_group(root / "memory", limit=3 * GIB, used=GIB, cached=0, version=1)
    assert memory_left(root, own("4:memory:/docker/0123abc\n")) == 2 * GIB


def test_used_beyond_the_limit_leaves_nothing(tmp_path, own):
    root = tmp_path / "fs"
    write_group(root, limit=GIB, used=2 * GIB, cached=0, version=2)
    assert memory_left(root, own("0::/\n")) == 0


@pytest.mark.parametrize("text", ["", "0::/\n", "4:memory:/x\n"])
def test_without_a_limit_there_is_none(tmp_path, own, text):
    assert memory_left(tmp_path / "fs", own(text)) is None


def test_other_systems_have_no_groups(tmp_path):
    assert memory_left(tmp_path / "fs", tmp_path / "absent") is None
