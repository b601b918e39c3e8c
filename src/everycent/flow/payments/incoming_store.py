"""The SQL of money that came in: what is owed, and what lines paid that were read before."""

from collections.abc import Sequence
from uuid import UUID

from everycent.base.platform.database import Connection
from everycent.flow.payments.contract import InstructionState
from everycent.flow.payments.core.incoming import Owed

#: What may name an instruction: itself, its statements and their own invoices, its non-order charges.
_OWED = """
    SELECT i.instruction_id, i.amount_minor, i.currency, i.state, i.mandate IS NOT NULL, array_agg(named.reference)
    FROM payments.instruction AS i
        JOIN payments.instruction_statement AS side USING (tenant, model, instruction_id)
        CROSS JOIN LATERAL (
            SELECT side.statement_id AS reference
            UNION ALL SELECT replace(i.instruction_id::text, '-', '')
            UNION ALL SELECT number FROM settlement.invoice AS v WHERE v.tenant = side.tenant AND v.model = side.model
                AND v.statement_id = side.statement_id AND v.side = 'receivable' AND v.state IN ('issued', 'confirmed')
            UNION ALL SELECT c.reference FROM non_order.charge AS c WHERE c.tenant = side.tenant
                AND c.model = side.model AND c.charge_id::text = side.statement_id) AS named
    WHERE i.tenant = %s AND i.direction = 'collect' AND i.booking <> 'back' AND i.currency = ANY(%s)
    GROUP BY i.tenant, i.model, i.instruction_id
    ORDER BY i.instruction_id
"""
_HEARD = """
    SELECT DISTINCT ON (cause) cause, instruction_id FROM payments.instruction_move
    WHERE tenant = %s AND move = 'pay' AND cause = ANY(%s) ORDER BY cause, instruction_id
"""


def owed(connection: Connection, tenant: str, currencies: Sequence[str]) -> list[Owed]:
    """Instructions to collect in these currencies that did not fail, by id."""
    return [
        Owed(row[0], int(row[1]), row[2], InstructionState(row[3]), row[4], tuple(row[5]))
        for row in connection.execute(_OWED, (tenant, list(currencies)))
    ]


def heard(connection: Connection, tenant: str, causes: Sequence[str]) -> dict[str, UUID]:
    """What was paid, by where that was told, of these places."""
    return dict(connection.execute(_HEARD, (tenant, list(causes))).fetchall())
