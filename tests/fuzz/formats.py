"""The formats that are fuzzed; apart from what makes them, which takes imports."""

FORMATS = (
    *("nifti", "gzip", "png", "jpeg", "npy", "mgh", "tiff", "webp", "gif", "plain"),
    *("npz", "record", "weights"),
)
"""``plain`` is BMP and netpbm; restore reads a record, and conv-transpose weights."""
