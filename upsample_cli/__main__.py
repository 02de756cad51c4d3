"""``upsample-cli`` and ``python -m upsample_cli``."""

import sys

from upsample_cli.cli import signals


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 a wrong request, 130 interrupted."""
    try:
        signals.install()
        from upsample_cli.cli.app import run

        code = run(sys.argv[1:])
    except signals.Stopped as stop:  # while the program was being loaded
        print(f"upsample-cli: error: {stop}", file=sys.stderr)
        code = stop.exit_code
    sys.exit(code)


if __name__ == "__main__":
    main()
