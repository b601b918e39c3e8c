"""Money that comes in: what it pays beyond doubt, and what a person has to look at."""

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from bank import notice

from everycent.flow.payments import service
from everycent.flow.payments.contract import InstructionState, Move
from everycent.flow.payments.core.bank_answers import BankLine
from everycent.flow.payments.core.incoming import Owed, match
from everycent.flow.pipeline.paying import Cashier

STATEMENT = "market/merchant:{}/2026-03-01/CNY/shanghai"
FILED = InstructionState.FILED


def owed(party: str, minor: int, state: InstructionState = FILED, *, debited: bool = False, code: str = "CNY") -> Owed:
    at = ord(party)
    names = (STATEMENT.format(party), f"shanghai-2026-{at:06d}", "F-1")
    return Owed(UUID(int=at), minor, code, state, debited, names)


def line(text: str, amount: str = "1.00", at: int = 1, code: str = "CNY") -> BankLine:
    return BankLine(f"camt {at}", None, None, None, not amount.startswith("-"), amount, code, None, text)


A, B = owed("a", 100), owed("b", 100)
CASES = [
    # the texts and amounts that came in, what is owed; what is paid, and what is listed and why
    ([("settlement " + STATEMENT.format("a"), "1.00")], [A, B], "a", []),
    ([("INV SHANGHAI 2026\n000097 thanks", "1.00")], [A, B], "a", []),  # broken lines, other signs, capitals
    ([("for march", "1.00")], [A, B], "", [("no_reference", "ab")]),
    ([("for march", "1.01")], [A, B], "", []),  # nobody owes that: it is of others
    ([(STATEMENT.format("a"), "0.99")], [A], "", [("other_amount", "a")]),  # a part of it
    ([("shanghai-2026-000097, shanghai-2026-000098", "2.00")], [A, B], "", [("several", "ab")]),
    ([(STATEMENT.format("a"), "1.00")] * 2, [A], "", [("twice", "a")] * 2),
    ([(STATEMENT.format("a"), "1.00")], [owed("a", 100, InstructionState.SUCCEEDED)], "", [("paid_already", "a")]),
    ([(STATEMENT.format("a"), "1.00")], [owed("a", 100, debited=True)], "", [("debited", "a")]),
    ([(STATEMENT.format("a"), "1.00")], [owed("a", 100, InstructionState.WAITING)], "", [("not_asked", "a")]),
    ([(STATEMENT.format("a"), "1.00")], [owed("a", 1, code="JPY")], "", []),
    ([(STATEMENT.format("a"), "-1.00")], [A], "", []),  # it went out
    ([("F-1", "1.00")], [A], "", [("no_reference", "a")]),  # too short to name anything
]  # fmt: skip


@pytest.mark.parametrize(("came", "owing", "paid", "listed"), CASES)
def test_only_what_names_one_debt_and_is_all_of_it_pays_it(
    came: list[tuple[str, str]], owing: list[Owed], paid: str, listed: list[tuple[str, str]]
) -> None:
    lines = [line(text, amount, at) for at, (text, amount) in enumerate(came)]
    found = match(lines, owing, {}, "bank")
    assert [(one.move, chr(one.key.int)) for one in found.said] == [(Move.PAY, party) for party in paid]
    assert [(one.fit.value, "".join(chr(key.int) for key in one.candidates)) for one in found.listed] == listed
    assert found.others == len(came) - len(paid) - len(listed)


def test_what_was_read_before_is_said_again() -> None:
    (said,) = match([line("whatever")], [A], {"camt 1": B.key}, "bank").said
    assert said.key == B.key


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
    """Merchants a, b and c owe 1.00, 2.00 and 3.00; a pays by the name of its statement, b pays a part."""
    debts = [f"A{at} merchant:{m} platform {at}.00 2026-03-01" for at, m in enumerate("abc", 1)]
    books.book("\n".join(["record debtor creditor amount booked_on", *debts]))
    books.close("2026-03-02")
    books.instruct("2026-03-02")
    books.write_files("2026-03-02", tmp_path)
    session = SimpleNamespace(connection=books.connection, tenant=books.tenant, engine=books.engine)
    cashier = Cashier(session, datetime(2026, 3, 3, 9, tzinfo=UTC), date(2026, 3, 3))  # type: ignore[arg-type]
    own, part = STATEMENT.format("a").replace(":", " "), STATEMENT.format("b")
    entries = [credit(f"from a {own}", "1.00", "R-1"), credit(part, "1.50", "R-2"), credit("rent", "9.00", "R-3")]

    def read(name: str, text: str) -> service.Read:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return cashier.read(tmp_path / name)

    first = read("camt054.xml", notice(entries))
    assert [one.came.value for one in first.taken] == ["moved"] and first.not_ours == 1
    assert [(one.fit.value, one.amount_minor) for one in first.incoming] == [("other_amount", 150)]
    again = read("camt053.xml", notice(["<!-- the bank's next file tells the same -->", *entries], "N-2"))
    assert [one.came.value for one in again.taken] == ["repeated"] and len(again.incoming) == 1
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
