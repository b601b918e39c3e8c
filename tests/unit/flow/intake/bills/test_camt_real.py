"""Real camt files of versions 1 to 8 against what their collection's own reader found in them."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from real_bills import needs, read_bill, real

from everycent.flow.intake.bills.camt import FORMAT
from everycent.flow.intake.contract import SourceError

pytestmark = needs("camt")
FILES = sorted(real("camt").rglob("*.json"))


def _objects(node: Any, kind: str) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if node.get("__CLASS__", "").endswith(f"\\{kind}"):
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _objects(each, kind)


def _entry(told: dict[str, Any]) -> tuple[Any, ...]:
    dates = [told[name] and told[name]["0"][:10] for name in ("getBookingDate", "getValueDate")]
    details = [told["getTransactionDetail"], told["getTransactionDetails"]]  # an object told once is not repeated
    ends = {each["getEndToEndId"] for each in _objects(details, "DTO\\Reference")} - {None}
    texts = {each["getMessage"] for each in _objects(details, "UnstructuredRemittanceInformation")}
    money = told["getAmount"]
    amount = Decimal(money["getAmount"]).scaleb(-2), money["getCurrency"]["getCode"]
    return (
        *amount,
        *dates,
        told["getStatus"],
        told["getReference"],
        told["getAccountServicerReference"],
        ends,
        texts,
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_entries_are_as_expected(file: Path) -> None:
    told = [_entry(each) for each in _objects(json.loads(file.read_text()), "DTO\\Entry")]
    rows = read_bill(FORMAT, file.with_suffix(".xml")).rows
    assert len(rows) == max(file.with_suffix(".xml").read_text().count("<Ntry>"), len(told))
    names = ("currency", "booked_on", "value_on", "status", "entry_reference", "servicer_reference")
    for *plain, ends, texts in told:
        [row] = [row for row in rows if Decimal(row["amount"]) == plain[0]]
        cells = [row.get(name) for name in names]
        assert [cell and cell[:10] if at in (1, 2) else cell for at, cell in enumerate(cells)] == plain[1:]
        assert all(end in row["end_to_end_id"] for end in ends)
        assert all(text in row["remittance"] for text in texts if text)


def test_only_the_file_of_several_statements_ties_and_the_others_are_flagged() -> None:
    bills = {file.stem: read_bill(FORMAT, file.with_suffix(".xml")) for file in FILES}
    assert [name for name, bill in bills.items() if bill.ties] == ["camt053.v2.multi.statement"]
    flagged = {name for name, bill in bills.items() if bill.disagreeing}
    stating = {name for name, bill in bills.items() if bill.controls}
    assert stating - flagged == {"camt053.v2.multi.statement"}
    [wrong] = bills["camt053.v2.five.decimals"].disagreeing
    assert (wrong.stated, wrong.found) == ("27.050", "27.000")
    assert [(each.stated, each.found) for each in bills["camt054.v8"].disagreeing] == [("2", "3"), ("6.3", "9.5")]


def test_a_message_without_a_statement_is_refused() -> None:
    with pytest.raises(SourceError, match="it has no statement, report or notification"):
        read_bill(FORMAT, FILES[0].with_name("camt053.v2.wrong.xml"))
