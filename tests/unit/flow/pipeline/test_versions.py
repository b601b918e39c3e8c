"""A model's version changes while there is history in order: nothing is made by two versions, nothing is lost."""

from collections.abc import Callable
from typing import Any

import pytest
from market_place import MarketPlace
from small_market import PROMOTIONS, market, returns, sales

from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.windows import Windows
from everycent.proof.explain.core.model_text import ModelText

SALES, RETURNS = sales(range(12)), returns((1, 4))
OLD, NEW = market(), market(PROMOTIONS.replace("cap: 30.00", "cap: 12.00"))
#: A fee on what was sold in the month until now.
TOTALLED = """\
factors:
  sold_month: {accumulator: {add: {sold: price}, per: [merchant], period: month}}
charges:
  fee: {for: sold, amount: sold_month * 0.01, debtor: merchant, creditor: platform}
order: {by: [occurred_at, id], late: rewind}
statements: {merchant: {cycle: daily}, brand: {cycle: monthly}}
payouts: {}
"""


def second_window_fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The next rewind breaks off after its first window."""
    committed: list[int] = []
    commit = Windows._commit

    def once(windows: Windows, *rest: Any) -> None:
        if windows.generation and committed:
            raise KeyboardInterrupt
        commit(windows, *rest)
        if windows.generation:
            committed.append(windows.generation)

    monkeypatch.setattr(Windows, "_commit", once)
    return lambda: monkeypatch.setattr(Windows, "_commit", commit)


@pytest.fixture
def broken_off(place: MarketPlace, monkeypatch: pytest.MonkeyPatch) -> MarketPlace:
    """Late sales began a rewind, of which one window is there."""
    place.deliver([*SALES[3:], *RETURNS[1:]])
    heal = second_window_fails(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        place.deliver(SALES[:3])
    heal()
    return place


def states(place: MarketPlace) -> list[tuple[int, str]]:
    rows = place.session.connection.execute("SELECT generation, state FROM platform.generation ORDER BY 1")
    return [(int(number), str(state)) for number, state in rows.fetchall()]


def test_a_rewind_is_gone_on_with_by_the_version_that_began_it(broken_off: MarketPlace, once: MarketPlace) -> None:
    other, before = broken_off.about(NEW), broken_off.effective()
    with pytest.raises(
        InputRefused, match=r"was begun with version 1 .*; this is version 1 .*rewind run .*--to RECORD"
    ):
        other.deliver(RETURNS[:1])
    assert other.effective() == before, "nothing of the refused run is there"
    back = other.about(OLD)
    back.deliver(RETURNS[:1])
    once.deliver([*SALES, *RETURNS])
    assert back.effective() == once.effective()
    assert states(back)[0] == (1, "effective")
    back.proven()


def test_a_rewind_by_hand_begins_anew_with_another_version(broken_off: MarketPlace, once: MarketPlace) -> None:
    other = broken_off.about(NEW)
    other.rewind("S07", dry_run=True)
    assert states(other) == [(1, "building")], "a plan drops nothing"
    other.rewind("S03")
    assert states(other) == [(1, "abandoned"), (2, "effective")]
    other.deliver(RETURNS[:1])
    new = once.about(NEW)
    new.deliver([*SALES, *RETURNS])
    assert other.effective() == new.effective()
    other.proven()


def test_what_comes_after_an_abandoned_rewind_stands(broken_off: MarketPlace, once: MarketPlace) -> None:
    """The abandoned generation has the highest number; later records are of the one that stands."""
    other = broken_off.about(NEW)
    other.rewind("S11")
    same = other.about(OLD)
    same.rewind("S00")
    same.deliver(RETURNS[:1])
    once.deliver([*SALES, *RETURNS])
    assert same.effective() == once.effective()
    same.proven()


WITHOUT_ORDER = """\
charges:
  coupon:
    {for: sold, amount: coupon, creditor: merchant, apportion: {by: ratio, bearers: {brand: 60, platform: 40}}}
statements: {merchant: {cycle: daily}, brand: {cycle: monthly}}
payouts: {}
"""


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (WITHOUT_ORDER, "has no such charge in its order"),
        (PROMOTIONS.replace("  coupon:\n", "  coupon:\n    enabled: no\n"), "has no such charge in its order"),
        (WITHOUT_ORDER.replace("statements", "  fee" + TOTALLED.split("  fee")[1].split("statements")[0]
            + TOTALLED.split("charges")[0] + "statements"), "takes it from no budget"),
    ],
)  # fmt: skip
def test_a_version_that_clears_a_charge_without_order_is_refused(place: MarketPlace, now: str, said: str) -> None:
    place.deliver(SALES)
    before = place.effective()
    other = place.about(market(now))
    for act in (lambda: other.deliver(RETURNS), other.rate_parked):
        with pytest.raises(InputRefused, match=f"cleared 'coupon' of sold in strict order, and this one {said}"):
            act()
    with pytest.raises(InputRefused, match=f"this one {said}|has no order, so there is nothing to rewind"):
        other.rewind("S00")
    assert other.effective() == before


def test_a_version_without_the_charge_is_refused(place: MarketPlace) -> None:
    place.deliver(SALES)
    with pytest.raises(InputRefused, match=r"keep the charge, switched on, and the order.*when: at < timestamp"):
        place.about(market(TOTALLED)).rewind("S00")


def test_a_charge_that_ended_keeps_what_it_did(place: MarketPlace, once: MarketPlace) -> None:
    """What the refusal says would be right: the charge stays, and comes no more."""
    ended = place.about(OLD.replace("for: sold\n", "for: sold\n    when: at < timestamp '2026-03-03 00:00:00'\n"))
    place.deliver(SALES[:8])
    assert ended.deliver([*SALES[8:], *RETURNS]).ordered.cleared > 0
    again = ended.rewind("S00")
    assert (again.removed, again.added) == (0, 0)
    once.deliver(SALES[:8])
    assert {key: amount for key, amount in ended.sums().items() if key[1] == "coupon" and key[0][0] == "S"} == {
        key: amount for key, amount in once.sums().items() if key[1] == "coupon"
    }
    ended.proven()


def test_a_total_that_is_no_longer_used_is_refused_and_a_rule_beside_it_is_not(place: MarketPlace) -> None:
    tiers = place.about(market(TOTALLED))
    tiers.deliver(SALES)
    flat = tiers.about(market(TOTALLED.replace("amount: sold_month * 0.01", "amount: price * 0.02")))
    with pytest.raises(InputRefused, match=r"computes it without a running total.*as a rule with the days"):
        flat.deliver([])
    rules = (
        "rules: [{name: old, valid: [2026-01-01, 2026-03-04], amount: sold_month * 0.01},"
        " {name: new, valid: [2026-03-04, 2027-01-01], amount: price * 0.02}]"
    )
    both = tiers.about(market(TOTALLED.replace("amount: sold_month * 0.01", rules)))
    both.deliver(sales(range(12, 16)))
    both.rewind("S00")
    owed = both.sums(of=("key",))
    assert (owed[("S11",)], owed[("S12",)]) == (500, 200)
    both.proven()


TABLE = """\
name,when date(at),when coupon,percentage.rate,flat.amount
early,2026-03-01..2026-03-02,,0.10,
small,..2026-03-03,<= 9,,1.50
,,,,2.00
"""


def test_a_version_is_kept_with_the_rules_that_its_decision_table_s_rows_are(place: MarketPlace) -> None:
    """One place expands them: what explains a charge says what computed it, a range of days as one."""
    fee = (
        "charges:\n  fee: {for: sold, debtor: merchant, creditor: platform,"
        " rules: {table: rules.csv, given: {percentage.of: price}}}\n" + TOTALLED[TOTALLED.index("statements") :]
    )
    place.about(market(fee), {"rules.csv": TABLE}).deliver(SALES)
    found = place.session.connection.execute("SELECT source, decision_tables FROM platform.model_version").fetchone()
    assert found is not None
    told = ModelText(*found)
    early = "(date(at)) >= date '2026-03-01' and (date(at)) < date '2026-03-02'"
    assert told.rule("fee", "early").when == early
    assert told.rule("fee", "early").amount == "price {percentage: {of: price, rate: 0.10}}"
    assert told.other_rules("fee", "early") == [
        ("small", "(date(at)) < date '2026-03-03' and coupon <= 9", ""),
        ("rules.csv line 4", "", ""),
    ]
