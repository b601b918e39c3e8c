"""What a run's surroundings do to it ends in one line that says what, where, and what helps."""

import errno
import os
import signal
from dataclasses import replace
from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.base.platform import postgres
from everycent.base.platform.bulk import copy_out
from everycent.base.platform.database import DatabaseUnreachable, connect
from everycent.base.platform.lake import StorageFailed
from everycent.base.platform.outages import MemoryTooSmall, outages_named
from everycent.base.platform.settings import Settings


@pytest.mark.parametrize("as_rows", [True, False], ids=["rows", "copy"])
def test_a_postmaster_that_dies_between_two_statements_is_named(data_dir: Path, as_rows: bool):
    settings = Settings(data_dir=data_dir)
    with (
        pytest.raises(DatabaseUnreachable, match=r"^the database went away \(.*\); what was committed stays; run the"),
        outages_named(settings),
        postgres.serving(settings) as running,
        connect(running) as connection,
    ):
        pid = postgres.status(settings).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        while True:  # the connection lives until the server's own process notices
            if as_rows:
                connection.execute("SELECT 1")
            else:
                copy_out(connection, "SELECT 1::bigint", pa.schema([("n", pa.int64())]))


def test_a_full_disk_is_named_whoever_met_it(tmp_path: Path):
    settings = Settings(data_dir=tmp_path)
    met = (
        psycopg.errors.DiskFull("could not extend file: No space left on device\nHINT: Check free disk space."),
        duckdb.IOException('Could not write file "x": No space left on device'),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "x")),
    )
    for error in met:
        with pytest.raises(StorageFailed, match=r"disk is full.*make room") as refused, outages_named(settings):
            raise error
        assert "\n" not in str(refused.value)


def test_too_little_memory_is_named_with_what_helps(tmp_path: Path):
    settings = replace(Settings(data_dir=tmp_path), memory_mb=16)
    told = r"16 MB of memory for the engine, with batches of 500,000 rows.*smaller EVERYCENT_BATCH_ROWS"
    with (
        pytest.raises(MemoryTooSmall, match=told),
        outages_named(settings),
        LocalEngine(1, settings.memory_mb, tmp_path) as engine,
    ):
        engine.query("SELECT list(i) AS all_in_one FROM range(100_000_000) AS r(i)")


def test_a_bug_stays_a_bug(tmp_path: Path):
    for bug in (psycopg.errors.UndefinedTable("x"), duckdb.IOException("not Parquet"), OSError(errno.EPIPE, "x")):
        with pytest.raises(type(bug)), outages_named(Settings(data_dir=tmp_path)):
            raise bug
