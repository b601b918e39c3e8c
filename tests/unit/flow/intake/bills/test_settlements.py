"""Settlement and balance reports of Adyen, Braintree, Stripe and Amazon in; signed rows and what ties out."""

from pathlib import Path

import pytest
from real_bills import Bill, needs, read_bill, real

from everycent.flow.intake.bills import adyen_settlement, amazon_settlement, braintree_settlement, stripe_balance
from everycent.flow.intake.bills.reports import Report

ADYEN = (
    "Company Account,Psp Reference,Creation Date,TimeZone,Type,Gross Currency,Gross Debit (GC),Gross Credit (GC),"
    "Net Currency,Net Debit (NC),Net Credit (NC),Commission (NC),Modification Merchant Reference,Batch Number\n"
    "C,P1,2026-03-01 10:00:00,CET,Settled,EUR,,100.00,EUR,,98.50,1.50,,7\n"
    "C,P2,2026-03-01 11:00:00,CET,Refunded,EUR,20.00,,EUR,20.10,,0.10,,7\n"
    "C,P3,2026-03-01 11:00:00,CET,Settled,GBP,,10.00,EUR,,11.00,0.50,,7\n"
    "C,,2026-03-02 00:00:00,CET,Balancetransfer,,,,EUR,,5.00,,Balancetransfer from batch 6,7\n"
    "C,,2026-03-02 00:00:00,CET,MerchantPayout,,,,EUR,94.40,,,,7\n"
)
STRIPE = (
    "automatic_payout_id,balance_transaction_id,created_utc,available_on_utc,currency,gross,fee,net,reporting_category,"
    "source_id,more\n"
    "po_1,txn_1,2026-03-01 10:00:00,2026-03-03,eur,100.00,3.20,96.80,charge,ch_1,x\n"
    "po_1,txn_2,2026-03-01 11:00:00,2026-03-03,eur,-20.00,0.00,-20.00,refund,re_1,x\n"
    ",txn_3,2026-03-01 12:00:00,2026-03-03,eur,9.00,1.00,8.00,charge,ch_2,x\n"
    "po_1,txn_4,2026-03-03 00:00:00,2026-03-03,eur,-76.80,0.00,-76.80,payout,po_1,x\n"
)
AMAZON = "\n".join(
    line.replace("|", "\t")
    for line in (
        "settlement-id|settlement-start-date|settlement-end-date|deposit-date|total-amount|currency|transaction-type|"
        "order-id|amount-type|amount-description|amount|posted-date|posted-date-time|sku|quantity-purchased",
        "11|01.03.2026 00:00:00 UTC|15.03.2026 00:00:00 UTC|17.03.2026 00:00:00 UTC|1.007,50|EUR|||||||||",
        "11||||||Order|O-1|ItemPrice|Principal|1.100,00|02.03.2026|02.03.2026 10:20:30 UTC|S-1|2",
        "11||||||Order|O-1|ItemFees|Commission|-92,50|02.03.2026|02.03.2026 10:20:30 UTC|S-1|",
        "",
    )
)


def read(tmp_path: Path, report: Report, text: str, rows_per_part: int = 1000) -> Bill:
    path = tmp_path / "report.csv"
    path.write_text(text)
    assert report.recognises(path.name, text.encode())
    return read_bill(report, path, rows_per_part)


@pytest.mark.parametrize("rows_per_part", [1, 3, 1000])
def test_an_adyen_batch_pays_out_what_it_settles(tmp_path: Path, rows_per_part: int) -> None:
    bill = read(tmp_path, adyen_settlement.FORMAT, ADYEN, rows_per_part)
    assert bill.ties
    assert bill.column("amount") == ["98.50", "-20.10", "11.00", "5.00", "-94.40"]
    assert bill.column("gross") == ["100.00", "-20.00", "10.00", None, None]
    assert bill.rows[0]["occurred_at"] == "2026-03-01T10:00:00+01:00"
    assert [(each.name, each.found, each.line) for each in bill.controls] == [
        ("rows where gross less fees is net", "2", None),
        ("batch 7: payout in EUR", "94.40", 6),
    ]


@pytest.mark.parametrize(
    ("cut", "instead", "name", "stated", "found", "line"),
    [
        ("94.40", "94.41", "batch 7: payout in EUR", "94.41", "94.40", 6),
        ("EUR,,98.50,1.50", "EUR,,98.50,1.40", "net of gross and fees", "98.50", "98.60", 2),
        (
            "C,,2026-03-02 00:00:00,CET,MerchantPayout,,,,EUR,94.40,,,,7\n",
            "",
            "batch 7: payout in EUR",
            "0.00",
            "94.40",
            None,
        ),
    ],
)
def test_an_adyen_report_that_does_not_tie_or_is_cut_off_is_flagged(
    tmp_path: Path, cut: str, instead: str, name: str, stated: str, found: str, line: int | None
) -> None:
    [wrong] = read(tmp_path, adyen_settlement.FORMAT, ADYEN.replace(cut, instead)).disagreeing
    assert (wrong.name, wrong.stated, wrong.found, wrong.line) == (name, stated, found, line)


@pytest.mark.parametrize("rows_per_part", [1, 3, 1000])
def test_a_stripe_payout_is_what_its_rows_add_up_to(tmp_path: Path, rows_per_part: int) -> None:
    bill = read(tmp_path, stripe_balance.FORMAT, STRIPE, rows_per_part)
    assert bill.ties
    assert [(each.name, each.found, each.line) for each in bill.controls] == [
        ("net of gross and fee, all rows", "8.00", None),
        ("payout po_1", "76.80", 5),
    ]
    assert (bill.rows[0]["created_utc"], bill.rows[0]["available_on_utc"]) == (
        "2026-03-01T10:00:00+00:00",
        "2026-03-03",
    )
    assert (bill.rows[0]["currency"], bill.rows[1]["amount"]) == ("EUR", "-20.00")


@pytest.mark.parametrize("rows_per_part", [1, 3, 1000])
def test_a_stripe_row_or_payout_that_does_not_tie_is_flagged(tmp_path: Path, rows_per_part: int) -> None:
    text = STRIPE.replace("9.00,1.00,8.00", "9.00,1.00,8.01").replace("-20.00,0.00,-20.00", "-19.00,0.00,-19.00")
    wrong = read(tmp_path, stripe_balance.FORMAT, text, rows_per_part).disagreeing
    assert [(each.name, each.stated, each.found, each.line) for each in wrong] == [
        ("net of gross and fee", "8.01", "8.00", 4),
        ("payout po_1", "76.80", "77.80", 5),
    ]


@pytest.mark.parametrize("rows_per_part", [1, 2, 1000])
def test_an_amazon_settlement_states_its_total_first(tmp_path: Path, rows_per_part: int) -> None:
    bill = read(tmp_path, amazon_settlement.FORMAT, AMAZON, rows_per_part)
    assert bill.ties
    assert bill.column("amount") == ["1100.00", "-92.50"]
    assert bill.column("currency") == ["EUR", "EUR"]
    assert bill.rows[0]["posted_date_time"] == "2026-03-02T10:20:30+00:00"
    assert bill.rows[0]["posted_date"] == "2026-03-02"
    assert bill.rows[0]["deposit_date"] == "2026-03-17T00:00:00+00:00"
    assert bill.lines == [3, 4]


def test_an_amazon_settlement_that_lacks_a_row_or_its_head_is_flagged(tmp_path: Path) -> None:
    lines = AMAZON.splitlines(keepends=True)
    [wrong] = read(tmp_path, amazon_settlement.FORMAT, "".join(lines[:-1])).disagreeing
    assert (wrong.name, wrong.stated, wrong.found, wrong.line) == ("settlement 11: total", "1007.50", "1100.00", 2)
    [headless] = read(tmp_path, amazon_settlement.FORMAT, "".join([lines[0], *lines[2:]])).disagreeing
    assert headless.stated == "nothing: its first row is missing"


def test_what_braintree_gives_back_is_negative(tmp_path: Path) -> None:
    text = (
        "Transaction ID,Transaction Type,Settlement Currency,Settlement Amount,Disbursement Date,Total Fee Amount\n"
        "a,sale,EUR,10.00,2026-03-01,0.30\nb,credit,EUR,4.00,2026-03-01,0.00\n"
    )
    bill = read(tmp_path, braintree_settlement.FORMAT, text)
    assert bill.column("amount") == ["10.00", "-4.00"]
    assert bill.controls == []


@pytest.mark.parametrize(("report", "text"), [(adyen_settlement.FORMAT, ADYEN), (amazon_settlement.FORMAT, AMAZON)])
def test_a_settlement_without_any_row_is_cut_off(tmp_path: Path, report: Report, text: str) -> None:
    [wrong] = read(tmp_path, report, text.splitlines(keepends=True)[0]).disagreeing
    assert wrong.stated == "nothing: a settlement report has at least one"


@pytest.mark.parametrize("rows_per_part", [1, 2, 1000])
def test_a_last_line_without_an_end_may_be_cut_off(tmp_path: Path, rows_per_part: int) -> None:
    bill = read(tmp_path, stripe_balance.FORMAT, STRIPE[:-1], rows_per_part)
    assert len(bill.rows) == 4
    assert [(each["line"], "may be cut off" in each["reason"]) for each in bill.malformed] == [(6, True)]


@needs("psp")
def test_the_real_reports_tie_but_for_a_row_that_contradicts_itself() -> None:
    adyen = {path.stem: read_bill(adyen_settlement.FORMAT, path) for path in (real("psp") / "adyen").iterdir()}
    assert {name for name, bill in adyen.items() if bill.ties} == {
        "settlement_detail_report_batch_238",
        "adyen_test_credit_fees",
    }
    [wrong] = adyen["adyen_test"].disagreeing
    assert (wrong.name, wrong.stated, wrong.found, wrong.line) == ("net of gross and fees", "659.34", "1591.34", 10)
    assert adyen["adyen_test"].controls[-1].agrees
    braintree = read_bill(braintree_settlement.FORMAT, real("psp") / "braintree" / "pull_report.csv")
    assert braintree.column("amount") == ["993.53", "2241.63"]
    assert braintree.column("disbursement_date") == ["2020-04-08", "2020-04-08"]
