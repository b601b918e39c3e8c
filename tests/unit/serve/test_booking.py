"""What reconciliations write off is in the ledger once, and is taken back with what caused it."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from chained import Chains

from everycent.base.engine.local import LocalEngine
from everycent.base.money.amount import NotAnAmount, parse_minor
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.money.currency import currency
from everycent.flow.ledger import service as ledger
from everycent.proof.recon.breaks import desk as at
from everycent.proof.recon.breaks.desk import Desk
from everycent.proof.recon.breaks.standing import Chosen, find
from everycent.proof.recon.contract import REFUSED, SIDE, ReconSpec
from everycent.proof.recon.core.moves import State
from everycent.proof.recon.core.plan import plan_recon
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.service import RunKey
from everycent.proof.recon.service import run as run_recon
from everycent.proof.verify.core import booked
from everycent.proof.verify.core import ledger as verified_ledger
from everycent.proof.verify.service import verify
from everycent.proof.verify.tables import stored_tables
from everycent.serve.booking import act_booked, book_entries

POSTED, CAUSED, STANDS = (rule.name for rule in booked.RULES)
BOOK = {"against": "receivable/cards", "within_tolerance": "expense/small", "written_off": "expense/write-offs"}
FILE = {"file": "a.csv", "columns": {"id": "text", "paid": "money", "code": "text"}, "key": "id", "amount": "paid"}
DAILY = {
    "left": FILE,
    "right": FILE,
    "tolerance": "0.05",
    "book": BOOK,
    "breaks": {"write_off": {"approve_above": "5.00"}},
}
OF_THE_WORLD = {
    "left": {**FILE, "currency": "code"},
    "right": {**FILE, "currency": "code"},
    "tolerance": {"CNY": "0.05", "JPY": "5"},
    "breaks": {"write_off": {"approve_above": {"CNY": "5.00", "JPY": "500"}}},
}
SMALL, LARGE, OPEN = "expense/small", "expense/write-offs", "receivable/cards"
NOW = datetime(2026, 3, 4, 17, tzinfo=UTC)  # on 5 March in Shanghai
SHANGHAI = BusinessCalendar.parse("Asia/Shanghai", "00:00")


class Books(Chains):
    """Days of a scenario, and what the ledger says after each."""

    def day(self, number: int, ours: str | None = None, bill: str | None = None, **words: Any) -> None:
        """One day's run, with other words than DAILY perhaps; each side as `A 1.00, B 200 JPY`, and as it was where it
        is not given."""
        for name, said in (("ours", ours), ("bill", bill)):
            if said is not None:
                self.write(f"{name}_{number}", said)
        left, right = (self._side(f"{name}_{number}") for name in ("ours", "bill"))
        spec, day = ReconSpec.model_validate(DAILY | words), date(2026, 3, number)
        plan = plan_recon("bills", spec, currency("CNY"), calendar=SHANGHAI)
        connection, engine = self.session.connection, self.session.engine
        with connection.transaction():
            ran = run_recon(
                connection, engine, "default", "checks", "CNY", plan, left, right, spec.breaks, day=day, now=NOW
            )
            book_entries(self.session, RunKey("default", "checks", ran.run_id), "bills", ran, (left, right), day)

    def _side(self, name: str) -> SideRows:
        taken, refused = list[Any](), list[Any]()
        for line, row in enumerate(filter(None, (self.folder / name).read_text().split(", ")), 2):
            key, amount, *code = row.split()
            place = {"source_file": name, "source_line": line}
            try:
                minor = parse_minor(amount, currency(code[0] if code else "CNY"))
                taken.append({**place, "key": key, "amount_minor": minor, "currency": code[0] if code else None})
            except NotAnAmount as reason:
                refused.append({**place, "reason": str(reason)})
        columns = SIDE.append(pa.field("currency", pa.string()))
        return SideRows(pa.Table.from_pylist(taken, columns), pa.Table.from_pylist(refused, REFUSED), 0)

    def balances(self, code: str = "CNY") -> dict[str, int]:
        """Credits less debits of the accounts that are not at 0."""
        return {
            one.account: one.standing.balance_minor
            for one in ledger.accounts_at(self.session.connection, "default", "checks")
            if one.currency == code and one.standing.balance_minor
        }

    def faults(self) -> set[str]:
        """The checks of what is booked, and of the ledger, that do not hold."""
        connection, engine = self.session.connection, self.session.engine
        with stored_tables(connection, engine, "default", "checks", []):
            rules = (*booked.RULES, *verified_ledger.RULES)
            return {rule.name for rule in rules if engine.query(rule.sql)["bad"][0].as_py()}

    def transfers(self) -> list[tuple[Any, ...]]:
        rows = self.session.connection.execute(
            "SELECT booked_on::text, debit_account, amount_minor::int, currency, split_part(cause, ' ', 2)"
            " FROM ledger.transfer ORDER BY 1, 2"
        )
        return rows.fetchall()

    def act(self, who: str, what: Any, key: str) -> None:
        connection = self.session.connection
        meant = find(connection, "default", Chosen(keys=[key], states=tuple(State)), NOW)
        done = act_booked(self.session, lambda: what(Desk(connection, "default", who, NOW), meant, None), NOW)
        assert len(done.moved) == 1, done.refused


@pytest.fixture
def books(database: Any, engine: LocalEngine, tmp_path: Path) -> Iterator[Books]:
    """In the end what is booked verifies."""
    made = Books(database, engine, tmp_path / "scenarios")
    yield made
    assert made.faults() == set()


def test_a_day_is_booked_once_and_another_leaves_it(books: Books) -> None:
    books.day(2, "A 1.00, B 2.00, C 3.00", "A 0.98, B 2.01, C 9.00")
    once = {OPEN: 1, SMALL: -1}
    assert books.balances() == once
    books.day(2)
    assert books.balances() == once, "the same again"
    books.day(3, "D 1.00", "D 0.97")
    assert books.balances() == {OPEN: 4, SMALL: -4}
    assert books.transfers() == [
        ("2026-03-02", SMALL, 2, "CNY", "entry"),
        ("2026-03-02", OPEN, 1, "CNY", "entry"),
        ("2026-03-03", SMALL, 3, "CNY", "entry"),
    ]


def test_what_a_corrected_file_no_longer_leaves_is_taken_back(books: Books) -> None:
    books.day(2, "A 1.00, B 2.00, C 3.00", "A 0.98, B 1.96, C 2.99")
    assert books.balances() == {OPEN: 7, SMALL: -7}
    books.day(2, bill="A 1.00, B 1.97")
    assert books.balances() == {OPEN: 3, SMALL: -3}, "A agrees, B differs by less, C is a break"
    books.day(2, ours="B 2.00", bill="B 1.97")
    assert books.balances() == {OPEN: 3, SMALL: -3}, "B stands as it stood"
    books.day(2, ours="X 1.00", bill="X 1.00")
    assert books.balances() == {}, "both files were given again without B"
    books.day(2, "A 1.00, B 2.00, C 3.00", "A 0.98, B 1.96, C 2.99")
    assert books.balances() == {OPEN: 7, SMALL: -7}, "the run of before, and booked anew"
    books.day(2, tolerance="0.01")
    assert books.balances() == {OPEN: 1, SMALL: -1}


def test_a_file_that_was_not_read_whole_takes_nothing_back(books: Books) -> None:
    books.day(2, "A 1.00", "A 0.98")
    books.day(2, "X 1.00, Y oops", "X 1.00, Y oops")
    assert books.balances() == {OPEN: 2, SMALL: -2}


def test_what_a_person_writes_off_is_booked_on_the_business_day(books: Books) -> None:
    books.day(2, "A 1.00, B 9.00", "A 0.50, B 1.00")
    books.act("ann", at.write_off, "A")
    books.act("ann", at.write_off, "B")
    assert books.balances() == {OPEN: 50, LARGE: -50}, "B waits for a second person"
    books.act("bob", at.approve, "B")
    assert books.balances() == {OPEN: 850, LARGE: -850}
    assert {row[0] for row in books.transfers()} == {"2026-03-05"}
    books.day(2)
    books.day(2, bill="A 0.50, B 1.00, C 1.00")
    assert books.balances() == {OPEN: 850, LARGE: -850}, "found again with the same figures"
    books.act("ann", at.reopen, "A")
    assert books.balances() == {OPEN: 800, LARGE: -800}
    books.act("ann", at.write_off, "A")
    assert books.balances() == {OPEN: 850, LARGE: -850}
    books.day(2, bill="A 0.60, B 9.00")
    assert books.balances() == {}, "A is open again with other figures, B agrees"


def test_yen_are_booked_as_yen(books: Books) -> None:
    ours, bill = "A 1.00, J 100 JPY, K 900 JPY, M 1000 JPY, N 7 JPY", "A 0.98, J 98 JPY, K 400 JPY, M 1 JPY, N 7 USD"
    books.day(2, ours, bill, **OF_THE_WORLD)
    assert (books.balances(), books.balances("JPY")) == ({OPEN: 2, SMALL: -2}, {OPEN: 2, SMALL: -2})
    books.act("ann", at.write_off, "K")
    books.act("ann", at.write_off, "M")
    assert books.balances("JPY") == {OPEN: 502, SMALL: -2, LARGE: -500}, "M waits for a second person"
    books.act("bob", at.approve, "M")
    assert books.balances("JPY") == {OPEN: 1501, SMALL: -2, LARGE: -1499}
    assert books.balances() == {OPEN: 2, SMALL: -2}, "no yen are among the yuan"
    books.act("ann", at.reopen, "K")
    books.day(2, bill=bill.replace("J 98", "J 100"), **OF_THE_WORLD)
    assert books.balances("JPY") == {OPEN: 999, LARGE: -999}
    assert books.faults() == set()
    with books.session.connection.transaction(force_rollback=True):
        books.session.connection.execute("UPDATE recon.break_currency SET left_currency = 'KRW'")
        assert books.faults() == {CAUSED}, "the break is of another currency than what is booked"


def test_a_cut_before_the_last_books_nothing(books: Books) -> None:
    side = '{load: {files: {paths: "%s_{as_of}.csv"}}, columns: {id: text, paid: money, on: date}, %s}'
    seen = "key: id, amount: paid, occurred_at: on"
    recon = (
        f"  bills:\n    left: {side % ('ours', seen)}\n    right: {side % ('bill', seen)}\n    tolerance: 0.05\n"
        f"    carry: yes\n    book: {json.dumps(BOOK)}\n"
    )
    sides = {2: ("A,1.00,2026-03-02\nB,1.00,2026-03-02\n", "A,0.99,2026-03-02\n"), 3: ("", "B,0.98,2026-03-03\n")}
    for number, (ours, bill) in sides.items():
        books.write(f"ours_2026-03-0{number}.csv", "id,paid,on\n" + ours)
        books.write(f"bill_2026-03-0{number}.csv", "id,paid,on\n" + bill)
        books.run(recon, day=date(2026, 3, number))
    assert books.balances() == {OPEN: 3, SMALL: -3}
    books.run(recon, day=date(2026, 3, 2))
    assert books.balances() == {OPEN: 3, SMALL: -3}, "B is open at that cut, and was closed by the next"


TAMPERINGS = (
    ("DELETE FROM recon.booked_entry WHERE key = 'A'", {POSTED, STANDS}),
    ("UPDATE recon.booked_entry SET amount_minor = 7 WHERE key = 'A'", {POSTED, CAUSED, STANDS}),
    ("UPDATE recon.booked_entry SET back_id = transfer_id, back_on = booked_on WHERE key = 'A'", {POSTED, STANDS}),
    ("UPDATE recon.booked_entry SET booked_on = '2026-04-01' WHERE key = 'B'", {POSTED}),
    ("UPDATE recon.booked_entry SET amount_minor = 7 WHERE key = 'B'", {POSTED, CAUSED}),
    ("UPDATE recon.standing_break SET state = 'in_hand', reason = NULL WHERE key = 'B'", {CAUSED}),
    ("UPDATE recon.booked_entry SET currency = 'JPY' WHERE key = 'B'", {POSTED, CAUSED}),
    ("UPDATE ledger.transfer SET debit_account = 'x' WHERE cause LIKE 'recon entry%'", {POSTED}),
    ("DELETE FROM ledger.transfer WHERE cause LIKE 'recon write-off%'", {POSTED}),
)


def test_the_verifier_finds_what_was_tampered_with(books: Books) -> None:
    books.day(2, "A 1.00, B 2.00", "A 0.98, B 1.00")
    books.act("ann", at.write_off, "B")
    connection = books.session.connection
    assert verify(connection, books.session.details, books.session.engine, "default", "checks").ok
    for tamper, found in TAMPERINGS:
        with connection.transaction(force_rollback=True):
            connection.execute(tamper)
            assert books.faults() & {POSTED, CAUSED, STANDS} == found, tamper
