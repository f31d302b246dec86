"""`python -m bot` and the console script `afterimage`."""

from __future__ import annotations

import sys

from bot import cli


def main() -> None:
    sys.exit(cli.main())


if __name__ == "__main__":
    main()
