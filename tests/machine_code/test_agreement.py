"""What kernels and Numba agreed on: how arrays are passed, that nothing is allocated or raised."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from processes import environment

from upsample_cli.errors import UpsampleError
from upsample_cli.machine_code import arrays, cache, canary
from upsample_cli.machine_code.compile import kernel

ANOTHER_ORDER = """
import sys
from upsample_cli.machine_code import arrays
agreed = arrays.arguments
def swapped(array):
    meminfo, parent, size, itemsize, *rest = agreed(array)
    return meminfo, parent, itemsize, size, *rest
arrays.arguments = swapped
from upsample_cli.cli.app import run
sys.exit(run(sys.argv[1:]))
"""


def test_arguments_are_the_fields_in_their_order():
    array = np.zeros((2, 3, 4), np.int16)
    expected = {
        "meminfo": [None],
        "parent": [None],
        "nitems": [24],
        "itemsize": [2],
        "data": [array.ctypes.data],
        "shape": [2, 3, 4],
        "strides": [24, 8, 2],
    }
    assert [field.name for field in arrays.FIELDS] == list(expected)
    assert list(arrays.arguments(array)) == [part for each in expected.values() for part in each]
    assert len(arrays.c_types(3)) == len(arrays.arguments(array))


def test_a_numba_with_other_fields_is_refused(monkeypatch):
    from upsample_cli.machine_code import numba_code

    numba_code._refuse_other_structure.cache_clear()
    monkeypatch.setattr(arrays, "FIELDS", (*arrays.FIELDS, arrays.Field("more", None)))
    with pytest.raises(UpsampleError, match=r"numba .* passes arrays to compiled code otherwise"):
        numba_code.machine_code(canary.answer, ("float32[1]",), returns_int=True)


def test_a_wrong_answer_of_the_canary_ends_in_one_line_and_nothing_is_kept(samples, tmp_path):
    command = ("resample", samples / "logo.png", tmp_path / "out.png", "-x", "2", "--quiet")
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER_ORDER, *map(str, command)],
        env=environment(UPSAMPLE_CLI_CACHE=str(tmp_path / "cache")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("upsample-cli: error: numba ")
    assert "passes arrays to compiled code otherwise than upsample-cli does; install" in line
    assert list((tmp_path / "cache").glob("*/*")) == []
    assert not (tmp_path / "out.png").exists()


def test_the_canary_comes_first_and_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path))
    saved = []
    save = cache.save
    monkeypatch.setattr(cache, "save", lambda name, *rest: (saved.append(name), save(name, *rest)))
    for number in (1, 2):
        call = kernel(set_first)
        target = np.zeros(1, np.float32)
        call(np.float32(number), target)
        assert target == number
        for entry in tmp_path.glob("*/test_agreement.*"):
            entry.unlink()
    assert saved == ["canary.answer", "test_agreement.set_first", "test_agreement.set_first"]


def set_first(value: Any, target: Any) -> None:
    """Set the first element."""
    target[0] = value


def allocates_an_array(target: Any) -> None:
    """Copy through an array of its own."""
    copy = np.empty(target.size, target.dtype)
    for n in range(target.size):
        copy[n] = target[n]
    for n in range(target.size):
        target[n] = copy[target.size - 1 - n]


def allocates_a_result(target: Any) -> None:
    """Compute with whole arrays."""
    target[:] = np.sqrt(target + 1)


def allocates_a_list(target: Any) -> None:
    """Gather in a list."""
    values = [0.0]
    for n in range(target.size):
        values.append(target[n])
    target[0] = values[-1]


def raises(target: Any) -> None:
    """Refuse what is negative."""
    if target[0] < 0:
        raise ValueError("negative")


@pytest.mark.parametrize(
    "function", [allocates_an_array, allocates_a_result, allocates_a_list, raises]
)
def test_a_kernel_that_would_allocate_or_raise_does_not_compile(function, tmp_path, monkeypatch):
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path))
    message = f"test_agreement.{function.__name__} is no kernel, which neither allocates nor raises"
    with pytest.raises(TypeError, match=message):
        kernel(function)(np.ones(3, np.float32))
    assert list(tmp_path.glob("*/test_agreement.*")) == []


def test_the_canary_knows_its_answer():
    assert canary.is_right(canary.answer)
