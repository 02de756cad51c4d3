"""Arrays of more than 2**31 elements, in sparse files of which only what is read takes room."""

import numpy as np
import pytest

from upsample_cli import interpolate

BEYOND_INT32 = 2**31 + 11
BEYOND_UINT32 = 2**32 + 7


@pytest.fixture
def sparse(tmp_path):
    """``sparse(shape, dtype)`` → zeros in a file without content."""

    def make(shape, dtype):
        return np.memmap(tmp_path / "sparse", dtype, "w+", shape=shape)

    return make


@pytest.mark.parametrize("size", [BEYOND_INT32, BEYOND_UINT32])
def test_a_row(sparse, size):
    row = sparse((1, 1, size), np.uint8)
    # nearest computes positions in float32; a step that float32 has keeps them whole
    step = 2.0 ** np.floor(np.log2(size / 9))
    row[0, 0, (np.arange(9) * step).astype(np.int64)] = np.arange(11, 20)
    assert interpolate(row, scale_factor=1 / step)[0, 0, :9].tolist() == list(range(11, 20))


def test_an_image(sparse):
    side = 2**16
    image = sparse((1, 1, side, side // 2 + 1), np.uint8)
    assert image.size > BEYOND_INT32
    image[0, 0, side - 2 :, -3:-1] = [[40, 80], [120, 160]]
    result = interpolate(image, scale_factor=(2**-10, 1.0), mode="nearest-exact")
    assert result.shape == (1, 1, 64, side // 2 + 1)
    assert not result.any()
    # Rows 2 and 3 of four lie about the centre of each output: the last output reads the corner.
    image[0, 0, side - 512 - 1 : side - 512 + 1, -3:-1] = [[40, 80], [120, 160]]
    result = interpolate(image, size=(64, side // 2 + 1), mode="bilinear")
    assert result[0, 0, -1, -3:].tolist() == [80, 120, 0]
    assert not result[0, 0, :-1].any()


def test_a_volume(sparse):
    depth = 2**11
    volume = sparse((1, 1, depth, 2**10, 2**10 + 1), np.float32)
    assert volume.size > BEYOND_INT32
    # Of 512 planes, the two about the centre make an output.
    volume[0, 0, -257:-255, -2:, -3:-1] = np.arange(8).reshape(2, 2, 2)
    result = interpolate(volume, size=(4, 2**9, 2**11 + 2), mode="trilinear")
    assert result[0, 0, -1, -1, -7:].tolist() == [0.75, 2.25, 3.25, 3.75, 3.0, 1.0, 0.0]
    assert np.count_nonzero(result) == 6
