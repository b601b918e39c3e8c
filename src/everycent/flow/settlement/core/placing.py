"""Which statement each end of an obligation stands on."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.money.cycle import Cycle, Length
from everycent.flow.parties.contract import escaped_sql
from everycent.flow.settlement.core.plan import SettlementPlan

#: The group of charges that are in none.
NO_GROUP = "''"


def statement_id_sql(model: str, party: str, period: str, group: str = NO_GROUP) -> str:
    """DuckDB expression of `<model>/<party_id>/<period>/<currency>/<legal_entity>`, the last with "/" escaped; and of
    the group of charges that it has alone, `/<group>`."""
    parts = (literal(model), party, period, "currency", escaped_sql("legal_entity"))
    ident = " || '/' || ".join(parts)
    return ident if group == NO_GROUP else f"{ident} || CASE WHEN {group} = '' THEN '' ELSE '/' || {group} END"


def group_sql(plan: SettlementPlan, party: str, agreed: str | None = None) -> str:
    """DuckDB expression of the group of column `charge` on the statements of the party in column `party`; empty where
    it is in none. `agreed`: the column with the words of its contract, which go before the model's."""
    if not plan.groups_charges:
        return NO_GROUP
    cases = [
        f"WHEN split_part({party}, ':', 1) = {literal(role.role)} AND charge IN ({', '.join(map(literal, charges))})"
        f" THEN {literal(name)}"
        for role in plan.roles
        for name, charges in role.charge_groups
    ]
    declared = f"CASE {' '.join(cases)} ELSE '' END" if cases else NO_GROUP
    if agreed is None:
        return f"({declared})"
    own = f"coalesce({agreed} ->> ('$.charge_groups.' || charge), '')"
    return f"(CASE WHEN json_exists({agreed}, '$.charge_groups') THEN {own} ELSE {declared} END)"


def placing_sql(plan: SettlementPlan, party: str) -> str:
    """DuckDB expression of the statement that the party in column `party` sees; NULL on the operator's own books.

    Reads the columns that `period_columns` adds. A party of no known role stops the query: a bug.
    """
    roles: dict[str, list[str]] = {}
    for role in plan.roles:
        roles.setdefault(_column(role.cycle), []).append(literal(role.role))
    cases = [
        f"WHEN split_part({party}, ':', 1) IN ({', '.join(names)})"
        f" THEN {statement_id_sql(plan.model, party, identifier(column), group_sql(plan, party))}"
        for column, names in roles.items()
    ]
    if plan.operators:
        cases.append(f"WHEN {party} IN ({', '.join(literal(role) for role in plan.operators)}) THEN NULL")
    assert cases, "a model has party roles"
    return f"CASE {' '.join(cases)} ELSE error('no statement is planned for party ' || {party}) END"


def period_columns(plan: SettlementPlan, booked_on: pa.ChunkedArray) -> dict[str, pa.Array]:
    """For each way in use to gather days, the label of each row's period: dictionary arrays, computed once a day."""
    assert booked_on.null_count == 0, "every obligation is booked on a day"
    encoded = pc.dictionary_encode(booked_on.combine_chunks())
    days = encoded.dictionary.to_numpy(zero_copy_only=False).astype("datetime64[D]")
    cycles = {_column(role.cycle): role.cycle for role in plan.roles}
    return {
        column: pa.DictionaryArray.from_arrays(encoded.indices, _texts(cycle.period_labels(days)))
        for column, cycle in cycles.items()
    }


def periods_of(plan: SettlementPlan, booked_on: pa.ChunkedArray) -> pa.Table:
    """One row per role and distinct day that its cycle has: role, mode, booked_on, period, period_first, period_last,
    closes_on."""
    rows: dict[str, list[object]] = {name: [] for name in _PERIODS.names}
    for day in sorted(pc.unique(booked_on).to_pylist()):
        for role in plan.roles:
            if not role.cycle.has(day):
                continue
            period = role.cycle.period(day)
            closes_on = role.cycle.closes_on(period, role.ready_after)
            assert period.first <= day <= period.last < closes_on, f"{role.role}: {period} would close on {closes_on}"
            values = (role.role, role.mode, day, period.label, period.first, period.last, closes_on)
            for name, value in zip(_PERIODS.names, values, strict=True):
                rows[name].append(value)
    return pa.table(rows, schema=_PERIODS)


def refuse_past_calendars(plan: SettlementPlan, pairs: pa.Table, own: pa.Table, engine: LocalEngine) -> None:
    """Raises PastTheCalendar where one of `pairs` (party_id, booked_on), which has no days of its `own` (AGREED_DAY
    rows), is of a role whose calendar does not hold that day."""
    for role in plan.roles:
        if role.cycle.length is not Length.CALENDAR:
            continue
        without = [day for day in pc.unique(pairs["booked_on"]).to_pylist() if not role.cycle.has(day)]
        if not without:
            continue
        found = engine.query(
            f"""SELECT booked_on FROM pairs ANTI JOIN own USING (party_id, booked_on)
            WHERE split_part(party_id, ':', 1) = {literal(role.role)} ORDER BY booked_on""",
            pairs=pairs,
            own=own,
        )
        for day in found["booked_on"].to_pylist():
            role.cycle.period(day)


_PERIODS = pa.schema(
    [
        ("role", pa.string()),
        ("mode", pa.string()),
        ("booked_on", pa.date32()),
        ("period", pa.string()),
        ("period_first", pa.date32()),
        ("period_last", pa.date32()),
        ("closes_on", pa.date32()),
    ]
)


def _column(cycle: Cycle) -> str:
    return f"period {cycle.gathers}"


def _texts(labels: np.ndarray) -> pa.Array:
    return pa.array(labels, pa.string())
