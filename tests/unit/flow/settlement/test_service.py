"""The day cut: what is due is recounted and closed for good, and later facts are booked on an open day."""

import psycopg
import pytest

from everycent.base.platform.database import connect
from everycent.flow.settlement import store
from everycent.flow.settlement.core.recount import Figures
from everycent.flow.settlement.store import BookDateMoved, ClosedStatement

HEAD = "record debtor creditor amount booked_on\n"
DAY_1 = "market/merchant:m/2026-03-01/CNY/shanghai"
DAY_2 = "market/merchant:m/2026-03-02/CNY/shanghai"
MARCH = "market/brand:b/2026-03/CNY/shanghai"

SALES = """
    record debtor    creditor    amount booked_on
    A1     platform  merchant:m   89.99  2026-03-01
    A2     brand:b   merchant:m    2.80  2026-03-01
    A3     platform  merchant:m   10.00  2026-03-02
"""


def closed(closing):  # type: ignore[no-untyped-def]
    return closing.closed["statement_id"].to_pylist()


def test_a_day_cut_closes_what_is_due_and_opens_the_day(books) -> None:  # type: ignore[no-untyped-def]
    books.book(SALES)
    assert str(books.open_on()) == "0001-01-01"
    closing = books.close("2026-03-02")
    assert closed(closing) == [DAY_1]
    assert closing.closed["net_minor"].to_pylist() == [9279]
    assert str(closing.open_on) == str(books.open_on()) == "2026-03-02"
    assert (books.statement(DAY_1)["state"], str(books.statement(DAY_1)["closed_as_of"])) == ("closed", "2026-03-02")
    assert books.statement(DAY_2)["state"] == books.statement(MARCH)["state"] == "open"
    assert closed(books.close("2026-04-01")) == [MARCH, DAY_2]


def test_closing_again_changes_nothing(books) -> None:  # type: ignore[no-untyped-def]
    books.book(SALES)
    books.close("2026-03-03")
    before = books.connection.execute("SELECT * FROM settlement.statement ORDER BY 3").fetchall()
    for as_of in ("2026-03-03", "2026-03-02"):
        assert closed(books.close(as_of)) == []
        assert str(books.open_on()) == "2026-03-03"
    assert books.connection.execute("SELECT * FROM settlement.statement ORDER BY 3").fetchall() == before


def test_a_dry_run_says_the_same_and_changes_nothing(books) -> None:  # type: ignore[no-untyped-def]
    books.book(SALES)
    dry = books.close("2026-03-03", dry_run=True)
    assert str(books.open_on()) == "0001-01-01"
    assert dry.closed.equals(books.close("2026-03-03").closed)


def test_late_facts_land_on_the_next_open_statement(books) -> None:  # type: ignore[no-untyped-def]
    books.book(SALES)
    books.close("2026-03-02")
    with pytest.raises(BookDateMoved, match=r"booked on 2026-03-01, but the first open day is 2026-03-02"):
        books.book(f"{HEAD} L1 platform merchant:m 1.00 2026-03-01")
    books.book(f"{HEAD} L1 platform merchant:m 1.00 {books.open_on()}")
    assert books.statement(DAY_1)["payable_minor"] == 9279
    assert books.statement(DAY_2)["payable_minor"] == 1100


def test_a_refused_batch_leaves_no_trace(books) -> None:  # type: ignore[no-untyped-def]
    books.close("2026-03-02")
    with pytest.raises(BookDateMoved):
        books.book(f"{HEAD} L1 platform merchant:m 1.00 2026-03-01")
    assert books.connection.execute("SELECT count(*) FROM clearing.obligation").fetchone() == (0,)
    assert books.connection.execute("SELECT count(*) FROM ledger.transfer").fetchone() == (0,)


def test_a_recount_that_differs_stops_its_statement_and_no_other(books) -> None:  # type: ignore[no-untyped-def]
    books.book(SALES)
    books.connection.execute("UPDATE clearing.obligation SET amount_minor = amount_minor + 1 WHERE amount_minor = 280")
    closing = books.close("2026-04-01")
    assert closed(closing) == [DAY_2]
    named = {differs.statement_id: differs for differs in closing.differing}
    assert sorted(named) == [MARCH, DAY_1]
    assert named[DAY_1].accrued == Figures(9279, 0, 2)
    assert named[DAY_1].recounted == Figures(9280, 0, 2)
    assert named[MARCH].recounted == Figures(0, 281, 1)
    assert books.statement(DAY_1)["state"] == "open"
    books.connection.execute("UPDATE clearing.obligation SET amount_minor = amount_minor - 1 WHERE amount_minor = 281")
    assert closed(books.close("2026-04-01")) == [MARCH, DAY_1]


def test_a_lost_obligation_is_noticed_even_if_it_was_nothing(books) -> None:  # type: ignore[no-untyped-def]
    books.book(f"{HEAD} A1 platform merchant:m 0.00 2026-03-01")
    books.connection.execute("DELETE FROM clearing.obligation")
    (differs,) = books.close("2026-03-02").differing
    assert (differs.accrued, differs.recounted) == (Figures(0, 0, 1), Figures(0, 0, 0))


def test_statements_are_recounted_over_both_tiers(books) -> None:  # type: ignore[no-untyped-def]
    books.book(SALES)
    books.database.details.lake_from_rows = 1
    books.book(f"{HEAD} B1 platform merchant:m 0.01 2026-03-01")
    closing = books.close("2026-03-02")
    assert closing.closed["payable_minor"].to_pylist() == [9280]


def test_an_accrual_on_a_closed_statement_is_a_bug(books) -> None:  # type: ignore[no-untyped-def]
    books.book(SALES)
    books.close("2026-03-02")
    books.connection.execute("UPDATE settlement.book_date SET open_on = '2026-03-01'")  # what never happens
    with pytest.raises(ClosedStatement, match=DAY_1):
        books.book(f"{HEAD} L1 platform merchant:m 1.00 2026-03-01")


def test_a_day_cut_and_a_batch_wait_for_each_other(books) -> None:  # type: ignore[no-untyped-def]
    books.book(SALES)
    with connect(books.database.settings) as other:
        other.execute("SET lock_timeout = '50ms'")
        with books.connection.transaction():
            store.lock_books(books.connection, books.tenant, books.model, to_close=False)
            with other.transaction():
                store.lock_books(other, books.tenant, books.model, to_close=False)  # batches share the books
            with pytest.raises(psycopg.errors.LockNotAvailable), other.transaction():
                store.lock_books(other, books.tenant, books.model, to_close=True)
