"""Statements to some days of each month, and by a 4-4-5 calendar; the verifier knows these days by itself."""

from datetime import timedelta
from typing import Any

import pytest

from everycent.base.money.cycle import Period
from everycent.flow.settlement.service import keep_calendars
from everycent.flow.settlement.stage import CalendarRefused
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
      courier: {key: [courier]}
    calendars: {retail: retail.csv}
    records:
      sale:
        id: [sale_no]
        occurred_at: sold_on
        columns: {sale_no: text, merchant: text, brand: text, courier: text, price: money, sold_on: date}
    charges:
      goods: {for: sale, amount: price, debtor: platform, creditor: merchant}
      support: {for: sale, amount: price * 0.1, debtor: brand, creditor: platform}
      carriage: {for: sale, amount: "1.00", debtor: platform, creditor: courier}
    statements:
      merchant: {cycle: "to 10, 20, 31"}
      brand: {cycle: "to 15"}
      courier: {cycle: calendar retail, ready_after: 2 days}
"""
SALES = """\
sale_no,merchant,brand,courier,price,sold_on
1,m,b,c,10.00,2026-02-28
2,m,b,c,20.00,2026-03-01
3,m,b,c,30.00,2026-03-10
4,m,b,c,40.00,2026-03-11
"""
#: A business year from the first Sunday of February: 4, 4 and 5 weeks.
RETAIL = """\
period,first,last
2026-P01,2026-02-01,2026-02-28
2026-P02,2026-03-01,2026-03-28
2026-P03,2026-03-29,2026-05-02
"""


def test_statements_end_on_their_days(tell: Any) -> None:
    told = tell(MODEL, {"sale.csv": SALES, "retail.csv": RETAIL}, as_of="2026-03-21")
    rows = told.rows(
        "SELECT party_id, period, period_first::text, period_last::text, closes_on::text, abs(net_minor)::int, state"
        " FROM settlement.statement ORDER BY role = 'courier', 1 DESC, 3"
    )
    assert rows == [
        ("merchant:m", "2026-02-D31", "2026-02-21", "2026-02-28", "2026-03-01", 1000, "closed"),
        ("merchant:m", "2026-03-D10", "2026-03-01", "2026-03-10", "2026-03-11", 5000, "closed"),
        ("merchant:m", "2026-03-D20", "2026-03-11", "2026-03-20", "2026-03-21", 4000, "closed"),
        ("brand:b", "2026-03-D15", "2026-02-16", "2026-03-15", "2026-03-16", 1000, "closed"),
        ("courier:c", "2026-P01", "2026-02-01", "2026-02-28", "2026-03-03", 100, "closed"),
        ("courier:c", "2026-P02", "2026-03-01", "2026-03-28", "2026-03-31", 300, "open"),
    ]
    months, retail = "2026-02%", "2026-P01"
    for wrong, period in (
        ("period_last = period_last - 1", months), ("period_last = period_last - 1", retail),
        ("period_first = period_first - 40", months), ("period = '2026-02-D27'", months),
    ):  # fmt: skip
        with told.session.connection.transaction(force_rollback=True):
            told.session.connection.execute(f"UPDATE settlement.statement SET {wrong} WHERE period LIKE '{period}'")
            session = told.session
            verdict = verify(session.connection, session.details, session.engine, session.tenant)
            assert STATEMENT_PERIOD.name in {found.name for found in verdict.findings}, wrong
    first, *rest = told.session.connection.execute(
        "SELECT period, first_on, last_on FROM settlement.calendar_period ORDER BY first_on"
    ).fetchall()
    shorter = Period(first[0], first[1], first[2] - timedelta(days=1))
    for changed in ((shorter, *(Period(*each) for each in rest)), tuple(Period(*each) for each in rest)):
        with pytest.raises(CalendarRefused, match="statements stand in period '2026-P01', 2026-02-01 to 2026-02-28"):
            keep_calendars(told.session.connection, told.session.tenant, "corner-market", {"retail": changed})
