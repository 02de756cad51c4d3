"""FORMATS: the ordered table of what can be read and written; files are opened by content."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files.images.formats import IMAGE_FORMATS, format_of_suffix, is_image
from upsample_cli.files.streams import ForwardReader, head_of, open_input
from upsample_cli.files.volumes.pairs import pair_names

if TYPE_CHECKING:
    from upsample_cli.files.array import ArraySource
    from upsample_cli.files.images.options import ImageOptions
    from upsample_cli.files.images.reading import ImageSource
    from upsample_cli.files.volumes.mgh import MghHeader, MghSource
    from upsample_cli.files.volumes.nifti import NiftiSource
    from upsample_cli.files.volumes.nifti_header import NiftiHeader

    VolumeSource = NiftiSource | MghSource
    VolumeHeader = NiftiHeader | MghHeader
    Source = VolumeSource | ImageSource | ArraySource


@dataclass(frozen=True)
class Format:
    """One entry of FORMATS.

    ``kind`` is volume, array or image; a resample never changes it. ``matches`` tells from the
    first bytes, decompressed, whether a file has this format.
    """

    kind: str
    suffixes: tuple[str, ...]
    matches: Callable[[bytes], bool]
    open: Callable[[ForwardReader, str, "ImageOptions"], "Source"]


def _is_nifti(head: bytes) -> bool:
    sizes = (size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big"))
    return head[:4] in sizes


def _open_nifti(reader: ForwardReader, name: str, _: "ImageOptions") -> "Source":
    from upsample_cli.files.volumes.nifti import NiftiSource

    return NiftiSource(reader, name)


def is_mgh(head: bytes) -> bool:
    """Tell from its first bytes, decompressed, whether a file is FreeSurfer's."""
    return head.startswith(b"\0\0\0\1")


def _open_mgh(reader: ForwardReader, name: str, _: "ImageOptions") -> "Source":
    from upsample_cli.files.volumes.mgh import MghSource

    return MghSource(reader, name)


def _is_array(head: bytes) -> bool:
    return head.startswith(b"\x93NUMPY")


def _open_array(reader: ForwardReader, name: str, _: "ImageOptions") -> "Source":
    from upsample_cli.files.array import ArraySource

    return ArraySource(reader, name)


def _open_image(reader: ForwardReader, name: str, options: "ImageOptions") -> "Source":
    from upsample_cli.files.images.reading import open_image

    return open_image(reader.source, name, options)


FORMATS = (
    Format(
        "volume",
        (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz"),
        _is_nifti,
        _open_nifti,
    ),
    Format("volume", (".mgh", ".mgz", ".mgh.gz"), is_mgh, _open_mgh),
    Format("array", (".npy",), _is_array, _open_array),
    Format(
        "image",
        tuple(suffix for entry in IMAGE_FORMATS for suffix in entry.suffixes),
        is_image,
        _open_image,
    ),
)

SUFFIXES = {suffix: entry.kind for entry in FORMATS for suffix in entry.suffixes}


GZIP_SUFFIXES = (".gz", ".mgz")


def suffixes_like(suffix: str) -> tuple[str, ...]:
    """Return the suffixes of files that hold the same format; of images, every one."""
    return next(entry.suffixes for entry in FORMATS if suffix in entry.suffixes)


def suffix_of(name: str) -> str:
    """Return the known suffix of a file name in lower case, or an empty string."""
    lower = name.lower()
    return max((suffix for suffix in SUFFIXES if lower.endswith(suffix)), key=len, default="")


def open_source(name: str, options: "ImageOptions") -> "Source":
    """Open a file, or standard input for ``-``, by its content.

    Raises
    ------
    FileError
        If it cannot be read, holds no known format, or another kind than its name says.
    """
    pair = pair_names(name) if suffix_of(name).startswith((".hdr", ".img")) else None
    path = pair[0] if pair else name
    file = open_input(path)
    try:
        head = head_of(file)
        entry = next((entry for entry in FORMATS if entry.matches(head)), None)
        if entry is None:
            raise FileError(path, _why_unknown(file.peek(2)[:2]), _known_formats())
        _check_label(path, entry)
        return entry.open(ForwardReader(file, path), path, options)
    except BaseException:
        file.close()
        raise


def _why_unknown(start: bytes) -> str:
    if not start:
        return "is empty"
    if start == b"\x1f\x8b":
        return "is gzip, but holds no known format, or is truncated"
    return "has no known format"


def _known_formats() -> str:
    return "use " + ", ".join(suffix for entry in FORMATS for suffix in entry.suffixes)


def _check_label(name: str, entry: Format) -> None:
    labelled = SUFFIXES.get(suffix_of(name))
    if labelled and labelled != entry.kind:
        article = "an" if entry.kind[0] in "ai" else "a"
        raise FileError(
            name, f"is mislabelled: it holds {article} {entry.kind}", "rename it to what it is"
        )


def _canonical(suffix: str) -> str:
    return format_of_suffix(suffix) or suffix.replace(".img", ".hdr")


def output_suffix(name: str, format_name: str | None, default: str) -> str:
    """Return the suffix that decides the output's format.

    Parameters
    ----------
    name
        The output, or ``-``.
    format_name
        ``--format``: a suffix without its dot, or None.
    default
        The suffix for standard output without ``--format``.

    Raises
    ------
    RequestError
        If neither tells a known format, or the two contradict each other.
    """
    own = "" if name == "-" else suffix_of(name)
    if format_name is None:
        if name == "-":
            return default
        if not own:
            raise RequestError(name, "has no suffix of a known format", _known_formats())
        return own
    wanted = "." + format_name.lower().lstrip(".")
    if wanted not in SUFFIXES:
        raise RequestError("--format", f"{format_name} is unknown", _known_formats())
    if own and _canonical(own) != _canonical(wanted):
        raise RequestError("--format", f"{format_name} contradicts the name {name}", "drop one")
    return wanted
