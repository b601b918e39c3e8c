"""`everycent recon LEFT RIGHT` on odd files: each is compared rightly, or refused by name; nothing is half done."""

import gzip
import json
import tarfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from everycent.serve import comparing
from everycent.serve.cli import comparing as command
from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

RIGHT = "id,amount,state\nA,1.00,ok\nB,2.00,ok\nC,3.50,ok\n"


def told(capsys: Any) -> str:
    return " ".join(capsys.readouterr().err.split())


def compared(capsys: Any, *words: object) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run_app(["recon", *map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def archive(path: Path) -> bytes:
    """A tar.gz with the file in it."""
    with tarfile.open(path.with_name("packed.tgz"), "w:gz") as tar:
        tar.add(path, path.name)
    return path.with_name("packed.tgz").read_bytes()


@pytest.fixture
def right(tmp_path: Path) -> Path:
    path = tmp_path / "right.csv"
    path.write_text(RIGHT)
    return path


def test_files_that_are_cut_off_are_refused_by_name(tmp_path: Path, right: Path, capsys: Any) -> None:
    whole = gzip.compress(RIGHT.encode())
    (tmp_path / "whole.csv.gz").write_bytes(whole)
    assert compared(capsys, tmp_path / "whole.csv.gz", right)[0] == exits.OK
    parquet.write_table(pa.table({"id": ["A"] * 1000, "amount": range(1000)}), tmp_path / "whole.parquet")
    cut = {
        "cut.csv.gz": (whole[:-12], "is not a whole gz file"),
        "cut.parquet": (
            (tmp_path / "whole.parquet").read_bytes()[:-40],
            "is not a readable Parquet file, or is cut off",
        ),
        "cut.xlsx": (b"PK\x03\x04" + bytes(200), "is not a readable XLSX workbook"),
        "cut.zip": (b"PK\x03\x04" + bytes(200), "is not a whole zip file"),
        "empty.csv": (b"", "is empty: it has no header line"),
        "binary.csv": (b"\x7fELF\0\0\0\1\0\0\n\0", "is no text file"),
        "many.tar.gz": (archive(tmp_path / "whole.csv.gz"), "is an archive of files (tar); unpack it"),
    }
    for name, (content, said) in cut.items():
        (tmp_path / name).write_bytes(content)
        assert run_app(["recon", str(tmp_path / name), str(right)]) == exits.REFUSED, name
        assert said in told(capsys), name


def test_pages_of_parquet_that_are_damaged_are_refused_by_name(tmp_path: Path, right: Path, capsys: Any) -> None:
    path = tmp_path / "damaged.parquet"
    parquet.write_table(pa.table({"id": [f"K{n}" for n in range(50_000)], "amount": range(50_000)}), path)
    content = bytearray(path.read_bytes())
    content[100:40_000] = bytes(39_900)
    path.write_bytes(bytes(content))
    assert run_app(["recon", str(path), str(right), "--key", "id"]) == exits.REFUSED
    assert "damaged.parquet" in told(capsys)


def test_a_line_without_end_is_refused_in_bounded_memory(tmp_path: Path, right: Path, capsys: Any) -> None:
    path = tmp_path / "endless.csv"
    with path.open("w") as file:
        file.write("id,amount,state\nA,1.00,ok\n")
        for _ in range(70):
            file.write("x" * (1 << 20))
    assert run_app(["recon", str(path), str(right)]) == exits.REFUSED
    assert "line 3 is longer than 64 MiB" in told(capsys)


def test_a_file_with_only_a_header_has_nothing_and_says_so(tmp_path: Path, right: Path, capsys: Any) -> None:
    (tmp_path / "header.csv").write_text("id,amount,state\n")
    code, found = compared(capsys, tmp_path / "header.csv", right)
    assert (code, found["key"], found["buckets"]["missing_left"]["right_rows"]) == (exits.FAILED, ["id"], 3)
    assert found["notes"] == [f"{tmp_path / 'header.csv'} has a header and no rows"]
    assert compared(capsys, tmp_path / "header.csv", tmp_path / "header.csv")[0] == exits.OK


def test_keys_that_nearly_meet_are_told_and_meet_without_capitals(tmp_path: Path, capsys: Any) -> None:
    left, right = tmp_path / "left.csv", tmp_path / "right.csv"
    left.write_text("id,amount\nab1,1.00\nAB2,2.00\n ab3 ,3.00\n007,4.00\n")
    right.write_text("id,amount\nAB1,1.00\nab2,2.00\nab3,3.00\n7,4.00\n")
    code, found = compared(capsys, left, right)
    assert (code, found["buckets"]["equal"]["left_rows"]) == (exits.FAILED, 1)
    assert found["notes"] == [
        "2 values of id are on both sides but for capitals: say --ignore-case (AB2, ab2)",
        "a value of id is on both sides but for zeros before them: write them alike on both sides (007, 7)",
    ]
    assert compared(capsys, left, right, "--ignore-case")[1]["buckets"]["equal"]["left_rows"] == 3
    code, found = compared(capsys, left, left)
    assert (code, found["notes"]) == (exits.OK, [f"{left} is both sides"])


def test_a_spreadsheets_large_numbers_are_numbers(tmp_path: Path, capsys: Any) -> None:
    left, right = tmp_path / "left.csv", tmp_path / "right.csv"
    left.write_text("id,amount\nA,1.25E+03\nB,2e-2\n")
    right.write_text("id,amount\nA,1250\nB,0.02\n")
    assert compared(capsys, left, right)[0] == exits.OK


def test_days_that_a_spreadsheet_counts_are_told(tmp_path: Path, right: Path, capsys: Any) -> None:
    book = openpyxl.Workbook()
    for row in (["id", "amount", "paid_on"], ["A", 1, 46082], ["B", 2, 46083]):
        book.active.append(row)
    book.save(tmp_path / "days.xlsx")
    right.write_text("id,amount,paid_on\nA,1.00,2026-03-01\nB,2.00,2026-03-02\n")
    assert run_app(["recon", str(tmp_path / "days.xlsx"), str(right)]) == exits.FAILED
    said = " ".join(capsys.readouterr().out.split())
    assert "paid_on (numbers on the left, times on the other side; where a spreadsheet counts days" in said


def test_where_nothing_is_an_amount_breaks_show_none(tmp_path: Path, capsys: Any) -> None:
    left, right = tmp_path / "left.csv", tmp_path / "right.csv"
    left.write_text("id,state\nA,paid\nB,open\n")
    right.write_text("id,state\nA,paid\nB,shut\n")
    assert run_app(["recon", str(left), str(right)]) == exits.FAILED
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("B ")]
    assert line.split() == ["B", "other", "column", "differs", "state:", "open", "|", "shut"]


def test_a_key_that_no_row_has_on_both_sides_is_told(tmp_path: Path, right: Path, capsys: Any) -> None:
    (tmp_path / "left.csv").write_text("id,amount\n0001,1.00\n0002,2.00\n")
    code, found = compared(capsys, tmp_path / "left.csv", right, "--key", "id")
    assert code == exits.FAILED
    assert "no value of id is on both sides (the left has for example '0001', the right 'A')" in found["notes"][0]


def test_without_a_common_column_the_two_that_share_values_are_named(tmp_path: Path, right: Path, capsys: Any) -> None:
    (tmp_path / "left.csv").write_text("text,trade_no\nhello,AAA\nworld,BBB\n")
    (tmp_path / "other.csv").write_text("reference,sum\nAAA,1\nBBB,2\n")
    assert run_app(["recon", str(tmp_path / "left.csv"), str(tmp_path / "other.csv")]) == exits.REFUSED
    assert "--key trade_no=reference" in told(capsys)


def test_keys_that_repeat_on_both_sides_are_told(tmp_path: Path, capsys: Any) -> None:
    lines = [f"N{n % 40},{n}.00" for n in range(100)]
    (tmp_path / "left.csv").write_text("\n".join(["order,amount", *lines]))
    (tmp_path / "right.csv").write_text("\n".join(["order,amount", *(f"N{n % 40},{n + 500}.00" for n in range(100))]))
    _, found = compared(capsys, tmp_path / "left.csv", tmp_path / "right.csv", "--key", "order")
    assert "order does not tell rows apart on either side" in found["notes"][0] and found["residual_minor"] == 0


def test_two_columns_together_are_the_key_where_none_alone_is(tmp_path: Path, capsys: Any) -> None:
    rows = [f"O{n // 4},{n % 4},{n}.50" for n in range(40)]
    for name in ("left", "right"):
        (tmp_path / f"{name}.csv").write_text("\n".join(["order_id,line,price", *rows]))
    code, found = compared(capsys, tmp_path / "left.csv", tmp_path / "right.csv")
    assert (code, found["key"]) == (exits.OK, ["order_id", "line"])


def test_amounts_in_several_currencies_never_mix(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "left.csv").write_text("id,amount,currency\nA,10,EUR\nB,5.5,USD\nC,7,JPY\n")
    (tmp_path / "right.csv").write_text("id,amount,currency\nA,10,USD\nB,5.5,USD\nC,8,JPY\n")
    out = tmp_path / "out"
    words = (tmp_path / "left.csv", tmp_path / "right.csv", "--compare", "amount", "--out", out)
    code, found = compared(capsys, *words)
    assert code == exits.FAILED and found["currencies"] == ["EUR", "JPY", "USD"]
    assert found["buckets"]["status_differs"]["left_rows"] == 1, "10 EUR are not 10 USD"
    assert "several currencies" in found["notes"][0]
    page = (out / "report.html").read_text()
    assert page.count("Amounts in ") == 3 and "Amounts in EUR" in page


def test_currencies_never_mix_where_the_key_says_them_either(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "left.csv").write_text("id,amount,currency\nA,100,JPY\nA,1.23,USD\nC,2.50,USD\n")
    (tmp_path / "right.csv").write_text("id,amount,currency\nA,100,JPY\nA,1.24,USD\nC,2.50,USD\n")
    code, found = compared(capsys, tmp_path / "left.csv", tmp_path / "right.csv")
    assert (code, found["key"], found["currencies"]) == (exits.FAILED, ["id", "currency"], ["JPY", "USD"])
    assert [(row["currency"], row["difference_minor"]) for row in found["by_currency"]] == [("JPY", 0), ("USD", -1)]
    run_app(["recon", str(tmp_path / "left.csv"), str(tmp_path / "right.csv")])
    assert "103.7" not in capsys.readouterr().out, "100 JPY and 3.73 USD are not 103.73"


def test_lines_meet_a_bill_that_has_a_row_an_order(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "lines.csv").write_text("order_id,qty,amount\nA,1,5\nA,2,5\nB,1,7\nB,1,1\nC,1,1\nC,2,3\n")
    (tmp_path / "bill.csv").write_text("order_id,amount\nA,10\nB,8\nC,5\n")
    _, found = compared(capsys, tmp_path / "lines.csv", tmp_path / "bill.csv")
    assert found["key"] == ["order_id"] and "3 rows repeat" in found["notes"][0]
    assert "add them up with --sum-left" in found["notes"][0]
    _, found = compared(capsys, tmp_path / "lines.csv", tmp_path / "bill.csv", "--sum-left")
    assert (found["breaks"], found["difference_minor"], found["notes"]) == (1, -1, [])


def test_what_is_called_an_amount_is_never_the_key(tmp_path: Path, capsys: Any) -> None:
    for name in ("left", "right"):
        (tmp_path / f"{name}.csv").write_text("\n".join(["id,amount", *(f"{n % 3},{n}" for n in range(30))]))
    assert run_app(["recon", str(tmp_path / "left.csv"), str(tmp_path / "right.csv")]) == exits.REFUSED
    assert "say --key id with --sum-left --sum-right" in told(capsys)


def test_a_kind_that_there_is_not_is_said(tmp_path: Path, right: Path, capsys: Any) -> None:
    assert run_app(["recon", str(right), str(right), "--compare", "amount:money"]) == exits.REFUSED
    assert "'amount:money': a column is compared as number, time or text, not as money" in told(capsys)


def test_files_without_rows_have_no_cell_to_complain_of(tmp_path: Path, capsys: Any) -> None:
    for name in ("left", "right"):
        (tmp_path / f"{name}.csv").write_text("id,amount\n")
    capsys.readouterr()
    assert run_app(["recon", str(tmp_path / "left.csv"), str(tmp_path / "right.csv")]) == exits.OK
    assert "no number" not in capsys.readouterr().out


def test_a_row_without_an_id_does_not_change_what_the_key_is(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "left.csv").write_text("id,amount,currency\nA,100,JPY\nB,1,KWD\nC,2,USD\nD,7,JPY\n,3,JPY\n")
    (tmp_path / "right.csv").write_text("id,amount,currency\nA,100,JPY\nB,1,KWD\nC,2,USD\nD,7,EUR\n")
    _, found = compared(capsys, tmp_path / "left.csv", tmp_path / "right.csv")
    assert found["key"] == ["id"] and found["buckets"]["status_differs"]["left_rows"] == 1
    assert found["left"]["refused"] == 1, "the row without an id, by name"


def test_numbers_and_dates_of_two_countries_agree(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "de.csv").write_text("ID;Betrag;Datum\nA;1.250,50;03.01.2026\nB;-7,10;15.01.2026\n")
    (tmp_path / "us.csv").write_text("ID,amount,date\nA,1250.50,2026-01-03\nB,(7.10),2026-01-15\n")
    words = ("--compare", "Betrag=amount,Datum=date")
    code, found = compared(capsys, tmp_path / "de.csv", tmp_path / "us.csv", *words)
    assert (code, found["difference_minor"], found["left"]["amount_minor"]) == (exits.OK, 0, 12434)
    said = ("--left-numbers", "comma", "--right-numbers", "point", "--left-dates", "%d.%m.%Y")
    assert compared(capsys, tmp_path / "de.csv", tmp_path / "us.csv", *words, *said)[0] == exits.OK
    assert (
        run_app(["recon", str(tmp_path / "de.csv"), str(tmp_path / "us.csv"), "--left-numbers", "x"]) == exits.REFUSED
    )
    assert "--left-numbers x: write point" in told(capsys)


def test_columns_whose_names_the_engine_has_are_columns_as_any(tmp_path: Path, capsys: Any) -> None:
    content = "id,amount,Amount,source_line,\nA,1,x,9,\nB,2,y,8,\n"
    for name in ("left", "right"):
        (tmp_path / f"{name}.csv").write_text(content)
    code, found = compared(capsys, tmp_path / "left.csv", tmp_path / "right.csv")
    assert code == exits.OK
    assert found["others"] == ["Amount (2)", "source_line (2)", "column 5"]


def test_whole_numbers_of_thirty_eight_digits_are_compared(tmp_path: Path, capsys: Any) -> None:
    big = 10**37 + 1
    for name, number in (("left", big), ("right", big + 1)):
        table = pa.table({"id": ["A", "B"], "amount": [1, 2], "hash": pa.array([5, number], pa.decimal128(38, 0))})
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    code, found = compared(capsys, tmp_path / "left.parquet", tmp_path / "right.parquet", "--out", tmp_path)
    assert code == exits.FAILED and found["buckets"]["status_differs"]["left_rows"] == 1
    (row,) = parquet.read_table(tmp_path / "breaks.parquet").to_pylist()
    assert (row["differs"], row["left_hash"], row["right_hash"]) == ("hash", str(big), str(big + 1))
    words = ("--key", "id", "--compare", "hash:number")
    _, found = compared(capsys, tmp_path / "left.parquet", tmp_path / "right.parquet", *words)
    assert found["left"]["refused"] == 1, "an amount that does not fit is refused, not failed at"


def test_decimals_that_floats_lose_differ_in_the_columns_too(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "left.csv").write_text("id,amount,weight\nA,1,12345678901234567.123456781\nB,2,1.5\n")
    (tmp_path / "right.csv").write_text("id,amount,weight\nA,1,12345678901234567.123456782\nB,2,1.50\n")
    compared(capsys, tmp_path / "left.csv", tmp_path / "right.csv", "--out", tmp_path)
    (row,) = parquet.read_table(tmp_path / "breaks.parquet").to_pylist()
    assert row["differs"] == "weight" and row["right_weight"] == Decimal("12345678901234567.123456782")


def test_a_kind_that_is_said_refuses_cells_that_are_not_of_it(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "left.csv").write_text("id,amount,score\nA,1,7\nB,2,high\n")
    (tmp_path / "right.csv").write_text("id,amount,score\nA,1,7.0\nB,2,9\n")
    words = (tmp_path / "left.csv", tmp_path / "right.csv", "--compare", "amount,score:number")
    assert run_app(["recon", *map(str, words)]) == exits.FAILED
    assert "line 3: not compared: score is high, which is no number" in told(capsys)
    assert compared(capsys, *words)[1]["breaks"] == 1, "B is missing on the left: its row there is refused"


@pytest.fixture
def odd_breaks(tmp_path: Path, capsys: Any) -> Path:
    (tmp_path / "left.csv").write_text(
        "id,amount,note,paid_at\n=1+1,1.25,<script>alert(1)</script>,2026-03-01 10:00:00\n"
        '"@SUM(A1)",-2.00,-x,2026-02-01\n'
        "+7,12345678901234567.89,ok,2026-03-03\n"
    )
    (tmp_path / "right.csv").write_text(
        "id,amount,note,paid_at\n=1+1,1.30,fine,2026-03-01 10:00:00\nZ,4,ok,2026-03-05\n"
    )
    compared(capsys, tmp_path / "left.csv", tmp_path / "right.csv", "--key", "id", "--out", tmp_path / "out")
    return tmp_path / "out"


def test_the_workbook_has_numbers_and_dates_and_runs_no_formulas(odd_breaks: Path) -> None:
    book = openpyxl.load_workbook(odd_breaks / "breaks.xlsx")
    assert book.sheetnames == ["summary", "breaks"]
    head, *rows = book["breaks"].iter_rows()
    at = {cell.value: place for place, cell in enumerate(head)}
    by_key = {row[at["key"]].value: row for row in rows}
    assert all(row[at["key"]].data_type == "s" for row in rows), "texts that look like formulas stay texts"
    assert by_key["=1+1"][at["left_amount"]].value == 1.25
    assert by_key["=1+1"][at["left_paid_at"]].value == datetime(2026, 3, 1, 10)
    assert by_key["+7"][at["left_amount"]].value == "12345678901234567.89", "a float would have rounded it"
    assert {row[0].value for row in book["summary"].iter_rows()} >= {
        "left file",
        "in all",
        "the amounts differ, and so does another column",
    }


def test_the_csv_runs_no_formulas_and_parquet_has_the_cells_as_they_are(odd_breaks: Path) -> None:
    guarded = csv.read_csv(odd_breaks / "breaks.csv")["key"].to_pylist()
    assert sorted(guarded) == ["'+7", "'=1+1", "'@SUM(A1)", "Z"]
    assert sorted(parquet.read_table(odd_breaks / "breaks.parquet")["key"].to_pylist()) == [
        "+7",
        "=1+1",
        "@SUM(A1)",
        "Z",
    ]


def test_the_page_stands_alone_and_escapes_what_comes_from_outside(odd_breaks: Path) -> None:
    page = (odd_breaks / "report.html").read_text()
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert "http://" not in page and "https://" not in page and "src=" not in page
    for english, chinese in (("How old the breaks are", "差错账龄"), ("Where each row ends", "每一行的归类")):
        assert english in page and chinese in page
    assert 'role="img" aria-label="' in page


def test_a_disk_that_is_full_leaves_nothing_and_names_the_folder(tmp_path: Path, right: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".breaks.csv.part").symlink_to("/dev/full")
    (tmp_path / "left.csv").write_text("id,amount,state\nA,9.00,ok\n")
    assert run_app(["recon", str(tmp_path / "left.csv"), str(right), "--out", str(out)]) == exits.UNAVAILABLE
    assert f"{out}: no space left on device" in told(capsys)
    assert list(out.iterdir()) == []


def test_a_folder_that_cannot_be_is_refused_before_the_work(tmp_path: Path, right: Path, capsys: Any) -> None:
    assert run_app(["recon", str(right), str(right), "--out", str(right / "within")]) == exits.REFUSED
    assert "a file stands where a folder is needed" in told(capsys)


def test_a_comparison_that_is_stopped_leaves_what_was_there(
    tmp_path: Path, right: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    (tmp_path / "left.csv").write_text("id,amount,state\nA,9.00,ok\n")
    words = ["recon", str(tmp_path / "left.csv"), str(right), "--out", str(out)]
    assert run_app(words) == exits.FAILED
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_write_page", stop)
    assert run_app(words) == 130
    assert f"stopped; nothing was written to {out}" in told(capsys)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_progress_is_told(tmp_path: Path, right: Path) -> None:
    from everycent.base.engine.local import LocalEngine

    stages: list[str] = []
    with LocalEngine(1, 256, tmp_path / "spill") as engine:
        comparing.compare_files(
            right, right, comparing.Asked(), engine, lambda stage, done, total: stages.append(stage)
        )
    assert list(dict.fromkeys(stages)) == [
        "reading right.csv", "looking at the columns", "finding what differs", "explaining what differs",
    ]  # fmt: skip
