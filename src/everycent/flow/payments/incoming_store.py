"""The SQL of money that came in: what is owed, what lines did that were read before, and what is kept on account."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from everycent.base.platform.batches import seal_sql
from everycent.base.platform.database import Connection
from everycent.flow.payments.contract import BANK_FILE, InstructionState
from everycent.flow.payments.core.incoming import Heard
from everycent.flow.payments.core.receipts import Free, Owed, Receipt, SetAside, Use

#: A receipt's part is settled by its instruction's first end: paid, it is used; else it is free again.
_FIRST_END = """LATERAL (SELECT (SELECT m.booking FROM payments.instruction_move AS m
    WHERE m.tenant = u.tenant AND m.model = u.model AND m.instruction_id = u.instruction_id AND m.booking <> 'in_flight'
    ORDER BY m.move_no LIMIT 1) AS first_end) AS ended"""
#: What may name an instruction: itself, its statements and their own invoices, its non-order charges.
_OWED = """
    SELECT i.instruction_id, i.model, i.party_id, i.legal_entity, i.amount_minor, CASE WHEN i.state = 'succeeded' THEN 0
            ELSE i.amount_minor - coalesce((SELECT sum(u.amount_minor) FROM payments.receipt_use AS u
                WHERE u.tenant = i.tenant AND u.model = i.model AND u.instruction_id = i.instruction_id), 0) END,
        i.currency, i.state, i.mandate IS NOT NULL, array_agg(named.reference)
    FROM payments.instruction AS i
        JOIN payments.instruction_statement AS side USING (tenant, model, instruction_id)
        CROSS JOIN LATERAL (
            SELECT side.statement_id AS reference
            UNION ALL SELECT replace(i.instruction_id::text, '-', '')
            UNION ALL SELECT number FROM settlement.invoice AS v WHERE v.tenant = side.tenant AND v.model = side.model
                AND v.statement_id = side.statement_id AND v.side = 'receivable' AND v.state IN ('issued', 'confirmed')
            UNION ALL SELECT c.reference FROM non_order.charge AS c WHERE c.tenant = side.tenant
                AND c.model = side.model AND c.charge_id::text = side.statement_id) AS named
    WHERE i.tenant = %(tenant)s AND i.direction = 'collect' AND i.booking <> 'back' AND i.channel <> 'balance'
        AND (%(currencies)s::text[] IS NULL OR i.currency = ANY(%(currencies)s))
        AND (%(ids)s::uuid[] IS NULL OR i.instruction_id = ANY(%(ids)s))
    GROUP BY i.tenant, i.model, i.instruction_id
    ORDER BY i.instruction_id
"""
_PAID = """
    SELECT DISTINCT ON (cause) cause, instruction_id FROM payments.instruction_move
    WHERE tenant = %s AND move = 'pay' AND cause = ANY(%s) ORDER BY cause, instruction_id
"""


def alone(connection: Connection, tenant: str) -> None:
    """Keeps other receipts out until the transaction ends, and what is owed as it stands."""
    connection.execute("LOCK TABLE payments.receipt IN SHARE ROW EXCLUSIVE MODE")
    # as whoever takes in what is said does, before any row
    connection.execute("LOCK TABLE payments.instruction IN ROW EXCLUSIVE MODE")
    connection.execute(
        "SELECT FROM payments.instruction WHERE tenant = %s AND direction = 'collect' AND booking = 'in_flight'"
        " ORDER BY instruction_id FOR UPDATE",
        (tenant,),
    )


def owed(
    connection: Connection, tenant: str, currencies: Sequence[str] | None, ids: Sequence[UUID] | None = None
) -> list[Owed]:
    """Instructions to collect in these currencies, of these ids where some are given, that did not fail; by id."""
    asked = {"tenant": tenant, "currencies": currencies and list(currencies), "ids": ids and list(ids)}
    return [
        Owed(
            key,
            model,
            party,
            legal_entity,
            int(amount),
            int(left),
            code,
            InstructionState(state),
            debited,
            tuple(named),
        )
        for key, model, party, legal_entity, amount, left, code, state, debited, named in connection.execute(
            _OWED, asked
        )
    ]


def transferred(connection: Connection, tenant: str, ids: Sequence[UUID]) -> set[UUID]:
    """Those of these that their parties pay by transfers of their own: no bank debits them, and no service collects."""
    rows = connection.execute(
        "SELECT instruction_id FROM payments.instruction WHERE tenant = %s AND instruction_id = ANY(%s)"
        " AND direction = 'collect' AND mandate IS NULL AND channel = %s",
        (tenant, list(ids), BANK_FILE),
    )
    return {key for (key,) in rows}


def heard(connection: Connection, tenant: str, causes: Sequence[str]) -> Heard:
    """What was paid and what was brought, by where that was told, of these places."""
    paid: dict[str, UUID] = dict(connection.execute(_PAID, (tenant, list(causes))).fetchall())
    receipts = connection.execute(
        "SELECT cause, amount_minor, currency FROM payments.receipt WHERE tenant = %s AND cause = ANY(%s)",
        (tenant, list(causes)),
    )
    return Heard(paid, {cause: (int(amount), code) for cause, amount, code in receipts})


_RECEIPT = f"""
    INSERT INTO payments.receipt (tenant, model, receipt_id, cause, party_id, legal_entity, currency, amount_minor,
        text, who, why, as_of, recorded_at, seal)
    SELECT t.*, {seal_sql("t")} FROM (
        SELECT %(tenant)s::text AS tenant, %(model)s::text AS model, %(receipt_id)s::uuid AS receipt_id,
            %(cause)s::text AS cause, %(party_id)s::text AS party_id, %(legal_entity)s::text AS legal_entity,
            %(currency)s::text AS currency, %(amount_minor)s::numeric(38, 0) AS amount_minor, %(text)s::text AS text,
            %(who)s::text AS who, %(why)s::text AS why, %(as_of)s::date AS as_of,
            %(now)s::timestamptz AS recorded_at) AS t
"""
_USE = f"""
    INSERT INTO payments.receipt_use (tenant, model, receipt_id, instruction_id, amount_minor, who, why, as_of,
        recorded_at, seal)
    SELECT t.*, {seal_sql("t")} FROM (
        SELECT %(tenant)s::text AS tenant, %(model)s::text AS model, %(receipt_id)s::uuid AS receipt_id,
            %(instruction_id)s::uuid AS instruction_id, %(amount_minor)s::numeric(38, 0) AS amount_minor,
            %(who)s::text AS who, %(why)s::text AS why, %(as_of)s::date AS as_of,
            %(now)s::timestamptz AS recorded_at) AS t
"""


def keep(
    connection: Connection, tenant: str, key: UUID, receipt: Receipt, who: str, why: str | None, as_of: date,
    now: datetime,
) -> None:  # fmt: skip
    """Keeps a receipt, and what of it is set aside."""
    told = {"tenant": tenant, "receipt_id": key, "who": who, "why": why, "as_of": as_of, "now": now}
    connection.execute(_RECEIPT, {**vars(receipt), **told})
    for use in receipt.uses:
        keep_use(connection, tenant, receipt.model, key, use, who, why, as_of, now)


def keep_use(
    connection: Connection, tenant: str, model: str, key: UUID, use: Use, who: str, why: str | None, as_of: date,
    now: datetime,
) -> None:  # fmt: skip
    """Keeps that a part of a receipt is set aside for an instruction."""
    told = {"tenant": tenant, "model": model, "receipt_id": key, "who": who, "why": why, "as_of": as_of, "now": now}
    connection.execute(_USE, {"instruction_id": use.key, "amount_minor": use.amount_minor, **told})


def set_aside_for(connection: Connection, tenant: str, ids: Sequence[UUID]) -> list[SetAside]:
    """What of receipts is set aside for these instructions, by receipt."""
    rows = connection.execute(
        "SELECT receipt_id, instruction_id, amount_minor FROM payments.receipt_use WHERE tenant = %s"
        " AND instruction_id = ANY(%s) ORDER BY receipt_id, instruction_id",
        (tenant, list(ids)),
    )
    return [SetAside(receipt, key, int(amount)) for receipt, key, amount in rows]


_KEPT = f"""
    SELECT r.receipt_id, r.model, r.party_id, r.legal_entity, r.currency, r.amount_minor, r.cause, r.text, r.who, r.why,
        r.as_of, coalesce(used.set_aside, 0) AS set_aside_minor, coalesce(used.paid, 0) AS paid_minor,
        coalesce(back.minor, 0) AS paid_back_minor,
        r.amount_minor - coalesce(used.set_aside, 0) - coalesce(used.paid, 0) - coalesce(back.minor, 0) AS free_minor
    FROM payments.receipt AS r LEFT JOIN LATERAL (
        SELECT sum(u.amount_minor) FILTER (WHERE ended.first_end IS NULL) AS set_aside,
            sum(u.amount_minor) FILTER (WHERE ended.first_end = 'paid') AS paid
        FROM payments.receipt_use AS u CROSS JOIN {_FIRST_END}
        WHERE u.tenant = r.tenant AND u.model = r.model AND u.receipt_id = r.receipt_id) AS used ON true
        LEFT JOIN LATERAL (
            SELECT sum(p.amount_minor) AS minor
            FROM payments.pay_back AS p LEFT JOIN payments.pay_back_undone AS gone USING (tenant, model, pay_back_id)
            WHERE p.tenant = r.tenant AND p.model = r.model AND p.receipt_id = r.receipt_id
                AND gone.pay_back_id IS NULL) AS back ON true
    WHERE r.tenant = %(tenant)s AND (%(party)s::text IS NULL OR r.party_id = %(party)s)
        AND (%(model)s::text IS NULL OR r.model = %(model)s)
        AND (%(receipt)s::uuid IS NULL OR r.receipt_id = %(receipt)s)
    ORDER BY r.model, r.party_id, r.recorded_at, r.receipt_id
"""


def kept(
    connection: Connection,
    tenant: str,
    party: str | None,
    model: str | None,
    *,
    all_of_them: bool,
    receipt_id: UUID | None = None,
) -> list[dict[str, Any]]:
    """Receipts of which something is left, or all, the oldest of a party first: what of each is set aside, has paid,
    went back or is on its way there, and is free."""
    asked = {"tenant": tenant, "party": party, "model": model, "receipt": receipt_id}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_KEPT, asked).fetchall()
    return [row for row in rows if all_of_them or row["paid_minor"] + row["paid_back_minor"] < row["amount_minor"]]


def free(connection: Connection, tenant: str, one: Owed) -> list[Free]:
    """The free receipts that an instruction may take, the oldest first."""
    rows = kept(connection, tenant, one.party_id, one.model, all_of_them=False)
    return [
        Free(row["receipt_id"], int(row["free_minor"]))
        for row in rows
        if row["free_minor"] > 0 and (row["legal_entity"], row["currency"]) == (one.legal_entity, one.currency)
    ]


def received_of(connection: Connection, tenant: str, instruction_id: UUID) -> list[dict[str, Any]]:
    """What came in for an instruction in parts, the oldest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """SELECT u.receipt_id, u.amount_minor, u.as_of, r.cause, r.text, u.who
            FROM payments.receipt_use AS u JOIN payments.receipt AS r USING (tenant, model, receipt_id)
            WHERE u.tenant = %s AND u.instruction_id = %s ORDER BY u.recorded_at, u.receipt_id""",
            (tenant, instruction_id),
        ).fetchall()
