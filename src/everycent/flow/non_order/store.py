"""All SQL of non-order charges. Callers own the transaction.

Each charge carries a seal, the MD5 of all else that it holds: what changes it looks at the seal first.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from everycent.base.platform.batches import seal_sql
from everycent.base.platform.database import Connection
from everycent.flow.non_order.contract import ChargeState, Direction, NonOrderCharge, SettledBy

#: The columns of a charge as it was given, with their types.
_GIVEN = {
    "charge_id": "uuid", "source": "text", "reference": "text", "kind": "text", "account": "text", "party_id": "text",
    "role": "text", "legal_entity": "text", "direction": "text", "settled_by": "text", "amount_minor": "bigint",
    "currency": "text", "occurred_on": "date", "reason": "text", "given_by": "text",
}  # fmt: skip
#: Those of what became of it.
_STANDING = {
    "approval_id": "uuid", "state": "text", "booked_on": "date", "declined_why": "text", "recorded_at": "timestamptz",
}  # fmt: skip
_ROW = {"tenant": "text", "model": "text", **_GIVEN, **_STANDING}

_KEEP = f"""
    INSERT INTO non_order.charge ({", ".join(_ROW)}, seal)
    SELECT t.*, {seal_sql("t")}
    FROM (SELECT {", ".join(f"%({name})s::{kind} AS {name}" for name, kind in _ROW.items())}) AS t
    ON CONFLICT DO NOTHING
"""
#: The digest is of all that a yes is about.
_HELD = f"""
    SELECT {", ".join(_GIVEN)}, state, approval_id, seal <> {seal_sql("t")},
        md5(concat_ws('|', charge_id, kind, party_id, legal_entity, direction, settled_by, amount_minor, currency,
            occurred_on, reason))
    FROM non_order.charge AS t
    WHERE tenant = %(tenant)s AND model = %(model)s AND charge_id = ANY(%(ids)s)
    ORDER BY charge_id FOR UPDATE
"""
#: `sets`: JSON of the columns that change.
_CHANGE = """
    UPDATE non_order.charge AS known
    SET {sets}, seal = md5(((to_jsonb(known) || jsonb_build_object({told})) - 'seal')::text)::uuid
    WHERE tenant = %(tenant)s AND model = %(model)s AND charge_id = %(charge_id)s AND state = 'asked'
"""


class ChargeAltered(Exception):
    """A stored charge is not as it was written; it is neither booked nor changed."""

    def __init__(self, charge_id: object, party_id: str) -> None:
        super().__init__(
            f"non-order charge {charge_id} of {party_id} was altered in the database after it was written; see what "
            "`everycent verify` finds, and restore the database from a copy"
        )


class Held:
    """A charge that is held: nobody else changes it until the transaction ends."""

    def __init__(self, row: Sequence[Any]) -> None:
        *given, state, approval_id, altered, digest = row
        told = dict(zip(_GIVEN, given, strict=True))
        told |= {"direction": Direction(told["direction"]), "settled_by": SettledBy(told["settled_by"])}
        self.charge = NonOrderCharge(**told)
        self.state = ChargeState(state)
        self.approval_id: UUID | None = approval_id
        self.digest: str = digest
        if altered:
            raise ChargeAltered(self.charge.charge_id, self.charge.party_id)


def keep(
    connection: Connection, tenant: str, model: str, charge: NonOrderCharge, now: datetime, booked_on: date | None
) -> bool:
    """Keeps a charge, booked or (without a day) asked for; whether there was none of its reference before."""
    state = ChargeState.ASKED if booked_on is None else ChargeState.BOOKED
    values = {
        **vars(charge), "tenant": tenant, "model": model, "approval_id": None, "state": state, "booked_on": booked_on,
        "declined_why": None, "recorded_at": now,
    }  # fmt: skip
    return connection.execute(_KEEP, values).rowcount == 1


def hold(connection: Connection, tenant: str, model: str, ids: Sequence[UUID]) -> list[Held]:
    """Charges by their ids, in their order; nobody else changes them until the transaction ends. Raises
    ChargeAltered."""
    return [Held(row) for row in connection.execute(_HELD, {"tenant": tenant, "model": model, "ids": list(ids)})]


def hold_deposits(connection: Connection, tenant: str, model: str, party_id: str, kind: str) -> None:
    """Keeps others from giving back of a party's deposits of a kind until the transaction ends."""
    connection.execute(
        "SELECT FROM non_order.charge WHERE tenant = %s AND model = %s AND party_id = %s AND account = %s AND kind = %s"
        " ORDER BY charge_id FOR UPDATE",
        (tenant, model, party_id, kind, kind),
    )


def set_approval(connection: Connection, tenant: str, model: str, charge_id: UUID, approval_id: UUID) -> None:
    """Writes on a charge that was asked for which request is under way for it."""
    _change(connection, tenant, model, charge_id, {"approval_id": approval_id})


def book(connection: Connection, tenant: str, model: str, charge_id: UUID, booked_on: date) -> None:
    """A charge that was asked for is owed from this day."""
    _change(connection, tenant, model, charge_id, {"state": ChargeState.BOOKED.value, "booked_on": booked_on})


def decline(connection: Connection, tenant: str, model: str, charge_id: UUID, why: str) -> None:
    """A charge that was asked for is not."""
    _change(connection, tenant, model, charge_id, {"state": ChargeState.DECLINED.value, "declined_why": why})


def _change(connection: Connection, tenant: str, model: str, charge_id: UUID, changes: dict[str, object]) -> None:
    values = {name: f"%({name})s::{_ROW[name]}" for name in changes}
    sets = ", ".join(f"{name} = {value}" for name, value in values.items())
    told = ", ".join(f"'{name}', {value}" for name, value in values.items())
    asked = {"tenant": tenant, "model": model, "charge_id": charge_id, **changes}
    changed = connection.execute(_CHANGE.format(sets=sets, told=told), asked).rowcount
    assert changed == 1, f"charge {charge_id} is not asked for"


def shown(
    connection: Connection,
    tenant: str,
    *,
    model: str | None,
    state: str | None,
    party: str | None,
    kind: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Charges for people, the newest first."""
    with connection.cursor(row_factory=dict_row) as rows:
        return rows.execute(
            f"""SELECT model, {", ".join(_GIVEN)}, {", ".join(_STANDING)} FROM non_order.charge
            WHERE tenant = %(tenant)s AND (%(model)s::text IS NULL OR model = %(model)s)
                AND (%(state)s::text IS NULL OR state = %(state)s)
                AND (%(party)s::text IS NULL OR party_id = %(party)s) AND (%(kind)s::text IS NULL OR kind = %(kind)s)
            ORDER BY recorded_at DESC, charge_id LIMIT %(limit)s""",
            {"tenant": tenant, "model": model, "state": state, "party": party, "kind": kind, "limit": limit},
        ).fetchall()
