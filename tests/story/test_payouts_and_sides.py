"""What the bank paid is made of a provider's report, order by order; till, acquirer and bank are told side by side."""

from typing import Any

import pyarrow.parquet as pq
import pytest

from everycent.flow.model.contract import ModelRefused
from everycent.proof.explain.service import replay
from everycent.proof.recon.service import PARTS, payouts_of
from everycent.proof.verify.core.recon import PAYOUTS as PAYOUTS_ADD_UP
from everycent.proof.verify.service import verify
from everycent.serve.cli.running import as_dict
from everycent.serve.recon_modes import write_across, write_payouts

MODEL = """
model: tea-house
version: 1
currency: EUR
calendar: {time_zone: Europe/Berlin}
parties:
  platform: {operator: tea-berlin}
  merchant: {key: [merchant]}
records:
  sold:
    file: sold.csv
    id: [id]
    occurred_at: at
    columns: {id: text, merchant: text, price: money, at: timestamp}
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
statements: {merchant: {cycle: daily}}
recon:
"""
SOLD = "id,merchant,price,at\nT1,m-1,10.00,2026-03-02 12:00:00\nT2,m-1,20.00,2026-03-02 12:00:00\n"

PAYOUTS = """\
  payouts:
    left:
      file: report*.csv
      columns: {payout: text, type: text, order: {type: text, required: no}, net: money, fee: money, on: date,
                cur: text}
      key: [payout]
      currency: cur
      amount: net
      rows: sum
      fee: fee
      kind: type
      reference: '"order"'
      occurred_at: 'on'
    right:
      file: bank*.csv
      columns: {line: text, paid: money, on: date, cur: text}
      key: [line]
      currency: cur
      amount: paid
      occurred_at: 'on'
    rules:
      - {dates: {within: 2 days}}
    payout:
      report: left
      parts: {gross: [sale], refunds: [refund, chargeback], reserves: [hold, release], exchange: fx, fees: [monthly]}
"""
#: P1: 100.00 - 2.90 and 50.00 - 1.45 sold, 20.00 of A given back (its fee of 0.30 stays), 10.00 held, 0.12 lost in
#: exchange, a monthly fee of 5.00: 97.10 + 48.55 - 20.30 - 10.00 - 0.12 - 5.00 = 110.23
REPORT = """payout,type,order,net,fee,on,cur
P1,sale,A,97.10,2.90,2026-03-02,EUR
P1,sale,B,48.55,1.45,2026-03-02,EUR
P1,refund,A,-20.30,0.30,2026-03-02,EUR
P1,hold,,-10.00,0.00,2026-03-02,EUR
P1,fx,B,-0.12,0.00,2026-03-02,EUR
P1,monthly,,-5.00,0.00,2026-03-02,EUR
P2,release,,10.00,0.00,2026-03-09,EUR
P2,sale,A,9.70,0.30,2026-03-09,EUR
P2,gift,,1.00,0.00,2026-03-09,EUR
P3,sale,C,1.00,0.00,2026-03-30,EUR
P4,sale,D,480,20,2026-03-30,JPY
"""
BANK = """line,paid,on,cur
b-17,110.23,2026-03-03,EUR
b-18,20.70,2026-03-10,EUR
b-19,7.00,2026-03-20,EUR
P4,480,2026-03-31,JPY
"""


def test_a_payout_is_rebuilt_from_its_orders_and_back(tell: Any, tmp_path: Any) -> None:
    given = {"report.csv": REPORT, "bank.csv": BANK}
    told = tell(MODEL + PAYOUTS, {"sold.csv": SOLD}, "2026-03-31", given)
    run = told.outcome.scenarios[0].run
    parts = run.beyond.payouts
    assert [
        (row["payout"], row["paid_key"], row["part"], row["order"], int(row["amount_minor"]))
        for row in parts.to_pylist()
    ] == [
        ("P1", "b-17", "gross", "A", 10000), ("P1", "b-17", "gross", "B", 5000),
        ("P1", "b-17", "refunds", "A", -2000),
        ("P1", "b-17", "fees", None, -500), ("P1", "b-17", "fees", "A", -320), ("P1", "b-17", "fees", "B", -145),
        ("P1", "b-17", "reserves", None, -1000), ("P1", "b-17", "exchange", "B", -12),
        ("P2", "b-18", "gross", "A", 1000), ("P2", "b-18", "fees", "A", -30), ("P2", "b-18", "reserves", None, 1000),
        ("P2", "b-18", "other", None, 100),
        ("P3", None, "gross", "C", 100), ("P3", None, "unexplained", None, -100),
        ("P4", "P4", "gross", "D", 500), ("P4", "P4", "fees", "D", -20),
        (None, "b-19", "unexplained", None, 700),
    ]  # fmt: skip
    back = payouts_of(parts, "A", told.session.engine).to_pylist()
    assert [(row["paid_key"], row["part"], int(row["amount_minor"])) for row in back] == [
        ("b-17", "gross", 10000), ("b-17", "refunds", -2000), ("b-17", "fees", -320), ("b-18", "gross", 1000),
        ("b-18", "fees", -30),
    ]  # fmt: skip
    said = as_dict(told.outcome)["recon"]["payouts"]["payouts"]
    assert said == {
        "payouts": 5,
        "parts_minor": {"gross": 16100, "refunds": -2000, "fees": -995, "reserves": 0, "exchange": -12, "other": 100,
                        "written_off": 0, "unexplained": 600},
        "parts_in_others_minor": {"JPY": {**dict.fromkeys(PARTS, 0), "gross": 500, "fees": -20}},
    }  # fmt: skip
    again = tell(MODEL + PAYOUTS, {"sold.csv": SOLD}, "2026-03-31", given).outcome.scenarios[0]
    assert not again.changed and again.run.beyond == run.beyond
    assert pq.read_table(write_payouts(tmp_path, [("payouts", run)])[0]).num_rows == 17
    session = told.session
    paid = [
        event.text
        for order in ("A", "D")
        for event in replay(session.connection, session.details, session.engine, session.tenant, order).events
        if "payout" in event.text
    ]
    assert paid == [
        "payouts run 1, A: 76.80 EUR (gross 100.00, refunds -20.00, fees -3.20) of payout P1, paid as b-17, 110.23 EUR "
        "in all",
        "payouts run 1, A: 9.70 EUR (gross 10.00, fees -0.30) of payout P2, paid as b-18, 20.70 EUR in all",
        "payouts run 1, D: 480 JPY (gross 500, fees -20) of payout P4, paid as P4, 480 JPY in all",
    ]
    assert told.outcome.verdict.ok
    for tamper in (
        "UPDATE recon.payout_part SET amount_minor = 1 WHERE part_no = 1",
        "DELETE FROM recon.payout_currency WHERE part_no = (SELECT max(part_no) FROM recon.payout_currency)",
    ):
        with session.connection.transaction(force_rollback=True):
            session.connection.execute(tamper)
            verdict = verify(session.connection, session.details, session.engine, session.tenant, "tea-house")
            assert {PAYOUTS_ADD_UP.name} < {found.name for found in verdict.findings}


@pytest.mark.parametrize(
    ("given", "instead", "message"),
    [
        ("      kind: type\n", "", "payout: the left side has the report; write there `kind`"),
        ("      rows: sum\n", "", "payout: rows of a payout add up; write `rows: sum` on the report"),
        ("exchange: fx", "exchange: sale", "'sale' is in two parts; name each kind once"),
    ],
)
def test_a_payout_that_cannot_be_taken_apart_is_refused(tell: Any, given: str, instead: str, message: str) -> None:
    with pytest.raises(ModelRefused) as refused:
        tell(MODEL + PAYOUTS.replace(given, instead), {"sold.csv": SOLD}, "2026-03-31", {})
    assert message in str(refused.value)


SIDES = """\
  point_of_sale:
    sides:
      till: {records: sold, key: [id], amount: price}
      acquirer: {file: acquirer.csv, columns: {id: text, paid: money, state: text}, key: [id], amount: paid,
                 status: state}
      bank: {file: bank.csv, columns: {id: text, paid: money, state: text}, key: [id], amount: paid, status: state}
    basis: till
"""


def test_three_sides_are_told_beside_each_other(tell: Any, tmp_path: Any) -> None:
    model = MODEL + SIDES
    sold = SOLD + "".join(f"T{n},m-1,{n}.00,2026-03-02 12:00:00\n" for n in range(3, 6))
    given = {
        "acquirer.csv": "id,paid,state\nT1,10.00,ok\nT2,20.00,ok\nT3,3.00,ok\nT4,4.00,ok\nT9,9.00,ok\n",
        "bank.csv": "id,paid,state\nT1,10.00,ok\nT2,19.00,ok\nT4,4.00,ok\nT4,4.00,late\nT5,5.00,ok\n",
    }
    told = tell(model, {"sold.csv": sold}, "2026-03-31", given)
    found = as_dict(told.outcome)["recon"]
    assert {name: each["breaks"] for name, each in found.items()} == {
        "point_of_sale/acquirer": 2, "point_of_sale/bank": 3,
    }  # fmt: skip
    (file,) = write_across(tmp_path, [(one.name, one.across) for one in told.outcome.scenarios])
    assert file.name == "sides_point_of_sale.parquet"
    rows = pq.read_table(file).to_pylist()
    names = [f"{side}_{what}" for side in ("till", "acquirer", "bank") for what in ("rows", "amount_minor")]
    assert [(row["key"], *(None if row[name] is None else int(row[name]) for name in names)) for row in rows] == [
        ("T2", 1, 2000, 1, 2000, 1, 1900),
        ("T3", 1, 300, 1, 300, 0, None),
        ("T4", 1, 400, 1, 400, 2, 800),
        ("T5", 1, 500, 0, None, 1, 500),
        ("T9", 0, None, 1, 900, 0, None),
    ]
    assert [row["bank_statuses"] for row in rows] == ["ok", None, "late+ok", "ok", None]
    assert told.outcome.verdict.ok


@pytest.mark.parametrize(
    ("given", "instead", "message"),
    [
        ("basis: till", "basis: shop", "`basis` is one of till, acquirer, bank"),
        ("    basis: till\n", "", "`basis` is one of till, acquirer, bank"),
        ("    sides:\n", "    left: {records: sold, key: [id], amount: price}\n    sides:\n", "are three or more"),
        ("amount: price}", "amount: colour}", "colour"),
    ],
)
def test_sides_that_do_not_fit_are_refused(tell: Any, given: str, instead: str, message: str) -> None:
    with pytest.raises(ModelRefused) as refused:
        tell((MODEL + SIDES).replace(given, instead), {"sold.csv": SOLD}, "2026-03-31", {})
    assert message in str(refused.value)


def test_one_side_alone_is_refused(tell: Any) -> None:
    model = MODEL + "  alone:\n    left: {records: sold, key: [id], amount: price}\n"
    with pytest.raises(ModelRefused, match="'right' is missing here"):
        tell(model, {"sold.csv": SOLD}, "2026-03-31", {})
