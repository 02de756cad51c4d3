"""Deflated blocks whose bytes depend on the data and the level, and not on the process.

ISA-L's levels 1 and 2 hash the first bytes of a stream that has no history from a register that
still holds the stream's *address*, so that one or two processes in a hundred find another match and
write other bytes (docs/same_bytes.md). Code that starts with a history does not come there. So
every stream gets one: the data before it or, where there are none, its own first bytes, which are
stored and not searched.
"""

import zlib
from typing import Any

from isal import isal_zlib

HISTORY = 2**15
"""The most that deflate looks back."""
STORED_FIRST = 64
"""Bytes that a stream without history stores. ISA-L hashes no history shorter than four."""


def deflated(data: Any, level: int, *, history: Any = b"", is_last: bool = False) -> bytes:
    """Deflate a block of a raw stream, so that blocks can be deflated at once and then joined.

    Parameters
    ----------
    data
        C-contiguous bytes.
    level
        ISA-L's, 0 to 3.
    history
        The bytes before the block in its stream, of which the last 32 KiB count; empty for none.
    is_last
        Whether the stream ends with the block. If not, it ends at a whole byte.

    Raises
    ------
    ValueError
        If there is no such level.
    """
    view = memoryview(data).cast("B")
    begin = b""
    if not len(history):
        history, view = view[:STORED_FIRST], view[STORED_FIRST:]
        begin = _stored(history)
    wbits = -zlib.MAX_WBITS
    dictionary = bytes(memoryview(history)[-HISTORY:])
    deflater = isal_zlib.compressobj(level, isal_zlib.DEFLATED, wbits, zdict=dictionary)
    flush = isal_zlib.Z_FINISH if is_last else isal_zlib.Z_SYNC_FLUSH
    return b"".join((begin, deflater.compress(view), deflater.flush(flush)))


def _stored(data: memoryview) -> bytes:
    """Return a block of deflate that holds data as they are, at most 65,535 bytes."""
    if not len(data):
        return b""
    size = len(data).to_bytes(2, "little")
    return b"\0" + size + bytes(255 - byte for byte in size) + data
