"""Factors looked up outside: gathered before a batch, kept with source and time, parked where a look-up fails."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from price_service import PriceService, price_service

from everycent.flow.model.service import load_model
from everycent.flow.pipeline.service import parked, rate_parked, rules_of_record
from everycent.proof.explain.service import explain
from everycent.proof.verify.service import verify
from everycent.serve.cli.simulations import asked_outside
from everycent.serve.simulating import Simulated, simulate
from everycent.serve.wiring import SECTIONS

MODEL = """
    model: outside
    version: 1
    currency: CNY
    calendar: {time_zone: Asia/Shanghai}
    parties:
      platform: {operator: shanghai}
      merchant: {key: [merchant]}
    records:
      sold:
        file: sold*.csv
        id: [id]
        occurred_at: at
        amount: price
        columns: {id: text, merchant: text, category: text, price: money, at: timestamp}
    factors:
      rate: {rest: {address: RATES_URL, tries: 1, timeout_ms: 2000}, column: price, key: [category], type: decimal(4)}
      floor:
        sql:
          database: FLOORS_URL
          statement: SELECT category, floor FROM floor_price WHERE category = ANY(%(category)s)
        key: [category]
        type: money
      worth: {column: price}
      levy: {constant: 2}
    charges:
      goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
      commission: {for: sold, amount: "greatest(worth * rate, floor) * levy", debtor: merchant, creditor: platform}
    statements: {merchant: {cycle: monthly, mode: net}}
    payouts: {}
"""
SOLD = """\
    id,merchant,category,price,at
    A1,m-1,toys,100.00,2026-03-03 10:00:00
    A2,m-1,books,30.00,2026-03-03 11:00:00
    A3,m-2,toys,1.00,2026-03-04 12:00:00
"""
CHARGES = """SELECT r.key, c.amount_minor FROM rating.charge c JOIN intake.record r USING (record_id)
    WHERE c.charge = 'commission' ORDER BY 1"""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, database: Any) -> Iterator[PriceService]:
    database.connection.execute("CREATE TABLE public.floor_price (category text, floor numeric)")
    database.connection.execute("INSERT INTO public.floor_price VALUES ('toys', 0.30), ('books', 0.50)")
    monkeypatch.setenv("FLOORS_URL", database.settings.database_url)
    with price_service({"toys": "0.05", "books": "0.1"}) as running:
        monkeypatch.setenv("RATES_URL", running.url)
        yield running


def again(told: Any, tmp_path: Path) -> Any:
    model = load_model(tmp_path / "workspace" / "model.yaml", SECTIONS)
    session = told.session
    tried = rate_parked(session, model, model.files, lambda message: None, datetime(2026, 3, 9, tzinfo=UTC))
    assert verify(session.connection, session.details, session.engine, session.tenant, model.name).ok
    return tried


def test_values_are_asked_for_once_a_batch_and_kept_with_source_and_time(tell: Any, service: PriceService) -> None:
    told = tell(MODEL, {"sold.csv": SOLD}, as_of="2026-03-05")
    assert told.rows(CHARGES) == [("A1", 1000), ("A2", 600), ("A3", 60)]
    assert service.asked == [["books", "toys"]]
    kept = told.rows("SELECT factor, key->>0, value, source FROM rating.fetched ORDER BY 1, 2")
    assert kept == [
        ("floor", "books", "50", "FLOORS_URL"),
        ("floor", "toys", "30", "FLOORS_URL"),
        ("rate", "books", "0.1", "RATES_URL"),
        ("rate", "toys", "0.05", "RATES_URL"),
    ]


def test_the_walk_back_tells_each_value_with_its_source_and_time(tell: Any, service: PriceService) -> None:
    session = tell(MODEL, {"sold.csv": SOLD}, as_of="2026-03-05").session
    text = "\n".join(
        explain(session.connection, session.details, session.engine, session.tenant, "A1/commission").to_lines()
    )
    assert f"rate = 0.05 (from RATES_URL by category, fetched {datetime.now(UTC):%Y-%m-%d}" in text
    assert "floor = 0.30 (from FLOORS_URL by category, fetched" in text
    assert "levy = 2 (a constant of version" in text
    assert "worth = 100.00 (column price)" in text
    assert service.url not in text


def test_a_look_up_that_fails_parks_its_records_and_stops_nothing(
    tell: Any, service: PriceService, tmp_path: Path
) -> None:
    service.faults = [503]
    told = tell(MODEL, {"sold.csv": SOLD}, as_of="2026-03-05")
    assert told.rows(CHARGES) == []
    assert told.rows("SELECT count(*) FROM clearing.obligation") == [(3,)], "goods are settled all the same"
    (toys, books) = parked(told.session, "outside")
    assert (toys.charges, books.charges) == (2, 1)
    assert toys.reason == "factor rate is empty for category 'toys': the service answered with status 503"
    assert again(told, tmp_path).released == 3
    assert told.rows(CHARGES) == [("A1", 1000), ("A2", 600), ("A3", 60)]
    assert len(service.asked) == 2


def test_a_value_of_the_wrong_kind_parks_only_what_needs_it(tell: Any, service: PriceService) -> None:
    service.prices["toys"] = "0.12345"
    told = tell(MODEL, {"sold.csv": SOLD}, as_of="2026-03-05")
    assert told.rows(CHARGES) == [("A2", 600)]
    (waits,) = parked(told.session, "outside")
    assert "0.12345 has more decimals than decimal(4) can hold" in waits.reason


def test_a_key_that_the_source_does_not_know_is_parked(tell: Any, service: PriceService, tmp_path: Path) -> None:
    told = tell(MODEL, {"sold.csv": SOLD.replace("books", "pots")}, as_of="2026-03-05")
    (waits,) = parked(told.session, "outside")
    assert "its source has no value for it" in waits.reason and waits.examples == ("sold:A2",)
    service.prices["pots"] = "0.5"
    told.session.connection.execute("INSERT INTO public.floor_price VALUES ('pots', 1)")
    assert again(told, tmp_path).waiting == 0
    assert ("A2", 3000) in told.rows(CHARGES)


def test_answers_that_keep_are_not_asked_for_again(tell: Any, service: PriceService) -> None:
    keeps = MODEL.replace("tries: 1,", "tries: 1, keep: 1 hour,")
    tell(keeps, {"sold.csv": SOLD}, as_of="2026-03-05")
    more = SOLD.replace("A1,", "B1,").replace("A2,m-1,books", "B2,m-1,pots").replace("A3,", "B3,")
    service.prices["pots"] = "0.2"
    tell(keeps, {"sold2.csv": more}, as_of="2026-03-05")
    assert service.asked == [["books", "toys"], ["pots"]]


def simulated(told: Any, folder: Path, changes: dict[str, str]) -> Simulated:
    model = load_model(folder / "workspace" / "model.yaml", SECTIONS, changes)
    return simulate(told.session, None, model, [], None, lambda stage, done, total: None)


def after(found: Simulated) -> dict[str, int]:
    return {row["charge"]: int(row["after_minor"]) for row in found.difference.charges.to_pylist()}


def test_a_simulation_uses_the_values_that_were_frozen_and_asks_nobody(
    tell: Any, service: PriceService, tmp_path: Path
) -> None:
    told = tell(MODEL, {"sold.csv": SOLD}, as_of="2026-03-05")
    asked = list(service.asked)
    service.prices = {"toys": "0.99", "books": "0.99"}
    assert simulated(told, tmp_path, {}).difference.differing == 0, "not the prices of now"
    dearer = simulated(told, tmp_path, {"factors.levy.constant": "3"})
    assert after(dearer)["commission"] == 1500 + 900 + 90 and service.asked == asked
    assert any("rate = 0.05 (" in line for line in dearer.explained[1])


def test_a_simulation_knows_what_a_mended_source_gave_later(tell: Any, service: PriceService, tmp_path: Path) -> None:
    service.faults = [503]
    told = tell(MODEL, {"sold.csv": SOLD}, as_of="2026-03-05")
    assert again(told, tmp_path).released == 3
    assert simulated(told, tmp_path, {}).difference.differing == 0


def test_a_simulation_takes_the_value_given_or_says_that_none_is_stored(
    tell: Any, service: PriceService, tmp_path: Path
) -> None:
    told = tell(MODEL, {"sold.csv": SOLD}, as_of="2026-03-05")
    given = simulated(told, tmp_path, {"factors.rate.constant": "0.5"})
    assert after(given)["commission"] == 10000 + 3000 + 100
    new = "{rest: {address: RATES_URL}, key: [merchant], type: integer}"
    held = simulated(told, tmp_path, {"factors.bonus": new, "charges.commission.amount": "price * bonus"}).held
    reasons = [row["reason"] for row in held.to_pylist() if row["after"]]
    assert len(reasons) == 2, "m-1 and m-2"
    assert "bonus is empty for merchant 'm-1': no value of it is stored for this record" in reasons[0]


def test_a_trial_over_files_says_whom_it_asks(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text(dedent(MODEL))
    outside = load_model(tmp_path / "model.yaml", SECTIONS)
    fixed = load_model(tmp_path / "model.yaml", SECTIONS, {"factors.rate.constant": "0.5"})
    assert asked_outside([outside, fixed]) == ("rate (service RATES_URL)", "floor (database FLOORS_URL)")
    assert asked_outside([fixed]) == ("floor (database FLOORS_URL)",)


def test_why_shows_the_frozen_value_and_what_was_never_stored(tell: Any, service: PriceService, tmp_path: Path) -> None:
    told = tell(MODEL, {"sold.csv": SOLD.replace("books", "pots")}, as_of="2026-03-05")
    service.prices = {"toys": "0.99", "pots": "0.99"}
    asked = list(service.asked)
    model = load_model(tmp_path / "workspace" / "model.yaml", SECTIONS)
    (fee,) = (c for c in rules_of_record(told.session, model, "A1").charges if c.charge == "commission")
    assert fee.amount_minor == 1000
    (fee,) = (c for c in rules_of_record(told.session, model, "A2").charges if c.charge == "commission")
    assert fee.amount_minor is None and "no value of it is stored for this record" in str(fee.reason)
    assert service.asked == asked


def test_rating_goes_on_with_what_was_gathered_before_a_break(
    tell: Any, service: PriceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    from everycent.flow.pipeline import taking

    whole = taking.rate_and_clear

    def breaks(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(taking, "rate_and_clear", whole)
        raise KeyboardInterrupt

    monkeypatch.setattr(taking, "rate_and_clear", breaks)
    with pytest.raises(KeyboardInterrupt):
        tell(MODEL, {"sold.csv": SOLD}, as_of="2026-03-05")
    service.prices["toys"] = "0.99"
    told = tell(MODEL, {"sold.csv": SOLD}, as_of="2026-03-05")
    assert told.rows(CHARGES) == [("A1", 1000), ("A2", 600), ("A3", 60)], "not the price after the break"
    assert service.asked == [["books", "toys"]]


def test_a_source_without_an_address_parks(tell: Any, service: PriceService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RATES_URL")
    told = tell(MODEL, {"sold.csv": SOLD}, as_of="2026-03-05")
    assert "RATES_URL is not set" in parked(told.session, "outside")[0].reason
