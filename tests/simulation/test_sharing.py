"""The law over profit sharing: whatever is lost, late, repeated or out of order, each request is done at most once,
none is forgotten, no payment is shared above its cap, and what is kept and booked is what the wallet did."""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from proving import balance, faults, named_after
from sharing_simulator import Killed, MortalKeeper, SharingSimulator
from small_books import Books

from everycent.base.engine.local import LocalEngine
from everycent.flow.payments.core.sharing import PUBLISHED, Asked, Refused, read_requests
from everycent.flow.payments.keeping_shares import StoredShares
from everycent.flow.payments.share_store import At
from everycent.flow.payments.sharing import share
from everycent.flow.pipeline.paying import PAYMENT_OTHERS
from everycent.flow.settlement.contract import StatementSpec
from everycent.proof.explain.profit_shares import share_events
from everycent.proof.explain.service import explain
from everycent.proof.explain.store import Finder
from everycent.proof.verify.core import ledger, payments, profit_sharing
from everycent.serve.figures.asked import Asked as FiguresAsked
from everycent.serve.figures.books import payouts

DAY = date(2026, 3, 2)


@dataclass
class Memory:
    """Keeps in memory what is asked and heard."""

    asked: dict[UUID, str] = field(default_factory=dict)

    def ask(self, asked: Asked) -> Refused | None:
        self.asked.setdefault(asked.key, "asked")
        return None

    def heard(self, asked: Asked, state: str) -> None:
        assert asked.key in self.asked, "it is kept before it is sent"
        self.asked[asked.key] = state


@pytest.mark.parametrize("seed", range(20))
def test_each_request_is_done_once_and_within_the_cap(seed: int) -> None:
    chance = random.Random(seed)
    rows = [
        {"payment": f"P{payment}", "request": f"r{request}", "paid": "100.00", "paid_on": "2026-03-01",
         "does": "finish" if request == 5 else "share", "receiver": receiver,
         "amount": f"{chance.choice((100, 300, 799)) / 100:.2f}"}
        for payment in range(4) for request in range(6) for receiver in ("openid-a", "openid-b")
    ]  # fmt: skip
    wallet, limits = SharingSimulator(chance.randrange, 3000), PUBLISHED["wechat"]
    requests, memory = list(read_requests(rows)), Memory()
    for _ in range(60):
        wallet.work()
        told = share(wallet, memory, requests, limits, DAY)
        if all(each.came in ("repeated", "refused") for each in told) and not wallet.under_way:
            break
    assert {each.came for each in told} <= {"repeated", "refused"}, "each has its end"
    assert set(wallet.done.values()) == {1}, "nothing is done twice"
    shared = Counter[str]()
    for payment, had in wallet.has.items():
        shared[payment] = sum(amount for each in had if each.state != "refused" for _, amount in each.shares)
    assert 0 < max(shared.values()) <= 3000, "30 % of 100.00"
    here = {(each.payment, each.request) for each in told if each.came == "repeated"}
    assert here == set(wallet.done), "what it says is what the wallet has"
    refusals = {each.refusal for each in told if each.refusal is not None}
    assert refusals <= {"above_ratio", "finished"}, refusals
    truth = {each.key: each.state for had in wallet.has.values() for each in had}
    assert {key: state for key, state in memory.asked.items() if key in truth} == truth, (
        "the wallet's last word is kept"
    )


RULES = (*payments.RULES, *ledger.RULES, *profit_sharing.RULES)
SEALED = "each sealed row is as it was written"
BOOKED, POSTED, SETTLED, OTHERS, OF_ONE = (rule.name for rule in profit_sharing.RULES)
#: Goods went from one company to another as the customers paid, rents did not.
SHARED_BY = {
    "goods": ((date.min, "shanghai"), (date(2026, 3, 1), "beijing")),
    "rent": ((date.min, "shanghai"),),
}
TAMPERED = [
    ("UPDATE payments.share_part SET amount_minor = amount_minor + 1 WHERE party_id = 'merchant:a'", {SEALED, BOOKED}),
    ("UPDATE payments.share_entry SET amount_minor = amount_minor - 1", {SEALED, BOOKED, POSTED, SETTLED, OTHERS}),
    ("UPDATE payments.share_entry SET legal_entity = 'shanghai' WHERE receiver = 'friend'",
     {SEALED, BOOKED, POSTED, OTHERS}),
    ("UPDATE payments.share_entry SET party_id = NULL WHERE party_id = 'merchant:a'",
     {SEALED, BOOKED, POSTED, SETTLED, OTHERS}),
    ("UPDATE payments.share SET legal_entity = 'shanghai' WHERE payment = 'P0' AND request = 'r0'",
     {SEALED, BOOKED, OF_ONE}),
    ("DELETE FROM ledger.account WHERE account LIKE 'shared/%'", {OTHERS}),
    ("UPDATE payments.share_entry SET party_id = 'merchant:b' WHERE party_id = 'merchant:a'",
     {SEALED, BOOKED, POSTED}),
    ("UPDATE payments.share_move SET state = 'refused' WHERE state = 'paid'", {SEALED, BOOKED}),
    ("DELETE FROM payments.share_move WHERE move_no > 1", {BOOKED}),
    ("DELETE FROM payments.share_entry", {BOOKED, POSTED, OTHERS}),
    ("DELETE FROM ledger.transfer WHERE cause LIKE 'share %'", {POSTED}),
]  # fmt: skip


class Platform:
    """Merchants a and b are owed 90.00 each; parts of customers' payments go to them, and to somebody's friend."""

    def __init__(self, books: Books, seed: int) -> None:
        self.books, self.chance = books, random.Random(seed)
        books.book("record debtor creditor amount booked_on legal_entity\n"
                   "A1 platform merchant:a 90.00 2026-03-01 beijing\n"
                   "B1 platform merchant:b 90.00 2026-03-01 beijing")  # fmt: skip
        books.connection.execute("""INSERT INTO parties.party (tenant, model, party_id, role, party_key, first_batch_no)
            SELECT %s, 'market', 'merchant:' || key, 'merchant', key, 1 FROM unnest(ARRAY['a', 'b']) AS t (key)""",
            (books.tenant,))  # fmt: skip
        self.wallet = SharingSimulator(self.chance.randrange, 3000)
        at = At(books.connection, books.tenant, "market", "ann", datetime(2026, 3, 2, tzinfo=UTC), DAY)
        self.keeper = StoredShares(at, PAYMENT_OTHERS, "wechat", SHARED_BY)

    def file(self, **more: str) -> list[Any]:
        who = (("openid-a", "merchant:a"), ("openid-b", "merchant:b"), ("friend", ""))
        return list(read_requests([
            {"payment": f"P{payment}", "request": f"r{request}", "paid": "100.00", "paid_on": "2026-03-01",
             "does": "share", "receiver": receiver, "amount": f"{self.chance.choice((100, 300, 799)) / 100:.2f}",
             "party": party, "charge": "goods", **more}
            for payment in range(3) for request in range(3) for receiver, party in who
        ]))  # fmt: skip

    def until_all_have_ends(self, requests: list[Any]) -> None:
        for _ in range(200):
            self.wallet.work()
            try:
                asked = requests if self.chance.random() < 0.5 else self.keeper.unended()
                told = share(
                    self.wallet, MortalKeeper(self.keeper, self.chance.randrange), asked, PUBLISHED["wechat"], DAY
                )
            except Killed:
                continue
            came = {each.came for each in told}
            ended = came <= {"repeated", "refused"} and not self.keeper.unended() and not self.wallet.under_way
            if asked is requests and ended:
                break
        wallet, limits = self.wallet, PUBLISHED["wechat"]
        while "unknown" in {each.came for each in share(wallet, self.keeper, requests, limits, DAY)}:
            pass

    def truly(self, receiver: str) -> int:
        """What the wallet gave a receiver, less what it gave back."""
        return self.wallet.truly()[receiver]

    def balance(self, party: str) -> int:
        return balance(self.books, f"party/merchant:{party}")

    def faults(self) -> dict[str, str]:
        return faults(self.books, RULES)


@pytest.mark.parametrize("seed", range(2))
def test_what_parties_got_by_shares_is_booked_once_and_not_paid_again(
    database: Any, engine: LocalEngine, seed: int
) -> None:
    house = Platform(Books(database, engine), seed)
    if seed == 1:  # an advance is taken off what is paid, also where that stands apart from what is collected
        house.books.statements["merchant"] = StatementSpec(cycle="daily", mode="gross")
    books, shares = house.books, house.file()
    house.until_all_have_ends(shares)
    assert set(house.wallet.done.values()) == {1}, "nothing is done twice"
    assert {party: house.balance(party) for party in "ab"} == {
        party: 9000 - house.truly(f"openid-{party}") for party in "ab"
    }
    assert balance(books, "shared/beijing") == -house.truly("friend") < 0, "the ledger tells where it went"
    assert not house.faults() and house.truly("openid-a") > 0
    shown = payouts(books.connection, FiguresAsked(books.tenant, "market")).dicts()
    got = sum(house.truly(receiver) for receiver in ("openid-a", "openid-b", "friend"))
    assert [row["amount"] for row in shown if (row["direction"], row["state"]) == ("share", "succeeded")] == [got]
    books.close("2026-03-02")
    instructions = books.instruct("2026-03-02").to_pylist()
    paid = {row["party_id"][-1]: row["amount_minor"] for row in instructions}
    finder = Finder(books.connection, database.details, engine, books.tenant)
    life = list(share_events(finder, "market", [row["instruction_id"] for row in instructions], []))
    assert {event.id for event in life} <= {"P0", "P1", "P2"} and "had" in life[0].text, "replay tells of it"
    assert paid == {party: 9000 - house.truly(f"openid-{party}") for party in "ab"}, "it is taken off"
    assert books.instruct("2026-03-02").num_rows == 0 and {house.balance(party) for party in "ab"} == {0}
    if seed == 0:
        _altered(house)

    before = house.truly("openid-a")
    payment = next(each.payment for _, _, each in shares if any(
        had.state == "paid" and ("openid-a", dict(each.shares)["openid-a"]) in had.shares
        for had in house.wallet.has.get(each.payment, [])
    ))  # fmt: skip
    house.until_all_have_ends(list(read_requests([
        {"payment": payment, "request": f"back{at}", "paid": "100.00", "paid_on": "2026-03-01", "does": "return",
         "receiver": "openid-a", "amount": "0.20"} for at in range(3)
    ])))  # fmt: skip
    assert before - house.truly("openid-a") == house.balance("a") >= 20, "what it gave back is owed to it again"
    books.book("record debtor creditor amount booked_on legal_entity\nA2 platform merchant:a 1.00 2026-03-02 beijing")
    books.close("2026-03-03")
    (row,) = books.instruct("2026-03-03").to_pylist()
    assert row["amount_minor"] == 100 + before - house.truly("openid-a") and not house.faults()
    told = explain(books.connection, database.details, engine, books.tenant, payment)
    assert told.kind == "share" and any("merchant:a" in part.text for part in told.parts)
    paid = explain(books.connection, database.details, engine, books.tenant, str(row["instruction_id"]))
    back = [part.text for part in paid.parts if part.kind == "share"]
    assert back and set(back) == {f"openid-a gave back 0.20 CNY of payment {payment}: it is owed again"}


def _altered(house: Platform) -> None:
    """What is altered behind the house's back is named; what is not booked yet is found, and booked."""
    for tamper, named in [("SELECT", set()), *TAMPERED]:
        assert named_after(house.books, tamper, profit_sharing.RULES) == named, tamper
    with house.books.connection.transaction(force_rollback=True):
        house.books.connection.execute("DELETE FROM payments.share_entry WHERE party_id IS NULL")
        house.books.connection.execute(
            "DELETE FROM ledger.transfer WHERE concat(debit_account, credit_account) LIKE '%shared/%'"
        )
        for _, _, asked in house.keeper.unended():
            house.keeper.heard(asked, "paid")
        assert not house.keeper.unended()
        assert not named_after(house.books, "SELECT", profit_sharing.RULES[:2]), "as an older program left it"


def test_a_share_is_refused_of_nobodys_party_and_with_other_content(database: Any, engine: LocalEngine) -> None:
    house = Platform(Books(database, engine), 1)
    house.wallet.fate = lambda _: 0
    told = share(house.wallet, house.keeper, house.file(party="merchant:zoe")[:1], PUBLISHED["wechat"], DAY)
    assert [(each.came, each.refusal) for each in told] == [("refused", "unknown_party")] and not house.wallet.has
    first = house.file()[:1]
    assert share(house.wallet, house.keeper, first, PUBLISHED["wechat"], DAY)[0].came == "sent"
    (other,) = house.file(party="merchant:b", amount=f"{dict(first[0][2].shares)['friend'] / 100:.2f}")[:1]
    assert share(house.wallet, house.keeper, [other], PUBLISHED["wechat"], DAY)[0].refusal == "other_content"
    whose = list(read_requests([
        {"payment": "P0", "request": "r7", "paid": "100.00", "paid_on": "2026-03-01", "does": "share",
         "receiver": "openid-a", "amount": "1.00", "party": "merchant:b"}
    ]))  # fmt: skip
    assert share(house.wallet, house.keeper, whose, PUBLISHED["wechat"], DAY)[0].refusal == "other_party"
    for payment, charge, refusal in (
        ("P0", "rent", "other_entity"), ("P8", "", "which_charge"), ("P8", "tips", "unknown_charge"),
    ):  # fmt: skip
        (asked,) = house.file(payment=payment, request="r8", charge=charge, receiver="friend", party="")[:1]
        asked = (*asked[:2], replace(asked[2], shares=asked[2].shares[:1]))
        assert share(house.wallet, house.keeper, [asked], PUBLISHED["wechat"], DAY)[0].refusal == refusal
    assert house.balance("a") == 9000, "accepted is not paid"
    house.wallet.fate = lambda ways: ways - 1
    house.wallet.work()
    share(house.wallet, house.keeper, house.keeper.unended(), PUBLISHED["wechat"], DAY)
    assert house.balance("a") == 9000 - house.truly("openid-a") < 9000 and not house.keeper.unended()
