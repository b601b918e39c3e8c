"""Money on account goes back to its party: once, to a verified account, and on account again where it did not stay."""

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from counter import Counter
from proving import named_after

from everycent.flow.approvals import service as approvals
from everycent.flow.parties.contract import verified_table
from everycent.flow.payments.contract import Move, PayoutSpec, Said
from everycent.flow.payments.core.receipts import ReceiptRefused
from everycent.flow.payments.service import take_in
from everycent.flow.pipeline.paying import PAYMENT_OTHERS
from everycent.proof.explain.service import explain
from everycent.proof.verify.core import receipts
from everycent.serve.approving import Word, say

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
ACCOUNT = uuid.UUID(int=9)
COLUMNS = ("merchant", "number", "holder", "account_id", "masked", "method")


class Surplus(Counter):
    """Merchant c paid 5.00 for 1.00. Its account is verified; bob and ann release what merchants are paid."""

    def __init__(self, books: Any, folder: Path, verified: bool = True) -> None:
        super().__init__(books, folder)
        self.cashier.read(self.file(("c100", "5.00", "R-1")))
        (row,) = self.cashier.on_account("merchant:c", None, all_of_them=False)
        self.receipt = row["receipt_id"]
        if not verified:
            books.payouts = {"merchant": PayoutSpec.model_validate({"channels": ["balance", "bank_file"]})}
            return
        books.payouts = {"merchant": PayoutSpec.model_validate({
            "account": {"verified": "yes"}, "release": ["treasury"], "channels": ["balance", "bank_file"],
        })}  # fmt: skip
        account = dict(
            zip(COLUMNS, ("c", "DE02120300000000202051", "C", str(ACCOUNT), "DE**51", "bank_card"), strict=True)
        )
        books.tables = {verified_table("merchant"): pa.Table.from_pylist([account])}
        books.connection.execute(
            "INSERT INTO parties.payout_account (tenant, model, account_id, party_id, method, holder, masked, key_id,"
            " sealed, number_digest, state, is_change, given_by, usable_on, recorded_at) VALUES (%s, 'market', %s,"
            " 'merchant:c', 'bank_card', 'C', 'DE**51', 'k', '', '', 'verified', false, 'c', '2026-03-01', now())",
            (books.tenant, ACCOUNT),
        )
        for name in ("ann", "bob"):
            approvals.set_member(books.connection, books.tenant, "treasury", name, "chief", NOON, is_in=True)

    def back(self, amount_minor: int | None = None, receipt: uuid.UUID | None = None) -> int:
        return self.cashier.pay_back(receipt or self.receipt, amount_minor, "ann", "paid too much").amount_minor

    def refused(self, amount_minor: int | None = None, receipt: uuid.UUID | None = None) -> str:
        with pytest.raises(ReceiptRefused) as told:
            self.back(amount_minor, receipt)
        return told.value.name.value

    def instructed(self, day: int) -> dict[str, Any]:
        (row,) = self.books.instruct(f"2026-03-{day:02}", by="clerk").to_pylist()
        (now,) = self.rows(row["instruction_id"])
        return now

    def rows(self, key: uuid.UUID) -> list[dict[str, Any]]:
        found = self.books.connection.execute(
            "SELECT to_jsonb(i) FROM payments.instruction AS i WHERE instruction_id = %s", (key,)
        )
        return [row for (row,) in found]

    def released(self, row: dict[str, Any], *by: str) -> list[str]:
        where = (self.books.connection, self.books.tenant, self.books.model, uuid.UUID(row["approval_id"]))
        answers = [say(*where, Word(who, True, None), NOON) for who in by]
        return [str(answer.refusal or answer.outcome) for answer in answers]

    def said(self, row: dict[str, Any], *moves: Move) -> str:
        if Move.BEGIN in moves:
            self.released(row, "bob")
        key = uuid.UUID(row["instruction_id"])
        told = [Said(key, move, f"{move} told", "bank") for move in moves]
        taken = take_in(self.books.connection, PAYMENT_OTHERS, self.books.tenant, told, NOON, NOON.date())
        return str(taken[-1].state)

    def stand(self) -> tuple[int, int, int]:
        """What is free of the receipt; what the ledger has on account, and on the party's account."""
        rows = self.cashier.on_account("merchant:c", None, all_of_them=True)
        free = sum(int(row["free_minor"]) for row in rows)
        return free, self.balance("on_account/merchant:c"), self.balance("party/merchant:c")


@pytest.fixture
def surplus(books: Any, tmp_path: Path) -> Surplus:
    return Surplus(books, tmp_path)


def test_what_is_free_is_paid_back_once_by_two_persons(surplus: Surplus) -> None:
    assert (surplus.refused(401), surplus.refused(0), surplus.refused(-1)) == ("not_free", "not_free", "not_free")
    assert surplus.refused(None, uuid.UUID(int=1)) == "unknown_receipt"
    assert surplus.back(300) == 300 and surplus.refused(100) == "being_paid_back", "given twice, it pays once"
    assert surplus.stand() == (100, 100, 300) and not surplus.faults()
    row = surplus.instructed(5)
    assert (row["direction"], row["amount_minor"], row["channel"], row["account"]) == (
        "pay",
        300,
        "bank_file",
        "DE**51",
    )
    assert surplus.released(row, "ann", "bob") == ["own_request", "done"], "who asked for it does not release it"
    assert surplus.said(row, Move.BEGIN, Move.PAY) == "succeeded"
    assert surplus.stand() == (100, 100, 0) and not surplus.faults()
    assert surplus.books.instruct("2026-03-06").num_rows == 0
    told = explain(surplus.books.connection, surplus.books.database.details, surplus.books.engine,
                   surplus.books.tenant, "R-1")  # fmt: skip
    facts = dict(told.facts)
    assert facts["goes back"].startswith("3.00, as ann asked on 2026-03-04: paid too much; by instruction ")
    assert facts["on account"] == "1.00 CNY is for nothing yet"
    assert surplus.back() == 100, "the rest"
    assert surplus.refused() == "being_paid_back"


def test_what_does_not_arrive_is_on_account_again_and_is_not_sent_by_itself(surplus: Surplus) -> None:
    surplus.back()
    first = surplus.instructed(5)
    assert surplus.said(first, Move.BEGIN, Move.PAY, Move.RETURN) == "returned"
    assert surplus.stand() == (400, 400, 0) and not surplus.faults()
    assert surplus.books.instruct("2026-03-06").num_rows == 0, "somebody has to ask for it anew"
    surplus.back()
    second = surplus.instructed(6)
    assert surplus.said(second, Move.CANCEL) == "failed" and surplus.stand() == (400, 400, 0)
    surplus.back(50)
    third = surplus.instructed(7)
    assert surplus.said(third, Move.BEGIN, Move.REFUSE) == "failed" and surplus.stand() == (400, 400, 0)
    assert surplus.said(third, Move.PAY, Move.JUDGE_PAID) == "succeeded", "the bank lied"
    assert surplus.stand() == (400, 400, -50) and not surplus.faults(), "it was paid after all: the party owes it"


def test_without_a_verified_account_it_waits_and_can_be_taken_back(books: Any, tmp_path: Path) -> None:
    house = Surplus(books, tmp_path, verified=False)
    house.back(100)
    row = house.instructed(5)
    assert row["state"] == "waiting" and row["reason"].startswith("money is paid back to a verified account alone")
    assert row["channel"] == "bank_file", "not onto a balance"
    assert books.instruct("2026-03-06").num_rows == 0 and not house.faults()
    assert house.said(row, Move.CANCEL) == "failed" and house.stand() == (400, 400, 0) and not house.faults()


SEALED = "each sealed row is as it was written"
POSTED, USED, _, BACK = (rule.name for rule in receipts.RULES)
TAMPERED = [
    ("UPDATE payments.pay_back SET amount_minor = 350 WHERE amount_minor = 300", {SEALED, POSTED, BACK}),
    ("UPDATE payments.pay_back SET amount_minor = 450 WHERE amount_minor = 300", {SEALED, POSTED, BACK, USED}),
    ("DELETE FROM payments.pay_back_undone", {POSTED, BACK}),
    ("UPDATE payments.pay_back_undone SET instruction_id = (SELECT instruction_id FROM payments.instruction WHERE"
     " direction = 'pay' AND state = 'succeeded')", {SEALED, BACK}),
    ("UPDATE payments.instruction SET account_id = NULL WHERE direction = 'pay' AND state = 'succeeded'",
     {SEALED, BACK}),
    ("UPDATE payments.instruction SET party_id = 'merchant:b' WHERE direction = 'pay'", {SEALED, BACK}),
    ("DELETE FROM ledger.transfer WHERE cause LIKE 'pay back %'", {POSTED}),
]  # fmt: skip


def test_what_is_altered_behind_the_houses_back_is_named(surplus: Surplus) -> None:
    for amount, day, moves in ((300, 5, (Move.BEGIN, Move.PAY)), (50, 6, (Move.CANCEL,))):
        surplus.back(amount)
        surplus.said(surplus.instructed(day), *moves)
    books = surplus.books
    for tamper, named in [("SELECT", set()), *TAMPERED]:
        assert named_after(books, tamper, receipts.RULES) == named, tamper
