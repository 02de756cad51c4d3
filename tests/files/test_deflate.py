"""Deflated blocks: read by zlib, joined, and never begun without a history."""

import zlib

import numpy as np
import pytest

from upsample_cli.files import deflate
from upsample_cli.files.deflate import STORED_FIRST, deflated

LEVELS = (0, 1, 2, 3)
SIZES = (0, 1, 3, 4, STORED_FIRST - 1, STORED_FIRST, STORED_FIRST + 1, STORED_FIRST + 5, 70_001)


def inflated(content):
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = inflater.decompress(content)
    assert inflater.eof
    assert inflater.unused_data == b""
    return data


def data_of(size):
    return np.cumsum(np.random.default_rng(size).integers(-1, 2, size)).astype(np.uint8).tobytes()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("size", SIZES)
def test_zlib_reads_a_stream_of_one_block(size, level):
    assert inflated(deflated(data_of(size), level, is_last=True)) == data_of(size)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("sizes", [(70_001, 70_001, 0), (1, 2, 3), (64, 40_000, 65), (0, 0, 9)])
def test_zlib_reads_blocks_that_were_deflated_apart(sizes, level):
    data = data_of(sum(sizes))
    content, begin = b"", 0
    for size in sizes:
        block = data[begin : begin + size]
        content += deflated(block, level, history=data[:begin])
        begin += size
    assert inflated(content + deflated(b"", level, history=data, is_last=True)) == data


def test_a_history_is_used():
    noise = np.random.default_rng(0).bytes(20_000)
    assert len(deflated(noise, 1, history=noise)) < 1000
    assert len(deflated(noise, 1)) > 20_000


def test_what_begins_a_stream_is_stored_and_is_the_history_of_the_rest():
    data = data_of(1000)
    content = deflated(data, 1, is_last=True)
    assert content[:5] == bytes([0, STORED_FIRST, 0, 255 - STORED_FIRST, 255])
    assert content[5 : 5 + STORED_FIRST] == data[:STORED_FIRST]
    rest = zlib.decompressobj(-zlib.MAX_WBITS, zdict=data[:STORED_FIRST])
    assert rest.decompress(content[5 + STORED_FIRST :]) == data[STORED_FIRST:]


@pytest.mark.parametrize("history", [b"", data_of(5), data_of(70_001)])
@pytest.mark.parametrize("size", SIZES)
def test_no_compressor_gets_data_without_a_history(monkeypatch, size, history):
    """That alone keeps ISA-L from hashing the address of a stream."""
    begun = []

    def compressobj(*arguments, zdict):
        begun.append(zdict)
        return real(*arguments, zdict=zdict)

    real = deflate.isal_zlib.compressobj
    monkeypatch.setattr(deflate.isal_zlib, "compressobj", compressobj)
    deflated(data_of(size), 1, history=history)
    expected = history[-deflate.HISTORY :] or data_of(size)[:STORED_FIRST]
    assert begun == [expected]


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="level"):
        deflated(b"data", 4)
