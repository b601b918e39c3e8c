"""The `everycent` command: reads the command line, maps refusals to messages and exit codes."""

import codecs
import os
import resource
import signal
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

from everycent.base.platform.settings import FRUGAL_STACK_BYTES, frugal_environment


def main() -> None:
    """Entry point of the console script."""
    needed = frugal_environment()
    if needed:
        # Allocators and thread pools read these once, at process start; under a small memory limit they decide all.
        _, stack_max = resource.getrlimit(resource.RLIMIT_STACK)
        resource.setrlimit(resource.RLIMIT_STACK, (FRUGAL_STACK_BYTES, stack_max))
        os.execve(
            sys.executable, [sys.executable, "-m", "everycent.serve.cli", *sys.argv[1:]], {**os.environ, **needed}
        )
    from everycent.serve.cli.app import run_app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A name that the terminal's encoding lacks is no reason to stop; LANG=C says ASCII and means nothing by it.
            ascii_alone = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if ascii_alone else None, errors="backslashreplace")
    sys.exit(_until_ended(lambda: run_app(sys.argv[1:])))


def _until_ended(run: Callable[[], int]) -> int:
    """Its exit code. SIGTERM stops it as the keyboard does, so that what is half done is undone and folders go."""
    ended = False

    def end(*_: Any) -> None:
        nonlocal ended
        ended = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would stop what the first one has undone
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    code = run()
    return 128 + signal.SIGTERM if ended else code


if __name__ == "__main__":
    main()
