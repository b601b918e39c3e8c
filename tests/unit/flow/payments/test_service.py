"""From obligations to the bank's file, on a real PostgreSQL: what is owed is paid once, nothing is lost."""

import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from lxml import etree

from everycent.flow.intake.contract import TableSpec
from everycent.flow.ledger import store as ledger_store
from everycent.flow.payments import service, store
from everycent.flow.payments.contract import InstructionAltered, PayoutAccountSpec, PayoutSpec
from everycent.flow.payments.core.bank_file import NAMESPACE
from everycent.flow.payments.core.iso20022 import InvalidBankFile
from everycent.flow.settlement import store as settlement_store

HEAD = "record debtor creditor amount booked_on\n"
SALES = """
    record charge      debtor      creditor    amount booked_on
    A1     goods       platform    merchant:a  100.00 2026-03-01
    A1     commission  merchant:a  platform     10.00 2026-03-01
    A2     goods       platform    merchant:b    0.40 2026-03-01
    A3     commission  merchant:c  platform      5.00 2026-03-01
    A4     goods       platform    merchant:d    5.00 2026-03-01
    A4     commission  merchant:d  platform      5.00 2026-03-01
"""


def paid(instructed):  # type: ignore[no-untyped-def]
    return {(row["party_id"], row["direction"], int(row["amount_minor"])) for row in instructed.to_pylist()}


def outcomes(books):  # type: ignore[no-untyped-def]
    rows = store.statement_outcomes(books.connection, books.tenant, books.model).to_pylist()
    return {row["statement_id"].split("/")[1]: row["outcome"] for row in rows}


def check_conservation(books) -> None:  # type: ignore[no-untyped-def]
    """Each party's ledger balance is its statements' net less what was instructed; the trial balance is zero."""
    expected: Counter[str] = Counter()
    for row in settlement_store.statements(books.connection, books.tenant, books.model).to_pylist():
        expected[row["party_id"]] += int(row["net_minor"])
    for row in store.instructions(books.connection, books.tenant, books.model).to_pylist():
        expected[row["party_id"]] -= int(row["amount_minor"]) * (1 if row["direction"] == "pay" else -1)
    balances = {
        row["account"].removeprefix("party/"): int(row["balance_minor"])
        for row in ledger_store.balances(books.connection, books.tenant, books.model).to_pylist()
        if row["account"].startswith("party/")
    }
    assert {party: balance for party, balance in balances.items() if balance} == {
        party: net for party, net in expected.items() if net
    }
    trial = ledger_store.trial_balance(books.connection, books.tenant, books.model)
    assert all(line.debits_minor == line.credits_minor for line in trial)


@pytest.mark.parametrize("parties_at_once", [1, 20_000])
def test_closed_statements_are_paid_once(books, monkeypatch, parties_at_once: int) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(service, "_PARTIES_AT_ONCE", parties_at_once)
    books.payouts = {"merchant": PayoutSpec(minimum="1.00")}
    books.book(SALES)
    assert paid(books.instruct("2026-03-02")) == set()
    books.close("2026-03-02")
    assert paid(books.instruct("2026-03-02")) == {("merchant:a", "pay", 9000), ("merchant:c", "collect", 500)}
    assert outcomes(books) == {
        "merchant:a": "instructed",
        "merchant:b": "carried",
        "merchant:c": "instructed",
        "merchant:d": "zero",
    }
    check_conservation(books)
    before = store.statement_outcomes(books.connection, books.tenant, books.model)
    for as_of in ("2026-03-02", "2026-03-05"):
        assert paid(books.instruct(as_of)) == set()
        assert store.statement_outcomes(books.connection, books.tenant, books.model).equals(before)


def test_a_carried_amount_is_paid_with_the_next(books) -> None:  # type: ignore[no-untyped-def]
    books.payouts = {"merchant": PayoutSpec(minimum="1.00")}
    books.book(SALES)
    books.close("2026-03-02")
    books.instruct("2026-03-02")
    books.book(f"{HEAD} B1 platform merchant:b 0.75 2026-03-02")
    books.close("2026-03-03")
    assert paid(books.instruct("2026-03-03")) == {("merchant:b", "pay", 115)}
    assert outcomes(books)["merchant:b"] == "instructed"
    check_conservation(books)


def test_a_dry_run_says_the_same_and_changes_nothing(books) -> None:  # type: ignore[no-untyped-def]
    books.book(SALES)
    books.close("2026-03-02")
    dry = books.instruct("2026-03-02", dry_run=True)
    assert store.instructions(books.connection, books.tenant, books.model).num_rows == 0
    assert dry.equals(books.instruct("2026-03-02"))


def test_files_are_written_once_and_again_to_the_byte(books, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    books.book(SALES)
    books.close("2026-03-02")
    books.instruct("2026-03-02")
    first = {path.name: path.read_bytes() for path in books.write_files("2026-03-02", tmp_path / "one")}
    again = {path.name: path.read_bytes() for path in books.write_files("2026-03-02", tmp_path / "two")}
    assert first == again
    assert sorted(name.split("-2026")[0] + name[-4:] for name in first) == [
        "collections-shanghai.csv",
        "payments-shanghai.csv",
        "payments-shanghai.xml",
    ]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(first)
    (xml,) = (content for name, content in first.items() if name.endswith(".xml"))
    amounts = [element.text for element in etree.fromstring(xml).iter(f"{{{NAMESPACE}}}InstdAmt")]
    assert sorted(amounts) == ["0.40", "90.00"]
    states = store.instructions(books.connection, books.tenant, books.model)["state"].to_pylist()
    assert states == ["filed"] * 3
    assert books.write_files("2026-03-03", tmp_path / "three") == []


def test_a_second_closing_on_one_day_makes_a_file_of_its_own(books, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    books.book(SALES)
    books.close("2026-03-02")
    books.instruct("2026-03-02")
    first = books.write_files("2026-03-02", tmp_path)
    content = {path: path.read_bytes() for path in first}
    books.connection.execute("UPDATE settlement.book_date SET open_on = '2026-03-01'")  # as if its recount had differed
    books.book(f"{HEAD} C1 platform merchant:late 7.00 2026-03-01")
    books.close("2026-03-02")
    books.instruct("2026-03-02")
    both = books.write_files("2026-03-02", tmp_path)
    assert len(both) == len(first) + 2
    assert {path: path.read_bytes() for path in first} == content


def test_an_instruction_without_account_waits_until_it_has_one(books, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    long = "x" * 40
    books.book(f"{HEAD} A1 platform merchant:{long} 5.00 2026-03-01")
    books.close("2026-03-02")
    (row,) = books.instruct("2026-03-02").to_pylist()
    assert (row["state"], row["account"]) == ("waiting", None)
    assert row["reason"] == f"the account number of merchant:{long} has 40 characters; a bank file takes 34"
    assert books.write_files("2026-03-02", tmp_path) == []
    check_conservation(books)


def test_an_account_that_comes_later_is_used_at_the_next_closing(books, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    columns = {"merchant": "text", "account": "text"}
    books.table_specs = {"accounts": TableSpec(file="accounts.csv", key=["merchant"], columns=columns)}
    books.payouts = {"merchant": PayoutSpec(account=PayoutAccountSpec(table="accounts"))}
    books.tables = {"accounts": pa.table({"merchant": ["a"], "account": ["6222"]})}
    books.book(SALES)
    books.close("2026-03-02")
    first = {row["party_id"]: row for row in books.instruct("2026-03-02").to_pylist()}
    assert first["merchant:b"]["reason"] == "table accounts has no account of merchant:b; add it there"
    books.write_files("2026-03-02", tmp_path)
    books.tables = {"accounts": pa.table({"merchant": ["a", "b"], "account": ["6222", "6333"]})}
    assert books.instruct("2026-03-03").num_rows == 0
    now = {row["party_id"]: row for row in store.instructions(books.connection, books.tenant, books.model).to_pylist()}
    assert [now[name]["state"] for name in ("merchant:a", "merchant:b", "merchant:c")] == [
        "filed",
        "created",
        "waiting",
    ]
    assert (now["merchant:b"]["account"], now["merchant:b"]["reason"]) == ("6333", None)
    (xml,) = (path for path in books.write_files("2026-03-03", tmp_path) if path.suffix == ".xml")
    assert b"6333" in xml.read_bytes()
    check_conservation(books)


@pytest.mark.parametrize("moment", ["created", "filed"])
def test_no_bank_file_is_made_of_a_payment_turned_to_another_account(books, tmp_path: Path, moment: str) -> None:  # type: ignore[no-untyped-def]
    books.book(SALES)
    books.close("2026-03-02")
    books.instruct("2026-03-02")
    if moment == "filed":
        books.write_files("2026-03-02", tmp_path / "before")
    thief = "UPDATE payments.instruction SET account = 'thief' WHERE party_id = 'merchant:a'"
    books.connection.execute(thief)
    with pytest.raises(InstructionAltered, match=r"instruction .{36} to merchant:a was altered in the database"):
        books.write_files("2026-03-02", tmp_path / "after")
    assert not (tmp_path / "after").exists()
    books.connection.execute("UPDATE payments.instruction SET account = 'a' WHERE party_id = 'merchant:a'")
    assert books.write_files("2026-03-02", tmp_path / "after")


def test_an_altered_instruction_that_waits_does_not_become_ready(books) -> None:  # type: ignore[no-untyped-def]
    columns = {"merchant": "text", "account": "text"}
    books.table_specs = {"accounts": TableSpec(file="accounts.csv", key=["merchant"], columns=columns)}
    books.payouts = {"merchant": PayoutSpec(account=PayoutAccountSpec(table="accounts"))}
    books.tables = {"accounts": pa.table({"merchant": ["c"], "account": ["6222"]})}
    books.book(SALES)
    books.close("2026-03-02")
    books.instruct("2026-03-02")
    books.connection.execute("UPDATE payments.instruction SET amount_minor = 1 WHERE party_id = 'merchant:a'")
    with pytest.raises(InstructionAltered, match="merchant:a"):
        books.instruct("2026-03-03")


def test_a_file_that_its_schema_refuses_never_gets_its_name(books, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def refuse(file: object) -> None:
        raise InvalidBankFile("refused")

    monkeypatch.setattr(service, "validate_pain001", refuse)
    books.book(f"{HEAD} A1 platform merchant:a 5.00 2026-03-01")
    books.close("2026-03-02")
    books.instruct("2026-03-02")
    with pytest.raises(InvalidBankFile):
        books.write_files("2026-03-02", tmp_path)
    assert [path.suffix for path in tmp_path.glob("*payments*")] == [".csv"]
    monkeypatch.undo()
    assert len(books.write_files("2026-03-02", tmp_path)) == 2


@pytest.mark.parametrize("code", ["JPY", "KWD"])
def test_currencies_without_two_decimals_go_all_the_way(books, tmp_path: Path, code: str) -> None:  # type: ignore[no-untyped-def]
    books.code = code
    amount = {"JPY": "1500", "KWD": "1.505"}[code]
    books.book(f"record debtor creditor amount currency booked_on\nA1 platform merchant:a {amount} {code} 2026-03-01")
    books.close("2026-03-02")
    books.instruct("2026-03-02")
    (xml,) = (path for path in books.write_files("2026-03-02", tmp_path) if path.suffix == ".xml")
    (found,) = etree.fromstring(xml.read_bytes()).iter(f"{{{NAMESPACE}}}InstdAmt")
    assert (found.text, found.get("Ccy")) == (amount, code)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_over_many_days(books, seed: int) -> None:  # type: ignore[no-untyped-def]
    chance = random.Random(seed)
    books.payouts = {"merchant": PayoutSpec(minimum="50.00"), "brand": PayoutSpec(minimum="20.00")}
    parties = ["platform", "merchant:a", "merchant:b", "brand:c"]
    for day in range(28, 41):
        today = f"2026-0{2 + day // 29}-{day if day < 29 else day - 28:02d}"
        rows = []
        for at in range(6):
            debtor, creditor = chance.sample(parties, 2)
            rows.append(f"R{day}-{at} {debtor} {creditor} {chance.randint(-9999, 9999) / 100:.2f} {today}")
        books.book(HEAD + "\n".join(rows))
        if chance.random() < 0.7:
            assert not books.close(today).differing
            books.instruct(today)
        check_conservation(books)
    books.close("2026-05-01")
    books.instruct("2026-05-01")
    check_conservation(books)
    unpaid = Counter(row for row in outcomes(books).values())
    assert set(unpaid) <= {"instructed", "zero", "carried"}
