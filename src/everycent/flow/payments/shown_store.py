"""The SQL of what people see of instructions."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from everycent.base.platform.database import Connection


def history(connection: Connection, tenant: str, instruction_id: UUID) -> list[dict[str, Any]]:
    """The moves of an instruction, in their order."""
    return _dicts(
        connection,
        """SELECT move_no, move, came, from_state, to_state, booking, finding, cause, who, why, recorded_at
        FROM payments.instruction_move WHERE tenant = %(tenant)s AND instruction_id = %(id)s ORDER BY move_no""",
        {"tenant": tenant, "id": instruction_id},
    )


_SHOWN = (
    "instruction_id, model, party_id, role, legal_entity, direction, amount_minor, currency, channel, account,"
    " account_id, account_name, as_of, state, booking, finding, reason, file, filed_as_of, proposed_by, released_by,"
    " approval_id, ended_as_of, coalesce((SELECT sum(u.amount_minor) FROM payments.receipt_use AS u WHERE u.tenant ="
    " instruction.tenant AND u.instruction_id = instruction.instruction_id), 0) AS received_minor"
)


def shown(
    connection: Connection, tenant: str, states: Sequence[str], model: str | None, limit: int
) -> list[dict[str, Any]]:
    """Instructions for people, the newest day first; in all states where none is named, of all models."""
    return _dicts(
        connection,
        f"""SELECT {_SHOWN} FROM payments.instruction
        WHERE tenant = %(tenant)s AND (%(model)s::text IS NULL OR model = %(model)s)
            AND (%(states)s::text[] = '{{}}' OR state = ANY(%(states)s))
        ORDER BY as_of DESC, instruction_id LIMIT %(limit)s""",
        {"tenant": tenant, "states": list(states), "model": model, "limit": limit},
    )


def counted(connection: Connection, tenant: str, states: Sequence[str], model: str | None) -> list[dict[str, Any]]:
    """How many instructions stand where, and their amounts, by currency and direction."""
    return _dicts(
        connection,
        """SELECT state, currency, direction, count(*) AS instructions, sum(amount_minor) AS amount_minor
        FROM payments.instruction
        WHERE tenant = %(tenant)s AND (%(model)s::text IS NULL OR model = %(model)s)
            AND (%(states)s::text[] = '{}' OR state = ANY(%(states)s))
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
        {"tenant": tenant, "states": list(states), "model": model},
    )


def named(connection: Connection, tenant: str, wanted: str) -> list[dict[str, Any]]:
    """The instructions whose ids begin with these digits, or that a statement or non-order charge of this id has; three
    at most."""
    return _dicts(
        connection,
        f"""SELECT {_SHOWN} FROM payments.instruction
        WHERE tenant = %(tenant)s AND (starts_with(replace(instruction_id::text, '-', ''), %(digits)s)
            OR instruction_id IN (SELECT instruction_id FROM payments.instruction_statement
                WHERE tenant = %(tenant)s AND statement_id = %(wanted)s))
        ORDER BY instruction_id LIMIT 3""",
        {"tenant": tenant, "wanted": wanted, "digits": wanted.replace("-", "").lower()},
    )


def sides(connection: Connection, tenant: str, instruction_id: UUID) -> list[dict[str, Any]]:
    """The sides of statements that an instruction pays, or was to pay and did not (`opened`)."""
    return _dicts(
        connection,
        """SELECT statement_id, side, amount_minor, false AS opened FROM payments.instruction_statement
        WHERE tenant = %(tenant)s AND instruction_id = %(id)s
        UNION ALL
        SELECT statement_id, side, amount_minor, true FROM payments.reopened_statement
        WHERE tenant = %(tenant)s AND instruction_id = %(id)s
        ORDER BY 1, 2""",
        {"tenant": tenant, "id": instruction_id},
    )


_OF_STATEMENTS = """
    SELECT o.statement_id, o.side, o.amount_minor, o.outcome, o.instruction_id, i.state, i.filed_as_of, i.ended_as_of,
        coalesce(i.reason, i.finding) AS reason
    FROM payments.instruction_statement AS o LEFT JOIN payments.instruction AS i USING (tenant, model, instruction_id)
    WHERE tenant = %(tenant)s AND o.statement_id = ANY(%(ids)s)
    UNION ALL (
        SELECT DISTINCT ON (r.statement_id, r.side) r.statement_id, r.side, r.amount_minor, 'opened', r.instruction_id,
            i.state, i.filed_as_of, i.ended_as_of, i.reason
        FROM payments.reopened_statement AS r JOIN payments.instruction AS i USING (tenant, model, instruction_id)
        WHERE tenant = %(tenant)s AND r.statement_id = ANY(%(ids)s) AND NOT EXISTS (
            SELECT FROM payments.instruction_statement AS o
            WHERE o.tenant = r.tenant AND o.model = r.model AND o.statement_id = r.statement_id AND o.side = r.side)
        ORDER BY r.statement_id, r.side, i.as_of DESC, i.ended_as_of DESC, r.instruction_id)
    ORDER BY 1, 2
"""


def of_statements(connection: Connection, tenant: str, ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """By statement, what became of each of its sides that payments have taken up: its outcome (`opened` where what was
    to pay it did not), and its instruction's state."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in _dicts(connection, _OF_STATEMENTS, {"tenant": tenant, "ids": list(ids)}):
        found.setdefault(row["statement_id"], []).append(row)
    return found


def events(
    connection: Connection, tenant: str, model: str | None, after: int, limit: int, kind: str | None = None
) -> list[dict[str, Any]]:
    """What source systems are told of payments' ends, in order; those after event number `after`, of a kind alone where
    it is given."""
    return _dicts(
        connection,
        """SELECT event_no, event_id, model, kind, instruction_id, content, recorded_at FROM payments.event
        WHERE tenant = %(tenant)s AND event_no > %(after)s AND (%(model)s::text IS NULL OR model = %(model)s)
            AND (%(kind)s::text IS NULL OR kind = %(kind)s)
        ORDER BY event_no LIMIT %(limit)s""",
        {"tenant": tenant, "model": model, "after": after, "limit": limit, "kind": kind},
    )


def _dicts(connection: Connection, query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as rows:
        return rows.execute(query, values).fetchall()
