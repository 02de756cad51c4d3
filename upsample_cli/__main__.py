"""``python -m upsample_cli``."""

from upsample_cli.cli.app import main

if __name__ == "__main__":
    main()
