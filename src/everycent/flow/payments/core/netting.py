"""From closed statements to what is to be paid or collected, one amount per party, legal entity, currency and side."""

from datetime import date

import pyarrow as pa

from everycent.base.engine.sql import literal
from everycent.flow.payments.core.plan import PaymentPlan

#: `statement`: closed STATEMENT rows. `settled`: sides (statement_id, side) that have an outcome for good.
#: A side's amount is signed: above 0 is owed to the party. Lines beside obligations stand on the payable side. `apart`:
#: what it is not netted with others of, else empty.
PARTS_SQL = """
    SELECT statement_id, side, role, party_id, legal_entity, currency, amount_minor, '' AS apart, false AS pays_back,
        period_last,
        CAST(agreed ->> ('$.minimum_minor.' || currency) AS HUGEINT) AS agreed_minimum
    FROM (
        SELECT *, 'net' AS side, payable_minor - receivable_minor + lines_minor AS amount_minor
        FROM statement WHERE mode = 'net'
        UNION ALL
        SELECT *, 'payable' AS side, payable_minor + lines_minor AS amount_minor FROM statement WHERE mode = 'gross'
        UNION ALL
        SELECT *, 'receivable' AS side, -receivable_minor AS amount_minor FROM statement WHERE mode = 'gross'
    ) AS part
    ANTI JOIN settled USING (statement_id, side)
"""


#: `charge`: non-order charges, and what is paid back (CHARGES of charge_store). Those that go with a statement
#: take the side that its party's parts have; without such a part they wait. What was shared is an advance on what the
#: party is owed, so it is taken off that.
CHARGE_PARTS_SQL = """
    WITH stood AS (
        SELECT party_id, legal_entity, currency, bool_or(side = 'net') AS netted FROM part GROUP BY ALL
    ), sided AS (
        SELECT *, CASE WHEN shared OR amount_minor > 0 THEN 'payable' ELSE 'receivable' END AS own_side FROM charge
    )
    SELECT statement_id, own_side AS side, role, party_id, legal_entity, currency, amount_minor, statement_id AS apart,
        pays_back, CAST(NULL AS DATE) AS period_last, CAST(NULL AS HUGEINT) AS agreed_minimum
    FROM sided WHERE sided.apart
    UNION ALL
    SELECT statement_id, CASE WHEN netted THEN 'net' ELSE own_side END, role, party_id, legal_entity, currency,
        amount_minor, '', false, NULL, NULL
    FROM sided JOIN stood USING (party_id, legal_entity, currency) WHERE NOT sided.apart
    ORDER BY statement_id
"""


def groups_sql(tenant: str, model: str, as_of: date, reopenings: int) -> str:
    """The groups of table `part` with `total_minor`, `outcome`, `direction` and `instruction_id`.

    A group below its minimum is carried, what stands apart never: that of the contract of its last statement, else its
    role's. The id derives from all that the group pays, its statements included, so the same closing gives the same
    ids, and two closings on one day do not meet. What is instructed anew after `reopenings` (how many sides of
    statements were opened so far) gets another id than before.
    """
    occasion = f"{as_of.isoformat()}#{reopenings}" if reopenings else as_of.isoformat()
    head = f"concat_ws(chr(31), {literal(tenant)}, {literal(model)}, {literal(occasion)}"
    return f"""
        WITH summed AS (
            SELECT role, party_id, legal_entity, currency, side, apart, bool_or(pays_back) AS pays_back,
                sum(amount_minor) AS total_minor,
                first(agreed_minimum ORDER BY period_last DESC NULLS LAST, statement_id DESC) AS agreed_minimum,
                string_agg(statement_id, chr(31) ORDER BY statement_id) AS statements
            FROM part GROUP BY ALL
        ), decided AS (
            SELECT summed.*,
                CASE WHEN total_minor > 0 THEN 'pay' WHEN total_minor < 0 THEN 'collect' END AS direction,
                CASE WHEN total_minor = 0 THEN 'zero'
                    WHEN apart = '' AND abs(total_minor) < coalesce(agreed_minimum, payout.minimum_minor) THEN 'carried'
                    ELSE 'instructed' END AS outcome
            FROM summed JOIN payout USING (role, currency)
        )
        SELECT * EXCLUDE (statements),
            CASE WHEN outcome = 'instructed' THEN CAST(substr(sha256({head},
                party_id, direction, legal_entity, currency, side, statements)), 1, 32) AS UUID) END AS instruction_id
        FROM decided
    """


def payout_table(plan: PaymentPlan) -> pa.Table:
    """The plan's roles as a table: role, currency, minimum_minor."""
    rows = [
        {"role": role.role, "currency": code, "minimum_minor": minimum}
        for role in plan.roles
        for code, minimum in role.minimum_minor.items()
    ]
    return pa.Table.from_pylist(rows, schema=_PAYOUT)


_PAYOUT = pa.schema([("role", pa.string()), ("currency", pa.string()), ("minimum_minor", pa.int64())])
