"""Recounting statements in full from their obligations, and comparing with what was accrued."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.flow.settlement.contract import STATEMENT


@dataclass(frozen=True)
class Figures:
    """A statement's two sums in minor units, and how many ends of obligations it holds."""

    payable_minor: int
    receivable_minor: int
    obligations: int


@dataclass(frozen=True)
class RecountDiffers:
    """The statement stays open: its obligations do not add up to what was accrued."""

    statement_id: str
    accrued: Figures
    recounted: Figures

    def __str__(self) -> str:
        return f"{self.statement_id}: accrued {self.accrued}, its obligations add up to {self.recounted}"


@dataclass(frozen=True)
class Recount:
    """`agreeing`: STATEMENT rows whose recount is what was accrued; `differing`: the others. Both by statement_id."""

    agreeing: pa.Table
    differing: tuple[RecountDiffers, ...]


_FIGURES = ("payable_minor", "receivable_minor", "obligations")


def recount(due: pa.Table, obligations: str, engine: LocalEngine) -> Recount:
    """Recounts each statement of `due` (STATEMENT rows) from the engine's view `obligations` (OBLIGATION columns)."""
    STATEMENT.check(due)
    differing = engine.query(_differing_sql(obligations), due=due.select(["statement_id", *_FIGURES]))
    agrees = pc.invert(pc.is_in(due["statement_id"], value_set=differing["statement_id"]))
    agreeing = due.filter(agrees)
    assert agreeing.num_rows + differing.num_rows == due.num_rows, "a statement agrees or differs"
    return Recount(agreeing, tuple(_differs(row) for row in differing.to_pylist()))


def _differing_sql(obligations: str) -> str:
    return f"""
        WITH stood AS (
            SELECT creditor_statement AS statement_id, amount_minor AS payable, 0 AS receivable FROM {obligations}
            WHERE creditor_statement IN (SELECT statement_id FROM due)
            UNION ALL
            SELECT debtor_statement, 0, amount_minor FROM {obligations}
            WHERE debtor_statement IN (SELECT statement_id FROM due)
        ), found AS (
            SELECT statement_id, sum(payable) AS payable, sum(receivable) AS receivable, count(*) AS ends
            FROM stood GROUP BY statement_id
        ), counted AS (
            SELECT due.*,
                CAST(coalesce(found.payable, 0) AS DECIMAL(38, 0)) AS counted_payable,
                CAST(coalesce(found.receivable, 0) AS DECIMAL(38, 0)) AS counted_receivable,
                coalesce(found.ends, 0) AS counted_obligations
            FROM due LEFT JOIN found ON found.statement_id = due.statement_id
        )
        SELECT * FROM counted
        WHERE payable_minor <> counted_payable OR receivable_minor <> counted_receivable
            OR obligations <> counted_obligations
        ORDER BY statement_id
    """


def _differs(row: dict[str, object]) -> RecountDiffers:
    accrued = Figures(*(int(str(row[name])) for name in _FIGURES))
    counted = Figures(*(int(str(row[f"counted_{name.removesuffix('_minor')}"])) for name in _FIGURES))
    return RecountDiffers(str(row["statement_id"]), accrued, counted)
