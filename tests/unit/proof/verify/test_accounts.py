"""A payout account that was changed behind the house's back is named."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from contract_messages import rule, said

from everycent.base.engine.local import LocalEngine
from everycent.base.money.calendar import BusinessCalendar
from everycent.flow.parties import service
from everycent.flow.parties.accounts import answered
from everycent.flow.parties.service import AccountKeys, AccountMove, AccountPolicy, Given, Method
from everycent.proof.verify.core.accounts import ACCEPTED, MOVED
from everycent.proof.verify.service import verify

NOW = datetime(2026, 3, 1, tzinfo=UTC)
AT = ("default", "market")


@pytest.fixture
def accounts(database: Any) -> tuple[Any, list[uuid.UUID]]:
    """A party with a verified account, and a verified change of it."""
    connection = database.connection
    service.take_contracts(connection, *AT, rule(), [said()], NOW)
    keys = AccountKeys.load({"EVERYCENT_ACCOUNT_KEYS": service.new_key("k1")})
    policy = AccountPolicy(BusinessCalendar.parse("Asia/Shanghai", "00:00"), timedelta(days=1))
    ids = []
    for number in ("6222020012345678", "6222020087654320"):
        given = service.give_account(
            connection, *AT, keys, Given("merchant:1001/0001", Method.BANK_CARD, number, "Tea House", "ann"), NOW
        )
        assert isinstance(given, service.Done)
        ids.append(given.account.account_id)
        service.move_account(connection, "default", ids[-1], AccountMove.CONFIRM, "bob", None, NOW)
        service.ask_all(connection, *AT, lambda _: None, NOW)
        answered(connection, *AT, ids[-1], accepted=True, reason=None, policy=policy, now=NOW)
    return database, ids


def findings(database: Any, engine: LocalEngine) -> dict[str, str]:
    verdict = verify(database.connection, database.details, engine, *AT)
    return {check.name: str(check.first_bad) for check in verdict.findings}


@pytest.mark.parametrize(
    ("tamper", "rule_name", "said"),
    [
        ("DELETE FROM parties.account_move WHERE move = 'accept'", ACCEPTED.name, "accepted: false"),
        ("DELETE FROM parties.account_move WHERE move = 'confirm'", ACCEPTED.name, "confirmed by nobody"),
        ("UPDATE parties.account_move SET moved_by = 'ann' WHERE move = 'confirm'", ACCEPTED.name, "confirmed by ann"),
        ("UPDATE parties.payout_account SET is_change = false", ACCEPTED.name, "may be used from"),
        ("UPDATE parties.payout_account SET state = 'withdrawn'", MOVED.name, "it is withdrawn, its last move led to"),
        ("DELETE FROM parties.account_move WHERE move = 'ask'", MOVED.name, "accept from verifying to verified"),
        (
            "UPDATE parties.account_move SET move = 'confirm' WHERE move = 'accept'",
            MOVED.name,
            "confirm from verifying",
        ),
    ],
)
def test_each_tampering_is_named(
    accounts: tuple[Any, list[uuid.UUID]], engine: LocalEngine, tamper: str, rule_name: str, said: str
) -> None:
    database, _ = accounts
    assert findings(database, engine) == {}
    database.connection.execute(tamper)
    assert said in findings(database, engine)[rule_name]
