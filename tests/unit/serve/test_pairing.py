"""Two files whose columns have other names on each side: what belongs together is found by what it holds."""

import json
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app


def compared(capsys: Any, *words: object) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run_app(["recon", *map(str, words), "--json"])
    told = capsys.readouterr()
    return code, json.loads(told.out) if told.out else {"error": told.err}


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Ours, and a bank's: other names, another order of rows and columns, other ways to write, one amount wrong."""
    some = random.Random(11)
    rows = [
        (
            f"T{no:04}",
            some.randrange(100, 900_000),
            date(2026, 5, 1) + timedelta(no % 28),
            some.choice(["paid", "back"]),
        )
        for no in range(300)
    ]
    ours, bank = tmp_path / "ours.csv", tmp_path / "bank.csv"
    lines = ["line,order,paid,fee,day,state,currency"]
    lines += [
        f"{no},{key},{minor / 100:.2f},0.00,{day},{state},CNY" for no, (key, minor, day, state) in enumerate(rows)
    ]
    ours.write_text("\n".join(lines) + "\n")
    some.shuffle(rows)
    lines = ["No;Value date;Their reference;Status;Amount;Charged"]
    for no, (key, minor, day, state) in enumerate(rows):
        paid = minor + (1 if key == "T0007" else 0)
        lines.append(f"{no};{day:%d.%m.%Y};{key};{state.upper()};{paid / 100:,.2f};0")
    bank.write_text("\n".join(lines) + "\n")
    return ours, bank


def test_columns_with_other_names_are_paired_by_their_values(sides: tuple[Path, Path], capsys: Any) -> None:
    code, found = compared(capsys, *sides)
    assert code == exits.FAILED
    assert (found["key"], found["amount"], found["others"]) == (
        ["order=Their reference"], "paid=Amount", ["day=Value date"],
    )  # fmt: skip
    assert (found["breaks"], found["difference_minor"]) == (1, -1)
    assert found["not_compared"] == {"left": ["line", "fee", "state", "currency"], "right": ["No", "Status", "Charged"]}
    (note,) = found["notes"]
    assert "state=Status agree but for capitals" in note


def test_capitals_that_do_not_count_pair_more(sides: tuple[Path, Path], capsys: Any) -> None:
    _, found = compared(capsys, *sides, "--ignore-case")
    assert found["others"] == ["day=Value date", "state=Status"]
    assert (found["breaks"], found["notes"]) == (1, [])


def test_names_that_differ_in_case_and_signs_are_the_same(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.csv").write_text("Order ID,Total Amount\nA1,5.00\nA2,6.00\n")
    (tmp_path / "b.csv").write_text("total_amount,order_id\n5,A1\n7,A2\n")
    _, found = compared(capsys, tmp_path / "a.csv", tmp_path / "b.csv")
    assert (found["key"], found["amount"]) == (["Order ID=order_id"], "Total Amount=total_amount")
    assert (found["breaks"], found["difference_minor"]) == (1, -1)


def test_what_two_columns_explain_equally_well_is_not_guessed(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.csv").write_text("id,gross\n" + "".join(f"K{n},{n}.50\n" for n in range(1, 30)))
    (tmp_path / "b.csv").write_text("id,asked,given\n" + "".join(f"K{n},{n}.5,{n}.5\n" for n in range(1, 30)))
    _, found = compared(capsys, tmp_path / "a.csv", tmp_path / "b.csv")
    assert (found["amount"], found["not_compared"]) == (None, {"left": ["gross"], "right": ["asked", "given"]})


def test_a_word_that_ends_like_a_key_is_none(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.csv").write_text("ref,paid\nA,1.00\nB,2.00\n")
    (tmp_path / "b.csv").write_text("ref,paid\nA,1.00\nB,2.01\n")
    _, found = compared(capsys, tmp_path / "a.csv", tmp_path / "b.csv")
    assert (found["key"], found["amount"], found["difference_minor"]) == (["ref"], "paid", -1)


def test_sides_that_have_nothing_in_common_are_asked_about(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.csv").write_text("one,two\nA,1\nB,2\n")
    (tmp_path / "b.csv").write_text("three,four\nX,8\nY,9\n")
    code, found = compared(capsys, tmp_path / "a.csv", tmp_path / "b.csv")
    assert code == exits.REFUSED and "name the key with --key" in found["error"]
