"""Names and numbers as people read them."""

import math


def printable(text: str) -> str:
    r"""Return a text on one line: what a terminal would act on, or cannot show, is escaped.

    >>> printable("a\nb")
    'a\\nb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def about(name: str, text: str) -> str:
    """Return a text that names the file that it is about.

    >>> about("a.png", "--frame: is missing"), about("a.png", "/in/a.png: is empty")
    ('a.png: --frame: is missing', '/in/a.png: is empty')
    """
    return text if printable(name) in printable(text) else f"{name}: {text}"


def counted(count: int, noun: str) -> str:
    """Return how many there are of something.

    >>> counted(1, "file"), counted(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def readable_bytes(count: float) -> str:
    """Return a size as people write it.

    >>> readable_bytes(3 * 2**30)
    '3.0 GiB'
    """
    if count < 1024:
        return f"{count:.0f} B"
    units = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    power = min(int(math.log(count, 1024)), len(units))
    return f"{count / 1024**power:.1f} {units[power - 1]}"
