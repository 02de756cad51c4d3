"""``upsample-cli`` and ``python -m upsample_cli``."""

import sys

from upsample_cli.cli import signals


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 a wrong request, 130 interrupted."""
    signals.exit_at_once()
    from upsample_cli.cli.app import run

    signals.raise_stopped()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
