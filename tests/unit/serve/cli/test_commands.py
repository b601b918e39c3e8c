"""The commands that ask: models, databases, what is stored. In one process, with a database of their own."""

import json
from pathlib import Path
from typing import Any

import pytest

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

MODEL = """\
model: corner-shop
version: 7
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties: {platform: {operator: shanghai}, merchant: {key: [merchant]}}
tables:
  products: {file: products.csv, key: [product], columns: {product: text, category: text}}
records:
  sale:
    id: [sale]
    occurred_at: at
    columns: {sale: text, merchant: text, price: money, at: timestamp}
factors:
  rate: {table: rates.csv, key: [merchant], type: decimal(2)}
charges:
  goods: {for: sale, amount: price, debtor: platform, creditor: merchant}
  tip: {for: sale, amount: price * rate, debtor: platform, creditor: merchant, enabled: no}
statements: {merchant: {cycle: daily}}
tests:
  right: {facts: "sale  sale  merchant  price  at\\n S  m  1.00  2026-03-01",
          obligations: "charge  amount\\ngoods  1.00"}
  wrong: {facts: "sale  sale  merchant  price  at\\n S  m  1.00  2026-03-01",
          obligations: "charge  amount\\ngoods  2.00"}
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "rates.csv").write_text("merchant,rate\nm,0.10\n")
    (tmp_path / "model.yaml").write_text(MODEL)
    return str(tmp_path / "model.yaml")


@pytest.fixture(autouse=True)
def own_database(database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run_app([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_check_says_what_the_model_has_and_which_files_it_lacks(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, facts = answer(capsys, "model", "check", model)
    assert code == exits.OK and len(facts.pop("version_hash")) == 64
    assert facts == {
        "ok": True,
        "model": "corner-shop",
        "version": "7",
        "records": ["sale"],
        "charges": ["goods"],
        "switched_off": ["tip"],
        "parties": ["platform", "merchant"],
        "tables": ["rates.csv"],
        "give_with_records": ["products.csv"],
        "tests": 2,
        "parallel": [],
    }
    assert run_app(["model", "check", model]) == exits.OK
    assert "give with records products.csv" in " ".join(capsys.readouterr().out.split())


def test_golden_cases_that_differ_fail(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, facts = answer(capsys, "model", "test", model)
    assert code == exits.FAILED and (facts["passed"], facts["failed"]) == (1, 1)
    assert facts["cases"][1]["differences"] == [
        "obligations: not there: charge goods  amount 2.00",
        "obligations: not expected: charge goods  amount 1.00",
    ]
    assert run_app(["model", "test", model]) == exits.FAILED
    assert capsys.readouterr().out.splitlines()[:2] == ["ok    right", "FAIL  wrong"]


def test_an_empty_database_says_how_to_fill_it(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["verify"], ["report"]):
        assert run_app(command) == exits.REFUSED
        assert "the database is empty; `everycent demo` or `everycent run` fills it" in capsys.readouterr().err


def test_a_dump_is_the_same_in_a_file_by_hash_and_on_standard_output(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / "dump.txt"
    assert run_app(["db", "dump", "--out", str(file)]) == exits.OK
    shown = capfdbinary.readouterr().out
    assert run_app(["db", "dump", "--hash"]) == exits.OK
    hashed = capfdbinary.readouterr().out.strip()
    assert len(hashed) == 64 and shown.endswith(hashed + b"\n")
    assert [path.name for path in tmp_path.iterdir() if "dump" in path.name] == ["dump.txt"]


def test_an_upgrade_that_has_nothing_to_do_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "db", "upgrade") == (exits.OK, {"changed": False})


def test_status_does_not_need_the_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, facts = answer(capsys, "db", "status")
    assert code == exits.OK and facts["lake"] == str(tmp_path / ".everycent" / "lake")
