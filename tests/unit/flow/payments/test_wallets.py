"""Wallets: what they publish, what a model says instead, and what is refused before anything is sent."""

import pytest

from everycent.flow.intake.contract import TableSpec
from everycent.flow.parties.contract import PartySpec
from everycent.flow.payments.contract import Capabilities, PayoutSpec
from everycent.flow.payments.core.plan import PaymentPlan, PayoutRefused, Route, plan_payments
from everycent.flow.payments.core.wallets import PUBLISHED, WalletLimits
from everycent.flow.payments.desk import ChannelNotSet, service_channel

ROLES = {"platform": PartySpec(operator="shanghai"), "merchant": PartySpec(key=("m",))}
TABLES = {"accounts": TableSpec(file="a.csv", key=["m"], columns=dict.fromkeys(("m", "account", "pays_by"), "text"))}
WECHAT = {"url": "WECHAT_URL", "secret": "WECHAT_SECRET"}
ALIPAY = {"url": "ALIPAY_URL", "secret": "ALIPAY_SECRET"}
HERE = {"WECHAT_URL": "http://127.0.0.1:1", "WECHAT_SECRET": "w", "ALIPAY_URL": "http://127.0.0.1:2"}


def plan(*codes: str, **words: object) -> PaymentPlan:
    return plan_payments({"merchant": PayoutSpec.model_validate(words)}, ROLES, TABLES, codes or ["CNY"])


def test_a_wallet_takes_what_it_publishes_and_what_the_model_says() -> None:
    made = plan(channels=["wechat", "bank_file"], wallets={"wechat": WECHAT})
    (wallet, bank) = made.roles[0].routes
    assert wallet == Route("wechat", "pay", (), (), ("CNY",), {"CNY": 10}, {"CNY": 2000000})
    assert bank == Route("bank_file") and made.wallets == {"wechat": PUBLISHED["wechat"]}
    own = {**WECHAT, "limits": {"most": "200.00", "receiver_day": "2000.00", "remark_characters": "10"}}
    made = plan(channels=[{"channel": "wechat", "least": "1.00", "most": "500.00"}], wallets={"wechat": own})
    assert made.roles[0].routes[0].least_minor == {"CNY": 100} and made.roles[0].routes[0].most_minor == {"CNY": 20000}
    assert made.wallets["wechat"] == WalletLimits(10, 20000, 10000000, 200000, 10)


def test_a_wallet_pays_accounts_of_its_own_where_that_is_told() -> None:
    words = {"channels": ["wechat", "alipay", "bank_file"], "wallets": {"wechat": WECHAT, "alipay": ALIPAY}}
    made = plan(account={"table": "accounts", "method": "pays_by"}, **words)
    assert [route.methods for route in made.roles[0].routes] == [("wechat",), ("alipay",), ()]


def of_wechat(**words: object) -> dict[str, object]:
    return {"channels": ["wechat"], "wallets": {"wechat": {**WECHAT, **words}}}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"channels": ["wechat"]}, "the channel wechat and its service are declared together"),
        ({"wallets": {"wechat": WECHAT}}, "the channel wechat and its service are declared together"),
        (of_wechat(sharing={"receivers": 51}), "wechat takes 50 receivers at most"),
        (of_wechat(sharing={"requests": 51}), "wechat takes 50 requests at most"),
        (of_wechat(sharing={"ratio": "0.00"}), "a ratio of 0 shares nothing"),
        (of_wechat(sharing={"freeze": "36 hours"}), "payments are frozen for whole days"),
        (of_wechat(sharing={"freeze": "181 days"}), "wechat freezes payments for 180 days at most"),
        (of_wechat(remark="x" * 33), "33 characters; wechat takes 32"),
        (of_wechat(limits={"most": "0.05"}), "transfers nothing from"),
        (of_wechat(limits={"day": "0.005"}), "'0.005' has 3 decimals"),
    ],
)  # fmt: skip
def test_wallets_that_cannot_work_are_refused(words: dict[str, object], reason: str) -> None:
    with pytest.raises(PayoutRefused, match=reason):
        plan(**words)


def test_each_service_is_opened_by_its_channel() -> None:
    both = plan(channels=["wechat", "alipay", "bank_file"], wallets={"wechat": WECHAT, "alipay": ALIPAY})
    opened = service_channel(both, "wechat", HERE, lambda: 0)
    assert (opened.name, opened.url, opened.remark) == ("wechat", "http://127.0.0.1:1", "settlement")
    assert opened.capabilities == Capabilities(idempotent=True, queryable=True)
    for name, says in (
        (None, "say with --channel which: alipay, wechat"),
        ("rest", "the model pays nothing by rest; its services are of alipay, wechat"),
        ("alipay", "the environment variable ALIPAY_SECRET is not set; the model's channel alipay needs it"),
    ):
        with pytest.raises(ChannelNotSet, match=says):
            service_channel(both, name, HERE, lambda: 0)
