"""Statements to some days of each month, also by a contract; the verifier knows these days by itself."""

from typing import Any

from everycent.proof.verify.core.statements import STATEMENT_PERIOD
from everycent.proof.verify.service import verify

MODEL = """
    model: corner-market
    version: 1
    currency: CNY
    calendar: {time_zone: Asia/Shanghai}
    parties:
      platform: {operator: market-shanghai}
      merchant: {key: [merchant]}
      brand: {key: [brand]}
    records:
      sale:
        id: [sale_no]
        occurred_at: sold_on
        columns: {sale_no: text, merchant: text, brand: text, price: money, sold_on: date}
    charges:
      goods: {for: sale, amount: price, debtor: platform, creditor: merchant}
      support: {for: sale, amount: price * 0.1, debtor: brand, creditor: platform}
    statements:
      merchant: {cycle: "to 10, 20, 31"}
      brand: {cycle: "to 15"}
"""
SALES = """\
sale_no,merchant,brand,price,sold_on
1,m,b,10.00,2026-02-28
2,m,b,20.00,2026-03-01
3,m,b,30.00,2026-03-10
4,m,b,40.00,2026-03-11
"""


def test_statements_end_on_their_days(tell: Any) -> None:
    told = tell(MODEL, {"sales.csv": SALES}, as_of="2026-03-21")
    rows = told.rows(
        "SELECT party_id, period, period_first::text, period_last::text, closes_on::text, abs(net_minor)::int, state"
        " FROM settlement.statement ORDER BY 1 DESC, 3"
    )
    assert rows == [
        ("merchant:m", "2026-02-D31", "2026-02-21", "2026-02-28", "2026-03-01", 1000, "closed"),
        ("merchant:m", "2026-03-D10", "2026-03-01", "2026-03-10", "2026-03-11", 5000, "closed"),
        ("merchant:m", "2026-03-D20", "2026-03-11", "2026-03-20", "2026-03-21", 4000, "closed"),
        ("brand:b", "2026-03-D15", "2026-02-16", "2026-03-15", "2026-03-16", 1000, "closed"),
    ]
    for wrong in ("period_last = period_last - 1", "period_first = period_first - 40", "period = '2026-02-D27'"):
        with told.session.connection.transaction(force_rollback=True):
            told.session.connection.execute(f"UPDATE settlement.statement SET {wrong} WHERE period LIKE '2026-02%'")
            session = told.session
            verdict = verify(session.connection, session.details, session.engine, session.tenant)
            assert STATEMENT_PERIOD.name in {found.name for found in verdict.findings}, wrong
