"""The lake's files: Parquet, named by their content, written whole or not at all."""

import errno
import hashlib
import os
import uuid
from collections.abc import Set
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_ROW_GROUP_ROWS = 122_880  # one DuckDB row group: its unit of parallel work
_TEMPORARY = ".partial-"


class StorageFailed(Exception):
    """A disk is full or does not take the data; nothing of the batch is visible."""


def write_file(lake_dir: Path, folder: str, rows: pa.Table) -> tuple[str, str]:
    """Writes `rows` under `folder`; returns the path below the lake and the file's SHA-256 in hex.

    The file is named by its content, so writing it again changes nothing. It is on disk when this returns. Raises
    StorageFailed.
    """
    target = lake_dir / folder
    temporary = target / f"{_TEMPORARY}{uuid.uuid4().hex}"
    try:
        target.mkdir(parents=True, exist_ok=True)
        try:
            digest = _write(temporary, rows)
            name = f"{digest[:32]}.parquet"
            temporary.replace(target / name)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folders(lake_dir, target)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "the disk is full" if full else f"the disk refuses the data ({error})"
        raise StorageFailed(f"{target}: {what}; nothing was stored; make room or repair it, and run again") from error
    return f"{folder}/{name}", digest


def sweep(lake_dir: Path, folder: str, listed: Set[str]) -> int:
    """Removes the files under `folder` that are not `listed` (paths below the lake); returns how many."""
    removed = 0
    for file in sorted((lake_dir / folder).rglob("*")):
        mine = file.suffix == ".parquet" or file.name.startswith(_TEMPORARY)
        if mine and file.is_file() and file.relative_to(lake_dir).as_posix() not in listed:
            file.unlink()
            removed += 1
    return removed


def file_digest(file: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write(temporary: Path, rows: pa.Table) -> str:
    with temporary.open("xb") as stream:
        pq.write_table(rows, stream, compression="zstd", compression_level=1, row_group_size=_ROW_GROUP_ROWS)
        stream.flush()
        os.fsync(stream.fileno())
    return file_digest(temporary)


def _sync_folders(lake_dir: Path, target: Path) -> None:
    """The new name, and the folders that may be new, survive a loss of power."""
    for folder in [target, *target.parents]:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if folder == lake_dir:
            return
