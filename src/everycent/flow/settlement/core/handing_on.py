"""What statements hand on as they close: a balance below 0 to the next, and a part that is held back for some days."""

from dataclasses import astuple, dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.flow.ledger.contract import PARTY_ACCOUNT, RESERVE_ACCOUNT, TAX_ACCOUNT, TRANSFER
from everycent.flow.settlement.contract import ACCRUAL, LINE, RATIO_ONE, STATEMENT, LineKind
from everycent.flow.settlement.core.placing import periods_of, refuse_past_calendars, statement_id_sql
from everycent.flow.settlement.core.plan import SettlementPlan
from everycent.flow.settlement.core.turns import own_days

#: The cause of lines' transfers in the ledger.
LINE_CAUSE = "statement line"


@dataclass(frozen=True)
class HandedOn:
    """`lines`: LINE rows by line_id. `opened`: ACCRUAL rows without obligations, of the open statements that lines
    stand on."""

    lines: pa.Table
    opened: pa.Table


def hand_on(
    plan: SettlementPlan, tenant: str, closing: pa.Table, held: pa.Table, open_on: date, engine: LocalEngine
) -> HandedOn:
    """What the statements of `closing` (STATEMENT rows) hand on, and what is released of what others `held` back.
    Of one party's statements that close together the earlier hands on to the later, and the last to the one that is
    open on `open_on`. `held`: RESERVE_HELD LINE rows that are not released.
    """
    STATEMENT.check(closing)
    terms, places = _terms(plan), _open_places(plan, closing, held, open_on, engine)
    given = closing.select(
        [*_KEPT, "role", "period_last", "mode", "agreed", "payable_minor", "receivable_minor", "lines_minor"]
    )
    ended = engine.query(_ended_sql(plan.model, open_on), closing=given, terms=terms, places=places)
    lines = engine.query(_lines_sql(plan.model, tenant, open_on), ended=ended, held=held, places=places)
    lines = LINE.check(lines.cast(LINE.columns))
    opened = engine.query(_opened_sql(plan.model, open_on), lines=lines, ended=ended, places=places)
    opened = opened.cast(ACCRUAL.columns)
    moved = pc.sum(lines["amount_minor"].filter(pc.is_in(lines["kind"], value_set=pa.array(_CARRIED)))).as_py()
    assert moved in (None, 0), "what is carried out of a statement is carried into another"
    return HandedOn(lines, opened)


_KEPT = ("statement_id", "party_id", "currency", "legal_entity", "charge_group")
_CARRIED = (LineKind.CARRIED_OUT.value, LineKind.CARRIED_IN.value)
_TERMS = pa.schema(
    [("role", pa.string()), ("carries", pa.bool_()), ("ratio", pa.int64()), ("reserve_days", pa.int32())]
)


def _terms(plan: SettlementPlan) -> pa.Table:
    """By role, what its statements hand on where their contracts say nothing else."""
    rows = [(role.role, *astuple(role.hands_on)) for role in plan.roles]
    return pa.table([list(column) for column in zip(*rows, strict=True)], schema=_TERMS)


def _open_places(
    plan: SettlementPlan, closing: pa.Table, held: pa.Table, open_on: date, engine: LocalEngine
) -> pa.Table:
    """By party, the period that is open for it, and its terms: party_id, role and AGREED_DAY's columns."""
    parties = engine.query(
        f"""SELECT DISTINCT party_id, DATE {literal(open_on.isoformat())} AS booked_on
        FROM (SELECT party_id FROM closing UNION ALL SELECT party_id FROM held)""",
        closing=closing.select(["party_id"]),
        held=held.select(["party_id"]),
    )
    own = own_days(plan, parties, engine)
    refuse_past_calendars(plan, parties, own, engine)
    names = ("mode", "period", "period_first", "period_last", "closes_on")
    terms = ", ".join([*(f"coalesce(own.{name}, periods.{name}) AS {name}" for name in names), "own.agreed"])
    return engine.query(
        f"""SELECT party_id, periods.role, {terms}
        FROM parties JOIN periods ON periods.role = split_part(party_id, ':', 1) LEFT JOIN own USING (party_id)""",
        parties=parties,
        periods=periods_of(plan, parties["booked_on"]),
        own=own,
    )


def _ended_sql(model: str, open_on: date) -> str:
    """How each closing statement ends. `carried`: below 0, what goes on to statement `next`. `held_back`: above 0.

    A balance that is carried from one to the next until it is made up is a sum that is held down at 0: the sum so far
    less the highest one so far.
    """
    window = """
            WINDOW one_by_one AS (PARTITION BY party_id, currency, legal_entity, charge_group, carries
                ORDER BY period_last, statement_id)"""
    return f"""
        WITH told AS (
            SELECT c.*, {statement_id_sql(model, "c.party_id", "places.period", "c.charge_group")} AS open_statement,
                coalesce(c.agreed ->> '$.negative' = 'carry', terms.carries) AS carries,
                CAST(coalesce(CAST(c.agreed ->> '$.reserve_ratio' AS DECIMAL(18, 8)) * {RATIO_ONE}, terms.ratio)
                    AS HUGEINT) AS ratio,
                CAST(DATE {literal(open_on.isoformat())} + CAST(coalesce(CAST(c.agreed ->> '$.reserve_days' AS INTEGER),
                    terms.reserve_days) AS INTEGER) AS DATE) AS release_on,
                CAST(CASE c.mode WHEN 'net' THEN payable_minor - receivable_minor ELSE payable_minor END AS HUGEINT)
                    AS own,
                CAST(lines_minor AS HUGEINT) AS lines
            FROM closing AS c JOIN terms USING (role) JOIN places USING (party_id)
        ), summed AS (
            SELECT *, sum(own + lines) OVER one_by_one AS total FROM told {window}
        ), carrying AS (
            SELECT *, CASE WHEN carries THEN total - greatest(0, max(total) OVER one_by_one) ELSE 0 END AS carried
            FROM summed {window}
        ), linked AS (
            SELECT *, own + lines + coalesce(lag(carried) OVER one_by_one, 0) - carried AS due,
                coalesce(lead(statement_id) OVER one_by_one, open_statement) AS next
            FROM carrying {window}
        )
        SELECT {", ".join(_KEPT)}, carried, next, release_on,
            least((greatest(own, 0) * ratio + {RATIO_ONE // 2}) // {RATIO_ONE}, greatest(due, 0)) AS held_back
        FROM linked
    """


def _lines_sql(model: str, tenant: str, open_on: date) -> str:
    named = f"concat_ws(chr(31), {literal(tenant)}, kind, statement_id, coalesce(other_statement, ''))"
    day = f"DATE {literal(open_on.isoformat())}"
    return f"""
        WITH kept AS (
            SELECT '{LineKind.RESERVE_HELD}' AS kind, -held_back AS amount, CAST(NULL AS VARCHAR) AS other_statement,
                release_on, {", ".join(_KEPT)}
            FROM ended WHERE held_back > 0
        ), free AS (
            SELECT statement_id, -amount AS amount, party_id, currency, legal_entity
            FROM (SELECT statement_id, CAST(amount_minor AS HUGEINT) AS amount, party_id, currency, legal_entity,
                    release_on FROM held
                UNION ALL SELECT statement_id, amount, party_id, currency, legal_entity, release_on FROM kept)
            WHERE release_on <= {day}
        ), line AS (
            SELECT '{LineKind.CARRIED_OUT}' AS kind, -carried AS amount, next AS other_statement,
                CAST(NULL AS DATE) AS release_on, {", ".join(_KEPT)}
            FROM ended WHERE carried < 0
            UNION ALL BY NAME
            SELECT '{LineKind.CARRIED_IN}' AS kind, carried AS amount, statement_id AS other_statement,
                next AS statement_id, party_id, currency, legal_entity
            FROM ended WHERE carried < 0
            UNION ALL BY NAME FROM kept
            UNION ALL BY NAME
            SELECT '{LineKind.RESERVE_RELEASED}' AS kind, amount, statement_id AS other_statement,
                {statement_id_sql(model, "party_id", "period")} AS statement_id, party_id, currency, legal_entity
            FROM free JOIN (SELECT party_id, period FROM places) USING (party_id)
        )
        SELECT CAST(substr(sha256({named}), 1, 32) AS UUID) AS line_id, statement_id, kind,
            CAST(amount AS DECIMAL(38, 0)) AS amount_minor, other_statement, party_id, currency, legal_entity,
            {day} AS as_of, release_on
        FROM line ORDER BY line_id
    """


def _opened_sql(model: str, open_on: date) -> str:
    columns = ", ".join(ACCRUAL.columns.names)
    return f"""
        WITH standing AS (
            SELECT DISTINCT statement_id, currency, legal_entity, charge_group, places.*,
                CAST(0 AS DECIMAL(38, 0)) AS payable_minor, CAST(0 AS DECIMAL(38, 0)) AS receivable_minor,
                CAST(0 AS BIGINT) AS obligations, DATE {literal(open_on.isoformat())} AS booked_from
            FROM (SELECT statement_id, party_id, currency, legal_entity, coalesce(charge_group, '') AS charge_group
                FROM lines LEFT JOIN (SELECT DISTINCT next AS statement_id, charge_group FROM ended)
                    USING (statement_id)) JOIN places USING (party_id)
            WHERE statement_id = {statement_id_sql(model, "party_id", "period", "charge_group")}
        )
        SELECT {columns} FROM standing ORDER BY statement_id
    """


def line_transfers(lines: pa.Table, engine: LocalEngine) -> pa.Table:
    """The TRANSFER rows of LINE rows. What is held back leaves its party's account for one of its own; what is carried
    stays where it is, since the party owes it on either statement. An added tax goes to its legal entity's."""
    party, reserve = f"{literal(PARTY_ACCOUNT)} || party_id", f"{literal(RESERVE_ACCOUNT)} || party_id"
    tax = f"{literal(TAX_ACCOUNT)} || legal_entity"
    query = f"""
        SELECT line_id AS transfer_id, as_of AS booked_on,
            CASE WHEN amount_minor < 0 THEN {party} ELSE other END AS debit_account,
            CASE WHEN amount_minor < 0 THEN other ELSE {party} END AS credit_account,
            abs(amount_minor) AS amount_minor, currency, {literal(LINE_CAUSE)} AS cause
        FROM (SELECT *, CASE kind WHEN '{LineKind.TAX_ADDED}' THEN {tax} ELSE {reserve} END AS other FROM lines)
        WHERE kind NOT IN ('{LineKind.CARRIED_OUT}', '{LineKind.CARRIED_IN}')
        ORDER BY transfer_id
    """
    return TRANSFER.check(engine.query(query, lines=lines).cast(TRANSFER.columns))


def with_lines(statements: pa.Table, lines: pa.Table, engine: LocalEngine) -> pa.Table:
    """STATEMENT rows with further LINE rows on them."""
    columns = ", ".join(
        "CAST(lines_minor + coalesce(added, 0) AS DECIMAL(38, 0)) AS lines_minor" if name == "lines_minor" else name
        for name in STATEMENT.columns.names
    )
    query = f"""
        SELECT {columns} FROM statements LEFT JOIN (
            SELECT statement_id, sum(CAST(amount_minor AS HUGEINT)) AS added FROM lines GROUP BY statement_id
        ) AS on_it USING (statement_id)
        ORDER BY statement_id
    """
    return engine.query(query, statements=statements, lines=lines).cast(STATEMENT.columns)
