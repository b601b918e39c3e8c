"""PayPal's reports in; rows with their moment, and the running balance of each currency."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_bills import Bill, needs, read_bill, real

from everycent.flow.intake.bills.paypal_activity import DAY_FIRST, FORMAT, MONTH_FIRST
from everycent.flow.intake.bills.reports import Report
from everycent.flow.intake.contract import SourceError

HEADER = "Date,Time,TimeZone,Name,Type,Status,Currency,Gross,Fee,Net,Transaction ID,Balance,Balance Impact\n"
ROWS = [
    '31/03/2026,23:30:00,PDT,Anna,Payment,Completed,USD,"1,010.00",-10.00,"1,000.00",T1,"1,100.00",Credit\n',
    "31/03/2026,23:31:00,Europe/Berlin,Bea,Payment,Completed,EUR,5.00,0.00,5.00,T2,5.00,Credit\n",
    "31/03/2026,23:32:00,PDT,Anna,Authorisation,Pending,USD,77.00,0.00,77.00,T3,1100.00,Memo\n",
    "01/04/2026,00:10:00,PDT,,Withdrawal,Completed,USD,-100.00,0.00,-100.00,T4,1000.00,Debit\n",
]


def read(tmp_path: Path, text: str, report: Report = FORMAT, rows_per_part: int = 1000) -> Bill:
    path = tmp_path / "activity.csv"
    path.write_text(text)
    return read_bill(report, path, rows_per_part)


def test_a_transaction_is_a_row_with_its_moment(tmp_path: Path) -> None:
    bill = read(tmp_path, HEADER + "".join(ROWS))
    assert bill.column("occurred_at") == [
        "2026-03-31T23:30:00-07:00",
        "2026-03-31T23:31:00+02:00",
        "2026-03-31T23:32:00-07:00",
        "2026-04-01T00:10:00-07:00",
    ]
    assert [bill.rows[0][name] for name in ("gross", "fee", "amount", "balance")] == [
        "1010.00",
        "-10.00",
        "1000.00",
        "1100.00",
    ]
    assert bill.lines == [2, 3, 4, 5]
    assert FORMAT.recognises("any.csv", HEADER.encode())


@pytest.mark.parametrize("rows_per_part", [1, 2, 1000])
def test_the_balance_of_each_currency_runs_and_a_memo_does_not_move_it(tmp_path: Path, rows_per_part: int) -> None:
    for rows in (ROWS, ROWS[::-1]):  # newest first ties too
        bill = read(tmp_path, HEADER + "".join(rows), rows_per_part=rows_per_part)
        assert {(each.name, each.found) for each in bill.controls} == {
            ("balance USD", "1000.00" if rows is ROWS else "1100.00"),
            ("balance EUR", "5.00"),
        }
        assert bill.ties


@pytest.mark.parametrize("rows_per_part", [1, 2, 1000])
def test_the_first_row_where_the_balance_parts_is_told(tmp_path: Path, rows_per_part: int) -> None:
    later = "02/04/2026,00:10:00,PDT,,Fee,Completed,USD,-1.00,0.00,-1.00,T5,1.00,Debit\n"
    text = HEADER + "".join(ROWS).replace("T4,1000.00", "T4,999.99") + later
    [wrong] = read(tmp_path, text, rows_per_part=rows_per_part).disagreeing
    assert (wrong.name, wrong.stated, wrong.found, wrong.line) == ("balance USD", "999.99", "1000.00", 5)


def test_a_row_that_is_missing_is_noticed(tmp_path: Path) -> None:
    more = "02/04/2026,00:10:00,PDT,,Fee,Completed,USD,-1.00,0.00,-1.00,T5,999.00,Debit\n"
    assert read(tmp_path, HEADER + "".join(ROWS) + more).ties
    assert read(tmp_path, HEADER + "".join(ROWS[:3]) + more).disagreeing[0].line == 5


def test_dates_that_could_be_either_are_refused_and_a_format_of_either_order_reads_them(tmp_path: Path) -> None:
    text = HEADER + ROWS[3]
    with pytest.raises(SourceError, match="paypal_activity_dmy or paypal_activity_mdy"):
        read(tmp_path, text)
    assert read(tmp_path, text, DAY_FIRST).rows[0]["occurred_at"] == "2026-04-01T00:10:00-07:00"
    assert read(tmp_path, text, MONTH_FIRST).rows[0]["occurred_at"] == "2026-01-04T00:10:00-07:00"
    one_way = HEADER + "".join(ROWS[3].replace("01/04/2026", day) for day in ("01/02/2026", "11/01/2026", "12/02/2026"))
    assert read(tmp_path, one_way).rows[1]["occurred_at"].startswith("2026-11-01")  # only so the days go one way


def test_what_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    bad = ROWS[0].replace("31/03", "31/02"), ROWS[0].replace("-10.00", "ten"), "31/03/2026,only two\n"
    bill = read(tmp_path, HEADER + ROWS[0] + "".join(bad) + ROWS[3])
    assert bill.lines == [2, 6]
    assert [(each["line"], each["reason"].split(" cannot")[0].split(";")[0]) for each in bill.malformed] == [
        (3, "date '31/02/2026'"),
        (4, "fee 'ten'"),
        (5, "the row has 2 fields, the header has 13"),
    ]


def test_a_zone_that_nobody_knows_gives_no_offset(tmp_path: Path) -> None:
    bill = read(tmp_path, HEADER + ROWS[0].replace("PDT", "Europe/Atlantis") + ROWS[0].replace("PDT", "XYZ"))
    assert bill.column("occurred_at") == ["2026-03-31T23:30:00"] * 2


def test_another_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match="is not a report of format paypal_activity: it has no column date, only a, b"
    ):
        read(tmp_path, "a,b\n1,2\n")
    with pytest.raises(SourceError, match="is empty"):
        read(tmp_path, "")
    assert read(tmp_path, HEADER).rows == []


MOVES = st.lists(st.tuples(st.sampled_from(["EUR", "JPY"]), st.integers(-(10**9), 10**9)), max_size=12)


@given(MOVES, st.integers(1, 5), st.booleans())
def test_any_running_balance_ties_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, int]], rows_per_part: int, newest_first: bool
) -> None:
    balance, rows = {"EUR": 500, "JPY": -7}, []
    for at, (code, cents) in enumerate(moves):
        balance[code] += cents
        net, after = Decimal(cents) / 100, Decimal(balance[code]) / 100
        rows.append(f"13/01/2026,00:{at:02}:00,UTC,,P,Completed,{code},{net},0,{net},T{at},{after},\n")
    text = HEADER + "".join(rows[::-1] if newest_first else rows)
    bill = read(tmp_path_factory.mktemp("paypal"), text, rows_per_part=rows_per_part)
    assert not bill.disagreeing
    assert {each.name for each in bill.controls} == {f"balance {code}" for code, _ in moves}


@needs("psp")
def test_the_real_reports_tie_row_by_row() -> None:
    activity = read_bill(FORMAT, real("psp") / "paypal" / "activity_en.csv")
    assert (len(activity.rows), len(activity.controls), activity.ties) == (76, 3, True)
    assert activity.rows[-1]["occurred_at"] == "2016-11-01T18:39:27-07:00"
    statement = read_bill(FORMAT, real("psp") / "paypal" / "statement_en.csv", 3)
    assert (len(statement.rows), len(statement.controls), statement.ties) == (19, 2, True)
    assert statement.rows[-1]["occurred_at"] == "2018-09-30T21:22:33-07:00"
