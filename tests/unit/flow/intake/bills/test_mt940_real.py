"""Real MT940 and MT942 files against what their collection expects of them, and whether they tie."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from real_bills import needs, read_bill, real

from everycent.flow.intake.bills.mt940 import FORMAT
from everycent.flow.intake.contract import SourceError

pytestmark = needs("mt940")
FILES = sorted(real("mt940").rglob("*.sta"))
#: Added up by hand; the others lack a balance, or state one that their lines do not give.
TIE = {
    "betterplace/with_binary_character",
    "cmxl/mt940",
    "jejik/generic",
    "jejik/rabobank-iban",
    "jejik/sns",
    "mBank/mt940",
    "mBank/mt942",
    "self-provided/february_30",
    "self-provided/long_statement_number",
    "self-provided/raphaelm",
    "self-provided/transaction_details_wrapped",
    "self-provided/wrapped_timestamp",
}


class Expected(yaml.SafeLoader):
    """Reads the collection's object tags as plain values: nothing is ever constructed."""


def _plain(loader: Expected, suffix: str, node: yaml.Node) -> Iterator[Any]:
    if isinstance(node, yaml.MappingNode):
        mapping: dict[Any, Any] = {}
        yield mapping
        mapping.update(loader.construct_mapping(node))
    elif isinstance(node, yaml.SequenceNode):
        listed: list[Any] = []
        yield listed
        listed.extend(loader.construct_sequence(node))
    else:
        yield node.value


Expected.add_multi_constructor("tag:yaml.org,2002:python/", _plain)


def _date(given: list[bytes] | None) -> str | None:
    """A pickled date: two bytes of year, one of month, one of day."""
    return given and date(int.from_bytes(given[0][:2], "big"), given[0][2], given[0][3]).isoformat()


def expected(file: Path) -> list[dict[str, Any]]:
    found: dict[str, Any] = yaml.load(file.with_suffix(".yml").read_text("utf-8"), Expected)
    return [each["data"] for each in found["transactions"]]


def _references(customer: str | None, bank: str | None) -> str:
    return "//".join(each.strip() for each in (customer, bank) if each and each.strip())


READABLE = [file for file in FILES if file.stem != "invalid_statement"]


@pytest.mark.parametrize("file", READABLE, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_the_statement_lines_are_as_expected(file: Path) -> None:
    rows = read_bill(FORMAT, file).rows
    told = [each for each in expected(file) if "amount" in each]  # information without a statement line is no entry
    assert [Decimal(row["amount"]) for row in rows] == [Decimal(each["amount"]["amount"][0]) for each in told]
    assert [(row["value_on"], row.get("booked_on"), row.get("kind")) for row in rows] == [
        (_date(each["date"]), _date(each.get("entry_date")), each["id"]) for each in told
    ]
    for row, each in zip(rows, told, strict=True):
        if each["customer_reference"] is not None:  # their structured details take its place otherwise
            found = _references(row.get("customer_reference"), row.get("bank_reference"))
            theirs = _references(each["customer_reference"], each["bank_reference"]).split("\n")[0]  # KREF's text added
            assert found.startswith(theirs)  # some of theirs are cut off at 16 characters
        if each.get("transaction_code") and "details" in row:  # the broken file's :86: is no field
            assert row["transaction_code"] == each["transaction_code"]
        if each.get("applicant_name"):
            # they take off a blank at a line's end
            assert row["counterparty"].replace(" ", "") == each["applicant_name"].replace(" ", "")
        if each.get("end_to_end_reference"):
            assert row["end_to_end_id"] == each["end_to_end_reference"].strip()


@pytest.mark.parametrize("file", READABLE, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_the_last_balances_are_as_expected(file: Path) -> None:
    data: dict[str, Any] = yaml.load(file.with_suffix(".yml").read_text("utf-8"), Expected)["data"]
    closing = [control for control in read_bill(FORMAT, file).controls if control.name.endswith("closing balance")]
    stated = {Decimal(control.stated) for control in closing}
    for kind in ("final_closing_balance", "intermediate_closing_balance"):
        if (
            closing and kind in data and file.stem != "raphaelm"
        ):  # its balances have no currency; theirs reads 105000 as 105 0
            sign = -1 if data[kind]["status"] == "D" else 1
            assert sign * abs(Decimal(data[kind]["amount"]["amount"][0])) in stated


def test_each_file_ties_or_is_flagged_as_it_was_added_up_by_hand() -> None:
    bills = {f"{file.parent.name}/{file.stem}": read_bill(FORMAT, file) for file in READABLE}
    assert {name for name, bill in bills.items() if bill.ties} == TIE
    apart = {name: [(each.stated, each.found) for each in bill.disagreeing] for name, bill in bills.items()}
    assert apart["jejik/abnamro"] == [("876.84", "2914.84"), ("1849.75", "2852.35")]
    assert apart["jejik/ing"] == [("3.47", "-45.59")]
    assert apart["jejik/triodos"] == [("4370.79", "4259.39")]
    assert apart["self-provided/raiffeisen-cmi"] == [("25281687.60", "24158423.60")]


def test_what_holds_no_field_is_refused() -> None:
    with pytest.raises(SourceError, match=r"invalid_statement\.sta is not an MT940 or MT942 file"):
        read_bill(FORMAT, real("mt940") / "mt940_tests" / "self-provided" / "invalid_statement.sta")
