"""Which channel an instruction takes: the first that fits its account, company, currency, amount and moment."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from everycent.base.engine.local import LocalEngine
from everycent.flow.intake.contract import TableSpec
from everycent.flow.parties.contract import PartySpec
from everycent.flow.payments.contract import PayoutSpec
from everycent.flow.payments.core.routing import PREPAID
from everycent.flow.payments.stage import instruct, plan_payments
from everycent.flow.payments.store import SETTLED

Read = Callable[..., pa.Table]

ROLES = {"platform": PartySpec(operator="shanghai"), "merchant": PartySpec(key=("m",))}
COLUMNS = ("m", "account", "pays_by")
TABLES = {"accounts": TableSpec(file="a.csv", key=["m"], columns=dict.fromkeys(COLUMNS, "text"))}
ACCOUNTS = pa.table({
    "m": ["card", "ali", "we", "odd"], "account": ["6222", "a@b", "openid", "x"],
    "pays_by": ["bank_card", "alipay", "wechat", None],
})  # fmt: skip
MONDAY_NOON = datetime(2026, 3, 9, 12)
REST = {"url": "PAYMENTS_URL", "secret": "PAYMENTS_SECRET"}
STATEMENTS = """
    statement_id party_id       legal_entity payable receivable
    s1           merchant:card  shanghai      100.00      0.00
    s2           merchant:ali   shanghai      100.00      0.00
    s3           merchant:we    beijing         0.50      0.00
    s4           merchant:odd   shanghai        0.00     30.00
"""


def instructed(
    engine: LocalEngine, statements: pa.Table, channels: object, at: datetime = MONDAY_NOON, prepaid: int = 0
) -> list[dict[str, Any]]:
    words = {"channels": channels, "account": {"table": "accounts", "method": "pays_by"}}
    words |= {"rest": REST} if "rest" in str(channels) else {}
    plan = plan_payments({"merchant": PayoutSpec.model_validate(words)}, ROLES, TABLES, ["CNY", "JPY"])
    free = {"party_id": "merchant:odd", "legal_entity": "shanghai", "currency": "CNY", "left_minor": prepaid}
    made = instruct(
        plan, statements, SETTLED.empty_table(), {"accounts": ACCOUNTS}, engine, tenant="t", model="market",
        as_of=date(2026, 3, 9), at=at, prepaid=pa.Table.from_pylist([free], schema=PREPAID),
    )  # fmt: skip
    moved = {row["transfer_id"]: {row["debit_account"], row["credit_account"]} for row in made.transfers.to_pylist()}
    rows = made.instructions.to_pylist()
    assert all(f"channel/{row['channel']}" in moved[row["instruction_id"]] for row in rows)
    assert all((row["state"] == "waiting") == (row["account"] is None) for row in rows)
    return rows


def routed(engine: LocalEngine, statements: pa.Table, channels: object, **words: Any) -> dict[str, str]:
    """By party, the channel that its instruction takes; of one that waits, its reason."""
    rows = instructed(engine, statements, channels, **words)
    return {row["party_id"].partition(":")[2]: row["reason"] or row["channel"] for row in rows}


def test_each_account_is_paid_in_its_own_way(engine: LocalEngine, closed: Read) -> None:
    channels = [{"channel": "rest", "methods": ["alipay", "wechat"]}, "bank_file"]
    assert routed(engine, closed(STATEMENTS), channels) == {
        "card": "bank_file", "ali": "rest", "we": "rest", "odd": "bank_file",
    }  # fmt: skip


def test_a_bank_file_takes_no_wallets_and_says_so(engine: LocalEngine, closed: Read) -> None:
    assert routed(engine, closed(STATEMENTS), "bank_file")["ali"] == "no channel takes it: bank_file: not to alipay"


@pytest.mark.parametrize(
    ("words", "takes", "says"),
    [
        ({"legal_entities": "beijing"}, "we", "rest: not of shanghai"),
        ({"currencies": "CNY"}, "card ali we odd", None),
        ({"currencies": "JPY"}, "", "rest: not in CNY"),
        ({"least": {"CNY": "30.00"}}, "card ali odd", "rest: from 30.00 CNY"),
        ({"most": {"CNY": "30.00", "JPY": "1"}}, "we odd", "rest: up to 30.00 CNY"),
        ({"direction": "collect"}, "odd", "rest: to collect alone"),
        ({"days": ["mon", "tue"], "hours": "08:00-12:01"}, "card ali we odd", None),
        ({"days": ["sat", "sun"]}, "", "rest: on sat, sun alone, not on mon"),
        ({"hours": "08:00-12:00"}, "", "rest: not at 12:00"),
        ({"hours": "22:00-12:01"}, "card ali we odd", None),
        ({"methods": "wechat", "most": {"CNY": "0.49"}}, "", "rest: up to 0.49 CNY"),
    ],
)  # fmt: skip
def test_what_a_route_takes(
    engine: LocalEngine, closed: Read, words: dict[str, object], takes: str, says: str | None
) -> None:
    found = routed(engine, closed(STATEMENTS), [{"channel": "rest", **words}])
    assert {party for party, channel in found.items() if channel == "rest"} == {*takes.split()}
    assert says is None or f"no channel takes it: {says}" in found.values(), found


def test_what_no_route_takes_is_told_what_keeps_it_from_each(engine: LocalEngine, closed: Read) -> None:
    channels = [{"channel": "balance", "direction": "collect"}, {"channel": "rest", "most": {"CNY": "20.00"}}]
    assert routed(engine, closed(STATEMENTS), channels) == {
        "card": "no channel takes it: balance: to collect alone; rest: up to 20.00 CNY",
        "ali": "no channel takes it: balance: to collect alone; rest: up to 20.00 CNY",
        "we": "rest",
        "odd": "no channel takes it: balance: merchant:odd has 0.00 CNY free with shanghai, it takes 30.00 CNY;"
        " rest: up to 20.00 CNY",
    }
    assert routed(engine, closed(STATEMENTS), channels, prepaid=3000)["odd"] == "balance"


def test_a_balance_is_not_kept_for_what_takes_another_way(engine: LocalEngine, closed: Read) -> None:
    owed = closed("""
        statement_id party_id       mode  payable receivable
        s1           merchant:odd   gross   -5.00      30.00
    """)
    channels = [{"channel": "rest", "most": {"CNY": "5.00"}}, "balance"]
    rows = instructed(engine, owed, channels, prepaid=3000)
    assert {int(row["amount_minor"]): row["reason"] or row["channel"] for row in rows} == {500: "rest", 3000: "balance"}


@pytest.mark.parametrize("hours", ["8:00-17:00", "08:00", "08:00-25:00", "08:00 - 09:00"])
def test_hours_are_written_in_one_way(hours: str) -> None:
    with pytest.raises(ValidationError, match="write from when to when"):
        PayoutSpec.model_validate({"channels": [{"channel": "bank_file", "hours": hours}]})
