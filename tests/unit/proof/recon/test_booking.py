"""What is written off is booked: each difference an entry with two accounts; with the breaks, all that differs."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from written_sides import ROWS, rows_of, side

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.proof.recon.contract import ReconSpec
from everycent.proof.recon.core.plan import plan_recon
from everycent.proof.recon.in_modes import Beyond, compare_in_modes, with_entries
from everycent.proof.recon.stage import Reconciled, reconcile

SIDE = {"file": "a.csv", "columns": {"id": "text", "of": "text", "paid": "money"}, "key": "id", "amount": "paid",
        "counterparty": "of"}  # fmt: skip
BOOK = {"against": "open-items", "within_tolerance": "small", "fee": "fees"}
RULES = [
    {"net_of_fees": {"by": "counterparty", "formula": {"rate": "0.006"}}},
    {"tolerance": {"by": "counterparty", "absolute": "0.05"}},
]


@pytest.fixture(scope="session")
def booked(engine: LocalEngine) -> Any:
    def run(left: Any, right: Any, book: dict[str, str], tolerance: str = "0.02") -> tuple[Reconciled, Beyond]:
        words = {"left": SIDE, "right": SIDE, "tolerance": tolerance, "rules": RULES, "book": book}
        plan = plan_recon("bill", ReconSpec.model_validate(words), currency("CNY"))
        sides = [one if isinstance(one, pa.Table) else side(one, f) for one, f in ((left, "l"), (right, "r"))]
        done, beyond = compare_in_modes(plan, reconcile, *sides, engine)
        return done, with_entries(plan, done, beyond, engine)

    return run


def lines(found: tuple[Reconciled, Beyond]) -> list[tuple[Any, ...]]:
    return [
        (row["cause"], row["key"], row["debit_account"], row["credit_account"], int(row["amount_minor"]))
        for row in found[1].entries.to_pylist()
    ]


LEFT = "key amount of\nA 500 m\nB 300 m\nC 10000 n\nD 700 o\nE 5 p"
RIGHT = "key amount of\nA 498 m\nB 301 m\nX 9940 n\nY 704 o\nE 50 p"


def test_who_has_more_says_which_account_is_debited(booked: Any) -> None:
    assert lines(booked(LEFT, RIGHT, BOOK)) == [
        ("within_tolerance", "A", "small", "open-items", 2),
        ("within_tolerance", "B", "open-items", "small", 1),
        ("fee", "C", "fees", "open-items", 60),
        ("within_tolerance", "D", "open-items", "small", 4),
    ]


def test_a_cause_without_an_account_is_not_booked_nor_is_a_break(booked: Any) -> None:
    found = booked(LEFT, RIGHT, {"against": "open-items", "fee": "fees"})
    assert lines(found) == [("fee", "C", "fees", "open-items", 60)]
    assert [row["key"] for row in found[0].breaks.to_pylist()] == ["E"]


def test_other_accounts_make_a_run_of_another_kind() -> None:
    """The same sides again would keep the entries of the accounts from before."""
    words = [
        plan_recon("bill", ReconSpec.model_validate({"left": SIDE, "right": SIDE, **more}), currency("CNY")).words
        for more in ({}, {"book": BOOK}, {"book": {**BOOK, "fee": "other-fees"}})
    ]
    assert words[0] == "" and len(set(words)) == 3


@pytest.mark.parametrize(
    ("book", "reason"),
    [
        ({"against": "a"}, "nothing is booked; name the account of within_tolerance, fee"),
        ({"against": "a", "fee": "a"}, "'a' takes a difference as well; an entry has two accounts"),
        ({"against": "", "fee": "a"}, "at least 1 character"),
        ({"fee": "a"}, "Field required"),
    ],
)
def test_accounts_that_do_not_fit_are_refused(book: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ReconSpec.model_validate({"left": SIDE, "right": SIDE, "book": book})


@settings(max_examples=12, deadline=None)
@given(left=ROWS, right=ROWS)
def test_what_is_booked_is_what_agrees_within_the_tolerance_and_by_rules(booked: Any, left: Any, right: Any) -> None:
    """Left less right is the breaks and the entries, to the cent."""
    done, beyond = booked(rows_of(left, "l"), rows_of(right, "r"), BOOK)
    entries = sum(
        int(row["amount_minor"]) * (1 if row["credit_account"] == "open-items" else -1)
        for row in beyond.entries.to_pylist()
    )
    breaks = sum(int(row["difference_minor"]) for row in done.breaks.to_pylist())
    assert entries + breaks == done.difference_minor
