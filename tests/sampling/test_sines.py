"""The sines of the C library, bit by bit."""

import math

import numpy as np
import pytest

from upsample_cli.sampling.sines import sine

ROUNDED_TWICE = [
    ("0x1.002ab6p-7", "0x1.002a0cp-7"),
    ("0x1.64caccp-4", "0x1.645756p-4"),
    ("0x1.dd47c4p-4", "0x1.dc3376p-4"),
    ("0x1.39168ap-3", "0x1.37deb6p-3"),
    ("0x1.7a367ap-3", "0x1.781112p-3"),
    ("0x1.a8ee44p-3", "0x1.a5e36ep-3"),
    ("0x1.cf43cap-3", "0x1.cb52fep-3"),
    ("0x1.f0e278p-3", "0x1.ec0632p-3"),
    ("0x1.1b3256p-2", "0x1.1799b2p-2"),
    ("0x1.51e2fp-2", "0x1.4bc9d2p-2"),
    ("0x1.c1f32ap-2", "0x1.b39c22p-2"),
    ("0x1.fbd888p-2", "0x1.e74836p-2"),
    ("0x1.29279p-1", "0x1.18c03ep-1"),
    ("0x1.774beap-1", "0x1.5694aap-1"),
    ("0x1.501074p+1", "0x1.f953c6p-2"),
    ("0x1.a66b06p+1", "-0x1.43593ap-3"),
    ("0x1.e0620ap+1", "-0x1.25e522p-1"),
    ("0x1.8da4acp+2", "-0x1.1e865ep-4"),
    ("0x1.25e214p+3", "0x1.e8aa78p-3"),
]
"""Arguments and glibc 2.36's ``sinf`` of them, where it is not the sine rounded to float32."""


def test_single_precision_is_glibc():
    x, expected = (
        np.array([float.fromhex(h) for h in column]) for column in np.transpose(ROUNDED_TWICE)
    )
    result = sine(x.astype(np.float32))
    assert result.dtype == np.float32
    assert np.array_equal(result, expected.astype(np.float32))
    assert not np.isin(result, np.sin(x).astype(np.float32)).any()


@pytest.mark.parametrize("end", [0.8, 9.5, 119.0])
def test_single_precision_is_the_sine(end):
    x = np.linspace(0, end, 4001, dtype=np.float32).reshape(1, -1)
    expected = np.sin(x.astype(np.float64))
    error = np.abs(sine(x) - expected) / np.spacing(np.abs(expected).astype(np.float32) + 1e-30)
    assert error.max() < 0.57


def test_double_precision_is_the_c_library():
    x = np.linspace(-9.5, 9.5, 1000).reshape(10, 100)
    result = sine(x)
    assert result.shape == x.shape
    assert result.ravel().tolist() == [math.sin(value) for value in x.ravel()]
