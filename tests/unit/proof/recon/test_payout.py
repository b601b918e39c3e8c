"""One bank line is several payouts, or a payout several bank lines; what lacks has a name, and all adds up."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.contract import BREAK, MATCH_DIFFERENCE, MATCHED_ROW, SIDE
from everycent.proof.recon.core.payout import PayoutPlan, decompose, payouts_of, with_currency, without_currency

PLAN = PayoutPlan("left", {"sale": "gross", "fx": "exchange"}, "EUR")
Line = tuple[Any, ...]


def side(*rows: tuple[str, int], **more: list[Any]) -> pa.Table:
    """(key, amount) and further columns."""
    full = [dict.fromkeys(SIDE.names) | {"key": key, "amount_minor": amount} for key, amount in rows]
    table = pa.Table.from_pylist(full, SIDE)
    for name, values in more.items():
        table = table.append_column(name, pa.array(values, pa.string()))
    return table


def orders(*rows: tuple[str, str, int]) -> pa.Table:
    """(payout, order, amount), all of them sales."""
    return side(
        *((payout, amount) for payout, _, amount in rows),
        kind=["sale"] * len(rows),
        reference=[order for _, order, _ in rows],
    )


def matches(*found: tuple[str, str]) -> pa.Table:
    """Of each sure match the report's keys and the bank's, as "P1 P2", "b1"."""
    rows = [
        dict.fromkeys(MATCHED_ROW.names) | {"match_no": no, "label": "unique", "side": of, "row_no": 1, "key": key}
        for no, sides in enumerate(found, 1)
        for of, keys in zip(("left", "right"), sides, strict=True)
        for key in keys.split()
    ]
    return pa.Table.from_pylist(rows, MATCHED_ROW)


def causes(*found: tuple[int, str, int]) -> pa.Table:
    rows = [
        {"match_no": no, "cause": cause, "difference_minor": minor, "currency": "EUR"} for no, cause, minor in found
    ]
    return pa.Table.from_pylist(rows, MATCH_DIFFERENCE)


@pytest.fixture(scope="session")
def taken_apart(engine: LocalEngine) -> Any:
    def run(
        report: pa.Table,
        bank: pa.Table,
        matched: pa.Table,
        differences: pa.Table = causes(),  # noqa: B008
        by_key: pa.Table = BREAK.empty_table(),  # noqa: B008
    ) -> list[Line]:
        rows = decompose(PLAN, report, bank, matched, differences, by_key, engine).to_pylist()
        return [(row["payout"], row["paid_key"], row["part"], row["order"], int(row["amount_minor"])) for row in rows]

    return run


def test_a_payout_that_is_paid_in_two_lines_has_both(taken_apart: Any) -> None:
    report, bank = orders(("P1", "A", 700), ("P1", "B", 300)), side(("b2", 600), ("b1", 400))
    assert taken_apart(report, bank, matches(("P1", "b1 b2"))) == [
        ("P1", "b1 + b2", "gross", "A", 700),
        ("P1", "b1 + b2", "gross", "B", 300),
    ]


def test_a_line_that_pays_two_payouts_is_that_of_each_and_its_charge_that_of_none(taken_apart: Any) -> None:
    report, bank = orders(("P1", "A", 700), ("P2", "B", 300)), side(("b1", 985))
    told = taken_apart(report, bank, matches(("P1 P2", "b1")), causes((1, "fee", 10), (1, "within_tolerance", 5)))
    assert told == [
        ("P1", "b1", "gross", "A", 700),
        ("P2", "b1", "gross", "B", 300),
        (None, "b1", "fees", None, -10),
        (None, "b1", "written_off", None, -5),
    ]


def in_currencies(table: pa.Table, *codes: str | None) -> pa.Table:
    """The table's rows, each in a currency; None: the scenario's, EUR."""
    kept = table.drop_columns([name for name in table.column_names if name == "currency"])
    return kept.append_column("currency", pa.array(codes, pa.string()))


def told_in_currencies(engine: LocalEngine, *given: pa.Table) -> list[Line]:
    parts = decompose(PLAN, *given, BREAK.empty_table(), engine)
    kept, others = without_currency(parts)
    assert with_currency(kept.drop_columns(["part_no"]), others).equals(parts), "as it is kept, so it is read"
    return [
        tuple(None if row[name] is None else int(row[name]) if name.endswith("minor") else row[name] for name in TOLD)
        for row in parts.to_pylist()
    ]


TOLD = ("payout", "paid_key", "currency", "paid_minor", "part", "order", "amount_minor")


def test_what_is_given_in_yen_and_got_in_euro_is_exchange_in_both(engine: LocalEngine) -> None:
    report = in_currencies(orders(("P1", "A", 1000), ("P1", "B", -200), ("P2", "C", 50)), "JPY", "JPY", None)
    bank = side(("b1", 7210), ("b2", 50))
    matched = in_currencies(matches(("P1", "b1"), ("P2", "b2")), "JPY", None, None, None)
    found = causes((1, "conversion", -6409), (1, "conversion_difference", -1))
    assert told_in_currencies(engine, report, bank, matched, found) == [
        ("P1", "b1", None, 7210, "exchange", None, 7210),
        ("P1", "b1", "JPY", None, "gross", "A", 1000),
        ("P1", "b1", "JPY", None, "gross", "B", -200),
        ("P1", "b1", "JPY", None, "exchange", None, -800),
        ("P2", "b2", None, 50, "gross", "C", 50),
    ]


def test_a_payout_in_two_currencies_is_paid_in_each(engine: LocalEngine) -> None:
    """100 JPY that lack are no part of what is paid in EUR."""
    report = in_currencies(orders(("P1", "A", 1000), ("P1", "B", 700)), "JPY", "EUR")
    bank = in_currencies(side(("P1", 900), ("P1", 700)), "JPY", None)
    assert told_in_currencies(engine, report, bank, matches(), causes()) == [
        ("P1", "P1", None, 700, "gross", "B", 700),
        ("P1", "P1", "JPY", 900, "gross", "A", 1000),
        ("P1", "P1", "JPY", 900, "unexplained", None, -100),
    ]


def test_payouts_and_lines_that_hang_together_through_others_are_one_payment(taken_apart: Any) -> None:
    """Both matches have rows of the line b1: no more can be said of whose money it is."""
    report = orders(("P1", "A", 700), ("P2", "B", 300), ("P3", "C", 50))
    bank = side(("b1", 600), ("b1", 300), ("b2", 100), ("P3", 40))
    assert taken_apart(report, bank, matches(("P1", "b1 b2"), ("P2", "b1"))) == [
        ("P1", "b1 + b2", "gross", "A", 700),
        ("P2", "b1 + b2", "gross", "B", 300),
        ("P3", "P3", "gross", "C", 50),
        ("P3", "P3", "unexplained", None, -10),
    ]


def found_by_key(key: str, bucket: str, difference: int) -> pa.Table:
    row = {"key": key, "bucket": bucket, "difference_minor": difference, "left_rows": 1, "right_rows": 1}
    return pa.Table.from_pylist([dict.fromkeys(BREAK.names) | row], BREAK)


def test_what_agrees_by_key_within_the_tolerance_is_written_off(taken_apart: Any) -> None:
    report, bank = orders(("P1", "A", 1000)), side(("P1", 998))
    assert taken_apart(report, bank, matches(), by_key=found_by_key("P1", "within_tolerance", 2)) == [
        ("P1", "P1", "gross", "A", 1000), ("P1", "P1", "written_off", None, -2),
    ]  # fmt: skip


def test_a_line_of_a_payouts_key_that_pays_another_takes_nothing_from_it(taken_apart: Any) -> None:
    """The bank has two lines with the key P1: one is P1's, the other is found to be P2's."""
    report, bank = orders(("P1", "A", 700), ("P2", "B", 300)), side(("P1", 700), ("P1", 300))
    assert taken_apart(report, bank, matches(("P2", "P1"))) == [
        ("P1", "P1", "gross", "A", 700), ("P2", "P1", "gross", "B", 300),
    ]  # fmt: skip
    alone = side(("P1", 300))  # the only one is P2's: P1 is not paid
    assert taken_apart(report, alone, matches(("P2", "P1")), by_key=found_by_key("P1", "missing_right", 700)) == [
        ("P1", None, "gross", "A", 700), ("P1", None, "unexplained", None, -700), ("P2", "P1", "gross", "B", 300),
    ]  # fmt: skip


def test_from_an_order_back_to_all_lines_that_paid_it(engine: LocalEngine) -> None:
    report = orders(("P1", "A", 700), ("P2", "A", -100), ("P2", "B", 300))
    parts = decompose(
        PLAN, report, side(("b1", 700), ("b2", 200)), matches(("P1", "b1"), ("P2", "b2")), causes(),
        BREAK.empty_table(), engine,
    )  # fmt: skip
    back = payouts_of(parts, "A", engine).to_pylist()
    assert [(row["paid_key"], int(row["amount_minor"])) for row in back] == [("b1", 700), ("b2", -100)]


AMOUNTS = st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(-9, 9)), max_size=6)


@settings(max_examples=25, deadline=None)
@given(report=AMOUNTS, bank=AMOUNTS, data=st.data())
def test_every_cent_of_both_sides_is_told_once(taken_apart: Any, report: Any, bank: Any, data: Any) -> None:
    """Whatever matched whom: orders are there once, and all that was paid."""
    lefts, rights = sorted({key for key, _ in report}), sorted({key.lower() for key, _ in bank})
    found = []
    if lefts and rights:
        some = st.tuples(st.sampled_from(lefts), st.lists(st.sampled_from(rights), min_size=1, max_size=2, unique=True))
        found = [(one, " ".join(many)) for one, many in data.draw(st.lists(some, max_size=3))]
    given_report = orders(*((key, f"o{no}", amount) for no, (key, amount) in enumerate(report)))
    lines = taken_apart(given_report, side(*((key.lower(), amount) for key, amount in bank)), matches(*found))
    told = {line[3]: line[4] for line in lines if line[3] is not None}
    assert told == {f"o{no}": amount for no, (_, amount) in enumerate(report)}
    assert sum(line[4] for line in lines if line[1] is not None) == sum(amount for _, amount in bank)
    assert sum(line[4] for line in lines if line[1] is None) == 0
