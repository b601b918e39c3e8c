"""A corner shop: a model, files, a database and the command line, which the stories of bad input are told with."""

import io
import json
import os
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

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
        """Why each row was set aside, by its place; for held charges by the record's kind:key."""
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
