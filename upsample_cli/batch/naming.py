"""The outputs of a batch: the name of each, and that no two inputs make the same one."""

import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from upsample_cli.batch.finding import Found
from upsample_cli.errors import RequestError
from upsample_cli.files import files_of, known_suffixes, suffix_of

FIELDS = ("stem", "suffix")


@dataclass(frozen=True)
class Naming:
    """How an output is named after its input.

    Attributes
    ----------
    suffix
        The suffix of every output, such as ``.png``; None keeps the input's own.
    template
        The name in its folder, from ``{stem}`` and ``{suffix}``.
    """

    suffix: str | None = None
    template: str = "{stem}{suffix}"

    def __post_init__(self) -> None:
        if self.suffix is not None and self.suffix not in known_suffixes():
            known = ", ".join(known_suffixes())
            raise RequestError("--to", f"{self.suffix} is not a known format", f"use {known}")
        _check_template(self.template)

    def output(self, name: str) -> str:
        """Return the output's name in the target folder.

        >>> Naming(".nii", "{stem}_x2{suffix}").output("sub-01/t1.nii.gz")
        'sub-01/t1_x2.nii'
        """
        folder, slash, own = name.rpartition("/")
        known = suffix_of(own)
        stem, suffix = own[: len(own) - len(known)], own[len(own) - len(known) :]
        return folder + slash + self.template.format(stem=stem, suffix=self.suffix or suffix)


def _check_template(template: str) -> None:
    right = "use {stem} and {suffix}, as in '{stem}_x2{suffix}'"
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise RequestError("--rename", f"{template!r} is no template ({error})", right) from error
    fields = [(name, spec, conversion) for _, name, spec, conversion in parts if name is not None]
    if any(name not in FIELDS or spec or conversion for name, spec, conversion in fields):
        raise RequestError("--rename", f"{template!r} has another field", right)
    names = [name for name, _, _ in fields]
    if "stem" not in names:
        raise RequestError("--rename", f"{template!r} gives every file of a folder one name", right)
    if names[-1] != "suffix" or not template.endswith("{suffix}"):
        raise RequestError("--rename", f"{template!r} does not end with the suffix", right)
    if "/" in template or "\0" in template:
        raise RequestError("--rename", f"{template!r} names another folder", right)
    if template.startswith("."):
        raise RequestError("--rename", f"{template!r} makes hidden files", right)


def check_outputs(
    source: str, target: str, pairs: Iterable[tuple[Found, str]], beside: Callable[[str], list[str]]
) -> None:
    """Refuse a batch in which two inputs make one file, or an output lands among the inputs.

    Parameters
    ----------
    source, target
        The folders.
    pairs
        Each input with its output.
    beside
        From an output to the names of the files that are written beside it.

    Raises
    ------
    RequestError
        Naming the two inputs, or the output.
    """
    inside, outside = Path(target).resolve(), Path(source).resolve()
    if inside == outside or outside.is_relative_to(inside):
        problem = "is the source folder" if inside == outside else "contains the source folder"
        raise RequestError(target, problem, "name a folder of its own")
    makers: dict[str, str] = {}
    for found, output in pairs:
        for made in (*files_of(output), *beside(output)):
            other = makers.setdefault(made, found.name)
            if other != found.name:
                problem = f"would be made from {other} and from {found.name}"
                raise RequestError(made, problem, "use --rename, --pattern or --exclude")
