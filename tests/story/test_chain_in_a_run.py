"""One way for all: a model's run takes its scenarios through loaders, checkers and handlers, as `recon run` does."""

import json
import pickle
from typing import Any

from everycent.serve.cli.running import as_dict

MODEL = """
model: tea-house
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties:
  platform: {operator: tea-shanghai}
  merchant: {key: [merchant]}
records:
  sold:
    file: sold*.csv
    id: [id]
    occurred_at: at
    columns: {id: text, merchant: text, price: money, at: timestamp}
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
statements: {merchant: {cycle: daily}}
recon:
  loaded:
    left: {records: sold, key: [id], amount: price}
    right:
      load: {files: {paths: "shop_{as_of}.csv"}}
      columns: {no: text, paid: money, day: date}
      key: [no]
      amount: paid
    check:
      - {name: paid_before, when: "right.day < date(left.at)"}
    handle: [log]
  given:
    left: {records: sold, key: [id], amount: price}
    right: {file: "bill*.csv", columns: {id: text, paid: money}, key: [id], amount: paid}
    check:
      - {name: large, when: "left.price > 15"}
  not_there:
    left: {records: sold, key: [id], amount: price}
    right: {file: "other*.csv", columns: {id: text, paid: money}, key: [id], amount: paid}
"""
SOLD = {"sold.csv": "id,merchant,price,at\nA1,m-1,10.00,2026-03-02 12:00:00\nA2,m-1,20.00,2026-03-02 13:00:00\n"}
SHOP = "no,paid,day,memo\nA1,10.00,2026-03-01,early\nA2,21.00,2026-03-02,=much\n"
BILL = {"bill.csv": "id,paid,memo\nA1,10.00,\nA2,20.00,\nA3,1.00,lost\n"}


def test_what_a_model_loads_checks_and_hands_over(tell: Any) -> None:
    told = tell(MODEL, {**SOLD, "shop_2026-03-02.csv": SHOP}, "2026-03-02", BILL)
    assert told.outcome.failures == ()
    found = as_dict(told.outcome)["recon"]
    assert {name: (each["breaks"], each["agrees"]) for name, each in found.items()} == {
        "loaded": (1, False),
        "given": (1, False),
    }
    findings = told.rows("SELECT checker, kind, key FROM recon.finding ORDER BY kind")
    assert findings == [("formula", "large", "A2"), ("formula", "paid_before", "A1")]
    raw = {(side, key): json.loads(text) for side, key, text in told.rows("SELECT side, key, raw FROM recon.raw_row")}
    assert raw["right", "A2"] == {"no": "A2", "paid": "21.00", "day": "2026-03-02", "memo": "=much"}
    assert raw["right", "A3"] == {"id": "A3", "paid": "1.00", "memo": "lost"}
    assert raw["left", "A2"]["price"] == 2000
    assert found["loaded"]["handlers"][0]["handler"] == "log"
    again = tell(MODEL, SOLD, "2026-03-02", BILL)
    assert not any(one.changed for one in again.outcome.scenarios)
    handed_on = pickle.loads(pickle.dumps(told.outcome.chained))  # as to the program that proves a frugal run
    assert [each.as_dict() for each in handed_on] == list(found.values())


def test_a_source_that_is_not_there_is_told_and_everything_else_goes_on(tell: Any) -> None:
    told = tell(MODEL, SOLD, "2026-03-02", BILL)
    (failure,) = told.outcome.failures
    assert failure.startswith("loaded was not compared: there is no file ")
    assert [one.name for one in told.outcome.scenarios] == ["given"]
    assert as_dict(told.outcome)["recon"]["loaded"]["agrees"] is False
