"""A small market for the tests of rating and clearing: facts in as rows, amounts out as rows."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.tables import UTC as UTC_TYPE
from everycent.base.engine.tables import UUID
from everycent.base.engine.types import ColumnType
from everycent.base.money.currency import Currency, currency
from everycent.flow.clearing.contract import ChargeSpec
from everycent.flow.intake.contract import RECORD, TableSpec
from everycent.flow.parties.contract import PartySpec
from everycent.flow.rating.contract import FactorSpec
from everycent.flow.rating.stage import Rated, RatingPlan, plan_rating, rate

CNY = currency("CNY")
KIND = "item_delivered"

PARTIES = {
    "platform": PartySpec(operator="market-shanghai"),
    "merchant": PartySpec(key=("merchant", "store")),
    "brand": PartySpec(key=("brand",)),
    "distributor": PartySpec(key=("distributor",)),
}

COLUMNS = {
    "order_id": "text",
    "merchant": "text",
    "store": "text",
    "category": "text",
    "brand": "text",
    "distributor": "text",
    "price": "money",
    "coupon": "money",
    "qty": "integer",
    "weight": "decimal(3)",
}

#: One item; tests say what differs. Money in minor units.
ITEM = {
    "order_id": "A1",
    "merchant": "m-7",
    "store": "s-1",
    "category": "toys",
    "brand": "b-2",
    "distributor": "d-3",
    "price": 9999,
    "coupon": 1000,
    "qty": 2,
    "weight": None,
}

RATES = TableSpec.model_validate(
    {
        "file": "commission_rates.csv",
        "key": ["category"],
        "valid": ("valid_from", "valid_to"),
        "columns": {
            "category": "text",
            "valid_from": {"type": "date", "required": False},
            "valid_to": {"type": "date", "required": False},
            "rate": "decimal(4)",
        },
    }
)
RATE = FactorSpec(table="commission_rates.csv", key=("category",))


def rates(*rows: tuple[str, str | None, str | None, str | None]) -> pa.Table:
    """Rows of (category, valid_from, valid_to, rate)."""
    category, start, end, rate_ = zip(*rows, strict=True) if rows else ((), (), (), ())
    day = [[None if text is None else date.fromisoformat(text) for text in dates] for dates in (start, end)]
    return pa.table(
        {
            "category": pa.array(category, pa.string()),
            "valid_from": pa.array(day[0], pa.date32()),
            "valid_to": pa.array(day[1], pa.date32()),
            "rate": pa.array(rate_, pa.string()).cast(pa.decimal128(18, 4)),
        }
    )


def types(columns: Mapping[str, str] = COLUMNS, money: Currency = CNY) -> dict[str, ColumnType]:
    return {name: ColumnType.parse(text, money.exponent) for name, text in columns.items()}


def record_id(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()[:16]


def records(*items: Mapping[str, Any], columns: Mapping[str, str] = COLUMNS, day: str = "2026-03-01") -> pa.Table:
    """RECORD rows of items, each differing from ITEM; `on` is the item's business date. Keys are A1, A2 ..."""
    rows = [{**{name: ITEM.get(name) for name in columns}, "on": day, **item} for item in items]
    body = pa.StructArray.from_arrays(
        [pa.array([row[name] for row in rows], kind.arrow) for name, kind in types(columns).items()],
        fields=[pa.field(name, kind.arrow) for name, kind in types(columns).items()],
    )
    keys = [str(row.get("key", f"A{at + 1}")) for at, row in enumerate(rows)]
    days = pa.array([date.fromisoformat(row["on"]) for row in rows], pa.date32())
    return RECORD.check(
        pa.table(
            {
                "record_id": ids(keys),
                "kind": pa.array([KIND] * len(rows), pa.string()),
                "key": pa.array(keys, pa.string()),
                "occurred_at": pa.array([datetime(2026, 3, 1, tzinfo=UTC)] * len(rows), UTC_TYPE),
                "business_date": days,
                "booked_on": days,
                "refund_of": ids([row.get("refund_of") for row in rows]),
                "amount_minor": pa.array([row.get("amount") for row in rows], pa.int64()),
                "content_hash": ids(keys),
                "source_file": pa.array(["items.csv"] * len(rows), pa.string()),
                "source_line": pa.array(range(2, len(rows) + 2), pa.int64()),
                "body": body,
            }
        )
    )


def ids(keys: Sequence[str | None]) -> pa.Array:
    return UUID.wrap_array(pa.array([None if key is None else record_id(key) for key in keys], UUID.storage_type))


def charge(amount: str | None = None, **words: Any) -> ChargeSpec:
    """A charge of the market: the merchant owes it to the platform unless said otherwise."""
    owed = {"creditor": "platform"} | ({} if "apportion" in words else {"debtor": "merchant"})
    return ChargeSpec.model_validate({"for": KIND, "amount": amount, **owed, **words})


def plan(
    charges: Mapping[str, ChargeSpec],
    factors: Mapping[str, FactorSpec] | None = None,
    tables: Mapping[str, TableSpec] | None = None,
    columns: Mapping[str, str] = COLUMNS,
) -> RatingPlan:
    attached = {"commission_rates.csv": RATES} if tables is None else tables
    return plan_rating(charges, factors or {}, KIND, types(columns), PARTIES, attached, CNY)


def rated(
    engine: LocalEngine, charges: Mapping[str, ChargeSpec], *items: Mapping[str, Any], table: pa.Table | None = None
) -> Rated:
    """Rates items by charges; `rate` is a factor where a table of rates is given."""
    given = plan(charges, {} if table is None else {"rate": RATE})
    return rate(given, records(*items), {} if table is None else {"commission_rates.csv": table}, engine)


def amounts(table: pa.Table) -> list[tuple[str, int]]:
    """(charge, amount in minor units) of each row."""
    return list(zip(table["charge"].to_pylist(), table["amount_minor"].to_pylist(), strict=True))


def reasons(table: pa.Table) -> list[tuple[str, str, str]]:
    """(charge, state, reason) of each held row."""
    return [
        (row["charge"], row["state"], row["reason"]) for row in table.select(["charge", "state", "reason"]).to_pylist()
    ]
