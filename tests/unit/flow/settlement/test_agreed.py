"""What parties' own contracts say of their statements, by business time."""

import itertools
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everycent.base.engine.local import LocalEngine
from everycent.base.money.cycle import PastTheCalendar, Period
from everycent.flow.approvals import service as approvals
from everycent.flow.parties.contract import CONTRACT_PERIOD, PartySpec
from everycent.flow.settlement.contract import ACCRUAL, StatementSpec
from everycent.flow.settlement.core.agreed import agree, agreed_days
from everycent.flow.settlement.service import Asking
from everycent.flow.settlement.stage import SettlementPlan, accrue, plan_settlement, under_contracts, with_events

Read = Callable[[str], pa.Table]
ROLES = {"platform": PartySpec(operator="sh"), "merchant": PartySpec(key=("m",))}
NEW_YEAR = date(2026, 1, 1)
CLOCK = datetime(2026, 3, 2, 12, tzinfo=UTC)


def contract(party: str = "merchant:m", since: str = "2026-01-01", **words: Any) -> dict[str, Any]:
    plain = {
        "party_id": party, "role": party.partition(":")[0], "contract_no": "K-1", "revision": 1,
        "since": date.fromisoformat(since), "until": None, "cycle": "weekly", "mode": "net", "legal_entity": None,
        "reserve_ratio": None, "reserve_release_seconds": None, "minimum_payout_minor": "{}", "silent_days": None,
        "negative": None, "invoice": None,
    }  # fmt: skip
    return {**plain, **words}


def table(*contracts: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(contracts), schema=CONTRACT_PERIOD.columns)


def plan(engine: LocalEngine, *contracts: dict[str, Any], **words: Any) -> SettlementPlan:
    spec = StatementSpec.model_validate({"cycle": "monthly", **words})
    return under_contracts(plan_settlement({"merchant": spec}, ROLES, "market"), table(*contracts), engine)


SALES = """
    record debtor   creditor   amount booked_on
    A1     platform merchant:m  10.00 2026-03-10
    A2     platform merchant:m  20.00 2026-03-20
    A3     platform merchant:n  30.00 2026-03-20
"""


def placed(accruals: pa.Table) -> list[tuple[str, ...]]:
    ACCRUAL.check(accruals)
    return [
        (row["party_id"][-1], row["period"], str(row["closes_on"]), row["mode"], "K" if row["agreed"] else "-")
        for row in accruals.to_pylist()
    ]


def test_a_contracts_cycle_and_mode_go_before_the_models(engine: LocalEngine, obligations: Read) -> None:
    own = plan(engine, contract(mode="gross"), ready_after=timedelta(days=2))
    accrued = accrue(own, obligations(SALES), engine)
    assert placed(accrued.accruals) == [
        ("m", "2026-W11", "2026-03-18", "gross", "K"),
        ("m", "2026-W12", "2026-03-25", "gross", "K"),
        ("n", "2026-03", "2026-04-03", "net", "-"),
    ]
    assert accrued.obligations["creditor_statement"].to_pylist() == [
        "market/merchant:m/2026-W11/CNY/shanghai",
        "market/merchant:m/2026-W12/CNY/shanghai",
        "market/merchant:n/2026-03/CNY/shanghai",
    ]


def test_a_period_is_cut_where_terms_change(engine: LocalEngine, obligations: Read) -> None:
    """A contract until the 14th, the model for a day, another contract from the 16th on."""
    own = plan(
        engine,
        contract(cycle="monthly", until=date(2026, 3, 15)),
        contract(since="2026-03-16", cycle="half_monthly", revision=2),
    )
    days = SALES + "A4 platform merchant:m 1.00 2026-03-15"
    assert placed(accrue(own, obligations(days), engine).accruals)[:3] == [
        ("m", "2026-03-01..2026-03-14", "2026-03-15", "net", "K"),
        ("m", "2026-03-H2", "2026-04-01", "net", "K"),
        ("m", "2026-03", "2026-04-01", "net", "-"),
    ]


spans = st.lists(st.integers(0, 120), min_size=2, max_size=6, unique=True).map(sorted)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(spans, st.data())
def test_each_day_is_in_one_period_and_periods_do_not_overlap(
    engine: LocalEngine, cuts: list[int], data: st.DataObject
) -> None:
    cycles = st.sampled_from(["daily", "weekly", "half_monthly", "monthly", "T+3", "until closed"])
    contracts = [
        contract(since=str(NEW_YEAR + timedelta(days=since)), until=NEW_YEAR + timedelta(days=until), revision=at + 1,
                 cycle=data.draw(cycles))
        for at, (since, until) in enumerate(itertools.pairwise(cuts))
    ]  # fmt: skip
    ends = [NEW_YEAR + timedelta(days=at) for at in data.draw(spans)]
    own = with_events(plan(engine, *contracts), {"merchant:m": ends})
    days = [NEW_YEAR + timedelta(days=at) for at in range(cuts[0], cuts[-1])]
    pairs = pa.table({"party_id": ["merchant:m"] * len(days), "booked_on": pa.array(days, pa.date32())})
    found = sorted(agreed_days(own, pairs, engine).to_pylist(), key=lambda row: row["booked_on"])
    assert [row["booked_on"] for row in found] == days, "each day once"
    spans_of = {(row["period"], row["period_first"], row["period_last"]) for row in found}
    covered = [first + timedelta(days=at) for _, first, last in spans_of for at in range((last - first).days + 1)]
    assert sorted(covered) == days, "no gap, no overlap"
    assert len({label for label, _, _ in spans_of}) == len(spans_of)


def test_a_period_by_event_is_named_before_anybody_knows_its_last_day(engine: LocalEngine, obligations: Read) -> None:
    without_end = plan(engine, contract(cycle="until closed"), ready_after=timedelta(days=2))
    name, forever = "2026-01-01..E1", "9999-12-31"
    assert placed(accrue(without_end, obligations(SALES), engine).accruals)[0] == ("m", name, forever, "net", "K")
    ended = with_events(without_end, {"merchant:m": [date(2026, 3, 10)]})
    assert placed(accrue(ended, obligations(SALES), engine).accruals)[:2] == [
        ("m", name, "2026-03-13", "net", "K"),
        ("m", "2026-03-11..E2", forever, "net", "K"),
    ]
    until = plan(engine, contract(cycle="until closed", until=date(2026, 3, 15)), cycle="until closed")
    assert placed(accrue(until, obligations(SALES), engine).accruals) == [
        ("m", f"{name}..2026-03-14", "2026-03-15", "net", "K"),
        ("m", "E1", forever, "net", "-"),
        ("n", "E1", forever, "net", "-"),
    ], "what is the contract's and what the model's have each its own name"


def test_a_contract_may_go_by_a_calendar_of_the_models(engine: LocalEngine, obligations: Read) -> None:
    weeks = tuple(Period(f"P{at}", date(2026, 3, 1 + 7 * at), date(2026, 3, 7 + 7 * at)) for at in range(3))
    bare = plan_settlement({"merchant": StatementSpec(cycle="monthly")}, ROLES, "market", {"weeks": weeks})
    own = under_contracts(bare, table(contract(cycle="calendar weeks", since="2026-03-09")), engine)
    assert placed(accrue(own, obligations(SALES), engine).accruals) == [
        ("m", "2026-03-09..2026-03-14", "2026-03-15", "net", "K"),
        ("m", "P2", "2026-03-22", "net", "K"),
        ("n", "2026-03", "2026-04-01", "net", "-"),
    ]
    with pytest.raises(PastTheCalendar, match="calendar 'weeks' holds 2026-03-22"):
        accrue(own, obligations(SALES + "A4 platform merchant:m 1.00 2026-03-22"), engine)


def test_words_that_a_contract_does_not_have_are_the_models(engine: LocalEngine) -> None:
    own = plan(engine, contract()).agreed["agreed"].to_pylist()
    assert own == ['{"contract":"K-1","revision":1,"cycle":"weekly","mode":"net"}']
    full = contract(reserve_ratio=Decimal("0.05"), reserve_release_seconds=86401, minimum_payout_minor='{"CNY": 100}',
                    silent_days=0, negative="carry")  # fmt: skip
    (said,) = plan(engine, full).agreed["agreed"].to_pylist()
    assert said == (
        '{"contract":"K-1","revision":1,"cycle":"weekly","mode":"net","negative":"carry","reserve_ratio":"0.05",'
        '"reserve_days":2,"minimum_minor":{"CNY":100},"silent_days":0}'
    )


def test_contracts_of_roles_without_statements_are_not_asked(engine: LocalEngine) -> None:
    assert agree(plan(engine).roles, table(contract("brand:b")), engine).num_rows == 0


def test_statements_close_and_are_paid_as_their_contract_says(books: Any) -> None:
    """Merchant m: carries, holds back a tenth, silence of a day, no payment below 50. Merchant n: the model's."""
    books.contracts = table(
        contract(since="2026-03-01", cycle="daily", negative="carry", reserve_ratio=Decimal("0.1"),
                 reserve_release_seconds=86400, silent_days=1, minimum_payout_minor='{"CNY": 5000}')
    )  # fmt: skip
    head = "record debtor creditor amount booked_on\n"
    books.book(head + "A1 platform merchant:m 40.00 2026-03-01\nA2 platform merchant:n 40.00 2026-03-01")

    def paid(as_of: str) -> list[tuple[str, int]]:
        asking = Asking(books.plan.needs, approvals, CLOCK)
        books.close(as_of, asking=asking)
        return [(row["party_id"][-1], int(row["amount_minor"])) for row in books.instruct(as_of).to_pylist()]

    assert paid("2026-03-02") == [("n", 4000)], "m may still dispute it"
    kept = books.connection.execute(
        "SELECT carries, reserve_ratio, silent_days, confirms FROM settlement.statement"
        " WHERE party_id = 'merchant:m' AND period = '2026-03-01'"
    ).fetchone()
    assert kept == (True, Decimal("0.1"), 1, True)
    assert paid("2026-03-03") == [], "36.00 is below its minimum"
    books.book(head + "B1 platform merchant:m 100.00 2026-03-03")
    assert paid("2026-03-04") == []
    assert paid("2026-03-05") == [("m", 13000)], "36, 4 that were held back, and 100 but for a tenth"
