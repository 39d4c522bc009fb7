"""The command `promptlab`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and answer with its exit code."""
    from promptlab.cli.main import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
