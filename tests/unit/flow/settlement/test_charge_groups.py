"""Charges that stand on statements of their own: as the model says, or a party's contract instead."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.flow.parties.contract import CONTRACT_PERIOD, PartySpec
from everycent.flow.settlement.contract import ACCRUAL, LINE, STATEMENT, StatementSpec
from everycent.flow.settlement.core.handing_on import hand_on
from everycent.flow.settlement.stage import SettlementPlan, accrue, plan_settlement, under_contracts

Read = Callable[[str], pa.Table]
ROLES = {"platform": PartySpec(operator="sh"), "merchant": PartySpec(key=("m",)), "brand": PartySpec(key=("b",))}
FREIGHT = {"freight": ["freight", "fuel"]}
SOLD = """
    record charge     debtor     creditor   amount booked_on
    A1     goods      platform   merchant:m  90.00 2026-03-02
    A1     commission merchant:m platform     9.00 2026-03-02
    A1     freight    platform   merchant:m  10.00 2026-03-02
    A2     fuel       platform   merchant:m   1.00 2026-03-03
    A2     freight    brand:b    merchant:n   5.00 2026-03-03
"""


def planned(groups: Mapping[str, list[str]], **words: Any) -> SettlementPlan:
    merchant = StatementSpec.model_validate({"cycle": "weekly", "charge_groups": groups, **words})
    statements = {"merchant": merchant, "brand": StatementSpec(cycle="weekly")}
    return plan_settlement(statements, ROLES, "market")


def on_them(accruals: pa.Table) -> dict[str, tuple[str, int]]:
    """By statement, without what all of them have: its group, and what it comes to."""
    ACCRUAL.check(accruals)
    return {
        row["statement_id"].replace("market/", "").replace("/2026-W10/CNY/shanghai", ""): (
            row["charge_group"], int(row["payable_minor"] - row["receivable_minor"]))
        for row in accruals.to_pylist()
    }  # fmt: skip


def test_a_group_of_charges_has_a_statement_of_its_own(engine: LocalEngine, obligations: Read) -> None:
    accrued = accrue(planned(FREIGHT), obligations(SOLD), engine)
    assert on_them(accrued.accruals) == {
        "merchant:m": ("", 8100), "merchant:m/freight": ("freight", 1100), "merchant:n/freight": ("freight", 500),
        "brand:b": ("", -500),
    }  # fmt: skip
    creditors = [
        each and each.rpartition("shanghai")[2] for each in accrued.obligations["creditor_statement"].to_pylist()
    ]
    assert creditors == ["", None, "/freight", "/freight", "/freight"]
    assert accrued.obligations["debtor_statement"].to_pylist()[4] == "market/brand:b/2026-W10/CNY/shanghai"


def contract(party: str, groups: str | None) -> dict[str, Any]:
    return {
        "party_id": party, "role": "merchant", "contract_no": "K-1", "revision": 1, "since": date(2026, 1, 1),
        "until": None, "cycle": "weekly", "mode": "net", "legal_entity": None, "reserve_ratio": None,
        "reserve_release_seconds": None, "minimum_payout_minor": "{}", "silent_days": None, "negative": None,
        "invoice": None, "charge_groups": groups,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("groups", "m"),
    [
        (None, {"merchant:m": ("", 8100), "merchant:m/freight": ("freight", 1100)}),
        ("{}", {"merchant:m": ("", 9200)}),
        ('{"commission": "fees", "fuel": "fees"}', {"merchant:m": ("", 10000), "merchant:m/fees": ("fees", -800)}),
    ],
)
def test_a_contract_says_its_own_groups(
    engine: LocalEngine, obligations: Read, groups: str | None, m: dict[str, tuple[str, int]]
) -> None:
    contracts = pa.Table.from_pylist([contract("merchant:m", groups)], schema=CONTRACT_PERIOD.columns)
    accrued = accrue(under_contracts(planned(FREIGHT), contracts, engine), obligations(SOLD), engine)
    others = {"merchant:n/freight": ("freight", 500), "brand:b": ("", -500)}
    assert on_them(accrued.accruals) == m | others, "what it does not say, the model does"
    ids = {*accrued.obligations["creditor_statement"].to_pylist(), *accrued.obligations["debtor_statement"].to_pylist()}
    assert ids - {None} == set(accrued.accruals["statement_id"].to_pylist()), "each end stands where it is counted"


def test_what_a_group_owes_is_carried_to_its_own_next_statement(engine: LocalEngine) -> None:
    plan = planned(FREIGHT, negative="carry")
    rows = [
        {
            "statement_id": f"market/merchant:m/2026-W10/CNY/shanghai{suffix}", "party_id": "merchant:m",
            "role": "merchant", "period": "2026-W10", "period_first": date(2026, 3, 2),
            "period_last": date(2026, 3, 8), "closes_on": date(2026, 3, 9), "currency": "CNY",
            "legal_entity": "shanghai", "charge_group": group, "mode": "net", "agreed": None,
            "payable_minor": max(own, 0), "receivable_minor": max(-own, 0), "obligations": 1, "net_minor": own,
            "lines_minor": 0, "state": "open", "closed_as_of": None,
        }
        for suffix, group, own in (("", "", 900), ("/freight", "freight", -200))
    ]  # fmt: skip
    closing = pa.Table.from_pylist(rows, schema=STATEMENT.columns)
    handed = hand_on(plan, "t", closing, LINE.empty(), date(2026, 3, 9), engine)
    lines = {(row["kind"], row["statement_id"]): int(row["amount_minor"]) for row in handed.lines.to_pylist()}
    last, next_one = (f"market/merchant:m/2026-W{week}/CNY/shanghai/freight" for week in (10, 11))
    assert lines == {("carried_out", last): 200, ("carried_in", next_one): -200}
    (opened,) = handed.opened.to_pylist()
    assert (opened["statement_id"], opened["charge_group"]) == (next_one, "freight")
