"""Figures of the books: each table's total is the ledger's, on any day, in each currency."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from counter import Counter
from openpyxl import load_workbook
from small_books import NOON, Books
from small_market import PROMOTIONS, market

from everycent.base.engine.local import LocalEngine
from everycent.flow.approvals import service as approvals
from everycent.flow.payments.contract import Move, Said
from everycent.flow.payments.service import take_in
from everycent.flow.pipeline.paying import PAYMENT_OTHERS
from everycent.flow.settlement.contract import StatementSpec
from everycent.flow.settlement.service import Desk, park
from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app
from everycent.serve.figures.asked import Asked
from everycent.serve.figures.books import ageing, payouts
from everycent.serve.figures.books import balances as balances_of
from everycent.serve.figures.waiting import waiting

STATEMENT = "market/merchant:m/2026-03-01/CNY/shanghai"

KINDS = """\
non_order_charges:
  deposit: {of: [merchant]}
  deposit_back: {returns: deposit, direction: pay}
  fine: {of: [merchant], settled_by: statement}
"""
MODEL = market(PROMOTIONS + KINDS)
SOLD = """\
id,merchant,brand,price,coupon,at
A1,m-7,b-1,99.99,10.00,2026-02-01 10:00:00
A2,m-7,b-1,20.00,0,2026-03-10 10:00:00
A3,永和豆漿大王旗艦店,b-2,2.00,5.00,2026-03-20 10:00:00
"""
CHARGES = """\
reference,kind,party,amount,occurred_on
D-1,deposit,merchant:m-7,100.00,2026-03-25
F-1,fine,merchant:m-7,7.00,2026-03-25
"""

Say = Callable[..., Any]


@pytest.fixture
def say(database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Gives a command; its JSON object."""
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    files = {"model.yaml": MODEL, "sold.csv": SOLD, "charges.csv": CHARGES}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    def command(text: str, *more: str) -> Any:
        words = [str(tmp_path / word) if word in files else word for word in text.split()]
        assert run_app([*words, *more, "--json"]) == exits.OK, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return command


def balances(say: Say, beginning: str, *when: str) -> dict[str, int]:
    """What the ledger's accounts of this beginning add up to, by currency."""
    sums: dict[str, int] = {}
    for each in say("ledger balance", f"{beginning}/", *when)["accounts"]:
        sums[each["currency"]] = sums.get(each["currency"], 0) + each["balance_minor"]
    return sums


def test_each_total_is_the_ledgers_on_any_day(say: Say, tmp_path: Path, capsys: Any) -> None:
    say("run model.yaml --records sold.csv --as-of 2026-03-22")
    say("non-order take model.yaml charges.csv")
    say("run model.yaml --records sold.csv --as-of 2026-03-26")
    for when in ((), ("--on", "2026-03-15"), ("--on", "2026-03-22"), ("--on", "2026-03-25")):
        parties = balances(say, "party", *when)
        ageing = say("figures ageing", *when)
        signed: dict[str, int] = {}
        for row in ageing["rows"]:
            sign = {"payable": 1, "receivable": -1}.get(row["side"], 0)
            signed[row["currency"]] = signed.get(row["currency"], 0) + sign * row["total"]
            assert row["total"] == sum(row[name] for name in row if name.endswith(("days", "more"))), row
        assert {code: minor for code, minor in parties.items() if minor} == {c: m for c, m in signed.items() if m}, when
        found = say("figures balances", *when)
        assert {code: sums["balance"] for code, sums in found["totals"].items()} == parties
        revenue = say("figures revenue", *when)
        assert {code: sums["net"] for code, sums in revenue["totals"].items()} == balances(say, "operator", *when)
    ages = {(row["party"], row["side"]): row for row in say("figures ageing --on 2026-03-15")["rows"]}
    old = ages["merchant:m-7", "payable"]
    assert (old["0-30 days"], old["31-60 days"], old["total"]) == (2000, 10999, 12999)
    assert [row["what"] for row in say("figures revenue")["rows"] if row["charge"] == "deposit"] == ["deposit held"]
    since = say("figures revenue --since 2026-03-25 --on 2026-03-25")["rows"]
    assert {row["charge"]: row["net"] for row in since} == {"deposit": 10000, "fine": 700}
    held = {row["party"]: row["deposits"] for row in say("figures balances")["rows"]}
    assert held["merchant:m-7"] == 10000

    cost = say("figures cost --by party")
    coupons = {(row["budget"], row["bearer"]): row["amount"] for row in cost["rows"]}
    assert coupons == {("spring", "brand:b-1"): 600, ("spring", "brand:b-2"): 300, ("spring", "platform"): 600}
    payouts = say("figures payouts")
    assert {code: sums["in_flight"] for code, sums in payouts["totals"].items()} == balances(say, "channel")
    assert {row["state"] for row in payouts["rows"]} == {"created"} and len(payouts["rows"]) == 2
    waits = {row["what"]: row for row in say("figures waiting")["rows"]}
    assert waits["a payment, to go out"]["who"] == "the next file or submission"
    assert waits["a statement, to close"]["things"] == 2, "the brands' of the month"

    book, sheet = tmp_path / "b.xlsx", tmp_path / "b.csv"
    assert run_app(["figures", "balances", "--out", str(book), "--out", str(sheet), "--limit", "1"]) == exits.OK
    printed = capsys.readouterr().out
    assert "total" in printed and "more lines" in printed
    cells = [[cell.value for cell in row] for row in load_workbook(book)["balances"].rows]
    heads = ["party", "credits", "debits", "balance", "deposits", "prepaid", "on_account", "currency"]
    assert cells[0] == heads
    assert "merchant:永和豆漿大王旗艦店" in sheet.read_text(encoding="utf-8")
    assert sum(round(row[3] * 100) for row in cells[1:]) == balances(say, "party")["CNY"]


def test_books_with_nothing_in_them_have_figures_of_nothing(say: Say, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "sold.csv").write_text(SOLD.splitlines()[0] + "\n", encoding="utf-8")
    say("run model.yaml --records sold.csv --as-of 2026-03-22")
    for name in ("ageing", "revenue", "cost", "balances", "payouts", "waiting"):
        assert say(f"figures {name}")["rows"] == []
        assert run_app(["figures", name, "--out", str(tmp_path / "f.xlsx")]) == exits.OK
        assert "nothing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["figures", "ageing"], "nothing is stored yet"),
        (["figures", "ageing", "--by", "shop"], "--by shop: write party or role"),
        (["figures", "cost", "--out", "f.pdf"], "--out f.pdf: name a .csv or an .xlsx file"),
    ],
)
def test_what_cannot_be_meant_is_said(
    database: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any, asked: list[str], says: str
) -> None:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    assert run_app(asked) == exits.REFUSED
    assert says in " ".join(capsys.readouterr().err.split())


def test_a_side_that_is_open_again_waits_by_itself(database: Any, engine: LocalEngine) -> None:
    """A merchant is paid 5.00 and pays 2.00; the first comes back, then somebody holds the statement back."""
    books = Books(database, engine)
    books.statements["merchant"] = StatementSpec(cycle="daily", mode="gross")
    books.book(
        "record debtor creditor amount booked_on\nA1 platform merchant:m 5.00 2026-03-01\n"
        "A2 merchant:m platform 2.00 2026-03-01"
    )
    books.close("2026-03-02")

    def waits() -> list[tuple[str, str, int, int]]:
        rows = waiting(books.connection, Asked(books.tenant, "market"), NOON).dicts()
        return [(row["who"], row["what"], row["things"], row["amount"]) for row in rows if "statement" in row["what"]]

    assert waits() == [("the next run", "a statement, to pay", 1, 700)]
    keys = {row["direction"]: row["instruction_id"] for row in books.instruct("2026-03-02").to_pylist()}
    assert waits() == []
    failed = Said(keys["pay"], Move.CANCEL, "by hand", "ann", "another account")
    take_in(books.connection, PAYMENT_OTHERS, books.tenant, [failed], NOON, NOON.date())
    assert waits() == [("the next run", "a statement, to pay", 1, 500)]
    park(Desk(books.connection, books.tenant, approvals, "ann", NOON), STATEMENT, "in doubt")
    assert waits() == [("operations", "a parked statement, to let go", 1, 500)]


def test_parts_that_came_in_are_taken_off_and_stand_on_account(
    database: Any, engine: LocalEngine, tmp_path: Path
) -> None:
    """a pays 3.00 in two parts; of c's 5.00 for 1.00 four are too much; of b's 2.00 one comes, then it is given up."""
    counter = Counter(Books(database, engine), tmp_path)
    books, ids = counter.books, counter.ids
    came = counter.file(("a300", "1.00", "R-1"), ("b200", "1.00", "R-2"), ("c100", "5.00", "R-3"))
    counter.at(books.connection, 4).read(came)
    waits = {row["what"]: row for row in waiting(books.connection, Asked(books.tenant, "market"), NOON).dicts()}
    assert (waits["a payment, for its result"]["amount"], waits["a payment, for its result"]["things"]) == (350, 3)
    free = waits["money on account, to use or pay back"]
    assert (free["amount"], free["things"]) == (400, 1)
    by_state = payouts(books.connection, Asked(books.tenant, "market")).totals()["CNY"]
    assert (by_state["in_flight"], by_state["came_in"]) == (-550, 200) == (counter.balance("channel/bank_file"), 200)
    counter.at(books.connection, 5).read(counter.file(("a300", "2.00", "R-4")))
    for move in (Move.PARK, Move.JUDGE_FAILED):
        counter.at(books.connection, 6).by_hand([ids["b200"]], move, "ann", "given up")

    def ledger(day: int, beginning: str) -> int:
        (row,) = books.connection.execute(
            "SELECT coalesce(sum(credits_minor - debits_minor), 0) FROM ledger.account"
            " WHERE account LIKE %s AND booked_on <= %s", (f"{beginning}%", date(2026, 3, day)),
        ).fetchall()  # fmt: skip
        return int(row[0])

    sides: dict[int, dict[tuple[str, str], int]] = {}
    for day in range(1, 8):
        asked = Asked(books.tenant, "market", on=date(2026, 3, day))
        rows = ageing(books.connection, asked).dicts()
        sides[day] = {(row["party"][-1], row["side"]): row["total"] for row in rows}
        signed = sum(row["total"] * (1 if row["side"] in ("payable", "on account") else -1) for row in rows)
        assert signed == sum(ledger(day, each) for each in ("party/", "channel/", "on_account/")), day
        found = {row["party"]: row["on_account"] for row in balances_of(books.connection, asked).dicts()}
        assert found == {party: ledger(day, f"on_account/{party}") for party in found}, day
    assert sides[3] == {("a", "collecting"): 300, ("b", "collecting"): 250, ("c", "collecting"): 100}
    assert sides[4] == {("a", "collecting"): 200, ("b", "collecting"): 150, ("c", "on account"): 400}
    assert sides[5] == {("b", "collecting"): 150, ("c", "on account"): 400}
    assert sides[7] == {
        ("b", "collecting"): 50,
        ("b", "receivable"): 200,
        ("b", "on account"): 100,
        ("c", "on account"): 400,
    }


def test_a_statement_that_no_event_has_ended_waits_for_one_and_since_no_day(database: Any, engine: LocalEngine) -> None:
    books = Books(database, engine)
    books.statements["merchant"] = StatementSpec(cycle="until closed")
    books.book("record debtor creditor amount booked_on\nA1 platform merchant:m 5.00 2026-03-01")
    (row,) = waiting(books.connection, Asked(books.tenant, "market"), NOON).dicts()
    assert (row["who"], row["what"], row["since"], row["amount"]) == ("an event", "a statement, to close", None, 500)
