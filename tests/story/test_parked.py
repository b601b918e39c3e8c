"""Charges that wait: parked with a reason, rated again once the configuration is mended, refunds following."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from everycent.flow.model.service import load_model
from everycent.flow.pipeline.service import Tried, parked, rate_parked
from everycent.proof.explain.service import explain
from everycent.proof.verify.service import verify
from everycent.serve.wiring import SECTIONS

MODEL = """
    model: parking
    version: 1
    currency: CNY
    calendar: {time_zone: Asia/Shanghai}
    parties:
      platform: {operator: shanghai}
      merchant: {key: [merchant]}
      brand: {key: [brand]}
    records:
      sold:
        file: sold*.csv
        id: [id]
        occurred_at: at
        amount: price
        columns: {id: text, merchant: text, brand: text, category: text, price: money, at: timestamp}
      returned:
        file: returned*.csv
        refunds: sold
        of: [id]
        id: [refund]
        occurred_at: at
        amount: refunded
        columns: {refund: text, id: text, refunded: money, at: timestamp}
    factors:
      rate: {table: rates.csv, key: [category]}
      levy: {table: levies.csv, key: [category]}
    charges:
      goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
      commission: {for: sold, amount: price * rate, debtor: merchant, creditor: platform}
      duty: {for: sold, amount: commission * levy + price * rate, debtor: brand, creditor: platform}
    statements: {merchant: {cycle: monthly, mode: net}, brand: {cycle: monthly, mode: net}}
    payouts: {}
"""
SOLD = """\
    id,merchant,brand,category,price,at
    A1,m-1,b-1,toys,100.00,2026-03-03 10:00:00
    A2,m-1,b-1,books,33.33,2026-03-03 11:00:00
    A3,m-2,b-2,pots,10.00,2026-03-04 12:00:00
"""
RETURNED = """\
    refund,id,refunded,at
    R1,A2,11.11,2026-03-05 10:00:00
    R2,A2,11.11,2026-03-06 10:00:00
    R3,A1,50.00,2026-03-06 10:00:00
"""
RATES = "category,rate\ntoys,0.05\n"
LEVIES = "category,levy\ntoys,0.10\nbooks,0.10\n"
ALL = "category,rate\ntoys,0.50\nbooks,0.10\npots,0.20\n"
ALL_LEVIES = "category,levy\ntoys,0.99\nbooks,0.10\npots,0.30\n"

CHARGES = """SELECT r.key, c.charge, c.amount_minor FROM rating.charge c JOIN intake.record r USING (record_id)
    WHERE c.charge <> 'goods' ORDER BY 1, 2"""


def mended(told: Any, tmp_path: Path, now: datetime = datetime(2026, 3, 7, tzinfo=UTC), **files: str) -> Tried:
    """Rates what is parked again, with these files beside the model."""
    folder = tmp_path / "workspace"
    for name, text in files.items():
        (folder / name.replace("_csv", ".csv").replace("_yaml", ".yaml")).write_text(dedent(text))
    session = told.session
    model = load_model(folder / "model.yaml", SECTIONS)
    tried = rate_parked(session, model, model.files, lambda message: None, now)
    found = verify(session.connection, session.details, session.engine, session.tenant, model.name)
    assert found.ok, [finding.first_bad for finding in found.findings]
    return tried


@pytest.fixture
def told(tell: Any) -> Any:
    files = {"sold.csv": SOLD, "returned.csv": RETURNED, "rates.csv": RATES, "levies.csv": LEVIES}
    return tell(MODEL, files, as_of="2026-03-07")


def test_what_waits_is_listed_by_reason_with_records_to_look_at(told: Any) -> None:
    waits = parked(told.session, "parking")
    assert [(w.charge, w.charges, w.examples) for w in waits if w.charges > 1] == [
        ("commission", 2, ("returned:R1", "returned:R2")),
        ("duty", 2, ("returned:R1", "returned:R2")),
        ("duty", 2, ("sold:A2", "sold:A3")),
    ]
    (missing,) = [w for w in waits if "'pots'" in w.reason and w.charge == "commission"]
    assert missing.examples == ("sold:A3",) and "factor rate is missing" in missing.reason
    assert told.outcome.summary.parked.waiting == sum(w.charges for w in waits) == 8


def test_a_mended_table_releases_what_waits_and_its_refunds_follow(told: Any, tmp_path: Path) -> None:
    before = told.rows("SELECT * FROM rating.charge ORDER BY record_id, charge")
    held = told.rows("SELECT * FROM rating.held_charge ORDER BY record_id, charge")
    tried = mended(told, tmp_path, rates_csv=ALL, levies_csv=ALL_LEVIES)
    assert (tried.released, tried.waiting, tried.next_try_at) == (8, 0, None)
    assert told.rows(CHARGES) == [
        ("A1", "commission", 500),  # rated when it came: today's 0.50 is not for it
        ("A1", "duty", 550),
        ("A2", "commission", 333),
        ("A2", "duty", 367),
        ("A3", "commission", 200),
        ("A3", "duty", 260),
        ("R1", "commission", -111),
        ("R1", "duty", -122),
        ("R2", "commission", -111),
        ("R2", "duty", -123),
        ("R3", "commission", -250),
        ("R3", "duty", -275),
    ]
    after = told.rows("SELECT * FROM rating.charge ORDER BY record_id, charge")
    assert set(before) <= set(after), "what was charged stays as it was"
    assert told.rows("SELECT * FROM rating.held_charge ORDER BY record_id, charge") == held, "what was held stays told"


def test_rating_again_without_a_change_does_nothing(told: Any, tmp_path: Path) -> None:
    mended(told, tmp_path, rates_csv=ALL, levies_csv=ALL_LEVIES)
    batches = told.rows("SELECT count(*) FROM platform.batch")
    assert mended(told, tmp_path).released == 0
    assert told.rows("SELECT count(*) FROM platform.batch") == batches


def test_what_stays_unratable_stays_parked_with_its_new_reason(told: Any, tmp_path: Path) -> None:
    tried = mended(told, tmp_path, rates_csv=ALL)
    assert tried.released == 7 and tried.waiting == 1
    (left,) = parked(told.session, "parking")
    assert (left.charge, left.examples) == ("duty", ("sold:A3",))
    assert "factor levy is missing for category 'pots'" in left.reason
    assert told.rows("SELECT charge, outcome FROM rating.retry WHERE outcome = 'held'") == [("duty", "held")]
    assert mended(told, tmp_path, levies_csv=ALL_LEVIES).waiting == 0
    assert ("A3", "duty", 260) in told.rows(CHARGES)


def test_a_value_that_a_standing_charge_was_computed_from_is_frozen(told: Any, tmp_path: Path) -> None:
    mended(told, tmp_path, rates_csv=ALL)
    mended(told, tmp_path, rates_csv=ALL.replace("0.20", "0.90"), levies_csv=ALL_LEVIES)
    assert ("A3", "duty", 260) in told.rows(CHARGES), "10.00 * 0.20, as its commission, and not 0.90"


def test_a_run_rates_parked_charges_again_where_something_was_changed(tell: Any, told: Any) -> None:
    files = {"sold.csv": SOLD, "returned.csv": RETURNED, "rates.csv": RATES, "levies.csv": LEVIES}
    assert not tell(MODEL, files, as_of="2026-03-07").outcome.summary.changed
    again = tell(MODEL, {**files, "rates.csv": ALL, "levies.csv": ALL_LEVIES}, as_of="2026-03-07")
    assert again.outcome.summary.changed and again.outcome.summary.parked.released == 8


def test_the_next_try_comes_later_the_more_were_in_vain(told: Any, tmp_path: Path) -> None:
    now = datetime(2026, 3, 7, tzinfo=UTC)
    waits = []
    for _ in range(3):
        planned = mended(told, tmp_path, now).next_try_at
        assert planned is not None
        waits.append(planned - now)
    assert waits == [timedelta(minutes=2), timedelta(minutes=4), timedelta(minutes=8)]
    changed = mended(told, tmp_path, now, rates_csv=RATES + "hats,0.1\n").next_try_at
    assert changed == now + timedelta(minutes=1)


def test_a_release_is_booked_where_the_books_are_open(tell: Any, tmp_path: Path) -> None:
    files = {"sold.csv": SOLD, "returned.csv": RETURNED, "rates.csv": RATES, "levies.csv": LEVIES}
    told = tell(MODEL, files, as_of="2026-04-05")
    closed = told.rows("SELECT * FROM settlement.statement WHERE state = 'closed' ORDER BY statement_id")
    assert closed
    mended(told, tmp_path, rates_csv=ALL, levies_csv=ALL_LEVIES)
    assert told.rows("SELECT * FROM settlement.statement WHERE state = 'closed' ORDER BY statement_id") == closed
    late = told.rows("SELECT DISTINCT booked_on FROM rating.charge c JOIN rating.retry USING (record_id, charge)")
    assert late == [(date(2026, 4, 5),)]


def test_the_walk_back_says_what_was_held_and_which_version_released_it(told: Any, tmp_path: Path) -> None:
    mended(told, tmp_path, rates_csv=ALL, levies_csv=ALL_LEVIES)
    session = told.session
    found = explain(session.connection, session.details, session.engine, session.tenant, "sold:A3")
    text = "\n".join(found.to_lines())
    version = load_model(tmp_path / "workspace" / "model.yaml", SECTIONS).version_hash
    assert "held_charge" not in text and "held charge commission: held, factor rate is missing" in text
    assert f"rated again  charged (batch 3, version {version})" in text
    assert f"released by  batch 3, version {version}" in text
    assert "rate = 0.2" in text


def test_a_new_model_version_releases_a_record_that_no_charge_took(tell: Any, tmp_path: Path) -> None:
    narrow = MODEL.replace("goods: {for: sold,", "goods: {for: sold, when: category = 'toys',")
    for name in ("commission", "duty"):
        narrow = narrow.replace(f"{name}: {{for: sold,", f"{name}: {{for: sold, when: category = 'toys',")
    files = {"sold.csv": SOLD, "returned.csv": RETURNED, "rates.csv": ALL, "levies.csv": ALL_LEVIES}
    told = tell(narrow, files, as_of="2026-03-07")
    assert {w.charge for w in parked(told.session, "parking")} == {"*"}
    tried = mended(told, tmp_path, model_yaml=MODEL)
    assert (tried.outcomes["charged"], tried.waiting) == (4, 0)
    fresh = sorted(told.rows(CHARGES))
    assert ("A2", "commission", 333) in fresh and ("R2", "duty", -123) in fresh


def test_refunds_that_come_after_the_release_see_no_trace_of_it(tell: Any, told: Any, tmp_path: Path) -> None:
    mended(told, tmp_path, rates_csv=ALL, levies_csv=ALL_LEVIES)
    more = RETURNED + "    R4,A2,11.11,2026-03-07 10:00:00\n"
    files = {"sold.csv": SOLD, "returned2.csv": more, "rates.csv": ALL, "levies.csv": ALL_LEVIES}
    again = tell(MODEL, files, as_of="2026-03-07")
    assert again.outcome.summary.parked.waiting == 0
    whole = again.rows("""SELECT charge, sum(c.amount_minor) FROM rating.charge c JOIN intake.record r USING (record_id)
        WHERE r.key IN ('A2', 'R1', 'R2', 'R4') GROUP BY 1 ORDER BY 1""")
    assert whole == [("commission", 0), ("duty", 0), ("goods", 0)], "a full refund gives back exactly everything"


@pytest.mark.parametrize(
    "forged",
    [
        "UPDATE rating.retry SET outcome = 'not_charged' WHERE charge = 'duty' AND outcome = 'charged'",
        "DELETE FROM rating.retry WHERE charge = 'duty'",
        "UPDATE rating.held_charge SET charge = 'levy' WHERE charge = 'duty'",
    ],
)
def test_a_release_that_did_not_happen_is_found(told: Any, tmp_path: Path, forged: str) -> None:
    mended(told, tmp_path, rates_csv=ALL, levies_csv=ALL_LEVIES)
    session = told.session
    session.connection.execute(forged)
    found = verify(session.connection, session.details, session.engine, session.tenant, "parking")
    assert any("retry" in each.name or "released" in each.name for each in found.findings)
