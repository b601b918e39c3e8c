"""What would another version have paid? Simulated on history, and then really run: the figures are the same."""

from pathlib import Path
from textwrap import dedent

import pytest

from everycent.flow.model.service import load_model
from everycent.serve.cli.running import run_model
from everycent.serve.demo.marketplace import generate
from everycent.serve.report.difference import render_difference
from everycent.serve.simulating import Simulated, simulate
from everycent.serve.wiring import SECTIONS

MARKET = """
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
        file: sales*.csv
        id: [sale_no]
        occurred_at: sold_at
        columns:
          {sale_no: text, merchant: text, brand: text, category: text, price: money, coupon: money, sold_at: timestamp}
        amount: price - coupon
      sale_refunded:
        file: refunds*.csv
        refunds: sale
        of: [sale_no]
        id: [refund_no]
        occurred_at: refunded_at
        columns: {refund_no: text, sale_no: text, refunded: money, refunded_at: timestamp}
        amount: refunded
    factors:
      rate: {table: rates.csv, key: [category], unit: ratio}
    charges:
      goods: {for: sale, amount: price - coupon, debtor: platform, creditor: merchant}
      commission: {for: sale, amount: price * rate, debtor: merchant, creditor: platform}
      coupon: {for: sale, amount: coupon, creditor: merchant, apportion: {bearers: {platform: 60, brand: 40}}}
    statements:
      merchant: {cycle: weekly}
      brand: {cycle: monthly}
"""
DEARER = (
    MARKET.replace("price * rate", "price * rate * 2")
    .replace("brand: 40", "brand: 60")
    .replace("corner-market", "dearer-market")
)
FILES = {
    "sales.csv": """\
        sale_no,merchant,brand,category,price,coupon,sold_at
        A1,m-7,b-2,toys,99.99,10.01,2026-03-03 10:00:00
        """,
    "refunds.csv": """\
        refund_no,sale_no,refunded,refunded_at
        R1,A1,30.00,2026-03-04 09:00:00
        R2,A1,39.98,2026-03-05 09:00:00
        """,
    "rates.csv": "category,rate\ntoys,0.05\n",
}
CHANGES = {"charges.commission.amount": "price * rate * 2", "charges.coupon.apportion.bearers.brand": "60"}


def silent(stage: str, done: int, total: int | None) -> None:
    """Nobody looks."""


def totals(found: Simulated, side: str) -> dict[str, int]:
    return {row["charge"]: int(row[f"{side}_minor"]) for row in found.difference.charges.to_pylist()}


@pytest.fixture
def told(tell):
    return tell(MARKET, FILES, as_of="2026-03-06")


@pytest.fixture
def other_market(tmp_path: Path):
    (tmp_path / "model.yaml").write_text(dedent(MARKET), encoding="utf-8")
    (tmp_path / "rates.csv").write_text(FILES["rates.csv"], encoding="utf-8")
    return load_model(tmp_path / "model.yaml", SECTIONS, CHANGES)


def test_a_simulation_gives_what_a_real_run_gives_and_changes_nothing(told, other_market, tell) -> None:
    counted = "SELECT count(*), sum(amount_minor) FROM clearing.obligation"
    stored = told.rows(counted)
    found = simulate(told.session, None, other_market, [], None, silent)
    assert told.rows(counted) == stored
    mine = "SELECT 'everycent_scratch_' || oid || '_' FROM pg_database WHERE datname = current_database()"
    assert told.rows(f"SELECT 1 FROM pg_database WHERE starts_with(datname, ({mine}))") == []
    assert found.records == 3 and found.difference.differing == 6, "commission and coupon, thrice each"
    really = tell(DEARER, FILES, as_of="2026-03-06")
    paid = really.rows("SELECT charge, amount_minor FROM clearing.obligation WHERE model = 'dearer-market'")
    assert totals(found, "after") == {
        charge: sum(amount for name, amount in paid if name == charge) for charge in ("commission", "coupon", "goods")
    }
    before, after = found.explained
    assert any("price * rate, rounded" in line for line in before)
    assert any("price * rate * 2, rounded" in line for line in after)


def test_two_versions_over_the_same_files(told, other_market, tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(dedent(text), encoding="utf-8")
    same = load_model(tmp_path / "model.yaml", SECTIONS)
    files = [str(tmp_path / name) for name in FILES]
    found = simulate(told.session, same, other_market, files, None, silent)
    stored = dict(told.rows("SELECT charge, sum(amount_minor)::bigint FROM clearing.obligation GROUP BY 1"))
    assert totals(found, "before") == stored != totals(found, "after")


def test_the_same_model_over_its_own_history_changes_nothing(told, tmp_path: Path) -> None:
    market = generate(tmp_path / "market", 150, seed=8)
    model = load_model(market.model, SECTIONS)
    run_model(told.session, model, [str(market.folder / "data")], [], None, market.as_of, silent)
    found = simulate(told.session, None, model, [], None, silent)
    assert (found.difference.differing, found.difference.parties.num_rows) == (0, 0)
    assert found.records > 300 and all(row["before"] == row["after"] for row in found.held.to_pylist())


def test_the_page_shows_who_gains(told, other_market, tmp_path: Path) -> None:
    found = simulate(told.session, None, other_market, [], None, silent)
    render_difference(found, other_market.spec.currency_codes, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<rect") == found.difference.parties.num_rows == 3
    assert "brand:b-2" in page and "sale:A1" in page and "http" not in page
