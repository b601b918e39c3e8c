"""Every role is settled or the operator; nothing is left to guess."""

from datetime import timedelta

import pytest

from everycent.base.money.cycle import Cycle
from everycent.flow.parties.contract import PartySpec
from everycent.flow.settlement.contract import StatementSpec
from everycent.flow.settlement.core.plan import RoleNotSettled, StatementRole, UnsettledRole, plan_settlement

ROLES = {"platform": PartySpec(operator="shanghai"), "merchant": PartySpec(key=("merchant",))}
WEEKLY = StatementSpec(cycle="weekly", ready_after=timedelta(days=7))


def test_roles_are_settled_as_declared() -> None:
    plan = plan_settlement({"merchant": WEEKLY}, ROLES, "market")
    assert plan.roles == (StatementRole("merchant", Cycle.parse("weekly"), timedelta(days=7), "net"),)
    assert plan.operators == ("platform",)


def test_a_role_without_statements_is_refused() -> None:
    with pytest.raises(UnsettledRole, match=r"who gets paid how\? role 'merchant'"):
        plan_settlement({}, ROLES, "market")


@pytest.mark.parametrize(
    ("role", "reason"), [("courier", "there is no party role 'courier'"), ("platform", "'platform' is the operator")]
)
def test_statements_of_others_are_refused(role: str, reason: str) -> None:
    with pytest.raises(RoleNotSettled, match=reason):
        plan_settlement({"merchant": WEEKLY, role: WEEKLY}, ROLES, "market")
