"""`everycent db`: start, stop, status, upgrade, dump."""

import errno
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from everycent.base.platform import postgres
from everycent.base.platform.dump import dump
from everycent.base.platform.migrate import migrate
from everycent.base.platform.settings import Settings
from everycent.flow.pipeline.session import open_session
from everycent.serve.cli import exits
from everycent.serve.cli.terminal import out, print_json
from everycent.serve.wiring import DETAIL_TABLES, migrations


def start_command(*, as_json: bool) -> int:
    """Starts the embedded database to stay."""
    server = postgres.start(Settings.load())
    if as_json:
        print_json({"url": server.url, "data": server.data, "log": server.log})
    else:
        out.print(f"the database runs at {server.url}", markup=False)
    return exits.OK


def stop_command(*, as_json: bool) -> int:
    """Stops the embedded database, or leaves that to the last command that uses it."""
    stopped = postgres.stop(Settings.load())
    if as_json:
        print_json({"stopped": stopped})
    else:
        out.print("the database is stopped" if stopped else "other commands use the database; the last one stops it")
    return exits.OK


def status_command(*, as_json: bool) -> int:
    """Where the database is and whether it runs."""
    settings = Settings.load()
    status = postgres.status(settings)
    facts = {
        "running": status.running,
        "pid": status.pid,
        "kept_running": status.kept,
        "url": status.url,
        "data": status.data,
        "log": status.log,
        "lake": settings.lake_dir,
        "tenant": settings.tenant,
    }
    if as_json:
        print_json(facts)
    else:
        for name, value in facts.items():
            out.print(f"{name.replace('_', ' '):14}{'-' if value is None else value}", markup=False)
    return exits.OK


def upgrade_command(*, as_json: bool) -> int:
    """Applies the migrations that the database lacks."""
    with postgres.serving(Settings.load()) as running:
        changed = migrate(running, migrations())
    if as_json:
        print_json({"changed": changed})
    else:
        out.print("the database is upgraded" if changed else "the database is up to date; nothing changed")
    return exits.OK


class _Hashed:
    """Writes through to a file, if there is one, and hashes what passes."""

    def __init__(self, file: BinaryIO | None) -> None:
        self.sha256 = hashlib.sha256()
        self._file = file

    def write(self, content: bytes) -> int:
        self.sha256.update(content)
        if self._file is not None:
            self._file.write(content)
        return len(content)


@contextmanager
def _target(path: Path | None, *, hash_only: bool) -> Iterator[_Hashed]:
    if hash_only:
        yield _Hashed(None)
    elif path is None:
        yield _Hashed(sys.stdout.buffer)
    else:
        if not path.parent.is_dir():  # told of the file that was asked for, not of the one beside it
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        beside = path.with_name(path.name + ".part")
        with beside.open("wb") as file:
            yield _Hashed(file)
        beside.replace(path)


def dump_command(path: Path | None, *, hash_only: bool) -> int:
    """The canonical dump, or its SHA-256."""
    with open_session(Settings.load(), migrations()) as session, _target(path, hash_only=hash_only) as target:
        dump(session.connection, session.details, session.engine, DETAIL_TABLES, target)
    if hash_only:
        out.print(target.sha256.hexdigest())
    elif path is not None:
        out.print(f"{path}  sha256 {target.sha256.hexdigest()}", markup=False)
    return exits.OK
