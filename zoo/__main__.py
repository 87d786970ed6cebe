"""The command `zoo`, as a console script and as ``python -m zoo``.

Nothing is imported at the top, so that an interruption is caught while zoo starts, too.
"""

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    try:
        from zoo.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        # As in zoo.cli.failure, which may not be there yet.
        sys.stderr.write("zoo: interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
