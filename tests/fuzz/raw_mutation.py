"""Bytes changed at random, and extreme numbers as bytes."""

import random
import struct

import numpy as np

INTEGERS = (0, 1, 2, 3, 4, 7, 8, 16, 127, 128, 255, 256, 32767, 32768, 65535, 65536)
INTEGERS += (2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1, -1, -2, -128, -(2**31))
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-38, 1e-12, 1e-3, 3e4, 1e9, 1e20, 3e38, -3e38)
FLOATS += (float("nan"), float("inf"), float("-inf"), 1e-300, 1e300, 352.0, 353.5)

Random = random.Random


def mutated_bytes(chosen: Random, data: bytes) -> bytes:
    """Flip, overwrite, cut, repeat or insert bytes anywhere, mostly near the beginning."""
    size = len(data)
    at = min(int(size * chosen.random() ** chosen.choice((1, 3))), max(0, size - 1))
    length = chosen.choice((1, 1, 2, 4, 8, 40))
    how = chosen.randrange(7)
    if how == 0:
        return (
            data[:at]
            + bytes([data[at] ^ 1 << chosen.randrange(8)] if size else [])
            + (data[at + 1 :])
        )
    if how == 1:
        return data[:at] + bytes([chosen.choice((0, 1, 127, 128, 255))]) + data[at + 1 :]
    if how == 2:
        value = packed_integer(chosen, chosen.choice("<>"), chosen.choice("bhiq"))
        return data[:at] + value + data[at + len(value) :]
    if how == 3:
        return data[:at] + data[at + length :]
    if how == 4:
        return data[: at + length] + data[at:]
    if how == 5:
        return data[:at] + chosen.randbytes(length) + data[at:]
    return data[:at] if chosen.random() < 0.5 else data + data[at : at + length]


def packed_integer(chosen: Random, order: str, kind: str) -> bytes:
    """Return an extreme integer of one of struct's kinds, wrapped to its size."""
    size = struct.calcsize(order + kind)
    value = chosen.choice(INTEGERS) if chosen.random() < 0.7 else chosen.getrandbits(8 * size)
    return (value % 2 ** (8 * size)).to_bytes(size, "little" if order == "<" else "big")


def packed(chosen: Random, order: str, kind: str) -> bytes:
    """Return an extreme value of one of struct's kinds."""
    if kind not in "fd":
        return packed_integer(chosen, order, "b" if kind in "cs" else kind)
    with np.errstate(over="ignore"):
        return np.array(chosen.choice(FLOATS)).astype(f"{order}{kind}").tobytes()
