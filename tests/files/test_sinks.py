"""Where elements go: compressed or not, decided once, and what that takes."""

import gzip
import io

import pytest

from upsample_cli.files.sinks import (
    COMPRESSION_BLOCK,
    COMPRESSOR_BYTES,
    MOST_COMPRESSORS,
    Compression,
    stream_to,
)

MOST = MOST_COMPRESSORS * COMPRESSOR_BYTES + 2 * COMPRESSION_BLOCK


@pytest.mark.parametrize("is_gzip", [False, True])
def test_a_closed_stream_leaves_its_file_open(is_gzip):
    file = io.BytesIO()
    stream = stream_to(file, Compression(is_gzip, 1, 2))
    for part in (b"voxel", b"s"):
        stream.write(part)
    stream.close()
    data = file.getvalue()
    assert (gzip.decompress(data) if is_gzip else data) == b"voxels"


@pytest.mark.parametrize("is_gzip", [False, True])
def test_a_stream_is_given_up_though_its_file_is_closed(is_gzip):
    file = io.BytesIO()
    stream = stream_to(file, Compression(is_gzip, 1, 2))
    stream.write(bytes(100))
    file.close()
    stream.abort()


@pytest.mark.parametrize(
    ("compression", "written", "expected"),
    [
        (Compression(False, 1, 4), 10**9, 0),
        (Compression(True, 1, 1), 10**9, COMPRESSOR_BYTES + 2 * COMPRESSION_BLOCK),
        (Compression(True, 3, 1), 10**9, COMPRESSOR_BYTES + 2 * COMPRESSION_BLOCK),
        (Compression(True, 1, MOST_COMPRESSORS), 10**9, MOST),
        (Compression(True, 1, 1000), 10**9, MOST),
        (Compression(True, 1, 1000), 10, 20 + COMPRESSION_BLOCK),
    ],
)
def test_what_compressing_takes(compression, written, expected):
    assert compression.working_bytes(written) == expected
