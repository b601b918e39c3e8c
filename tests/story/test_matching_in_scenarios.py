"""A scenario's rules: payouts in the books against lines of the bank, which call nothing by the same name."""

from datetime import UTC, datetime
from typing import Any

import pyarrow.parquet as pq
import pytest

from everycent.flow.model.contract import ModelRefused
from everycent.proof.recon.breaks.partners import partners
from everycent.proof.recon.breaks.standing import Chosen, find
from everycent.proof.verify.core import booked
from everycent.proof.verify.core.recon import ENTRIES
from everycent.proof.verify.service import verify
from everycent.serve.cli.running import as_dict, print_outcome
from everycent.serve.recon_modes import parts_beyond_limit, write_matches

LISTED = "each reconciliation's rows are those it found"
MODEL = """
model: tea-house
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai, day_cut: "06:00"}
parties:
  platform: {operator: tea-shanghai}
  merchant: {key: [merchant]}
records:
  sold:
    file: sold.csv
    id: [id]
    occurred_at: at
    columns: {id: text, merchant: text, price: money, at: timestamp}
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
statements: {merchant: {cycle: daily}}
recon:
  books_against_bank:
    left:
      records: sold
      key: [id]
      amount: price
      occurred_at: at
      counterparty: merchant
    right:
      file: bank.csv
      columns: {line: text, paid: money, value_on: date, memo: text, code: {type: text, required: no}}
      key: [line]
      amount: paid
      occurred_at: value_on
      counterparty: memo
      CURRENCY
    rules:
RULES
"""
RULES = """
      - {name: days, dates: {by: counterparty, within: 1 day}}
      - {tolerance: {by: counterparty, absolute: 0.05}}
      - {name: together, subset: {within: 3 days}}
      - {convert: {rates: fx, by: counterparty}}
"""
BOOK = "    book: {against: open-items, within_tolerance: small}\n"
SOLD = """id,merchant,price,at
A1,m-1,10.00,2026-03-02 05:30:00
A2,m-2,20.00,2026-03-02 12:00:00
A3,m-3,7.00,2026-03-02 12:00:00
A4,m-3,3.00,2026-03-03 12:00:00
A5,m-4,5.00,2026-03-02 12:00:00
A6,m-5,72.00,2026-03-02 12:00:00
A7,m-6,1.00,2026-03-02 12:00:00
"""
BANK = """line,paid,value_on,memo,code
1,10.00,2026-03-02,m-1,
2,19.97,2026-03-09,m-2,
3,10.00,2026-03-04,m-3,
4,5.00,2026-03-02,m-4,
5,5.00,2026-03-03,m-4,
6,1000,2026-03-02,m-5,JPY
7,9.00,2026-03-02,m-9,XXX
"""
RATES = "from_currency,to_currency,valid_from,rate\nCNY,JPY,2026-01-01,13.888888889\n"


def model(rules: str = RULES, currency: str = "currency: code") -> str:
    return MODEL.replace("RULES", rules).replace("CURRENCY", currency)


def test_what_no_key_joins_is_explained_by_rules(tell: Any, tmp_path: Any) -> None:
    told = tell(model(RULES + BOOK), {"sold.csv": SOLD, "fx.csv": RATES}, "2026-03-31", {"bank.csv": BANK})
    found = as_dict(told.outcome)["recon"]["books_against_bank"]
    assert found["matches"] == {
        "unique": 4, "ambiguous": 1, "budget_exhausted": 0,
        "differences_minor": {"within_tolerance": 3}, "differences_in_others_minor": {},
    }  # fmt: skip
    # two lines of the bank suit A5 as well: it waits; A1 was sold before the cut, on the business day before
    assert {name: (b["left_rows"], b["right_rows"]) for name, b in found["buckets"].items() if b["keys"]} == {
        "matched": (5, 4), "ambiguous": (1, 2), "missing_right": (1, 0),
    }  # fmt: skip
    assert found["residual_minor"] == 0 and found["breaks"] == 4
    assert told.rows("SELECT rule, string_agg(key, ' ' ORDER BY side, key) FROM recon.match GROUP BY 1 ORDER BY 1") == [
        ("convert", "A6 6"), ("days", "A1 A5 1 4 5"), ("together", "A3 A4 3"), ("tolerance", "A2 2"),
    ]  # fmt: skip
    assert told.rows("SELECT reason FROM recon.refused") == [("no amount: XXX is no currency",)]
    assert told.outcome.verdict.ok
    files = write_matches(tmp_path, [(one.name, one.run) for one in told.outcome.scenarios])
    assert [pq.read_table(file).num_rows for file in files] == [12, 2, 4]
    _booked_and_verified(told)
    _ambiguous_has_its_ways(told)


def _booked_and_verified(told: Any) -> None:
    """What rules leave is kept as entries, and the verifier names one that was altered."""
    entries = "SELECT cause, key, debit_account, credit_account, amount_minor::int FROM recon.entry ORDER BY entry_no"
    assert told.rows(entries) == [("within_tolerance", "A2", "small", "open-items", 3)]
    session = told.session
    for tamper, checks in (
        (
            "UPDATE recon.entry SET amount_minor = amount_minor + 1",
            {LISTED, ENTRIES.name, booked.CAUSES_AGREE.name, booked.LAST_RUN_BOOKED.name},
        ),
        ("DELETE FROM recon.booked_entry", {booked.ENTRIES_POSTED.name}),
    ):
        with session.connection.transaction(force_rollback=True):
            session.connection.execute(tamper)
            verdict = verify(session.connection, session.details, session.engine, session.tenant, "tea-house")
            assert {found.name for found in verdict.findings} == checks, tamper


def _ambiguous_has_its_ways(told: Any) -> None:
    """A5 may belong to either of two lines of the bank, the nearer day first; each of them to A5 alone."""
    session = told.session
    found = find(session.connection, session.tenant, Chosen(kinds=("ambiguous",)), datetime.now(UTC))
    ways = {
        each.key: [
            (way["rank"], way["rule"], [(row["side"], row["key"], row["amount_minor"]) for row in way["rows"]])
            for way in partners(session.connection, session.tenant, each, 20)
        ]
        for each in found
    }
    assert ways == {
        "A5": [(1, "days", [("right", "4", 500)]), (2, "days", [("right", "5", 500)])],
        "4": [(1, "days", [("left", "A5", 500)])],
        "5": [(1, "days", [("left", "A5", 500)])],
    }
    (missing,) = find(session.connection, session.tenant, Chosen(kinds=("missing_right",)), datetime.now(UTC))
    assert partners(session.connection, session.tenant, missing, 20) == []


def test_the_same_again_changes_nothing_and_tells_the_same(tell: Any) -> None:
    files = {"sold.csv": SOLD, "fx.csv": RATES}
    first = tell(model(), files, "2026-03-31", {"bank.csv": BANK}).outcome.scenarios[0]
    told = tell(model(), files, "2026-03-31", {"bank.csv": BANK})
    again = told.outcome.scenarios[0]
    assert not again.changed
    assert (again.run.reconciled, again.run.beyond.explained) == (first.run.reconciled, first.run.beyond.explained)
    changed = {"sold.csv": SOLD, "fx.csv": RATES.replace("13.888888889", "14")}
    assert tell(model(), changed, "2026-03-31", {"bank.csv": BANK}).outcome.scenarios[0].changed
    session = told.session
    assert verify(session.connection, session.details, session.engine, session.tenant, "tea-house").ok


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("      - {dates: {by: reference, within: 1 day}}", "rule 1 'dates' looks at 'reference', which the left side"),
        (
            "      - {key: {}}\n      - {group: {}}",
            "rule 2 'group' looks at 'group', which the left side does not name",
        ),
        ("      - {net_of_fees: {stated: yes}}", "rule 1 'net_of_fees' takes the fee that a row states"),
        ("      - {key: {by: status}}", "write there 'status'"),
        ("      - {convert: {rates: gold, by: counterparty}}", "there is no file gold.csv beside the model"),
    ],
)
def test_a_rule_that_looks_at_what_a_side_lacks_is_refused(tell: Any, rules: str, message: str) -> None:
    with pytest.raises(ModelRefused) as refused:
        tell(model(rules), {"sold.csv": SOLD, "fx.csv": RATES}, "2026-03-31", {"bank.csv": BANK})
    assert message in str(refused.value)


def test_a_conversion_needs_a_side_with_currencies(tell: Any) -> None:
    rules = "      - {convert: {rates: fx, by: counterparty}}"
    with pytest.raises(ModelRefused, match="no side has any but one"):
        tell(model(rules, ""), {"sold.csv": SOLD, "fx.csv": RATES}, "2026-03-31", {"bank.csv": BANK})


TOTALS = """
      - {name: days, dates: {by: counterparty, within: 1 day}}
    mode: one_way
    total: {by: occurred_on, limit: LIMIT}
"""


def test_one_way_with_totals_beside_the_details(tell: Any, capsys: Any) -> None:
    files, bank = {"sold.csv": SOLD.replace("A5,m-4", "A5,m-7")}, {"bank.csv": BANK}
    told = tell(model(TOTALS.replace("LIMIT", "0"), ""), files, "2026-03-31", bank)
    found = as_dict(told.outcome)["recon"]["books_against_bank"]
    assert (found["buckets"]["only_right"]["right_rows"], found["buckets"]["matched"]["left_rows"]) == (6, 1)
    assert {row["bucket"] for row in told.outcome.scenarios[0].run.reconciled.breaks.to_pylist()} == {"missing_right"}
    assert found["totals"] == {"dimensions": 5, "apart": 0, "beyond_limit": 0, "lines": []}
    assert told.outcome.verdict.ok


def test_sides_compared_in_total_alone_fail_beyond_the_limit(tell: Any, capsys: Any) -> None:
    rules = "      []\n    detail: no\n    total: {limit: LIMIT}"
    files, bank = {"sold.csv": SOLD}, {"bank.csv": BANK}
    told = tell(model(rules.replace("LIMIT", "940.97"), ""), files, "2026-03-31", bank)
    found = as_dict(told.outcome)["recon"]["books_against_bank"]
    assert (found["residual_minor"], found["totals"]["beyond_limit"]) == (-94097, 0)
    assert not parts_beyond_limit(told.outcome.scenarios[0].run)
    told = tell(model(rules.replace("LIMIT", "940.96"), ""), files, "2026-03-31", bank)
    assert parts_beyond_limit(told.outcome.scenarios[0].run) and told.outcome.verdict.ok
    print_outcome(told.outcome)
    said = " ".join(capsys.readouterr().err.split())
    assert "1 of 1 totals part, 1 of them beyond the limit: the run has failed" in said
    assert "left less right is -940.97, details were not compared" in said
