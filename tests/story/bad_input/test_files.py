"""Bad input, through the real command line: a clear message, an exit code that says so, nothing lost or half-written.

What cannot be used is refused: exit code 2, one message that says what is wrong, where, and what would be right, and a
database that is the same to the byte. What can be used but for some rows is used: the rows are set aside, each with its
line and its reason, and all rows of a file are accounted for.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from shop import RATES, SALES, Shop, parquet, sale, workbook

from everycent.serve.cli import exits

# ---- Files that cannot be used

UNUSABLE_FILES: dict[str, tuple[Mapping[str, str | bytes], str]] = {
    "a declared column that is not there": (
        {"sale.csv": SALES.replace("price", "pirce") + sale("S1")},
        "sale.csv has no column 'price'; did you mean pirce or pieces? It has: sale, merchant, category,",
    ),
    "a delimiter that is not declared": (
        {"sale.csv": (SALES + sale("S1")).replace(",", ";")},
        "sale.csv has no column 'sale'; It has: sale;merchant;category;price;pieces;sold_at. "
        "Name the file's column with 'from', or check the encoding and the delimiter",
    ),
    "a GBK file read as UTF-8": (
        {"sale.csv": (SALES + sale("S1", merchant="卖家")).encode("gbk")},
        "sale.csv is not utf-8: byte 0xC2 at offset 47, line 2, is no character of it (invalid continuation byte); it "
        "could be gb18030: write encoding: gb18030 in the model",
    ),
    "a UTF-16 file read as UTF-8": (
        {"sale.csv": (SALES + sale("S1")).encode("utf-16")},
        "it looks like utf-16: write encoding: utf-16 in the model",
    ),
    "an empty file": (
        {"sale.csv": ""},
        "sale.csv is empty: it has no header line; its first line must name the columns",
    ),
    "an empty file beside one without rows": (
        {"sale.csv": SALES, "sale_2.csv": ""},
        "sale_2.csv is empty: it has no header line",
    ),
    "a Parquet file without a byte": ({"sale.parquet": b""}, "sale.parquet is empty: it has no bytes"),
    "a workbook without a byte": ({"sale.xlsx": b""}, "sale.xlsx is empty: it has no bytes"),
    "JSON lines without a line": ({"sale.jsonl": "\n\n"}, "sale.jsonl is empty: it has no line with a JSON object"),
    "the last of several files in another encoding": (
        {"sale.csv": SALES + sale("S9"), "refund.csv": b"refund,sale,given,given_at\nR1,S1,1.00," + b"\xff\n"},
        "refund.csv is not utf-8: byte 0xFF at offset 38, line 2",
    ),
    "a column that occurs twice": (
        {"sale.csv": SALES.replace("pieces", "price") + sale("S1")},
        "sale.csv: the column name 'price' occurs twice (columns 4, 5); rename one of them",
    ),
    "a header with a broken quote": (
        {"sale.csv": 'sale,"merchant\n' + sale("S1")},
        "sale.csv: the header on line 1 is malformed: a quote is opened and never closed",
    ),
    "a truncated Parquet file": ({"sale.parquet": parquet()[:-100]}, "sale.parquet is not a readable Parquet file"),
    "a truncated workbook": (
        {"sale.xlsx": workbook(["sale"])[:200]},
        "sale.xlsx is not a readable XLSX workbook: invalid Zip archive",
    ),
    "an empty workbook": (
        {"sale.xlsx": workbook()},
        "sale.xlsx is empty: its sheet has no header row; its first row must name the columns",
    ),
    "random bytes": (
        {"sale.csv": bytes(range(128, 256)) * 100},
        "sale.csv is not utf-8: byte 0x80 at offset 0, line 1",
    ),
    "a file that no kind takes": (
        {"orders.csv": SALES + sale("S1")},
        "no record kind takes orders.csv; the model's kinds are sale (sale*), refund (refund*). "
        "Rename the file, or name its kind: --records sale=",
    ),
    "a folder without files": ({}, "there is no file in what --records names; give files, a folder with files, or a"),
    "a rate table with a key twice": (
        {"sale.csv": SALES + sale("S9"), "../rates.csv": RATES + "toys,0.20\n"},
        "rates.csv: lines 2 and 4 have the same key, category toys; keep one, or say with 'valid' when each holds",
    ),
    "a rate table with overlapping validity": (
        {
            "sale.csv": SALES + sale("S9"),
            "../rates.csv": "category,rate,valid_from,valid_to\ntoys,0.1,2026-01-01,2026-04-01\ntoys,0.2,2026-03-01,\n",
        },
        "rates.csv: lines 2 and 3 hold at the same time for category toys; end one where the other begins",
    ),
    "a rate that is no number": (
        {"sale.csv": SALES + sale("S9"), "../rates.csv": RATES.replace("0.05", "5 %")},
        "rates.csv, line 3: rate: '5 %' is not a number; write for example 1234.5; an attached table must be clean",
    ),
    "a rate table in another encoding": (
        {"sale.csv": SALES + sale("S9"), "../rates.csv": (RATES + "玩具,0.1\n").encode("gbk")},
        "rates.csv is not utf-8: byte 0xCD at offset 35, line 4",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE_FILES)
def test_a_file_that_cannot_be_used_leaves_nothing_behind(books: tuple[Shop, str], case: str) -> None:
    files, said = UNUSABLE_FILES[case]
    shop, before = books
    folder = shop.folder / f"case {uuid.uuid4().hex}"
    folder.mkdir()
    shop.write({f"{folder.name}/{name}": content for name, content in files.items()})
    answer = shop.run(records=folder.name)
    shop.write({"rates.csv": RATES})
    assert (answer.code, answer.out) == (exits.REFUSED, "")
    assert said in answer.err.replace(f"{folder.name}/", "")
    assert shop.dump_hash() == before


UNUSABLE_WAYS: dict[str, tuple[tuple[str, ...], str]] = {
    "a bill that is not there": (("--bill", "nowhere.csv"), "there is no file nowhere.csv; give files, a folder, or a"),
    "a bill that no reconciliation takes": (
        ("--bill", "FOLDER/rates.csv"),
        "no reconciliation takes rates.csv; the model's other sides are in bill*",
    ),
    "a bill without its columns": (("--bill", "FOLDER/bill_odd.csv"), "bill_odd.csv has no column 'price'"),
    "a folder for the files that is a file": (
        ("--out", "FOLDER/rates.csv"),
        "--out rates.csv cannot be written to: File exists; name another folder",
    ),
    "a folder for the files below a file": (
        ("--out", "FOLDER/rates.csv/out"),
        "--out rates.csv/out cannot be written to: Not a directory; name another folder",
    ),
    "records that are not there": (("--records", "FOLDER/none/*.csv"), "there is no file none/*.csv"),
    "a day that no calendar has": (
        ("--as-of", "2026-02-30"),
        "'2026-02-30' is not a date; write for example 2026-03-31",
    ),
    "an option that is not there": (("--recrods", "data"), "No such option: --recrods"),
}


@pytest.mark.parametrize("case", UNUSABLE_WAYS)
def test_a_command_that_cannot_be_followed_leaves_nothing_behind(books: tuple[Shop, str], case: str) -> None:
    arguments, said = UNUSABLE_WAYS[case]
    shop, before = books
    shop.write({"bill_odd.csv": "sale,amount\nS1,10.00\n", "new/sale.csv": SALES + sale("S9")})
    answer = shop.run(*(text.replace("FOLDER", str(shop.folder)) for text in arguments), records="new")
    assert (answer.code, answer.out) == (exits.REFUSED, "")
    assert said in answer.err
    assert shop.dump_hash() == before


# ---- Rows that cannot be used

#: A row, and why it is set aside; None where it is fine.
ROWS: list[tuple[str, str | None]] = [
    (sale("A1"), None),
    (sale("A2", price="10.001"), "price: '10.001' has 3 decimals, CNY has 2; write 10.00 or 10.01"),
    (sale("A3", price="NaN"), "price: 'NaN' is not a number; write for example 12345.67"),
    (sale("A4", price="inf"), "price: 'inf' is not a number; write for example 12345.67"),
    (sale("A5", price="1e30"), "price: '1e30' is in scientific notation; write all digits, for example 12345.67"),
    (sale("A6", price='"1,000.00"'), "price: '1,000.00' has thousands separators; write the digits together"),
    (sale("A7", price="￥10"), "price: '￥10' is not an amount; write for example 12345.67"),
    (sale("A8", price="92233720368547758.08"), "does not fit; CNY lies between -92233720368547758.08 and"),
    (sale("A9", price="-0.00"), None),
    (sale("B1", price=""), "price is missing"),
    (sale("B2", pieces="1.5"), "pieces: '1.5' has 1 decimal, integer has 0; write 1 or 2"),
    (sale("B3", merchant='"m\n-1"'), None),
    (sale("B4", merchant='"m-1'), "a quote is opened and never closed; close it, or double it where it is text"),
    (sale("B5", merchant='"m"-1'), 'text follows a closing quote; double the quotes inside a quoted field ("")'),
    (sale("B6").replace("\n", ",more\n"), "the row has 7 fields, the header has 6; quote a field that holds ','"),
    ("B7,m-1\n", "the row has 2 fields, the header has 6"),
    (sale("B8\0"), "sale: 'B8\\0' holds a NUL character, which cannot be stored; take it out"),
    (sale("B9").replace("03-01", "02-30"), "sold_at: '2026-02-30 10:00' is not a time like 2026-03-01 10:00:00; name"),
    (sale("C1").replace("2026-", "9999-"), "sold_at is 9999-03-01 10:00:00; business time lies between 1900 and 2999"),
    (sale("C2/ü/卖"), None),
    (sale("C3" * 5000), None),
    (sale("'; drop table intake.record; --"), None),
    (sale("A1"), "the same row came before: sale.csv, line 2"),
    (
        sale("A1", price="9.00"),
        "the same id came before with other content: sale.csv, line 2; price is 9.00 and was",
    ),
    ("x" * 2_000_000 + "\n", "the row is longer than 1 MiB"),
]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "BOM and CRLF"])
def test_rows_that_cannot_be_used_are_set_aside_with_their_line_and_reason(shop: Shop, line_end: str) -> None:
    text = SALES + "".join(row for row, _ in ROWS)
    # Two sale fields hold a line end: the one with a quote is one row on two lines, the broken one is two.
    shop.write({"data/sale.csv": ("\ufeff" if line_end != "\n" else "") + text.replace("\n", line_end)})
    answer = shop.run("--out", str(shop.folder / "out"))
    [file] = answer.json["files"]
    fine = sum(1 for _, why in ROWS if why is None)
    assert answer.code == exits.OK and answer.json["verified"]
    assert (file["rows"], file["accepted"]) == (len(ROWS), fine)
    assert file["rows"] == sum(file[outcome] for outcome in ("accepted", "duplicate", "conflict", "quarantined"))
    aside = pq.read_table(shop.folder / "out" / "quarantine.parquet").to_pylist()
    found = [row["reason"] for row in sorted(aside, key=lambda row: row["source_line"])]
    for reason, said in zip(found, [why for _, why in ROWS if why is not None], strict=True):
        assert said in reason


def test_a_damaged_page_of_a_parquet_file_is_named_and_the_file_can_be_sent_again(shop: Shop) -> None:
    whole = parquet()
    shop.write({"data/sale.parquet": whole[:8] + b"\xff" * 200 + whole[208:]})
    damaged = shop.run()
    assert (damaged.code, damaged.out) == (exits.REFUSED, "")
    assert "data/sale.parquet is damaged: " in damaged.err and "have it sent again" in damaged.err
    shop.write({"data/sale.parquet": whole})
    answer = shop.run()
    assert answer.json["files"][0]["rows"] == 1000 and answer.json["verified"]


def test_a_header_alone_is_a_file_of_no_rows(shop: Shop) -> None:
    shop.write({"data/sale.csv": SALES})
    answer = shop.run()
    assert (answer.code, answer.json["files"][0]["rows"], answer.json["verified"]) == (exits.OK, 0, True)


def test_empty_files_of_a_folder_are_told_and_the_others_taken_in(shop: Shop) -> None:
    empty: dict[str, str | bytes] = {
        "sale_1.csv": "",
        "sale_2.csv": "\ufeff\n\n",
        "sale_3.jsonl": b"",
        "sale_4.parquet": b"",
        "sale_5.xlsx": workbook(),
        "sale_6.xlsx": b"",
        "refund.csv": "",
    }
    rows = {"sale.csv": SALES + sale("S1"), "sale_0.parquet": parquet(), "sale_header.csv": SALES}
    shop.write({f"data/{name}": content for name, content in (empty | rows).items()})
    answer = shop.run()
    assert answer.code == exits.OK and answer.json["verified"]
    assert [file["rows"] for file in answer.json["files"]] == [1, 1000, 0]
    assert sorted(Path(file).name for file in answer.json["empty_files"]) == sorted(empty)
    told = shop.command("run", f"{shop.folder}/model.yaml", "--records", f"{shop.folder}/data", "--as-of", "2026-04-30")
    for name in empty:
        assert f"data/{name} is empty: nothing of it was taken in, the other files were" in told.err
    assert "nothing changed: all of this was there already" in told.out


def test_an_empty_file_named_by_itself_is_refused(shop: Shop) -> None:
    shop.write({"data/sale.csv": SALES + sale("S1"), "data/sale_1.csv": ""})
    answer = shop.run("--records", f"sale={shop.folder}/data/sale_1.csv")
    assert (answer.code, answer.out) == (exits.REFUSED, "")
    assert "sale_1.csv is empty: it has no header line" in answer.err


def test_a_gbk_file_whose_encoding_is_declared_is_read(shop: Shop) -> None:
    shop.model(("id: [sale]\n", "id: [sale]\n    encoding: gbk\n"))
    shop.write({"data/sale.csv": (SALES + sale("S1", merchant="卖家")).encode("gbk")})
    assert shop.run("--out", str(shop.folder / "out")).code == exits.OK
    assert pq.read_table(shop.folder / "out" / "records_sale.parquet")["merchant"].to_pylist() == ["卖家"]


def test_json_lines_with_a_broken_line_and_big_numbers(shop: Shop) -> None:
    row = (
        '{"sale": "%s", "merchant": "m", "category": "toys", "price": %s, "pieces": 1, "sold_at": "2026-03-01 10:00"}\n'
    )
    lines = [
        row % ("J1", "92233720368547758.07"),
        '{"sale": \n',
        row % ("J2", "12345678901234567890"),
        "[1, 2]\n",
        "{}\n",
    ]
    shop.write({"data/sale.jsonl": "".join(lines)})
    answer = shop.run()
    assert [answer.json["files"][0][name] for name in ("rows", "accepted", "quarantined")] == [5, 1, 4]
    said = answer.reasons()
    assert said["sale.jsonl:2"].startswith("the line is not JSON")
    assert said["sale.jsonl:3"].startswith("price: '12345678901234567890' does not fit")
    assert said["sale.jsonl:4"] == "the line is a JSON array; write one object a line, without brackets around them"
    assert said["sale.jsonl:5"] == "sale is missing"


def test_a_workbook_with_dates_decimals_and_formulas(shop: Shop) -> None:
    header, day = SALES.strip().split(","), datetime(2026, 3, 1, 10)
    rows = [
        ["X1", "m-1", "toys", 10.1, 1, day],
        ["X2", "m-1", "toys", "=5*2", 1, day],
        ["X3", "m-1", "toys", 1e30, 1, day],
    ]
    shop.write({"data/sale.xlsx": workbook(header, *rows)})
    answer = shop.run()
    assert [answer.json["files"][0][name] for name in ("rows", "accepted", "quarantined")] == [3, 1, 2]
    said = answer.reasons()
    assert said["sale.xlsx:3"] == "price is missing"  # nobody has computed the formula yet
    assert "scientific notation" in said["sale.xlsx:4"]


# ---- Charges that cannot be computed


def test_a_charge_that_cannot_be_computed_waits_and_the_batch_goes_on(shop: Shop) -> None:
    shop.model(
        ("amount: price * rate", "rules: [{when: pieces < 10, amount: price * rate / pieces}]"),
    )
    rows = [sale("S1"), sale("S2", pieces="0"), sale("S3", category="boats"), sale("S4", pieces="10")]
    shop.write({"data/sale.csv": SALES + "".join(rows)})
    answer = shop.run()
    assert answer.code == exits.OK and answer.json["verified"]
    assert [answer.json["files"][0][name] for name in ("rows", "accepted", "held")] == [4, 4, 3]
    assert answer.reasons() == {
        "sale:S3": "commission: factor rate is missing for category 'boats'",
        "sale:S4": "commission: no rule of charge commission matched; tried: commission rule 1",
        "sale:S2": "commission: price * rate / pieces divides by zero with price = 10.00, rate = 0.1, pieces = 0",
    }


def test_an_amount_beyond_64_bits_is_set_aside(shop: Shop) -> None:
    shop.model(("amount: price * rate", "amount: price * 3"))
    shop.write({"data/sale.csv": SALES + sale("S1", price="92233720368547758.07") + sale("S2")})
    answer = shop.run()
    assert answer.code == exits.OK and answer.json["verified"] and answer.json["files"][0]["held"] == 1
    assert "more than an amount can hold" in next(iter(answer.reasons().values()))


# ---- Refunds

REFUNDS = "refund,sale,given,given_at\n"


def test_a_refund_before_its_original_is_accepted_when_its_file_is_given_again(shop: Shop) -> None:
    shop.write({"data/refund.csv": REFUNDS + "R1,S1,4.00,2026-03-02 10:00\n"})
    first = shop.run()
    assert [first.json["files"][0][name] for name in ("accepted", "quarantined")] == [0, 1]
    assert first.reasons()["refund.csv:2"] == (
        "refunds sale S1, which has not arrived; take it in first, then run this file again"
    )
    shop.write({"data/sale.csv": SALES + sale("S1")})
    again = shop.run()
    assert [file["accepted"] for file in again.json["files"]] == [1, 1] and again.json["verified"]
    third = shop.run()
    assert third.json["changed"] is False and third.json["verified"]


def test_nothing_is_refunded_twice_or_beyond_its_worth(shop: Shop) -> None:
    refunds = ["R1,S1,11.00", "R2,S1,10.00", "R3,S1,10.00", "R2,S1,10.00", "R2,S1,9.00", "R4,S2,-1.00", "R5,S9,1.00"]
    shop.write(
        {
            "data/sale.csv": SALES + sale("S1") + sale("S2"),
            "data/refund.csv": REFUNDS + "".join(f"{row},2026-03-02 10:00\n" for row in refunds),
        }
    )
    answer = shop.run()
    counts = answer.json["files"][1]
    assert [counts[name] for name in ("rows", "accepted", "duplicate", "conflict", "quarantined")] == [7, 1, 1, 1, 4]
    assert answer.json["verified"]
    said = answer.reasons()
    worth = "which is worth 10.00 CNY and of which"
    assert said["refund.csv:2"] == (
        f"refunds 11.00 CNY of sale S1, {worth} 0.00 CNY is refunded already; at most 10.00 CNY is left"
    )
    assert said["refund.csv:4"] == (
        f"refunds 10.00 CNY of sale S1, {worth} 10.00 CNY is refunded already; at most 0.00 CNY is left"
    )
    assert said["refund.csv:7"] == "a refund must be above 0; this one is -1.00 CNY"


# ---- Hostile names


def test_hostile_names_are_only_names(shop: Shop) -> None:
    names = [
        "=cmd|' /C calc'!A0",
        "<script>alert(1)</script>",
        "'; DELETE FROM intake.record; --",
        "[/]",
        "%s {0}",
        "a/b",
    ]
    shop.model(("channels: [bank_file]", "channels: [bank_file], account: {table: accounts}"))
    model = (shop.folder / "model.yaml").read_text()
    columns = "{merchant: text, account: text, account_name: text}"
    table = f"tables:\n  accounts: {{file: accounts.csv, key: [merchant], columns: {columns}}}\n"
    accounts = "merchant,account,account_name\n" + "".join(f'"{name}",=1+1,"{name}"\n' for name in names)
    shop.write({"model.yaml": model.replace("records:\n", table + "records:\n", 1), "accounts.csv": accounts})
    shop.write({"data/sale.csv": SALES + "".join(sale(f"S{at}", f'"{name}"') for at, name in enumerate(names))})
    out = shop.folder / "out"
    assert shop.run("--out", str(out)).json["verified"]
    page = (out / "report.html").read_text()
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page
    [payments] = out.glob("payments*.csv")
    cells = [cell.strip('"') for line in payments.read_text().splitlines() for cell in line.split(",")]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+", "\t"))]
    assert shop.command("run", str(shop.folder / "model.yaml"), "--records", str(shop.folder / "data")).code == exits.OK


# ---- What programs read


def test_every_command_gives_one_json_object(books: tuple[Shop, str]) -> None:
    shop, _ = books
    model = str(shop.folder / "model.yaml")
    for arguments in (
        ("model", "check", model),
        ("model", "test", model),
        ("verify",),
        ("report", "--out", str(shop.folder / "report.html")),
        ("explain", "sale:S1"),
        ("db", "status"),
        ("db", "upgrade"),
        ("init", str(shop.folder / f"new-{uuid.uuid4().hex}"), "--orders", "20"),
    ):
        answer = shop.command(*arguments, "--json")
        assert answer.code == exits.OK, (arguments, answer.err)
        assert answer.json and answer.err == "", arguments


def test_breaks_fail_a_script_that_asks_for_it(shop: Shop) -> None:
    shop.write({"data/sale.csv": SALES + sale("S1") + sale("S2")})
    bill = shop.folder / "bill.csv"
    for price, code in (("10.00", exits.OK), ("9.99", exits.FAILED)):
        shop.write({"bill.csv": f"sale,price\nS1,10.00\nS2,{price}\n"})
        assert shop.run("--bill", str(bill), "--fail-on-breaks").code == code
        assert shop.run("--bill", str(bill)).code == exits.OK


def test_questions_about_what_is_not_there(books: tuple[Shop, str]) -> None:
    shop, before = books
    for arguments, said in (
        (("explain", "S7"), "nothing is stored by the name 'S7'"),
        (("verify", "--model", "corner-shp"), "the database holds no model 'corner-shp'; it holds corner-shop"),
        (("report", "--model", "x"), "the database holds no model 'x'"),
        (("report", "--out", f"{shop.folder}/rates.csv/report.html"), "rates.csv: "),
        (
            ("db", "dump", "--out", f"{shop.folder}/none/dump.txt"),
            "none/dump.txt: no such file or directory; the folder",
        ),
        (
            ("model", "schema", "--out", f"{shop.folder}/none/schema.json"),
            "none/schema.json: no such file or directory",
        ),
        (("init", str(shop.folder)), "is not empty; name a new folder"),
    ):
        answer = shop.command(*arguments)
        assert (answer.code, answer.out) == (exits.REFUSED, ""), (arguments, answer.err)
        assert said in answer.err
    assert shop.dump_hash() == before


def test_the_program_itself_ends_with_these_codes_and_without_colours(books: tuple[Shop, str]) -> None:
    shop, _ = books

    def program(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "everycent.serve.cli", *arguments]
        plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # names are Chinese, the terminal is not
        env = {**os.environ, **shop.env, "EVERYCENT_THREADS": "1", **plain}
        return subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=False)

    model, data = str(shop.folder / "model.yaml"), str(shop.folder / "data")
    good = program("run", model, "--records", data, "--as-of", "2026-04-30")
    assert good.returncode == exits.OK and "\x1b" not in good.stdout + good.stderr
    bad = program("run", model, "--records", f"{data}/没有.csv", "--json")
    assert (bad.returncode, bad.stdout) == (exits.REFUSED, "")
    assert bad.stderr.startswith("everycent: there is no file ") and "Traceback" not in bad.stderr
