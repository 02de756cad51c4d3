"""The project's pages as tests read them: blocks of code, the notes before them, links, headings.

A block may have notes: HTML comments right above it, one a line, which a reader does not see.

``<!-- not run: REASON -->``
    No test runs it. `tests/test_docs.py` lists every such block.
``<!-- prints -->``
    On a ``text`` block: its lines are what the command before it prints, but for seconds.
``<!-- NAME -->``
    What another test, or ``.ci/run``, finds it by.

In a block of commands, a comment that says ``exit code 1`` tells how its line ends.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    str(path.relative_to(ROOT)) for pattern in ("*.md", "docs/*.md") for path in ROOT.glob(pattern)
)

FENCED = re.compile(
    r"(?P<notes>(?:^<!--[^\n]*-->\n)*)^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
NOTE = re.compile(r"<!-- *(.*?) *-->")
NOT_RUN = "not run: "
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
LINK = re.compile(r"!?\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the notes right above it."""

    language: str
    text: str
    notes: tuple[str, ...]

    @property
    def why_not_run(self):
        reasons = [note.removeprefix(NOT_RUN) for note in self.notes if note.startswith(NOT_RUN)]
        return reasons[0] if reasons else None

    @property
    def commands(self):
        """The lines of a shell block without comments alone, each with those that continue it."""
        joined = self.text.replace("\\\n", "")
        return [line for line in joined.splitlines() if line.strip() and line[0] != "#"]


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(page):
    """Return the blocks of a page in their order."""
    return [
        Block(found["language"], found["text"], tuple(NOTE.findall(found["notes"])))
        for found in FENCED.finditer(text_of(page))
    ]


def block_named(page, name):
    """Return the one block of a page that bears a note."""
    (block,) = [block for block in blocks_of(page) if name in block.notes]
    return block


def prose_of(page):
    """Return a page without its blocks."""
    return FENCED.sub("", text_of(page))


def anchors_of(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    anchors = []
    for heading in HEADING.findall(prose_of(page)):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        again = sum(1 for known in anchors if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", known))
        anchors.append(f"{slug}-{again}" if again else slug)
    return anchors


def links_of(page):
    """Return the targets of a page's links and pictures."""
    prose = re.sub(r"`[^`]*`", "", prose_of(page))
    return [found["target"] for found in LINK.finditer(prose)]
