"""Jobs because files arrived: a folder is looked into, and each content starts a job once, whatever its name.

Whether a file is complete is told by a marker beside it, or by its not having changed between two looks that are so
far apart; what was seen is kept in the database, so that it does not matter who looks.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from everycent.base.platform.database import Connection
from everycent.base.platform.lake import file_digest
from everycent.proof.recon.jobs import store
from everycent.proof.recon.jobs.store import Asked
from everycent.proof.recon.timing import ArrivalSpec


@dataclass(frozen=True)
class Watched:
    """A scenario that waits for files. `sides`: of each side that is a file its names' patterns."""

    model: str
    scenario: str
    arrival: ArrivalSpec
    folder: Path
    sides: Sequence[Sequence[str]]
    asks: Mapping[str, Any] = field(default_factory=dict)
    shards: int | None = None

    def takes(self, name: str) -> bool:
        """Whether a file of this name is one of a side."""
        return any(fnmatch(name, pattern) for side in self.sides for pattern in side)


@dataclass(frozen=True)
class Arrived:
    """A complete file, and the SHA-256 of its content."""

    path: Path
    digest: str


def ask_arrived(connection: Connection, tenant: str, watched: Watched, now: datetime, day: date) -> int | None:
    """Asks for a job on the files that have arrived and that no job had, once there is one of each side; its number.

    `day`: the business day that it reconciles. A folder that is not there holds nothing.
    """
    place = (tenant, watched.model, watched.scenario)
    with connection.transaction():
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", ("recon arrivals\x1f" + "\x1f".join(place),)
        )
        fresh = list(_fresh(connection, place, watched, now))
        names = [file.path.name for file in fresh]
        if not fresh or not all(_has(names, patterns) for patterns in watched.sides):
            return None
        text = "\x1f".join(sorted(file.digest for file in fresh))
        asks = {**watched.asks, "files": [{"path": str(file.path), "digest": file.digest} for file in fresh]}
        occasion = f"arrival {hashlib.sha256(text.encode()).hexdigest()[:32]}"
        number = store.ask(
            connection, tenant, Asked(watched.model, watched.scenario, occasion, asks, day, watched.shards)
        )
        assert number is not None, "these contents were not taken before"
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO recon.arrived_file (tenant, model, scenario, content_hash, path, job_no)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [(*place, file.digest, str(file.path), number) for file in fresh],
            )
    return number


def _has(names: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for name in names for pattern in patterns)


def _fresh(connection: Connection, place: tuple[str, str, str], watched: Watched, now: datetime) -> Iterator[Arrived]:
    """Complete files whose content no job had; of several with the same content the first by name."""
    rows = connection.execute(
        "SELECT content_hash FROM recon.arrived_file WHERE (tenant, model, scenario) = (%s, %s, %s)", place
    )
    taken = {digest for (digest,) in rows}
    for path in _files(watched):
        digest = _complete(connection, place, watched.arrival, path, now)
        if digest is not None and digest not in taken:
            taken.add(digest)
            yield Arrived(path, digest)


def _files(watched: Watched) -> list[Path]:
    if not watched.folder.is_dir():
        return []
    marker = watched.arrival.marker
    files = sorted(path for path in watched.folder.iterdir() if watched.takes(path.name) and path.is_file())
    return [path for path in files if marker is None or not path.name.endswith(marker)]


def _complete(
    connection: Connection, place: tuple[str, str, str], arrival: ArrivalSpec, path: Path, now: datetime
) -> str | None:
    """The content's hash of a file that is complete; it is read once as long as the file does not change."""
    found = path.stat()
    seen = (found.st_size, found.st_mtime_ns)
    row = connection.execute(
        """INSERT INTO recon.arriving_file AS f (tenant, model, scenario, path, bytes, modified_ns, since)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (tenant, model, scenario, path) DO UPDATE SET bytes = excluded.bytes,
            modified_ns = excluded.modified_ns,
            since = CASE WHEN (f.bytes, f.modified_ns) = (excluded.bytes, excluded.modified_ns) THEN f.since
                ELSE excluded.since END,
            content_hash = CASE WHEN (f.bytes, f.modified_ns) = (excluded.bytes, excluded.modified_ns)
                THEN f.content_hash END
        RETURNING since, content_hash""",
        (*place, str(path), *seen, now),
    ).fetchone()
    assert row is not None, "an INSERT ... RETURNING of one row returns it"
    since, known = row
    if arrival.marker is not None:
        complete = path.with_name(path.name + arrival.marker).exists()
    else:
        complete = now - since >= arrival.settled
    if not complete or known is not None:
        return known if complete else None
    digest = file_digest(path)
    connection.execute(
        """UPDATE recon.arriving_file SET content_hash = %s
        WHERE (tenant, model, scenario, path) = (%s, %s, %s, %s)""",
        (digest, *place, str(path)),
    )
    return digest
