"""Money on account: parts, too much, several debts at once; taken once each, and added up again by the verifier."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from counter import Counter
from proving import named_after

from everycent.base.platform.database import connect
from everycent.flow.payments import service
from everycent.flow.payments.contract import Move
from everycent.flow.payments.core.receipts import ReceiptRefused
from everycent.proof.verify.core import receipts


@pytest.fixture
def counter(books: Any, tmp_path: Path) -> Counter:
    return Counter(books, tmp_path)


def test_parts_stay_on_account_until_they_make_the_debt_whole(counter: Counter) -> None:
    first = counter.cashier.read(counter.file(("a300", "1.00", "R-1")))
    (receipt,) = first.receipts
    assert [(use.amount_minor, use.left_minor) for use in receipt.uses] == [(100, 200)] and not first.taken
    assert counter.state()["a300"] == "filed" and not counter.faults()
    assert (counter.balance("on_account/merchant:a"), counter.balance("bank/shanghai")) == (100, -100)
    moved = counter.file(("c100", "5.00", None), ("a300", "1.00", "R-1"), ("a300", "2.50", "R-2"))
    with ThreadPoolExecutor(2) as clerks, connect(counter.books.database.settings) as other:
        beside = clerks.submit(counter.at(other).read, moved)
        here = counter.cashier.read(moved)
        both = [here, beside.result()]
    assert sorted(len(each.receipts) for each in both) == [0, 2], "one of two clerks takes the file"
    assert sorted(len(each.repeated) for each in both) == [1, 3], "nobody takes a line twice"
    states = counter.state()
    assert (states["a300"], states["c100"]) == ("succeeded", "succeeded")
    rows = {row["party_id"][-1]: row for row in counter.cashier.on_account(None, None, all_of_them=False)}
    assert {party: row["free_minor"] for party, row in rows.items()} == {"a": 50, "c": 400}
    assert counter.balance("on_account/merchant:a") == 50 and counter.balance("bank/shanghai") == -850
    assert [part["amount_minor"] for part in counter.cashier.received(counter.ids["a300"])] == [100, 200]
    kinds = [(event["kind"], event["content"].get("free_minor")) for event in counter.cashier.events(None, 0, 9)]
    assert kinds == [("money_on_account", 0), ("money_on_account", 400), ("payment_succeeded", None),
                     ("money_on_account", 50), ("payment_succeeded", None)]  # fmt: skip
    assert not counter.faults()


def test_one_transfer_pays_several_debts_of_its_party_and_a_person_says_the_rest(counter: Counter) -> None:
    sums = counter.file(("b200 b50", "2.50", "R-1"), ("a300", "1.00", None), ("c100", "1.60", "R-2"))
    read = counter.cashier.read(sums)
    assert [(one.said.cause[-3:], one.state) for one in read.taken] == [
        ("R-1", "succeeded"), ("R-1", "succeeded"), ("R-2", "succeeded"),
    ]  # fmt: skip
    (listed,) = read.incoming
    assert listed.fit.value == "other_amount", "a part that could come again unseen"

    def refused(ids: list[str], handle: str = listed.came.handle) -> str:
        with pytest.raises(ReceiptRefused) as told:
            counter.cashier.take(sums, handle, [counter.ids[one] for one in ids], "ann", "by telephone")
        return told.value.name.value

    assert refused(["a300", "c100"]) == "other_party" and refused(["a300"], "00000000") == "unknown_line"
    receipt, taken = counter.cashier.take(sums, listed.came.handle, [counter.ids["a300"]], "ann", "by telephone")
    assert receipt.uses[0].left_minor == 200 and not taken and refused(["a300"]) == "taken_before"
    assert counter.cashier.read(sums).repeated, "the file again"
    with pytest.raises(ReceiptRefused, match="nothing_free"):
        counter.cashier.use([counter.ids["a300"]], "ann", "c's money is not a's")
    (last,) = counter.cashier.by_hand([counter.ids["a300"]], Move.PAY, "ann", "the rest came in cash")
    assert last.state == "succeeded" and counter.balance("on_account/merchant:a") == 0
    counter.bill(["A5 merchant:c platform 0.70 2026-03-04"], "2026-03-05")
    (row,) = service.shown(counter.books.connection, counter.books.tenant, ["filed"], None, 9)
    uses, taken = counter.cashier.use([row["instruction_id"]], "ann", "what was too much")
    assert [(use.amount_minor, use.left_minor) for use in uses] == [(60, 10)] and not taken
    assert not counter.faults()


def test_what_is_set_aside_for_a_debt_that_fails_is_free_again(counter: Counter) -> None:
    counter.cashier.read(counter.file(("b200", "1.00", "R-1")))
    for move in (Move.PARK, Move.JUDGE_FAILED):
        counter.cashier.by_hand([counter.ids["b200"]], move, "ann", "written off")
    (row,) = counter.cashier.on_account("merchant:b", None, all_of_them=False)
    assert (row["set_aside_minor"], row["free_minor"]) == (0, 100)
    uses, taken = counter.cashier.use([counter.ids["b50"]], "ann", "for the other one")
    assert [(use.amount_minor, use.left_minor) for use in uses] == [(50, 0)] and taken[0].state == "succeeded"
    assert counter.balance("on_account/merchant:b") == 50 and not counter.faults()


POSTED = "each receipt is on its party's account, and leaves it for what it has paid"
USED = "no receipt is used for more than came in, nor for another party's debt"
CLOSES = "each instruction takes no more from receipts than it lacks, and is paid when they make it whole"
SEALED = "each sealed row is as it was written"
ENTRY = "gen_random_uuid(), '2026-03-04', 'bank/shanghai', 'on_account/merchant:a', 1, 'CNY', 'receipt of mine'"
TAMPERED = [
    ("UPDATE payments.receipt SET amount_minor = amount_minor + 1", {SEALED, POSTED}),
    ("UPDATE payments.receipt SET party_id = 'merchant:b'", {SEALED, POSTED, USED}),
    ("DELETE FROM payments.receipt_use WHERE amount_minor = 200", {POSTED}),
    ("UPDATE payments.receipt_use SET amount_minor = 250 WHERE amount_minor = 200", {SEALED, POSTED, USED, CLOSES}),
    ("UPDATE payments.receipt_use SET amount_minor = 300 WHERE amount_minor = 100", {SEALED, POSTED, USED, CLOSES}),
    ("DELETE FROM ledger.transfer WHERE cause LIKE 'use %'", {POSTED}),
    (f"INSERT INTO ledger.transfer (tenant, model, transfer_id, booked_on, debit_account, credit_account, amount_minor,"
     f" currency, cause) SELECT 'default', 'market', {ENTRY}", {POSTED}),
    ("INSERT INTO ledger.transfer (tenant, model, transfer_id, booked_on, debit_account, credit_account, amount_minor,"
     " currency, cause) SELECT tenant, model, gen_random_uuid(), booked_on, debit_account, credit_account,"
     " amount_minor, currency, cause FROM ledger.transfer WHERE cause LIKE 'receipt %'", {POSTED}),  # booked once more
]  # fmt: skip


def test_what_is_altered_behind_the_houses_back_is_named(counter: Counter) -> None:
    counter.cashier.read(counter.file(("a300", "1.00", "R-1"), ("a300", "2.00", "R-2")))
    books = counter.books
    for tamper, named in [("SELECT", set()), *TAMPERED]:
        assert named_after(books, tamper, receipts.RULES) == named, tamper


def test_what_comes_in_is_booked_on_the_day_of_the_model_that_it_is_for(counter: Counter) -> None:
    """Another model in the database has begun its next day: it is not this one's."""
    days = {"market": date(2026, 3, 4), "another": date(2026, 3, 5)}
    cashier = replace(counter.at(counter.books.connection, 5), days=days)
    cashier.read(counter.file(("a300", "3.00", "R-1"), ("c100", "0.40", "R-2")))
    cashier.by_hand([counter.ids["b50"]], Move.PAY, "ann", "it came in cash")
    told = [event["content"] for event in cashier.events(None, 0, 9)]
    assert {each["as_of"] for each in told} == {"2026-03-04"} and len(told) == 3
    (kept,) = cashier.on_account("merchant:c", None, all_of_them=True)
    assert str(kept["as_of"]) == "2026-03-04" and not counter.faults()
