"""Vouchers of the books: made once of each transfer, numbered without a gap, handed over once, acknowledged once."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from accounting_system import SECRET, Accounting, accounting_system

from everycent.base.money.currency import Currency, currency
from everycent.base.platform.settings import SettingsError
from everycent.flow.ledger.contract import (
    AccountingSpec,
    NoSuchVoucher,
    Said,
    SendersBusy,
    Transfer,
    TransferKind,
    Voucher,
    VoucherCame,
    VoucherMove,
    VoucherRefusal,
    VouchersRefused,
    VoucherState,
)
from everycent.flow.ledger.core.vouchers.codes import Codes
from everycent.flow.ledger.core.vouchers.content import Entry, Head, content, csv_rows, digest_of, revised
from everycent.flow.ledger.core.vouchers.moves import MOVES, judge
from everycent.flow.ledger.service import (
    FILES,
    HandedOver,
    NotAnAcknowledgement,
    RestAccounting,
    correct_voucher,
    hand_voucher_over,
    make_vouchers,
    post,
    read_acknowledgement,
    say_of_voucher,
    send_vouchers,
    voucher_moves,
    vouchers_shown,
)
from everycent.proof.verify import service, tables
from everycent.proof.verify.core.vouchers import RULES
from everycent.proof.verify.voucher_texts import read_vouchers

FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)
NOW = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
CODES = {
    "party/*": "2202", "party/merchant:vip-*": "2203", "operator/*/commission": "6051", "operator/*": "6001",
    "channel/*": "1012", "bank/*": "1002", "balance/*": "2203",
}  # fmt: skip
SPEC = AccountingSpec(model="shop", legal_entity="north", codes=CODES)


def transfer(number: int, day: date, debit: str, credit: str, amount: int, **more: Any) -> Transfer:
    more = {"currency": "CNY", "cause": "obligations", **more}
    return Transfer(UUID(int=number), day, debit, credit, amount, **more)


GOODS = transfer(1, FIRST, "operator/north/goods", "party/merchant:a", 8999)
MORE_GOODS = transfer(2, FIRST, "operator/north/goods", "party/merchant:a", 1001)
FEE = transfer(3, FIRST, "party/merchant:a", "operator/north/commission", 500)
SOUTH = transfer(4, FIRST, "operator/south/goods", "party/merchant:vip-b", 700)
HELD = transfer(5, FIRST, "party/merchant:a", "channel/bank_file", 900, kind=TransferKind.PENDING)
COUPON = transfer(6, SECOND, "party/brand:c", "party/merchant:a", 120)
LATER = transfer(9, FIRST, "operator/north/goods", "party/merchant:a", 333)


@pytest.fixture
def books(database: Any) -> Any:
    """Two days of a shop with two companies."""
    post(database.connection, "t", "shop", [GOODS, MORE_GOODS, FEE, SOUTH, HELD, COUPON])
    return database


def made(
    books: Any, through: date = SECOND, spec: AccountingSpec = SPEC, entities: Any = lambda _: {}
) -> list[Voucher]:
    return make_vouchers(books.connection, "t", spec, through, entities, "ann", NOW)


def shown(books: Any) -> dict[tuple[str, int, int], VoucherState]:
    found = vouchers_shown(books.connection, "t", None)
    return {(one.legal_entity, one.voucher_no, one.revision): one.state for one in found}


def lines(voucher: Voucher) -> list[tuple[str, str, str, str]]:
    said = json.loads(voucher.content)
    assert said["debit"] == said["credit"]
    return [(line["code"], line["account"], line["debit"], line["credit"]) for line in said["lines"]]


def verified(books: Any, engine: Any) -> dict[str, str]:
    """What the verifier's rules of vouchers find, by rule; of its tables, those that they look at."""
    names = ("ledger.transfer", "ledger.voucher_pass", "ledger.voucher", "ledger.voucher_move")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "DECIDED", {name: tables.DECIDED[name] for name in names})
        patch.setattr(tables, "DETAILS", {})
        with tables.stored_tables(books.connection, engine, "t", "shop", []):
            read_vouchers(engine)
            found = {rule.name: engine.connection.execute(rule.sql).fetchall()[0][2] for rule in RULES}
    return {name: said for name, said in found.items() if said is not None}


def test_a_day_s_transfers_become_vouchers_of_each_company(books: Any, engine: Any) -> None:
    north, next_day, south = made(books)
    assert [(one.legal_entity, one.voucher_no, one.booked_on) for one in (north, next_day, south)] == [
        ("north", 1, FIRST), ("north", 2, SECOND), ("south", 1, FIRST)
    ]  # fmt: skip
    assert lines(north) == [
        ("6001", "operator/north/goods", "100.00", "0.00"), ("2202", "party/merchant:a", "0.00", "100.00"),
        ("2202", "party/merchant:a", "5.00", "0.00"), ("6051", "operator/north/commission", "0.00", "5.00"),
    ]  # fmt: skip
    assert lines(south)[1] == ("2203", "party/merchant:vip-b", "0.00", "7.00"), "the name with the most letters holds"
    assert lines(next_day)[0][1] == "party/brand:c", "between two parties: the company that is declared takes it"
    assert made(books) == [], "nothing is in two vouchers"
    assert verified(books, engine) == {}
    columns, rows = csv_rows(north.content)[0], csv_rows(north.content)
    assert len(columns) == 17 and [row[-2:] for row in rows] == [list(line[2:]) for line in lines(north)]


def test_what_is_posted_later_comes_into_a_supplement_also_after_acceptance(books: Any, engine: Any) -> None:
    with accounting_system() as system:
        first = made(books, FIRST)
        sent(books, system)
        assert {one.state for one in vouchers_shown(books.connection, "t", "shop")} == {VoucherState.ACCEPTED}
        post(books.connection, "t", "shop", [LATER])
        supplement, other_day = made(books)
        assert (supplement.booked_on, supplement.supplement, supplement.voucher_no) == (FIRST, 1, 2)
        assert (other_day.booked_on, other_day.supplement) == (SECOND, 0)
        assert [line[2] for line in lines(supplement)] == ["3.33", "0.00"]
        sent(books, system)
        assert set(system.came.values()) == {1} and len(system.came) == len(first) + 2
        assert system.content[str(supplement.voucher_id)] == supplement.content.encode()
    assert verified(books, engine) == {}


def test_each_transfer_by_itself_and_parts_of_a_long_day(
    books: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everycent.flow.ledger.vouchers.ENTRIES_MOST", 2)
    first, second, _south = made(books, FIRST, SPEC.model_copy(update={"entries": "each"}))
    assert [(one.voucher_no, one.entries) for one in (first, second)] == [(1, 2), (2, 1)]
    named = [line["transfer"] for one in (first, second) for line in json.loads(one.content)["lines"][::2]]
    assert sorted(named) == [str(UUID(int=number)) for number in (1, 2, 3)]
    assert verified(books, engine) == {}


def refused(books: Any, spec: AccountingSpec = SPEC) -> tuple[VoucherRefusal, str]:
    with pytest.raises(VouchersRefused) as caught:
        made(books, spec=spec)
    assert books.connection.execute("SELECT count(*) FROM ledger.voucher_pass").fetchone() == (0,), "nothing was made"
    return caught.value.refusal, str(caught.value)


def test_what_cannot_be_a_voucher_is_refused_by_name_and_nothing_is_made(books: Any) -> None:
    few = {name: code for name, code in CODES.items() if not name.startswith("operator")}
    refusal, said = refused(books, SPEC.model_copy(update={"codes": few}))
    assert refusal is VoucherRefusal.NO_CODE
    assert "there is no code for operator/north/commission, operator/north/goods, operator/south/goods;" in said
    refusal, said = refused(books, SPEC.model_copy(update={"legal_entity": None}))
    assert refusal is VoucherRefusal.NO_ENTITY and "from party/brand:c to party/merchant:a" in said
    by_cause = made(books, spec=SPEC.model_copy(update={"legal_entity": None}), entities=lambda asked: {
        one: "south" for one, _ in asked
    })  # fmt: skip
    assert [one.legal_entity for one in by_cause] == ["north", "south", "south"], "its cause says whose it is"
    with pytest.raises(ValueError, match=r"'party/\*' has none"):
        AccountingSpec(model="shop", codes={"party/*": " "})


def test_a_transfer_between_two_companies_is_in_a_voucher_of_each(books: Any, engine: Any) -> None:
    post(books.connection, "t", "shop", [
        transfer(7, SECOND, "bank/north", "bank/south", 100),
        transfer(8, SECOND, "operator/south/rent", "bank/north", 7),
    ])  # fmt: skip
    refusal, said = refused(books)
    assert (
        refusal is VoucherRefusal.NO_CODE and "no code for intercompany/north/south, intercompany/south/north" in said
    )
    spec = SPEC.model_copy(update={"codes": {**CODES, "intercompany/*": "1221"}})
    of = {one.legal_entity: one for one in made(books, spec=spec) if one.booked_on == SECOND}
    assert lines(of["north"]) == [
        ("1002", "bank/north", "1.00", "0.00"), ("1221", "intercompany/north/south", "0.00", "1.00"),
        ("1221", "intercompany/north/south", "0.07", "0.00"), ("1002", "bank/north", "0.00", "0.07"),
        ("2202", "party/brand:c", "1.20", "0.00"), ("2202", "party/merchant:a", "0.00", "1.20"),
    ]  # fmt: skip
    assert lines(of["south"]) == [
        ("1221", "intercompany/south/north", "1.00", "0.00"), ("1002", "bank/south", "0.00", "1.00"),
        ("6001", "operator/south/rent", "0.07", "0.00"), ("1221", "intercompany/south/north", "0.00", "0.07"),
    ]  # fmt: skip
    assert verified(books, engine) == {}, "what one has with the other is the opposite of what that has with it"
    for altered, said in (
        ("UPDATE ledger.transfer SET debit_account = 'operator/north/rent' WHERE debit_account = 'operator/south/rent'",
         "intercompany/north/south in CNY (obligations): its vouchers debit 7 and credit 100 with 2 transfers, the "
         "ledger 0 and 100 with 1"),
        ("UPDATE ledger.voucher SET legal_entity = 'east' WHERE legal_entity = 'south'", "is of another company"),
    ):  # fmt: skip
        with books.connection.transaction(force_rollback=True):
            books.connection.execute(altered)
            found = " | ".join(verified(books, engine).values())
            assert said in found, (altered, found)


def sent(books: Any, system: Accounting) -> HandedOver:
    client = RestAccounting(system.url, SECRET)
    return send_vouchers(books.connection, "t", "shop", client, lambda: datetime.now(UTC))


@pytest.fixture
def system() -> Iterator[Accounting]:
    with accounting_system() as running:
        yield running


def test_the_life_of_refused_slow_lost_and_unbelievable_answers(books: Any, engine: Any, system: Accounting) -> None:
    post(books.connection, "t", "shop", [transfer(20 + n, SECOND, f"party/m:{n}", "bank/north", 1, currency=code)
                                         for n, code in enumerate(("EUR", "GBP", "JPY", "KWD", "USD"))])  # fmt: skip
    numbers = [(one.legal_entity, one.voucher_no, one.revision) for one in made(books)]
    assert len(numbers) == 8
    system.faults = ["refuse", "slow", "unsigned", "forged", "no json", "other", "lose"]
    done = sent(books, system)
    assert [each.came for each in done.taken] == [VoucherCame.MOVED] and len(done.waiting) == 1
    assert [why.partition(" (200)")[0] + why.partition(" (200)")[2].split(" (")[0] for _, why in done.unclear] == [
        "its answer is not signed by the shared secret, now", "its answer is not signed by the shared secret, now",
        "its answer is no acknowledgement: it is no JSON",
        f"its answer is about another voucher, {done.unclear[3][1].rpartition(' ')[2]}",
    ]  # fmt: skip
    assert done.unreachable is not None, "a lost answer ends the pass"
    assert sorted(shown(books).values()) == ["made", "refused", *["sent"] * 6]
    system.book(next(iter(system.taken)))
    done = sent(books, system)
    assert done.unreachable is None and system.asked == 6
    assert set(system.came.values()) == {1}, "what was booked is never handed over again"
    assert {each.came for each in done.taken} == {VoucherCame.MOVED}
    stand = vouchers_shown(books.connection, "t", None, state="accepted")
    accepted = {str(one.voucher_id): one.number for one in stand}
    assert accepted == system.booked and len(accepted) == 7
    assert sent(books, system) == HandedOver(), "nothing is left to do, and a refused one waits for its correction"
    (wrong,) = vouchers_shown(books.connection, "t", None, state="refused")
    assert wrong.reason == "6001 is no account here"
    right = SPEC.model_copy(update={"codes": {**CODES, "operator/*": "6011"}})
    again = correct_voucher(books.connection, "t", right, wrong.voucher_id, "ann", NOW)
    assert (again.voucher_no, again.revision) == (wrong.voucher_no, 2)
    assert [line[0] for line in lines(again)] == ["6011", "2202", "2202", "6051"]
    assert [line[1:] for line in lines(again)] == [line[1:] for line in lines(wrong)]
    assert [each.voucher and each.voucher.number for each in sent(books, system).taken] == ["J-8"]
    assert verified(books, engine) == {}


def test_what_never_arrived_is_handed_over_again_and_only_then(books: Any, system: Accounting) -> None:
    made(books, FIRST)
    system.faults = ["drop"]
    assert sent(books, system).unreachable is not None
    assert system.booked == {}
    system.faults = [503]
    assert sent(books, system).unreachable == "the accounting system answers 503"
    assert sent(books, system).unreachable is None
    assert sorted(system.came.values()) == [1, 2] and len(system.booked) == 2
    assert set(shown(books).values()) == {VoucherState.ACCEPTED}


#: Runs a sender in a process of its own, which the system kills once it has the voucher.
SENDER = """
import sys
from datetime import UTC, datetime
from everycent.base.platform.database import connect
from everycent.base.platform.settings import Settings
from everycent.flow.ledger.service import RestAccounting, send_vouchers
with connect(Settings.load()) as connection:
    send_vouchers(connection, "t", "shop", RestAccounting.load(), lambda: datetime.now(UTC))
"""


def test_a_sender_that_is_killed_between_its_key_and_the_answer_sends_nothing_twice(
    books: Any, engine: Any, system: Accounting
) -> None:
    made(books)
    environment = {
        "EVERYCENT_DATABASE_URL": books.settings.database_url, "EVERYCENT_DATA_DIR": str(books.settings.data_dir),
        "EVERYCENT_ACCOUNTING_URL": system.url, "EVERYCENT_ACCOUNTING_SECRET": SECRET.decode(),
    }  # fmt: skip
    sender: list[subprocess.Popen[bytes]] = []
    system.faults = [None, lambda: sender[0].pid]
    sender.append(subprocess.Popen([sys.executable, "-c", SENDER], env=environment))
    assert sender[0].wait(timeout=60) == -9
    assert sorted(shown(books).values()) == ["accepted", "made", "sent"]
    assert sent(books, system).unreachable is None
    assert len(system.came) == 3 and set(system.came.values()) == {1}
    assert set(shown(books).values()) == {VoucherState.ACCEPTED}
    assert verified(books, engine) == {}


def test_one_sender_at_a_time_and_files_are_not_asked_about(books: Any, system: Accounting, databases: Any) -> None:
    from everycent.base.platform.database import connect

    first, second, _ = made(books)
    assert hand_voucher_over(books.connection, "t", first, FILES, NOW, "ann") is not None
    assert hand_voucher_over(books.connection, "t", first, FILES, NOW, "ann") is None, "once"
    with connect(books.settings) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('everycent vouchers t/shop', 0))")
        with pytest.raises(SendersBusy, match="another sender of shop's vouchers is at work"):
            sent(books, system)
        other.execute("SELECT pg_advisory_unlock(hashtextextended('everycent vouchers t/shop', 0))")
    sent(books, system)
    assert str(first.voucher_id) not in system.came and str(second.voucher_id) in system.came
    assert say(books, first, VoucherMove.JUDGE_ACCEPTED, number="8").came is VoucherCame.MOVED


def say(books: Any, voucher: Voucher, move: VoucherMove, **more: str) -> Any:
    return say_of_voucher(books.connection, "t", Said(voucher.voucher_id, move, "ben", **more), NOW)


def test_what_is_said_again_otherwise_or_of_nothing_has_a_name(books: Any, engine: Any, system: Accounting) -> None:
    first, second, third = made(books)
    assert say(books, first, VoucherMove.ACCEPT, number="7").came is VoucherCame.NOT_ALLOWED, "nobody has it yet"
    sent(books, system)
    assert say(books, first, VoucherMove.ACCEPT, number="J-1").came is VoucherCame.REPEATED
    other = say(books, second, VoucherMove.ACCEPT, number="J-77")
    assert (other.came, other.voucher.state) == (VoucherCame.CONTRADICTED, VoucherState.DISPUTED)
    no = say(books, third, VoucherMove.REFUSE, reason="closed")
    assert (no.came, no.voucher.reason) == (VoucherCame.CONTRADICTED, "refuse_after_accepted: closed")
    assert say(books, third, VoucherMove.ACCEPT, number="J-3").came is VoucherCame.NOTED
    with pytest.raises(VouchersRefused, match="correct is allowed from refused"):
        correct_voucher(books.connection, "t", SPEC, third.voucher_id, "ann", NOW)
    assert say(books, third, VoucherMove.JUDGE_REFUSED, reason="asked there").voucher.state is VoucherState.REFUSED
    again = correct_voucher(books.connection, "t", SPEC, third.voucher_id, "ann", NOW)
    late = say(books, third, VoucherMove.ACCEPT, number="J-3")
    assert late.voucher.state is VoucherState.DISPUTED, "the revision before it may be booked after all"
    assert sent(books, system).taken == [], "so the next one does not go out"
    assert shown(books)["south", 1, 2] is VoucherState.MADE
    out = say(books, third, VoucherMove.JUDGE_REFUSED, reason="taken out there")
    assert (out.came, out.voucher.state) == (VoucherCame.MOVED, VoucherState.REPLACED), "it has its correction already"
    with pytest.raises(VouchersRefused, match="it is replaced; correct is allowed from refused"):
        correct_voucher(books.connection, "t", SPEC, third.voucher_id, "ann", NOW)
    assert [each.said.voucher_id for each in sent(books, system).taken] == [again.voucher_id]
    nobody = Said(uuid4(), VoucherMove.ACCEPT, "x", number="1")
    assert say_of_voucher(books.connection, "t", nobody, NOW).came is VoucherCame.UNKNOWN
    with pytest.raises(NoSuchVoucher):
        correct_voucher(books.connection, "t", SPEC, uuid4(), "ann", NOW)
    assert verified(books, engine) == {}


def a_corrected_one_that_gets_lost(books: Any, system: Accounting) -> tuple[Voucher, Voucher]:
    """A refused voucher, and its correction, which was sent and did not arrive."""
    before, _ = made(books, FIRST)
    system.faults = ["refuse"]
    sent(books, system)
    after = correct_voucher(books.connection, "t", SPEC, before.voucher_id, "ann", NOW)
    system.faults = ["drop"]
    sent(books, system)
    return before, after


def test_a_correction_does_not_go_again_while_what_it_corrects_may_be_booked(books: Any, system: Accounting) -> None:
    before, after = a_corrected_one_that_gets_lost(books, system)
    assert say(books, before, VoucherMove.ACCEPT, number="J-7").voucher.state is VoucherState.DISPUTED
    [(voucher, why)] = sent(books, system).unclear
    assert voucher.voucher_id == after.voucher_id and "another revision may be booked there" in why
    assert system.came[str(after.voucher_id)] == 1
    assert say(books, before, VoucherMove.JUDGE_REFUSED, reason="taken out").voucher.state is VoucherState.REPLACED
    assert [each.came for each in sent(books, system).taken] == [VoucherCame.MOVED]


def test_two_revisions_that_are_accepted_are_a_dispute(books: Any, engine: Any, system: Accounting) -> None:
    before, after = a_corrected_one_that_gets_lost(books, system)
    assert say(books, before, VoucherMove.ACCEPT, number="J-7").came is VoucherCame.CONTRADICTED
    assert say(books, before, VoucherMove.JUDGE_ACCEPTED, number="J-7").voucher.state is VoucherState.ACCEPTED
    both = say(books, after, VoucherMove.ACCEPT, number="J-8")
    assert (both.came, both.voucher.state) == (VoucherCame.CONTRADICTED, VoucherState.DISPUTED)
    assert both.voucher.reason == "accept_beside_revision_1: J-8"
    one = say(books, after, VoucherMove.JUDGE_ACCEPTED, number="J-8")
    assert one.came is VoucherCame.NOT_ALLOWED
    assert one.message.startswith("revision 1 of it is accepted, and a number is accepted once; where this one is")
    assert say(books, after, VoucherMove.JUDGE_REFUSED, reason="taken out").came is VoucherCame.MOVED
    assert verified(books, engine) == {}


def test_what_is_noted_of_a_dispute_stands_in_its_log_once(books: Any, engine: Any, system: Accounting) -> None:
    first, _ = made(books, FIRST)
    sent(books, system)
    disputed = say(books, first, VoucherMove.REFUSE, reason="closed").voucher
    said = [say(books, first, VoucherMove.REFUSE, reason=why).came for why in ("late", "late", "closed")]
    assert said == [VoucherCame.NOTED, VoucherCame.REPEATED, VoucherCame.NOTED]
    assert say(books, first, VoucherMove.ACCEPT, number="J-9").came is VoucherCame.NOTED
    noted = [(each["number"], each["reason"]) for each in voucher_moves(books.connection, "t", first.voucher_id)[-3:]]
    assert noted == [(None, "late"), (None, "closed"), ("J-9", None)]
    (stands,) = vouchers_shown(books.connection, "t", "shop", ids=[first.voucher_id])
    assert (
        (stands.number, stands.reason) == (disputed.number, disputed.reason) == ("J-1", "refuse_after_accepted: closed")
    )
    assert say(books, first, VoucherMove.JUDGE_ACCEPTED, number="J-9").voucher.number == "J-9"
    assert verified(books, engine) == {}


def test_a_prepaid_balance_is_of_its_company(books: Any, engine: Any) -> None:
    post(books.connection, "t", "shop", [transfer(7, SECOND, "party/merchant:a", "balance/south/merchant:a/b", 5)])
    assert [(one.legal_entity, one.total_minor) for one in made(books) if one.booked_on == SECOND] == [
        ("north", 120), ("south", 5)
    ]  # fmt: skip
    assert verified(books, engine) == {}


#: Content that is not JSON any more, or whose digests were made anew.
ALTERED = (
    ("content = 'x'", "was digested"),
    ("""content = replace(content, '"0.00"', '"none"'), digest = 'x'""", "was digested"),
    (f"content = replace(content, '100.00', '{9 * 10**38}.00'), total_minor = 1", "was digested"),
    ("content = '{}', digest = encode(sha256('{}'), 'hex')", "it is not chained to the one before"),
    ("""content = replace(content, '"transfers":2', '"transfers":"two"')""", "with 0 transfers, the ledger 10000"),
)


TAMPERED = (
    *((f"UPDATE ledger.voucher SET {what} WHERE voucher_no = 1 AND legal_entity = 'north'", said)
      for what, said in ALTERED),
    ("""UPDATE ledger.voucher SET number = 'J-5' WHERE voucher_no = 2""",
     "its number is J-5, its reason none; its moves say none and none"),
    ("""UPDATE ledger.voucher SET reason = 'closed' WHERE voucher_no = 2""", "its reason closed; its moves say none"),
    ("UPDATE ledger.voucher SET content = replace(content, '100.00', '100.01') WHERE voucher_no = 1", "was digested"),
    ("UPDATE ledger.voucher SET total_minor = 1 WHERE voucher_no = 1", "its columns are not its content"),
    ("UPDATE ledger.voucher SET voucher_no = 9 WHERE voucher_no = 2", "number 9, revision 1, is its 2. number"),
    ("UPDATE ledger.voucher SET state = 'accepted', way = 'rest' WHERE voucher_no = 2", "the last move says made"),
    ("UPDATE ledger.voucher_pass SET after_no = 2 WHERE booked_on = '2026-03-01'", "it begins after posting 2"),
    ("UPDATE ledger.voucher SET chained = digest WHERE voucher_no = 1 AND legal_entity = 'north'", "not chained"),
    ("DELETE FROM ledger.voucher WHERE legal_entity = 'south'", "its vouchers debit 0 and credit 0 with 0 transfers"),
    ("UPDATE ledger.transfer SET amount_minor = 8998 WHERE transfer_id = '00000000-0000-0000-0000-000000000001'",
     "goods in CNY (obligations): its vouchers debit 10000 and credit 0 with 2 transfers, the ledger 9999 and 0"),
    ("""INSERT INTO ledger.voucher_move SELECT tenant, model, voucher_id, 1, 'accept', 'moved', 'made', 'accepted', '1',
        NULL, 'x', now() FROM ledger.voucher WHERE voucher_no = 2""",
     "move 1: accept, moved, from made to accepted by x"),
)  # fmt: skip


def test_verify_names_what_was_altered(books: Any, engine: Any) -> None:
    made(books)
    assert {*RULES} <= {*service.RULES}
    for statement, said in TAMPERED:
        with books.connection.transaction(force_rollback=True):
            books.connection.execute(statement)
            found = " | ".join(verified(books, engine).values())
            assert said in found, (statement, found)
    assert verified(books, engine) == {}


def test_the_table_of_moves_never_leads_an_accepted_voucher_out_again() -> None:
    for move in VoucherMove:
        assert judge(VoucherState.ACCEPTED, move)[0] in (VoucherState.ACCEPTED, VoucherState.DISPUTED)
    assert [state for state, cell in MOVES[VoucherMove.HAND_OVER].items() if cell == "sent"] == [VoucherState.MADE]


def test_codes_fit_names_as_they_are_written() -> None:
    codes = Codes({"a.b": "1", "a*": "2", "*": "3", "a*b": "4"})
    assert [codes.code(name) for name in ("a.b", "axb", "ax", "x", "a\nb")] == ["1", "4", "2", "3", "4"]


def test_the_same_entries_give_the_same_bytes_and_all_decimals() -> None:
    head = Head("t", "shop", "north", 1, 1, FIRST, 0, 0, 5, "CNY")
    entry = Entry("a", "b", "obligations", 10**20 + 1, 1)
    text = content(head, [entry], Codes({"*": "1"}), currency("CNY"))
    assert json.loads(text)["debit"] == "1000000000000000000.01"
    assert digest_of(text) == "261d01c2a0f5f21c1632b87805279943ad8390f8e769aed94b3d84b472dccd24"
    again, entries = revised(text, Codes({"*": "2"}))
    assert again == text.replace('"revision":1', '"revision":2').replace('"code":"1"', '"code":"2"')
    assert entries == [entry]


def test_a_correction_keeps_the_decimals_that_amounts_were_written_with() -> None:
    head = Head("t", "shop", "north", 1, 1, FIRST, 0, 0, 5, "tCO2e")
    text = content(head, [Entry("a", "b", "x", 12345, 1)], Codes({"*": "1"}), Currency("tCO2e", 3))
    assert json.loads(revised(text, Codes({"*": "2"}))[0])["debit"] == "12.345"


@pytest.mark.parametrize("state", [[], {}, None, 1, "booked"])
def test_a_state_of_another_kind_is_no_acknowledgement(state: object) -> None:
    with pytest.raises(NotAnAcknowledgement, match="its state is one of accepted, refused, taken, unknown"):
        read_acknowledgement(json.dumps({"voucher": str(UUID(int=1)), "state": state}).encode())


def test_the_address_and_the_secret_are_needed() -> None:
    with pytest.raises(SettingsError, match="EVERYCENT_ACCOUNTING_URL"):
        RestAccounting.load({})
