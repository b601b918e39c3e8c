"""Direct debits: mandates in, a file that the schema accepts out, and the bank's answers to their end."""

import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from lxml import etree

from everycent.base.engine.local import LocalEngine
from everycent.flow.intake.contract import TableSpec
from everycent.flow.parties.contract import PartySpec
from everycent.flow.payments import service
from everycent.flow.payments.contract import PayoutSpec
from everycent.flow.payments.core.debit_file import NAMESPACE, DebitTerms, validate_pain008, write_pain008
from everycent.flow.payments.core.iso20022 import FileHead, InvalidBankFile
from everycent.flow.payments.core.plan import PayoutRefused, plan_payments
from everycent.flow.payments.stage import instruct
from everycent.flow.pipeline.paying import Cashier
from everycent.serve.demo.bank import answered

Rows = Callable[[list[dict[str, object]]], pa.Table]

AS_OF = date(2026, 3, 9)
HEAD = FileHead("direct_debits-shanghai-2026-03-09-0a1b2c3d", "shanghai", "FR1420041010050500013M02606", AS_OF)
TERMS = DebitTerms("DE98ZZZ09999999999", "CORE", 1)
IBAN = "DE89370400440532013000"
ROLES = {"platform": PartySpec(operator="shanghai"), "merchant": PartySpec(key=("m",))}
COLUMNS = {"m": "text", "account": "text", "mandate": "text", "mandate_signed_on": "date"}
TABLES = {"accounts": TableSpec.model_validate({"file": "a.csv", "key": ["m"], "columns": COLUMNS})}
WORDS = {"account": {"table": "accounts"}, "direct_debit": {"creditor_ids": {"shanghai": TERMS.creditor_id}}}


def texts(file: bytes, path: str) -> list[str]:
    steps = "/".join(f"{{{NAMESPACE}}}{tag}" for tag in path.split("/"))
    return [str(element.text) for element in etree.fromstring(file).iterfind(f".//{steps}")]


def debit(minor: int, code: str, mandate: str = "M-1") -> dict[str, object]:
    return {
        "amount_minor": minor, "currency": code, "account": IBAN, "direction": "collect", "mandate": mandate,
        "mandate_signed_on": date(2025, 12, 31),
    }  # fmt: skip


def test_a_file_names_each_mandate_and_its_exact_sums(instructions: Rows) -> None:
    out = io.BytesIO()
    write_pain008(out, HEAD, TERMS, instructions([debit(1205, "EUR"), debit(500, "JPY", "M-2"), debit(10, "EUR")]))
    validate_pain008(io.BytesIO(out.getvalue()))
    file = out.getvalue()
    assert texts(file, "InstdAmt") == ["12.05", "0.10", "500"]
    assert texts(file, "MndtRltdInf/MndtId") == ["M-1", "M-1", "M-2"]
    assert texts(file, "MndtRltdInf/DtOfSgntr") == ["2025-12-31"] * 3
    assert texts(file, "GrpHdr/CtrlSum") == ["512.15"] and texts(file, "PmtInf/CtrlSum") == ["12.15", "500"]
    assert texts(file, "CdtrSchmeId/Id/PrvtId/Othr/Id") == [TERMS.creditor_id] * 2
    assert texts(file, "LclInstrm/Cd") == ["CORE"], "yen are not of the scheme"
    assert texts(file, "ReqdColltnDt") == ["2026-03-10"] * 2
    assert texts(file, "CdtrAcct/Id/IBAN") == [HEAD.own_account] * 2 and texts(file, "DbtrAcct/Id/IBAN") == [IBAN] * 3
    with pytest.raises(InvalidBankFile, match="maximum length of '35'"):
        validate_pain008(io.BytesIO(file.replace(b">M-2<", b">" + b"x" * 36 + b"<")))


@pytest.mark.parametrize(("spoil", "says"), [({"direction": "pay"}, "only debits"), ({"mandate": None}, "its mandate")])
def test_nothing_else_goes_into_it(instructions: Rows, spoil: dict[str, object], says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        write_pain008(io.BytesIO(), HEAD, TERMS, instructions([{**debit(1, "EUR"), **spoil}]))


def test_mandates_come_from_the_table_or_the_instruction_waits_with_a_reason(
    engine: LocalEngine, closed: Callable[..., pa.Table]
) -> None:
    plan = plan_payments({"merchant": PayoutSpec.model_validate(WORDS)}, ROLES, TABLES, ["CNY"])
    signed = date(2026, 3, 9)
    known = [
        ("a", "M-a", signed), ("b", None, None), ("c", "M-c", None), ("d", "M-d", date(2026, 3, 10)),
        ("e", "x" * 36, signed), ("f", "M\x00f", signed), ("g", "M-g", signed), ("h", "M-h", signed),
    ]  # fmt: skip
    accounts = pa.Table.from_pylist([
        {"m": m, "account": IBAN, "mandate": mandate, "mandate_signed_on": day} for m, mandate, day in known
    ])  # fmt: skip
    owing = [f"s{m} merchant:{m} 0 1.00 shanghai" for m, _, _ in known if m not in ("g", "h")]
    owing += ["sg merchant:g 1.00 0 shanghai", "sh merchant:h 0 1.00 paris"]
    statements = closed("\n".join(["statement_id party_id payable receivable legal_entity", *owing]))
    settled = pa.table({"statement_id": pa.array([], pa.string()), "side": pa.array([], pa.string())})
    made = instruct(
        plan, statements, settled, {"accounts": accounts}, engine, tenant="t", model="m", as_of=AS_OF
    ).instructions
    rows = {row["party_id"][-1]: row for row in made.to_pylist()}
    assert {m: row["mandate"] for m, row in rows.items() if row["state"] == "created"} == {
        "a": "M-a", "b": None, "g": None,
    }, "b is collected by people, g is paid"  # fmt: skip
    assert {m: row["reason"] for m, row in rows.items() if row["state"] == "waiting"} == {
        "c": "the mandate of merchant:c has no day on which it was signed",
        "d": "the mandate of merchant:d is signed on 2026-03-10, which is to come",
        "e": "the mandate of merchant:e has 36 characters; a bank file takes 35",
        "f": "the mandate of merchant:f holds characters that cannot be printed",
        "h": "paris has no identification as a creditor: say in payouts, merchant, direct_debit, creditor_ids which it "
        "has",
    }


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"account": None}, "mandates stand with accounts"),
        ({"direct_debit": {"creditor_ids": {}, "mandate": "sepa"}}, "table 'accounts' has no column 'sepa'"),
        ({"direct_debit": {"creditor_ids": {"shanghai": "x" * 36}}}, "has 1 to 35 characters"),
        ({"channels": ["rest"], "rest": {"url": "A", "secret": "B"}}, "direct debits go into bank files"),
    ],
)
def test_debits_that_cannot_work_are_refused(words: dict[str, Any], reason: str) -> None:
    with pytest.raises(PayoutRefused, match=reason):
        plan_payments({"merchant": PayoutSpec.model_validate({**WORDS, **words})}, ROLES, TABLES, ["CNY"])


def test_two_roles_are_debited_in_one_way() -> None:
    other = {**WORDS, "direct_debit": {"creditor_ids": {"shanghai": TERMS.creditor_id}, "scheme": "b2b"}}
    roles = {**ROLES, "brand": PartySpec(key=("m",))}
    given = {"merchant": PayoutSpec.model_validate(WORDS), "brand": PayoutSpec.model_validate(other)}
    with pytest.raises(PayoutRefused, match="two roles are debited in two ways"):
        plan_payments(given, roles, TABLES, ["CNY"])


def test_a_debit_goes_to_the_bank_and_comes_back(books: Any, tmp_path: Path) -> None:
    """Merchants a, b and c owe 1.00, 2.00 and 3.00: a pays, b's bank refuses, c's is paid and comes back. d has no
    mandate."""
    books.payouts, books.table_specs = {"merchant": PayoutSpec.model_validate(WORDS)}, TABLES
    day = date(2026, 1, 1)
    books.table_specs = {"accounts": TableSpec.model_validate({"file": "a.csv", "key": ["merchant"], "columns": {
        "merchant": "text", **COLUMNS}})}  # fmt: skip
    last = {"a": "0", "b": "8", "c": "9", "d": "0"}  # by which the made-up bank goes
    rows = [{"merchant": m, "account": f"622202020001123{last[m]}", "mandate": None if m == "d" else f"M-{m}",
             "mandate_signed_on": None if m == "d" else day} for m in "abcd"]  # fmt: skip
    books.tables = {"accounts": pa.Table.from_pylist(rows)}
    owed = [f"A{at} merchant:{m} platform {at}.00 2026-03-01" for at, m in enumerate("abcd", 1)]
    books.book("\n".join(["record debtor creditor amount booked_on", *owed]))
    books.close("2026-03-02")
    books.instruct("2026-03-02")
    paths = books.write_files("2026-03-02", tmp_path)
    assert [path.name.split("-shanghai")[0] + path.suffix for path in paths] == [
        "collections.csv", "direct_debits.csv", "direct_debits.xml",
    ]  # fmt: skip
    again = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in books.write_files("2026-03-02", tmp_path)] == again
    session = SimpleNamespace(connection=books.connection, tenant=books.tenant, engine=books.engine)
    cashier = Cashier(session, datetime(2026, 3, 3, 9, tzinfo=UTC), date(2026, 3, 3))  # type: ignore[arg-type]

    def read(path: Path) -> list[str]:
        return sorted(f"{one.said.move} {one.came}" for one in cashier.read(path).taken)

    (report, statement, notice), _ = answered(paths[2], tmp_path / "bank")
    assert read(report) == ["accept moved", "accept moved", "refuse moved"]
    assert read(statement) == ["pay moved", "pay moved", "return moved"]
    assert read(notice) == ["return repeated"] and "pay overtaken" in read(statement)
    states = {row["party_id"][-1]: (row["state"], row["reason"]) for row in
              service.shown(books.connection, books.tenant, [], None, 9)}  # fmt: skip
    assert states == {
        "a": ("succeeded", None), "b": ("failed", "AC04"), "c": ("returned", "AM04"), "d": ("filed", None),
    }  # fmt: skip
    assert books.instruct("2026-03-04").num_rows == 2, "b and c are asked again"
