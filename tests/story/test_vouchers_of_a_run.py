"""Vouchers of a run's books: whose each transfer is say its accounts, or the payment or statement that caused it."""

import json
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from uuid import UUID

from everycent.flow.ledger.contract import AccountingSpec
from everycent.flow.ledger.service import make_vouchers
from everycent.flow.pipeline.service import legal_entities_of

MODEL = """
    model: corner-market
    version: 1
    currency: CNY
    calendar: {time_zone: Asia/Shanghai}
    parties:
      platform: {operator: market-shanghai}
      merchant: {key: [merchant]}
    records:
      sale:
        id: [sale_no]
        occurred_at: sold_on
        columns: {sale_no: text, merchant: text, price: money, sold_on: date}
    charges:
      goods: {for: sale, amount: price, debtor: platform, creditor: merchant}
    statements:
      merchant: {cycle: daily, reserve: {ratio: "0.1", release_after: 30 days}}
"""
SALES = """\
    sale_no,merchant,price,sold_on
    1,m,100.00,2026-03-01
    2,n,50.00,2026-03-01
"""
CODES = {"party/*": "2202", "reserve/*": "2241", "operator/*": "6001", "channel/*": "1012"}


def test_payments_and_reserves_are_in_their_company_s_vouchers(tell: Any) -> None:
    told = tell(MODEL, {"sale.csv": SALES}, as_of="2026-03-02")
    session, spec = told.session, AccountingSpec(model="corner-market", codes=CODES)
    entities = partial(legal_entities_of, session.connection, session.tenant, spec.model)
    where = (session.connection, session.tenant, spec, date(2026, 3, 31), entities)
    vouchers = make_vouchers(*where, "ann", datetime(2026, 4, 1, tzinfo=UTC))
    assert {one.legal_entity for one in vouchers} == {"market-shanghai"}
    lines = [line for one in vouchers for line in json.loads(one.content)["lines"] if line["debit"] != "0.00"]
    assert sorted((line["account"], line["purpose"], line["debit"]) for line in lines) == [
        ("operator/market-shanghai/goods", "obligations", "100.00"),
        ("operator/market-shanghai/goods", "obligations", "50.00"),
        ("party/merchant:m", "instruction", "90.00"),
        ("party/merchant:m", "statement", "10.00"),
        ("party/merchant:n", "instruction", "45.00"),
        ("party/merchant:n", "statement", "5.00"),
    ]
    came_back = UUID(int=1)
    [(instruction,), *_] = told.rows("SELECT instruction_id FROM payments.instruction ORDER BY 1")
    assert entities([(came_back, f"payment {instruction} back")]) == {came_back: "market-shanghai"}
