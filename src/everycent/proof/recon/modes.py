"""The words of a scenario's modes: what rules may look at, one-way, totals, what is carried on, sides, payouts."""

from typing import Annotated

from pydantic import Field

from everycent.base.engine.declaration import FormulaText, Name

#: What a row of a side has beside its key, its amount and its status, by the words of a side; in this order.
SEEN = ("occurred_at", "reference", "counterparty", "group", "fee", "currency")

OccurredAt = Annotated[
    Name | None,
    Field(
        description="the column with the date or time, for rules; a time has its business day by the model's calendar",
        examples=["paid_at"],
    ),
]
Reference = Annotated[
    FormulaText | None, Field(description="what the other side may know the row by, for rules", examples=["memo"])
]
Counterparty = Annotated[
    FormulaText | None, Field(description="whom the money is from or for, for rules", examples=["merchant"])
]
Group = Annotated[FormulaText | None, Field(description="rows that belong together, for rules", examples=["payout_id"])]
Fee = Annotated[
    FormulaText | None,
    Field(description="what was deducted, where a row says so, for net_of_fees: stated", examples=["fee"]),
]
RowCurrency = Annotated[
    Name | None,
    Field(
        description="the column with each row's currency, by ISO 4217 code; the scenario's otherwise. A file's rows of "
        "all currencies take part then, each in its own minor units",
        examples=["currency"],
    ),
]
