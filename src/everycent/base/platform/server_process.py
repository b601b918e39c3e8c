"""The processes of an embedded server: which live, which were orphaned, how they are started and ended.

A process belongs to a cluster when its working directory is the cluster's; PostgreSQL sees to that.
"""

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from everycent.base.platform.server_home import Account

_POLL_S = 0.01
_FAST_S = 30.0
_IMMEDIATE_S = 5.0


def postmaster_pid(data: Path) -> int | None:
    """The living postmaster of a cluster; None where none lives, whatever postmaster.pid says."""
    try:
        first = (data / "postmaster.pid").read_text().split("\n", 1)[0]
    except (OSError, UnicodeDecodeError):
        return None
    return int(first) if first.isdigit() and _works_in(int(first), data) else None


def cluster_processes(data: Path) -> list[int]:
    """All living processes that work in the cluster: postmaster, backends, orphans."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _works_in(int(name), data)]  # noqa: PTH208


def start_process(
    command: Sequence[str], account: Account, log: Path, held: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Starts a program as the account, in a session of its own, so that Ctrl-C does not reach it.

    It inherits no open file but `held`; its output goes to the end of `log`; its limit on address space is lifted as
    far as we may.
    """
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "PGTZ": "UTC"}
    with log.open("ab") as output, _lifted_address_space():
        if account.switch:
            os.fchown(output.fileno(), account.uid, account.gid)
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=log.parent,
            start_new_session=True,
            pass_fds=held,
            user=account.uid if account.switch else None,
            group=account.gid if account.switch else None,
            extra_groups=[] if account.switch else None,
            umask=0o077,
        )


def end_postmaster(data: Path) -> None:
    """A fast stop: sessions are ended, the data is written; if that takes too long, an immediate one."""
    pid = postmaster_pid(data)
    if pid is None:
        return
    _signal(pid, signal.SIGINT)
    if not _gone(data, pid, _FAST_S):
        _signal(pid, signal.SIGQUIT)
        _gone(data, pid, _IMMEDIATE_S)
    end_orphans(data)


def end_orphans(data: Path) -> None:
    """Ends what works in a cluster whose postmaster is dead; until they are gone, no server may start there.

    To their clients it is a crash, after which only committed transactions stand.
    """
    deadline = time.monotonic() + _IMMEDIATE_S
    how = signal.SIGQUIT
    while orphans := cluster_processes(data):
        for pid in orphans:
            _signal(pid, how)
        if time.monotonic() > deadline:
            how = signal.SIGKILL
        time.sleep(_POLL_S)


def _works_in(pid: int, data: Path) -> bool:
    """True where the process lives (a zombie does not), is PostgreSQL and works in `data`."""
    try:
        return (
            Path(f"/proc/{pid}/cwd").readlink() == data
            and Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
            and Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
        )
    except OSError:
        return False


def _gone(data: Path, pid: int, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while _works_in(pid, data):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@contextmanager
def _lifted_address_space() -> Iterator[None]:
    """Children started inside have no limit on address space, or the hard one where we may not lift that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == hard == resource.RLIM_INFINITY:
        yield
        return
    try:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
