"""The .npy files: any order, any dtype, mapped or from a pipe."""

import io
from contextlib import closing

import numpy as np
import pytest

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files.array import ArraySource
from upsample_cli.files.sinks import Compression, Layout
from upsample_cli.files.streams import ForwardReader, _with_full_head, open_input

RNG = np.random.default_rng(0)


def source_of(path):
    return ArraySource(ForwardReader(open_input(str(path)), "a.npy"), "a.npy")


def piped_source_of(path):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def fileno(self):
            raise OSError

    file = _with_full_head(io.BufferedReader(Pipe(path.read_bytes())))
    return ArraySource(ForwardReader(file, "a.npy"), "a.npy")


def read_all(source, step):
    items = []
    for _ in range(source.items):
        size = source.shape[0]
        parts = [source.read(min(step, size - begin)) for begin in range(0, size, step)]
        items.append(np.concatenate(parts))
    source.finish()
    return np.stack(items)[..., 0]


@pytest.mark.parametrize("open_source", [source_of, piped_source_of])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", ">f8", "?", "<c8"])
@pytest.mark.parametrize("shape", [(7,), (5, 6), (4, 5, 6), (3, 4, 5, 6), (2, 3, 4, 5, 6)])
def test_slabs_come_in_c_order(tmp_path, shape, dtype, order, open_source):
    array = np.asarray(RNG.random(shape) * 100, dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    with closing(open_source(tmp_path / "a.npy")) as source:
        result = read_all(source, 2)
    assert result.dtype.isnative
    np.testing.assert_array_equal(result.reshape(shape), array)


def test_a_file_is_mapped_and_a_pipe_is_not(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4)))
    with closing(source_of(tmp_path / "a.npy")) as source:
        assert isinstance(source._whole(), np.memmap)
    with closing(piped_source_of(tmp_path / "a.npy")) as source:
        assert not source.is_mapped


def test_the_user_says_how_many_axes_are_spatial(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4, 5)))
    with closing(source_of(tmp_path / "a.npy")) as source:
        assert (source.leading, source.shape) == ((2,), (3, 4, 5))
        source.set_dimensions(2)
        assert (source.leading, source.shape, source.items) == ((2, 3), (4, 5), 6)
        with pytest.raises(RequestError, match="give 1 to 3 numbers"):
            source.set_dimensions(4)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(()), "has 0 dimensions"),
        (np.zeros((1,) * 6), "has 6 dimensions"),
        (np.zeros((3, 0)), "is empty"),
        (np.array(["text"]), "use an array of numbers"),
        (np.array([object()]), "use an array of numbers"),
        (np.zeros(3, [("a", "f4")]), "use an array of numbers"),
        (np.zeros(3, "M8[s]"), "use an array of numbers"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(FileError, match=rf"a\.npy: .*{message}"):
        source_of(tmp_path / "a.npy")


@pytest.mark.parametrize("keep", [10, 60, 200])
def test_a_truncated_file_is_refused_before_it_is_read(tmp_path, keep):
    np.save(tmp_path / "a.npy", np.zeros((10, 10)))
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:keep])
    with pytest.raises(FileError, match=r"a\.npy"):
        source_of(tmp_path / "a.npy")


@pytest.mark.parametrize("dtype", [">i2", "<f4"])
def test_the_byte_order_is_kept(tmp_path, dtype):
    array = np.arange(24, dtype=dtype).reshape(2, 3, 4)
    np.save(tmp_path / "a.npy", array)
    file = io.BytesIO()
    with closing(source_of(tmp_path / "a.npy")) as source:
        source.set_dimensions(2)
        sink = source.sink(Layout((2, 3, 4), source.dtype), [file], Compression(False, 1, 1))
        for _ in range(2):
            sink.write(source.read(3))
        sink.finish()
    assert file.getvalue() == (tmp_path / "a.npy").read_bytes()
