"""The `everycent` command: reads the command line, maps refusals to messages and exit codes."""

import os
import sys

from everycent.base.platform.settings import frugal_environment


def main() -> None:
    """Entry point of the console script."""
    needed = frugal_environment()
    if needed:
        # Allocators and thread pools read these once, at process start; under a small memory limit they decide all.
        os.execve(
            sys.executable, [sys.executable, "-m", "everycent.serve.cli", *sys.argv[1:]], {**os.environ, **needed}
        )
    from everycent.serve.cli.app import run_app

    sys.exit(run_app(sys.argv[1:]))


if __name__ == "__main__":
    main()
