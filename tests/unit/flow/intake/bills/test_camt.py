"""camt messages in; entries, payments of batches and the figures that prove them out."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_bills import Bill, read_bill

from everycent.flow.intake.bills.camt import FORMAT
from everycent.flow.intake.contract import SourceError


def balance(kind: str, amount: str, day: str = "2026-03-01") -> str:
    way = "DBIT" if amount.startswith("-") else "CRDT"
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>{amount.lstrip('-')}</Amt>"
        f"<CdtDbtInd>{way}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def entry(amount: str, details: str = "", status: str = "BOOK") -> str:
    way = "DBIT" if amount.startswith("-") else "CRDT"
    return (
        f"<Ntry><NtryRef>N1</NtryRef><Amt Ccy='EUR'>{amount.lstrip('-')}</Amt><CdtDbtInd>{way}</CdtDbtInd>"
        f"<Sts>{status}</Sts><BookgDt><Dt>2026-03-02</Dt></BookgDt><ValDt><Dt>2026-03-03</Dt></ValDt>{details}</Ntry>"
    )


def payment(amount: str, end_to_end: str) -> str:
    return (
        f"<TxDtls><Refs><EndToEndId>{end_to_end}</EndToEndId></Refs><AmtDtls><TxAmt><Amt Ccy='EUR'>{amount}</Amt>"
        f"</TxAmt></AmtDtls><RltdPties><Dbtr><Nm>Anna</Nm></Dbtr><DbtrAcct><Id><IBAN>DE02</IBAN></Id></DbtrAcct>"
        f"</RltdPties><RmtInf><Ustrd>for</Ustrd><Ustrd>March</Ustrd></RmtInf></TxDtls>"
    )


def statement(*inside: str) -> str:
    head = "<Stmt><Id>S1</Id><ElctrncSeqNb>7</ElctrncSeqNb><Acct><Id><IBAN>DE99</IBAN></Id><Ccy>EUR</Ccy></Acct>"
    return f"{head}{''.join(inside)}</Stmt>"


def message(*statements: str, before: str = "") -> str:
    return (
        f"<?xml version='1.0'?>{before}<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.08'><BkToCstmrStmt>"
        f"<GrpHdr><MsgId>M</MsgId></GrpHdr>{''.join(statements)}</BkToCstmrStmt></Document>"
    )


def read(tmp_path: Path, text: str, rows_per_part: int = 1000) -> Bill:
    path = tmp_path / "statement.xml"
    path.write_text(text, "utf-8")
    return read_bill(FORMAT, path, rows_per_part)


BATCH = "<NtryDtls><Btch><PmtInfId>P1</PmtInfId><NbOfTxs>2</NbOfTxs></Btch>{}</NtryDtls>"


def test_an_entry_is_a_row_and_a_batch_gives_one_for_each_payment(tmp_path: Path) -> None:
    batch = BATCH.format(payment("10.00", "E1") + payment("2.50", "E2"))
    bill = read(
        tmp_path,
        message(statement(balance("OPBD", "1.00"), balance("CLBD", "10.50"), entry("12.50", batch), entry("-3"))),
    )
    assert bill.ties
    assert bill.column("amount") == ["10.00", "2.50", "-3"]
    assert bill.rows[1] == {
        "account": "DE99",
        "statement": "S1",
        "sequence": "7",
        "currency": "EUR",
        "status": "BOOK",
        "booked_on": "2026-03-02",
        "value_on": "2026-03-03",
        "amount": "2.50",
        "entry": "1",
        "entry_amount": "12.50",
        "detail": "2",
        "details": "2",
        "entry_reference": "N1",
        "batch_reference": "P1",
        "batch_count": "2",
        "counterparty": "Anna",
        "counterparty_account": "DE02",
        "end_to_end_id": "E2",
        "debtor": "Anna",
        "debtor_account": "DE02",
        "remittance": "for March",
    }


def test_payments_that_are_not_their_entry_are_flagged_and_the_entry_stands(tmp_path: Path) -> None:
    batch = BATCH.format(payment("10.00", "E1") + payment("2.49", "E2"))
    balances = balance("OPBD", "0.00"), balance("CLBD", "12.50")
    bill = read(tmp_path, message(statement(*balances, entry("12.50", batch))))
    assert [(row["amount"], row["end_to_end_id"]) for row in bill.rows] == [("12.50", "E1 E2")]
    assert [(each.name, each.stated, each.found) for each in bill.disagreeing] == [
        ("entry 1: its details' sum", "12.50", "12.49")
    ]


def test_only_booked_entries_move_the_balance(tmp_path: Path) -> None:
    pending = statement(balance("OPBD", "1.00"), balance("CLBD", "3.00"), entry("2.00"), entry("9.00", status="PDNG"))
    assert read(tmp_path, message(pending)).ties


def test_days_in_one_statement_count_from_the_first_opening_to_the_last_closing(tmp_path: Path) -> None:
    days = [
        balance("OPBD", "3.00", "2026-03-02"),
        balance("CLBD", "7.00", "2026-03-02"),
        balance("OPBD", "1.00", "2026-03-01"),
        balance("CLBD", "3.00", "2026-03-01"),
    ]
    assert read(tmp_path, message(statement(*days, entry("6")))).ties


@pytest.mark.parametrize(
    "balances",
    [
        (),
        (balance("OPBD", "1.00"),),
        (balance("CLBD", "5.00"),),
        (balance("OPBD", "1.00"), balance("CLBD", "5.00").replace("5.00", "5;00")),
    ],
    ids=["none", "no closing", "no opening", "a closing that cannot be read"],
)
def test_a_statement_that_nothing_proves_says_so(tmp_path: Path, balances: tuple[str, ...]) -> None:
    bill = read(tmp_path, message(statement(*balances, entry("4.00"))))
    [told] = bill.disagreeing
    assert (told.stated[:7], told.found) == ("nothing", "4.00")


def test_the_counts_and_sums_of_the_summary_are_checked(tmp_path: Path) -> None:
    summary = (
        "<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries><Sum>5</Sum><TtlNetNtry><Amt>1</Amt>"
        "<CdtDbtInd>DBIT</CdtDbtInd></TtlNetNtry></TtlNtries><TtlDbtNtries><Sum>4</Sum></TtlDbtNtries></TxsSummry>"
    )
    bill = read(tmp_path, message(statement(summary, entry("2"), entry("-3"))))
    assert [(each.name.split(": ")[1], each.stated, each.found) for each in bill.controls] == [
        ("TtlNtries/NbOfNtries", "2", "2"),
        ("TtlNtries/Sum", "5", "5"),
        ("TtlDbtNtries/Sum", "4", "3"),
        ("TtlNtries/TtlNetNtry", "-1", "-1"),
    ]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("<Dt>2026-03-02+01:00</Dt>", "2026-03-02"),
        ("<DtTm>2026-03-02T10:00:00.123456789+01:00</DtTm>", "2026-03-02T10:00:00.123456+01:00"),
        ("<DtTm>2026-03-02T10:00:00Z</DtTm>", "2026-03-02T10:00:00Z"),
    ],
)
def test_dates_have_no_zone_and_times_keep_theirs(tmp_path: Path, told: str, found: str) -> None:
    text = message(statement(entry("1").replace("<Dt>2026-03-02</Dt>", told)))
    assert read(tmp_path, text).rows[0]["booked_on"] == found


def test_an_entry_that_cannot_be_read_takes_a_number_and_does_not_end_the_file(tmp_path: Path) -> None:
    bill = read(tmp_path, message(statement(entry("1"), entry("1.2.3"), entry("2"))))
    assert (bill.lines, [each["line"] for each in bill.malformed]) == ([1, 3], [2])
    assert "'1.2.3' with 'CRDT' cannot be read" in bill.malformed[0]["reason"]


@pytest.mark.parametrize("left", [0.5, 0.7, 0.9, 0.999])
def test_a_file_cut_anywhere_says_so(tmp_path: Path, left: float) -> None:
    whole = message(statement(balance("OPBD", "0"), balance("CLBD", "40"), *[entry("1")] * 40))
    bill = read(tmp_path, whole[: int(len(whole) * left)])
    assert len(bill.rows) == bill.malformed[-1]["line"] - 1
    assert bill.malformed[-1]["reason"].startswith("the XML cannot be read on from here")


LAUGHS = (
    "<!DOCTYPE x [<!ENTITY a 'ha'>"
    + "".join(f"<!ENTITY a{n} '{f'&a{n - 1 or str()};' * 10}'>" for n in range(1, 9))
    + "]>"
)


@pytest.mark.parametrize("before", [LAUGHS, "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>"])
def test_a_document_type_is_refused_and_nothing_is_expanded_or_fetched(tmp_path: Path, before: str) -> None:
    with pytest.raises(SourceError, match="document type declaration"):
        read(tmp_path, message(statement(entry("1")), before=before))


def test_a_huge_text_ends_the_reading_kindly(tmp_path: Path) -> None:
    bill = read(tmp_path, message(statement(entry("1"), f"<AddtlStmtInf>{'x' * 10_500_000}</AddtlStmtInf>")))
    assert len(bill.rows) == 1
    assert "too long" in bill.malformed[0]["reason"]


@pytest.mark.parametrize("text", ["", "no XML", "<Document xmlns='urn:x'/>", "<Document"])
def test_what_is_no_camt_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError, match="is not a camt file"):
        read(tmp_path, text)


@given(st.lists(st.decimals(-(10**9), 10**9, places=2).filter(bool), max_size=10), st.integers(1, 4))
def test_what_was_written_comes_back_and_ties(
    tmp_path_factory: pytest.TempPathFactory, amounts: list[Decimal], rows_per_part: int
) -> None:
    closing = balance("CLBD", format(sum(amounts, Decimal("0.00")), "f"))
    whole = message(statement(balance("OPBD", "0.00"), closing, *(entry(format(each, "f")) for each in amounts)))
    bill = read(tmp_path_factory.mktemp("camt"), whole, rows_per_part)
    assert bill.column("amount") == [format(each, "f") for each in amounts]
    assert bill.ties
