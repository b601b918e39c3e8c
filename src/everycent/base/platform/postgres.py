"""The embedded PostgreSQL: started on first use in the data directory, shared by all commands, stopped by the last.

Two locks (flock, so they vanish with their process): `postgres.lock` is held by whoever starts or stops the server, and
inherited by initdb; `postgres.users` is shared by all commands that use it. `postgres.keep` marks a server that was
started to stay.
"""

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import psycopg

from everycent.base.platform.room import lack_of_room
from everycent.base.platform.server_home import ServerFailed, ServerHome, own_folder, server_home
from everycent.base.platform.server_process import end_orphans, end_postmaster, postmaster_pid, start_process
from everycent.base.platform.settings import Settings, physical_memory_mb

_START_S_MAX = 120.0  # crash recovery included
_POLL_S = 0.01
_LOG_BYTES_MAX = 16 * 1024 * 1024
_SMALL_BELOW_MB = 2048
_USER = _DATABASE = "everycent"


@dataclass(frozen=True)
class Server:
    """A running server. `data` and `log` are None for one's own (EVERYCENT_DATABASE_URL)."""

    url: str
    data: Path | None
    log: Path | None


@dataclass(frozen=True)
class Status:
    """What `db status` tells."""

    running: bool
    pid: int | None
    kept: bool  # started to stay
    url: str | None
    data: Path | None
    log: Path | None


@contextmanager
def serving(settings: Settings) -> Iterator[Settings]:
    """The settings with the address of a running server in them; starts one if need be, and stops it if we are last.

    Raises ServerFailed.
    """
    if settings.database_url is not None:
        yield settings
        return
    users = _users_file(settings)
    try:
        with _start_lock(settings) as lock:
            fcntl.flock(users, fcntl.LOCK_SH)
            server = _ensure_running(settings, lock)
        yield replace(settings, database_url=server.url)
    finally:
        _leave(settings, users)


def start(settings: Settings) -> Server:
    """Starts the server to stay, until `stop`. Raises ServerFailed."""
    if settings.database_url is not None:
        return Server(settings.database_url, None, None)
    with _start_lock(settings) as lock:
        _keep_file(settings).touch()
        return _ensure_running(settings, lock)


def stop(settings: Settings) -> bool:
    """Stops the server; False where other commands use it: then the last of them stops it. Raises ServerFailed."""
    if settings.database_url is not None or not settings.data_dir.is_dir():
        return True
    users = _users_file(settings)
    with _start_lock(settings):
        _keep_file(settings).unlink(missing_ok=True)
    return _leave(settings, users)


def status(settings: Settings) -> Status:
    """Whether a server runs; starts nothing. Raises ServerFailed."""
    if settings.database_url is not None:
        return Status(True, None, True, settings.database_url, None, None)
    if not settings.data_dir.is_dir():
        return Status(False, None, False, None, None, None)
    with _start_lock(settings):
        home = server_home(settings.data_dir)
    pid = postmaster_pid(home.data)
    url = None if pid is None else _url(home)
    return Status(pid is not None, pid, _keep_file(settings).exists(), url, home.data, home.log)


def _ensure_running(settings: Settings, lock: int) -> Server:
    """Call under the start lock; `lock` is its descriptor, which initdb inherits: a kill of ours leaves it locked."""
    try:
        home = server_home(settings.data_dir)
        own_folder(home.socket_folder, home.account)
        if postmaster_pid(home.data) is None or not _becomes_ready(home):
            end_orphans(home.data)
            _make_cluster(home, lock)
            _remove_stale_files(home)
            _launch(home)
    except OSError as error:
        raise ServerFailed(
            f"the database in {settings.data_dir} cannot be started: {error}{lack_of_room(settings.data_dir)}"
        ) from error
    return Server(_url(home), home.data, home.log)


def _make_cluster(home: ServerHome, lock: int) -> None:
    """initdb beside, then a rename: a cluster is there whole or not at all."""
    for leftover in home.folder.glob("data.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if home.data.is_dir():
        return
    if os.path.lexists(home.data):
        raise ServerFailed(f"{home.data} is in the way: it is no folder; move it away")
    beside = home.folder / f"data.new-{uuid.uuid4().hex[:8]}"
    command = [str(home.programs / "initdb"), "-D", str(beside), "-U", _USER, "--auth=trust", "--encoding=UTF8"]
    command += ["--locale=C", "--locale-provider=libc", "--no-instructions"]
    process = start_process(command, home.account, home.log, held=[lock])
    try:
        code = process.wait(_START_S_MAX)
    except BaseException:
        process.kill()
        raise
    if code != 0:
        raise ServerFailed(
            f"initdb failed ({_how_it_ended(code)}) for {home.data}{lack_of_room(home.folder)}.\n{_tail(home.log)}"
        )
    beside.rename(home.data)
    descriptor = os.open(home.folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _remove_stale_files(home: ServerHome) -> None:
    """Nobody works in the cluster; so its locks are stale, even if another process got the number of a dead one."""
    assert postmaster_pid(home.data) is None, "a server runs"
    (home.data / "postmaster.pid").unlink(missing_ok=True)
    for name in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
        (home.socket_folder / name).unlink(missing_ok=True)


def _launch(home: ServerHome) -> None:
    if home.log.exists() and home.log.stat().st_size > _LOG_BYTES_MAX:
        os.truncate(home.log, 0)
    small = physical_memory_mb() < _SMALL_BELOW_MB
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(home.socket_folder),
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "shared_buffers": "32MB" if small else "128MB",
        "work_mem": "4MB" if small else "16MB",
        "maintenance_work_mem": "32MB" if small else "128MB",
        "max_wal_size": "256MB" if small else "1GB",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "dynamic_shared_memory_type": "mmap",  # containers have a tiny /dev/shm
        "io_method": "sync",
        "jit": "off",
        "autovacuum_naptime": "10s",  # statistics of freshly loaded tables come soon
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
    }
    command = [str(home.programs / "postgres"), "-D", str(home.data)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    process = start_process(command, home.account, home.log)
    _wait_until_ready(home, process.poll)
    process.returncode = 0  # it outlives us: it is not ours to wait for


def _becomes_ready(home: ServerHome) -> bool:
    """Waits for a server that runs already; False where it goes away meanwhile: it was being ended, or killed."""
    try:
        _wait_until_ready(home, None)
    except ServerFailed:
        if postmaster_pid(home.data) is not None:
            raise
        return False
    return True


def _wait_until_ready(home: ServerHome, poll: Callable[[], int | None] | None) -> None:
    deadline = time.monotonic() + _START_S_MAX
    while not _answers(home):
        gone = postmaster_pid(home.data) is None and (poll is None or poll() is not None)
        if gone and not _answers(home):
            raise ServerFailed(
                f"the database in {home.data} did not start{lack_of_room(home.folder)}.\n{_tail(home.log)}"
            )
        if time.monotonic() > deadline:
            raise ServerFailed(
                f"the database in {home.data} is not ready after {_START_S_MAX:.0f} s.\n{_tail(home.log)}"
            )
        time.sleep(_POLL_S)


def _answers(home: ServerHome) -> bool:
    """True once our database can be used; makes it where it is missing."""
    if not (home.socket_folder / ".s.PGSQL.5432").exists():
        return False
    try:
        psycopg.connect(_url(home), connect_timeout=5).close()
    except psycopg.OperationalError as error:
        if f'database "{_DATABASE}" does not exist' not in str(error):
            return False
        with (
            psycopg.connect(_url(home, "postgres"), connect_timeout=5, autocommit=True) as connection,
            # A command that was killed may have asked for it, and the server goes on with that.
            suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation),
        ):
            connection.execute(f"CREATE DATABASE {_DATABASE}")
        return False
    return True


def _leave(settings: Settings, users: int) -> bool:
    """Lets go of the server; stops it where nobody else uses it and it was not started to stay. True if none runs."""
    try:
        with _start_lock(settings):
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if _keep_file(settings).exists():
                return False
            home = server_home(settings.data_dir)
            end_postmaster(home.data)
            return True
    finally:
        os.close(users)


@contextmanager
def _start_lock(settings: Settings) -> Iterator[int]:
    descriptor = _open_own(settings.data_dir, "postgres.lock")
    try:
        deadline = time.monotonic() + _START_S_MAX
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ServerFailed(
                        f"another command has been starting or stopping the database in {settings.data_dir} for "
                        f"{_START_S_MAX:.0f} s; see who holds {settings.data_dir / 'postgres.lock'}"
                    ) from None
                time.sleep(_POLL_S)
        yield descriptor
    finally:
        os.close(descriptor)


def _users_file(settings: Settings) -> int:
    return _open_own(settings.data_dir, "postgres.users")


def _keep_file(settings: Settings) -> Path:
    return settings.data_dir / "postgres.keep"


def _open_own(data_dir: Path, name: str) -> int:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        return os.open(data_dir / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ServerFailed(
            f"{data_dir / name} cannot be opened: {error.strerror}; make {data_dir} a folder of your own, or set "
            "EVERYCENT_DATA_DIR"
        ) from error


def _url(home: ServerHome, database: str = _DATABASE) -> str:
    return f"postgresql:///{database}?host={quote(str(home.socket_folder), safe='')}&user={_USER}"


def _how_it_ended(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def _tail(log: Path, lines: int = 12) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"its log {log} cannot be read: {error}"
