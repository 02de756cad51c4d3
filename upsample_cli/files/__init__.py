"""FORMATS: the ordered table of what can be read and written; files are opened by content."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files.images.formats import IMAGE_FORMATS, ImageFormat
from upsample_cli.files.volumes.pairs import pair_names

if TYPE_CHECKING:
    from upsample_cli.files.array import ArraySource
    from upsample_cli.files.images.options import ImageOptions
    from upsample_cli.files.images.reading import ImageSource
    from upsample_cli.files.streams import ForwardReader
    from upsample_cli.files.volumes.volume import Read
    from upsample_cli.files.volumes.volume import VolumeHeader as VolumeHeader
    from upsample_cli.files.volumes.volume_source import VolumeSource as VolumeSource

    Source = VolumeSource | ImageSource | ArraySource


@dataclass(frozen=True)
class Format:
    """One entry of FORMATS.

    Attributes
    ----------
    kind
        volume, array or image; a resample never changes it.
    suffixes
        Of names, the usual one first.
    matches
        Tells from the first bytes, decompressed, whether a file has this format.
    open
        Returns the source of a file that does, by what its messages call it.
    gzip, uncompressed
        The suffixes of files that are compressed with gzip, and of those that are as large as
        their elements.
    read_header
        Reads and checks a volume's header alone; arguments as of ``nifti_header.read_header``.
    names
        Returns the files that a name stands for, the one to be read first at the front, or None
        if that is the one of this name.
    group
        Formats of one group are the same to ``--format``.
    """

    kind: str
    suffixes: tuple[str, ...]
    matches: Callable[[bytes], bool]
    open: "Callable[[ForwardReader, str, ImageOptions], Source]"
    gzip: tuple[str, ...] = ()
    uncompressed: tuple[str, ...] = ()
    read_header: "Callable[[Read, Read, str], VolumeHeader] | None" = None
    names: Callable[[str], tuple[str, ...] | None] = lambda _: None
    group: str = ""


def _is_nifti(head: bytes) -> bool:
    sizes = (size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big"))
    return head[:4] in sizes


def _open_nifti(reader: "ForwardReader", name: str, _: "ImageOptions") -> "Source":
    from upsample_cli.files.volumes.nifti import NiftiSource

    return NiftiSource(reader, name)


def _nifti_header(read: "Read", read_rest: "Read", name: str) -> "VolumeHeader":
    from upsample_cli.files.volumes.nifti_header import read_header

    return read_header(read, read_rest, name)


def _is_mgh(head: bytes) -> bool:
    return head.startswith(b"\0\0\0\1")


def _open_mgh(reader: "ForwardReader", name: str, _: "ImageOptions") -> "Source":
    from upsample_cli.files.volumes.mgh import MghSource

    return MghSource(reader, name)


def _mgh_header(read: "Read", read_rest: "Read", name: str) -> "VolumeHeader":
    from upsample_cli.files.volumes.mgh import read_mgh_header

    return read_mgh_header(read, read_rest, name)


def _is_array(head: bytes) -> bool:
    return head.startswith(b"\x93NUMPY")


def _open_array(reader: "ForwardReader", name: str, _: "ImageOptions") -> "Source":
    from upsample_cli.files.array import ArraySource

    return ArraySource(reader, name)


def _open_image(reader: "ForwardReader", name: str, options: "ImageOptions") -> "Source":
    from upsample_cli.files.images.reading import open_image

    return open_image(reader.source, name, options)


NIFTI = Format(
    "volume",
    (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz"),
    _is_nifti,
    _open_nifti,
    gzip=(".nii.gz", ".hdr.gz", ".img.gz"),
    uncompressed=(".nii", ".hdr", ".img"),
    read_header=_nifti_header,
    names=pair_names,
)
MGH = Format(
    "volume",
    (".mgh", ".mgz", ".mgh.gz"),
    _is_mgh,
    _open_mgh,
    gzip=(".mgz", ".mgh.gz"),
    uncompressed=(".mgh",),
    read_header=_mgh_header,
)
ARRAY = Format("array", (".npy",), _is_array, _open_array, uncompressed=(".npy",))

FORMATS = [NIFTI, MGH, ARRAY]
"""Volumes and arrays; images have a table of their own, whose rows say more."""


def formats() -> list[Format]:
    """Return every format that there is, in the order in which a file's content is tried."""
    return [*FORMATS, *map(_as_format, IMAGE_FORMATS)]


def _as_format(image: ImageFormat) -> Format:
    plain = image.suffixes if image.is_uncompressed else ()
    return Format(
        "image", image.suffixes, image.matches, _open_image, uncompressed=plain, group=image.name
    )


def known_suffixes() -> list[str]:
    """Return every suffix that names a format."""
    return [suffix for entry in formats() for suffix in entry.suffixes]


def format_of(suffix: str) -> Format:
    """Return the format that a known suffix, in lower case, names."""
    return next(entry for entry in formats() if suffix in entry.suffixes)


def is_gzip(suffix: str) -> bool:
    """Whether a file of a known suffix is compressed with gzip."""
    return suffix in format_of(suffix).gzip


def is_uncompressed(suffix: str) -> bool:
    """Whether a file of a known suffix is as large as its elements."""
    return suffix in format_of(suffix).uncompressed


def suffixes_like(suffix: str) -> tuple[str, ...]:
    """Return the suffixes that an output may have: its input's format's; of images, every one."""
    own = format_of(suffix)
    if own.kind != "image":
        return own.suffixes
    return tuple(each for entry in formats() if entry.kind == own.kind for each in entry.suffixes)


def suffix_of(name: str) -> str:
    """Return the known suffix of a file name in lower case, or an empty string."""
    lower = name.lower()
    matches = (suffix for suffix in known_suffixes() if lower.endswith(suffix))
    return max(matches, key=len, default="")


def files_of(name: str) -> tuple[str, ...]:
    """Return the files that a name stands for, the one to be read first at the front.

    >>> files_of("a.nii.gz"), files_of("a.img")
    (('a.nii.gz',), ('a.hdr', 'a.img'))
    """
    return next((names for entry in FORMATS if (names := entry.names(name))), (name,))


def file_names(name: str, suffix: str) -> list[str]:
    """Return the files that make up an output of a name, or ``-``, whose format a suffix decides.

    Raises
    ------
    RequestError
        If they are two, and the name gives no names for both.
    """
    names = files_of(name)
    if len(names) == 1 and _is_of_several(suffix):
        alike = format_of(suffix).suffixes
        several = "/".join([each for each in alike if _is_of_several(each)][:2])
        alone = " or ".join(each[1:] for each in alike if not _is_of_several(each))
        raise RequestError("--format", f"a {several} pair needs a name", f"use {alone}")
    return list(names)


def _is_of_several(suffix: str) -> bool:
    return len(files_of("x" + suffix)) > 1


def open_source(name: str, options: "ImageOptions") -> "Source":
    """Open a file, or standard input for ``-``, by its content.

    Raises
    ------
    FileError
        If it cannot be read, holds no known format, or another kind than its name says.
    """
    from upsample_cli.files.streams import ForwardReader, head_of, open_input

    path = files_of(name)[0]
    file = open_input(path)
    try:
        head = head_of(file)
        entry = next((entry for entry in formats() if entry.matches(head)), None)
        if entry is None:
            raise FileError(path, _why_unknown(file.peek(2)[:2]), _known_formats())
        _check_label(path, entry)
        return entry.open(ForwardReader(file, path), path, options)
    except BaseException:
        file.close()
        raise


def volume_header(head: bytes, read: "Read", read_rest: "Read", name: str) -> "VolumeHeader":
    """Read and check the header alone of a volume, of a format that its ``head`` shows.

    Parameters
    ----------
    head
        The first bytes, decompressed.
    read, read_rest, name
        As of ``nifti_header.read_header``.

    Raises
    ------
    FileError
        If it is no volume's header, or says what cannot be.
    """
    readers = (entry.read_header for entry in FORMATS if entry.read_header and entry.matches(head))
    # NIfTI's reader says what is wrong with a file that is no volume.
    return next(readers, _nifti_header)(read, read_rest, name)


def _why_unknown(start: bytes) -> str:
    if not start:
        return "is empty"
    if start == b"\x1f\x8b":
        return "is gzip, but holds no known format, or is truncated"
    return "has no known format"


def _known_formats() -> str:
    return "use " + ", ".join(known_suffixes())


def _check_label(name: str, entry: Format) -> None:
    suffix = suffix_of(name)
    if suffix and format_of(suffix).kind != entry.kind:
        article = "an" if entry.kind[0] in "ai" else "a"
        raise FileError(
            name, f"is mislabelled: it holds {article} {entry.kind}", "rename it to what it is"
        )


def _canonical(suffix: str) -> str:
    """Return what two suffixes have in common that mean the same to ``--format``."""
    return format_of(suffix).group or files_of("x" + suffix)[0]


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
    if wanted not in known_suffixes():
        raise RequestError("--format", f"{format_name} is unknown", _known_formats())
    if own and _canonical(own) != _canonical(wanted):
        raise RequestError("--format", f"{format_name} contradicts the name {name}", "drop one")
    return wanted
