"""`everycent recon LEFT RIGHT`: two files that nobody has declared anything about."""

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

OURS = """payment_id,amount,status,paid_at
P1,10.00,success,2026-03-01 10:00:00
P2,"1,250.50",success,2026-03-01 10:05:00
P3,7.10,refunded,2026-03-01 10:06:00
P4,3.00,success,2026-03-01 10:07:00
P5,3.00,success,2026-03-01 10:07:10
"""
#: The same payments as another system writes them, with a fault of each kind.
BILL = """payment_id;amount;status;paid_at
P1;10;success;2026-03-01T10:00:00
P2;1250.05;success;2026-03-01 10:05
P3; 7.1;success;2026/03/01 10:06:00
P4;3.00;success;2026-03-01 10:07:00
P4;3.00;success;2026-03-01 10:07:00
P6;9.99;success;2026-03-01 10:07:00
"""


def compared(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run_app(["recon", *map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    ours, bill = tmp_path / "ours.csv", tmp_path / "bill.csv"
    ours.write_text(OURS)
    bill.write_text(BILL)
    return ours, bill


def test_two_files_are_compared_with_nothing_said(sides: tuple[Path, Path], capsys: Any, tmp_path: Path) -> None:
    code, found = compared(capsys, *sides, "--out", tmp_path / "out")
    assert code == exits.FAILED
    assert (found["key"], found["amount"], found["others"]) == (["payment_id"], "amount", ["status", "paid_at"])
    buckets = {name: (b["left_rows"], b["right_rows"]) for name, b in found["buckets"].items()}
    assert buckets == {
        "equal": (2, 2), "within_tolerance": (0, 0), "missing_left": (0, 1), "missing_right": (1, 0),
        "duplicated_left": (0, 0), "duplicated_right": (0, 1), "amount_differs": (1, 1), "status_differs": (1, 1),
    }  # fmt: skip
    assert found["difference_minor"] == 127360 - 128314
    assert found["residual_minor"] == 0
    breaks = {
        (row["key"], row["bucket"]): row for row in parquet.read_table(tmp_path / "out/breaks.parquet").to_pylist()
    }
    assert breaks["P2", "amount_differs"]["difference"] == Decimal("0.45")
    assert breaks["P3", "status_differs"]["differs"] == "status"
    assert (breaks["P3", "status_differs"]["left_line"], breaks["P3", "status_differs"]["right_line"]) == (4, 4)
    assert breaks["P6", "missing_left"]["right_amount"] == Decimal("9.99")
    assert csv.read_csv(tmp_path / "out/breaks.csv").num_rows == found["breaks"] == 5


def test_equal_files_agree_whatever_they_are_written_in(sides: tuple[Path, Path], capsys: Any, tmp_path: Path) -> None:
    rows = csv.read_csv(sides[0], convert_options=csv.ConvertOptions(column_types={"amount": pa.string()}))
    amounts = pa.array([Decimal(text.replace(",", "")) for text in rows["amount"].to_pylist()], pa.decimal128(12, 2))
    parquet.write_table(rows.set_column(1, "amount", amounts), tmp_path / "ours.parquet")
    code, found = compared(capsys, sides[0], tmp_path / "ours.parquet")
    assert (code, found["breaks"]) == (exits.OK, 0)
    assert found["right"]["format"] == "parquet"
    chinese = tmp_path / "账单.csv"
    chinese.write_bytes(OURS.replace("payment_id", "单号").replace("refunded", "已退款").encode("gbk"))
    code, found = compared(capsys, sides[0], chinese, "--key", "payment_id=单号", "--compare", "amount")
    assert (code, found["breaks"], found["key"]) == (exits.OK, 0, ["payment_id=单号"])


def test_a_tolerance_is_written_off_and_said(sides: tuple[Path, Path], capsys: Any) -> None:
    _, found = compared(capsys, *sides, "--compare", "amount", "--tolerance", "0.45")
    assert found["buckets"]["within_tolerance"]["difference_minor"] == found["written_off_minor"] == 45


def test_rows_of_a_key_may_add_up(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "items.csv").write_text("order,price\nA,1.50\nA,2.50\nB,3\n")
    (tmp_path / "paid.csv").write_text("order,paid\nA,4.00\nB,2\nB,1\n")
    words = ("--key", "order", "--compare", "price=paid", "--sum-left", "--sum-right")
    code, found = compared(capsys, tmp_path / "items.csv", tmp_path / "paid.csv", *words)
    assert (code, found["buckets"]["equal"]["left_rows"]) == (exits.OK, 3)


def test_a_key_whose_rows_add_up_shows_all_values_of_its_other_columns(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "items.csv").write_text("id,amount,state\n1,10,a\n1,5,b\n2,7,a\n3,4,c\n")
    (tmp_path / "paid.csv").write_text("id,amount,state\n1,15,b\n2,7,a\n3,2,c\n3,2,c\n")
    files = str(tmp_path / "items.csv"), str(tmp_path / "paid.csv")
    run_app(["recon", *files, "--key", "id", "--sum-left", "--sum-right", "--out", str(tmp_path / "out"), "--json"])
    capsys.readouterr()
    [row] = parquet.read_table(tmp_path / "out" / "breaks.parquet").to_pylist()
    assert (row["key"], row["cause"], row["differs"]) == ("1", "status_differs", "state")
    assert (row["left_state"], row["right_state"]) == ("a+b", "b")


def test_rows_that_cannot_be_compared_are_told_and_the_others_go_on(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "left.csv").write_text("id,amount\nA,1.00\n,2.00\nC,three\nD,4.00\n")
    (tmp_path / "right.csv").write_text("id,amount\nA,1.00\nD,4.00\n")
    words = ("--key", "id", "--compare", "amount")
    code, found = compared(capsys, tmp_path / "left.csv", tmp_path / "right.csv", *words)
    assert code == exits.FAILED
    assert found["left"]["refused"] == 2, "a row without a key, and one whose amount is no number"
    assert (found["amount"], found["breaks"]) == ("amount", 0)
    assert run_app(["recon", str(tmp_path / "left.csv"), str(tmp_path / "right.csv"), *words]) == exits.FAILED
    told = " ".join(capsys.readouterr().err.split())
    assert "line 3: not compared: no key: no value in id" in told
    assert "line 4: not compared: no amount: amount is three, which is no number" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--key", "nothing"), "the left side has no column 'nothing'; it has: payment_id, amount, status, paid_at"),
        (("--key", "payment_id=x"), "the right side has no column 'x'"),
        (("--tolerance", "much"), "--tolerance much: write how much may differ, for example 0.01"),
        (("--left-format", "wax"), "there is no bill format 'wax'; installed are"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    sides: tuple[Path, Path], capsys: Any, words: tuple[str, ...], said: str
) -> None:
    assert run_app(["recon", *map(str, sides), *words]) == exits.REFUSED
    assert said in " ".join(capsys.readouterr().err.split())


def test_two_files_without_a_common_key_are_refused(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "left.csv").write_text("id,amount\nA,1.00\n")
    (tmp_path / "right.csv").write_text("number,sum\nA,1.00\n")
    assert run_app(["recon", str(tmp_path / "left.csv"), str(tmp_path / "right.csv")]) == exits.REFUSED
    assert "no column that both sides have tells their rows apart" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("seed", range(3))
def test_faults_put_in_at_random_are_found_and_nothing_else(tmp_path: Path, capsys: Any, seed: int) -> None:
    chance = random.Random(seed)
    rows = [(f"N{n:05}", chance.randrange(1, 100_000), chance.choice(["ok", "back"])) for n in range(2_000)]
    theirs, expected = [], set()
    for key, amount, state in rows:
        fault = chance.randrange(100)
        kept = [(key, amount, state)]
        if fault == 0:
            kept, bucket = [], "missing_right"
        elif fault == 1:
            kept, bucket = kept * 2, "duplicated_right"
        elif fault == 2:
            kept, bucket = [(key, amount + chance.choice([-1, 1]), state)], "amount_differs"
        elif fault == 3:
            kept, bucket = [(key, amount, "closed")], "status_differs"
        if fault < 4:
            expected.add((key, bucket))
        theirs += kept
    chance.shuffle(theirs)
    for name, side in (("left", rows), ("right", theirs)):
        lines = [f"{key},{amount // 100}.{amount % 100:02},{state}" for key, amount, state in side]
        (tmp_path / f"{name}.csv").write_text("\n".join(["no,amount,state", *lines]))
    compared(capsys, tmp_path / "left.csv", tmp_path / "right.csv", "--out", tmp_path)
    found = parquet.read_table(tmp_path / "breaks.parquet").select(["key", "bucket"]).to_pylist()
    assert {(row["key"], row["bucket"]) for row in found} == expected
