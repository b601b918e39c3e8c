"""Commands without the wait for imports: one process has everything loaded, and forks one child for each command.

Reads one JSON object a line: arguments, environment (EVERYCENT_... variables), folder, and optionally `death`: `work`
(MODULE:NAME of the function whose inside counts), `nth` (its how-many-eth statement) and `after_s` (how long after the
statement began). There the child gets SIGKILL. Answers a JSON object a line: code (negative: killed by that signal),
out, err, `statements` made inside the work, and whether the child was `inside` the work when it ended.
"""

import importlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import wraps
from typing import Any, BinaryIO

import psycopg

from everycent.base.engine.local import LocalEngine
from everycent.serve.cli.app import run_app

#: Everything that the work asks of a database or of the engine.
STATEMENTS = ((psycopg.Cursor, "execute"), (psycopg.Copy, "__enter__"), (LocalEngine, "query"))
INSIDE, OUTSIDE, STATEMENT = b"(", b")", b"."


def main() -> None:
    for line in sys.stdin:
        answer, loaded = done(json.loads(line))
        print(json.dumps(answer), flush=True)
        for name in loaded:  # what this command imported when it needed it; the next one finds it there
            with suppress(ImportError):
                importlib.import_module(name)


def done(command: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Runs the command in a child: the answer, and the names of the modules that it imported."""
    with ExitStack() as opened:
        files = [opened.enter_context(tempfile.TemporaryFile()) for _ in range(4)]
        out, err, trail, imported = files
        pid = os.fork()
        if pid == 0:
            become(command, *files)
        _, status = os.waitpid(pid, 0)
        for file in files:
            file.seek(0)
        steps = trail.read()
        answer = {
            "code": os.waitstatus_to_exitcode(status),
            "out": out.read().decode(),
            "err": err.read().decode(),
            "statements": steps.count(STATEMENT),
            "inside": steps.count(INSIDE) > steps.count(OUTSIDE),
        }
        return answer, [name for name in imported.read().decode().split() if name not in sys.modules]


def become(command: dict[str, Any], out: BinaryIO, err: BinaryIO, trail: BinaryIO, imported: BinaryIO) -> None:
    """The child, as if it had been started alone."""
    code = 1
    try:
        os.setsid()
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        os.environ.update(command["environment"])
        os.chdir(command["folder"])
        if command.get("death"):
            watch(trail.fileno(), **command["death"])
        code = run_app(command["arguments"])
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(imported.fileno(), "\n".join(name for name in sys.modules if name != "__main__").encode())
    finally:
        os._exit(code)


def watch(trail: int, work: str, nth: int, after_s: float) -> None:
    """Leaves a trail of the statements inside the work, and ends this process at one of them."""
    module, _, path = work.partition(":")
    holder: Any = importlib.import_module(module)
    *holders, name = path.split(".")
    for inner in holders:
        holder = getattr(holder, inner)
    working = getattr(holder, name)
    state = {"inside": False, "made": 0}

    @wraps(working)
    def watched(*args: Any, **kwargs: Any) -> Any:
        os.write(trail, INSIDE)
        state["inside"] = True
        try:
            return working(*args, **kwargs)
        finally:
            state["inside"] = False
            os.write(trail, OUTSIDE)

    def counting(statement: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(statement)
        def counted(*args: Any, **kwargs: Any) -> Any:
            if state["inside"]:
                os.write(trail, STATEMENT)
                state["made"] += 1
                if state["made"] == nth:
                    die(after_s)
            return statement(*args, **kwargs)

        return counted

    setattr(holder, name, watched)
    for owner, statement in STATEMENTS:
        setattr(owner, statement, counting(getattr(owner, statement)))


def die(after_s: float) -> None:
    """SIGKILL in so many seconds, whatever this process then does; at once for 0."""

    def killed() -> None:
        time.sleep(after_s)
        os.kill(os.getpid(), signal.SIGKILL)

    if after_s == 0:
        killed()
    threading.Thread(target=killed, daemon=True).start()


if __name__ == "__main__":
    main()
