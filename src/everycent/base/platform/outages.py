"""Outages: what a run's surroundings do to it, named. A server that dies, a disk that is full, too little memory.

What was committed before stays; the same command, run again, goes on from there.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import psycopg

from everycent.base.platform.database import DatabaseUnreachable, first_line
from everycent.base.platform.lake import StorageFailed
from everycent.base.platform.room import lack_of_room
from everycent.base.platform.settings import Settings

_AGAIN = "what was committed stays; run the same command again to go on"


class MemoryTooSmall(MemoryError):
    """The work does not fit into the memory that it may use; the message says which setting helps."""


@contextmanager
def outages_named(settings: Settings) -> Iterator[None]:
    """Raises DatabaseUnreachable, StorageFailed or MemoryTooSmall for what drivers and the system report inside."""
    try:
        yield
    except psycopg.errors.DiskFull as error:
        raise StorageFailed(f"the database's disk is full ({first_line(error)}); make room; {_AGAIN}") from error
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable(
            f"the database went away ({first_line(error)}){lack_of_room(settings.data_dir)}; {_AGAIN}"
        ) from error
    except duckdb.IOException as error:
        if "No space left on device" not in str(error):
            raise
        raise StorageFailed(f"the disk is full ({first_line(error)}); make room; {_AGAIN}") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise StorageFailed(f"{where}the disk is full; make room; {_AGAIN}") from error
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise MemoryTooSmall(
            f"{settings.memory_mb} MB of memory for the engine, with batches of {settings.batch_rows:,} rows, do not "
            f"work out ({first_line(error)}){lack_of_room(settings.data_dir)}; give it more memory, or set a smaller "
            f"EVERYCENT_BATCH_ROWS; {_AGAIN}"
        ) from error
