"""Files that another machine could have written: the same content, deflated to other bytes."""

import gzip
import struct
import zlib

GZIP_MAGIC, DEFLATED_TEXT = b"\x1f\x8b", (b"iCCP", b"zTXt")


def deflated_anew(data, level):
    """Return a gzip file or a PNG whose every deflated part was deflated at a level of zlib."""
    if data.startswith(GZIP_MAGIC):
        return gzip.compress(gzip.decompress(data), level)
    out, at, pixels = data[:8], 8, b""
    while at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + length]
        at += 12 + length
        if name == b"IDAT":
            pixels += content
            continue
        if name in DEFLATED_TEXT:
            text, _, rest = content.partition(b"\0")
            content = text + b"\0\0" + zlib.compress(zlib.decompress(rest[1:]), level)
        if name == b"IEND":
            out += _chunk(b"IDAT", zlib.compress(zlib.decompress(pixels), level))
        out += _chunk(name, content)
    return out


def _chunk(name, content):
    return struct.pack(">I4s", len(content), name) + content + _crc(name + content)


def _crc(data):
    return struct.pack(">I", zlib.crc32(data))
