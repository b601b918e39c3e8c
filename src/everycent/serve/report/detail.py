"""What the report takes from the detail tables, by DuckDB over both tiers; the views are attached by collect."""

from collections.abc import Mapping
from datetime import date

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.details import Details
from everycent.flow.intake.contract import RECORD
from everycent.serve.report.data import ROWS_SHOWN, FlowRow, PartyRow, ReasonRow, StandingRow, Total

OBLIGATION_COLUMNS = (
    "charge", "debtor", "creditor", "amount_minor", "currency", "refund_of", "debtor_statement", "creditor_statement",
)  # fmt: skip
QUARANTINE_COLUMNS = ("source_file", "source_line", "outcome", "reason", "record_id")


def days(engine: LocalEngine) -> tuple[date | None, date | None]:
    """The first and the last business day on record."""
    query = "SELECT min(business_date), max(business_date) FROM report_record"
    [(first, last)] = engine.connection.sql(query).fetchall()
    return first, last


def currencies(engine: LocalEngine) -> list[str]:
    """The currencies that anything is owed in."""
    rows = engine.connection.sql("SELECT DISTINCT currency FROM report_obligations ORDER BY 1").fetchall()
    return [code for (code,) in rows]


def flows(engine: LocalEngine) -> tuple[FlowRow, ...]:
    """Who owes whom for what, by role; a refund's obligations are negative."""
    rows = engine.connection.sql(
        """
        SELECT split_part(debtor, ':', 1) AS debtor, charge, split_part(creditor, ':', 1) AS creditor, count(*),
               coalesce(sum(amount_minor) FILTER (refund_of IS NULL), 0) AS charged,
               -coalesce(sum(amount_minor) FILTER (refund_of IS NOT NULL), 0) AS refunded
        FROM report_obligation GROUP BY ALL ORDER BY charged DESC, charge, debtor, creditor
        """
    ).fetchall()
    return tuple(FlowRow(*row) for row in rows)


#: Both ends of each obligation, gathered by book: a party's statement, or an operator's own books.
_SIDES = """
    SELECT creditor AS party, creditor_statement AS statement_id, amount_minor AS credit, 0 AS debit,
           CASE WHEN refund_of IS NULL THEN amount_minor ELSE 0 END AS charged
    FROM report_obligation
    UNION ALL
    SELECT debtor, debtor_statement, 0, amount_minor, 0 FROM report_obligation
"""


def standings(
    engine: LocalEngine, outcomes: list[tuple[str, str, bool]], paid_minor: Mapping[str, int]
) -> tuple[StandingRow, ...]:
    """What became of each role's credits.

    `outcomes` are (statement, mode, whether it was instructed). Refunds come off first; what is left was set off
    against the same book's debits (passed on, for the operator); the rest is paid, waits, or stays with the operator.
    `paid_minor` are the instructions to pay, by role: an instruction nets several statements of a party, so what its
    statements show above it was set off, too.
    """
    known = pa.table(
        {
            "statement_id": pa.array([row[0] for row in outcomes], pa.string()),
            "gross": pa.array([row[1] == "gross" for row in outcomes], pa.bool_()),
            "instructed": pa.array([row[2] for row in outcomes], pa.bool_()),
        }
    )
    rows = engine.query(
        f"""
        WITH book AS (
            SELECT split_part(party, ':', 1) AS role, statement_id, sum(charged) AS charged,
                   greatest(sum(credit), 0) AS credit, greatest(sum(debit), 0) AS debit
            FROM ({_SIDES}) GROUP BY role, statement_id, CASE WHEN statement_id IS NULL THEN party END
        ), settled AS (
            SELECT *, CASE WHEN coalesce(gross, false) THEN 0 ELSE least(credit, debit) END AS used,
                   statement_id IS NULL AS own
            FROM book LEFT JOIN known USING (statement_id)
        ), placed AS (
            SELECT role, CASE WHEN own THEN 'passed' ELSE 'offset' END AS standing, used AS amount FROM settled
            UNION ALL
            SELECT role, CASE WHEN own THEN 'kept' WHEN instructed THEN 'paid' ELSE 'open' END, credit - used
            FROM settled
            UNION ALL
            SELECT role, 'returned', charged - credit FROM settled
        )
        SELECT role, standing, sum(amount)::VARCHAR AS amount FROM placed
        GROUP BY role, standing HAVING sum(amount) > 0 ORDER BY role, standing
        """,
        known=known,
    )
    found = {(row["role"], row["standing"]): int(row["amount"]) for row in rows.to_pylist()}
    for role in sorted({role for role, standing in found if standing == "paid"}):
        instructed = min(found[role, "paid"], paid_minor.get(role, 0))
        found[role, "offset"] = found.get((role, "offset"), 0) + found[role, "paid"] - instructed
        found[role, "paid"] = instructed
    return tuple(StandingRow(role, standing, amount) for (role, standing), amount in sorted(found.items()) if amount)


def parties(engine: LocalEngine) -> tuple[tuple[PartyRow, ...], Total]:
    """The parties with the largest net amounts, and how many there are; the operator is none of them."""
    rows = engine.connection.sql(
        f"""
        SELECT party, split_part(party, ':', 1) AS role, count(*), sum(credit) AS credit, sum(debit) AS debit,
               sum(credit) - sum(debit) AS net, count(*) OVER () AS parties,
               sum(sum(credit) - sum(debit)) OVER () AS all_net
        FROM ({_SIDES}) WHERE statement_id IS NOT NULL
        GROUP BY party ORDER BY abs(net) DESC, party LIMIT {ROWS_SHOWN}
        """
    ).fetchall()
    total = Total(rows[0][6], rows[0][7]) if rows else Total(0)
    return tuple(PartyRow(*row[:6]) for row in rows), total


def set_aside(engine: LocalEngine) -> tuple[ReasonRow, ...]:
    """Why rows of files were set aside, the most frequent reasons first; one whose record came in since says so."""
    rows = engine.connection.sql(
        f"""
        WITH told AS (
            SELECT outcome, source_file, source_line, reason || CASE
                WHEN outcome = 'quarantined' AND record_id IN (
                    SELECT record_id FROM report_record
                    WHERE record_id IN (SELECT record_id FROM report_quarantine WHERE outcome = 'quarantined')
                ) THEN ' (accepted since)' ELSE '' END AS reason
            FROM report_quarantine
        )
        SELECT outcome, reason, count(*) AS times,
               arg_min(source_file || ':' || source_line, (source_file, source_line))
        FROM told GROUP BY outcome, reason ORDER BY times DESC, outcome, reason LIMIT {ROWS_SHOWN}
        """
    ).fetchall()
    return tuple(ReasonRow(*row) for row in rows)


def held(engine: LocalEngine, details: Details, model: str) -> tuple[ReasonRow, ...]:
    """Why charges are held, the most frequent reasons first, each with a record to look at, as kind:key."""
    reasons = engine.query(
        f"""
        SELECT state, charge || ': ' || reason AS reason, count(*) AS times, min(record_id) AS record_id
        FROM report_held GROUP BY ALL ORDER BY times DESC, state, reason LIMIT {ROWS_SHOWN}
        """
    )
    ids = engine.query("SELECT DISTINCT record_id FROM reasons ORDER BY 1", reasons=reasons).column("record_id")
    records = details.lookup(engine, RECORD, model, "record_id", ids, ["record_id", "kind", "key"])
    named = engine.query(
        "SELECT state, reason, times, kind || ':' || key AS example FROM reasons JOIN records USING (record_id)"
        " ORDER BY times DESC, state, reason",
        reasons=reasons,
        records=records,
    )
    assert named.num_rows == reasons.num_rows, "each held charge has its record"
    return tuple(ReasonRow(row["state"], row["reason"], row["times"], row["example"]) for row in named.to_pylist())
