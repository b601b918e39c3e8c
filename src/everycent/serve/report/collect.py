"""Collects a report from the stored tables, set-wise: what is decided from PostgreSQL, detail from both its tiers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import yaml

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.money.amount import grouped
from everycent.base.money.currency import currency
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.intake.contract import QUARANTINE, RECORD
from everycent.flow.rating.contract import HELD, RETRY, parked_sql
from everycent.serve.figures.asked import Asked, Figures
from everycent.serve.figures.collecting import NAMES, collected
from everycent.serve.report import detail
from everycent.serve.report.data import (
    ROWS_SHOWN,
    BreakRow,
    BucketRow,
    Check,
    InstructionRow,
    IntakeRow,
    ReasonRow,
    ReportData,
    StatementRow,
    StatementTotals,
    Total,
)


def collect(
    connection: Connection,
    details: Details,
    engine: LocalEngine,
    tenant: str,
    model_name: str,
    checks: Sequence[Check] = (),
) -> ReportData:
    """All that the report shows of one model; `checks` are the verifier's findings, none where it was not asked.

    Raises LookupError where the database holds no model of this name.
    """
    who = (tenant, model_name)
    code, version = _model(connection, who)
    details.attach(engine, "report_obligations", OBLIGATION, model_name, columns=detail.OBLIGATION_COLUMNS)
    details.attach(engine, "report_record", RECORD, model_name, columns=["record_id", "business_date"])
    details.attach(engine, "report_quarantine", QUARANTINE, model_name, columns=detail.QUARANTINE_COLUMNS)
    details.attach(engine, "report_held_row", HELD, model_name)
    details.attach(engine, "report_retry", RETRY, model_name)
    engine.connection.execute(f"CREATE OR REPLACE VIEW report_held AS {parked_sql('report_held_row', 'report_retry')}")
    compared = (found for (found,) in connection.execute(_RECON_CURRENCIES, {"tenant": tenant, "model": model_name}))
    others = sorted({*detail.currencies(engine), *compared} - {code})
    held = detail.held(engine, details, model_name)
    asked = Asked(tenant, model_name, by="role")
    now = datetime.now(UTC)
    figures = [collected(connection, details, engine, name, asked, now) for name in NAMES]
    first, *rest = (_collect(connection, engine, who, version, each, checks, held, figures) for each in (code, *others))
    return replace(first, others=tuple(rest))


def _collect(
    connection: Connection,
    engine: LocalEngine,
    model: tuple[str, str],
    version: str,
    code: str,
    checks: Sequence[Check],
    held: tuple[ReasonRow, ...],
    figures: Sequence[Figures],
) -> ReportData:
    """What there is in one currency."""
    who = (*model, code)
    named = {"tenant": model[0], "model": model[1], "currency": code}
    engine.connection.execute(
        f"CREATE OR REPLACE VIEW report_obligation AS SELECT * FROM report_obligations WHERE currency = {literal(code)}"
    )
    first_day, last_day = detail.days(engine)
    intake = _intake(connection, model)
    parties, parties_total = detail.parties(engine)
    return ReportData(
        model=model[1],
        model_version=version,
        tenant=model[0],
        currency=code,
        exponent=currency(code).exponent,
        first_day=first_day,
        last_day=last_day,
        records=sum(row.accepted for row in intake),
        checks=tuple(checks),
        intake=intake,
        set_aside=detail.set_aside(engine),
        held=held,
        flows=detail.flows(engine),
        standings=detail.standings(engine, _outcomes(connection, who), _paid(connection, who)),
        parties=parties,
        parties_total=parties_total,
        statements=_statements(connection, who),
        statements_by_state=_statement_totals(connection, who),
        instructions=_instructions(connection, who),
        instructions_by_direction=_totals(connection, _DIRECTIONS, who),
        buckets=tuple(BucketRow(*_whole(row)) for row in connection.execute(_BUCKETS, named)),
        breaks=_breaks(connection, named),
        breaks_by_scenario={name: int(rows) for name, rows in connection.execute(_BREAK_COUNTS, named)},
        others=(),
        refused=tuple(ReasonRow(row[0], row[1], int(row[2]), row[3]) for row in connection.execute(_REFUSED, named)),
        figures={each.name: each.of(code) for each in figures},
    )


def _whole(row: Sequence[Any]) -> list[Any]:
    """PostgreSQL's numeric comes as Decimal; amounts are whole minor units."""
    return [int(value) if isinstance(value, Decimal) else value for value in row]


def _model(connection: Connection, who: tuple[str, str]) -> tuple[str, str]:
    """The model's currency, and its newest version with the beginning of its hash."""
    row = connection.execute(
        "SELECT source, model_version FROM platform.model_version WHERE tenant = %s AND model = %s"
        " ORDER BY recorded_at DESC LIMIT 1",
        who,
    ).fetchone()
    if row is None:
        raise LookupError(f"there is nothing of a model '{who[1]}' in the database; run it first: everycent run MODEL")
    source: dict[str, str] = yaml.load(row[0], yaml.CBaseLoader)
    return source["currency"], f"{source['version']} · {row[1][:12]}"


def _intake(connection: Connection, who: tuple[str, str]) -> tuple[IntakeRow, ...]:
    rows = connection.execute(
        "SELECT source_file, kind, sum(rows_read), sum(accepted), sum(duplicates), sum(conflicts), sum(quarantined)"
        " FROM platform.batch WHERE tenant = %s AND model = %s AND source_file <> ''"
        " GROUP BY source_file, kind ORDER BY min(batch_no)",
        who,
    )
    return tuple(IntakeRow(*_whole(row)) for row in rows)


def _outcomes(connection: Connection, who: tuple[str, str, str]) -> list[tuple[str, str, bool]]:
    """Each statement, its mode, and whether its payable side was instructed (not carried, nor open, nor zero)."""
    rows = connection.execute(
        "SELECT s.statement_id, s.mode, coalesce(bool_or(o.outcome = 'instructed'), false)"
        " FROM settlement.statement s LEFT JOIN payments.instruction_statement o"
        " ON (o.tenant, o.model, o.statement_id) = (s.tenant, s.model, s.statement_id) AND o.side <> 'receivable'"
        " WHERE s.tenant = %s AND s.model = %s AND s.currency = %s"
        " GROUP BY s.statement_id, s.mode ORDER BY s.statement_id",
        who,
    )
    return [(statement, mode, paid) for statement, mode, paid in rows]


def _paid(connection: Connection, who: tuple[str, str, str]) -> dict[str, int]:
    rows = connection.execute(
        "SELECT role, sum(amount_minor) FROM payments.instruction"
        " WHERE tenant = %s AND model = %s AND currency = %s AND direction = 'pay' GROUP BY role ORDER BY role",
        who,
    )
    return {role: int(amount) for role, amount in rows}


def _statements(connection: Connection, who: tuple[str, str, str]) -> tuple[StatementRow, ...]:
    rows = connection.execute(
        "SELECT statement_id, party_id, period, state, closes_on, obligations, payable_minor, receivable_minor,"
        " net_minor + lines_minor FROM settlement.statement WHERE tenant = %s AND model = %s AND currency = %s"
        " ORDER BY abs(net_minor + lines_minor) DESC, statement_id LIMIT %s",
        (*who, ROWS_SHOWN),
    )
    return tuple(StatementRow(*_whole(row)) for row in rows)


#: Above 0 is owed to the party, below it by the party.
_STATES = """
    WITH due AS (
        SELECT statement_id, state, net_minor + lines_minor AS due_minor FROM settlement.statement
        WHERE tenant = %(tenant)s AND model = %(model)s AND currency = %(currency)s AND mode = 'net'
        UNION ALL
        SELECT statement_id, state, unnest(ARRAY[payable_minor + lines_minor, -receivable_minor])
        FROM settlement.statement
        WHERE tenant = %(tenant)s AND model = %(model)s AND currency = %(currency)s AND mode = 'gross'
    )
    SELECT state, count(DISTINCT statement_id), coalesce(sum(due_minor) FILTER (WHERE due_minor > 0), 0),
        -coalesce(sum(due_minor) FILTER (WHERE due_minor < 0), 0)
    FROM due GROUP BY state ORDER BY state
"""

_DIRECTIONS = (
    "SELECT direction, count(*), sum(amount_minor) FROM payments.instruction WHERE tenant = %s AND model = %s"
    " AND currency = %s GROUP BY direction ORDER BY direction DESC"
)


def _statement_totals(connection: Connection, who: tuple[str, str, str]) -> dict[str, StatementTotals]:
    rows = connection.execute(_STATES, dict(zip(("tenant", "model", "currency"), who, strict=True)))
    return {state: StatementTotals(*map(int, totals)) for state, *totals in rows}


def _totals(connection: Connection, query: str, who: tuple[str, str, str]) -> dict[str, Total]:
    return {name: Total(int(rows), int(amount)) for name, rows, amount in connection.execute(query, who)}


def _instructions(connection: Connection, who: tuple[str, str, str]) -> tuple[InstructionRow, ...]:
    rows = connection.execute(_INSTRUCTIONS, (*who, ROWS_SHOWN))
    return tuple(InstructionRow(*_whole(row)) for row in rows)


#: A report goes to many: of an account's number it shows what a verified one's shows.
_INSTRUCTIONS = """
    SELECT instruction_id::text, party_id, direction, channel,
        CASE WHEN account IS NULL THEN '' WHEN account_id IS NOT NULL THEN account
            WHEN length(account) < 8 THEN '****' ELSE '****' || right(account, 4) END,
        state, amount_minor
    FROM payments.instruction WHERE tenant = %s AND model = %s AND currency = %s
    ORDER BY amount_minor DESC, instruction_id LIMIT %s
"""

#: The newest run of each scenario.
_NEWEST = """
    WITH newest AS (
        SELECT DISTINCT ON (scenario) tenant, model, run_id, scenario, currency FROM recon.run
        WHERE tenant = %(tenant)s AND model = %(model)s ORDER BY scenario, run_no DESC
    )
"""

_RECON_CURRENCIES = f"""{_NEWEST}
    SELECT currency FROM newest
    UNION SELECT c.currency FROM newest JOIN recon.total_currency AS c USING (tenant, model, run_id) ORDER BY 1
"""

#: Of several currencies nobody counts the keys.
_BUCKETS = f"""{_NEWEST},
    several AS (SELECT scenario, c.* FROM newest JOIN recon.total_currency AS c USING (tenant, model, run_id))
    SELECT scenario, bucket, keys, left_rows, right_rows, left_minor, right_minor
    FROM newest JOIN recon.total USING (tenant, model, run_id)
    WHERE currency = %(currency)s AND run_id NOT IN (SELECT run_id FROM several)
    UNION ALL
    SELECT scenario, bucket, NULL, left_rows, right_rows, left_minor, right_minor FROM several
    WHERE currency = %(currency)s
    ORDER BY scenario, bucket
"""

#: Those in several currencies are shown among those of the run's own.
_FOUND = f"""{_NEWEST},
    told AS (
        SELECT scenario, currency, b.*, left_currency, right_currency, left_amounts, right_amounts,
               m.run_id IS NOT NULL AS others,
               num_nonnulls(left_amounts, right_amounts) > 0 OR left_currency <> right_currency AS several
        FROM newest JOIN recon.break AS b USING (tenant, model, run_id)
        LEFT JOIN recon.break_currency AS m USING (tenant, model, run_id, finding_no)
    ),
    found AS (
        SELECT * FROM told WHERE %(currency)s = CASE
            WHEN others AND several IS NOT TRUE THEN coalesce(left_currency, right_currency) ELSE currency END
    )
"""

_BREAK_COUNTS = f"{_FOUND} SELECT scenario, count(*) FROM found GROUP BY scenario ORDER BY scenario"

_REFUSED = f"""{_NEWEST}
    SELECT scenario, reason, count(*), min(source_file || ':' || source_line)
    FROM newest JOIN recon.refused USING (tenant, model, run_id) WHERE currency = %(currency)s
    GROUP BY scenario, reason ORDER BY scenario, count(*) DESC, reason LIMIT {ROWS_SHOWN}
"""

_BREAKS = f"""{_FOUND}
    SELECT scenario, bucket, cause, key,
           coalesce(right_file || ':' || right_line, left_file || ':' || left_line, ''),
           left_amount_minor, right_amount_minor, coalesce(left_status, ''), coalesce(right_status, ''),
           difference_minor, several, coalesce(left_amounts, left_currency), coalesce(right_amounts, right_currency)
    FROM (
        SELECT *, row_number() OVER (
            PARTITION BY scenario ORDER BY several NULLS FIRST, abs(difference_minor) DESC, bucket, key, finding_no
        ) AS place
        FROM found
    ) AS ranked
    WHERE place <= {ROWS_SHOWN} ORDER BY scenario, place
"""


def _breaks(connection: Connection, who: Mapping[str, str]) -> tuple[BreakRow, ...]:
    return tuple(_break(*_whole(row)) for row in connection.execute(_BREAKS, who))


def _break(*row: Any) -> BreakRow:
    *told, several, left_in, right_in = row
    if not several:
        return BreakRow(*told)
    at = BreakRow._fields.index
    sides = (_said(told[at("left_minor")], left_in), _said(told[at("right_minor")], right_in))
    said = " | ".join(side for side in sides if side)
    return BreakRow(*told)._replace(left_minor=None, right_minor=None, difference_minor=None, in_several=said)


def _said(minor: int | None, held: str | None) -> str:
    """What a side has, with its currency; `held`: the code, or of several minor units by code, as a JSON object."""
    if minor is None or held is None:
        return ""
    amounts = json.loads(held) if held.startswith("{") else {held: minor}
    return " + ".join(f"{grouped(int(part), currency(code).exponent)} {code}" for code, part in amounts.items())
