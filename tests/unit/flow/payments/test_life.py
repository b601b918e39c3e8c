"""The life of an instruction on a real PostgreSQL: kept, sealed, booked, opened again, and verified."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

import psycopg
import pytest

from everycent.flow.ledger import store as ledger_store
from everycent.flow.payments import service
from everycent.flow.payments.contract import InstructionAltered, Move, PayoutSpec, Said, Taken
from everycent.flow.pipeline.paying import PAYMENT_OTHERS
from everycent.proof.verify.service import verify

HEAD = "record debtor creditor amount booked_on\n"
NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)
DAY = date(2026, 3, 3)


@pytest.fixture
def payer(books):  # type: ignore[no-untyped-def]
    """Two merchants are to be paid 90.00 and 5.00, and one pays 5.00."""
    books.book(f"""{HEAD}
        A1 platform merchant:a 90.00 2026-03-01
        A2 platform merchant:b  5.00 2026-03-01
        A3 merchant:c platform  5.00 2026-03-01""")
    books.close("2026-03-02")
    books.instruct("2026-03-02")
    return books


def key_of(books, party: str) -> UUID:  # type: ignore[no-untyped-def]
    rows = service.shown(books.connection, books.tenant, [], None, 100)
    return next(row["instruction_id"] for row in rows if row["party_id"] == f"merchant:{party}")


def say(books, *words: str, amount: int | None = None, cause: str = "bank 1", who: str = "bank") -> list[Taken]:  # type: ignore[no-untyped-def]
    """Says `party move`, in order, in one transaction."""
    said = [Said(key_of(books, word.split()[0]), Move(word.split()[1]), cause, who, None, amount) for word in words]
    return service.take_in(books.connection, PAYMENT_OTHERS, books.tenant, said, NOW, DAY)


def balances(books) -> dict[str, int]:  # type: ignore[no-untyped-def]
    rows = ledger_store.balances(books.connection, books.tenant, books.model).to_pylist()
    return {row["account"]: int(row["balance_minor"]) for row in rows if row["balance_minor"]}


def states(books) -> dict[str, str]:  # type: ignore[no-untyped-def]
    rows = service.shown(books.connection, books.tenant, [], None, 100)
    return {row["party_id"].removeprefix("merchant:"): row["state"] for row in rows}


def check_verified(books) -> None:  # type: ignore[no-untyped-def]
    """The verifier's rules about payments and the ledger; obligations stand here without their records."""
    verdict = verify(books.connection, books.database.details, books.engine, books.tenant)
    found = {check.name: check.first_bad for check in verdict.findings}
    assert not {name: bad for name, bad in found.items() if "instruct" in name or "balance" in name or "side" in name}


def test_results_are_booked_and_what_failed_is_paid_anew(payer) -> None:  # type: ignore[no-untyped-def]
    assert balances(payer)["channel/bank_file"] == 9000
    taken = say(payer, "a file", "a pay", "b file", "b refuse", "c file", "c pay")
    assert {str(one.came) for one in taken} == {"moved"}
    assert states(payer) == {"a": "succeeded", "b": "failed", "c": "succeeded"}
    assert balances(payer) == {"bank/shanghai": 8500, "operator/shanghai/goods": -9000, "party/merchant:b": 500}
    check_verified(payer)
    again = say(payer, "a pay", "b refuse", "c pay")
    assert {str(one.came) for one in again} == {"repeated"}
    (anew,) = payer.instruct("2026-03-02").to_pylist()
    assert (anew["party_id"], anew["amount_minor"], anew["state"]) == ("merchant:b", 500, "created")
    assert payer.instruct("2026-03-02").num_rows == 0
    check_verified(payer)


def test_money_that_came_back_is_paid_with_what_came_later(payer) -> None:  # type: ignore[no-untyped-def]
    say(payer, "a file", "a pay")
    payer.book(f"{HEAD} B1 platform merchant:a 10.00 2026-03-03")
    say(payer, "a return", cause="bank 2")
    check_verified(payer)
    payer.close("2026-03-04")
    (anew,) = payer.instruct("2026-03-04").to_pylist()
    assert anew["amount_minor"] == 10000
    assert balances(payer)["channel/bank_file"] == 10000
    assert "bank/shanghai" not in balances(payer)
    check_verified(payer)


def test_contradictions_are_parked_until_a_person_judges(payer) -> None:  # type: ignore[no-untyped-def]
    say(payer, "a begin", "a refuse")
    (late,) = say(payer, "a pay", cause="bank 2")
    assert (late.came, late.state, late.finding) == ("contradicted", "parked", "pay_after_failed")
    assert [str(one.came) for one in say(payer, "a pay", cause="bank 2")] == ["repeated"]
    check_verified(payer)
    (judged,) = say(payer, "a judge_paid", who="anna", cause="a call")
    assert judged.state == "succeeded"
    assert payer.instruct("2026-03-05").num_rows == 0, "what was paid after all is not paid anew"
    check_verified(payer)
    history = service.history(payer.connection, payer.tenant, key_of(payer, "a"))
    assert [(row["move"], row["came"], row["who"]) for row in history] == [
        ("begin", "moved", "bank"), ("refuse", "moved", "bank"), ("pay", "contradicted", "bank"),
        ("judge_paid", "moved", "anna"),
    ]  # fmt: skip


def test_what_was_paid_twice_is_owed_by_the_party(payer) -> None:  # type: ignore[no-untyped-def]
    say(payer, "a begin", "a refuse")
    before = key_of(payer, "a")
    payer.instruct("2026-03-05")
    lie = Said(before, Move.PAY, "bank 2", "bank")
    judged = Said(before, Move.JUDGE_PAID, "a call", "anna")
    service.take_in(payer.connection, PAYMENT_OTHERS, payer.tenant, [lie, judged], NOW, DAY)
    assert balances(payer)["party/merchant:a"] == -9000
    check_verified(payer)


def test_nothing_is_filed_while_payments_are_stopped(payer, tmp_path) -> None:  # type: ignore[no-untyped-def]
    where = (payer.connection, payer.tenant, None)
    assert service.stop(*where, "anna", "a wrong rate table", NOW)
    assert not service.stop(*where, "ben", "again", NOW)
    assert payer.write_files("2026-03-02", tmp_path / "one") == []
    assert service.start(*where, "ben", NOW) and not service.start(*where, "ben", NOW)
    assert len(payer.write_files("2026-03-02", tmp_path / "two")) == 3


def test_limits_keep_what_is_beyond_them_for_another_day(payer, tmp_path) -> None:  # type: ignore[no-untyped-def]
    payer.payouts = {"merchant": PayoutSpec(limits={"entity_day": "94.99", "party_day": {"CNY": "90.00"}})}
    where = (payer.connection, payer.engine, payer.payment_plan, PAYMENT_OTHERS, payer.tenant, payer.model, "bank_file")
    ready, beyond = service.ready_now(*where, date(2026, 3, 2))
    assert ready.num_rows == 2 and len(beyond) == 1
    (why,) = beyond.values()
    assert why.startswith("limit entity_day: ") and " of 94.99 CNY are used" in why
    payer.write_files("2026-03-02", tmp_path)
    assert sorted(states(payer).values()) == ["created", "filed", "filed"]
    payer.write_files("2026-03-03", tmp_path)
    assert set(states(payer).values()) == {"filed"}


def test_an_altered_instruction_takes_no_answer(payer) -> None:  # type: ignore[no-untyped-def]
    payer.connection.execute("UPDATE payments.instruction SET account = 'mine'")
    with pytest.raises(InstructionAltered):
        say(payer, "a file")


def test_what_fails_halfway_leaves_nothing(payer, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def fail(*_: object) -> None:
        raise psycopg.errors.DiskFull

    before = balances(payer), states(payer)
    key = key_of(payer, "a")
    said = [Said(key, Move.FILE, "x", "x"), Said(key, Move.PAY, "x", "x")]
    with pytest.raises(psycopg.errors.DiskFull):
        service.take_in(payer.connection, replace(PAYMENT_OTHERS, post=fail), payer.tenant, said, NOW, DAY)
    assert (balances(payer), states(payer)) == before
    assert service.history(payer.connection, payer.tenant, key) == []


def test_what_is_altered_behind_the_houses_back_is_named(payer) -> None:  # type: ignore[no-untyped-def]
    say(payer, "a file", "a pay", "b file", "b refuse")
    altered = {
        "DELETE FROM payments.instruction_move WHERE move = 'pay'": "each instruction stands where its moves led",
        "UPDATE payments.instruction SET booking = 'paid' WHERE booking = 'back'":
            "each instruction's money is where its state says",
        "UPDATE payments.instruction SET state = 'created', booking = 'in_flight' WHERE booking = 'paid'":
            "each instruction's money is booked where it is",
        "DELETE FROM payments.reopened_statement": "each side of a released statement has its outcome, with its amount",
        "INSERT INTO payments.instruction_statement SELECT tenant, model, statement_id, side, amount_minor, "
        "'instructed', instruction_id, as_of FROM payments.reopened_statement":
            "what is instructed anew was not paid, and is not being paid",
    }  # fmt: skip
    for alteration, rule in altered.items():
        with payer.connection.transaction(force_rollback=True):
            payer.connection.execute(alteration)
            verdict = verify(payer.connection, payer.database.details, payer.engine, payer.tenant)
            assert rule in {check.name for check in verdict.findings}, alteration
    check_verified(payer)
