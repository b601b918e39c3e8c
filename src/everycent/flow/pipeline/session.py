"""What a run works with: settings, a connection, the engine and the detail tables, opened together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection, connect
from everycent.base.platform.details import Details
from everycent.base.platform.logs import set_up_logs
from everycent.base.platform.migrate import migrate
from everycent.base.platform.outages import outages_named
from everycent.base.platform.postgres import serving
from everycent.base.platform.settings import Settings


@dataclass(frozen=True)
class Session:
    """An open workplace. Not for several threads at once."""

    settings: Settings
    connection: Connection
    engine: LocalEngine
    details: Details

    @property
    def tenant(self) -> str:
        return self.settings.tenant

    def models(self) -> list[str]:
        """The models that anything was computed under, by name."""
        rows = self.connection.execute(
            "SELECT DISTINCT model FROM platform.model_version WHERE tenant = %s ORDER BY 1", (self.tenant,)
        )
        return [str(name) for (name,) in rows]


@contextmanager
def open_session(settings: Settings, migrations: Sequence[Path]) -> Iterator[Session]:
    """Starts the database where that is ours to do, brings its tables up to date, and opens everything.

    Raises DatabaseUnreachable, StorageFailed, MemoryTooSmall, also for what happens in the session. ServerFailed.
    """
    set_up_logs(settings)
    with outages_named(settings), serving(settings) as running:
        migrate(running, migrations)
        with connect(running) as connection, local_engine(running) as engine:
            details = Details(connection, running.lake_dir, running.tenant, running.lake_from_rows)
            yield Session(running, connection, engine, details)


def local_engine(settings: Settings) -> LocalEngine:
    """The engine within the settings' limits."""
    return LocalEngine(settings.threads, settings.memory_mb, settings.temp_dir)
