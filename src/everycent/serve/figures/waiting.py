"""What waits for whom: people, parties, banks, days."""

from collections.abc import Sequence
from datetime import date, datetime

from everycent.base.money.cycle import FOREVER
from everycent.base.platform.database import Connection
from everycent.flow.approvals import service as approvals
from everycent.serve.figures.asked import Asked, Column, Figures, whole

#: `who`, what waits for them, since when, how many, and their amounts. `{party}`: the party, or its role.
_STATEMENTS = """
    SELECT CASE WHEN state = 'disputed' THEN 'operations'
            WHEN state = 'open' AND period_last = %(forever)s THEN 'an event'
            WHEN state = 'open' THEN 'the day cut' ELSE {party} END AS who,
        CASE WHEN state = 'disputed' THEN 'a disputed statement, to resolve'
            WHEN state = 'open' THEN 'a statement, to close' ELSE 'a statement, to confirm' END AS what,
        min(coalesce(closed_as_of, CASE WHEN period_last < %(forever)s THEN closes_on END)) AS since,
        count(*) AS things, sum(abs(net_minor + lines_minor)) AS amount, currency
    FROM settlement.statement
    WHERE tenant = %(tenant)s AND model = %(model)s AND released_as_of IS NULL
        AND (state IN ('disputed', 'open') OR state = 'closed' AND confirms)
    GROUP BY 1, 2, currency
"""
#: By their sides: where they are settled apart, one may be open again and the other paid.
_RELEASED = """
    SELECT CASE WHEN parked_as_of IS NOT NULL THEN 'operations' ELSE 'the next run' END AS who,
        CASE WHEN parked_as_of IS NOT NULL THEN 'a parked statement, to let go' ELSE 'a statement, to pay' END AS what,
        min(coalesce(parked_as_of, released_as_of)) AS since, count(DISTINCT statement_id) AS things,
        sum(abs(due.minor)) AS amount, currency
    FROM settlement.statement AS statement CROSS JOIN LATERAL (VALUES ('net', net_minor + lines_minor),
        ('payable', payable_minor + lines_minor), ('receivable', receivable_minor)) AS due (side, minor)
    WHERE tenant = %(tenant)s AND model = %(model)s AND released_as_of IS NOT NULL AND settled_as_of IS NULL
        AND NOT EXISTS (SELECT FROM payments.instruction_statement AS side WHERE side.tenant = statement.tenant
            AND side.model = statement.model AND side.statement_id = statement.statement_id AND side.side = due.side)
        AND (due.side = 'net') = (mode = 'net')
    GROUP BY 1, 2, currency
"""
_INSTRUCTIONS = """
    SELECT CASE WHEN state = 'waiting' THEN {party} WHEN state = 'parked' OR denied THEN 'operations'
            WHEN state IN ('created', 'approved') THEN 'the next file or submission' ELSE channel END AS who,
        CASE WHEN state = 'waiting' THEN 'a payment, for an account'
            WHEN state = 'parked' THEN 'a payment, to judge: ' || finding
            WHEN denied THEN 'a payment that was not approved, to cancel'
            WHEN state IN ('created', 'approved') THEN 'a payment, to go out'
            ELSE 'a payment, for its result' END AS what,
        min(as_of) AS since, count(*) AS things, sum(amount_minor - came.minor) AS amount, currency
    FROM payments.instruction AS instruction, LATERAL (
        SELECT coalesce(sum(u.amount_minor), 0) AS minor FROM payments.receipt_use AS u
        WHERE u.tenant = instruction.tenant AND u.model = instruction.model
            AND u.instruction_id = instruction.instruction_id) AS came, LATERAL (
        SELECT coalesce(bool_or(request.state = 'refused'), false) AS denied,
            coalesce(bool_or(request.state = 'pending'
                AND (due_at IS NULL OR due_at > %(now)s)), false) AS asked
        FROM approvals.request AS request WHERE request.tenant = instruction.tenant
            AND request.model = instruction.model AND request.request_id = instruction.approval_id) AS voices
    WHERE tenant = %(tenant)s AND model = %(model)s AND state NOT IN ('succeeded', 'failed', 'returned') AND NOT asked
    GROUP BY 1, 2, currency
"""
#: What came in and is for nothing: its instruction's first end decides what was set aside for it.
_ON_ACCOUNT = """
    SELECT 'operations' AS who, 'money on account, to use or pay back' AS what, min(as_of) AS since, count(*) AS things,
        sum(free) AS amount, currency
    FROM (SELECT r.*, r.amount_minor - coalesce((SELECT sum(u.amount_minor) FROM payments.receipt_use AS u
            WHERE u.tenant = r.tenant AND u.model = r.model AND u.receipt_id = r.receipt_id AND coalesce((
                SELECT m.booking FROM payments.instruction_move AS m WHERE m.tenant = u.tenant AND m.model = u.model
                    AND m.instruction_id = u.instruction_id AND m.booking <> 'in_flight'
                ORDER BY m.move_no LIMIT 1), 'paid') <> 'back'), 0) - coalesce((SELECT sum(p.amount_minor)
            FROM payments.pay_back AS p LEFT JOIN payments.pay_back_undone AS gone USING (tenant, model, pay_back_id)
            WHERE p.tenant = r.tenant AND p.model = r.model AND p.receipt_id = r.receipt_id
                AND gone.pay_back_id IS NULL), 0) AS free
        FROM payments.receipt AS r WHERE r.tenant = %(tenant)s AND r.model = %(model)s) AS kept
    WHERE free > 0
    GROUP BY currency
"""
#: What is to go back and no run has instructed yet.
_BACK = """
    SELECT 'the next run' AS who, 'money on account, to pay back' AS what, min(p.as_of) AS since, count(*) AS things,
        sum(p.amount_minor) AS amount, r.currency
    FROM payments.pay_back AS p JOIN payments.receipt AS r USING (tenant, model, receipt_id)
        LEFT JOIN payments.pay_back_undone AS gone USING (tenant, model, pay_back_id)
    WHERE tenant = %(tenant)s AND model = %(model)s AND gone.pay_back_id IS NULL AND NOT EXISTS (
        SELECT FROM payments.instruction_statement AS side WHERE side.tenant = p.tenant AND side.model = p.model
            AND side.statement_id = p.pay_back_id::text)
    GROUP BY r.currency
"""
_CHARGES = """
    SELECT {party} AS who, 'a non-order charge, for the next statement' AS what, min(booked_on) AS since,
        count(*) AS things, sum(amount_minor) AS amount, currency
    FROM non_order.charge AS charge
    WHERE tenant = %(tenant)s AND model = %(model)s AND state = 'booked' AND settled_by = 'statement' AND NOT EXISTS (
        SELECT FROM payments.instruction_statement AS side WHERE side.tenant = charge.tenant
            AND side.model = charge.model AND side.statement_id = charge.charge_id::text)
    GROUP BY 1, 2, currency
"""
_INVOICES = """
    SELECT CASE WHEN i.state = 'due' AND side = 'payable' THEN {party} ELSE 'operations' END AS who,
        CASE WHEN i.state = 'received' THEN 'an invoice, to confirm' WHEN side = 'payable' THEN 'an invoice, to receive'
            ELSE 'an invoice, to issue' END AS what,
        min(closed_as_of) AS since, count(*) AS things, sum(abs(i.net_minor + i.tax_minor)) AS amount, i.currency
    FROM settlement.invoice AS i JOIN settlement.statement USING (tenant, model, statement_id)
    WHERE tenant = %(tenant)s AND model = %(model)s AND i.state IN ('due', 'received')
    GROUP BY 1, 2, i.currency
"""
COLUMNS = (
    Column("who"), Column("what"), Column("since", "date"), Column("things", "count"), Column("amount", "amount"),
    Column("currency"),
)  # fmt: skip


def waiting(connection: Connection, asked: Asked, now: datetime) -> Figures:
    """What waits now, and for whom, those that wait longest first, and last those of which no day is known."""
    values = {"tenant": asked.tenant, "model": asked.model, "now": now, "forever": FOREVER}
    party = "split_part(party_id, ':', 1)" if asked.by == "role" else "party_id"
    queries = (_STATEMENTS, _RELEASED, _INSTRUCTIONS, _ON_ACCOUNT, _BACK, _CHARGES, _INVOICES)
    rows = [row for query in queries for row in connection.execute(query.replace("{party}", party), values)]
    found = [*whole(rows), *_approvals(connection, asked, now)]
    ordered = sorted(found, key=lambda row: (str(row[2]), row[0], row[1], row[5]))
    return Figures("waiting", "What waits for whom", COLUMNS, tuple(ordered))


def _approvals(connection: Connection, asked: Asked, now: datetime) -> Sequence[tuple[object, ...]]:
    """The requests that wait, by the groups that may decide them."""
    by: dict[tuple[str, str, str], tuple[date, int, int]] = {}
    for request, at in approvals.waiting(connection, asked.tenant, asked.model, now):
        of = request.subject
        key = (" or ".join(at.groups), f"a {of.kind.replace('_', ' ')}, to approve", of.currency)
        since, things, amount = by.get(key, (request.requested_at.date(), 0, 0))
        by[key] = (min(since, request.requested_at.date()), things + 1, amount + of.amount_minor)
    return [(who, what, since, things, amount, code) for (who, what, code), (since, things, amount) in by.items()]
