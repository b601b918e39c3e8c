"""Contract messages against what was taken before: duplicates, conflicts, changes, and days that overlap."""

from datetime import date, timedelta
from itertools import permutations
from typing import Any

import pytest
from contract_messages import ROLES, rule, said
from hypothesis import given
from hypothesis import strategies as st

from everycent.flow.parties.contract import OnboardingSpec, PartySpec, party_key
from everycent.flow.parties.core.contract_message import ContractMessage, Refused, read_message
from everycent.flow.parties.core.contract_periods import Revision, overlap, periods
from everycent.flow.parties.core.judging import Judged, Standing, judge
from everycent.flow.parties.core.onboarding import plan_onboarding


def judged(*messages: bytes, standing: Standing | None = None) -> list[Judged]:
    known = standing or Standing()
    found = []
    for content in messages:
        message = read_message(content)
        assert isinstance(message, ContractMessage), message
        found.append(judge(rule(), message, known))
    return found


def told(*messages: bytes) -> list[str]:
    """Each message's party, or the name of its refusal, or what it is."""
    return [
        each.party.party_id if each.party else each.refusal.name if each.refusal else each.outcome
        for each in judged(*messages)
    ]


def test_the_relation_group_makes_the_party() -> None:
    assert told(
        said(),
        said(contract="HT-2", merchant_type="supplier", store=None),
        said(contract="HT-3", sales_associate="77"),
        said(contract="HT-4", store="a/b\\c"),
    ) == ["merchant:1001/0001", "supplier:1001", "guide:77", "merchant:1001/a\\/b\\\\c"]


def test_the_same_again_is_a_duplicate_and_other_content_a_conflict() -> None:
    assert told(said(), said(), said(cycle="weekly"), said(revision=2, cycle="weekly")) == [
        "merchant:1001/0001", "duplicate", "content_conflict", "merchant:1001/0001",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"system": "shop"}, Refused.UNKNOWN_SYSTEM),
        ({"tenant": 2}, Refused.UNKNOWN_TENANT),
        ({"merchant_type": "distributor"}, Refused.NO_ROLE),
        ({"store": None}, Refused.KEY_MISSING),
        ({"charges": ["goods", "rent"]}, Refused.UNKNOWN_CHARGE),
        ({"legal_entity": "beijing"}, Refused.UNKNOWN_LEGAL_ENTITY),
        ({"minimum_payout": {"USD": "1.00"}}, Refused.UNKNOWN_CURRENCY),
        ({"cycle": "until harvest"}, Refused.UNKNOWN_EVENT),
        ({"cycle": "calendar retail"}, Refused.UNKNOWN_CALENDAR),
        ({"valid_to": "2026-01-01"}, Refused.EMPTY_PERIOD),
        ({"valid_to": "2025-01-01", "revision": 2}, Refused.EMPTY_PERIOD),
    ],
)
def test_each_rule_has_its_refusal(changed: dict[str, Any], name: Refused) -> None:
    (found,) = judged(said(**changed))
    assert found.refusal is not None and found.refusal.name is name and found.party is None


def test_a_contract_stays_with_its_party() -> None:
    assert told(said(), said(revision=2, store="0002")) == ["merchant:1001/0001", "contract_of_another_party"]


def test_a_relation_stays_with_its_party_when_the_rule_changes() -> None:
    standing = Standing()
    judged(said(), standing=standing)
    roles = {**ROLES, "merchant": PartySpec(key=("merchant",), onboard=ROLES["merchant"].onboard)}
    changed = plan_onboarding(OnboardingSpec(sources={"mall": ("1",)}), roles)
    message = read_message(said(contract="HT-9", valid_from="2028-01-01", valid_to=None))
    assert isinstance(message, ContractMessage)
    found = judge(changed, message, standing)
    assert found.refusal is not None and found.refusal.name is Refused.RELATION_OF_ANOTHER_PARTY


def test_two_contracts_of_a_party_never_hold_on_one_day() -> None:
    second = said(contract="HT-2", valid_from="2026-07-01", valid_to="2027-07-01")
    ended = said(revision=2, valid_from="2026-07-01", valid_to="2026-07-01")
    assert told(said(), second, ended, second) == [
        "merchant:1001/0001", "contract_periods_overlap", "merchant:1001/0001", "merchant:1001/0001",
    ]  # fmt: skip
    (_, refused, *_) = judged(said(), second)
    assert refused.refusal is not None and refused.refusal.message == (
        "merchant:1001/0001 would have two contracts on one day: contract HT-1 from 2026-01-01 until 2027-01-01, "
        "contract HT-2 from 2026-07-01 until 2027-07-01; end one where the other begins"
    )


def test_one_that_begins_where_the_other_ends_holds_after_it() -> None:
    assert told(said(), said(contract="HT-2", valid_from="2027-01-01", valid_to=None))[1] == "merchant:1001/0001"


FIRST = date(2026, 1, 1)


def revisions(number: str = "HT-1") -> st.SearchStrategy[list[Revision]]:
    span = st.tuples(st.integers(0, 12), st.none() | st.integers(0, 12))
    return st.lists(span, min_size=1, max_size=4).map(
        lambda spans: [
            Revision(("mall", "1", number), at, FIRST + timedelta(since),
                     None if days is None else FIRST + timedelta(since + days), "m:1", "")
            for at, (since, days) in enumerate(spans, 1)
        ]
    )  # fmt: skip


def holding(every: list[Revision], day: date) -> list[int]:
    return [
        each.of.revision for each in periods(every) if each.since <= day and (each.until is None or day < each.until)
    ]


@given(revisions())
def test_on_each_day_the_newest_revision_that_has_begun_decides(every: list[Revision]) -> None:
    for day in (FIRST + timedelta(at) for at in range(30)):
        begun = [each for each in every if each.valid_from <= day]
        newest = max(begun, key=lambda each: each.revision, default=None)
        decides = newest is not None and (newest.valid_to is None or day < newest.valid_to)
        assert holding(every, day) == ([newest.revision] if decides and newest else [])
    assert all(periods(list(order)) == periods(every) for order in permutations(every))


@given(revisions(), revisions("HT-2"))
def test_an_overlap_is_found_where_two_contracts_hold_on_a_day(one: list[Revision], other: list[Revision]) -> None:
    days = [FIRST + timedelta(at) for at in range(30)]
    assert (overlap([*one, *other]) is not None) == any(holding(one, day) and holding(other, day) for day in days)


def test_a_partys_key_is_the_one_that_records_give(engine: Any) -> None:
    from everycent.flow.parties.contract import party_key_sql

    values = ("a/b", "c\\d")
    sql = party_key_sql(("'a/b'", "'c\\d'"))
    assert engine.query(f"SELECT {sql} AS key")["key"].to_pylist() == [party_key(values)]
