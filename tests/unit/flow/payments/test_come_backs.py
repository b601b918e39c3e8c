"""A round trip: pain.001 to the bank, pain.002 and camt.054 back, on a real PostgreSQL."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from bank import Payment, batch_entry, entry, notice, payments_of, statement, status_report

from everycent.flow.intake.contract import SourceError
from everycent.flow.payments import service
from everycent.flow.payments.contract import ComeBackRefused, Move, Taken
from everycent.flow.payments.core.bank_answers import as_key
from everycent.flow.payments.service import Read
from everycent.flow.pipeline.paying import Cashier

NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)


class Trip:
    """Three payments (1.00, 2.00, 3.00) that stand in a file at the bank."""

    def __init__(self, books, folder: Path) -> None:  # type: ignore[no-untyped-def]
        head = "record debtor creditor amount booked_on"
        sales = [f"A{at} platform merchant:{party} {at}.00 2026-03-01" for at, party in ((1, "a"), (2, "b"), (3, "c"))]
        books.book("\n".join([head, *sales]))
        books.close("2026-03-02")
        books.instruct("2026-03-02")
        (xml,) = [path for path in books.write_files("2026-03-02", folder) if path.suffix == ".xml"]
        self.books, self.folder = books, folder
        self.sent = sorted(payments_of(xml), key=lambda one: one.amount)
        session = SimpleNamespace(connection=books.connection, tenant=books.tenant, engine=books.engine)
        self.cashier = Cashier(session, NOW, date(2026, 3, 3))  # type: ignore[arg-type]

    def read(self, text: str, name: str = "answer.xml") -> Read:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return self.cashier.read(path)

    def say(self, move: Move, payment: Payment) -> list[Taken]:
        return self.cashier.by_hand([UUID(payment.end_to_end)], move, "anna", "by telephone")

    def states(self) -> str:
        rows = service.shown(self.books.connection, self.books.tenant, [], None, 9)
        return " ".join(row["state"] for row in sorted(rows, key=lambda row: row["party_id"]))


@pytest.fixture
def trip(books, tmp_path: Path) -> Trip:  # type: ignore[no-untyped-def]
    return Trip(books, tmp_path)


def came(read: Read) -> list[str]:
    return [str(one.came) for one in read.taken]


def of(payment: Payment) -> str:
    return payment.end_to_end


def test_a_round_trip(trip: Trip) -> None:
    a, b, c = trip.sent
    assert trip.states() == "filed filed filed"
    report = status_report(trip.sent, {of(b): "RJCT"}, group="PART", block="ACSP")
    assert came(trip.read(report)) == ["moved"] * 3
    assert trip.states() == "processing failed processing"
    assert came(trip.read(report)) == ["repeated"] * 3
    booked = notice([entry(a), entry(c), entry(c, back=True)])
    assert came(trip.read(booked)) == ["moved"] * 3
    assert trip.states() == "succeeded failed returned"
    assert came(trip.read(booked, "twice.xml")) == ["repeated", "overtaken", "repeated"]
    why = {
        row["party_id"]: row["reason"] for row in service.shown(trip.books.connection, trip.books.tenant, [], None, 9)
    }
    assert why["merchant:b"] == "AC04 account closed" and why["merchant:c"] == "AC01"
    assert trip.books.instruct("2026-03-04").num_rows == 2


def test_a_status_of_the_whole_message_holds_for_all_that_have_none(trip: Trip) -> None:
    a, b, c = trip.sent
    trip.read(status_report([a], {}, group="ACCP"))
    assert trip.states() == "processing processing processing"
    trip.read(status_report([a, b, c], {of(c): "ACSC"}, group="RJCT"))
    assert trip.states() == "failed failed succeeded"


def test_a_block_booked_in_one_sum_pays_what_adds_up_to_it(trip: Trip) -> None:
    a, b, _ = trip.sent
    wrong = trip.read(notice([batch_entry(a, "5.99")]))
    assert trip.states() == "filed filed filed" and "batch_total_differs" in wrong.refused[0]
    trip.read(status_report([b], {of(b): "RJCT"}))
    assert came(trip.read(notice([batch_entry(a, "4.00")]))) == ["moved", "moved"]
    assert trip.states() == "succeeded failed succeeded"


def test_another_amount_is_parked(trip: Trip) -> None:
    a = trip.sent[0]
    (taken,) = trip.read(notice([entry(a, amount="0.99")])).taken
    assert (taken.state, taken.finding) == ("parked", "other_amount")


def test_what_the_bank_paid_after_it_refused_it_is_not_paid_again_before_a_person_has_decided(trip: Trip) -> None:
    a, b, _ = trip.sent
    trip.read(status_report([a, b], {of(a): "RJCT", of(b): "RJCT"}))
    assert came(trip.read(notice([entry(a)]))) == ["contradicted"]
    assert trip.states() == "parked failed filed"
    assert trip.books.instruct("2026-03-04").column("party_id").to_pylist() == ["merchant:b"]
    (judged,) = trip.say(Move.JUDGE_FAILED, a)
    assert judged.state == "failed"
    assert trip.books.instruct("2026-03-05").column("party_id").to_pylist() == ["merchant:a"]


def test_what_was_instructed_anew_is_not_sent_while_the_bank_may_have_paid_the_first(trip: Trip) -> None:
    a = trip.sent[0]
    trip.read(status_report([a], {of(a): "RJCT"}))
    assert trip.books.instruct("2026-03-04").num_rows == 1
    assert came(trip.read(notice([entry(a)]))) == ["contradicted"]
    assert trip.books.write_files("2026-03-04", trip.folder) == []
    trip.say(Move.JUDGE_FAILED, a)
    assert len(trip.books.write_files("2026-03-04", trip.folder)) == 2


def test_what_the_bank_books_once_more_after_it_came_back_waits_for_a_person(trip: Trip) -> None:
    a = trip.sent[0]
    told = [entry(a, reference="P-1"), entry(a, back=True, reference="R-1"), entry(a, reference="P-2")]
    assert came(trip.read(notice(told[:2]))) == ["moved", "moved"]
    assert came(trip.read(notice(told, "N-2"))) == ["overtaken", "repeated", "contradicted"]
    assert trip.states() == "parked filed filed"
    assert trip.books.instruct("2026-03-04").num_rows == 0
    (judged,) = trip.say(Move.JUDGE_PAID, a)
    assert judged.state == "succeeded"
    assert came(trip.read(notice(told[2:], "N-3"))) == ["repeated"]
    assert came(trip.read(notice([entry(a, back=True, reference="R-2")], "N-4"))) == ["moved"]


def test_a_payment_that_the_bank_books_twice_is_not_taken_for_a_repetition(trip: Trip) -> None:
    a, b, _ = trip.sent
    twice = trip.read(notice([entry(a, reference="P-1"), entry(a, reference="P-2"), entry(b, reference="P-3")]))
    assert came(twice) == ["moved", "contradicted", "moved"]
    assert twice.taken[1].finding == "pay_after_succeeded"
    assert trip.states() == "parked succeeded filed"


def test_a_statement_may_call_a_booking_otherwise_than_the_notice_of_it_did(trip: Trip) -> None:
    a = trip.sent[0]
    assert came(trip.read(notice([entry(a, reference="N-77")]))) == ["moved"]
    moved = -Decimal(a.amount)
    assert came(trip.read(statement([entry(a, reference="S-1")], moved, "S-1"))) == ["repeated"]
    assert came(trip.read(statement([entry(a, reference="S-1")], moved, "S-1"))) == ["repeated"]
    assert trip.states() == "succeeded filed filed"


def test_an_amount_with_a_minus_of_its_own_neither_pays_nor_returns(trip: Trip) -> None:
    a = trip.sent[0]
    trip.read(notice([entry(a)]))
    with pytest.raises((SourceError, ComeBackRefused), match="0 or more"):
        trip.read(notice([entry(a, amount="-1.00")]))
    assert trip.states() == "succeeded filed filed"


def test_lines_of_others_are_counted_and_unknown_orders_are_named(trip: Trip) -> None:
    foreign, unknown = Payment("RENT-3", "9.00", "CNY", "m", "p"), Payment("0" * 32, "1.00", "CNY", "m", "p")
    read = trip.read(notice([entry(foreign), entry(unknown)]))
    assert read.not_ours == 1 and came(read) == ["unknown_order"]
    assert [as_key(text) for text in ("NOTPROVIDED", "Z" * 32, None)] == [None] * 3


@pytest.mark.parametrize("kind", ["pain.002", "camt.054"])
def test_a_file_cut_in_the_middle_is_refused_whole(trip: Trip, kind: str) -> None:
    each = dict.fromkeys(map(of, trip.sent), "ACSC")
    whole = status_report(trip.sent, each) if kind == "pain.002" else notice([entry(one) for one in trip.sent])
    for cut in (len(whole) * 2 // 3, len(whole) - 5):
        with pytest.raises((ComeBackRefused, SourceError), match=r"is cut off.*nothing of it was taken in"):
            trip.read(whole[:cut])
        assert trip.states() == "filed filed filed"
    with pytest.raises((ComeBackRefused, SourceError)):
        trip.read(whole.replace("<Document", "<!DOCTYPE x [<!ENTITY e 'x'>]><Document"))
    with pytest.raises((ComeBackRefused, SourceError)):
        trip.read("<Document xmlns='urn:iso:std:iso:20022:tech:xsd:pain.002.001.10'/>")
    trip.read(whole)
    assert trip.states() == "succeeded succeeded succeeded"
