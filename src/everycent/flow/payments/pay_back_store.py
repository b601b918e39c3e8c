"""The SQL of money on account that goes back to its party. Callers own the transaction.

It stands among the sides of statements (payments.instruction_statement) under its own id, as a non-order charge does.
"""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from everycent.base.platform.batches import seal_sql
from everycent.base.platform.database import Connection
from everycent.flow.payments.core.paying_back import Kept, PayBack
from everycent.flow.payments.incoming_store import kept

_STANDS = """NOT EXISTS (SELECT FROM payments.pay_back_undone AS u
    WHERE u.tenant = p.tenant AND u.model = p.model AND u.pay_back_id = p.pay_back_id)"""


def receipt(connection: Connection, tenant: str, receipt_id: UUID) -> Kept | None:
    """A receipt, as it may be paid back."""
    found = kept(connection, tenant, None, None, all_of_them=True, receipt_id=receipt_id)
    if not found:
        return None
    (row,) = found
    counted = connection.execute(
        f"""SELECT (SELECT count(*) FROM payments.pay_back WHERE tenant = %(tenant)s AND receipt_id = %(id)s),
            EXISTS (SELECT FROM payments.pay_back AS p
                WHERE p.tenant = %(tenant)s AND p.receipt_id = %(id)s AND {_STANDS} AND NOT EXISTS (
                SELECT FROM payments.instruction_statement AS side JOIN payments.instruction AS i
                    USING (tenant, model, instruction_id)
                WHERE side.tenant = p.tenant AND side.model = p.model AND side.statement_id = p.pay_back_id::text
                    AND i.booking = 'paid'))""",
        {"tenant": tenant, "id": receipt_id},
    ).fetchone()
    assert counted is not None, "it is always counted"
    place = (row["model"], row["party_id"], row["legal_entity"], row["currency"])
    return Kept(receipt_id, *place, int(row["free_minor"]), int(counted[0]), bool(counted[1]))


_KEEP = f"""
    INSERT INTO payments.pay_back (tenant, model, pay_back_id, receipt_id, amount_minor, who, why, as_of, recorded_at,
        seal)
    SELECT t.*, {seal_sql("t")} FROM (
        SELECT %(tenant)s::text AS tenant, %(model)s::text AS model, %(key)s::uuid AS pay_back_id,
            %(receipt_id)s::uuid AS receipt_id, %(amount_minor)s::numeric(38, 0) AS amount_minor, %(who)s::text AS who,
            %(why)s::text AS why, %(as_of)s::date AS as_of, %(now)s::timestamptz AS recorded_at) AS t
"""
_UNDO = f"""
    INSERT INTO payments.pay_back_undone (tenant, model, pay_back_id, instruction_id, as_of, recorded_at, seal)
    SELECT t.*, {seal_sql("t")} FROM (
        SELECT p.tenant, p.model, p.pay_back_id, side.instruction_id, %(as_of)s::date AS as_of,
            %(now)s::timestamptz AS recorded_at
        FROM payments.pay_back AS p JOIN payments.reopened_statement AS side
            ON side.tenant = p.tenant AND side.model = p.model AND side.statement_id = p.pay_back_id::text
        WHERE p.tenant = %(tenant)s AND side.instruction_id = ANY(%(ids)s) AND {_STANDS}) AS t
    RETURNING pay_back_id, instruction_id
"""


def keep(connection: Connection, tenant: str, one: PayBack, who: str, why: str, as_of: date, now: datetime) -> None:
    """Keeps that something is to be paid back."""
    connection.execute(_KEEP, {**vars(one), "tenant": tenant, "who": who, "why": why, "as_of": as_of, "now": now})


def undo(
    connection: Connection, tenant: str, ids: Sequence[UUID], as_of: date, now: datetime
) -> list[tuple[UUID, PayBack]]:
    """What these instructions, which failed or came back, were to pay back is on account again, once; with the
    instruction of each."""
    if not ids:
        return []
    gone = connection.execute(_UNDO, {"tenant": tenant, "ids": list(ids), "as_of": as_of, "now": now}).fetchall()
    by: dict[UUID, UUID] = dict(gone)
    rows = connection.execute(
        """SELECT p.pay_back_id, p.receipt_id, p.model, r.party_id, r.legal_entity, r.currency, p.amount_minor
        FROM payments.pay_back AS p JOIN payments.receipt AS r USING (tenant, model, receipt_id)
        WHERE p.tenant = %s AND p.pay_back_id = ANY(%s) ORDER BY p.pay_back_id""",
        (tenant, list(by)),
    )
    return [(by[row[0]], PayBack(row[0], row[1], row[2], row[3], row[4], row[5], int(row[6]))) for row in rows]


def pays_back(connection: Connection, tenant: str, ids: Sequence[UUID]) -> set[UUID]:
    """Those of these instructions that pay money back."""
    rows = connection.execute(
        """SELECT side.instruction_id FROM payments.instruction_statement AS side JOIN payments.pay_back AS p
            ON p.tenant = side.tenant AND p.model = side.model AND p.pay_back_id::text = side.statement_id
        WHERE side.tenant = %s AND side.instruction_id = ANY(%s)""",
        (tenant, list(ids)),
    )
    return {key for (key,) in rows}
