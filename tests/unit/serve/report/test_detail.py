"""What the report makes of the detail tables, from a small book worked out by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from everycent.base.engine.local import LocalEngine
from everycent.serve.report import detail
from everycent.serve.report.data import FlowRow, PartyRow, ReasonRow, StandingRow, Total

# charge, debtor, creditor, amount, is a refund, debtor's statement, creditor's statement
OBLIGATIONS = (
    ("received", "channel:alipay", "platform", 100_00, False, "c/1", None),
    ("goods", "platform", "seller:a", 70_00, False, None, "a/1"),
    ("goods", "platform", "seller:b", 20_00, False, None, "b/1"),
    ("commission", "seller:a", "platform", 7_00, False, "a/1", None),
    ("goods", "platform", "seller:a", -10_00, True, None, "a/1"),
    ("goods", "platform", "seller:b", -20_00, True, None, "b/2"),  # b/1 was paid before
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    with LocalEngine(threads=1, memory_mb=256, temp_dir=tmp_path) as engine:
        con = engine.connection
        con.execute(
            "CREATE TABLE report_obligation (charge VARCHAR, debtor VARCHAR, creditor VARCHAR, amount_minor BIGINT,"
            " refund_of VARCHAR, debtor_statement VARCHAR, creditor_statement VARCHAR)"
        )
        con.executemany(
            "INSERT INTO report_obligation VALUES (?, ?, ?, ?, CASE WHEN ? THEN 'r' END, ?, ?)", OBLIGATIONS
        )
        yield engine


def test_flows_are_charged_and_refunded_apart(engine: LocalEngine) -> None:
    assert detail.flows(engine) == (
        FlowRow("channel", "received", "platform", 1, 100_00, 0),
        FlowRow("platform", "goods", "seller", 4, 90_00, 30_00),
        FlowRow("seller", "commission", "platform", 1, 7_00, 0),
    )


def test_what_became_of_each_roles_credits(engine: LocalEngine) -> None:
    outcomes = [("a/1", "net", False), ("b/1", "net", True), ("b/2", "net", False), ("c/1", "net", True)]
    assert detail.standings(engine, outcomes, {"seller": 20_00}) == (
        # The platform got 107 and owes 60 after refunds.
        StandingRow("platform", "kept", 47_00),
        StandingRow("platform", "passed", 60_00),
        # a: 70 less 10 refunded, 7 set off, 53 wait; b: 20 were paid, their refund is collected later.
        StandingRow("seller", "offset", 7_00),
        StandingRow("seller", "open", 53_00),
        StandingRow("seller", "paid", 20_00),
        StandingRow("seller", "returned", 10_00),
    )


def test_nothing_is_set_off_in_a_gross_statement(engine: LocalEngine) -> None:
    outcomes = [("a/1", "gross", True), ("b/1", "net", True), ("b/2", "net", False), ("c/1", "net", True)]
    standings = {
        row.standing: row.amount_minor
        for row in detail.standings(engine, outcomes, {"seller": 80_00})
        if row.role == "seller"
    }
    assert standings == {"paid": 80_00, "returned": 10_00}


def test_per_role_the_standings_add_up_to_what_was_charged(engine: LocalEngine) -> None:
    standings = detail.standings(engine, [("a/1", "net", True), ("b/1", "net", True)], {"seller": 60_00})
    for role, charged in (("platform", 107_00), ("seller", 90_00)):
        assert sum(row.amount_minor for row in standings if row.role == role) == charged


def test_what_an_instruction_nets_across_statements_was_set_off(engine: LocalEngine) -> None:
    # b/1 (20) and b/2 (-20) in one instruction leave nothing to pay; only a's 53 are.
    outcomes = [("a/1", "net", True), ("b/1", "net", True), ("b/2", "net", True), ("c/1", "net", True)]
    rows = detail.standings(engine, outcomes, {"seller": 53_00})
    standings = {row.standing: row.amount_minor for row in rows if row.role == "seller"}
    assert standings == {"paid": 53_00, "offset": 27_00, "returned": 10_00}


def test_parties_by_their_net(engine: LocalEngine) -> None:
    rows, total = detail.parties(engine)
    assert rows == (
        PartyRow("channel:alipay", "channel", 1, 0, 100_00, -100_00),
        PartyRow("seller:a", "seller", 3, 60_00, 7_00, 53_00),
        PartyRow("seller:b", "seller", 2, 0, 0, 0),
    )
    assert total == Total(3, -47_00)


def test_reasons_with_their_first_place(engine: LocalEngine) -> None:
    engine.connection.execute(
        "CREATE TABLE report_quarantine AS FROM (VALUES ('b.csv', 9, 'quarantined', 'no price', NULL),"
        " ('a.csv', 12, 'quarantined', 'no price', NULL), ('a.csv', 2, 'duplicate', 'seen', 1),"
        " ('r.csv', 2, 'quarantined', 'too early', 1), ('r.csv', 3, 'quarantined', 'too early', 2))"
        " t(source_file, source_line, outcome, reason, record_id)"
    )
    engine.connection.execute("CREATE TABLE report_record AS SELECT 1 AS record_id")
    assert detail.set_aside(engine) == (
        ReasonRow("quarantined", "no price", 2, "a.csv:12"),
        ReasonRow("duplicate", "seen", 1, "a.csv:2"),
        ReasonRow("quarantined", "too early", 1, "r.csv:3"),
        ReasonRow("quarantined", "too early (accepted since)", 1, "r.csv:2"),
    )
