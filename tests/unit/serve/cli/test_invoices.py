"""`everycent invoice` on the command line: what is due is listed, what is wrong is refused."""

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
      commission: {for: sold, amount: price * 0.1, debtor: merchant, creditor: platform}
    statements:
      merchant:
        cycle: daily
        invoice: {before_payment: yes, charges: {goods: {rate: "0.13"}, commission: {rate: "0.06", included: no}}}
      brand: {cycle: monthly}
    """
)
SOLD = "id,merchant,brand,price,coupon,at\nA1,m-7,b,100.50,0,2026-03-01 10:00:00\n"
STATEMENT = "promotions/merchant:m-7/2026-03-01/CNY/shanghai"


def test_from_what_is_due_to_what_is_paid(
    say: Callable[..., tuple[int, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.yaml").write_text(MODEL, encoding="utf-8")
    (tmp_path / "sold.csv").write_text(SOLD, encoding="utf-8")
    model, records = tmp_path / "model.yaml", tmp_path / "sold.csv"
    assert say(f"run {model} --records {records} --as-of 2026-03-02")[1]["instructions"] == 0
    (waiting,) = say("statement list --waits-for invoice")[1]["statements"]
    assert (waiting["statement_id"], waiting["net_minor"], waiting["lines_minor"]) == (STATEMENT, 9045, -60)
    theirs, ours = (each["invoice_id"] for each in say("invoice list --state due")[1]["invoices"])
    assert (theirs, ours) == (f"{STATEMENT}/payable/1", f"{STATEMENT}/receivable/1")
    assert say("invoice issue --by ann", ours)[1]["done"] == [ours]
    receive = f"invoice receive {theirs} --number M-17 --on 2026-03-02 --by ann --total"
    code, told = say(f"{receive} 100.49")
    assert (code, told["refused"][0]["refusal"]) == (exits.FAILED, "other_total")
    assert say(f"{receive} 100.50")[0] == exits.OK
    told = [(row["who"], row["what"]) for row in say("figures waiting --model promotions")[1]["rows"]]
    assert ("operations", "an invoice, to confirm") in told
    assert say("invoice confirm --by bob", theirs)[1]["done"] == [theirs]
    assert say("invoice void --by bob", ours, "--why", "wrong address")[0] == exits.OK
    shown = say("statement show", STATEMENT)[1]
    assert shown["waits_for"] == "payment", "what is released stays so"
    assert [(each["total_minor"], each["lines"][0]["rate"], each["state"]) for each in shown["invoices"]] == [
        (10050, "0.13", "confirmed"), (1065, "0.06", "voided"), (1065, "0.06", "due"),
    ]  # fmt: skip
    for asked in (["invoice", "list"], ["statement", "show", STATEMENT], ["statement", "log", STATEMENT]):
        assert run_app(asked) == exits.OK
    printed = " ".join(capsys.readouterr().out.split())
    assert "tax added" in printed and "void invoice receivable/1" in printed and "shanghai-2026-000001" in printed
