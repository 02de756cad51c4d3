"""Images: chunks, segments, tags and sizes to extremes, with the checksums put right."""

import struct
import zlib

from fuzz.raw_mutation import INTEGERS, Random, mutated_bytes, packed_integer
from fuzz.seeds import EXIF, png_chunk

BOMB = zlib.compress(bytes(2**22), 9)
TEXT_BOMB = zlib.compress(bytes(2**26), 9)
"""64 MiB, the text that Pillow allows."""

SIDES = (0, 1, 2, 3, 5, 64, 255, 9000, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)

PNG_EXTRAS = (
    *((b"tRNS", content) for content in (b"", b"\0", b"\0\1", bytes(6), b"\xff" * 300)),
    *((b"PLTE", content) for content in (b"", b"\0" * 3, bytes(768), bytes(771), b"\0\0")),
    *((b"iCCP", content) for content in (b"", b"x", b"x\0\0", b"x\0\1" + BOMB, b"x\0\0" + BOMB)),
    *((b"zTXt", content) for content in (b"", b"k\0\0", b"k\0\1", b"k\0\0" + BOMB, b"\xff\0\0x")),
    *((b"iTXt", content) for content in (b"", b"k\0\1\0\0\0" + BOMB, b"k\0\0\0\0\0\xff\xfe")),
    *((b"tEXt", content) for content in (b"", b"k\0v", b"\0", b"k" * 90, b"dpi\0(1, 2)")),
    *((b"pHYs", content) for content in (b"", bytes(9), b"\xff" * 9, b"\0\0\x0b\x13" * 2 + b"\1")),
    *((b"gAMA", content) for content in (b"", bytes(4), b"\xff" * 4)),
    *((b"cHRM", content) for content in (b"", bytes(32), b"\xff" * 31)),
    *((b"sRGB", content) for content in (b"", b"\xff")),
    *(
        (b"eXIf", content)
        for content in (b"", EXIF[6:], EXIF[6:20], b"MM\0*\xff\xff\xff\xff", EXIF)
    ),
    *((b"acTL", content) for content in (b"", bytes(8), b"\0\0\0\2" + bytes(4), b"\xff" * 8)),
    *((b"fcTL", content) for content in (b"", bytes(26), b"\xff" * 26)),
    *((b"fdAT", content) for content in (b"", bytes(4) + zlib.compress(bytes(99)))),
    *((b"IHDR", content) for content in (b"", bytes(13), b"\0\0\0\1\0\0\0\1\x08\2\0\0\0")),
    *((b"IDAT", content) for content in (b"", zlib.compress(b""), b"x", BOMB)),
    *((name, b"?") for name in (b"IEND", b"abcd", b"ABCD", b"\0\0\0\0", b"\xff\xfe\xfd\xfc")),
    (b"zTXt", b"k\0\0" + TEXT_BOMB),
)


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    chunks, at = [], 8
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        chunks.append((name, data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def mutated_png(chosen: Random, data: bytes) -> bytes:
    """Change one chunk, or add, drop, repeat or move one; checksums are mostly right."""
    chunks = _png_chunks(data)
    at = chosen.randrange(len(chunks))
    name, content = chunks[at]
    how = chosen.randrange(8)
    if how == 0 or name == b"IHDR":
        chunks[0] = (b"IHDR", _png_header(chosen, chunks[0][1]))
    elif how in (1, 2) and name == b"IDAT":
        inflated = zlib.decompressobj().decompress(content, 2**16)
        chunks[at] = (name, zlib.compress(mutated_bytes(chosen, inflated)))
    elif how in (1, 2, 3):
        chunks[at] = (name, mutated_bytes(chosen, content))
    elif how == 4:
        del chunks[at]
    elif how == 5:
        chunks.insert(chosen.randrange(len(chunks)), chunks[at])
    else:
        chunks.insert(chosen.randint(0, len(chunks)), chosen.choice(PNG_EXTRAS))
    made = data[:8] + b"".join(png_chunk(*chunk) for chunk in chunks)
    return made if chosen.random() < 0.95 else mutated_bytes(chosen, made)


def _png_header(chosen: Random, content: bytes) -> bytes:
    values = list(struct.unpack(">IIBBBBB", content))
    at = chosen.randrange(7)
    depths, colours = (1, 2, 4, 8, 16, 3, 0), (0, 2, 3, 4, 6, 1, 255)
    choices = (SIDES, SIDES, depths, colours, (0, 1), (0, 64), (0, 1, 2))
    values[at] = chosen.choice(choices[at])
    return struct.pack(">IIBBBBB", *values)


EXIFS = (
    *(
        b"",
        EXIF,
        EXIF[:9],
        EXIF[:20],
        EXIF[:-8],
        EXIF[6:],
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
    ),
    # A directory that is its own sub-directory, and one with far more entries than bytes.
    b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x08\0\0\0\x08",
    b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x87\x69\0\x04\xff\xff\xff\xff\0\0\0\x08",
    # A rational of denominator 0 as resolution, and an orientation that is text.
    b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x1a\0\x05\0\0\0\x01\0\0\0\x26\x01\x28\0\3\0\0\0\1\0\2\0\0"
    b"\0\0\0\0\0\0\0\x48\0\0\0\0",
    b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04abc\0\0\0\0\0",
    b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x87\x69\0\x02\0\0\0\x04abc\0\x88\x25\0\x07\0\0\0\x04abcd\0\0\0\0",
)


def mutated_jpeg(chosen: Random, data: bytes) -> bytes:
    """Change one segment's length or content, the frame's size, or add a segment."""
    segments, at = [], 2
    while data[at : at + 1] == b"\xff" and data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        segments.append(data[at : at + 2 + length])
        at += 2 + length
    rest, index = data[at:], chosen.randrange(len(segments))
    segment = segments[index]
    how = chosen.randrange(7)
    if how == 0:
        segments[index] = segment[:2] + packed_integer(chosen, ">", "H".lower()) + segment[4:]
    elif how == 1:
        body = mutated_bytes(chosen, segment[4:])
        segments[index] = segment[:2] + struct.pack(">H", len(body) + 2) + body
    elif how == 2:
        del segments[index]
    elif how == 3:
        frames = [i for i, s in enumerate(segments) if s[1] in range(0xC0, 0xC4)]
        index, side = frames[0], chosen.choice(SIDES) & 0xFFFF
        place = chosen.choice((5, 7))
        old = segments[index]
        segments[index] = old[:place] + struct.pack(">H", side) + old[place + 2 :]
    elif how == 4:
        exif = chosen.choice(EXIFS)
        segments.insert(0, b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif)
    elif how == 5:
        marker = bytes(
            [0xFF, chosen.choice((0xC4, 0xDB, 0xDD, 0xE0, 0xE2, 0xED, 0xEE, 0xFE, 0xC9))]
        )
        body = chosen.choice((b"", b"\0", b"JFIF\0\1\1\1\0\0\0\0\0\0", b"ICC_PROFILE\0\2\1x"))
        body += b"Adobe\0d\0\0\0\0\2" if marker == b"\xff\xee" else b""
        segments.insert(index, marker + struct.pack(">H", len(body) + 2) + body)
    else:
        rest = mutated_bytes(chosen, rest)
    return data[:2] + b"".join(segments) + rest


TIFF_TAGS = (256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 284, 296, 317, 320, 322)
TIFF_TAGS += (323, 324, 325, 330, 338, 339, 347, 530, 700, 34665, 34675, 34853, 33432, 270)


def mutated_tiff(chosen: Random, data: bytes) -> bytes:
    """Change the tag, type, count or value of one entry of the first directory."""
    order = "<" if data[:2] == b"II" else ">"
    if data[2:4] in (b"+\0", b"\0+"):
        return mutated_bytes(chosen, data)
    (directory,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, directory)
    entry = directory + 2 + 12 * chosen.randrange(max(1, count))
    tag, kind, number, _ = struct.unpack_from(order + "HHII", data, entry)
    value = data[entry + 8 : entry + 12]
    how = chosen.randrange(5)
    if how == 0:
        tag = chosen.choice(TIFF_TAGS)
    elif how == 1:
        kind = chosen.choice((0, 1, 2, 3, 4, 5, 7, 10, 12, 13, 16, 255))
    elif how == 2:
        number = chosen.choice((0, 2, 3, 5, 255, 65536, 2**31, 2**32 - 1))
    else:
        size = "h" if kind == 3 and chosen.random() < 0.8 else "i"
        value = (packed_integer(chosen, order, size) + value)[:4]
        if chosen.random() < 0.5:
            small = chosen.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 50000, 32773, 34712, 34925))
            value = (struct.pack(order + "H", small) + value[2:]) if kind == 3 else value
    made = struct.pack(order + "HHI", tag, kind, number) + value
    return data[:entry] + made + data[entry + 12 :]


def mutated_webp(chosen: Random, data: bytes) -> bytes:
    """Change or add one chunk, and put the sizes right."""
    chunks, at = [], 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        chunks.append((name, data[at + 8 : at + 8 + size]))
        at += 8 + size + (size & 1)
    index = chosen.randrange(len(chunks))
    name, content = chunks[index]
    how = chosen.randrange(4)
    if how == 0:
        chunks[index] = (name, mutated_bytes(chosen, content))
    elif how == 1:
        del chunks[index]
    elif how == 2:
        extra = chosen.choice((b"EXIF", b"ICCP", b"XMP ", b"ALPH", b"ANIM", b"ANMF", b"VP8X"))
        chunks.insert(index, (extra, chosen.choice((b"", b"\x3f" + bytes(9), *EXIFS))))
    else:
        chunks[index] = (name, content[:3] + mutated_bytes(chosen, content[3:16]) + content[16:])
    body = b"".join(n + struct.pack("<I", len(c)) + c + b"\0" * (len(c) & 1) for n, c in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def mutated_gif(chosen: Random, data: bytes) -> bytes:
    """Change the screen or a frame: sizes, flags, code size; or some bytes of the blocks."""
    if chosen.random() < 0.4:
        return mutated_bytes(chosen, data)
    at = data.find(b",", 13) if chosen.random() < 0.6 else 5
    at += chosen.choice((1, 3, 5, 7, 9))
    return data[:at] + packed_integer(chosen, "<", chosen.choice("bh"))[:2] + data[at + 2 :]


NETPBM_WORDS = (b"0", b"-1", b"1", b"70000", b"4294967297", b"1e9", b"x", b"#", b"9" * 40, b"\xff")
NETPBM_WORDS += (b"65536", b"nan", b"inf", b"0.0", b"-1.0", b"1e-99", b"")


def mutated_plain(chosen: Random, data: bytes) -> bytes:
    """Change a field of a bitmap's header, or a word of a netpbm one."""
    if data[:2] == b"BM":
        at = chosen.choice((10, 14, 18, 22, 26, 28, 30, 34, 38, 46, 50, 54))
        if chosen.random() < 0.3:
            return data[:at] + struct.pack("<i", -1 * data[at]) + data[at + 4 :]
        value = chosen.choice(INTEGERS) % 2**32
        return data[:at] + struct.pack("<I", value) + data[at + 4 :]
    words = data[:40].split()
    old = words[chosen.randrange(min(4, len(words)))]
    return data.replace(old, chosen.choice(NETPBM_WORDS), 1)
