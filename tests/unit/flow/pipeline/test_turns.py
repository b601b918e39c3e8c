"""Where a release, a turn in the order, an early refund and a rewind meet: nothing is lost, nothing is done twice."""

from typing import Any

import pytest
from market_place import LATER, MarketPlace
from small_market import PROMOTIONS, market, returns, sales

from everycent.flow.pipeline import rewinding

SALES, RETURNS = sales(range(10)), returns((1, 3, 4))
#: The coupon waits where nothing is known of its brand; so it is parked, and released once the table says more.
PARTS = "  part: {table: parts.csv, key: [brand], type: decimal(2)}\n"
PARKING = market(f"factors:\n{PARTS}" + PROMOTIONS.replace("amount: coupon\n", "amount: coupon * part\n"))
POOR = "brand,part\nb-0,1.00\nb-2,1.00\n"
ALL = POOR + "b-1,1.00\n"


def pick(facts: list[Any], *numbers: int) -> list[Any]:
    return [fact for fact in facts if int(fact[1][1:]) in numbers]


def parking(place: MarketPlace, parts: str = POOR, model: str = PARKING) -> MarketPlace:
    return place.about(model, {"parts.csv": parts})


@pytest.fixture
def wanted(once: MarketPlace) -> MarketPlace:
    """All at once, with nothing that is not known."""
    settled = parking(once, ALL)
    settled.deliver([*SALES, *RETURNS])
    return settled


def test_a_release_takes_its_turn_with_its_refunds(place: MarketPlace, wanted: MarketPlace) -> None:
    market_place = parking(place)
    market_place.deliver([*SALES, *RETURNS])
    assert {"S01", "R01", "S04"}.isdisjoint(dict(market_place.numbers()))
    market_place.written(PARKING, {"parts.csv": ALL})
    assert market_place.rate_parked().waiting == 0
    summary = market_place.deliver([])
    assert len(summary.ordered.rewound) == 1
    assert market_place.effective() == wanted.effective()
    held = market_place.session.connection.execute("SELECT charge FROM rating.ordered_held_charge").fetchall()
    assert held == [], "what was released is not held in its refund's turn"
    market_place.proven()


def broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next rewind breaks off before it becomes effective."""

    def fails(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(rewinding._Rewind, "_switch", fails)


def test_a_release_in_the_middle_of_a_rewind_waits_behind_it(
    place: MarketPlace, wanted: MarketPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    market_place = parking(place)
    market_place.deliver([*pick(SALES, 1, 2, 4, 5, 6, 7, 8, 9), *pick(RETURNS, 4)])
    with monkeypatch.context() as patch:
        broken_off(patch)
        with pytest.raises(KeyboardInterrupt):
            market_place.deliver(pick(SALES, 0, 3))
    market_place.written(PARKING, {"parts.csv": ALL})
    market_place.rate_parked()
    market_place.deliver(pick(RETURNS, 1, 3))
    assert market_place.effective() == wanted.effective()
    assert market_place.statements() == wanted.statements()
    market_place.proven()


def test_refunds_delivered_again_once_their_originals_are_there(place: MarketPlace, once: MarketPlace) -> None:
    once.deliver([*SALES, *RETURNS])
    place.deliver(RETURNS)
    place.deliver(SALES[5:])
    place.deliver([*SALES[:5], *RETURNS])
    assert place.effective() == once.effective()
    place.proven()


def test_refunds_beyond_what_is_left_are_judged_once(place: MarketPlace) -> None:
    """The later one came first and was given; the earlier one is more than what is left, on arrival and in turn."""
    later = ("returned", "R95", "R95,S00,70.00,2026-03-05 09:00:00")
    earlier = ("returned", "R92", "R92,S00,60.00,2026-03-02 12:00:00")
    place.deliver([*SALES, later])
    place.deliver([earlier])
    for _ in range(2):
        given = {key for key, amount in place.sums(of=("key", "charge")).items() if key[0][0] == "R" and amount}
        assert given == {("R95", "goods"), ("R95", "coupon")}
        place.rewind("S00")
    place.proven()


def test_what_joined_stays_where_it_joined_in_a_rewind(place: MarketPlace) -> None:
    joining = place.about(market(PROMOTIONS.replace("late: rewind", "late: join")))
    joining.deliver(SALES[5:])
    joining.deliver(SALES[:5])
    before = joining.effective()
    for start in ("S07", "S00", "S05"):
        done = joining.rewind(start)
        assert (done.removed, done.added) == (0, 0), start
        assert joining.effective() == before
    joining.proven()


def test_a_rewind_begins_no_later_than_late_records(
    place: MarketPlace, once: MarketPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late records were taken in by a run that broke off before their turn; a rewind to a later record comes first."""
    once.deliver(SALES)
    place.deliver(SALES[3:])
    with monkeypatch.context() as patch:
        patch.setattr("everycent.flow.pipeline.run.clear_waiting", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            place.deliver(SALES[:3])
    place.rewind("S07")
    place.deliver([], LATER.replace(month=3, day=1))
    assert place.effective() == once.effective()
    place.proven()
