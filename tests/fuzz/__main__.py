"""Throw hostile files at the commands: ``python tests/fuzz --minutes 10``."""

import sys
from pathlib import Path

# The folder of the tests in place of this one, so that this one is the package ``fuzz``.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from fuzz.campaign import main

if __name__ == "__main__":
    sys.exit(main())
