"""SQL about the non-order charges that instructions settle, and money on account that they pay back. Callers own the
transaction.

Each stands among the sides of statements (payments.instruction_statement) under its own id.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa
from psycopg.rows import dict_row

from everycent.base.engine.sql import literal
from everycent.base.platform.bulk import copy_out
from everycent.base.platform.database import Connection

#: Charges that are to be settled: `apart` by an instruction of their own, else beside a statement. Above 0 is owed to
#: the party.
CHARGES = pa.schema(
    [
        pa.field("statement_id", pa.string(), nullable=False),  # the charge's id
        pa.field("apart", pa.bool_(), nullable=False),
        pa.field("role", pa.string(), nullable=False),
        pa.field("party_id", pa.string(), nullable=False),
        pa.field("legal_entity", pa.string(), nullable=False),
        pa.field("currency", pa.string(), nullable=False),
        pa.field("amount_minor", pa.decimal128(38, 0), nullable=False),
        pa.field("pays_back", pa.bool_(), nullable=False),
        pa.field("shared", pa.bool_(), nullable=False),  # had, or given back, by a share of a customer's payment
    ]
)

#: One whose payment failed or came back, and of which the bank now says otherwise, waits for the person who judges it.
_DUE = """
    FROM {charges} AS charge
    WHERE {where} AND state = 'booked' AND booked_on <= {as_of} AND NOT EXISTS (
        SELECT FROM payments.instruction_statement AS done
        WHERE done.tenant = charge.tenant AND done.model = charge.model
            AND done.statement_id = charge.charge_id::text AND done.outcome <> 'carried')
        AND NOT EXISTS (
        SELECT FROM payments.reopened_statement AS gone JOIN payments.instruction AS one
            USING (tenant, model, instruction_id)
        WHERE gone.tenant = charge.tenant AND gone.model = charge.model
            AND gone.statement_id = charge.charge_id::text AND one.state = 'parked')
"""

#: What failed or came back is on account again, and not instructed anew.
_BACK = """
    FROM payments.pay_back AS back JOIN payments.receipt AS receipt USING (tenant, model, receipt_id)
    WHERE {where} AND back.as_of <= {as_of} AND NOT EXISTS (
        SELECT FROM payments.pay_back_undone AS gone WHERE gone.tenant = back.tenant AND gone.model = back.model
            AND gone.pay_back_id = back.pay_back_id)
        AND NOT EXISTS (
        SELECT FROM payments.instruction_statement AS done WHERE done.tenant = back.tenant
            AND done.model = back.model AND done.statement_id = back.pay_back_id::text)
"""

#: What goes with a statement waits for a released one of its party that was in no closing yet; then it goes on with it.
_WITH_STATEMENT = """
    (settled_by = 'instruction' OR EXISTS (
        SELECT FROM payments.instruction_statement AS carried
        WHERE carried.tenant = charge.tenant AND carried.model = charge.model
            AND carried.statement_id = charge.charge_id::text)
    OR EXISTS (
        SELECT FROM settlement.statement AS next
        WHERE next.tenant = charge.tenant AND next.model = charge.model AND next.party_id = charge.party_id
            AND next.legal_entity = charge.legal_entity AND next.currency = charge.currency
            AND next.released_as_of IS NOT NULL AND NOT EXISTS (
                SELECT FROM payments.instruction_statement AS done
                WHERE done.tenant = next.tenant AND done.model = next.model
                    AND done.statement_id = next.statement_id)))
"""


def parties_with_charges(connection: Connection, tenant: str, model: str, as_of: date) -> list[str]:
    """The parties that have a booked charge to be settled by the day, or are paid back, in the order of their ids'
    bytes."""
    rows = connection.execute(
        f"""SELECT party FROM (SELECT party_id COLLATE "C" AS party {_due(tenant, model, as_of)}
            UNION ALL SELECT party_id COLLATE "C" {_back(tenant, model, as_of)}
            UNION ALL SELECT party_id COLLATE "C" {_shares(tenant, model, as_of)}) AS found GROUP BY 1 ORDER BY 1"""
    )
    return [str(party) for (party,) in rows]


def unsettled(connection: Connection, tenant: str, model: str, as_of: date, first: str, last: str) -> pa.Table:
    """The booked charges to be settled by the day, what is paid back, and what was shared, of the parties from `first`
    to `last`: CHARGES rows by id."""
    parties = f'party_id COLLATE "C" BETWEEN {literal(first)} AND {literal(last)}'
    query = f"""
        SELECT charge_id::text, settled_by = 'instruction', role, party_id, legal_entity, currency,
            CASE direction WHEN 'pay' THEN amount_minor ELSE -amount_minor END::numeric(38, 0), false,
            false
        {_due(tenant, model, as_of)} AND {parties} AND {_WITH_STATEMENT}
        UNION ALL
        SELECT pay_back_id::text, true, split_part(party_id, ':', 1), party_id, legal_entity, currency,
            back.amount_minor::numeric(38, 0), true, false
        {_back(tenant, model, as_of)} AND {parties}
        UNION ALL
        SELECT charge_id::text, false, split_part(party_id, ':', 1), party_id, legal_entity, currency, amount_minor,
            false, true
        {_shares(tenant, model, as_of)} AND {parties} AND {_WITH_STATEMENT}
        ORDER BY 1
    """
    return copy_out(connection, query, CHARGES)


def _due(tenant: str, model: str, as_of: date, charges: str = "non_order.charge") -> str:
    where = f"charge.tenant = {literal(tenant)} AND charge.model = {literal(model)}"
    return _DUE.format(charges=charges, where=where, as_of=f"DATE {literal(as_of.isoformat())}")


def _back(tenant: str, model: str, as_of: date) -> str:
    where = f"back.tenant = {literal(tenant)} AND back.model = {literal(model)}"
    return _BACK.format(where=where, as_of=f"DATE {literal(as_of.isoformat())}")


#: What parties have by shares of customers' payments goes with their next statement, as a charge does.
_SHARED = """(SELECT tenant, model, entry_id AS charge_id, party_id, legal_entity, currency, amount_minor,
    as_of AS booked_on, 'statement' AS settled_by, 'booked' AS state
    FROM payments.share_entry WHERE party_id IS NOT NULL)"""


def _shares(tenant: str, model: str, as_of: date) -> str:
    return _due(tenant, model, as_of, _SHARED)


#: Paid in: collected for good; or kept back from what the party was to be paid, which went out or is on its way.
_DEPOSITS = """
    SELECT charge.party_id, charge.account AS kind, charge.legal_entity, charge.currency,
        coalesce(sum(charge.amount_minor) FILTER (WHERE charge.kind = charge.account AND charge.state = 'booked'),
            0)::bigint AS owed_minor,
        coalesce(sum(charge.amount_minor) FILTER (WHERE charge.kind = charge.account AND charge.state = 'booked'
            AND (side.outcome = 'zero' OR paying.direction = 'pay' OR paying.booking = 'paid')), 0)::bigint
            AS paid_in_minor,
        coalesce(sum(charge.amount_minor) FILTER (WHERE charge.kind <> charge.account
            AND charge.state <> 'declined'), 0)::bigint AS given_back_minor
    FROM non_order.charge AS charge
        LEFT JOIN payments.instruction_statement AS side ON side.tenant = charge.tenant AND side.model = charge.model
            AND side.statement_id = charge.charge_id::text AND side.outcome <> 'carried'
        LEFT JOIN payments.instruction AS paying ON paying.tenant = side.tenant AND paying.model = side.model
            AND paying.instruction_id = side.instruction_id
    WHERE charge.tenant = %(tenant)s AND charge.model = %(model)s AND charge.account = ANY(%(kinds)s)
        AND (%(party)s::text IS NULL OR charge.party_id = %(party)s)
        AND (%(without)s::uuid IS NULL OR charge.charge_id <> %(without)s)
    GROUP BY 1, 2, 3, 4 ORDER BY charge.party_id COLLATE "C", 2, 3, 4
"""


def deposits(
    connection: Connection,
    tenant: str,
    model: str,
    kinds: Sequence[str],
    party: str | None = None,
    without: object = None,
) -> list[dict[str, Any]]:
    """What parties have paid in of the kinds and got back: rows as a Deposit, by party, kind, entity and currency.

    `without`: the id of a charge that is left out.
    """
    asked = {"tenant": tenant, "model": model, "kinds": list(kinds), "party": party, "without": without}
    with connection.cursor(row_factory=dict_row) as rows:
        return rows.execute(_DEPOSITS, asked).fetchall()


def standings(connection: Connection, tenant: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What became of charges, by their ids: outcome, instruction_id, direction, state (of the instruction)."""
    with connection.cursor(row_factory=dict_row) as rows:
        found = rows.execute(
            """SELECT side.statement_id, side.outcome, side.instruction_id, paying.direction, paying.state
            FROM payments.instruction_statement AS side
                LEFT JOIN payments.instruction AS paying USING (tenant, model, instruction_id)
            WHERE side.tenant = %s AND side.statement_id = ANY(%s) ORDER BY side.statement_id, side.outcome""",
            (tenant, list(ids)),
        ).fetchall()
    return {row.pop("statement_id"): row for row in found}
