"""Bad input, through the real command line: a clear message, an exit code that says so, nothing lost or half-written.

What cannot be used is refused: exit code 2, one message that says what is wrong, where, and what would be right, and a
database that is the same to the byte. What can be used but for some rows is used: the rows are set aside, each with its
line and its reason, and all rows of a file are accounted for.
"""

import io
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import openpyxl
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from everycent.base.platform.settings import Settings
from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

MODEL = """\
model: corner-shop
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai, day_cut: "00:00"}
parties:
  platform: {operator: shanghai}
  merchant: {key: [merchant]}
records:
  sale:
    file: ["sale*"]
    id: [sale]
    occurred_at: sold_at
    columns: {sale: text, merchant: text, category: text, price: money, pieces: integer, sold_at: timestamp}
    amount: price
  refund:
    file: ["refund*"]
    refunds: sale
    of: [sale]
    id: [refund]
    occurred_at: given_at
    columns: {refund: text, sale: text, given: money, given_at: timestamp}
    amount: given
factors:
  rate: {table: rates.csv, key: [category], type: decimal(4)}
charges:
  goods: {for: sale, amount: price, debtor: platform, creditor: merchant}
  commission: {for: sale, amount: price * rate, debtor: merchant, creditor: platform}
statements:
  merchant: {cycle: daily}
payouts:
  merchant: {channels: [bank_file]}
recon:
  against_bill:
    left: {records: sale, key: [sale], amount: price}
    right: {file: ["bill*"], columns: {sale: text, price: money}, key: [sale], amount: price}
tests:
  a tenth of the price:
    facts: |
      sale  sale  merchant  category  price  pieces  sold_at
            S1    m-1       toys      10.00  1       2026-03-01 10:00
    obligations: |
      charge      debtor    creditor  amount
      goods       platform  m-1        10.00
      commission  m-1       platform    1.00
"""
SALES = "sale,merchant,category,price,pieces,sold_at\n"
RATES = "category,rate\ntoys,0.10\nbooks,0.05\n"


def sale(name: str, merchant: str = "m-1", category: str = "toys", price: str = "10.00", pieces: str = "1") -> str:
    return f"{name},{merchant},{category},{price},{pieces},2026-03-01 10:00\n"


@dataclass(frozen=True)
class Answer:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output holds one JSON object and nothing else."""
        answer = json.loads(self.out)
        assert isinstance(answer, dict)
        return answer

    def reasons(self) -> dict[str, str]:
        """Why each row was set aside, by its place; for held charges by the record's key."""
        return {row["example"]: row["reason"] for row in (*self.json["set_aside"], *self.json["held"])}


@dataclass(frozen=True)
class Shop:
    """A workspace with a model, and a database."""

    folder: Path
    env: Mapping[str, str]

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def model(self, *edits: tuple[str, str]) -> None:
        text = MODEL
        for old, new in edits:
            assert old in text, f"the model has no {old!r}"
            text = text.replace(old, new, 1)
        self.write({"model.yaml": text})

    def command(self, *arguments: str) -> Answer:
        out, err = io.StringIO(), io.StringIO()
        with patch.dict(os.environ, self.env), redirect_stdout(out), redirect_stderr(err):
            code = run_app(list(arguments))
        assert "Traceback" not in out.getvalue() + err.getvalue()
        return Answer(code, out.getvalue(), err.getvalue().replace(f"{self.folder}/", ""))

    def run(self, *arguments: str, records: str = "data") -> Answer:
        where = records if "=" in records else str(self.folder / records)
        model = str(self.folder / "model.yaml")
        return self.command("run", model, "--records", where, "--as-of", "2026-04-30", "--json", *arguments)

    def dump_hash(self) -> str:
        answer = self.command("db", "dump", "--hash")
        assert answer.code == exits.OK and len(answer.out.strip()) == 64, answer.err
        return answer.out


def open_shop(folder: Path, settings: Settings) -> Shop:
    env = {"EVERYCENT_DATABASE_URL": str(settings.database_url), "EVERYCENT_DATA_DIR": str(folder / ".everycent")}
    shop = Shop(folder, env)
    shop.model()
    shop.write({"rates.csv": RATES})
    return shop


@pytest.fixture
def shop(database: Any, tmp_path: Path) -> Shop:
    """A shop with a database of its own."""
    return open_shop(tmp_path, database.settings)


@pytest.fixture(scope="module")
def books(_template: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, str]]:
    """A shop that has sold something, and its dump's hash. For refusals, which leave the database as it is."""
    head, _, tail = str(_template.database_url).partition("?")
    server, _, template = head.rpartition("/")
    name = f"refusals_{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/everycent?{tail}", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        shop = open_shop(tmp_path_factory.mktemp("books"), replace(_template, database_url=f"{server}/{name}?{tail}"))
        shop.write({"data/sale.csv": SALES + sale("S1") + sale("S2")})
        assert shop.run().json["verified"]
        yield shop, shop.dump_hash()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


# ---- Files that cannot be used


def parquet(rows: int = 1000) -> bytes:
    sink = io.BytesIO()
    names = SALES.strip().split(",")
    cells = [[f"P{at}" for at in range(rows)], *(["x"] * rows for _ in names[1:])]
    pq.write_table(pa.table([pa.array(column) for column in cells], names=names), sink)
    return sink.getvalue()


def workbook(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


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
    "an empty file among good ones": (
        {"sale.csv": SALES + sale("S9"), "sale_2.csv": ""},
        "sale_2.csv is empty: it has no header line",
    ),
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


# ---- Models that cannot be used

COMMISSION, GOODS = "amount: price * rate", "amount: price, debtor: platform, creditor: merchant}\n"
UNUSABLE_MODELS: dict[str, tuple[tuple[str, str], str]] = {
    "a factor that is not there": (
        (COMMISSION, "amount: price * rat"),
        "model.yaml:27:43: charges.commission.amount: there is no 'rat' here; did you mean rate?",
    ),
    "formulas in a circle": (
        (COMMISSION, "amount: commission * rate"),
        "model.yaml:27:15: charges.commission: charges use one another in a circle: commission uses commission; one",
    ),
    "formulas in a circle of two": (
        (
            GOODS + "  commission: {for: sale, " + COMMISSION,
            GOODS.replace("price", "commission") + "  commission: {for: sale, amount: goods * rate",
        ),
        "model.yaml:26:10: charges.goods: charges use one another in a circle: goods uses commission uses goods; one",
    ),
    "text and money": (
        (COMMISSION, "amount: price + category"),
        "model.yaml:27:35: charges.commission.amount: 'price + category': '+' needs numbers, not text; texts are",
    ),
    "a time and seven days": (
        (COMMISSION, "amount: sold_at + 7 days"),
        "model.yaml:27:35: charges.commission.amount: 'days' after a number is not understood; time is added as "
        "sold_at + interval '7 days'",
    ),
    "a query in a formula": (
        (COMMISSION, "amount: (select count(*) from read_csv('/etc/passwd'))"),
        "charges.commission.amount: queries and tables are not part of formulas",
    ),
    "an amount that is no number": (
        (COMMISSION, "amount: category"),
        "model.yaml:27:35: charges.commission.amount: an amount is a number; 'category' is text",
    ),
    "YAML with a bracket left open": (
        ("{key: [merchant]}", "{key: [merchant}"),
        "model.yaml:7:28: this is not YAML: expected ',' or ']', but got '}'; check indentation, quotes",
    ),
    "YAML indented by a tab": (
        ("\n  merchant: {key", "\n\tmerchant: {key"),
        "model.yaml:7:1: this is not YAML: found character '\\t' that cannot start any token; indent with spaces",
    ),
    "a word that is not there": (
        ("debtor: merchant", "debitor: merchant"),
        "model.yaml:27:49: charges.commission.debitor: unknown word 'debitor'; did you mean 'debtor'? (words here: ",
    ),
    "a word written twice": (
        ("currency: CNY", "currency: CNY\ncurrency: USD"),
        "model.yaml:4:1: currency: 'currency' is written twice, first in line 3; keep one",
    ),
    "a currency by its nickname": (
        ("currency: CNY", "currency: RMB"),
        "model.yaml:3:11: currency: 'RMB' is not a current ISO 4217 currency; did you mean CNY?",
    ),
    "an unknown time zone": (
        ("Asia/Shanghai", "CST"),
        "model.yaml:4:23: calendar.time_zone: there is no time zone 'CST'; write an IANA name such as Asia/Shanghai",
    ),
    "a party that nobody would pay": (
        ("  merchant: {cycle: daily}", "  # merchant: {cycle: daily}"),
        "statements: words are expected here, each with its value (word: value), not nothing",
    ),
    "a role without statements": (
        ("platform: {operator: shanghai}", "platform: {operator: shanghai}\n  brand: {key: [category]}"),
        "model.yaml:7:3: parties.brand: role 'brand' has no statements, so nobody would see what it is owed; add it",
    ),
    "a role that is not declared": (
        ("creditor: merchant}", "creditor: mercant}"),
        "there is no party role 'mercant'; did you mean 'merchant'?",
    ),
    "a type that is not there": (
        ("price: money, pieces", "price: mony, pieces"),
        "records.sale.columns.price.type: 'mony' does not fit; did you mean 'money'? write text, integer, decimal",
    ),
    "a column with SQL in its name": (
        ("pieces: integer", "'x\"; drop table intake.record; --': integer"),
        "'x\"; drop table intake.record; --' does not fit; write a name of letters, digits, '_' and '-'",
    ),
    "a cycle that is not there": (
        ("cycle: daily", "cycle: fortnightly"),
        "model.yaml:29:21: statements.merchant.cycle: 'fortnightly' does not fit; write daily, weekly, monthly, or T+n",
    ),
    "a minimum in other minor units": (
        ("channels: [bank_file]", "channels: [bank_file], minimum: 0.005"),
        "model.yaml:31:46: payouts.merchant.minimum: '0.005' has 3 decimals, CNY has 2",
    ),
    "a channel that is not there": (
        ("channels: [bank_file]", "channels: [pigeon]"),
        "model.yaml:31:24: payouts.merchant.channels: channels has to begin with one of: bank_file",
    ),
    "a column that the rate table lacks": (
        ("key: [category], type", "key: [category], column: rates, type"),
        "model.yaml:24:53: factors.rate.column: rates.csv has no column 'rates'; did you mean 'rate'?",
    ),
    "an encoding that is not there": (
        ("id: [sale]\n", "id: [sale]\n    encoding: gkb\n"),
        "model.yaml:12:15: records.sale.encoding: 'gkb' is not an encoding; write for example utf-8, gbk or utf-16",
    ),
    "a step that is not installed": (
        ("id: [sale]\n", "id: [sale]\n    steps: [our_own]\n"),
        "model.yaml:12:12: records.sale.steps: step 'our_own' is not installed; installed are: none",
    ),
    "a reconciliation by a column that is not there": (
        ("key: [sale], amount: price}\ntests", "key: [order], amount: price}\ntests"),
        "recon.against_bill.right: 'order' is not a column of this side; its columns are price, sale",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE_MODELS)
def test_a_model_that_cannot_be_used_says_where_and_what_would_be_right(tmp_path: Path, case: str) -> None:
    edit, said = UNUSABLE_MODELS[case]
    shop = Shop(tmp_path, {"EVERYCENT_DATA_DIR": str(tmp_path / ".everycent")})
    shop.model(edit)
    shop.write({"rates.csv": RATES})
    answer = shop.command("model", "check", str(tmp_path / "model.yaml"))
    assert (answer.code, answer.out) == (exits.REFUSED, "")
    assert answer.err.startswith("everycent: model.yaml:")
    assert said in answer.err


UNREADABLE_MODELS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "model.yaml: the file is empty; `everycent init` writes a model to start from"),
    "prose": (b"pay everybody", "model.yaml:1:1: a model is a mapping of words: model, version, currency"),
    "GBK": (
        "model: a\ntitle: 市场\n".encode("gbk"),
        "model.yaml:2:8: a model is written in UTF-8",
    ),
    "with a NUL": (b"model: a\nversion: \x001\n", "model.yaml:2:10: a character that YAML does not allow"),
    "nested without end": (b"[" * 2_000, "model.yaml: this is nested too deeply to be a model"),
    "an alias bomb": (b"a: &a [x, x]\nb: &b [*a, *a]\n", "anchors and aliases are not part of the model's language"),
}


@pytest.mark.parametrize("case", UNREADABLE_MODELS)
def test_a_model_that_cannot_be_read(tmp_path: Path, case: str) -> None:
    content, said = UNREADABLE_MODELS[case]
    shop = Shop(tmp_path, {"EVERYCENT_DATA_DIR": str(tmp_path / ".everycent")})
    shop.write({"model.yaml": content})
    answer = shop.command("model", "check", str(tmp_path / "model.yaml"), "--json")
    assert (answer.code, answer.out) == (exits.REFUSED, "")
    assert said in answer.err
    assert "model.yaml" in shop.command("model", "check", str(tmp_path / "other" / "model.yaml")).err


def test_a_model_is_refused_before_its_database_is_asked(books: tuple[Shop, str]) -> None:
    shop, before = books
    shop.model((COMMISSION, "amount: price * rat"))
    answer = shop.run()
    shop.model()
    assert answer.code == exits.REFUSED and "did you mean rate?" in answer.err
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
        (COMMISSION, "rules: [{when: pieces < 10, amount: price * rate / pieces}]"),
    )
    rows = [sale("S1"), sale("S2", pieces="0"), sale("S3", category="boats"), sale("S4", pieces="10")]
    shop.write({"data/sale.csv": SALES + "".join(rows)})
    answer = shop.run()
    assert answer.code == exits.OK and answer.json["verified"]
    assert [answer.json["files"][0][name] for name in ("rows", "accepted", "held")] == [4, 4, 3]
    assert sorted(answer.reasons().values()) == [
        "commission: factor rate is missing for category 'boats'",
        "commission: no rule of charge commission matched",
        "commission: price * rate / pieces divides by zero with price = 10.00, rate = 0.1000, pieces = 0",
    ]


def test_an_amount_beyond_64_bits_is_set_aside(shop: Shop) -> None:
    shop.model((COMMISSION, "amount: price * 3"))
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
        (("db", "dump", "--out", f"{shop.folder}/none/dump.txt"), "none/dump.txt.part: no such file or directory"),
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
