"""After a correction every book has the corrected amounts once: charges, obligations, payments, reconciliation."""

import json
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from small_market import market, sales, written

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

#: Our own charges as they were exported, against what a merchant says it was charged; refunds add up with their sale's.
ABOUT = """
budgets:
  spring: {per: [merchant], period: month}
charges:
  fee: {for: sold, amount: price * RATE, debtor: merchant, creditor: platform}
  goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
  coupon:
    for: sold
    amount: coupon * 10 * RATE
    creditor: merchant
    apportion:
      budget: spring
      by: ratio
      bearers: {brand: {weight: 60, cap: 30.00}, platform: 40}
order: {by: [occurred_at, id], late: rewind, window: 3}
statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: daily, mode: net}}
payouts: {}
recon:
  charges_against_bill:
    left: {file: charges.parquet, columns: OURS, key: [record_id, charge], amount: amount}
    right: {file: bill.csv, columns: THEIRS, key: [record_id, charge], amount: amount}
  obligations_against_bill:
    left: {file: obligations.parquet, columns: OURS, key: [record_id, charge], amount: amount, rows: sum}
    right: {file: bill.csv, columns: THEIRS, key: [record_id, charge], amount: amount}
"""
COLUMNS = "{record_id: text, charge: text, amount: money}"
SIDES = ("OURS", "THEIRS")


def about(rate: str) -> str:
    text = ABOUT.replace("RATE", rate)
    for side in SIDES:
        text = text.replace(side, COLUMNS)
    return market(text)


def done(*arguments: str, capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    code = run_app([*arguments, "--json"])
    shown = capsys.readouterr()
    assert code == exits.OK, shown.err
    return json.loads(shown.out)


#: Two sales are given back whole.
BACK = [("returned", f"R0{n}", f"R0{n},S0{n},100.00,2026-03-02 20:00:00") for n in (1, 4)]


def test_every_book_has_the_corrected_amounts_once(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    monkeypatch.chdir(tmp_path)
    Path("model.yaml").write_text(about("0.10"))
    Path("out").mkdir()
    written([*sales(range(8)), *BACK], Path("in"))
    run = ("run", "model.yaml", "--records", "in", "--out", "out", "--as-of")
    done(*run, "2026-03-03", capsys=capsys)
    Path("model.yaml").write_text(about("0.20"))
    assert len(done("rerate", "run", "model.yaml", "--kind", "sold", capsys=capsys)["changes"]) == 20
    done(*run, "2026-03-20", capsys=capsys)
    paid()
    bill()
    told = done(*run, "2026-03-20", "--bill", "bill.csv", *books("charges", "obligations"), capsys=capsys)
    assert {name: scenario["buckets"]["equal"]["keys"] for name, scenario in told["recon"].items()} == {
        "charges_against_bill": 30,
        "obligations_against_bill": 30,
    }
    assert not any(scenario["breaks"] for scenario in told["recon"].values())


def books(*names: str) -> Sequence[str]:
    return [word for name in names for word in ("--bill", f"out/{name}.parquet")]


def bill() -> None:
    """What each record should be charged, reckoned by hand."""
    coupons = {key: Decimal(line.split(",")[4]) for _, key, line in sales(range(8))}
    lines = ["record_id,charge,amount"]
    for row in pq.read_table("out/records.parquet", columns=["record_id", "key"]).to_pylist():
        sign = 1 if row["key"][0] == "S" else -1
        amounts = {"fee": Decimal(20), "goods": Decimal(100), "coupon": 2 * coupons["S" + row["key"][1:]]}
        lines += [f"{row['record_id']},{charge},{sign * amount:.2f}" for charge, amount in amounts.items()]
    Path("bill.csv").write_text("\n".join(lines) + "\n")


def paid() -> None:
    """What was instructed to be paid is what the obligations say, each once, those that take back among them."""
    owed: Counter[str] = Counter()
    for row in pq.read_table("out/obligations.parquet").to_pylist():
        owed[row["creditor"]] += row["amount_minor"]
        owed[row["debtor"]] -= row["amount_minor"]
    moved: Counter[str] = Counter()
    for row in pq.read_table("out/instructions.parquet").to_pylist():
        moved[row["party_id"]] += row["amount_minor"] if row["direction"] == "pay" else -row["amount_minor"]
    assert {party: amount for party, amount in moved.items() if amount} == {
        party: amount for party, amount in owed.items() if amount and ":" in party
    }
