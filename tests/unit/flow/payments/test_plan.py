"""Payouts are checked before anything is paid."""

import pytest

from everycent.flow.intake.contract import TableSpec
from everycent.flow.parties.contract import PartySpec
from everycent.flow.payments.contract import PayoutSpec
from everycent.flow.payments.core.plan import AccountSource, PayoutRefused, PayoutRole, Route, plan_payments

ROLES = {"platform": PartySpec(operator="shanghai"), "merchant": PartySpec(key=("merchant", "store"))}
ACCOUNTS = {
    "accounts": TableSpec(file="a.csv", key=["m", "s"], columns=dict.fromkeys(("m", "s", "account"), "text")),
    "daily": TableSpec(file="d.csv", key=["m", "s"], dated="on", columns={"m": "text", "s": "text", "on": "date"}),
    "by_merchant": TableSpec(file="b.csv", key=["m"], columns={"m": "text", "account": "text"}),
}


def payout(**words: object) -> dict[str, PayoutSpec]:
    return {"merchant": PayoutSpec.model_validate(words)}


def test_a_role_without_payouts_is_paid_by_bank_file_to_its_own_key() -> None:
    plan = plan_payments({}, ROLES, {}, ["CNY"])
    assert plan.roles == (PayoutRole("merchant", (Route("bank_file"),), {"CNY": 0}, None),)


def test_a_payout_as_declared() -> None:
    given = payout(minimum="1.00", account={"table": "accounts"}, payer_accounts={"shanghai": "123"})
    plan = plan_payments(given, ROLES, ACCOUNTS, ["CNY"])
    source = AccountSource("accounts", ("m", "s"), "account", None, None)
    assert plan.roles == (PayoutRole("merchant", (Route("bank_file"),), {"CNY": 100}, source),)
    assert plan.payer_accounts == {"shanghai": "123"}


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        ({"minimum": "1.005"}, "CNY", "'1.005' has 3 decimals"),
        ({"minimum": "0.5"}, "JPY", "'0.5' has 1 decimal"),
        ({"minimum": "-1"}, "CNY", "write 0 or more"),
        ({"channels": "pigeon"}, "CNY", "'pigeon' is no channel; there are: bank_file, rest, balance"),
        ({"channels": []}, "CNY", "no channel is named; there are: bank_file"),
        ({"channels": ["bank_file", "balance"]}, "CNY", "nothing reaches balance: a channel before it takes all"),
        ({"channels": ["balance", "balance"]}, "CNY", "nothing reaches balance"),
        ({"channels": [{"channel": "bank_file", "methods": "alipay"}]}, "CNY", "nothing tells how accounts are paid"),
        ({"channels": [{"channel": "bank_file", "methods": "cheque"}]}, "CNY", "'cheque' is no way to pay an account"),
        ({"channels": [{"channel": "bank_file", "currencies": "EUR"}]}, "CNY", "'EUR' is no currency of the model"),
        (
            {"channels": [{"channel": "bank_file", "days": ["mon", "sunday"]}]},
            "CNY",
            "'sunday' is no day; there are: mon",
        ),
        ({"channels": [{"channel": "bank_file", "hours": "08:00-08:00"}]}, "CNY", "08:00-08:00 is no time at all"),
        ({"channels": [{"channel": "bank_file", "most": "1.005"}]}, "CNY", "'1.005' has 3 decimals"),
        ({"account": {"table": "accounts", "method": "way"}}, "CNY", "table 'accounts' has no column 'way'"),
        ({"account": {"table": "acounts"}}, "CNY", "there is no table 'acounts'"),
        ({"account": {"table": "by_merchant"}}, "CNY", "columns for merchant's key: merchant, store"),
        ({"account": {"table": "daily"}}, "CNY", "table 'daily' has a row for each date"),
        ({"account": {"table": "accounts", "number": "iban"}}, "CNY", "table 'accounts' has no column 'iban'"),
        ({"payer_accounts": {"shanghai": "1" * 35}}, "CNY", "needs 1 to 34 characters"),
    ],
)
def test_payouts_that_cannot_work_are_refused(words: dict[str, object], code: str, reason: str) -> None:
    with pytest.raises(PayoutRefused, match=reason):
        plan_payments(payout(**words), ROLES, ACCOUNTS, [code])


def test_the_operator_and_strangers_are_not_paid() -> None:
    for role in ("platform", "courier"):
        with pytest.raises(PayoutRefused, match=f"'{role}' is not a party role that is paid"):
            plan_payments({role: PayoutSpec()}, ROLES, {}, ["CNY"])
