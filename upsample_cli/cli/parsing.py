"""How the text of options becomes targets and numbers."""

import math
import re
from collections.abc import Callable

from upsample_cli.errors import RequestError
from upsample_cli.sampling.mapping import Like, Orientation
from upsample_cli.sampling.target import Target
from upsample_cli.sampling.windows import LIMIT

KEEP, SMALLEST = "keep", "smallest"
MEMORY = re.compile(r"(?P<number>\d+(\.\d*)?|\.\d+)\s*(?P<unit>([KMGT](iB|B)?|B)?)", re.IGNORECASE)
Values = tuple[float | None, ...]


def parse_target(
    scale: str | None,
    size: str | None,
    spacing: str | None,
    isotropic: str | None = None,
    max_size: int | None = None,
    fit: str | None = None,
    like: str | None = None,
    orientation: str | None = None,
    fill: float | None = None,
) -> Target | Like | Orientation:
    """Return the one target that was given.

    >>> parse_target("2x2x1", None, None)
    Target(kind='scale', values=(2.0, 2.0, 1.0))
    >>> parse_target(None, None, "1x1xkeep")
    Target(kind='spacing', values=(1.0, 1.0, None))

    Raises
    ------
    RequestError
        If none or several were given, or the text is not what the option takes.
    """
    given = {"scale": scale, "size": size, "spacing": spacing, "isotropic": isotropic}
    given |= {"max-size": None if max_size is None else str(max_size), "fit": fit}
    given |= {"like": like, "orientation": orientation}
    texts = {kind: text for kind, text in given.items() if text is not None}
    if len(texts) != 1:
        problem = "no target was given" if not texts else "several targets were given"
        names = ", ".join(f"--{kind}" for kind in (texts or given))
        raise RequestError(names, problem, "use exactly one")
    if fill is not None and like is None:
        raise RequestError("--fill", "goes with --like only", "drop it")
    ((kind, text),) = texts.items()
    if kind == "like":
        return Like(text, fill)
    return PARSERS[kind](text)


def _scale(text: str) -> Target:
    return Target("scale", _numbers("scale", text, "2 or 2x2 or 2x2x1, x first"))


def _spacing(text: str) -> Target:
    return Target(
        "spacing", _numbers("spacing", text, "2 or 1x1x2 or 1x1xkeep, x first", keep=KEEP)
    )


def _isotropic(text: str) -> Target:
    values = _numbers("isotropic", text, f"{SMALLEST} or 1.5", keep=SMALLEST)
    return Target("isotropic", _as_many(1, values, "isotropic", text, f"{SMALLEST} or 1.5"))


def _max_size(text: str) -> Target:
    return Target("max-size", (float(text),))


def _fit(text: str) -> Target:
    parts = _split(text)
    sizes = tuple(float(part) for part in parts if part.isdecimal())
    return Target("fit", _as_many(2, sizes, "fit", text, "a width and height such as 640x480"))


def _as_many(count: int, values: Values, kind: str, text: str, right: str) -> Values:
    if len(values) != count:
        raise RequestError(f"--{kind}", f"{text!r} is not what it takes", f"use {right}")
    return values


def parse_counts(option: str, text: str | None, *, least: int = 1) -> tuple[int, ...] | None:
    """Return whole numbers, x first, or None for an option that was not given.

    >>> parse_counts("--kernel-size", "3x3x2")
    (3, 3, 2)

    Raises
    ------
    RequestError
        If the text is not whole numbers of at least ``least``, or one is too large.
    """
    if text is None:
        return None
    try:
        counts = tuple(int(part) for part in _split(text))
    except ValueError as error:
        problem = f"{text!r} is not a whole number per axis"
        raise RequestError(option, problem, "use 2 or 2x2 or 3x3x2, x first") from error
    if min(counts) < least:
        raise RequestError(option, f"{min(counts)} is not possible", f"use at least {least}")
    if max(counts) >= LIMIT:
        raise RequestError(option, f"{max(counts)} is too large", f"use less than {LIMIT}")
    return counts


def parse_memory(text: str | None) -> int | None:
    """Return a number of bytes, or None for an option that was not given.

    >>> parse_memory("1.5G"), parse_memory("200 MiB"), parse_memory("4096")
    (1610612736, 209715200, 4096)

    Raises
    ------
    RequestError
        If the text is no number of bytes above 0.
    """
    if text is None:
        return None
    found = MEMORY.fullmatch(text.strip())
    size = float(found["number"]) * _unit(found["unit"].upper()) if found else 0
    if size < 1:
        problem = f"{text!r} is not a number of bytes"
        raise RequestError("--max-memory", problem, "use 512M or 1.5G or 200MiB")
    return int(size)


def _unit(name: str) -> int:
    """Return the bytes of a unit: of 1024 as in ls, of 1000 where it is spelt out as MB."""
    if not name or name == "B":
        return 1
    power = 1 + "KMGT".index(name[0])
    return int(1000**power if name[1:] == "B" else 1024**power)


def _split(text: str) -> list[str]:
    return re.split("[xX×]", text.strip())


def _numbers(kind: str, text: str, right: str, *, keep: str | None = None) -> Values:
    """Return the numbers of a text; ``keep`` is the word that stands for None."""
    parts = [part.strip().lower() for part in _split(text)]
    try:
        numbers = tuple(None if part == keep else float(part) for part in parts)
    except ValueError as error:
        raise RequestError(
            f"--{kind}", f"{text!r} is not a number per axis", f"use {right}"
        ) from error
    for number in numbers:
        if number is not None and not (math.isfinite(number) and number > 0):
            problem = f"a {'scale' if kind == 'scale' else 'spacing'} of {number:g} is not possible"
            raise RequestError(f"--{kind}", problem, "use a positive finite number")
    return numbers


def _size(text: str) -> Target:
    return Target("size", _sizes(text))


def _sizes(text: str) -> tuple[int | None, ...]:
    parts = _split(text)
    try:
        sizes = tuple(int(part) if part else None for part in parts)
    except ValueError as error:
        raise _bad_size(text) from error
    if all(size is None for size in sizes):
        raise _bad_size(text)
    return sizes


def _bad_size(text: str) -> RequestError:
    return RequestError(
        "--size", f"{text!r} is not a whole number per axis", "use 256 or 640x480 or 64x64x32"
    )


PARSERS: dict[str, Callable[[str], Target | Orientation]] = {
    "scale": _scale,
    "size": _size,
    "spacing": _spacing,
    "isotropic": _isotropic,
    "max-size": _max_size,
    "fit": _fit,
    "orientation": Orientation,
}
"""The targets, and what makes each from its text."""
