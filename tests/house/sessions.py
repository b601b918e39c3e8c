"""What a killed process leaves at the database server: a session, whose locks stand until the server notices."""

import time
from typing import Any

_WAIT_S = 60


def wait_until_alone(connection: Any) -> None:
    """Until nobody else is connected to this database. Raises AssertionError after a minute."""
    others = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
    deadline = time.monotonic() + _WAIT_S
    while connection.execute(others).fetchone() != (0,):
        assert time.monotonic() < deadline, "the session of the process that died is still there"
        time.sleep(0.01)
