"""Throw hostile files at the commands: ``python tests/fuzz --minutes 10``."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent


def start() -> int:
    """Run the campaign on the program of this checkout."""
    # In place of this folder, so that it is the package ``fuzz``.
    sys.path[:1] = [str(TESTS), str(TESTS.parent)]
    from fuzz.campaign import main

    return main()


if __name__ == "__main__":
    sys.exit(start())
