"""``upsample-cli`` and ``python -m upsample_cli``."""

import sys

from upsample_cli.cli import signals


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 a wrong request, 130 interrupted."""
    signals.exit_at_once()
    from upsample_cli.cli.app import run
    from upsample_cli.cli.console import end_messages

    signals.raise_stopped()
    code = run(sys.argv[1:])
    end_messages()
    sys.exit(code)


if __name__ == "__main__":
    main()
