"""The SQL of mandates. Callers own the transaction."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from psycopg.rows import dict_row

from everycent.base.platform.database import Connection
from everycent.flow.parties.account_store import Account


@dataclass(frozen=True)
class Mandate:
    """A mandate of an account as it is stored; its id is sealed."""

    model: str
    account_id: uuid.UUID
    signed_on: date
    masked: str
    key_id: str
    sealed: bytes
    given_by: str
    revoked_on: date | None = None
    revoked_by: str | None = None
    revoked_why: str | None = None

    @property
    def place(self) -> str:
        """What its id is sealed for."""
        return f"mandate of {self.account_id}, {self.signed_on}"


_COLUMNS = tuple(field.name for field in fields(Mandate))


def of_account(connection: Connection, tenant: str, account: Account) -> list[Mandate]:
    """An account's mandates, the one that was signed last at the end."""
    condition = "tenant = %s AND model = %s AND account_id = %s ORDER BY signed_on"
    return _read(connection, condition, (tenant, account.model, account.account_id))


def of_accounts(connection: Connection, tenant: str, ids: Collection[uuid.UUID]) -> list[Mandate]:
    """The mandates of these accounts, by account, the one that was signed last at its end."""
    return _read(connection, "tenant = %s AND account_id = ANY(%s) ORDER BY account_id, signed_on", (tenant, list(ids)))


def sealed_otherwise(connection: Connection, tenant: str, key_id: str) -> list[Mandate]:
    """The mandates that are sealed under another key, locked."""
    return _read(connection, "tenant = %s AND key_id <> %s ORDER BY account_id, signed_on FOR UPDATE", (tenant, key_id))


def insert(connection: Connection, tenant: str, mandate: Mandate, now: datetime) -> None:
    """A new mandate."""
    marks = ", ".join(["%s"] * (len(_COLUMNS) + 2))
    values = [getattr(mandate, name) for name in _COLUMNS]
    connection.execute(
        f"INSERT INTO parties.mandate (tenant, {', '.join(_COLUMNS)}, recorded_at) VALUES ({marks})",
        (tenant, *values, now),
    )


def revoke(connection: Connection, tenant: str, mandate: Mandate) -> None:
    """Stores since when a mandate holds no longer."""
    _set(connection, tenant, mandate, ("revoked_on", "revoked_by", "revoked_why"))


def reseal(connection: Connection, tenant: str, mandate: Mandate) -> None:
    """Stores the mandate as it is sealed now."""
    _set(connection, tenant, mandate, ("key_id", "sealed"))


def _set(connection: Connection, tenant: str, mandate: Mandate, names: tuple[str, ...]) -> None:
    changes = ", ".join(f"{name} = %s" for name in names)
    connection.execute(
        f"UPDATE parties.mandate SET {changes} WHERE tenant = %s AND model = %s AND account_id = %s AND signed_on = %s",
        (
            *(getattr(mandate, name) for name in names),
            *(tenant, mandate.model, mandate.account_id, mandate.signed_on),
        ),
    )


def _read(connection: Connection, condition: str, values: tuple[Any, ...]) -> list[Mandate]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"SELECT {', '.join(_COLUMNS)} FROM parties.mandate WHERE {condition}", values).fetchall()
    return [Mandate(**row) for row in rows]
