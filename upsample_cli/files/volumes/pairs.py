"""The names of the two files of a NIfTI pair."""

PAIR_SUFFIXES = {".hdr": ".img", ".hdr.gz": ".img.gz"}
"""The suffix of a pair's header → that of its voxels."""


def pair_names(name: str) -> tuple[str, str] | None:
    """Return the header's and the voxels' file of a pair that is named by either of them."""
    for pair in PAIR_SUFFIXES.items():
        for suffix in pair:
            if name.lower().endswith(suffix):
                stem, own = name[: -len(suffix)], name[-len(suffix) :]
                header, image = (s.upper() if own.isupper() else s for s in pair)
                return stem + header, stem + image
    return None
