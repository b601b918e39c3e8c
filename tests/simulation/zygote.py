"""Commands without the wait for imports: one process has everything loaded, and forks one child for each command.

Reads one JSON object a line: arguments, environment (EVERYCENT_... variables), folder, `works` (MODULE:NAME of each
function whose inside counts), and `death` or null: `work` (which of them, from 0), `nth` (its how-many-eth statement)
and `after_s` (how long after the statement began). There the child gets SIGKILL. Answers a JSON object a line: code
(negative: killed by that signal), out, err, and of each work the `statements` made inside it, and whether the child was
`inside` it when it ended.
"""

import importlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import wraps
from typing import Any, BinaryIO

import psycopg

from everycent.base.engine.local import LocalEngine
from everycent.serve.cli.app import run_app

#: Everything that the work asks of a database or of the engine.
STATEMENTS = ((psycopg.Cursor, "execute"), (psycopg.Copy, "__enter__"), (LocalEngine, "query"))
#: What the trail says, for each work in bytes of its own.
INSIDE, OUTSIDE, STATEMENT = range(3)


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
        steps, works = trail.read(), range(len(command["works"]))
        answer = {
            "code": os.waitstatus_to_exitcode(status),
            "out": out.read().decode(),
            "err": err.read().decode(),
            "statements": [steps.count(mark(work, STATEMENT)) for work in works],
            "inside": [steps.count(mark(work, INSIDE)) > steps.count(mark(work, OUTSIDE)) for work in works],
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
        for work, function in enumerate(command["works"]):
            watch(trail.fileno(), work, function, command["death"])
        code = run_app(command["arguments"])
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(imported.fileno(), "\n".join(name for name in sys.modules if name != "__main__").encode())
    finally:
        os._exit(code)


def mark(work: int, said: int) -> bytes:
    """One step of the trail."""
    return bytes([3 * work + said])


def watch(trail: int, work: int, function: str, death: Mapping[str, Any] | None) -> None:
    """Leaves a trail of the statements inside the function, and ends this process where its death is at this work."""
    nth, after_s = (death["nth"], death["after_s"]) if death and death["work"] == work else (0, 0)
    module, _, path = function.partition(":")
    holder: Any = importlib.import_module(module)
    *holders, name = path.split(".")
    for inner in holders:
        holder = getattr(holder, inner)
    working = getattr(holder, name)
    state = {"inside": False, "made": 0}

    @wraps(working)
    def watched(*args: Any, **kwargs: Any) -> Any:
        os.write(trail, mark(work, INSIDE))
        state["inside"] = True
        try:
            return working(*args, **kwargs)
        finally:
            state["inside"] = False
            os.write(trail, mark(work, OUTSIDE))

    def counting(statement: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(statement)
        def counted(*args: Any, **kwargs: Any) -> Any:
            if state["inside"]:
                os.write(trail, mark(work, STATEMENT))
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
