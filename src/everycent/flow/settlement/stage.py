"""Settlement's stage: obligations → obligations with their statements, and what each statement accrues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.settlement.contract import ACCRUAL
from everycent.flow.settlement.core.agreed import AGREED_DAY, agree, pairs_of
from everycent.flow.settlement.core.placing import (
    group_sql,
    period_columns,
    periods_of,
    placing_sql,
    refuse_past_calendars,
    statement_id_sql,
)
from everycent.flow.settlement.core.plan import SettlementPlan, plan_settlement
from everycent.flow.settlement.core.table_of_periods import CalendarRefused, read_periods
from everycent.flow.settlement.core.turns import own_days, turns_of

__all__ = [
    "Accrued",
    "CalendarRefused",
    "SettlementPlan",
    "accrue",
    "plan_settlement",
    "read_periods",
    "under_contracts",
    "with_events",
]


@dataclass(frozen=True)
class Accrued:
    """What a batch settles.

    `obligations`: the OBLIGATION rows in the order given, both statements filled in. `accruals`: ACCRUAL rows ordered
    by statement_id.
    """

    obligations: pa.Table
    accruals: pa.Table


def under_contracts(plan: SettlementPlan, contracts: pa.Table, engine: LocalEngine) -> SettlementPlan:
    """The plan with the terms of parties' contracts (CONTRACT_PERIOD rows), which go before the model's."""
    return replace(plan, agreed=agree(plan.roles, contracts, engine))


def with_events(plan: SettlementPlan, ends: Mapping[str, Sequence[date]]) -> SettlementPlan:
    """The plan with the periods that events ended: by party, their days, ascending."""
    return replace(plan, turns=turns_of(ends))


def accrue(plan: SettlementPlan, obligations: pa.Table, engine: LocalEngine) -> Accrued:
    """Places each obligation (OBLIGATION rows) on both its ends' statements; adds up what each statement accrues.

    Raises PastTheCalendar where a day is in no period of a calendar that a table gives.
    """
    OBLIGATION.check(obligations)
    if obligations.num_rows == 0:
        return Accrued(obligations, ACCRUAL.empty())
    own = AGREED_DAY.empty_table()
    if plan.agreed.num_rows or plan.turns.num_rows:
        apart = pa.concat_tables([plan.agreed.select(["party_id"]), plan.turns.select(["party_id"])])
        own = own_days(plan, pairs_of(apart, obligations, engine), engine)
    days = pc.unique(obligations["booked_on"]).to_pylist()
    if any(not role.cycle.has(day) for role in plan.roles for day in days):
        refuse_past_calendars(plan, pairs_of(_parties(obligations), obligations, engine), own, engine)
    placed = _place(plan, obligations, own, engine)
    accruals = _accruals(plan, obligations, own, engine)
    ends = 2 * placed.num_rows - placed["debtor_statement"].null_count - placed["creditor_statement"].null_count
    assert pc.sum(accruals["obligations"]).as_py() in (ends, None), "an end of an obligation is on no statement"
    assert placed.num_rows == obligations.num_rows, "placing makes and loses no obligation"
    return Accrued(OBLIGATION.check(placed), ACCRUAL.check(accruals))


def _parties(obligations: pa.Table) -> pa.Table:
    """Each party at an end of an obligation, once: party_id."""
    ends = pa.chunked_array([*obligations["creditor"].chunks, *obligations["debtor"].chunks])
    return pa.table({"party_id": pc.unique(ends)})


def _place(plan: SettlementPlan, obligations: pa.Table, own: pa.Table, engine: LocalEngine) -> pa.Table:
    """`own`: AGREED_DAY rows of the parties that have contracts, or periods that events end."""
    given = obligations.select(["debtor", "creditor", "charge", "currency", "legal_entity"])
    for name, labels in period_columns(plan, obligations["booked_on"]).items():
        given = given.append_column(name, labels)
    if own.num_rows == 0:
        # A projection alone: the engine keeps the order of rows, so the answer stands beside the rows asked about.
        sql = f"""
            SELECT {placing_sql(plan, "debtor")} AS debtor_statement,
                {placing_sql(plan, "creditor")} AS creditor_statement
            FROM given
        """
        statements = engine.query(sql, given=given)
    else:
        given = given.append_column("booked_on", obligations["booked_on"])
        given = given.append_column("row_no", pa.array(range(given.num_rows), pa.int64()))
        statements = engine.query(_agreed_placing_sql(plan), given=given, own=own)
    for name in ("debtor_statement", "creditor_statement"):
        at = obligations.column_names.index(name)
        obligations = obligations.set_column(at, OBLIGATION.columns.field(name), statements[name])
    return obligations


def _agreed_placing_sql(plan: SettlementPlan) -> str:
    """As `placing_sql`, after what is agreed with each party for the day."""

    def placed(end: str) -> str:
        group = group_sql(plan, end, f"{end}_agreed.agreed")
        agreed = statement_id_sql(plan.model, end, f"{end}_agreed.period", group)
        return f"CASE WHEN {end}_agreed.period IS NULL THEN {placing_sql(plan, end)} ELSE {agreed} END"

    return f"""
        SELECT {placed("debtor")} AS debtor_statement, {placed("creditor")} AS creditor_statement
        FROM given
            LEFT JOIN own AS debtor_agreed
                ON debtor_agreed.party_id = debtor AND debtor_agreed.booked_on = given.booked_on
            LEFT JOIN own AS creditor_agreed
                ON creditor_agreed.party_id = creditor AND creditor_agreed.booked_on = given.booked_on
        ORDER BY row_no
    """


def _accruals(plan: SettlementPlan, obligations: pa.Table, own: pa.Table, engine: LocalEngine) -> pa.Table:
    names = ("mode", "period", "period_first", "period_last", "closes_on")
    terms = ", ".join([*(f"coalesce(own.{name}, periods.{name}) AS {name}" for name in names), "own.agreed"])
    charge = "charge" if plan.groups_charges else "'' AS charge"
    sql = f"""
        WITH side AS (
            SELECT creditor AS party_id, {charge}, booked_on, currency, legal_entity,
                sum(amount_minor) AS payable, CAST(0 AS HUGEINT) AS receivable, count(*) AS ends
            FROM obligations GROUP BY ALL
            UNION ALL
            SELECT debtor, {charge}, booked_on, currency, legal_entity, CAST(0 AS HUGEINT), sum(amount_minor), count(*)
            FROM obligations GROUP BY ALL
        ), ends AS (
            SELECT side.*, periods.role, {terms}, {group_sql(plan, "side.party_id", "own.agreed")} AS charge_group
            FROM side JOIN periods ON periods.role = split_part(side.party_id, ':', 1)
                    AND periods.booked_on = side.booked_on
                LEFT JOIN own ON own.party_id = side.party_id AND own.booked_on = side.booked_on
        )
        SELECT
            {statement_id_sql(plan.model, "party_id", "period", "charge_group")} AS statement_id,
            party_id, role, period, period_first, period_last, closes_on, currency, legal_entity, charge_group, mode,
            agreed,
            CAST(sum(payable) AS DECIMAL(38, 0)) AS payable_minor,
            CAST(sum(receivable) AS DECIMAL(38, 0)) AS receivable_minor,
            CAST(sum(ends) AS BIGINT) AS obligations,
            min(booked_on) AS booked_from
        FROM ends
        GROUP BY ALL
        ORDER BY statement_id
    """
    periods = periods_of(plan, obligations["booked_on"])
    return engine.query(sql, obligations=obligations, periods=periods, own=own).cast(ACCRUAL.columns)
