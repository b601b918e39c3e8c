"""Random models through the real database: shared costs on two levels, caps, budgets, order, refunds, late records.

What stands in the end is what an oracle gives that takes one record at a time, in fractions (ordered_oracle.py): in any
cut and order of arrival, with windows of any size, in either tier, after rewinds; and in sum over closed statements.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import count, pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st
from market_place import MarketPlace
from ordered_models import EXPONENTS, days, money
from ordered_oracle import OrderedOracle

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import connect
from everycent.base.platform.details import Details
from everycent.flow.model.contract import ModelRefused
from everycent.flow.pipeline.plan import plan_model
from everycent.flow.pipeline.service import Session, find_inputs, run
from everycent.flow.rating.contract import HELD

Fact = dict[str, Any]
SOLD = ("id", "merchant", "store", "brand", "distributor", "worth", "coupon", "gift", "at")
RETURNED = ("id", "of", "worth", "at")
#: Days on which runs are called; what is due is closed.
DAY_CUTS = (date(2026, 3, 1), date(2026, 3, 3), date(2026, 4, 2), date(2027, 1, 15))
LAST_DAY = date(2027, 3, 1)
CHANCE = st.integers(0, 2**63).map(Random)
TENANTS = count()


def model_text(model: dict[str, Any], window: int, wait: str) -> str:
    """The model as its author would write it; JSON is YAML too."""
    optional = {"type": "money", "required": "false"}
    text = {"type": "text", "required": "false"}
    sold = dict.fromkeys(SOLD, "text") | {"store": text, "brand": text, "coupon": optional, "gift": optional}
    charges: dict[str, Any] = {
        "goods": {"for": "sold", "amount": "worth", "debtor": "platform", "creditor": "merchant"}
    }
    for name, words in model["charges"].items():
        charges[name] = {"for": "sold", "when": f"{name} is not null", "amount": name, "creditor": "merchant", **words}
    order = {"by": ["occurred_at", "id"], "late": "rewind", "window": str(window)} | ({"wait": wait} if wait else {})
    return json.dumps(
        {
            "model": "random",
            "version": "1",
            "currency": model["currency"],
            "calendar": {"time_zone": "Asia/Shanghai"},
            "parties": {
                "platform": {"operator": "shanghai"},
                "merchant": {"key": ["merchant"]},
                "brand": {"key": ["brand"]},
                "distributor": {"key": ["distributor"]},
            },
            "records": {
                "sold": {
                    "file": "sold*.csv",
                    "id": ["id"],
                    "occurred_at": "at",
                    "amount": "worth",
                    "columns": sold | {"worth": "money", "at": "timestamp"},
                },
                "returned": {
                    "file": "returned*.csv",
                    "refunds": "sold",
                    "of": ["of"],
                    "id": ["id"],
                    "occurred_at": "at",
                    "amount": "worth",
                    "columns": {"id": "text", "of": "text", "worth": "money", "at": "timestamp"},
                },
            },
            "budgets": model["budgets"],
            "charges": charges,
            "order": order,
            "statements": {
                "merchant": {"cycle": "daily"},
                "brand": {"cycle": "monthly"},
                "distributor": {"cycle": "monthly"},
            },
            "payouts": {},
        }
    )


@dataclass
class Market:
    """A random model in a tenant of its own; `chance` decides on cuts, the order of arrival and everything else."""

    model: dict[str, Any]
    facts: list[Fact]
    chance: Random
    place: MarketPlace

    def arrive(self, *, closing: bool) -> list[Fact]:
        """Delivers all facts, shuffled and cut; those that were accepted, as intake judges them."""
        facts = self.chance.sample(self.facts, len(self.facts))
        cuts = sorted({0, len(facts), *(self.chance.randrange(len(facts)) for _ in range(self.chance.randint(0, 3)))})
        sold: dict[str, int] = {}
        accepted = []
        for number, (start, end) in enumerate(pairwise(cuts)):
            ordered = sorted(facts[start:end], key=lambda fact: "refund_of" in fact)
            self.deliver(ordered, DAY_CUTS[number] if closing else DAY_CUTS[0], number)
            for fact in ordered:
                if "refund_of" not in fact:
                    sold[fact["key"]] = fact["amount"]
                elif 0 <= fact["amount"] <= sold.get(fact["refund_of"], -1):
                    sold[fact["refund_of"]] -= fact["amount"]
                else:
                    continue
                accepted.append(fact)
        return accepted

    def deliver(self, facts: list[Fact], as_of: date, number: int) -> None:
        """One run."""
        inbox, exponent = self.place.folder / f"in{number}", EXPONENTS[self.model["currency"]]
        inbox.mkdir()
        lines: dict[str, list[Any]] = {"sold": [], "returned": []}

        def shown(minor: int | None) -> str | None:
            return None if minor is None else "-" * (minor < 0) + money(abs(minor), exponent)

        for fact in facts:
            if "refund_of" in fact:
                lines["returned"].append([fact["key"], fact["refund_of"], shown(fact["amount"]), at(fact)])
            else:
                known = [fact[name] for name in ("key", "merchant", "store", "brand")]
                amounts = [fact["amount"], *(fact["charges"].get(name) for name in ("coupon", "gift"))]
                lines["sold"].append([*known, "d-3", *map(shown, amounts), at(fact)])
        for kind, columns in (("sold", SOLD), ("returned", RETURNED)):
            if lines[kind]:
                with (inbox / f"{kind}{number}.csv").open("w", encoding="utf-8", newline="") as file:
                    csv.writer(file).writerows([columns, *lines[kind]])
        inputs = find_inputs(self.place.model, [str(inbox)])
        now = datetime(2026, 3, 1, tzinfo=UTC)
        run(self.place.session, self.place.model, inputs, as_of, lambda *_: None, print, now)

    def held(self) -> list[tuple[int, str, str]]:
        """(number, charge, state) of what order could not decide."""
        session, name = self.place.session, self.place.model.name
        session.details.attach(session.engine, "held_in_order", HELD.ordered, name)
        found = session.engine.query(
            "SELECT sequence_no, charge, state FROM held_in_order"
            f" WHERE {session.details.effective(name)} ORDER BY sequence_no, charge"
        )
        return [tuple(row.values()) for row in found.to_pylist()]

    def shares(self) -> list[tuple[Any, ...]]:
        """(number, charge, bearer's leaf, amount, total before, total after)."""
        names = ("sequence_no", "charge", "leaf", "amount_minor", "total_before_minor", "total_after_minor")
        return sorted(tuple(row[name] for name in names) for row in self.place.effective() if row["budget"])


def at(fact: Fact) -> str:
    """Facts of a day share three moments, so that ids have to break ties."""
    return f"{fact['on']} {8 + int(fact['key'][1:]) % 3:02}:00:00"


def in_turn(accepted: list[Fact]) -> list[Fact]:
    """In strict order."""
    times = {fact["key"]: at(fact) for fact in accepted}

    def place(fact: Fact) -> tuple[str, bool, str]:
        original = fact.get("refund_of", fact["key"])
        return max(times[fact["key"]], times[original]), "refund_of" in fact, fact["key"]

    return sorted(accepted, key=place)


def cleared_once(market: Market, accepted: list[Fact]) -> tuple[list[tuple[Any, ...]], list[tuple[int, str, str]]]:
    """What the oracle gives: shares and what is held, with numbers."""
    oracle = OrderedOracle(market.model["charges"], market.model["budgets"], EXPONENTS[market.model["currency"]])
    shares, held = [], []
    for number, fact in enumerate(in_turn(accepted), start=1):
        rows, refused = oracle.clear(fact)
        shares += [(number, *row) for row in rows]
        held += [(number, *row) for row in refused]
    return sorted(shares), sorted(held)


@pytest.fixture(scope="module")
def session(databases: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A database for all examples; each takes a tenant of its own."""
    folder = tmp_path_factory.mktemp("random")
    with (
        databases.fresh(folder / "data") as fresh,
        connect(fresh) as connection,
        LocalEngine(1, 512, folder / "spill") as engine,
    ):
        yield Session(replace(fresh, threads=1), connection, engine, Details(connection, fresh.lake_dir, "default"))


def opened(session: Session, model: dict[str, Any], facts: list[Fact], chance: Random, *, closing: bool) -> Market:
    """The model in a new tenant; an example whose model is refused is none."""
    tenant = f"t{next(TENANTS)}"
    lake_from = chance.choice([1, 4, 50_000])
    batch_rows = chance.choice([1, 2, 5, 1000])
    own = replace(session.settings, tenant=tenant, lake_from_rows=lake_from, batch_rows=batch_rows)
    details = Details(session.connection, own.lake_dir, tenant, lake_from)
    text = model_text(model, chance.choice([1, 1, 2, 5]), chance.choice(["", "3 days"]) if closing else "")
    folder = session.settings.data_dir.parent / tenant
    try:
        place = MarketPlace(Session(own, session.connection, session.engine, details), folder, text)
        plan_model(place.model, tenant, place.model.files)
    except ModelRefused:
        assume(False)
    event(model["currency"])
    return Market(model, facts, chance, place)


def as_the_oracle(session: Session, day: tuple[dict[str, Any], list[Fact]], chance: Random) -> None:
    """Nothing is closed: every row is the oracle's, and stays so over two rewinds in a row."""
    market = opened(session, *day, chance, closing=False)
    accepted = market.arrive(closing=False)
    shares, held = cleared_once(market, accepted)
    assert market.shares() == shares
    assert market.held() == held
    before = market.place.effective()
    numbered = [fact["key"] for fact in accepted]
    for key in chance.choices(numbered, k=2) if numbered else []:
        market.place.rewind(key)
        assert market.place.effective() == before, f"rewound to {key}"
    market.place.proven()


def closed_and_adjusted(session: Session, day: tuple[dict[str, Any], list[Fact]], chance: Random) -> None:
    """Statements close between deliveries: with what adjusts them, all is what the oracle gives."""
    market = opened(session, *day, chance, closing=True)
    accepted = market.arrive(closing=True)
    closed = [row for row in market.place.statements() if row[-1] == "closed"]
    market.place.deliver([], LAST_DAY)
    assert [row for row in market.place.statements() if row in closed] == closed
    shares, _ = cleared_once(market, accepted)
    keys = [fact["key"] for fact in in_turn(accepted)]
    wanted: dict[Any, int] = {}
    for number, charge, leaf, amount, _, _ in shares:
        wanted[keys[number - 1], charge, leaf] = amount
    found = market.place.sums(of=("key", "charge", "leaf"))
    assert {key: amount for key, amount in found.items() if key[1] != "goods"} == {
        key: amount for key, amount in wanted.items() if amount
    }
    event(f"adjusted: {any(row['adjusts'] for row in market.place.effective())}")
    market.place.proven()


def some(examples: int) -> settings:
    """So many examples; one takes seconds, so a failing one is not made smaller."""
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    return settings(max_examples=examples, deadline=None, phases=[Phase.generate], suppress_health_check=checks)


@some(2)
@given(day=days(), chance=CHANCE)
def test_a_random_model_gives_what_the_oracle_gives(session: Session, day: Any, chance: Random) -> None:
    as_the_oracle(session, day, chance)


@some(2)
@given(day=days(), chance=CHANCE)
def test_what_is_closed_and_what_adjusts_it_are_what_the_oracle_gives(
    session: Session, day: Any, chance: Random
) -> None:
    closed_and_adjusted(session, day, chance)


@pytest.mark.soak
@some(60)
@given(day=days(), chance=CHANCE)
def test_many_random_models_give_what_the_oracle_gives(session: Session, day: Any, chance: Random) -> None:
    as_the_oracle(session, day, chance)


@pytest.mark.soak
@some(45)
@given(day=days(), chance=CHANCE)
def test_many_random_models_closed_and_adjusted_give_what_the_oracle_gives(
    session: Session, day: Any, chance: Random
) -> None:
    closed_and_adjusted(session, day, chance)
