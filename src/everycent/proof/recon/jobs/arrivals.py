"""Files that arrive: which of those that a trigger waits for are whole, and what is in them, each read once.

Whether a file is whole is told by a marker beside it, or by its not having changed for so long: by its own time of
change or, where its clock is another's, by what was seen of it before. That is kept in the database, so that it does
not matter who looks.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

from everycent.base.platform.database import Connection
from everycent.base.platform.lake import file_digest
from everycent.proof.recon.chain import Arrived, Awaited, Surroundings


def whole_files(
    connection: Connection,
    place: tuple[str, str, str],
    awaited: Awaited,
    sides: Sequence[Sequence[str]],
    around: Surroundings,
    now: datetime,
) -> Iterator[Arrived]:
    """By path, those that a side takes; all of them where no side is a file. `place`: tenant, model, scenario. A folder
    that is not there holds nothing."""
    for path in _files(awaited, sides, around):
        digest = _content(connection, place, awaited, path, now)
        if digest is not None:
            yield Arrived(path, digest)


def _files(awaited: Awaited, sides: Sequence[Sequence[str]], around: Surroundings) -> list[Path]:
    found: set[Path] = set()
    for text in awaited.paths:
        place = Path(around.filled(text))
        if (around.folder / place).is_dir():
            found.update((around.folder / place).iterdir())
        else:
            beginning = Path(place.anchor) if place.is_absolute() else around.folder
            found.update(beginning.glob(str(place.relative_to(place.anchor))))
    wanted = [pattern for side in sides for pattern in side] or ["[!.]*"]
    return sorted(
        path
        for path in found
        if any(fnmatch(path.name, pattern) for pattern in wanted)
        and not (awaited.marker is not None and path.name.endswith(awaited.marker))
        and path.is_file()
    )


def _content(
    connection: Connection, place: tuple[str, str, str], awaited: Awaited, path: Path, now: datetime
) -> str | None:
    """The content's hash of a file that is whole; it is read once as long as the file does not change."""
    try:
        found = path.stat()
        since, known = _seen(connection, place, path, (found.st_size, found.st_ctime_ns), now)
        if awaited.marker is not None:
            whole = path.with_name(path.name + awaited.marker).exists()
        else:
            whole = now - min(since, datetime.fromtimestamp(found.st_mtime, UTC)) >= awaited.settled
        if not whole or known is not None:
            return known if whole else None
        digest = file_digest(path)
    except FileNotFoundError:  # somebody took it away meanwhile
        return None
    connection.execute(
        """UPDATE recon.arriving_file SET content_hash = %s
        WHERE (tenant, model, scenario, path) = (%s, %s, %s, %s)""",
        (digest, *place, str(path)),
    )
    return digest


def _seen(
    connection: Connection, place: tuple[str, str, str], path: Path, seen: tuple[int, int], now: datetime
) -> tuple[datetime, str | None]:
    """Since when the file is as it is, by its size and the time of its last change, which no sender sets; and its
    content's hash where that is known."""
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
    return row[0], row[1]
