"""Corrections: what was charged is taken back and charged anew; what is closed and what was decided later stays."""

import hashlib
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from forger import reseal
from market_place import LATER, MarketPlace, opened
from small_market import market, returns, sales

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.dump import dump
from everycent.flow.pipeline import corrected_batch
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import export
from everycent.proof.explain.service import explain
from everycent.proof.verify import service
from everycent.proof.verify.core import corrected
from everycent.proof.verify.service import verify
from everycent.serve.wiring import DETAIL_TABLES

SALES, RETURNS = sales(range(10)), returns((1, 4, 8))
#: A fee by a rate table, shared by nobody: no order decides it.
PLAIN = """
factors:
  rate: {table: rates.csv, key: [merchant]}
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
  fee: {for: sold, amount: price * rate, debtor: merchant, creditor: platform}
statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
"""
RATES = {"rates.csv": "merchant,rate\nm-0,0.05\nm-1,0.02\n"}
HIGHER = {"rates.csv": "merchant,rate\nm-0,0.10\nm-1,0.02\n"}
#: The coupon at more than was charged first.
DEARER = market().replace("version: 1", "version: 2").replace("amount: coupon\n", 'amount: "coupon + 5.00"\n')


def everything(place: MarketPlace) -> str:
    """The hash of the canonical dump of the database."""
    content, session = hashlib.sha256(), place.session

    class Hashing:
        def write(self, chunk: bytes, /) -> None:
            content.update(chunk)

    dump(session.connection, session.details, session.engine, DETAIL_TABLES, Hashing())
    return content.hexdigest()


def charged(place: MarketPlace) -> dict[tuple[str, str], int]:
    """What stands of each record's charges."""
    return {key: amount for key, amount in place.sums(of=("key", "charge")).items() if amount}


def test_without_a_change_nothing_moves(place: MarketPlace) -> None:
    place.deliver(SALES + RETURNS, date(2026, 3, 3))
    before = everything(place)
    done = place.rerate()
    assert (done.records, done.changes.num_rows, done.refused.num_rows, done.parties.num_rows) == (10, 0, 0, 0)
    assert everything(place) == before


def test_a_plan_tells_what_a_run_does_and_changes_nothing(place: MarketPlace) -> None:
    place.deliver(SALES + RETURNS, date(2026, 3, 3))
    place = place.about(DEARER)
    before = everything(place)
    planned = place.rerate("S01", "sold:S02", dry_run=True)
    assert everything(place) == before
    done = place.rerate("S01", "sold:S02")
    assert [row["record"] for row in done.changes.to_pylist()] == ["returned:R01", "sold:S01", "sold:S02"]
    assert (planned.changes, planned.parties, planned.statements) == (done.changes, done.parties, done.statements)
    place.proven()
    assert place.rerate("S01", "S02").changes.num_rows == 0, "done again, it changes nothing"


def test_frozen_values_stay_unless_they_are_looked_up_again(place: MarketPlace) -> None:
    place = place.about(market(PLAIN), RATES)
    place.deliver(SALES + RETURNS, date(2026, 3, 3))
    place = place.about(market(PLAIN), HIGHER)
    assert place.rerate().changes.num_rows == 0
    done = place.rerate("S00", look_up=True)
    assert [(row["charge"], row["before_minor"], row["after_minor"]) for row in done.changes.to_pylist()] == [
        ("fee", 500, 1000)
    ]
    place.proven()
    [part] = [text for text in str(explain_of(place, "S00/fee")).split("\n") if "rate" in text and "0.1" in text][:1]
    assert "rate = 0.1 (" in part


def explain_of(place: MarketPlace, what: str) -> Any:
    session = place.session
    return explain(session.connection, session.details, session.engine, session.tenant, what)


@pytest.mark.parametrize(
    ("currency", "unit"),
    [("CNY", 100), *(pytest.param(*money, marks=pytest.mark.soak) for money in (("JPY", 1), ("KWD", 1000)))],
)
def test_all_corrected_is_as_charged_right_at_once(
    place: MarketPlace, once: MarketPlace, currency: str, unit: int
) -> None:
    """What no order decides, in any order of corrections, refunds before and after them, statements closed or not."""
    double = PLAIN.replace("price * rate", "price * rate * 2")
    about = [market(each, currency=currency) for each in (PLAIN, double)]
    facts, late = (whole(each, unit) for each in (SALES, RETURNS))
    place = place.about(about[0], RATES)
    place.deliver(facts + late[:1], date(2026, 3, 2))
    place = place.about(about[1], RATES)
    for key in random.Random(unit).sample([key for _, key, _ in facts], 6):
        place.rerate(key)
    place.deliver(late[1:2], date(2026, 3, 4))
    place.rerate()
    place.deliver(late[2:], LATER)
    place.proven()
    once = once.about(about[1], RATES)
    once.deliver(facts + late, LATER)
    assert place.sums() == once.sums()


def whole(facts: list[tuple[str, str, str]], unit: int) -> list[tuple[str, str, str]]:
    """The facts in a currency that has so many units: yen has no decimals."""
    if unit > 1:
        return facts
    return [(kind, key, re.sub(r"\.\d\d(?=,|$)", "", line)) for kind, key, line in facts]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 6))])
def test_a_rewind_after_corrections_is_as_cleared_right_at_once(
    place: MarketPlace, once: MarketPlace, seed: int
) -> None:
    chance = random.Random(seed)
    place.deliver(SALES + RETURNS[:2])
    place = place.about(DEARER)
    for key in chance.sample([key for _, key, _ in SALES], 5):
        place.rerate(key)
        place.proven()
    place.rerate()
    place.deliver(RETURNS[2:])
    place.proven()
    place.rewind("S00")
    place.proven()
    once = once.about(DEARER)
    once.deliver(SALES + RETURNS)
    once.rewind("S00")
    assert place.effective() == once.effective()
    assert place.statements() == once.statements()


def test_later_decisions_stay_as_they_are(place: MarketPlace) -> None:
    """The brand's cap is used up by S00 to S04; S00 corrected to more finds no room, and takes none from the others."""
    place = place.about(market().replace("cap: 30.00", "cap: 12.00"))
    place.deliver(SALES)
    before = {row["key"]: row for row in place.effective() if (row["charge"], row["leaf"]) == ("coupon", "brand")}
    place = place.about(DEARER.replace("cap: 30.00", "cap: 12.00"))
    place.rerate("S00")
    after = [row for row in place.effective() if (row["charge"], row["leaf"]) == ("coupon", "brand")]
    assert [row for row in after if row["key"] != "S00"] == [row for key, row in before.items() if key != "S00"]
    mine = [row for row in after if row["key"] == "S00"]
    assert sum(row["amount_minor"] for row in mine) == before["S00"]["amount_minor"], "what it gave up it takes again"
    place.proven()


def test_what_is_shared_again_to_the_same_is_left_as_it_is(place: MarketPlace) -> None:
    place.deliver(SALES + RETURNS)
    before = everything(place)
    assert place.rerate(charges=("coupon",)).changes.num_rows == 0
    assert everything(place) == before


def test_a_charge_that_is_asked_for_is_shared_again_with_the_room_of_now(place: MarketPlace) -> None:
    """The cap is used up by S00; its coupon was none, so that there is room for what S02 wanted."""
    capped = market().replace("cap: 30.00", "cap: 4.00")
    place = place.about(capped)
    place.deliver(sales((0, 2)))
    free = capped.replace("version: 1", "version: 2").replace(
        "amount: coupon\n", "amount: \"if(id = 'S00', 0, coupon)\"\n"
    )
    place = place.about(free)
    place.rerate("S00")
    carried = {key[0]: amount for key, amount in place.sums(of=("key", "leaf")).items() if key[1] == "brand"}
    assert carried == {}
    assert place.rerate("S02").changes.num_rows == 0, "its amount is the same"
    [change] = place.rerate("S02", charges=("coupon",)).changes.to_pylist()
    assert change["before_minor"] == change["after_minor"]
    assert place.sums(of=("leaf",))[("brand",)] == 400
    place.proven()
    assert place.rerate("S02", charges=("coupon",)).changes.num_rows == 0


def test_what_is_closed_stays_closed(place: MarketPlace) -> None:
    place.deliver(SALES + RETURNS, date(2026, 3, 3))
    closed = [row for row in place.statements() if row[-1] == "closed"]
    assert closed
    place = place.about(DEARER)
    place.rerate()
    assert [row for row in place.statements() if row in closed] == closed
    place.proven()


REFUSED = [
    (("S99",), {}, "no stored record 'S99'"),
    (("R01",), {}, "is a refund; name the record that it refunds"),
    (("S01",), {"charges": ("cupon",)}, "no charge 'cupon'; it has goods, coupon"),
    (("S01",), {"kind": "sold"}, "--record names the records"),
    ((), {"since": LATER, "until": date(2026, 3, 1)}, "--since 2026-05-01 is after --until 2026-03-01"),
]


@pytest.mark.parametrize(("records", "asked", "said"), REFUSED, ids=[said for _, _, said in REFUSED])
def test_what_cannot_be_corrected_is_refused(
    place: MarketPlace, records: tuple[str, ...], asked: dict[str, Any], said: str
) -> None:
    place.deliver(SALES + RETURNS)
    with pytest.raises(InputRefused, match=said):
        place.rerate(*records, **asked)


def test_records_that_wait_are_left_as_they_are(place: MarketPlace) -> None:
    place = place.about(market(PLAIN), {"rates.csv": "merchant,rate\nm-1,0.02\n"})
    place.deliver(SALES)
    place = place.about(market(PLAIN.replace("price * rate", "price * rate * 2")), RATES)
    done = place.rerate()
    assert {row["record"] for row in done.refused.to_pylist()} == {f"sold:S{n:02}" for n in range(0, 10, 2)}
    assert "see to that first" in done.refused.to_pylist()[0]["reason"]
    assert {row["record"] for row in done.changes.to_pylist()} == {f"sold:S{n:02}" for n in range(1, 10, 2)}
    place.proven()


def test_a_charge_that_is_no_more_is_taken_back_whole(place: MarketPlace) -> None:
    place = place.about(market(PLAIN), RATES)
    place.deliver(SALES + RETURNS, date(2026, 3, 3))
    spared = PLAIN.replace("amount: price * rate,", "when: merchant = 'm-1', amount: price * rate,")
    place = place.about(market(spared), RATES)
    place.rerate()
    assert {key for key, charge in charged(place) if charge == "fee"} == {
        key for kind, key, line in SALES + RETURNS if int(key[1:]) % 2
    }
    place.proven()


@pytest.mark.parametrize("broken_after", [1])
def test_a_correction_that_broke_off_goes_on(
    place: MarketPlace, once: MarketPlace, monkeypatch: pytest.MonkeyPatch, broken_after: int
) -> None:
    """What arrival decided is committed before what order did; between the two everything breaks."""
    both = DEARER.replace("amount: price, debtor", 'amount: "price - 1.00", debtor')
    commit: Callable[..., Any] = corrected_batch.commit
    calls = []

    def breaking(*args: Any, **named: Any) -> Any:
        if len(calls) == broken_after:
            raise KeyboardInterrupt
        calls.append(args)
        return commit(*args, **named)

    for each in (place, once):
        each.deliver(SALES + RETURNS, date(2026, 3, 3))
    place, once = place.about(both), once.about(both)
    monkeypatch.setattr(corrected_batch, "commit", breaking)
    with pytest.raises(KeyboardInterrupt):
        place.rerate()
    monkeypatch.setattr(corrected_batch, "commit", commit)
    place.proven()
    place.rerate()
    place.proven()
    once.rerate()
    assert place.effective() == once.effective()
    assert place.statements() == once.statements()


CORRECTED = ("rating.corrected_charge", "clearing.corrected_obligation")
MINE = "sequence_no > 0 AND NOT reverses AND leaf = 'brand' AND amount_minor > 0"
TAMPERED = [
    ("UPDATE rating.corrected_charge SET amount_minor = amount_minor + 1 WHERE charge = 'coupon'", corrected.CARRIED),
    (f"UPDATE clearing.corrected_obligation SET amount_minor = amount_minor + 1 WHERE {MINE}", corrected.CARRIED),
    ("UPDATE clearing.corrected_obligation SET amount_minor = amount_minor + 1 WHERE reverses", corrected.TAKEN_BACK),
    ("DELETE FROM clearing.corrected_obligation WHERE reverses", corrected.TAKEN_BACK),
    ("UPDATE rating.corrected_charge SET revision = revision + 1", corrected.REVISIONS),
    (f"UPDATE clearing.corrected_obligation SET total_after_minor = total_after_minor + 1 WHERE {MINE}",
     corrected.TOTALS),
    ("UPDATE clearing.corrected_obligation SET total_after_minor = total_after_minor + 1,"
     " total_before_minor = total_before_minor + 1 WHERE leaf = 'brand'", corrected.TOTALS),
]  # fmt: skip


def test_tampering_with_corrections_is_named(place: MarketPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    place.deliver(SALES + RETURNS, date(2026, 3, 3))
    place = place.about(DEARER)
    place.rerate()
    place.proven()
    monkeypatch.setattr(service, "RULES", corrected.RULES)
    place.proven()
    session = place.session
    for tamper, rule in TAMPERED:
        with session.connection.transaction(force_rollback=True):
            assert session.connection.execute(tamper).rowcount > 0, tamper
            assert not verify(session.connection, session.details, session.engine, session.tenant).ok
            reseal(session.connection, CORRECTED)
            verdict = verify(session.connection, session.details, session.engine, session.tenant)
            assert rule.name in {check.name for check in verdict.findings}, f"{tamper}: {verdict.findings}"


def lake_files(place: MarketPlace) -> set[Path]:
    return set(place.session.settings.lake_dir.rglob("*.parquet"))


def test_corrections_in_the_lake_are_as_in_the_database(database: Any, engine: LocalEngine, tmp_path: Any) -> None:
    places = [
        opened(database, engine, tmp_path / name, tenant=name, lake_from_rows=rows)
        for name, rows in (("hot", 50_000), ("lake", 1))
    ]
    for at, place in enumerate(places):
        place.deliver(SALES + RETURNS, date(2026, 3, 3))
        places[at] = place.about(DEARER)
        files = lake_files(place)
        places[at].rerate(dry_run=True)
        places[at].rewind("S00", dry_run=True)
        assert lake_files(place) == files, "a plan leaves no file behind"
        places[at].rerate()
        places[at].deliver(sales((10, 11)), LATER)
        places[at].proven()
    assert places[0].effective() == places[1].effective()
    assert replace(places[0].session.settings, tenant="lake", lake_from_rows=1) == places[1].session.settings


def test_files_tell_corrections_apart(place: MarketPlace, tmp_path: Path) -> None:
    place.deliver(SALES + RETURNS, date(2026, 3, 3))
    place = place.about(DEARER)
    place.rerate("S01")
    export(place.session, place.model, date(2026, 3, 3), tmp_path)
    rows = pq.read_table(tmp_path / "obligations.parquet").to_pylist()
    owed = [row for row in rows if row["charge"] == "coupon" and row["revision"] == 1]
    assert sum(row["amount_minor"] for row in owed if not row["reverses"] and row["refund_of"] is None) == 1301
    assert sum(row["amount_minor"] for row in owed if row["reverses"] and row["refund_of"] is None) == -801
    charges = pq.read_table(tmp_path / "charges.parquet").to_pylist()
    assert len(charges) == len({(row["record_id"], row["charge"]) for row in charges}), "each charge is there once"


def test_a_charge_per_share_follows_its_shares(place: MarketPlace, once: MarketPlace) -> None:
    """The brand's fee is 10 % of what it carries; the brand is to carry more of the coupon."""
    about = """
    charges:
      coupon:
        for: sold
        amount: coupon
        creditor: merchant
        apportion: {bearers: {brand: 60, platform: 40}}
      handling: {for: sold, per_share_of: coupon, when: bearer = 'brand', amount: share * 0.10, debtor: bearer,
                 creditor: platform}
    statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
    """
    place = place.about(market(about))
    place.deliver(SALES + RETURNS[:1], date(2026, 3, 3))
    more = market(about.replace("brand: 60, platform: 40", "brand: 80, platform: 20"))
    place = place.about(more)
    place.rerate()
    place.deliver(RETURNS[1:], LATER)
    place.proven()
    once = once.about(more)
    once.deliver(SALES + RETURNS, LATER)
    assert place.sums() == once.sums()


def test_a_charge_that_has_come_under_a_budget_is_left_as_it_is(place: MarketPlace) -> None:
    """What arrival decided is in no total, so it could not be taken out of one."""
    free = """
    charges:
      coupon: {for: sold, amount: coupon, creditor: merchant, apportion: {bearers: {brand: 60, platform: 40}}}
    statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
    """
    place = place.about(market(free))
    place.deliver(SALES[:2])
    place = place.about(DEARER)
    done = place.rerate()
    assert done.changes.num_rows == 0
    assert {row["record"] for row in done.refused.to_pylist()} == {"sold:S00", "sold:S01"}
    assert "was cleared on arrival, and is not by this version" in done.refused.to_pylist()[0]["reason"]
    place.proven()


def test_a_charge_that_another_is_computed_from_is_not_corrected_alone(place: MarketPlace) -> None:
    place = place.about(market(PLAIN.replace("statements:", "  vat: {for: sold, amount: fee * 0.06, debtor: merchant,"
                                             " creditor: platform}\nstatements:")), RATES)  # fmt: skip
    place.deliver(SALES[:2])
    with pytest.raises(InputRefused, match="'vat' is computed from 'fee'; name both"):
        place.rerate("S00", charges=("fee",))


def test_a_record_without_its_turn_is_left_until_it_has_it(place: MarketPlace) -> None:
    """The model had no order when the records came; the coupon is new."""
    goods = """
    charges:
      goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
    statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
    """
    place = place.about(market(goods))
    place.deliver(SALES[:3])
    place = place.about(DEARER)
    done = place.rerate()
    assert (done.records, done.changes.num_rows) == (0, 0)
    assert "charge coupon has its turn in strict order still to come" in done.refused.to_pylist()[0]["reason"]
    place.proven()


def test_refunds_of_what_was_corrected_to_nothing_are_not_held(place: MarketPlace) -> None:
    place = place.about(market(PLAIN), RATES)
    place.deliver(SALES[:2])
    without = PLAIN[: PLAIN.index("  fee:")] + PLAIN[PLAIN.index("statements:") :]
    place = place.about(market(without.replace("factors:\n  rate: {table: rates.csv, key: [merchant]}\n", "")))
    place.rerate()
    place.deliver(RETURNS[:1])
    assert not [key for key, charge in charged(place) if charge == "fee"]
    assert place.rerate().refused.num_rows == 0
    place.proven()


def test_a_version_that_drops_a_charge_under_a_budget_corrects_nothing(place: MarketPlace) -> None:
    """As with a run: refunds and rewinds would lose it. What it says to do takes the charge out of all totals."""
    place.deliver(SALES + RETURNS[:2], date(2026, 3, 3))
    before = everything(place)
    goods = """
    charges:
      goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
    statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
    payouts: {}
    """
    with pytest.raises(InputRefused, match=r"cleared 'coupon' of sold in strict order.*keep the charge.*say so: when:"):
        place.about(market(goods)).rerate("S01")
    assert everything(place) == before
    ended = "  coupon:\n    when: at < timestamp '2026-03-02 00:00:00'\n"
    place = place.about(market().replace("version: 1", "version: 2").replace("  coupon:\n", ended))
    place.rerate()
    place.proven()
    later = {key for kind, key, line in SALES + RETURNS[:2] if line.split(",")[-1] >= "2026-03-02" and kind == "sold"}
    assert later and not [key for key, charge in charged(place) if charge == "coupon" and key in later]
    assert not [key for key, charge in charged(place) if key == "R04" and charge == "coupon"], "its sale had it no more"
    place.deliver(RETURNS[2:], LATER)
    place.rewind("S00")
    place.proven()


SHARED_RATE = PLAIN.replace(
    "statements:", "  levy: {for: sold, amount: price * rate, debtor: merchant, creditor: platform}\nstatements:"
)
#: Two charges with a factor each, and one that is computed from one of them.
TWO_RATES = """
factors:
  rate: {table: rates.csv, key: [merchant]}
  toll: {table: tolls.csv, key: [merchant]}
charges:
  fee: {for: sold, amount: price * rate, debtor: merchant, creditor: platform}
  vat: {for: sold, amount: fee * 0.10, debtor: merchant, creditor: platform}
  levy: {for: sold, amount: price * toll, debtor: merchant, creditor: platform}
statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
"""
TOLLS = {"tolls.csv": "merchant,toll\nm-0,0.01\nm-1,0.01\n"}


def test_a_value_that_another_charge_stands_on_is_not_looked_up_for_one_alone(place: MarketPlace) -> None:
    place = place.about(market(SHARED_RATE), RATES)
    place.deliver(SALES[:2])
    place = place.about(market(SHARED_RATE), HIGHER)
    with pytest.raises(InputRefused, match="'fee' and 'levy' are both computed from 'rate', of which a record has one"):
        place.rerate("S00", charges=("fee",), look_up=True)
    assert place.rerate("S00", charges=("fee", "levy"), look_up=True).changes.num_rows == 2
    assert place.rerate("S00", charges=("fee",)).changes.num_rows == 0
    place.proven()


def test_only_what_a_charge_needs_is_looked_up_for_it(place: MarketPlace) -> None:
    place = place.about(market(TWO_RATES), RATES | TOLLS)
    place.deliver(SALES[:2])
    place = place.about(market(TWO_RATES), HIGHER | {"tolls.csv": "merchant,toll\nm-0,0.03\nm-1,0.03\n"})
    done = place.rerate("S00", charges=("fee", "vat"), look_up=True)
    assert [(row["charge"], row["after_minor"]) for row in done.changes.to_pylist()] == [("fee", 1000), ("vat", 100)]
    session = place.session
    rows = session.connection.execute("SELECT attempt, body->>'rate', body->>'toll' FROM rating.retry_snapshot")
    assert rows.fetchall() == [(2, "0.10000000", None)]
    assert place.rerate("S00").changes.num_rows == 0, "the levy stands on the toll that was frozen"
    done = place.rerate("S00", look_up=True)
    assert [(row["charge"], row["after_minor"]) for row in done.changes.to_pylist()] == [("levy", 300)]
    place.proven()


def test_of_charges_computed_from_each_other_all_are_named(place: MarketPlace) -> None:
    place = place.about(market(TWO_RATES), RATES | TOLLS)
    place.deliver(SALES[:1])
    for asked in (("fee",), ("vat",)):
        with pytest.raises(InputRefused, match="charge 'vat' is computed from 'fee'; name both with --charge"):
            place.rerate("S00", charges=asked)


def test_a_contract_stays_the_one_that_was_found_first(place: MarketPlace, tmp_path: Path) -> None:
    under = market(PLAIN).replace(
        "merchant: {key: [merchant]}", "merchant: {key: [merchant], contract: {table: contracts.csv}}"
    )
    contracts = {"contracts.csv": "merchant,contract_no,valid_from,valid_to\nm-0,C-1,,\nm-1,C-2,,\n"}
    place = place.about(under, RATES | contracts)
    place.deliver(SALES[:1])
    ended = {"contracts.csv": "merchant,contract_no,valid_from,valid_to\nm-1,C-2,,\n"}
    place = place.about(under.replace("price * rate", "price * rate * 2"), RATES | ended)
    assert place.rerate().changes.num_rows == 1
    told = str(explain_of(place, "S00"))
    assert told.count("C-1 of merchant:m-0") == 4, "goods, the fee, what takes it back, and the fee as it stands"
    place.proven()
    renamed = {"contracts.csv": contracts["contracts.csv"].replace("C-1", "C-9")}
    place = place.about(under.replace("price * rate", "price * rate * 3"), RATES | renamed)
    place.rerate(look_up=True)
    export(place.session, place.model, date(2026, 3, 3), tmp_path)
    rows = pq.read_table(tmp_path / "obligations.parquet").to_pylist()
    found = {(row["charge"], row["revision"], row["amount_minor"] > 0): row["debtor_contract"] for row in rows}
    assert found["fee", 1, True] == "C-1", "a later look-up does not change what was owed under it"
    assert found["fee", 2, True] == "C-9"
    place.proven()
