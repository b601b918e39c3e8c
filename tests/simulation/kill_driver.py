"""The real command, with one deadly spot: `kill_driver.py MODULE:NAME before|after N VICTIM -- ARGUMENTS`.

At the N-th call of that function, just before it or just after it returned, this process (or the database's
postmaster) gets SIGKILL; the victim is `self` or `postmaster`. `pause`: this process stops there, until SIGCONT.
Nothing else is changed, and nothing is simulated.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from everycent.base.platform.server_process import postmaster_pid


def main() -> None:
    spot, when, nth, victim, dashes, *arguments = sys.argv[1:]
    assert dashes == "--" and when in ("before", "after") and victim in ("self", "postmaster", "pause")
    module_name, _, path = spot.partition(":")
    holder: Any = importlib.import_module(module_name)
    *holders, name = path.split(".")
    for inner in holders:
        holder = getattr(holder, inner)
    setattr(holder, name, deadly(getattr(holder, name), when, int(nth), victim))
    from everycent.serve.cli.app import run_app

    sys.exit(run_app(arguments))


def deadly(function: Callable[..., Any], when: str, nth: int, victim: str) -> Callable[..., Any]:
    calls = 0

    def called(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth and when == "before":
            kill(victim)
        result = function(*args, **kwargs)
        if calls == nth and when == "after":
            kill(victim)
        return result

    return called


def kill(victim: str) -> None:
    if victim == "postmaster":
        pid = postmaster_pid(Path(os.environ["EVERYCENT_DATA_DIR"]) / "postgres" / "data")
        assert pid is not None, "no server runs here"
        os.kill(pid, signal.SIGKILL)
    elif victim == "pause":
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        os.killpg(0, signal.SIGKILL)


main()
