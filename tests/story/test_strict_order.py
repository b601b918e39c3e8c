"""Coupons shared up to caps: cleared in strict order, whatever order the facts arrive in."""

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from everycent.base.engine.local import LocalEngine
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.service import Difference, run_golden_cases
from everycent.proof.explain.service import explain
from everycent.serve.cli.app import run_app
from everycent.serve.simulating import simulate
from everycent.serve.wiring import SECTIONS

MARKET = """
    model: spring-market
    version: 1
    currency: CNY
    calendar: {time_zone: Asia/Shanghai}
    parties:
      platform: {operator: market-shanghai}
      merchant: {key: [merchant]}
      brand: {key: [brand]}
      distributor: {key: [distributor]}
    records:
      sale:
        file: sales*.csv
        id: [sale_no]
        occurred_at: sold_at
        columns:
          sale_no: text
          merchant: text
          brand: text
          distributor: text
          price: money
          coupon: money
          sold_at: timestamp
        amount: price - coupon
      sale_refunded:
        file: refunds*.csv
        refunds: sale
        of: [sale_no]
        id: [refund_no]
        occurred_at: refunded_at
        columns: {refund_no: text, sale_no: text, refunded: money, refunded_at: timestamp}
        amount: refunded
    budgets:
      spring: {}
    charges:
      goods: {for: sale, amount: price - coupon, debtor: platform, creditor: merchant}
      coupon:
        for: sale
        when: coupon > 0
        amount: coupon
        creditor: merchant
        apportion:
          budget: spring
          bearers:
            platform: {weight: 60, cap: 20.00}
            suppliers: {weight: 40, cap: 8.00, among: {brand: 70, distributor: 30}}
          when_all_capped: platform
    order: {by: [occurred_at], late: join}
    statements:
      merchant: {cycle: weekly}
      brand: {cycle: monthly}
      distributor: {cycle: monthly}
"""
SALES = """\
    sale_no,merchant,brand,distributor,price,coupon,sold_at
    A3,m-7,b-2,d-3,99.99,10.00,2026-03-03 12:00:00
    A1,m-7,b-2,d-3,99.99,10.00,2026-03-03 10:00:00
    A2,m-8,b-2,d-3,99.99,10.00,2026-03-03 11:00:00
"""
CARRIED = """
    SELECT r.key, o.leaf, o.amount_minor, o.total_before_minor, o.total_after_minor
    FROM clearing.ordered_obligation o JOIN intake.record r USING (tenant, model, record_id)
    ORDER BY o.sequence_no, o.bearer
"""


def test_caps_are_used_up_in_the_order_of_business_time(tell) -> None:
    told = tell(MARKET, {"sales.csv": SALES}, as_of="2026-03-06")
    assert told.rows(CARRIED) == [
        ("A1", "platform", 600, 0, 600),
        ("A1", "suppliers/brand", 280, 0, 280),
        ("A1", "suppliers/distributor", 120, 0, 120),
        ("A2", "platform", 600, 600, 1200),
        ("A2", "suppliers/brand", 280, 280, 560),
        ("A2", "suppliers/distributor", 120, 120, 240),
        ("A3", "platform", 1000, 1200, 2200),
        ("A3", "suppliers/brand", 0, 560, 560),
        ("A3", "suppliers/distributor", 0, 240, 240),
    ]
    assert told.rows("SELECT sequence_no FROM clearing.sequenced_record ORDER BY 1") == [(1,), (2,), (3,)]


REFUNDS = """\
    refund_no,sale_no,refunded,refunded_at
    R1,A1,44.99,2026-03-03 10:30:00
    R2,A1,45.00,2026-03-03 12:30:00
    R3,A3,10.00,2026-03-01 09:00:00
"""


def test_refunds_give_back_in_their_turn_and_never_before_their_original(tell) -> None:
    told = tell(MARKET, {"sales.csv": SALES, "refunds.csv": REFUNDS}, as_of="2026-03-06")
    moves = [(key, leaf, amount) for key, leaf, amount, _, _ in told.rows(CARRIED)]
    assert [key for key, leaf, _ in moves if leaf == "platform"] == ["A1", "R1", "A2", "A3", "R3", "R2"]
    platform = [(before, after) for _, leaf, _, before, after in told.rows(CARRIED) if leaf == "platform"]
    # A3: the suppliers have room for 2.00 of their 4.00. R3: 10.00 of 89.99 are 1.11 of 10.00, 80 % the platform's
    assert platform == [(0, 600), (600, 300), (300, 900), (900, 1700), (1700, 1611), (1611, 1311)]
    given_back = sum(amount for key, _, amount in moves if key in ("R1", "R2"))
    assert given_back == -1000, "both parts together are the whole coupon"


def test_windows_and_batches_of_any_size_give_the_same(tell) -> None:
    """The second model is the same but for its name and its windows."""
    whole = tell(MARKET, {"sales.csv": SALES, "refunds.csv": REFUNDS}, as_of="2026-03-06")
    one_by_one = MARKET.replace("spring-market", "autumn-market").replace("late: join}", "late: join, window: 1}")
    cut = tell(one_by_one, {"sales.csv": SALES, "refunds.csv": REFUNDS}, as_of="2026-03-06")
    rows = CARRIED.replace("ORDER BY", "WHERE model = '{}' ORDER BY")
    assert len(whole.rows(rows.format("spring-market"))) == 18
    assert cut.rows(rows.format("autumn-market")) == whole.rows(rows.format("spring-market"))


def test_any_share_is_walked_back_with_its_cap_before_and_after(tell) -> None:
    told = tell(MARKET, {"sales.csv": SALES}, as_of="2026-03-06")
    session = told.session
    found = explain(session.connection, session.details, session.engine, session.tenant, "sale:A3/coupon")
    lines = [line.strip() for line in found.to_lines()]
    assert "cleared in order  number 3" in lines
    assert "carried     platform had carried 12.00 of budget spring, then 22.00" in lines


CASE = """
tests:
  caps are used up in the order of business time:
    facts: |
      sale  sale_no  merchant  brand  distributor  price  coupon  sold_at
            A3       m-7       b-2    d-3          99.99  10.00   2026-03-03 12:00
            A1       m-7       b-2    d-3          99.99  10.00   2026-03-03 10:00
            A2       m-7       b-2    d-3          99.99  10.00   2026-03-03 11:00
      sale_refunded  refund_no  sale_no  refunded  refunded_at
                     R1         A1       89.99     2026-03-03 10:30
    obligations: |
      record  charge  debtor    amount
      A1      goods   platform   89.99
      A2      goods   platform   89.99
      A3      goods   platform   89.99
      R1      goods   platform  -89.99
      A1      coupon  platform    6.00
      A1      coupon  b-2         2.80
      A1      coupon  d-3         1.20
      R1      coupon  platform   -6.00
      R1      coupon  b-2        -2.80
      R1      coupon  d-3        -1.20
      A2      coupon  platform    6.00
      A2      coupon  b-2         2.80
      A2      coupon  d-3         1.20
      A3      coupon  platform    6.00
      A3      coupon  b-2         2.80
      A3      coupon  d-3         1.20
"""


def test_golden_cases_are_cleared_in_order_too(tmp_path: Path, engine: LocalEngine) -> None:
    (tmp_path / "model.yaml").write_text(dedent(MARKET) + CASE, encoding="utf-8")
    (outcome,) = run_golden_cases(load_model(tmp_path / "model.yaml", SECTIONS), "default", engine)
    assert outcome.differences == ()


def test_a_higher_cap_is_tried_out_on_history(tell, tmp_path: Path) -> None:
    told = tell(MARKET, {"sales.csv": SALES}, as_of="2026-03-06")
    (tmp_path / "model.yaml").write_text(dedent(MARKET), encoding="utf-8")

    def tried(changes: dict[str, str]) -> Difference:
        model = load_model(tmp_path / "model.yaml", SECTIONS, changes)
        return simulate(told.session, None, model, [], None, lambda stage, done, total: None).difference

    assert tried({}).differing == 0
    found = tried({"charges.coupon.apportion.bearers.suppliers.cap": "80.00"})
    moved = {row["role"]: int(row["after_minor"] - row["before_minor"]) for row in found.bearers.to_pylist()}
    assert moved == {"platform": -400, "brand": 280, "distributor": 120}, "the suppliers carry their part of A3 too"


def test_stragglers_are_waited_for_and_what_comes_later_joins_the_present(tell) -> None:
    patient = MARKET.replace("late: join}", "late: join, wait: 90 minutes}")
    lines = SALES.splitlines(keepends=True)
    told = tell(patient, {"sales_1.csv": "".join([lines[0], lines[1], lines[2]])}, as_of="2026-03-03")
    assert [key for key, *_ in told.rows(CARRIED)] == ["A1"] * 3, "A3 may have stragglers before it: it waits"
    told = tell(patient, {"sales_2.csv": "".join([lines[0], lines[3]])}, as_of="2026-03-04")
    assert [key for key, leaf, *_ in told.rows(CARRIED) if leaf == "platform"] == ["A1", "A2", "A3"]
    late = lines[0] + "    A0,m-7,b-2,d-3,99.99,10.00,2026-03-03 09:00:00\n"
    told = tell(patient, {"sales_3.csv": late}, as_of="2026-03-04")
    assert [key for key, leaf, *_ in told.rows(CARRIED) if leaf == "platform"] == ["A1", "A2", "A3", "A0"]
    again = tell(patient, {"sales_3.csv": late}, as_of="2026-03-04")
    assert not again.outcome.summary.changed


def test_a_rewind_that_moves_nothing_says_so_plainly(
    tell, database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(MARKET, {"sales.csv": SALES}, as_of="2026-03-06")
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    model = str(tmp_path / "workspace" / "model.yaml")
    assert run_app(["rewind", "plan", model, "--to", "A1"]) == 0
    said = capsys.readouterr().out
    assert said.endswith(
        "nothing would move: clearing the 3 records from number 1 on again gives the same obligations, to the cent\n"
    )


def test_a_rewind_to_a_name_that_two_records_have_asks_which(
    tell, database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refunds = "refund_no,sale_no,refunded,refunded_at\nA2,A1,9.00,2026-03-03 13:00:00\n"
    tell(MARKET, {"sales.csv": SALES, "refunds.csv": refunds}, as_of="2026-03-06")
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    model = str(tmp_path / "workspace" / "model.yaml")
    assert run_app(["rewind", "plan", model, "--to", "A2"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "several records are called A2: sale:A2 (" in said and ", sale_refunded:A2 (" in said
    assert "name one of them as kind:key or by its id" in said
    assert run_app(["rewind", "plan", model, "--to", "sale:A2"]) == 0
    assert "clearing the 3 records from number 2 on again" in capsys.readouterr().out


PARTS = MARKET.replace("amount: coupon\n", "amount: coupon * part\n").replace(
    "    budgets:", "    factors:\n      part: {table: parts.csv, key: [merchant], type: decimal(2)}\n    budgets:"
)
NUMBERS = """
    SELECT r.key, s.sequence_no FROM clearing.sequenced_record s JOIN intake.record r USING (tenant, model, record_id)
    WHERE NOT EXISTS (
        SELECT FROM platform.generation g WHERE g.generation > s.generation AND g.starts_at <= s.sequence_no)
    ORDER BY 2
"""


@pytest.mark.parametrize(
    ("late", "numbers"), [("rewind", [("A1", 1), ("A2", 2), ("A3", 3)]), ("join", [("A1", 1), ("A3", 2), ("A2", 3)])]
)
def test_what_was_parked_takes_its_turn_once_it_is_released(tell, late: str, numbers: list[tuple[str, int]]) -> None:
    model, parts = PARTS.replace("late: join", f"late: {late}"), "merchant,part\nm-7,1.00\n"
    told = tell(model, {"sales.csv": SALES, "parts.csv": parts}, as_of="2026-03-06")
    assert told.rows(NUMBERS) == [("A1", 1), ("A3", 2)], "nothing is known of A2's merchant"
    told = tell(model, {"sales.csv": SALES, "parts.csv": parts + "m-8,1.00\n"}, as_of="2026-03-06")
    assert told.rows(NUMBERS) == numbers
    assert sum(amount for key, _, amount, *_ in told.rows(CARRIED) if key == "A2") == 1000
