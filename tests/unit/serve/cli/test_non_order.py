"""`everycent non-order` on the command line, from what people give to what is paid, verified and explained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_market import market

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

MODEL = market(
    """\
    charges:
      goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
    non_order_charges:
      deposit: {of: [merchant]}
      deposit_back: {returns: deposit, direction: pay}
      fine: {of: [merchant], settled_by: statement, approve: [{by: finance, above: "50"}]}
    statements:
      merchant: {cycle: daily}
      brand: {cycle: monthly}
    """
)
SOLD = "id,merchant,brand,price,coupon,at\nA1,m-7,b,99.99,0,2026-03-01 10:00:00\n"

Say = Callable[..., tuple[int, Any]]


@pytest.fixture
def say(say: Say, tmp_path: Path) -> Say:
    """Gives a command about the market, which has sold something; its exit code and its JSON object."""
    (tmp_path / "model.yaml").write_text(MODEL, encoding="utf-8")
    (tmp_path / "sold.csv").write_text(SOLD, encoding="utf-8")

    code, told = say("run MODEL --records SOLD --as-of 2026-03-01")
    assert code == exits.OK and told["verified"]
    return say


def test_from_what_people_give_to_what_is_paid(say: Say, capsys: Any) -> None:
    assert say("approvals group finance --add dora --by chief")[0] == exits.OK
    fine = "non-order give MODEL --kind fine --party merchant:m-7 --on 2026-03-01 --by ann --amount"
    assert say(f"{fine} 60 --reference F-1", "--why", "late for a week")[1]["done"] == ["F-1"]
    assert say(f"{fine} 9.99 --reference F-2")[1]["done"] == ["F-2"]
    assert say(f"{fine} 60 --reference F-1", "--why", "late for a week")[1]["unchanged"] == ["F-1"]
    code, told = say(f"{fine} 0.001 --reference F-3")
    assert code == exits.FAILED and told["refused"][0]["refusal"] == "too_many_decimals"
    (request,) = say("approvals list --by dora")[1]["requests"]
    assert (request["kind"], request["amount_minor"], request["requested_by"]) == ("non_order_charge", 6000, "ann")
    assert say("approvals decide", request["request_id"], "--yes", "--by", "dora")[0] == exits.OK
    code, told = say("run MODEL --records SOLD --as-of 2026-03-02")
    assert code == exits.OK and told["verified"] and told["instructions"] == 1
    charges = {each["reference"]: each for each in say("non-order list")[1]["charges"]}
    assert {each: charges[each]["settlement"] for each in charges} == {"F-1": "created", "F-2": "created"}
    code, told = say("explain", charges["F-1"]["instruction_id"])
    assert told["text"].endswith("pay 30.00 CNY")
    assert [part["kind"] for part in told["parts"]] == ["statement", "non_order_charge", "non_order_charge"]
    assert say("explain", charges["F-1"]["charge_id"])[1]["facts"]["why"] == "late for a week"
    assert run_app(["non-order", "list"]) == exits.OK
    assert "F-1" in capsys.readouterr().out


def test_a_file_of_charges_is_given_line_by_line(say: Say, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "charges.csv"
    file.write_text(
        "reference,kind,party,amount,occurred_on,reason\nD-1,deposit,merchant:m-7,100.00,2026-03-01,opening\n"
        "D-2,deposit,merchant:m-9,100.00,2026-03-01,\nR-1,deposit_back,merchant:m-7,1.00,2026-03-01,\n",
        encoding="utf-8",
    )
    code, told = say("non-order take MODEL", str(file), "--by", "ann")
    assert code == exits.FAILED and told["done"] == ["charges.csv:2 (D-1)"]
    assert [(each["reference"], each["refusal"]) for each in told["refused"]] == [
        ("charges.csv:3 (D-2)", "unknown_party"), ("charges.csv:4 (R-1)", "above_paid_in"),
    ]  # fmt: skip
    assert say("non-order take MODEL", str(file), "--by", "ann")[1]["unchanged"] == ["charges.csv:2 (D-1)"]
    (deposit,) = say("non-order deposits MODEL")[1]["deposits"]
    assert (deposit["owed_minor"], deposit["paid_in_minor"], deposit["left_minor"]) == (10000, 0, 0)
    assert run_app(["non-order", "deposits", str(tmp_path / "model.yaml")]) == exits.OK
    assert "100.00" in capsys.readouterr().out
    assert say("verify")[1]["verified"]


def test_what_nobody_approved_in_time_is_declined(say: Say, tmp_path: Path) -> None:
    timed = MODEL.replace('{by: finance, above: "50"}', "{by: finance, within: 0 minutes}")
    (tmp_path / "model.yaml").write_text(timed, encoding="utf-8")
    fine = "non-order give MODEL --kind fine --party merchant:m-7 --on 2026-03-01 --by ann --amount 5 --reference F-1"
    assert say(fine)[0] == exits.OK
    assert say("run MODEL --records SOLD --as-of 2026-03-02")[1]["verified"]
    (charge,) = say("non-order list")[1]["charges"]
    assert (charge["state"], charge["declined_why"]) == ("declined", "its request is expired")
