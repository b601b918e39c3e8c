"""Every type of column at its edges, clocks changed near the day cut among them: stored, and verified again."""

from typing import Any

import pytest

from everycent.proof.verify.service import verify

MODEL = """
    model: all-types
    version: 1
    currency: KWD
    calendar: {time_zone: Europe/Berlin, day_cut: "02:30"}
    parties:
      platform: {operator: shop}
      seller: {key: [seller]}
    records:
      sold:
        file: "sold*.csv"
        id: [id]
        occurred_at: at
        amount: price
        columns:
          id: text
          seller: text
          price: money
          back: {type: money, required: no}
          rate: decimal(10)
          whole: decimal(0)
          good: boolean
          day: date
          at: timestamp
          naïve-名: {type: text, required: no}
        tags: {of_day: day}
    charges:
      goods: {for: sold, amount: price, debtor: platform, creditor: seller}
    statements: {seller: {cycle: daily, mode: net}}
    payouts: {}
"""
#: Berlin's clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October; day cut 02:30.
SOLD = """\
    id,seller,price,back,rate,whole,good,day,at,naïve-名
    A1,a,1.005,,12345678.1234567890,50,true,2026-01-31,2026-03-29 01:59:59.999999,é
    A2,a,1.005,-2.5,0.0000000001,0,false,2024-02-29,2026-03-29 02:10,
    A3,a,1.005,0,-0.5,-7,true,1900-01-01,2026-03-29 03:10,x
    A4,a,1.005,0,0,100,true,2999-12-31,2026-10-25 02:29:59,x
    A5,a,1.005,0,0,100,true,2999-12-31,2026-10-25 02:30,x
    A6,a,1.005,0,0,100,true,1969-12-31,2026-10-25T02:10+01:00,x
    A7,a,1.005,0,0,100,true,1969-12-31,1969-12-31 02:29:59.000001,x
"""


@pytest.mark.parametrize("lake_from_rows", [1, 1_000])
def test_each_type_is_stored_exactly_and_its_content_is_verified(tell: Any, database: Any, lake_from_rows: int) -> None:
    database.details.lake_from_rows = lake_from_rows
    told = tell(MODEL, {"sold.csv": SOLD}, as_of="2026-12-01")
    assert told.counts("sold")["accepted"] == 7
    session = told.session
    checks = verify(session.connection, session.details, session.engine, session.tenant).checks
    (content,) = (check for check in checks if check.name == "each record's content gives its content hash")
    assert content.ok and content.rows == 7


def test_a_business_day_ends_once_where_clocks_are_changed_at_its_cut(tell: Any) -> None:
    told = tell(MODEL, {"sold.csv": SOLD}, as_of="2026-12-01")
    days = {
        key: f"{at:%m-%d %H:%M}, {day:%m-%d}"
        for key, at, day in told.rows("SELECT key, occurred_at, business_date FROM intake.record")
    }
    assert days["A1"] == "03-29 00:59, 03-28"
    assert days["A2"] == days["A3"] == "03-29 01:10, 03-29"  # 02:10 is skipped, it is 03:10; the cut went with it
    assert (days["A4"], days["A5"]) == ("10-25 00:29, 10-24", "10-25 00:30, 10-25")  # the first 02:30 ends the day
    assert days["A6"] == "10-25 00:10, 10-24"  # the second 02:10, by its offset, is read as the first


def test_a_spoilt_body_is_a_finding(tell: Any) -> None:
    told = tell(MODEL, {"sold.csv": SOLD}, as_of="2026-12-01")
    session = told.session
    for spoilt in ('{"at": "never"}', '{"rate": "x"}', '{"good": null}', '{"back": 1e3}', '{"day": []}'):
        with session.connection.transaction(force_rollback=True):
            told.session.connection.execute(
                "UPDATE intake.record SET body = body || %s::jsonb WHERE key = 'A1'", (spoilt,)
            )
            findings = verify(session.connection, session.details, session.engine, session.tenant).findings
            assert any("(sold A1): its content gives the hash" in str(found.first_bad) for found in findings), spoilt
