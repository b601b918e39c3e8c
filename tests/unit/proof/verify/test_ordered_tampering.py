"""Whatever is changed of what was cleared in strict order is named: rows, totals, numbers, generations, frontier."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from forger import reseal
from market_place import MarketPlace, opened
from small_market import returns, sales

from everycent.base.engine.local import LocalEngine
from everycent.proof.verify import service
from everycent.proof.verify.core.ledger import ORDERED_POSTED
from everycent.proof.verify.core.ordered import (
    ACCUMULATORS,
    CARRIED,
    CARRIED_ON,
    FRONTIER,
    GENERATIONS,
    NUMBERS,
    RUNNING,
    STANDING_TOTALS,
    TOTALS,
    TURN_TAKEN,
)
from everycent.proof.verify.core.rule import Rule
from everycent.proof.verify.manifest import check_hot_parts, check_seals
from everycent.proof.verify.service import verify

ORDERED = (
    "clearing.waiting_charge", "clearing.sequenced_record", "rating.ordered_charge", "clearing.ordered_obligation",
    "rating.running_total",
)  # fmt: skip
SEALED = "each sealed row is as it was written"
LAST = "(SELECT max(sequence_no) FROM clearing.sequenced_record)"
#: A share of the last generation, of a record whose statements are open.
SHARE = "generation = 1 AND sequence_no = 10 AND leaf = 'brand'"


@pytest.fixture(scope="module")
def place(databases: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarketPlace]:
    """Ten sales and two returns; three came late, so that there is a generation 1; some statements are closed. Tests
    leave it as it is."""
    folder = tmp_path_factory.mktemp("market")
    with databases.opened(folder) as database, LocalEngine(1, 512, folder / "spill") as engine:
        made = opened(database, engine, folder / "files")
        made.deliver([*sales(range(3, 10)), *returns((4,))], date(2026, 3, 3))
        made.deliver([*sales(range(3)), *returns((1,))], date(2026, 3, 3))
        made.proven()
        yield made


def named(place: MarketPlace) -> dict[str, str]:
    session = place.session
    verdict = verify(session.connection, session.details, session.engine, session.tenant)
    return {check.name: str(check.first_bad) for check in verdict.findings}


def named_by(rules: set[Rule], place: MarketPlace) -> dict[str, str]:
    """As `named`, by these rules of the verifier's alone, and by seals and lists."""
    assert rules <= set(service.RULES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "RULES", tuple(rule for rule in service.RULES if rule in rules))
        return named(place)


def unsealed_or_unlisted(place: MarketPlace) -> bool:
    """Whether a seal or a batch's list gives the change away."""
    session = place.session
    of = (session.connection, session.tenant, place.model.name)
    return not (check_seals(*of).ok and check_hot_parts(*of).ok)


@contextmanager
def undone(place: MarketPlace, tamper: str, *, resealed: bool) -> Iterator[None]:
    """The tampering, by one who may also remake seals and lists; and after it everything as it was."""
    connection = place.session.connection
    with connection.transaction(force_rollback=True):
        assert connection.execute(tamper).rowcount > 0, tamper
        if resealed:
            reseal(connection, ORDERED)
        yield


#: What is done, and the rules that name it even where seals and lists were remade.
TAMPERED = [
    ("UPDATE rating.ordered_charge SET amount_minor = amount_minor + 1 WHERE sequence_no = 10 AND generation = 1",
     {CARRIED, TURN_TAKEN}),
    (f"UPDATE clearing.ordered_obligation SET amount_minor = amount_minor + 1 WHERE {SHARE}",
     {CARRIED, TOTALS, ORDERED_POSTED}),
    (f"UPDATE clearing.ordered_obligation SET total_before_minor = total_before_minor - 1,"
     f" total_after_minor = total_after_minor - 1 WHERE {SHARE}", {CARRIED_ON}),
    (f"UPDATE clearing.ordered_obligation SET total_after_minor = total_after_minor + 1 WHERE {SHARE}", {TOTALS}),
    (f"UPDATE clearing.ordered_obligation SET pot = 'm-9' WHERE {SHARE}", {CARRIED_ON}),
    (f"UPDATE clearing.ordered_obligation SET debtor = 'brand:b-9' WHERE {SHARE}", {ORDERED_POSTED}),
    (f"DELETE FROM clearing.ordered_obligation WHERE {SHARE}", {CARRIED, ORDERED_POSTED}),
    ("DELETE FROM rating.ordered_charge WHERE sequence_no = 10 AND generation = 1", {CARRIED, TURN_TAKEN}),
    ("UPDATE clearing.waiting_charge SET amount_minor = amount_minor + 1"
     " WHERE record_id = (SELECT record_id FROM clearing.sequenced_record WHERE sequence_no = 10 AND generation = 1)",
     {TURN_TAKEN}),
    (f"UPDATE clearing.sequenced_record SET sequence_no = sequence_no + 1 WHERE sequence_no = {LAST}", {NUMBERS}),
    (f"DELETE FROM clearing.sequenced_record WHERE sequence_no = {LAST}", {FRONTIER}),
    ("DELETE FROM clearing.sequenced_record WHERE sequence_no = 10 AND generation = 1", {NUMBERS}),
    ("UPDATE platform.generation SET state = 'building'", {GENERATIONS}),
    ("UPDATE platform.generation SET starts_at = starts_at + 1", {GENERATIONS}),
    ("DELETE FROM platform.generation", {GENERATIONS}),
    ("INSERT INTO platform.generation (tenant, model, generation, starts_at, state, cause, through_batch)"
     " SELECT tenant, model, 2, 3, 'effective', 'mine', through_batch FROM platform.generation", {GENERATIONS}),
    ("UPDATE clearing.frontier SET last_no = last_no + 1", {FRONTIER}),
    ("UPDATE clearing.accumulator SET total_minor = total_minor + 1 WHERE bearer = 'brand'", {ACCUMULATORS}),
    ("DELETE FROM clearing.accumulator WHERE bearer = 'brand'", {ACCUMULATORS}),
    ("UPDATE platform.kept_sum SET through_batch = 0 WHERE table_name = 'clearing.accumulator'", {ACCUMULATORS}),
    ("DELETE FROM platform.kept_sum WHERE table_name = 'clearing.accumulator'", {ACCUMULATORS}),
]  # fmt: skip

#: Rows that are not sealed: the frontier says where to look, kept sums what need not be added up; their rules look.
UNSEALED = ("clearing.frontier", "clearing.accumulator", "platform.kept_sum", "rating.standing_total")

#: What a shop sold so far, and what its stock cost.
SHOP = """\
model: shop
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties: {platform: {operator: shanghai}, shop: {key: [shop]}}
records:
  bought:
    file: bought*.csv
    id: [id]
    occurred_at: at
    columns: {id: text, article: text, units: integer, paid: money, at: timestamp}
  sold:
    file: sold*.csv
    id: [id]
    occurred_at: at
    columns: {id: text, shop: text, article: text, units: integer, price: money, at: timestamp}
factors:
  sold_so_far: {accumulator: {add: {sold: price}, per: [shop], period: month}}
  cost: {moving_average: {in: {bought: {quantity: units, cost: paid}}, out: {sold: units}, per: [article]}}
charges:
  bonus: {for: sold, amount: sold_so_far * 0.01, debtor: platform, creditor: shop}
  margin: {for: sold, amount: (price - cost) * 0.5, debtor: shop, creditor: platform}
order: {by: [occurred_at, id], late: rewind, window: 2}
statements: {shop: {cycle: monthly, mode: net}}
"""
GOODS = {"bought": "id,article,units,paid,at", "sold": "id,shop,article,units,price,at"}
BOUGHT = [("bought", f"P{n}", f"P{n},tea,9,9{n}.00,2026-03-0{n} 07:00:00") for n in (1, 2)]
SOLD = [("sold", f"S{n}", f"S{n},k-{n % 2},tea,{n},{n}0.00,2026-03-0{n} 08:00:00") for n in range(1, 6)]

KEPT = "WHERE table_name = 'rating.standing_total'"
#: What the last sale of generation 1 took out of the stock.
TOOK = (
    "generation = 1 AND factor = 'cost' AND sequence_no ="
    " (SELECT max(sequence_no) FROM rating.running_total WHERE generation = 1 AND factor = 'cost' AND quantity < 0)"
)
TAMPERED_TOTALS = [
    ("UPDATE rating.standing_total SET total_after = total_after + 1 WHERE factor = 'sold_so_far' AND pot = 'k-1'",
     {STANDING_TOTALS}),
    ("UPDATE rating.standing_total SET quantity_after = quantity_after + 1 WHERE factor = 'cost'", {STANDING_TOTALS}),
    ("UPDATE rating.standing_total SET period = '2026-04' WHERE factor = 'sold_so_far'", {STANDING_TOTALS}),
    ("DELETE FROM rating.standing_total WHERE factor = 'cost'", {STANDING_TOTALS}),
    ("INSERT INTO rating.standing_total (tenant, model, factor, pot, period, total_after)"
     " SELECT DISTINCT tenant, model, factor, 'k-9', period, 5 FROM rating.standing_total"
     " WHERE factor = 'sold_so_far'", {STANDING_TOTALS}),
    (f"UPDATE platform.kept_sum SET through_batch = 0 {KEPT}", {STANDING_TOTALS}),
    (f"UPDATE platform.kept_sum SET generation = 0 {KEPT}", {STANDING_TOTALS}),
    (f"DELETE FROM platform.kept_sum {KEPT}", {STANDING_TOTALS}),
    (f"UPDATE rating.running_total SET amount = amount + 1 WHERE {TOOK}", {RUNNING, STANDING_TOTALS}),
    (f"UPDATE rating.running_total SET quantity = quantity - 1 WHERE {TOOK}", {RUNNING, STANDING_TOTALS}),
    (f"UPDATE rating.running_total SET total_after = total_after + 1 WHERE {TOOK}", {RUNNING}),
    (f"UPDATE rating.running_total SET quantity_after = 99 WHERE {TOOK}", {RUNNING}),
    (f"DELETE FROM rating.running_total WHERE {TOOK}", {STANDING_TOTALS}),
]  # fmt: skip


def test_each_is_named_by_its_seal_or_its_batch(place: MarketPlace) -> None:
    for tamper, _ in TAMPERED:
        if not any(name in tamper for name in UNSEALED) and tamper != "DELETE FROM platform.generation":
            with undone(place, tamper, resealed=False):
                assert unsealed_or_unlisted(place), tamper
    assert not unsealed_or_unlisted(place)


def test_a_forger_who_also_reseals_is_given_away_by_the_sums(place: MarketPlace) -> None:
    for tamper, rules in TAMPERED:
        with undone(place, tamper, resealed=True):
            found = named_by(rules, place)
            assert SEALED not in found, tamper
            assert {rule.name for rule in rules} <= set(found), f"{tamper}: {found}"


@pytest.fixture
def shop(database: Any, engine: LocalEngine, tmp_path: Any) -> MarketPlace:
    """Late facts made a generation 1; what it stands at is kept: the last delivery began with it."""
    made = opened(database, engine, tmp_path / "files").about(SHOP, columns=GOODS)
    for facts in ([*BOUGHT, *SOLD[2:4]], SOLD[:2], SOLD[4:], [("bought", "P9", "P9,tea,1,5.00,2026-03-09 07:00:00")]):
        made.deliver(facts, date(2026, 3, 10))
    made.proven()
    return made


def test_running_totals_and_what_is_kept_of_them_are_added_up_again(shop: MarketPlace) -> None:
    for tamper, rules in TAMPERED_TOTALS:
        with undone(shop, tamper, resealed=True):
            found = named_by(rules, shop)
            assert SEALED not in found, tamper
            assert {rule.name for rule in rules} <= set(found), f"{tamper}: {found}"
    with undone(shop, f"UPDATE rating.running_total SET amount = amount + 1 WHERE {TOOK}", resealed=False):
        assert SEALED in named(shop)


def test_a_charge_that_would_never_have_its_turn_is_found(database: Any, engine: LocalEngine, tmp_path: Any) -> None:
    """The frontier claims to be beyond a batch whose records wait."""
    place = opened(database, engine, tmp_path / "files")
    place.deliver(sales(range(3)), date(2026, 3, 3))
    connection = place.session.connection
    last = connection.execute("SELECT max(batch_no) FROM platform.batch").fetchone()
    waiting = place.about((place.folder / "model.yaml").read_text().replace("late:", "wait: 30 days, late:"))
    waiting.deliver(sales((12, 13)), date(2026, 3, 3))
    assert last is not None and named(place) == {}
    with undone(place, f"UPDATE clearing.frontier SET through_batch = {last[0] + 1}", resealed=True):
        assert FRONTIER.name in named(place)
