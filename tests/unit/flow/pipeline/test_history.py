"""Factors that depend on what came before: facts in, obligations out, in any order and cut; on a real database."""

import random
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path
from textwrap import indent

import pytest
from market_place import MarketPlace
from small_market import Fact

from everycent.base.engine.local import LocalEngine
from everycent.flow.model.contract import ModelRefused
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.service import held_in_turn, parked, plan_model, run_golden_cases
from everycent.flow.rating.contract import HELD

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


EACH, LATER = ("key", "charge"), date(2026, 6, 1)


@pytest.fixture
def sellers(place: MarketPlace) -> MarketPlace:
    return place.about(MODEL, columns=HEADS)


@pytest.fixture
def at_once(once: MarketPlace) -> MarketPlace:
    """The same, under another tenant: where everything is cleared once."""
    return once.about(MODEL, columns=HEADS)


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


def oracle(facts: Sequence[Fact], *, as_they_stand: bool = False) -> dict[tuple[str, str], int]:
    """One record after the other, by hand: what each charge comes to. In order of time, or as they stand."""
    rows = []
    for kind, key, line in facts:
        cells = line.split(",")
        rows.append((cells[-1], kind == "returned", key, cells))
    if not as_they_stand:
        rows.sort()
    found: dict[tuple[str, str], int] = {}
    totals: dict[tuple[str, str], int] = {}
    sold: dict[str, tuple[tuple[str, str], int, list[int]]] = {}
    for at, is_refund, key, cells in rows:
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


def test_each_sale_is_charged_the_part_of_the_month_that_it_adds(sellers: MarketPlace) -> None:
    sellers.deliver(
        [
            sale("C", "m-1", "400.00", "2026-03-03 10:00:00"),
            sale("A", "m-1", "150.00", "2026-03-01 10:00:00"),
            sale("B", "m-1", "100.00", "2026-03-02 10:00:00"),
            sale("D", "m-2", "100.00", "2026-03-03 11:00:00"),
            sale("E", "m-1", "100.00", "2026-04-01 00:00:00"),
        ]
    )
    assert sellers.sums(of=EACH) == {
        **{(key, "goods"): minor for key, minor in zip("ABCDE", (15000, 10000, 40000, 10000, 10000), strict=True)},
        ("A", "commission"): 1500,
        ("B", "commission"): 500 + 250,  # 50.00 fill the first tier
        ("C", "commission"): 1250 + 375,  # 250.00 fill the second
        ("D", "commission"): 1000,
        ("E", "commission"): 1000,  # a new month
    }
    sellers.proven()


def test_any_arrival_order_and_cut_gives_what_one_record_after_the_other_gives(
    sellers: MarketPlace, at_once: MarketPlace
) -> None:
    chance = random.Random(7)
    facts = some_facts(chance)
    rewound = 0
    for part in in_any_cut(facts, chance):
        rewound += len(sellers.deliver(part, date(2026, 3, 30)).ordered.rewound)
    sellers.deliver([sale("Z", "m-9", "1.00", "2026-05-01 00:00:00")], LATER)
    at_once.deliver([*facts, sale("Z", "m-9", "1.00", "2026-05-01 00:00:00")])
    every = oracle([*facts, sale("Z", "m-9", "1.00", "2026-05-01 00:00:00")])
    expected = {name: amount for name, amount in every.items() if amount}
    assert at_once.sums(of=EACH) == expected
    assert sellers.sums(of=EACH) == expected and rewound > 0
    assert sellers.totals() == at_once.totals()
    sellers.proven()
    before = sellers.totals()
    for start in ("S05", "S00", "R03"):
        assert (sellers.rewind(start).removed, sellers.totals()) == (0, before)
    sellers.proven()


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


@pytest.mark.parametrize("as_of", [date(2026, 3, 30), date(2026, 4, 1)], ids=["open", "closed"])
def test_late_records_join_the_totals_as_they_stand_then(sellers: MarketPlace, as_of: date) -> None:
    """Each delivery is cleared in its own order, behind what was cleared."""
    joining = sellers.about(MODEL.replace("late: rewind", "late: join"))
    chance = random.Random(11)
    parts = [sorted(part, key=placed) for part in in_any_cut(some_facts(chance), chance)]
    for part in parts:
        assert joining.deliver(part, as_of).ordered.rewound == ()
    expected = oracle([fact for part in parts for fact in part], as_they_stand=True)
    assert joining.sums(of=EACH) == {name: amount for name, amount in expected.items() if amount}
    closed = [row for row in joining.statements() if row[-1] == "closed"]
    assert bool(closed) == (as_of == date(2026, 4, 1))
    joining.proven()
    stands, totals = joining.effective(), joining.totals()
    for start in ("S05", "S00"):
        assert (joining.rewind(start).removed, joining.effective(), joining.totals()) == (0, stands, totals)
    joining.proven()


def placed(fact: Fact) -> tuple[str, bool, str]:
    """A record's place in the strict order: time, an original before its refunds, key."""
    kind, key, line = fact
    return (line.split(",")[-1], kind == "returned", key)


def test_closed_and_adjusting_charges_come_to_what_one_record_after_the_other_gives(
    sellers: MarketPlace, at_once: MarketPlace
) -> None:
    """A month is closed while some of its sales are late: tiers move, a bonus comes, but not in what is closed."""
    chance = random.Random(5)
    facts = some_facts(chance)
    parts, adjusting = in_any_cut(facts, chance), 0
    for part, as_of in zip(parts, (date(2026, 4, 1), date(2026, 4, 1), LATER), strict=True):
        before = [row for row in sellers.statements() if row[-1] == "closed"]
        rewound = sellers.deliver(part, as_of).ordered.rewound
        adjusting += sum(each.adjusting for each in rewound)
        assert [row for row in sellers.statements() if row in before] == before
        sellers.proven()
    assert adjusting > 0
    at_once.deliver(facts)
    assert sellers.sums(of=EACH) == at_once.sums(of=EACH) == {k: v for k, v in oracle(facts).items() if v}
    assert sellers.totals() == at_once.totals()


def test_a_charge_that_a_late_record_takes_away_is_taken_out_of_what_is_closed(place: MarketPlace) -> None:
    """The last goods are sold by a late record: the margin of the sale that had them cannot be computed any more."""
    shop = place.about(STOCK.replace("window: 2", "late: rewind, window: 2"), columns=GOODS)
    shop.deliver(
        [("bought", "P1", "P1,tea,4,10.000,2026-03-01 08:00:00"),
         ("sold", "S2", "S2,k-1,tea,4,20.000,2026-03-03 08:00:00")], date(2026, 4, 2),
    )  # fmt: skip
    assert shop.sums(of=EACH) == {("S2", "goods"): 20000, ("S2", "margin"): 5000}
    closed = shop.statements()
    rewound = shop.deliver([("sold", "S1", "S1,k-1,tea,3,10.000,2026-03-02 08:00:00")], date(2026, 4, 2))
    assert [each.adjusting for each in rewound.ordered.rewound] == [1]
    assert shop.sums(of=EACH) == {("S1", "goods"): 10000, ("S1", "margin"): 1250, ("S2", "goods"): 20000}
    assert [row for row in shop.statements() if row in closed] == closed
    shop.proven()
    shop.deliver([("bought", "P2", "P2,tea,3,6.000,2026-03-02 07:00:00")], date(2026, 4, 2))
    # 16.000 for 7: 3 cost 6.857, what is left 9.143
    found = shop.sums(of=EACH)
    assert (found["S1", "margin"], found["S2", "margin"]) == (1572, 5429)
    shop.proven()


GOODS = {"bought": "id,article,units,paid,at", "sold": "id,shop,article,units,price,at"}


def test_goods_that_go_out_cost_their_part_of_the_stock(place: MarketPlace) -> None:
    shop = place.about(STOCK, columns=GOODS)
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
    assert shop.sums(of=EACH) == {
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
    assert parked(shop.session, "shop") == [], "rating it again alone would give the same"
    (waits,) = held_in_turn(shop.session, "shop")
    assert (waits.charge, waits.charges, waits.examples) == ("margin", 1, ("sold:S3",))
    shop.proven()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (MODEL, "running total sold_before (commission, bonus): one total for each seller and month, side by side"),
        (MODEL.replace(", per: [seller], period: month", ""),
         "running total sold_before (commission, bonus): one total, one after the other"),
        (STOCK, "stock cost_of_goods (margin): one stock for each article, side by side"),
    ],
)  # fmt: skip
def test_a_check_says_how_far_totals_can_be_cleared_side_by_side(model: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(model)
    assert plan_model(load_model(path, {}), "default", {}).parallel == (said,)


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


#: China's cumulative withholding of 2019, with its rate table. `b` is the tax authority's worked example as payroll
#: programs quote it: 30,000.00 a month less 5,000.00, 4,500.00 and 2,000.00 are taxed 555.00, 625.00 and 1,850.00.
#: `a` is computed by us from the table: 2,500.00 a month stay within its first step of 3 %.
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
  a published example, and one within the first step:
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


def test_tiers_over_a_year_s_total_as_a_published_example_has_it(tmp_path: Path, engine: LocalEngine) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(WITHHOLDING)
    (outcome,) = run_golden_cases(load_model(path, {}), "default", engine)
    assert outcome.differences == ()


def test_what_a_table_lacks_parks_the_charge_and_its_record_takes_its_turn_when_released(sellers: MarketPlace) -> None:
    tables = "tables:\n  rates: {file: rates.csv, key: [seller], columns: {seller: text, rate: decimal(2)}}\n"
    rate = "  rate: {table: rates, key: [seller]}\n"
    share = "  share: {for: sold, amount: sold_before * rate, debtor: platform, creditor: seller}\n"
    rated = MODEL.replace("factors:\n", f"{tables}factors:\n{rate}").replace("charges:\n", f"charges:\n{share}")
    shop = sellers.about(rated, {"rates.csv": "seller,rate\nm-2,0.10\n"})
    sales = [sale("A", "m-1", "100.00", "2026-03-01 10:00:00"), sale("B", "m-1", "100.00", "2026-03-02 10:00:00")]
    shop.deliver([*sales, sale("C", "m-2", "50.00", "2026-03-03 10:00:00")], date(2026, 3, 20))
    assert shop.totals() == [(1, "C", "sold_before", "m-2", "2026-03", 5000, 5000, None)]
    shop.written(rated, {"rates.csv": "seller,rate\nm-1,0.20\nm-2,0.90\n"})
    shop.deliver([sale("D", "m-2", "10.00", "2026-03-04 10:00:00")], date(2026, 3, 20))
    assert [row[1] for row in shop.totals()] == ["A", "B", "C", "D"]
    found = shop.sums(of=EACH)
    assert (found["B", "share"], found["D", "share"]) == (2000, 4500) and ("C", "share") not in found
    shop.proven()
