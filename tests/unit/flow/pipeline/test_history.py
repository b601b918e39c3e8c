"""Factors that depend on what came before: facts in, obligations out, in any order and cut; on a real database."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.details import Details
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.intake.contract import RECORD
from everycent.flow.model.contract import ModelRefused
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.ordered_pass import rewind_from
from everycent.flow.pipeline.service import RunSummary, Session, find_inputs, plan_model, run, run_golden_cases
from everycent.flow.rating.contract import HELD, RUNNING
from everycent.proof.verify.service import verify

MODEL = """
model: sellers
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties:
  platform: {operator: shanghai}
  seller: {key: [seller]}
records:
  sold:
    file: sold*.csv
    id: [id]
    occurred_at: at
    amount: price
    columns: {id: text, seller: text, price: money, at: timestamp}
  returned:
    file: returned*.csv
    refunds: sold
    of: [of]
    id: [id]
    occurred_at: at
    amount: refunded
    columns: {id: text, of: text, refunded: money, at: timestamp}
factors:
  sold_before:
    accumulator: {add: {sold: price}, per: [seller], period: month}
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: seller}
  commission:
    for: sold
    price:
      graduated:
        over: sold_before
        tiers: [{up_to: 200.00, rate: 0.10}, {up_to: 500.00, rate: 0.05}, {rate: 0.025}]
    debtor: seller
    creditor: platform
  bonus:
    for: sold
    when: sold_before >= 300.00
    amount: 1.00
    debtor: platform
    creditor: seller
order: {by: [occurred_at, id], late: rewind, window: 3}
statements: {seller: {cycle: monthly, mode: net}}
"""
HEADS = {"sold": "id,seller,price,at", "returned": "id,of,refunded,at"}
LATER = date(2026, 6, 1)
Fact = tuple[str, str, str]


class Place:
    """A database and a folder of files, into which facts come in several deliveries."""

    def __init__(self, session: Session, folder: Path, model: str = MODEL) -> None:
        self.session, self.folder, self.deliveries = session, folder, 0
        folder.mkdir(exist_ok=True)
        (folder / "model.yaml").write_text(model)
        self.model = load_model(folder / "model.yaml", {})

    def deliver(self, facts: Sequence[Fact], as_of: date = LATER) -> RunSummary:
        self.deliveries += 1
        inbox = self.folder / f"in{self.deliveries}"
        inbox.mkdir()
        for kind in {kind: None for kind, _, _ in facts}:
            lines = [line for of, _, line in facts if of == kind]
            (inbox / f"{kind}{self.deliveries}.csv").write_text("\n".join([HEADS[kind], *lines]) + "\n")
        inputs = find_inputs(self.model, [str(inbox)])
        return run(self.session, self.model, inputs, as_of, lambda *_: None, print, datetime(2026, 3, 1, tzinfo=UTC))

    def rewind(self, start: str) -> Any:
        plan = plan_model(self.model, self.session.tenant, {})
        return rewind_from(self.session, plan, start, lambda *_: None, print)

    def sums(self) -> dict[tuple[str, str], int]:
        """What each record's charges come to, in cents: those that are not nothing."""
        session = self.session
        columns = ["record_id", "charge", "amount_minor"]
        session.details.attach(session.engine, "seen", OBLIGATION, self.model.name, columns=columns)
        session.details.attach(session.engine, "named", RECORD, self.model.name, columns=["record_id", "key"])
        rows = session.engine.query(
            "SELECT key, charge, sum(amount_minor)::BIGINT AS minor FROM seen JOIN named USING (record_id)"
            " GROUP BY ALL HAVING minor <> 0 ORDER BY ALL"
        ).to_pylist()
        return {(row["key"], row["charge"]): row["minor"] for row in rows}

    def totals(self) -> list[tuple[Any, ...]]:
        """What stands of the running totals, in order, with record keys instead of ids."""
        session, names = self.session, ["factor", "pot", "period", "amount", "total_after", "quantity_after"]
        session.details.attach(session.engine, "moved", RUNNING, self.model.name)
        session.details.attach(session.engine, "named", RECORD, self.model.name, columns=["record_id", "key"])
        rows = session.engine.query(
            f"SELECT sequence_no, key, {', '.join(names)} FROM moved JOIN named USING (record_id)"
            f" WHERE {session.details.effective(self.model.name)} ORDER BY ALL"
        ).to_pylist()
        return [tuple(row.values()) for row in rows]

    def proven(self) -> None:
        session = self.session
        verdict = verify(session.connection, session.details, session.engine, session.tenant)
        assert verdict.ok, verdict.findings


@pytest.fixture
def place(database: Any, engine: LocalEngine, tmp_path: Path) -> Place:
    settings = replace(database.settings, threads=1)
    return Place(Session(settings, database.connection, engine, database.details), tmp_path / "files")


@pytest.fixture
def once(database: Any, engine: LocalEngine, tmp_path: Path) -> Place:
    """The same, under another tenant: where everything is cleared once."""
    settings = replace(database.settings, threads=1, tenant="once")
    details = Details(database.connection, settings.lake_dir, "once")
    return Place(Session(settings, database.connection, engine, details), tmp_path / "once")


def sale(key: str, seller: str, price: str, at: str) -> Fact:
    return ("sold", key, f"{key},{seller},{price},{at}")


def returned(key: str, of: str, refunded: str, at: str) -> Fact:
    return ("returned", key, f"{key},{of},{refunded},{at}")


TIERS = ((20000, Fraction(1, 10)), (50000, Fraction(1, 20)), (None, Fraction(1, 40)))


def priced(total: int) -> int:
    """What a total costs in cents, slice by slice, rounded half up away from nothing."""
    cost, lower = Fraction(0), 0
    for upper, rate in TIERS:
        slice_ = min(abs(total), upper or abs(total)) - lower
        cost += max(0, slice_) * rate
        lower = upper or 0
    rounded = int(cost + Fraction(1, 2))
    return rounded if total >= 0 else -rounded


def oracle(facts: Sequence[Fact]) -> dict[tuple[str, str], int]:
    """One record after the other, by hand: what each charge comes to."""
    rows = []
    for kind, key, line in facts:
        cells = line.split(",")
        rows.append((cells[-1], kind == "returned", key, cells))
    found: dict[tuple[str, str], int] = {}
    totals: dict[tuple[str, str], int] = {}
    sold: dict[str, tuple[tuple[str, str], int, list[int]]] = {}
    for at, is_refund, key, cells in sorted(rows):
        if is_refund:
            pot, worth, back = sold[cells[1]]
            part = cents(cells[2])
            before, after = sum(back), sum(back) + part
            back.append(part)
            totals[pot] -= part
            for charge in ("goods", "commission", "bonus"):
                if (cells[1], charge) not in found:
                    continue
                whole = found[cells[1], charge]
                given = [int(Fraction(whole * upto, worth) + Fraction(1, 2)) for upto in (before, after)]
                found[key, charge] = given[0] - given[1]
            continue
        pot, price = (cells[1], at[:7]), cents(cells[2])
        total = totals.get(pot, 0)
        found[key, "goods"] = price
        found[key, "commission"] = priced(total + price) - priced(total)
        if total >= 30000:
            found[key, "bonus"] = 100
        totals[pot] = total + price
        sold[key] = (pot, price, [])
    return found


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def cents(text: str) -> int:
    return int(Fraction(text) * 100)


def some_facts(chance: random.Random) -> list[Fact]:
    facts = []
    for n in range(14):
        day, hour, minute = chance.choice(["03-30", "03-31", "04-01"]), chance.randrange(24), chance.randrange(60)
        price = chance.randrange(1, 30000)
        facts.append(sale(f"S{n:02}", f"m-{n % 2}", money(price), f"2026-{day} {hour:02}:{minute:02}:00"))
        if n % 3 == 0:
            part = money(price // chance.choice([2, 3]))
            facts.append(returned(f"R{n:02}", f"S{n:02}", part, f"2026-04-{2 + n % 2:02} {hour:02}:{minute:02}:00"))
            facts.append(returned(f"T{n:02}", f"S{n:02}", part, f"2026-04-04 {hour:02}:{minute:02}:00"))
    return facts


def in_any_cut(facts: list[Fact], chance: random.Random) -> list[list[Fact]]:
    """Three deliveries in any order; a refund is in the same as its sale, or a later one."""
    mixed = chance.sample(facts, len(facts))
    sales, others = [fact for fact in mixed if fact[0] == "sold"], [fact for fact in mixed if fact[0] != "sold"]
    return [sales[:5], sales[5:] + others[:3], others[3:]]


def test_each_sale_is_charged_the_part_of_the_month_that_it_adds(place: Place) -> None:
    place.deliver(
        [
            sale("C", "m-1", "400.00", "2026-03-03 10:00:00"),
            sale("A", "m-1", "150.00", "2026-03-01 10:00:00"),
            sale("B", "m-1", "100.00", "2026-03-02 10:00:00"),
            sale("D", "m-2", "100.00", "2026-03-03 11:00:00"),
            sale("E", "m-1", "100.00", "2026-04-01 00:00:00"),
        ]
    )
    assert place.sums() == {
        **{(key, "goods"): minor for key, minor in zip("ABCDE", (15000, 10000, 40000, 10000, 10000), strict=True)},
        ("A", "commission"): 1500,
        ("B", "commission"): 500 + 250,  # 50.00 fill the first tier
        ("C", "commission"): 1250 + 375,  # 250.00 fill the second
        ("D", "commission"): 1000,
        ("E", "commission"): 1000,  # a new month
    }
    place.proven()


def test_any_arrival_order_and_cut_gives_what_one_record_after_the_other_gives(place: Place, once: Place) -> None:
    chance = random.Random(7)
    facts = some_facts(chance)
    rewound = 0
    for part in in_any_cut(facts, chance):
        rewound += len(place.deliver(part, date(2026, 3, 30)).ordered.rewound)
    place.deliver([sale("Z", "m-9", "1.00", "2026-05-01 00:00:00")])
    once.deliver([*facts, sale("Z", "m-9", "1.00", "2026-05-01 00:00:00")])
    every = oracle([*facts, sale("Z", "m-9", "1.00", "2026-05-01 00:00:00")])
    expected = {name: amount for name, amount in every.items() if amount}
    assert once.sums() == expected
    assert place.sums() == expected and rewound > 0
    assert place.totals() == once.totals()
    place.proven()
    before = place.totals()
    for start in ("S05", "S00", "R03"):
        assert (place.rewind(start).removed, place.totals()) == (0, before)
    place.proven()


STOCK = """
model: shop
version: 1
currency: KWD
calendar: {time_zone: Asia/Kuwait}
parties:
  platform: {operator: kuwait}
  shop: {key: [shop]}
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
  cost_of_goods:
    moving_average:
      in: {bought: {quantity: units, cost: paid}}
      out: {sold: units}
      per: [article]
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: shop}
  margin: {for: sold, amount: (price - cost_of_goods) * 0.5, debtor: shop, creditor: platform}
order: {by: [occurred_at, id], window: 2}
statements: {shop: {cycle: monthly, mode: net}}
"""


def test_goods_that_go_out_cost_their_part_of_the_stock(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HEADS, "bought", "id,article,units,paid,at")
    monkeypatch.setitem(HEADS, "sold", "id,shop,article,units,price,at")
    shop = Place(place.session, place.folder / "shop", STOCK)
    shop.deliver(
        [
            ("sold", "S1", "S1,k-1,tea,3,10.000,2026-03-02 08:00:00"),
            ("bought", "P1", "P1,tea,4,10.000,2026-03-01 08:00:00"),
            ("bought", "P2", "P2,tea,3,5.000,2026-03-01 09:00:00"),
            ("sold", "S2", "S2,k-1,tea,4,20.000,2026-03-03 08:00:00"),
            ("sold", "S3", "S3,k-1,tea,1,4.000,2026-03-04 08:00:00"),  # there is none left
        ]
    )
    # 15.000 for 7: 3 cost 6.429 (6.4285...), what is left, 8.571, the other 4
    assert shop.sums() == {
        ("S1", "goods"): 10000,
        ("S1", "margin"): 1786,
        ("S2", "goods"): 20000,
        ("S2", "margin"): 5715,
        ("S3", "goods"): 4000,
    }
    assert shop.totals()[-1][2:] == ("cost_of_goods", "tea", "", 0, 0, 0)
    shop.session.details.attach(shop.session.engine, "kept_back", HELD, "shop")
    (held,) = shop.session.engine.query("SELECT charge, state, reason FROM kept_back").to_pylist()
    assert (held["charge"], held["state"]) == ("margin", "held")
    assert "factor cost_of_goods is not known" in held["reason"]
    shop.proven()


def test_a_model_with_a_running_total_needs_an_order(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text("\n".join(line for line in MODEL.splitlines() if not line.startswith("order:")))
    with pytest.raises(ModelRefused, match="factor 'sold_before' depends on what came before: add the order"):
        load_model(path, {})


GOLDEN = """
tests:
  the total of the month decides:
    facts: |
      sold      id  seller  price   at
                B   m-1     100.00  2026-03-02 10:00
                A   m-1     300.00  2026-03-01 10:00
      returned  id  of  refunded  at
                R   A   150.00    2026-03-03 10:00
    charges: |
      record  charge      amount
      A       goods        300.00
      B       goods        100.00
      R       goods       -150.00
      A       commission    25.00
      B       commission     5.00
      B       bonus          1.00
      R       commission   -12.50
"""


def test_golden_cases_are_cleared_in_order(tmp_path: Path, engine: LocalEngine) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(MODEL + GOLDEN)
    (outcome,) = run_golden_cases(load_model(path, {}), "default", engine)
    assert outcome.differences == ()


@pytest.mark.parametrize(("code", "places"), [("JPY", 0), ("KWD", 3)])
def test_in_currencies_of_other_minor_units_too(code: str, places: int, tmp_path: Path, engine: LocalEngine) -> None:
    def written(minor: int) -> str:
        digits = str(abs(minor)).zfill(places + 1)
        shown = f"{digits[:-places]}.{digits[-places:]}" if places else digits
        return f"-{shown}" if minor < 0 else shown

    facts = some_facts(random.Random(places))
    lines = []
    for kind, head in (("sold", "id  seller  price  at"), ("returned", "id  of  refunded  at")):
        lines.append(f"{kind}  {head}")
        rows = [line.split(",") for of, _, line in facts if of == kind]
        lines += [f"  {key}  {whom}  {written(cents(worth))}  {at[:16]}" for key, whom, worth, at in rows]
    charges = [f"  {key}  {charge}  {written(minor)}" for (key, charge), minor in oracle(facts).items()]
    lists = {"facts": lines, "charges": ["record  charge  amount", *charges]}
    case = "".join(f"    {word}: |\n" + indent("\n".join(text), " " * 6) + "\n" for word, text in lists.items())
    model = MODEL.replace("CNY", code)
    for minor in (30000, 20000, 50000, 100):
        model = model.replace(f" {minor // 100}.00", f" {written(minor)}")
    path = tmp_path / "model.yaml"
    path.write_text(f"{model}tests:\n  some sales and returns:\n{case}")
    (outcome,) = run_golden_cases(load_model(path, {}), "default", engine)
    assert outcome.differences == ()


#: The worked examples of cumulative withholding in the State Taxation Administration's notes on its announcement
#: 2018 No. 56 (China): 2,500.00 a month are taxed 75.00 each month; 18,500.00 a month 555.00, 625.00 and 1,850.00.
WITHHOLDING = """
model: withholding
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties: {employer: {operator: employer}, employee: {key: [employee]}}
records:
  pay:
    id: [employee, month]
    occurred_at: month
    columns: {employee: text, month: date, taxable: money}
factors:
  taxable_this_year:
    accumulator: {add: {pay: taxable}, per: [employee], period: year}
charges:
  tax:
    for: pay
    price:
      graduated:
        over: taxable_this_year
        tiers: [{up_to: 36000, rate: 0.03}, {up_to: 144000, rate: 0.10}, {up_to: 300000, rate: 0.20},
          {up_to: 420000, rate: 0.25}, {up_to: 660000, rate: 0.30}, {up_to: 960000, rate: 0.35}, {rate: 0.45}]
    debtor: employee
    creditor: employer
order: {by: occurred_at}
statements: {employee: {cycle: monthly, mode: net}}
tests:
  the published examples:
    facts: |
      pay  employee  month       taxable
           a         2019-01-31   2500.00
           a         2019-02-28   2500.00
           a         2019-03-31   2500.00
           b         2019-01-31  18500.00
           b         2019-02-28  18500.00
           b         2019-03-31  18500.00
    charges: |
      debtor  amount   booked_on
      a         75.00  2019-01-31
      a         75.00  2019-02-28
      a         75.00  2019-03-31
      b        555.00  2019-01-31
      b        625.00  2019-02-28
      b       1850.00  2019-03-31
"""


def test_tiers_over_a_year_s_total_as_published(tmp_path: Path, engine: LocalEngine) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(WITHHOLDING)
    (outcome,) = run_golden_cases(load_model(path, {}), "default", engine)
    assert outcome.differences == ()


def test_what_a_table_lacks_parks_the_charge_and_its_record_takes_its_turn_when_released(place: Place) -> None:
    tables = "tables:\n  rates: {file: rates.csv, key: [seller], columns: {seller: text, rate: decimal(2)}}\n"
    rate = "  rate: {table: rates, key: [seller]}\n"
    share = "  share: {for: sold, amount: sold_before * rate, debtor: platform, creditor: seller}\n"
    rated = MODEL.replace("factors:\n", f"{tables}factors:\n{rate}").replace("charges:\n", f"charges:\n{share}")
    folder = place.folder / "rated"
    folder.mkdir()
    (folder / "rates.csv").write_text("seller,rate\nm-2,0.10\n")
    shop = Place(place.session, folder, rated)
    sales = [sale("A", "m-1", "100.00", "2026-03-01 10:00:00"), sale("B", "m-1", "100.00", "2026-03-02 10:00:00")]
    shop.deliver([*sales, sale("C", "m-2", "50.00", "2026-03-03 10:00:00")], date(2026, 3, 20))
    assert shop.totals() == [(1, "C", "sold_before", "m-2", "2026-03", 5000, 5000, None)]
    (folder / "rates.csv").write_text("seller,rate\nm-1,0.20\nm-2,0.90\n")
    shop.model = load_model(folder / "model.yaml", {})
    shop.deliver([sale("D", "m-2", "10.00", "2026-03-04 10:00:00")], date(2026, 3, 20))
    assert [row[1] for row in shop.totals()] == ["A", "B", "C", "D"]
    found = shop.sums()
    assert (found["B", "share"], found["D", "share"]) == (2000, 4500) and ("C", "share") not in found
    shop.proven()
