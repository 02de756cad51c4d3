"""What is done to good files: bytes at random, and each format's own fields to extremes."""

from collections.abc import Callable

from fuzz.array_mutation import mutated_npy, mutated_npz, mutated_record
from fuzz.image_mutation import (
    mutated_gif,
    mutated_jpeg,
    mutated_plain,
    mutated_png,
    mutated_tiff,
    mutated_webp,
)
from fuzz.raw_mutation import Random, mutated_bytes
from fuzz.volume_mutation import mutated_gzip, mutated_mgh, mutated_nifti

LARGEST_CASE = 2**17

MUTATIONS: dict[str, Callable[[Random, bytes], bytes]] = {
    "nifti": mutated_nifti,
    "gzip": mutated_gzip,
    "mgh": mutated_mgh,
    "npy": mutated_npy,
    "png": mutated_png,
    "jpeg": mutated_jpeg,
    "tiff": mutated_tiff,
    "webp": mutated_webp,
    "gif": mutated_gif,
    "plain": mutated_plain,
    "npz": mutated_npz,
    "record": mutated_record,
    "weights": mutated_npy,
}
"""Format → what changes its own fields."""


def mutated(format: str, chosen: Random, data: bytes, other: bytes = b"") -> bytes:
    """Return a file that is not, or not quite, what it was.

    Parameters
    ----------
    format
        One of `MUTATIONS`.
    chosen
        Decides everything.
    data, other
        A file, and another of its format for splices.
    """
    for _ in range(chosen.choice((1, 1, 1, 2, 3, 5))):
        how = MUTATIONS[format] if chosen.random() < 0.75 else mutated_bytes
        try:
            data = how(chosen, data)
        except Exception:  # too broken for its fields to be found
            data = mutated_bytes(chosen, data)
    if chosen.random() < 0.03:
        data = data[: chosen.randint(0, len(data))] + other[chosen.randint(0, len(other)) :]
    return data[:LARGEST_CASE]
