"""Transfers that are asked for: posted once, refused by name, linked, pending, within limits."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID, uuid5

import pytest

from everycent.flow.ledger import store
from everycent.flow.ledger.contract import Answer, Limit, Outcome, Refusal, Standing, Transfer, TransferKind
from everycent.flow.ledger.service import post, set_limit
from everycent.flow.ledger.store import TrialBalance

SPACE = UUID("7b0e4a3c-52a7-4c1e-9f37-1d3a1d0b6a11")
DAY, NEXT_DAY = date(2026, 3, 1), date(2026, 3, 2)


def transfer(name: str, amount: int, debit: str = "bank", credit: str = "shop", **more: Any) -> Transfer:
    """A transfer of CNY whose id derives from its name."""
    more = {"booked_on": DAY, "currency": "CNY", "cause": "test"} | more
    if "settles" in more:
        more["settles"] = uuid5(SPACE, more["settles"])
    return Transfer(uuid5(SPACE, name), debit_account=debit, credit_account=credit, amount_minor=amount, **more)


@pytest.fixture
def ask(database: Any) -> Callable[..., list[Answer]]:
    """Posts transfers in the books of a shop."""
    return lambda *asked, **how: post(database.connection, "t", "shop", asked, **how)


@pytest.fixture
def balance(database: Any) -> Callable[..., int]:
    """An account's balance in CNY."""
    return lambda account, through=None: (
        store.standing(database.connection, "t", "shop", account, "CNY", through).balance_minor
    )


def outcomes(answers: list[Answer]) -> list[str]:
    return [answer.refusal or answer.outcome for answer in answers]


def test_a_transfer_is_posted_once(ask: Any, balance: Any, database: Any) -> None:
    assert outcomes(ask(transfer("A", 100))) == ["posted"]
    assert outcomes(ask(transfer("A", 100))) == ["already_posted"]
    assert outcomes(ask(transfer("A", 100), transfer("B", 5), transfer("B", 5))) == [
        "already_posted", "posted", "already_posted",
    ]  # fmt: skip
    assert (balance("shop"), balance("bank")) == (105, -105)
    assert store.trial_balance(database.connection, "t", "shop") == [TrialBalance("CNY", 2, 105, 105)]


def test_what_is_refused_moves_nothing_and_says_why(ask: Any, balance: Any) -> None:
    ask(transfer("A", 100))
    asked = {
        Refusal.OTHER_CONTENT: transfer("A", 101),
        Refusal.NOT_POSITIVE: transfer("N", 0),
        Refusal.TOO_LARGE: transfer("L", 2**63),
        Refusal.SAME_ACCOUNT: transfer("S", 1, "shop", "shop"),
        Refusal.UNNAMED: transfer("U", 1, cause=""),
        Refusal.UNSTORABLE: transfer("Z", 1, cause="\x00"),
        Refusal.SETTLES_NOTHING: transfer("P", 1, kind=TransferKind.POST_PENDING),
        Refusal.NO_SUCH_PENDING: transfer("Q", 1, kind=TransferKind.POST_PENDING, settles="A"),
    }
    for refusal, one in asked.items():
        [alone] = ask(one)
        assert (alone.outcome, alone.refusal) == (Outcome.REFUSED, refusal) and alone.message
    assert outcomes(ask(*asked.values(), transfer("B", 1))) == [*asked, "posted"]
    assert balance("shop") == 101
    [answer] = ask(transfer("A", 101))
    assert answer.message == "this id has another transfer: posted 100 CNY from bank to shop on 2026-03-01, test"


def test_a_name_may_have_any_character_that_a_database_keeps(ask: Any, balance: Any) -> None:
    names = ['"quoted"', "back\\slash", "{a,b}", "NULL", "tab\tline\n", "商户 '7'"]
    assert outcomes(ask(*(transfer(letter, 1, name) for letter, name in zip("ABCDEF", names, strict=True)))) == (
        ["posted"] * 6
    )
    assert [balance(name) for name in names] == [-1] * 6
    [answer, other] = ask(transfer("G", 1, "null\x00"), transfer("H", 1))
    assert (answer.refusal, other.outcome) == (Refusal.UNSTORABLE, Outcome.POSTED)


def test_linked_transfers_are_posted_all_or_none(ask: Any, balance: Any) -> None:
    good = [transfer("A", 10, linked=True), transfer("B", 20, linked=True), transfer("C", 30)]
    bad = [transfer("D", 1, linked=True), transfer("E", 0, linked=True), transfer("F", 1)]
    assert outcomes(ask(*bad, *good)) == ["linked_refused", "not_positive", "linked_refused", *["posted"] * 3]
    assert balance("shop") == 60
    assert outcomes(ask(*good)) == ["already_posted"] * 3


def test_a_pending_amount_is_reserved_then_posted_in_part_or_taken_back(ask: Any, balance: Any, database: Any) -> None:
    reserve = transfer("P", 100, kind=TransferKind.PENDING)
    assert outcomes(ask(reserve)) == ["posted"]
    standing = store.standing(database.connection, "t", "shop", "shop", "CNY")
    assert standing == Standing(credits_pending_minor=100)
    too_much = transfer("X", 101, kind=TransferKind.POST_PENDING, settles="P")
    elsewhere = transfer("Y", 1, "shop", "bank", kind=TransferKind.POST_PENDING, settles="P")
    in_part = transfer("V", 99, kind=TransferKind.VOID_PENDING, settles="P")
    take = transfer("T", 70, kind=TransferKind.POST_PENDING, settles="P", booked_on=NEXT_DAY)
    void = transfer("W", 100, kind=TransferKind.VOID_PENDING, settles="P")
    assert outcomes(ask(too_much, elsewhere, in_part, take, void)) == [
        "more_than_pending", "unlike_pending", "unlike_pending", "posted", "settled_before",
    ]  # fmt: skip
    assert outcomes(ask(void)) == ["settled_before"]
    assert store.standing(database.connection, "t", "shop", "shop", "CNY") == Standing(credits_minor=70)
    assert (balance("shop", DAY), balance("shop", NEXT_DAY)) == (0, 70)
    at_once = (
        transfer("P2", 5, kind=TransferKind.PENDING),
        transfer("W2", 5, kind=TransferKind.VOID_PENDING, settles="P2"),
    )
    assert outcomes(ask(*at_once)) == ["posted", "posted"]
    assert store.standing(database.connection, "t", "shop", "shop", "CNY") == Standing(credits_minor=70)


def test_a_balance_stays_within_its_limit(ask: Any, balance: Any, database: Any) -> None:
    ask(transfer("A", 100, "bank", "deposit"))
    set_limit(database.connection, "t", "shop", Limit("deposit", "CNY", least_minor=0, most_minor=150))
    reserve = transfer("P", 60, "deposit", "shop", kind=TransferKind.PENDING)
    assert outcomes(ask(reserve, transfer("B", 41, "deposit", "shop"), transfer("C", 40, "deposit", "shop"))) == [
        "posted", "below_least", "posted",
    ]  # fmt: skip
    [answer] = ask(transfer("D", 1, "deposit", "shop"))
    assert answer.message == "deposit has 0 CNY to spare and would have -1, its least is 0 (minor units)"
    assert outcomes(ask(transfer("V", 60, "deposit", "shop", kind=TransferKind.VOID_PENDING, settles="P"))) == [
        "posted"
    ]
    assert outcomes(ask(transfer("E", 91, "bank", "deposit"), transfer("F", 90, "bank", "deposit"))) == [
        "above_most", "posted",
    ]  # fmt: skip
    assert balance("deposit") == 150
    set_limit(database.connection, "t", "shop", Limit("deposit", "CNY"))
    assert outcomes(ask(transfer("G", 151, "deposit", "shop"))) == ["posted"]


def test_a_dry_run_answers_and_leaves_nothing(ask: Any, balance: Any) -> None:
    assert outcomes(ask(transfer("A", 100), transfer("B", 0), dry_run=True)) == ["posted", "not_positive"]
    assert outcomes(ask(transfer("A", 100))) == ["posted"]
