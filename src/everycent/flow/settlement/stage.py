"""Settlement's stage: obligations → obligations with their statements, and what each statement accrues."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.settlement.contract import ACCRUAL
from everycent.flow.settlement.core.placing import period_columns, periods_of, placing_sql, statement_id_sql
from everycent.flow.settlement.core.plan import SettlementPlan, plan_settlement

__all__ = ["Accrued", "SettlementPlan", "accrue", "plan_settlement"]


@dataclass(frozen=True)
class Accrued:
    """What a batch settles.

    `obligations`: the OBLIGATION rows in the order given, both statements filled in. `accruals`: ACCRUAL rows ordered
    by statement_id.
    """

    obligations: pa.Table
    accruals: pa.Table


def accrue(plan: SettlementPlan, obligations: pa.Table, engine: LocalEngine) -> Accrued:
    """Places each obligation (OBLIGATION rows) on both its ends' statements; adds up what each statement accrues."""
    OBLIGATION.check(obligations)
    if obligations.num_rows == 0:
        return Accrued(obligations, ACCRUAL.empty())
    placed = _place(plan, obligations, engine)
    accruals = _accruals(plan, obligations, engine)
    ends = 2 * placed.num_rows - placed["debtor_statement"].null_count - placed["creditor_statement"].null_count
    assert pc.sum(accruals["obligations"]).as_py() in (ends, None), "an end of an obligation is on no statement"
    assert placed.num_rows == obligations.num_rows, "placing makes and loses no obligation"
    return Accrued(OBLIGATION.check(placed), ACCRUAL.check(accruals))


def _place(plan: SettlementPlan, obligations: pa.Table, engine: LocalEngine) -> pa.Table:
    given = obligations.select(["debtor", "creditor", "currency", "legal_entity"])
    for name, labels in period_columns(plan, obligations["booked_on"]).items():
        given = given.append_column(name, labels)
    # A projection alone: the engine keeps the order of rows, so the answer stands beside the rows asked about.
    sql = f"""
        SELECT {placing_sql(plan, "debtor")} AS debtor_statement, {placing_sql(plan, "creditor")} AS creditor_statement
        FROM given
    """
    statements = engine.query(sql, given=given)
    for name in ("debtor_statement", "creditor_statement"):
        at = obligations.column_names.index(name)
        obligations = obligations.set_column(at, OBLIGATION.columns.field(name), statements[name])
    return obligations


def _accruals(plan: SettlementPlan, obligations: pa.Table, engine: LocalEngine) -> pa.Table:
    sql = f"""
        WITH side AS (
            SELECT creditor AS party_id, booked_on, currency, legal_entity,
                sum(amount_minor) AS payable, CAST(0 AS HUGEINT) AS receivable, count(*) AS ends
            FROM obligations GROUP BY ALL
            UNION ALL
            SELECT debtor, booked_on, currency, legal_entity, CAST(0 AS HUGEINT), sum(amount_minor), count(*)
            FROM obligations GROUP BY ALL
        )
        SELECT
            {statement_id_sql(plan.model, "party_id", "period")} AS statement_id,
            party_id, role, period, period_first, period_last, closes_on, currency, legal_entity, mode,
            CAST(sum(payable) AS DECIMAL(38, 0)) AS payable_minor,
            CAST(sum(receivable) AS DECIMAL(38, 0)) AS receivable_minor,
            CAST(sum(ends) AS BIGINT) AS obligations,
            min(side.booked_on) AS booked_from
        FROM side JOIN periods ON periods.role = split_part(party_id, ':', 1) AND periods.booked_on = side.booked_on
        GROUP BY ALL
        ORDER BY statement_id
    """
    periods = periods_of(plan, obligations["booked_on"])
    return engine.query(sql, obligations=obligations, periods=periods).cast(ACCRUAL.columns)
