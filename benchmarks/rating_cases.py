"""What `rating.py` rates: the charges of orders in a model's words, and the same for bare SQL and for zen-engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COLUMNS = {
    "order_id": "text",
    "merchant": "text",
    "store": "text",
    "category": "text",
    "price": "money",
    "coupon": "money",
    "qty": "integer",
}
PARTIES = {"debtor": "merchant", "creditor": "platform"}


@dataclass(frozen=True)
class Case:
    """What is rated: the charges in a model's words, as columns of bare SQL (over r, a record, and rate), and as zen's
    expressions over price, coupon, qty and rate."""

    charges: Mapping[str, Mapping[str, Any]]
    bare: Mapping[str, str]
    zen: Mapping[str, str]


FEES = Case(
    {
        "goods": {"amount": "price - coupon", "debtor": "platform", "creditor": "merchant"},
        "commission": {"amount": "greatest(price * rate, 0.30)", "debtor": "merchant", "creditor": "platform"},
        "payment_fee": {"amount": "(price - coupon) * 0.006", **PARTIES},
    },
    {
        "goods": "r.body.price - r.body.coupon",
        "commission": "greatest((r.body.price * CAST(rate * 10000 AS BIGINT) + 5000) // 10000, 30)",
        "payment_fee": "((r.body.price - r.body.coupon) * 6 + 500) // 1000",
    },
    {
        "goods": "price - coupon",
        "commission": "max([round(price * rate), 30])",
        "payment_fee": "round((price - coupon) * 0.006)",
    },
)
CARD = {"by": ["category"], "table": "rates.csv", "column": "rate", "valid": ("valid_from", "valid_to"), "of": "price"}
BY_QUANTITY = [{"up_to": "10", "price": "5"}, {"up_to": "20", "price": "4"}, {"price": "3"}]
BY_VALUE = [{"up_to": "50", "rate": "0.05", "flat": "1"}, {"up_to": "150", "rate": "0.03"}, {"rate": "0.01"}]
PRICES = Case(
    {
        name: {"price": price, **PARTIES}
        for name, price in {
            "flat": {"flat": {"amount": "2.50"}},
            "percentage": {"percentage": {"of": "price", "rate": "0.05", "minimum": "0.50", "maximum": "8"}},
            "per_unit": {"per_unit": {"quantity": "qty", "price": "0.25", "free": "5"}},
            "package": {"package": {"quantity": "qty", "size": "10", "price": "5"}},
            "graduated": {"graduated": {"of": "qty", "tiers": BY_QUANTITY}},
            "volume": {"volume": {"of": "price", "tiers": BY_VALUE}},
            "rate_card": {"rate_card": CARD},
        }.items()
    },
    {
        "flat": "CAST(250 AS BIGINT)",
        "percentage": "least(greatest((r.body.price * 5 + 50) // 100, 50), 800)",
        "per_unit": "greatest(r.body.qty - 5, 0) * 25",
        "package": "(r.body.qty + 9) // 10 * 500",
        "graduated": "least(r.body.qty, 10) * 500 + least(greatest(r.body.qty - 10, 0), 10) * 400"
        " + greatest(r.body.qty - 20, 0) * 300",
        "volume": "CASE WHEN r.body.price <= 5000 THEN (r.body.price * 5 + 50) // 100 + 100"
        " WHEN r.body.price <= 15000 THEN (r.body.price * 3 + 50) // 100 ELSE (r.body.price + 50) // 100 END",
        "rate_card": "(r.body.price * CAST(rate * 10000 AS BIGINT) + 5000) // 10000",
    },
    {
        "flat": "250",
        "percentage": "min([max([round(price * 0.05), 50]), 800])",
        "per_unit": "max([qty - 5, 0]) * 25",
        "package": "ceil(qty / 10) * 500",
        "graduated": "min([qty, 10]) * 500 + min([max([qty - 10, 0]), 10]) * 400 + max([qty - 20, 0]) * 300",
        "volume": "price <= 5000 ? round(price * 0.05) + 100"
        " : price <= 15000 ? round(price * 0.03) : round(price * 0.01)",
        "rate_card": "round(price * rate)",
    },
)
RATES = {
    "file": "rates.csv",
    "key": "category",
    "valid": ("valid_from", "valid_to"),
    "columns": {
        "category": "text",
        "valid_from": "date",
        "valid_to": {"type": "date", "required": False},
        "rate": "decimal(4)",
    },
}

RATED_SQL = """
    FROM records AS r JOIN rates ON r.body.category = rates.category
        AND r.business_date >= valid_from AND (valid_to IS NULL OR r.business_date < valid_to)
"""


def bare_sql_of(case: Case) -> str:
    """One statement for all charges of a case; constant texts in the types `name` and `code`."""
    amounts = ", ".join(f"{sql} AS {name}" for name, sql in case.bare.items())
    party = {"merchant": "merchant", "platform": "'platform'"}
    rows = [
        f"""
        SELECT record_id, '{name}'::name AS charge, '{name}'::name AS rule, {name} AS amount_minor,
            'CNY'::code AS currency, {party[words["debtor"]]} AS debtor, {party[words["creditor"]]} AS creditor,
            booked_on, CAST(NULL AS UUID) AS refund_of
        FROM w
        """
        for name, words in case.charges.items()
    ]
    return f"""
        WITH w AS MATERIALIZED (
            SELECT r.record_id, r.booked_on, 'merchant:' || r.body.merchant || '/' || r.body.store AS merchant,
                {amounts}
            {RATED_SQL}
        )
        {" UNION ALL ".join(rows)}
    """
