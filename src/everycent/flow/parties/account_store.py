"""The SQL of payout accounts. Callers own the transaction."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any

from psycopg.rows import dict_row

from everycent.base.platform.database import Connection
from everycent.flow.parties.core.account_moves import AccountMove, AccountState
from everycent.flow.parties.core.account_number import Method


@dataclass(frozen=True)
class Account:
    """A payout account as it is stored; its number is sealed. `is_change`: its party had a verified one before."""

    model: str
    account_id: uuid.UUID
    party_id: str
    method: Method
    holder: str
    masked: str
    key_id: str
    sealed: bytes
    number_digest: bytes
    state: AccountState
    is_change: bool
    given_by: str
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None
    usable_on: date | None = None

    @property
    def place(self) -> str:
        """What its number is sealed for."""
        return f"account {self.account_id}"


_COLUMNS = tuple(field.name for field in fields(Account))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM parties.payout_account"


def lock_party(connection: Connection, tenant: str, model: str, party_id: str) -> bool:
    """Whether there is such a party; nobody else gives an account to it until the transaction ends."""
    row = connection.execute(
        "SELECT FROM parties.party WHERE tenant = %s AND model = %s AND party_id = %s FOR UPDATE",
        (tenant, model, party_id),
    ).fetchone()
    return row is not None


def of_party(connection: Connection, tenant: str, model: str, party_id: str) -> list[Account]:
    """All accounts of a party, in the order in which they were given."""
    values = (tenant, model, party_id)
    return _read(connection, "tenant = %s AND model = %s AND party_id = %s ORDER BY arrived_no", values)


def by_ids(connection: Connection, tenant: str, ids: Iterable[uuid.UUID]) -> list[Account]:
    """The accounts of these ids."""
    return _read(connection, "tenant = %s AND account_id = ANY(%s) ORDER BY account_id", (tenant, list(ids)))


def was_verified(connection: Connection, tenant: str, model: str, party_id: str) -> bool:
    """Whether the party ever had a verified account."""
    row = connection.execute(
        """
        SELECT FROM parties.account_move JOIN parties.payout_account USING (tenant, model, account_id)
        WHERE tenant = %s AND model = %s AND party_id = %s AND to_state = 'verified' LIMIT 1
        """,
        (tenant, model, party_id),
    ).fetchone()
    return row is not None


def locked(connection: Connection, tenant: str, model: str | None, account_id: uuid.UUID) -> Account | None:
    """The account, which nobody else moves until the transaction ends."""
    condition = "tenant = %s AND account_id = %s AND (%s::text IS NULL OR model = %s) FOR UPDATE"
    return next(iter(_read(connection, condition, (tenant, account_id, model, model))), None)


def in_states(connection: Connection, tenant: str, model: str, states: Iterable[AccountState]) -> list[Account]:
    """The accounts of a model in these states, in the order in which they were given."""
    values = (tenant, model, [state.value for state in states])
    return _read(connection, "tenant = %s AND model = %s AND state = ANY(%s) ORDER BY arrived_no", values)


def with_digests(connection: Connection, tenant: str, digests: Iterable[bytes]) -> list[Account]:
    """The accounts whose numbers have one of these digests, whatever their model."""
    return _read(connection, "tenant = %s AND number_digest = ANY(%s) ORDER BY arrived_no", (tenant, list(digests)))


def sealed_otherwise(connection: Connection, tenant: str, key_id: str) -> list[Account]:
    """The accounts whose numbers are sealed under another key, locked."""
    return _read(connection, "tenant = %s AND key_id <> %s ORDER BY arrived_no FOR UPDATE", (tenant, key_id))


def usable(connection: Connection, tenant: str, model: str, as_of: date) -> list[Account]:
    """Of each party the account that it is paid to on a day, if it has one; ordered by party_id.

    It is the newest that may be used by then. Where that was withdrawn, nobody is paid, whatever the day: not on the
    account before it, which was given up.
    """
    condition = """
        (tenant, model, account_id) IN (
            SELECT DISTINCT ON (party_id) tenant, model, account_id FROM parties.payout_account
            WHERE tenant = %s AND model = %s AND usable_on <= %s
            ORDER BY party_id, usable_on DESC, arrived_no DESC
        ) AND state = 'verified' ORDER BY party_id COLLATE "C"
    """
    return _read(connection, condition, (tenant, model, as_of))


def insert(connection: Connection, tenant: str, account: Account, now: datetime) -> None:
    """A new account, and its first move."""
    marks = ", ".join(["%s"] * (len(_COLUMNS) + 2))
    connection.execute(
        f"INSERT INTO parties.payout_account (tenant, {', '.join(_COLUMNS)}, recorded_at) VALUES ({marks})",
        (tenant, *_values(account), now),
    )
    log(connection, tenant, account, "give", None, account.given_by, None, now)


def move(
    connection: Connection, tenant: str, before: Account, after: Account, move: AccountMove, by: str,
    reason: str | None, now: datetime,
) -> None:  # fmt: skip
    """Stores what a move changed, and that it was made."""
    connection.execute(
        """
        UPDATE parties.payout_account SET state = %s, confirmed_by = %s, confirmed_at = %s, usable_on = %s
        WHERE tenant = %s AND model = %s AND account_id = %s
        """,
        (
            after.state,
            after.confirmed_by,
            after.confirmed_at,
            after.usable_on,
            tenant,
            after.model,
            after.account_id,
        ),
    )
    log(connection, tenant, after, move.value, before.state, by, reason, now)


def log(
    connection: Connection, tenant: str, account: Account, move: str, before: AccountState | None, by: str,
    reason: str | None, now: datetime,
) -> None:  # fmt: skip
    """One more move of the account, which is in its new state; the caller holds its row."""
    connection.execute(
        """
        INSERT INTO parties.account_move
        SELECT tenant, model, account_id, (
            SELECT count(*) + 1 FROM parties.account_move AS m
            WHERE m.tenant = a.tenant AND m.model = a.model AND m.account_id = a.account_id
        ), %s, %s, %s, %s, %s, %s
        FROM parties.payout_account AS a WHERE tenant = %s AND model = %s AND account_id = %s
        """,
        (move, before, account.state, by, reason, now, tenant, account.model, account.account_id),
    )


def reseal(connection: Connection, tenant: str, account: Account) -> None:
    """Stores the account's number as it is sealed now."""
    connection.execute(
        """
        UPDATE parties.payout_account SET key_id = %s, sealed = %s, number_digest = %s
        WHERE tenant = %s AND model = %s AND account_id = %s
        """,
        (account.key_id, account.sealed, account.number_digest, tenant, account.model, account.account_id),
    )


_SHOWN = (
    "model", "account_id", "party_id", "method", "holder", "payout_account.masked", "state", "is_change", "given_by",
    "confirmed_by", "confirmed_at", "usable_on",
)  # fmt: skip


def accounts(
    connection: Connection, tenant: str, model: str | None, party_id: str | None = None
) -> list[dict[str, Any]]:
    """Accounts as anybody may see them, masked; by party, in the order in which they were given."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            f"""
            SELECT {", ".join(_SHOWN)}, m.masked AS mandate, m.signed_on AS mandate_signed_on,
                m.revoked_on AS mandate_revoked_on
            FROM parties.payout_account LEFT JOIN LATERAL (
                SELECT masked, signed_on, revoked_on FROM parties.mandate AS m
                WHERE m.tenant = payout_account.tenant AND m.model = payout_account.model
                    AND m.account_id = payout_account.account_id ORDER BY signed_on DESC LIMIT 1) AS m ON true
            WHERE tenant = %(tenant)s AND (%(model)s::text IS NULL OR model = %(model)s)
                AND (%(party)s::text IS NULL OR party_id = %(party)s)
            ORDER BY model, party_id, arrived_no
            """,
            {"tenant": tenant, "model": model, "party": party_id},
        ).fetchall()


def moves(connection: Connection, tenant: str, model: str, account_id: uuid.UUID) -> list[dict[str, Any]]:
    """What moved an account, in order."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            SELECT move_no, move, from_state, to_state, moved_by, reason, recorded_at FROM parties.account_move
            WHERE tenant = %s AND model = %s AND account_id = %s ORDER BY move_no
            """,
            (tenant, model, account_id),
        ).fetchall()


@dataclass(frozen=True)
class Answer:
    """A call-back as it came, and why it was not taken."""

    digest: str
    content: bytes
    account_id: uuid.UUID | None
    refusal: str | None
    reason: str | None


def keep_answer(connection: Connection, tenant: str, answer: Answer, now: datetime) -> None:
    """Keeps a call-back; one that was refused before may be taken now."""
    outcome = "taken" if answer.refusal is None else "refused"
    connection.execute(
        """
        INSERT INTO parties.verification_answer AS known
            (tenant, digest, content, account_id, outcome, refusal, reason, recorded_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (tenant, digest) DO UPDATE SET account_id = excluded.account_id, outcome = excluded.outcome,
            refusal = excluded.refusal, reason = excluded.reason
            WHERE known.refusal IS NOT NULL
        """,
        (tenant, answer.digest, answer.content, answer.account_id, outcome, answer.refusal, answer.reason, now),
    )


def refused_answers(connection: Connection, tenant: str) -> list[dict[str, Any]]:
    """The call-backs that were not taken, the first that came first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            SELECT account_id, refusal, reason, content, recorded_at FROM parties.verification_answer
            WHERE tenant = %s AND outcome = 'refused' ORDER BY arrived_no
            """,
            (tenant,),
        ).fetchall()


def _values(account: Account) -> tuple[Any, ...]:
    return tuple(getattr(account, name) for name in _COLUMNS)


def _read(connection: Connection, condition: str, values: tuple[Any, ...]) -> list[Account]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"{_SELECT} WHERE {condition}", values).fetchall()
    return [replace(Account(**row), method=Method(row["method"]), state=AccountState(row["state"])) for row in rows]
