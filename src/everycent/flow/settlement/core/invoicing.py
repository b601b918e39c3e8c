"""What is invoiced for a statement as it closes: a line for each charge, its tax rounded once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.flow.settlement.contract import INVOICE_LINE, LINE, RATIO_ONE, LineKind
from everycent.flow.settlement.core.invoice_moves import PAYABLE, RECEIVABLE
from everycent.flow.settlement.core.plan import SettlementPlan


@dataclass(frozen=True)
class Invoiced:
    """`lines`: INVOICE_LINE rows by statement, side and charge. `added`: LINE rows by line_id, of added taxes."""

    lines: pa.Table
    added: pa.Table


def any_invoiced(plan: SettlementPlan, closing: pa.Table) -> bool:
    """Whether the model, or a contract of a statement of `closing` (STATEMENT rows), asks for invoices."""
    if closing.num_rows == 0:
        return False
    if any(role.invoice is not None for role in plan.roles):
        return True
    return bool(pc.any(pc.match_substring(closing["agreed"], '"invoice":"before_payment"')).as_py())


def invoice(
    plan: SettlementPlan, tenant: str, closing: pa.Table, obligations: str, as_of: date, engine: LocalEngine
) -> Invoiced:
    """What those statements of `closing` (STATEMENT rows) are invoiced with whose role or contract asks for it.

    `obligations`: the engine's view of OBLIGATION columns. A contract alone asks for all charges, without tax.
    """
    given = closing.select(["statement_id", "party_id", "role", "currency", "legal_entity", "agreed"])
    words = {"closing": given, "taxes": _taxes(plan), "asked": _asked(plan)}
    lines = engine.query(_lines_sql(obligations), **words).cast(INVOICE_LINE.columns)
    added = engine.query(_added_sql(tenant, as_of), lines=lines, closing=given).cast(LINE.columns)
    assert added.num_rows <= lines.num_rows, "no tax is added but those on invoices"
    return Invoiced(INVOICE_LINE.check(lines), LINE.check(added))


def _asked(plan: SettlementPlan) -> pa.Table:
    """The roles that are invoiced; `chosen`: with some of their charges."""
    rows = [(role.role, bool(role.invoice.charges)) for role in plan.roles if role.invoice is not None]
    return pa.table(_columns(rows, 2), schema=pa.schema([("role", pa.string()), ("chosen", pa.bool_())]))


def _taxes(plan: SettlementPlan) -> pa.Table:
    rows = [
        (role.role, name, int(Decimal(tax.rate) * RATIO_ONE), tax.included, tax.round)
        for role in plan.roles if role.invoice is not None for name, tax in role.invoice.charges.items()
    ]  # fmt: skip
    return pa.table(_columns(rows, len(_TAXES)), schema=_TAXES)


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[]] * width


_TAXES = pa.schema(
    [
        ("role", pa.string()), ("charge", pa.string()), ("rate", pa.int64()), ("included", pa.bool_()),
        ("rounding", pa.string()),
    ]
)  # fmt: skip


def _lines_sql(obligations: str) -> str:
    """A tax is `part / whole` minor units, its rounding the same for what is owed and for what is given back."""
    return f"""
        WITH wanted AS (
            SELECT statement_id, role, coalesce(chosen, false) AS chosen FROM closing LEFT JOIN asked USING (role)
            WHERE chosen IS NOT NULL OR agreed ->> '$.invoice' = 'before_payment'
        ), stood AS (
            SELECT creditor_statement AS statement_id, '{PAYABLE}' AS side, charge, sum(amount_minor) AS owed
            FROM {obligations} WHERE creditor_statement IN (SELECT statement_id FROM wanted) GROUP BY ALL
            UNION ALL
            SELECT debtor_statement, '{RECEIVABLE}', charge, sum(amount_minor)
            FROM {obligations} WHERE debtor_statement IN (SELECT statement_id FROM wanted) GROUP BY ALL
        ), rated AS (
            SELECT statement_id, side, charge, owed, coalesce(rate, 0) AS rate, coalesce(included, true) AS included,
                coalesce(rounding, 'half_up') AS rounding, CAST(abs(owed) AS HUGEINT) * coalesce(rate, 0) AS part,
                CAST({RATIO_ONE} + CASE WHEN included THEN rate ELSE 0 END AS HUGEINT) AS whole
            FROM stood JOIN wanted USING (statement_id) LEFT JOIN taxes USING (role, charge)
            WHERE owed <> 0 AND (rate IS NOT NULL OR NOT chosen)
        ), taxed AS (
            SELECT *, sign(owed) * (part // whole + CASE WHEN CASE rounding
                WHEN 'down' THEN false
                WHEN 'up' THEN part % whole > 0
                WHEN 'half_up' THEN 2 * (part % whole) >= whole
                ELSE 2 * (part % whole) > whole OR (2 * (part % whole) = whole AND part // whole % 2 = 1)
                END THEN 1 ELSE 0 END) AS tax
            FROM rated
        )
        SELECT statement_id, side, charge, rate, included, rounding,
            CAST(CASE WHEN included THEN owed - tax ELSE owed END AS DECIMAL(38, 0)) AS net_minor,
            CAST(tax AS DECIMAL(38, 0)) AS tax_minor
        FROM taxed ORDER BY statement_id, side, charge
    """


def _added_sql(tenant: str, as_of: date) -> str:
    kind = f"'{LineKind.TAX_ADDED}'"
    return f"""
        SELECT CAST(substr(sha256(concat_ws(chr(31), {literal(tenant)}, {kind}, statement_id, '')), 1, 32) AS UUID)
                AS line_id, statement_id, {kind} AS kind, CAST(added AS DECIMAL(38, 0)) AS amount_minor,
            CAST(NULL AS VARCHAR) AS other_statement, party_id, currency, legal_entity,
            DATE {literal(as_of.isoformat())} AS as_of, CAST(NULL AS DATE) AS release_on
        FROM closing JOIN (
            SELECT statement_id,
                sum(CASE side WHEN '{PAYABLE}' THEN 1 ELSE -1 END * CAST(tax_minor AS HUGEINT)) AS added
            FROM lines WHERE NOT included GROUP BY statement_id HAVING added <> 0
        ) USING (statement_id)
        ORDER BY line_id
    """
