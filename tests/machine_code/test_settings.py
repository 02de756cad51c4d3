"""What users set for Numba, NumPy and the processor: no effect on the code, or the one named."""

import subprocess
import sys

import pytest
from processes import environment, snapshot

from upsample_cli.errors import RequestError
from upsample_cli.machine_code import processor

BITS_OF_A_FEW = """
import hashlib, sys
import numpy as np
np.seterr(all="raise")
from upsample_cli import conv_transpose2d, interpolate
digest = hashlib.sha256()
rng = np.random.default_rng(0)
image = rng.integers(0, 256, (1, 3, 9, 11)).astype(np.uint8)
for mode in ("bilinear", "bicubic"):
    digest.update(interpolate(image, scale_factor=2, mode=mode).tobytes())
    digest.update(interpolate(image / np.float32(7), scale_factor=1.7, mode=mode).tobytes())
image, weight = image / np.float32(255), rng.normal(size=(3, 2, 3, 3)).astype(np.float32)
digest.update(conv_transpose2d(image, weight, stride=2).tobytes())
print(digest.hexdigest(), "numba" in sys.modules)
"""

ONE_KERNEL = """
import sys
import numpy as np
np.seterr(all="raise")
from upsample_cli.kernels import separable
total = np.empty(5, np.float32)
separable.accumulate(np.arange(5, dtype=np.float32), np.float32(0.3), 0, 1, total)
print(total.tobytes().hex(), "numba" in sys.modules)
"""

KEEPS_SETTINGS = """
import numba
from numba import config
config.OPT, config.DISABLE_JIT, config.NUMBA_NUM_THREADS = 1, 1, 1
from upsample_cli.kernels import separable
import numpy as np
row = np.ones(4, np.float32)
separable.accumulate(row, np.float32(1), 0, 1, row.copy())
print(config.OPT, config.DISABLE_JIT, config.NUMBA_NUM_THREADS)
"""


def run(code, folder, cwd, **changes):
    """Run code in a process → what it prints; it writes nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(UPSAMPLE_CLI_CACHE=str(folder), **changes),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Return the folder of a kernel that was compiled without any setting."""
    folder = tmp_path_factory.mktemp("plain")
    assert run(ONE_KERNEL, folder, folder)[1] == "True"
    return folder


@pytest.mark.parametrize(
    "settings",
    [
        {"NUMBA_DISABLE_JIT": "1"},
        {"NUMBA_OPT": "0", "NUMBA_LOOP_VECTORIZE": "0", "NUMBA_CPU_NAME": "generic"},
        {"NUMBA_BOUNDSCHECK": "1", "NUMBA_DEBUGINFO": "1", "NUMBA_NUM_THREADS": "1"},
        {"NUMBA_OPT": "most", "NUMBA_DEBUG": "1", "NUMBA_ENABLE_CUDASIM": "1"},
    ],
    ids=lambda settings: " ".join(settings),
)
def test_settings_of_numba_change_nothing(settings, plain, tmp_path):
    answer = run(ONE_KERNEL, tmp_path, tmp_path, **settings)
    assert answer[1] == "True"
    assert snapshot(tmp_path) == snapshot(plain)
    assert run(ONE_KERNEL, plain, tmp_path, **settings) == [answer[0], "False"]


def test_a_file_of_numbas_settings_changes_nothing(plain, tmp_path):
    place, folder = tmp_path / "work", tmp_path / "cache"
    place.mkdir()
    (place / ".numba_config.yaml").write_text("disable_jit: 1\nopt: 0\nboundscheck: 1\n")
    assert run(ONE_KERNEL, folder, place)[1] == "True"
    assert snapshot(folder) == snapshot(plain)


def test_the_users_settings_stay_for_other_functions(tmp_path):
    assert run(KEEPS_SETTINGS, tmp_path, tmp_path) == ["1", "1", "1"]


def test_code_for_another_processor_gives_the_same_bits(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    expected = run(BITS_OF_A_FEW, here, tmp_path)
    assert expected[1] == "True"
    assert run(BITS_OF_A_FEW, there, tmp_path, UPSAMPLE_CLI_CPU="generic") == expected
    kept = run(BITS_OF_A_FEW, there, tmp_path, UPSAMPLE_CLI_CPU="generic")
    assert kept == [expected[0], "False"]
    codes = [{path.read_bytes() for path in folder.glob("*/*.o")} for folder in (here, there)]
    assert len(codes[0]) == len(codes[1]) > 4
    assert len(codes[0] & codes[1]) < len(codes[0]) / 2


def test_a_processor_that_llvm_does_not_know_is_refused(cli, samples, tmp_path):
    env = {"UPSAMPLE_CLI_CACHE": str(tmp_path / "cache"), "UPSAMPLE_CLI_CPU": "pentagon"}
    done = cli("resample", samples / "logo.png", tmp_path / "o.png", "-x2", "--quiet", env=env)
    assert done.returncode == 2
    assert done.stderr == (
        "upsample-cli: error: UPSAMPLE_CLI_CPU=pentagon: LLVM knows no such processor; name one "
        "such as x86-64-v3, or leave it unset for this machine's\n"
    )
    assert not (tmp_path / "o.png").exists()


def test_a_level_that_this_machine_does_not_reach_is_refused(monkeypatch):
    monkeypatch.setattr(processor, "_host_features", lambda: {"sse4.2": True, "popcnt": True})
    for level in ("x86-64", "x86-64-v2", "generic"):
        monkeypatch.setenv(processor.VARIABLE, level)
        processor.refuse_lower_host()
    monkeypatch.setenv(processor.VARIABLE, "x86-64-v3")
    with pytest.raises(RequestError, match=r"UPSAMPLE_CLI_CPU=x86-64-v3: .* has no avx2, bmi2, "):
        processor.refuse_lower_host()


def test_without_a_name_it_is_this_machines(monkeypatch):
    monkeypatch.delenv(processor.VARIABLE, raising=False)
    host = processor.name_and_features()
    assert host[0] != ""
    monkeypatch.setenv(processor.VARIABLE, "generic")
    assert processor.name_and_features() == ("generic", "")
    assert not processor.has_long_registers()
