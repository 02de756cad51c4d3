"""Byte streams, forward only, through gzip or not."""

import gzip
import io
import os
import threading
import zlib

import numpy as np
import pytest

from upsample_cli.errors import FileError
from upsample_cli.files.sinks import COMPRESSION_BLOCK, GzipWriter
from upsample_cli.files.streams import ForwardReader, head_of, open_input

DATA = np.cumsum(np.random.default_rng(0).integers(-3, 4, 700_001)).astype("<i2").tobytes()


def compress(data, piece, threads, level=1):
    file = io.BytesIO()
    writer = GzipWriter(file, level, threads)
    for begin in range(0, len(data), piece):
        writer.write(data[begin : begin + piece])
    writer.close()
    return file.getvalue()


def reader_of(tmp_path, content):
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    return ForwardReader(open_input(str(path)), "file.bin")


@pytest.fixture(scope="module")
def compressed():
    return compress(DATA, len(DATA), 2)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("piece", [99_991, COMPRESSION_BLOCK, COMPRESSION_BLOCK + 1, len(DATA)])
def test_compressed_bytes_depend_on_the_data_alone(compressed, piece, threads):
    assert compress(DATA, piece, threads) == compressed


def test_the_gzip_header_carries_no_time(compressed):
    assert compressed[4:8] == bytes(4)
    assert gzip.decompress(compressed) == DATA


@pytest.mark.parametrize("size", [0, 1, COMPRESSION_BLOCK - 1, COMPRESSION_BLOCK, len(DATA)])
def test_a_file_is_one_member(size):
    inflater = zlib.decompressobj(wbits=31)
    assert inflater.decompress(compress(DATA[:size], 2**20, 2)) == DATA[:size]
    assert inflater.eof
    assert inflater.unused_data == b""


class FullFile(io.BytesIO):
    def write(self, data):
        if self.tell() > COMPRESSION_BLOCK // 4:
            raise OSError(28, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_full_disk_ends_the_writer_and_its_threads(threads):
    before = threading.active_count()
    noise = np.random.default_rng(0).bytes(COMPRESSION_BLOCK)
    writer = GzipWriter(FullFile(), 1, threads)
    with pytest.raises(OSError, match="No space left"):
        for _ in range(20):
            writer.write(noise)
    writer.abort()
    assert threading.active_count() == before


def test_an_abort_writes_nothing_more_and_leaves_no_thread():
    before, file = threading.active_count(), io.BytesIO()
    writer = GzipWriter(file, 1, 2)
    writer.write(DATA)
    written = file.tell()
    writer.abort()
    writer.close()
    assert file.tell() == written
    assert threading.active_count() == before


def test_what_waits_is_bounded():
    writer = GzipWriter(io.BytesIO(), 3, 2)
    for _ in range(12):
        writer.write(bytes(COMPRESSION_BLOCK))
        assert len(writer.waiting) <= 2 * 2
    writer.close()


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_levels_hold_the_same_data(level):
    assert gzip.decompress(compress(DATA, len(DATA), 2, level)) == DATA


@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: data,
        gzip.compress,
        lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
        lambda data: gzip.compress(data) + bytes(100),
    ],
    ids=["plain", "gzip", "members", "padded"],
)
def test_reading_gives_the_data(tmp_path, wrap):
    (tmp_path / "file.bin").write_bytes(wrap(DATA))
    file = open_input(str(tmp_path / "file.bin"))
    assert head_of(file)[:100] == DATA[:100]
    reader = ForwardReader(file, "file.bin")
    assert reader.read(4) == DATA[:4]
    reader.skip(6)
    array = reader.read_array((3, 5), np.dtype("<i2"))
    assert array.tobytes() == DATA[10:40]
    assert reader.position == 40
    assert reader.read_rest(len(DATA)) == DATA[40:]
    assert reader.finish() == 0
    reader.close()


def flip(data, position):
    return data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :]


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda data: data[: len(data) // 2], "truncated"),
        (lambda data: data[:-1], "truncated"),
        (lambda data: data[:-4], "truncated"),
        (lambda data: data[:-8], "truncated"),
        (lambda data: flip(data, -5), "CRC"),
        (lambda data: flip(data, -1), "length"),
        (lambda data: flip(data, len(data) // 2), "cannot be read"),
        (lambda data: data[:3], "truncated"),
    ],
)
def test_broken_gzip_is_found_by_the_end(tmp_path, compressed, break_it, message):
    reader = reader_of(tmp_path, break_it(compressed))
    with pytest.raises(FileError, match=rf"file\.bin: .*{message}"):
        reader.read(len(DATA))
        reader.finish()
    reader.close()


def test_a_short_file_says_how_short(tmp_path):
    reader = reader_of(tmp_path, bytes(10))
    with pytest.raises(FileError, match="ends after 10 of at least 16 bytes"):
        reader.read(16)
    reader.close()


def test_closing_early_stops_the_thread(tmp_path, compressed):
    before = threading.active_count()
    reader = reader_of(tmp_path, compressed * 3)
    reader.read(10)
    reader.close()
    assert threading.active_count() == before


def test_bytes_left_over_are_counted(tmp_path):
    reader = reader_of(tmp_path, gzip.compress(DATA))
    reader.read(100)
    assert reader.finish() == len(DATA) - 100
    reader.close()


def test_a_pipe_that_starts_slowly_shows_its_head():
    read_end, write_end = os.pipe()

    def feed():
        with os.fdopen(write_end, "wb", buffering=0) as pipe:
            for begin in range(0, 2000, 7):
                pipe.write(DATA[begin : min(begin + 7, 2000)])

    feeder = threading.Thread(target=feed)
    feeder.start()
    file = open_input(f"/dev/fd/{read_end}")
    assert head_of(file)[:500] == DATA[:500]
    reader = ForwardReader(file, "pipe")
    assert reader.largest_possible_size() is None
    assert reader.read_rest(len(DATA)) == DATA[:2000]
    feeder.join()
    reader.close()
    os.close(read_end)


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing", "does not exist"), (".", "is a folder"), ("bad\0name", "cannot be read")],
)
def test_what_cannot_be_opened_is_named(tmp_path, name, message):
    with pytest.raises(FileError, match=message):
        open_input(str(tmp_path / name))


def test_the_head_of_a_small_file_is_found_though_its_trailer_is_wrong(tmp_path):
    data = b"\x5c\x01\x00\x00" + bytes(100)
    (tmp_path / "small.gz").write_bytes(flip(gzip.compress(data), -5))
    with open_input(str(tmp_path / "small.gz")) as file:
        assert head_of(file) == data
