"""What settlement gives to the rest of the house: statements, and its part of the model's language."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from everycent.base.engine.declaration import Called, Declaration, Duration, Written
from everycent.base.engine.tables import TableSchema


class StatementState(StrEnum):
    """The life of a statement, in this issue: it accrues, then it is closed for good."""

    OPEN = "open"
    CLOSED = "closed"


class StatementSpec(Declaration):
    """How a party role is settled."""

    cycle: Annotated[
        str,
        Written(
            r"^(daily|weekly|monthly|T\+\d{1,3})$",
            "daily, weekly, monthly, or T+n such as T+3",
            ("daily", "weekly", "monthly"),
        ),
        Called("cycle"),
    ] = Field(
        description="how long a statement's period is: daily, weekly (Monday to Sunday), monthly, or T+n: each "
        "business day's, closed n days after it",
        examples=["weekly", "T+3"],
    )
    ready_after: Duration = Field(
        default=timedelta(0), description="how long after its period a statement stays open", examples=["7 days"]
    )
    mode: Literal["net", "gross"] = Field(
        default="net",
        description="net: one payment of the difference; gross: what is owed to the party and by it, each by itself",
    )


#: Sums of minor units: 128 bits wide, so that no number of rows overflows them.
TOTAL_MINOR = pa.decimal128(38, 0)

_ACCRUED = [
    pa.field("statement_id", pa.string(), nullable=False),  # <model>/<party_id>/<period>/<currency>/<legal_entity>
    pa.field("party_id", pa.string(), nullable=False),
    pa.field("role", pa.string(), nullable=False),
    pa.field("period", pa.string(), nullable=False),  # 2026-03-01, 2026-W09, 2026-03
    pa.field("period_first", pa.date32(), nullable=False),
    pa.field("period_last", pa.date32(), nullable=False),
    pa.field("closes_on", pa.date32(), nullable=False),  # the first day whose day cut closes it
    pa.field("currency", pa.string(), nullable=False),
    pa.field("legal_entity", pa.string(), nullable=False),
    pa.field("mode", pa.string(), nullable=False),  # net | gross
    pa.field("payable_minor", TOTAL_MINOR, nullable=False),  # owed to the party; refunds lower it, below 0 too
    pa.field("receivable_minor", TOTAL_MINOR, nullable=False),  # owed by the party
    pa.field("obligations", pa.int64(), nullable=False),  # ends of obligations: one between two parties counts on both
]

#: What a batch adds to each statement.
ACCRUAL = TableSchema(
    name="settlement.accrual",
    columns=pa.schema(
        [
            *_ACCRUED,
            pa.field("booked_from", pa.date32(), nullable=False),  # the earliest day booked on
        ]
    ),
    key=("statement_id",),
)

#: Statements are decided rows: always in PostgreSQL (settlement.statement).
STATEMENT = TableSchema(
    name="settlement.statement",
    columns=pa.schema(
        [
            *_ACCRUED,
            pa.field("net_minor", TOTAL_MINOR, nullable=False),  # payable - receivable
            pa.field("state", pa.string(), nullable=False),  # a StatementState
            pa.field("closed_as_of", pa.date32()),  # the day cut that closed it
        ]
    ),
    key=("statement_id",),
)
