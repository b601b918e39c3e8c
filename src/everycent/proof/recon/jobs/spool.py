"""A job's sides as Parquet files, cut by a hash of the key: loaded once, read by whoever compares a shard."""

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.lake import StorageFailed, file_digest
from everycent.proof.recon.contract import SIDE
from everycent.proof.recon.core.came import Came
from everycent.proof.recon.core.side import SideRows

#: A shard has about so many rows of the larger side: some seconds of work, so that little is lost with a worker.
ROWS_PER_SHARD = 1_000_000
SHARDS_MAX = 1024
WORDS = ("left", "right")
_CUTTING = ".cutting-"
#: The hash's low 48 bits are what sketches go by (core/sketch/cells.py).
_SHARD_SQL = "((hash(key) >> 48) % {shards})::INTEGER"


class SpoolLost(Exception):
    """A file of a job's folder is gone or altered."""


@dataclass(frozen=True)
class SpooledFile:
    """A file of the spool: its name in the job's folder says the first half of its SHA-256."""

    name: str
    digest: str
    rows: int

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "digest": self.digest, "rows": self.rows}


#: Of each shard: by side, its files. An empty list where no row is in it.
Cut = list[dict[str, list[SpooledFile]]]


def shards_for(rows: int) -> int:
    """How many shards sides of so many rows are cut into, where nobody said."""
    return min(SHARDS_MAX, max(1, -(-rows // ROWS_PER_SHARD)))


def cut(sides: Sequence[SideRows], shards: int, folder: Path, engine: LocalEngine) -> Cut:
    """Writes both sides into the folder, shard by shard; they are on disk when this returns. What an earlier attempt
    left in the folder is removed. Raises StorageFailed."""
    assert 1 <= shards <= SHARDS_MAX, f"{shards} shards"
    found: Cut = [{word: [] for word in WORDS} for _ in range(shards)]
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for word, side in zip(WORDS, sides, strict=True):
            cutting = folder / f"{_CUTTING}{uuid.uuid4().hex}"
            engine.query(
                f"""COPY (SELECT *, {_SHARD_SQL.format(shards=shards)} AS shard FROM side)
                TO {literal(str(cutting))} (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (shard))""",
                side=side.rows,
            )
            for number, part in _parts(cutting):
                found[number][word].append(_named(part, folder, engine))
            shutil.rmtree(cutting)
        _sync(folder)
    except OSError as error:
        raise StorageFailed(f"{folder}: the disk refuses the data ({error}); make room or repair it") from error
    return found


def keep(came: Sequence[Came], folder: Path, engine: LocalEngine) -> list[dict[str, Any]]:
    """Writes rows as they came into the job's folder, as they are, and drops their tables; what `bring` takes. Raises
    StorageFailed."""
    try:
        kept = []
        for each in came:
            writing = folder / f"{_CUTTING}{uuid.uuid4().hex}"
            engine.query(f"COPY {identifier(each.rows)} TO {literal(str(writing))} (FORMAT parquet, COMPRESSION zstd)")
            file = _named(writing, folder, engine).as_dict()
            kept.append({"side": each.side, "columns": each.columns, "file": file})
            kind = "TABLE" if each.columns is not None else "VIEW"
            engine.connection.execute(f"DROP {kind} IF EXISTS {identifier(each.rows)}")
        _sync(folder)
    except OSError as error:
        raise StorageFailed(f"{folder}: the disk refuses the data ({error}); make room or repair it") from error
    return kept


def bring(kept: Sequence[Mapping[str, Any]], folder: Path, engine: LocalEngine) -> tuple[Came, ...]:
    """Makes a view of each file that `keep` wrote. Raises SpoolLost."""
    found = []
    for at, each in enumerate(kept):
        view, path = f"job_came_{at}", checked(folder, each["file"])
        engine.connection.execute(
            f"CREATE OR REPLACE VIEW {identifier(view)} AS FROM read_parquet({literal(str(path))})"
        )
        found.append(Came(each["side"], view, None if each["columns"] is None else tuple(each["columns"])))
    return tuple(found)


def checked(folder: Path, file: Mapping[str, Any]) -> Path:
    """The path of a file of the job's folder that is as it was written. Raises SpoolLost."""
    path = folder / str(file["name"])
    if not path.is_file() or file_digest(path) != file["digest"]:
        raise SpoolLost(f"{path} is gone, or is not what was written; cancel the job and ask for it again")
    return path


def attach(folder: Path, files: Sequence[Mapping[str, Any]], view: str, engine: LocalEngine) -> None:
    """Makes a view of a side's files. Raises SpoolLost."""
    if files:
        paths = ", ".join(literal(str(checked(folder, file))) for file in files)
        rows = f"FROM read_parquet([{paths}], hive_partitioning = false, union_by_name = true)"
    else:
        nothing = ", ".join(f"NULL::{_SQL[field.type]} AS {identifier(field.name)}" for field in SIDE)
        rows = f"SELECT {nothing} WHERE false"
    engine.connection.execute(f"CREATE OR REPLACE VIEW {identifier(view)} AS {rows}")


_SQL = {pa.string(): "VARCHAR", pa.int64(): "BIGINT"}


def _parts(cutting: Path) -> Iterator[tuple[int, Path]]:
    """The files that were written, each with its shard's number; in no order, their names tell."""
    for file in sorted(cutting.glob("shard=*/*.parquet")) if cutting.exists() else ():
        yield int(file.parent.name.removeprefix("shard=")), file


def _named(part: Path, folder: Path, engine: LocalEngine) -> SpooledFile:
    """The file in the job's folder, under the name of its content."""
    with part.open("rb") as stream:
        os.fsync(stream.fileno())
    digest = file_digest(part)
    rows = engine.query(f"SELECT num_rows FROM parquet_file_metadata({literal(str(part))})")["num_rows"][0].as_py()
    name = f"{digest[:32]}.parquet"
    part.replace(folder / name)
    return SpooledFile(name, digest, int(rows))


def _sync(folder: Path) -> None:
    """The names survive a loss of power."""
    for place in (folder, folder.parent, folder.parent.parent):
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
