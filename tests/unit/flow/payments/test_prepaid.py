"""Prepaid balances on a real PostgreSQL: paid onto at once, taken from where there is enough, never below zero."""

import random
from datetime import date

import pytest
from small_books import NOON

from everycent.flow.ledger import store as ledger_store
from everycent.flow.payments import service, store
from everycent.flow.payments.contract import Move, PayoutSpec, Said
from everycent.flow.pipeline.paying import PAYMENT_OTHERS
from everycent.flow.settlement.contract import StatementSpec
from everycent.proof.verify.core import ledger as ledger_rules
from everycent.proof.verify.core import lives, payments
from everycent.proof.verify.tables import stored_tables

HEAD = "record debtor creditor amount booked_on\n"
ACCOUNT = "balance/shanghai/merchant:a"
LOOKED = (*payments.RULES, lives.SETTLED, ledger_rules.INSTRUCTIONS_POSTED, ledger_rules.RESULTS_POSTED,
          ledger_rules.ACCOUNT_SUMS, ledger_rules.TRIAL_BALANCE, ledger_rules.PARTY_BALANCES,
          ledger_rules.BALANCES_KEPT)  # fmt: skip


def day_of(books, day: int, sold: str = "0", owed: str = "0", **channels: object) -> list[tuple[str, ...]]:  # type: ignore[no-untyped-def]
    """A day on which merchant a sells and owes, closed and instructed; of all its instructions so far the last ones:
    channel, direction, amount, state."""
    books.payouts = {"merchant": PayoutSpec.model_validate({"channels": ["balance"], **channels})}
    rows = [
        f"S{day} platform merchant:a {sold} 2026-03-{day:02}",
        f"F{day} merchant:a platform {owed} 2026-03-{day:02}",
    ]
    books.book(HEAD + "\n".join(row for row, amount in zip(rows, (sold, owed), strict=True) if float(amount)))
    books.close(f"2026-03-{day + 1:02}")
    books.instruct(f"2026-03-{day + 1:02}")
    return standing(books)


def standing(books) -> list[tuple[str, ...]]:  # type: ignore[no-untyped-def]
    rows = store.instructions(books.connection, books.tenant, books.model).to_pylist()
    return sorted(
        (row["as_of"].isoformat()[-2:], row["channel"], row["direction"], str(row["amount_minor"]), row["state"])
        for row in rows
    )


def reasons(books) -> list[str]:  # type: ignore[no-untyped-def]
    rows = store.instructions(books.connection, books.tenant, books.model).to_pylist()
    return [row["reason"] for row in rows if row["reason"]]


def balances(books) -> dict[str, int]:  # type: ignore[no-untyped-def]
    rows = ledger_store.balances(books.connection, books.tenant, books.model).to_pylist()
    return {row["account"]: int(row["balance_minor"]) for row in rows if row["balance_minor"]}


def findings(books) -> list[str]:  # type: ignore[no-untyped-def]
    with stored_tables(books.connection, books.engine, books.tenant, books.model, []):
        found = [books.engine.connection.execute(rule.sql).fetchall()[0] for rule in LOOKED]
    return [message for _, bad, message in found if bad]


def test_what_is_paid_is_there_at_once_and_pays_what_is_owed_later(books) -> None:  # type: ignore[no-untyped-def]
    assert day_of(books, 1, sold="100.00") == [("02", "balance", "pay", "10000", "succeeded")]
    assert balances(books) == {ACCOUNT: 10000, "operator/shanghai/goods": -10000}
    settled = books.connection.execute("SELECT settled_as_of FROM settlement.statement").fetchall()
    assert settled == [(date(2026, 3, 2),)]
    assert day_of(books, 2, owed="30.00")[1:] == [("03", "balance", "collect", "3000", "succeeded")]
    assert balances(books) == {ACCOUNT: 7000, "operator/shanghai/goods": -7000}
    assert books.instruct("2026-03-09").num_rows == 0
    assert findings(books) == []


def test_what_it_does_not_cover_waits_until_it_does(books) -> None:  # type: ignore[no-untyped-def]
    day_of(books, 1, sold="10.00")
    assert day_of(books, 2, owed="30.00")[1:] == [("03", "balance", "collect", "3000", "waiting")]
    free = "balance: merchant:a has 10.00 CNY free with shanghai, it takes 30.00 CNY"
    assert reasons(books) == [f"no channel takes it: {free}"]
    assert balances(books)[ACCOUNT] == 1000 and findings(books) == []
    day_of(books, 3, sold="50.00")
    books.instruct("2026-03-05")
    assert [row[-1] for row in standing(books)] == ["succeeded"] * 3
    assert balances(books)[ACCOUNT] == 3000 and findings(books) == []


def test_what_it_does_not_cover_goes_to_the_next_channel_whole(books) -> None:  # type: ignore[no-untyped-def]
    both = {"channels": ["balance", "bank_file"]}
    day_of(books, 1, sold="10.00", **both)
    day_of(books, 2, owed="8.00", **both)
    assert day_of(books, 3, owed="5.00", **both)[1:] == [
        ("03", "balance", "collect", "800", "succeeded"),
        ("04", "bank_file", "collect", "500", "created"),
    ]
    assert balances(books)[ACCOUNT] == 200 and findings(books) == []


def test_both_sides_of_one_day_meet_on_the_balance(books) -> None:  # type: ignore[no-untyped-def]
    books.statements |= {"merchant": StatementSpec(cycle="daily", mode="gross")}
    day_of(books, 1, sold="10.00", owed="4.00")
    assert [row[2:] for row in standing(books)] == [("collect", "400", "succeeded"), ("pay", "1000", "succeeded")]
    assert balances(books)[ACCOUNT] == 600 and findings(books) == []


def test_what_waits_takes_another_channel_that_can_be_used_now(books) -> None:  # type: ignore[no-untyped-def]
    day_of(books, 1, owed="3.00")
    day_of(books, 2, sold="1.00", channels=["balance", "bank_file"])
    assert [row[1:] for row in standing(books)] == [
        ("balance", "collect", "300", "failed"),  # cancelled: the next one pays the rest of both days
        ("bank_file", "collect", "200", "created"),
    ]
    assert findings(books) == []


def test_it_is_stopped_and_released_as_other_channels_are(books) -> None:  # type: ignore[no-untyped-def]
    service.stop(books.connection, books.tenant, "balance", "anna", "to be looked at", NOON)
    assert day_of(books, 1, sold="10.00") == [("02", "balance", "pay", "1000", "created")]
    service.start(books.connection, books.tenant, "balance", "anna", NOON)
    assert [row[-1] for row in day_of(books, 2, sold="5.00", limits={"day": "12.00"})] == ["succeeded", "created"]
    assert [row[-1] for row in day_of(books, 3, sold="2.00", release=["treasury"])] == [
        "succeeded",
        "created",
        "created",
    ]
    assert balances(books)[ACCOUNT] == 1000, "one is beyond the day's limit, then nobody released either"
    assert findings(books) == []


def test_nobody_else_tells_what_became_of_it(books) -> None:  # type: ignore[no-untyped-def]
    day_of(books, 1, owed="3.00")
    key = store.instructions(books.connection, books.tenant, books.model)["instruction_id"][0].as_py()
    said = [Said(key, Move.PAY, "camt 1", "bank file a.xml", None, 300, "CNY")]
    (taken,) = service.take_in(books.connection, PAYMENT_OTHERS, books.tenant, said, NOON, date(2026, 3, 3))
    assert (taken.came, standing(books)[0][-1]) == ("not_allowed", "waiting")
    assert ACCOUNT not in balances(books)


@pytest.mark.parametrize(
    "tamper",
    [
        f"UPDATE ledger.account SET credits_minor = credits_minor + 1 WHERE account = '{ACCOUNT}'",
        f"UPDATE ledger.account SET account = 'balance/shanghai/merchant:b' WHERE account = '{ACCOUNT}'",
        "UPDATE payments.instruction SET booking = 'back' WHERE channel = 'balance'",
    ],
)
def test_a_balance_that_somebody_changed_is_found(books, tamper: str) -> None:  # type: ignore[no-untyped-def]
    day_of(books, 1, sold="10.00")
    assert findings(books) == []
    with books.connection.transaction(force_rollback=True):
        books.connection.execute(tamper)
        assert any(text.startswith("balance/") for text in findings(books))


@pytest.mark.parametrize(
    ("mode", "channels"), [("net", ["balance"]), ("gross", ["balance"]), ("gross", ["balance", "bank_file"])]
)
def test_whatever_is_sold_and_owed_no_balance_is_below_zero(books, mode: str, channels: list[str]) -> None:  # type: ignore[no-untyped-def]
    books.statements |= {"merchant": StatementSpec(cycle="daily", mode=mode)}
    chance = random.Random(52)
    for day in range(1, 8):
        sold, owed = (f"{chance.choice((0, 1, 120, 400)) / 100:.2f}" for _ in range(2))
        day_of(books, day, sold, owed, channels=channels)
        assert balances(books).get(ACCOUNT, 0) >= 0
    books.instruct("2026-03-09")
    waiting = [int(row[3]) for row in standing(books) if row[-1] == "waiting"]
    assert all(amount > balances(books).get(ACCOUNT, 0) for amount in waiting)
    assert findings(books) == []
