"""Money that comes in: what it pays beyond doubt, and what a person has to look at."""

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from bank import Payment, entry, notice
from hypothesis import given
from hypothesis import strategies as st

from everycent.flow.payments import service
from everycent.flow.payments.contract import InstructionState, Move, PayoutSpec, Said
from everycent.flow.payments.core.bank_answers import BankLine
from everycent.flow.payments.core.incoming import Heard, coming, match
from everycent.flow.payments.core.receipts import Owed
from everycent.flow.pipeline.paying import PAYMENT_OTHERS, Cashier

STATEMENT = "market/merchant:{}/2026-03-01/CNY/shanghai"
FILED = InstructionState.FILED


def owed(
    party: str, minor: int, state: InstructionState = FILED, *, debited: bool = False, code: str = "CNY",
    left: int | None = None, whose: str = "m",
) -> Owed:  # fmt: skip
    at = ord(party)
    names = (STATEMENT.format(party), f"shanghai-2026-{at:06d}", "F-1")
    lacks = minor if left is None else left
    return Owed(UUID(int=at), "market", whose, "shanghai", minor, lacks, code, state, debited, names)


def line(text: str, amount: str = "1.00", at: int = 1, code: str = "CNY", own: str | None = None) -> BankLine:
    came_in = not amount.startswith("-")
    return BankLine(f"camt {at}", None, None, None, came_in, amount, code, None, text, own)


SA, SB = STATEMENT.format("a"), STATEMENT.format("b")
BOTH = "shanghai-2026-000097, shanghai-2026-000098"
A, B = owed("a", 100), owed("b", 100)
CASES = [
    # the texts and amounts that came in, what is owed; what is paid, and what is listed and why
    ([("settlement " + SA, "1.00")], [A, B], "a", []),
    ([("INV SHANGHAI 2026\n000097 thanks", "1.00")], [A, B], "a", []),  # broken lines, other signs, capitals
    ([("for march", "1.00")], [A, B], "", [("no_reference", "ab")]),
    ([("for march", "1.01")], [A, B], "", []),  # nobody owes that: it is of others
    ([(SA, "0.99")], [A], "", [("other_amount", "a")]),  # a part of it, that could come again unseen
    ([(BOTH, "1.99")], [A, B], "", [("several", "ab")]),
    ([(BOTH, "2.00")], [A, owed("b", 100, whose="n")], "", [("several", "ab")]),  # of two parties
    ([(BOTH, "2.00")], [A, owed("b", 100, debited=True)], "", [("debited", "ab")]),
    ([(BOTH, "2.00")], [A, owed("b", 100, InstructionState.SUCCEEDED)], "", [("several", "ab")]),  # is b's paid twice?
    ([(SA, "1.00")] * 2, [A], "", [("twice", "a")] * 2),
    ([(SA, "1.00")], [owed("a", 100, InstructionState.SUCCEEDED)], "", [("paid_already", "a")]),
    ([(SA, "1.00")], [owed("a", 100, debited=True)], "", [("debited", "a")]),
    ([(SA, "1.00")], [owed("a", 100, InstructionState.WAITING)], "", [("not_asked", "a")]),
    ([(SA, "1.00")], [owed("a", 1, code="JPY")], "", []),
    ([(SA, "-1.00")], [A], "", []),  # it went out
    ([("F-1", "1.00")], [A], "", [("no_reference", "a")]),  # too short to name anything
]  # fmt: skip


@pytest.mark.parametrize(("came", "owing", "paid", "listed"), CASES)
def test_only_what_names_one_debt_and_is_all_of_it_pays_it(
    came: list[tuple[str, str]], owing: list[Owed], paid: str, listed: list[tuple[str, str]]
) -> None:
    lines = coming([line(text, amount, at) for at, (text, amount) in enumerate(came)])
    found = match(lines, owing, Heard({}, {}), "bank")
    assert [(one.move, chr(one.key.int)) for one in found.said] == [(Move.PAY, party) for party in paid]
    assert [(one.fit.value, "".join(chr(key.int) for key in one.candidates)) for one in found.listed] == listed
    assert found.others == len(lines) - len(paid) - len(listed) and not found.receipts


#: By the bank's references, what came in; what is owed; (party, of it, still owed), what is free; what is listed.
KEPT = [
    ([("R-1", SA, "0.40")], [A], [("a", 40, 60)], 0, []),  # a part
    ([("R-1", SA, "0.40"), ("R-2", SA, "0.60")], [A], [("a", 40, 60), ("a", 60, 0)], 0, []),  # the parts make it whole
    ([("R-3", SA, "0.60")], [owed("a", 100, left=60)], [("a", 60, 0)], 0, []),
    ([("R-3", SA, "1.00")], [owed("a", 100, left=60)], [("a", 60, 0)], 40, []),  # all of it, after a part
    ([("R-1", SA, "1.50")], [A], [("a", 100, 0)], 50, []),  # too much
    ([("R-1", BOTH, "2.00")], [A, B], [("a", 100, 0), ("b", 100, 0)], 0, []),  # several, to the cent
    ([("R-1", BOTH, "1.60")], [owed("a", 100, left=60), B], [("a", 60, 0), ("b", 100, 0)], 0, []),
    ([("R-1", SA, "0.40"), ("R-2", SA, "0.61")], [A], [], 0, ["twice", "twice"]),  # more than is owed
    ([("R-1", SA, "0.40"), ("R-2", BOTH, "2.00")], [A, B], [], 0, ["twice", "twice"]),
    ([("R-1", SA, "0.40"), ("R-1", SA, "0.30")], [A], [], 0, ["other_amount"] * 2),  # two lines share it
]  # fmt: skip


@pytest.mark.parametrize(("came", "owing", "uses", "free", "listed"), KEPT)
def test_parts_too_much_and_several_are_kept_for_the_party(
    came: list[tuple[str, str, str]], owing: list[Owed], uses: list[tuple[str, int, int]], free: int, listed: list[str]
) -> None:
    lines = coming([line(text, amount, at, own=own) for at, (own, text, amount) in enumerate(came)])
    found = match(lines, owing, Heard({}, {}), "bank")
    used = [use for receipt in found.receipts for use in receipt.uses]
    assert [(chr(use.key.int), use.amount_minor, use.left_minor) for use in used] == uses
    assert sum(receipt.free_minor for receipt in found.receipts) == free
    assert [one.fit.value for one in found.listed] == listed and found.others == 0 and not found.said


def test_what_was_read_before_is_said_again() -> None:
    (came,) = coming([line("whatever")])
    (said,) = match([came], [A], Heard({came.cause: B.key}, {}), "bank").said
    assert said.key == B.key
    assert match([came], [A], Heard({}, {came.cause: (100, "CNY")}), "bank").repeated == (came.cause,)
    (listed,) = match([came], [A], Heard({}, {came.cause: (99, "CNY")}), "bank").listed
    assert listed.fit.value == "taken_otherwise"
    assert coming([line(SA, "0.00", own="R-1"), line(SA, "1.005")]) == [], "nothing, and no amount of its currency"
    (elsewhere,) = coming([line("whatever else")])
    assert elsewhere.cause != came.cause, "a bank that numbers nothing says other things at the same place"


@given(st.lists(st.integers(1, 400), min_size=1, max_size=6), st.integers(1, 400))
def test_whatever_comes_in_is_paid_or_kept_to_the_cent_and_order_of_files_is_no_matter(
    parts: list[int], due: int
) -> None:
    """Each line is a file of its own: what a debt lacks goes down by what came in, and nothing is lost."""
    lacks, free = due, 0
    for at, part in enumerate(parts):
        state = FILED if lacks else InstructionState.SUCCEEDED
        (came,) = coming([line(SA, f"{part // 100}.{part % 100:02d}", own=f"R-{at}")])
        found = match([came], [owed("a", due, state, left=lacks)], Heard({}, {}), "bank")
        assert (len(found.listed) == 1) is (lacks == 0)
        for receipt in found.receipts:
            assert sum(use.amount_minor for use in receipt.uses) + receipt.free_minor == part
            lacks, free = lacks - sum(use.amount_minor for use in receipt.uses), free + receipt.free_minor
        if found.said:
            assert lacks == part == due, "a whole debt by one line"
            lacks = 0
    assert lacks == max(0, due - sum(parts)) and (free == 0 or lacks == 0)


def credit(text: str, amount: str, reference: str) -> str:
    return (
        f"<Ntry><Amt Ccy='CNY'>{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
        f"<AcctSvcrRef>{reference}</AcctSvcrRef><NtryDtls><TxDtls><Amt Ccy='CNY'>{amount}</Amt>"
        f"<CdtDbtInd>CRDT</CdtDbtInd><RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
    )


MT940 = """:20:MONDAY
:25:DE02120300000000202051
:28C:7/1
:60F:C260301CNY100,00
:61:2603020302C3,00NTRFNONREF//B-1
:86:166?00CREDIT?20SVWZ+{}
?21{}?32Merchant C
:61:2603020302D1,00NTRFNONREF
:62F:C260302CNY102,00
-
"""


def test_a_statement_of_the_bank_settles_what_it_names(books: Any, tmp_path: Path) -> None:
    """Merchants a, b and c owe 1.00, 2.00 and 3.00; a pays by the name of its statement; of b's parts the bank's
    reference is shared."""
    debts = [f"A{at} merchant:{m} platform {at}.00 2026-03-01" for at, m in enumerate("abc", 1)]
    books.book("\n".join(["record debtor creditor amount booked_on", *debts]))
    books.close("2026-03-02")
    books.instruct("2026-03-02")
    books.write_files("2026-03-02", tmp_path)
    session = SimpleNamespace(connection=books.connection, tenant=books.tenant, engine=books.engine)
    cashier = Cashier(session, datetime(2026, 3, 3, 9, tzinfo=UTC), date(2026, 3, 3))  # type: ignore[arg-type]
    own, part = STATEMENT.format("a").replace(":", " "), STATEMENT.format("b")
    entries = [credit(f"from a {own}", "1.00", "R-1"), credit(part, "1.50", "B-1"), credit(part, "1.50", "B-1"),
               credit("rent", "9.00", "R-3")]  # fmt: skip

    def read(name: str, text: str) -> service.Read:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return cashier.read(tmp_path / name)

    first = read("camt054.xml", notice(entries))
    assert [one.came.value for one in first.taken] == ["moved"] and first.not_ours == 1
    assert [(one.fit.value, one.came.amount_minor) for one in first.incoming] == [("other_amount", 150)] * 2
    again = read("camt053.xml", notice(["<!-- the bank's next file tells the same -->", *entries], "N-2"))
    assert [one.came.value for one in again.taken] == ["repeated"] and len(again.incoming) == 2
    shown = {row["party_id"][-1]: row for row in service.shown(books.connection, books.tenant, [], None, 9)}
    assert {party: row["state"] for party, row in shown.items()} == {"a": "succeeded", "b": "filed", "c": "filed"}
    (settled,) = books.connection.execute(
        "SELECT settled_sides FROM settlement.statement WHERE party_id = 'merchant:a'"
    ).fetchone()
    assert settled == ["net"]
    swift = read("swift.sta", MT940.format(STATEMENT.format("c")[:40], STATEMENT.format("c")[40:]))
    assert [(one.came.value, one.state) for one in swift.taken] == [("moved", "succeeded")] and swift.not_ours == 1
    (by_hand,) = cashier.by_hand([shown["b"]["instruction_id"]], Move.PAY, "ann", "the rest came in cash")
    assert by_hand.state == "succeeded"


@pytest.mark.parametrize(
    ("channel", "came", "listed"), [("rest", ["repeated"], []), ("bank_file", [], ["paid_already"])]
)
def test_what_a_service_collects_is_no_transfer_of_its_partys_own(
    books: Any, tmp_path: Path, channel: str, came: list[str], listed: list[str]
) -> None:
    """Merchant a owes 1.00; it is collected, and the bank's statement names that once more."""
    rest = {"url": "PAY_URL", "secret": "PAY_SECRET"} if channel == "rest" else None
    books.payouts = {"merchant": PayoutSpec.model_validate({"channels": [channel], "rest": rest})}
    books.book("record debtor creditor amount booked_on\nA1 merchant:a platform 1.00 2026-03-01")
    books.close("2026-03-02")
    (owing,) = books.instruct("2026-03-02").to_pylist()
    now, day = datetime(2026, 3, 3, 9, tzinfo=UTC), date(2026, 3, 3)
    if channel == "bank_file":
        books.write_files("2026-03-02", tmp_path)
    moves = (Move.BEGIN, Move.ACCEPT, Move.PAY) if channel == "rest" else (Move.PAY,)
    said = [Said(owing["instruction_id"], move, f"call-back {move}", "service") for move in moves]
    taken = service.take_in(books.connection, PAYMENT_OTHERS, books.tenant, said, now, day)
    assert taken[-1].state == "succeeded"
    told = Payment(owing["instruction_id"].hex, "1.00", "CNY", "m", "p")
    (tmp_path / "camt.xml").write_text(notice([entry(told, back=True)]))
    session = SimpleNamespace(connection=books.connection, tenant=books.tenant, engine=books.engine)
    read = Cashier(session, now, day).read(tmp_path / "camt.xml")  # type: ignore[arg-type]
    assert ([one.came.value for one in read.taken], [one.fit.value for one in read.incoming]) == (came, listed)
