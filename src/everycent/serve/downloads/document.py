"""What stands on a statement, gathered out of what is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
from psycopg.rows import dict_row

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.money.amount import grouped_minor
from everycent.base.money.currency import Currency, currency
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.intake.contract import RECORD

#: A statement's lines, by order: `due_minor` above 0 is owed to its party.
LINES = pa.schema(
    [
        pa.field("kind", pa.string()),
        pa.field("order", pa.string()),
        pa.field("booked_on", pa.date32()),
        pa.field("charge", pa.string()),
        pa.field("other_party", pa.string()),
        pa.field("due_minor", pa.int64()),
    ]
)


@dataclass(frozen=True)
class ChargeTotal:
    """What a charge comes to on a statement, in minor units."""

    charge: str
    lines: int
    payable_minor: int
    receivable_minor: int


@dataclass(frozen=True)
class HandedOn:
    """What stands on it beside its obligations: carried from or to another statement, or held back. Above 0 it adds."""

    kind: str
    amount_minor: int
    other_statement: str | None
    release_on: date | None


@dataclass(frozen=True)
class Settled:
    """What became of one side of it, or of a non-order charge that was paid with it (`side` is then its kind)."""

    side: str
    amount_minor: int
    outcome: str
    instruction_id: str | None
    state: str | None
    is_charge: bool


@dataclass(frozen=True)
class Document:
    """A statement for its party. Amounts are minor units; `net_minor` above 0 is owed to the party."""

    statement_id: str
    party_id: str
    legal_entity: str
    period: str
    period_first: date
    period_last: date
    mode: str
    state: str
    closes_on: date
    closed_as_of: date | None
    released_as_of: date | None
    payable_minor: int
    receivable_minor: int
    money: Currency
    charges: tuple[ChargeTotal, ...]
    handed_on: tuple[HandedOn, ...]
    settled: tuple[Settled, ...]
    lines: pa.Table

    @property
    def net_minor(self) -> int:
        """What is owed to the party, less what it owes, with what was carried and held back."""
        return self.payable_minor - self.receivable_minor + sum(each.amount_minor for each in self.handed_on)

    def amount(self, minor: int) -> str:
        """In major units, with all decimals of the currency."""
        return grouped_minor(minor, self.money)


def gather(
    connection: Connection, details: Details, engine: LocalEngine, tenant: str, statement_id: str
) -> Document | None:
    """The statement with its lines; None where there is none. Its charges add up to its figures where it is closed."""
    model = statement_id.partition("/")[0]
    asked = {"tenant": tenant, "model": model, "id": statement_id}
    with connection.cursor(row_factory=dict_row) as rows:
        found = rows.execute(
            "SELECT * FROM settlement.statement"
            " WHERE tenant = %(tenant)s AND model = %(model)s AND statement_id = %(id)s",
            asked,
        ).fetchone()
        settled = [Settled(**row) for row in rows.execute(_SETTLED, asked).fetchall()]
        handed_on = [HandedOn(**row) for row in rows.execute(_HANDED_ON, asked).fetchall()]
    if found is None:
        return None
    lines = _lines(details, engine, model, statement_id)
    kept = ("party_id", "legal_entity", "period", "period_first", "period_last", "mode", "state", "closes_on",
            "closed_as_of", "released_as_of")  # fmt: skip
    return Document(
        statement_id,
        **{name: found[name] for name in kept},
        payable_minor=int(found["payable_minor"]),
        receivable_minor=int(found["receivable_minor"]),
        money=currency(found["currency"]),
        charges=tuple(_charges(engine, lines)),
        handed_on=tuple(handed_on),
        settled=tuple(settled),
        lines=lines.drop_columns(["is_payable"]),
    )


_HANDED_ON = """
    SELECT kind, amount_minor::bigint AS amount_minor, other_statement, release_on FROM settlement.statement_line
    WHERE tenant = %(tenant)s AND model = %(model)s AND statement_id = %(id)s
    ORDER BY as_of, kind, other_statement COLLATE "C"
"""
_SETTLED = """
    WITH own AS (
        SELECT side, amount_minor, outcome, instruction_id FROM payments.instruction_statement
        WHERE tenant = %(tenant)s AND model = %(model)s AND statement_id = %(id)s),
    beside AS (
        SELECT charge.kind || ' ' || charge.reference AS side, with_it.amount_minor, with_it.outcome,
            with_it.instruction_id
        FROM payments.instruction_statement AS with_it
            JOIN non_order.charge AS charge ON charge.tenant = with_it.tenant AND charge.model = with_it.model
                AND charge.charge_id::text = with_it.statement_id
        WHERE with_it.tenant = %(tenant)s AND with_it.model = %(model)s
            AND with_it.instruction_id IN (SELECT instruction_id FROM own))
    SELECT side, each.amount_minor::bigint AS amount_minor, outcome, each.instruction_id::text AS instruction_id,
        paying.state, is_charge
    FROM (SELECT *, false AS is_charge FROM own UNION ALL SELECT *, true FROM beside) AS each
        LEFT JOIN payments.instruction AS paying ON paying.tenant = %(tenant)s AND paying.model = %(model)s
            AND paying.instruction_id = each.instruction_id
    ORDER BY is_charge, side
"""


def _lines(details: Details, engine: LocalEngine, model: str, statement_id: str) -> pa.Table:
    """LINES with `is_payable`: the end on which the party stands is the creditor's."""
    name = literal(statement_id)
    columns = ["record_id", "charge", "bearer", "debtor", "creditor", "amount_minor", "booked_on", "debtor_statement",
               "creditor_statement"]  # fmt: skip
    details.attach(engine, "download_obligation", OBLIGATION, model, columns=columns)
    details.attach(engine, "download_record", RECORD, model, columns=["record_id", "kind", "key"])
    found = engine.query(
        f"""WITH owed AS (
            SELECT record_id, charge, bearer, booked_on, debtor AS other_party, amount_minor AS due_minor,
                true AS is_payable
            FROM download_obligation WHERE creditor_statement = {name}
            UNION ALL
            SELECT record_id, charge, bearer, booked_on, creditor, -amount_minor, false
            FROM download_obligation WHERE debtor_statement = {name})
        SELECT kind, key AS "order", booked_on, charge, other_party, due_minor, is_payable
        FROM owed LEFT JOIN download_record USING (record_id)
        ORDER BY booked_on, key, kind, charge, bearer, is_payable"""
    )
    return found.cast(LINES.append(pa.field("is_payable", pa.bool_())))


def _charges(engine: LocalEngine, lines: pa.Table) -> Sequence[ChargeTotal]:
    rows: list[dict[str, Any]] = engine.query(
        """SELECT charge, count(*) AS lines,
            CAST(coalesce(sum(due_minor) FILTER (WHERE is_payable), 0) AS DECIMAL(38, 0)) AS payable_minor,
            CAST(coalesce(sum(-due_minor) FILTER (WHERE NOT is_payable), 0) AS DECIMAL(38, 0)) AS receivable_minor
        FROM line GROUP BY charge ORDER BY charge""",
        line=lines,
    ).to_pylist()
    figures = ("lines", "payable_minor", "receivable_minor")
    return [ChargeTotal(row["charge"], *(int(row[name]) for name in figures)) for row in rows]
