"""Rules that scenarios write themselves, over the columns of both sides."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from chained import Chains
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.base.engine.local import LocalEngine
from everycent.flow.model.contract import ModelRefused
from everycent.proof.recon.chain import CheckSides, Surroundings
from everycent.proof.recon.checkers.formula import CHECKER, FormulaWords
from everycent.proof.recon.contract import SIDE

COLUMNS = "columns: {id: text, state: text, paid: money, weight: decimal(3), at: timestamp, day: date, ok: boolean}"
RECON = (
    f"""
  shipping:
    left: {{load: {{files: {{paths: orders.csv}}}}, {COLUMNS}, key: id, when: state <> 'test'}}
    right: {{load: {{files: {{paths: shipped.csv}}}}, {COLUMNS}, key: id}}
    check:
"""
    "%s\n"
)
HEAD = "id,state,paid,weight,at,day,ok\n"
ORDERS = HEAD + (
    "A1,paid,10.00,1.500,2026-03-01 10:00:00,2026-03-01,true\n"
    "A2,waiting,20.00,2.000,2026-03-01 11:00:00,2026-03-01,false\n"
    "A3,paid,30.00,1.000,2026-03-01 12:00:00,2026-03-01,true\n"
    "A9,test,30.00,1.000,2026-03-01 12:00:00,2026-03-01,true\n"
)
SHIPPED = HEAD + (
    "A1,shipped,10.00,1.501,2026-03-04 10:00:00,2026-03-04,true\n"
    "A2,shipped,19.89,2.000,2026-03-01 11:00:00,2026-03-01,true\n"
    "A2,shipped,20.00,2.000,2026-03-01 11:30:00,2026-03-01,true\n"
)


@pytest.fixture
def chains(database: Any, engine: LocalEngine, tmp_path: Path) -> Chains:
    chains = Chains(database, engine, tmp_path / "scenarios")
    chains.write("orders.csv", ORDERS)
    chains.write("shipped.csv", SHIPPED)
    return chains


def found(chains: Chains, *rules: str) -> list[tuple[str, ...]]:
    """Of each finding: kind, key, and the lines on both sides."""
    done = chains.one(RECON % "\n".join(f"      - {rule}" for rule in rules))
    assert done.result is not None, done.failure
    assert not any(each.failure for each in done.result.checked), done.result.checked
    return [
        (row["kind"], row["key"], row["left_line"], row["right_line"])
        for each in done.result.checked
        for row in each.findings.to_pylist()
    ]


@pytest.mark.parametrize(
    ("rule", "keys"),
    [
        ("left.state <> 'paid' and right.state = 'shipped'", [("A2", 3, 3)]),
        ("left.paid - right.paid > 0.10", [("A2", 3, 3)]),
        ("left.paid - right.paid > 0.11", []),
        ("abs(left.weight - right.weight) >= 0.001", [("A1", 2, 2)]),
        ("right.at > left.at + interval '2 days'", [("A1", 2, 2)]),
        ("left.day <> right.day or left.ok <> right.ok", [("A1", 2, 2), ("A2", 3, 3)]),
        ("left.state = 'paid' and right.id is null", [("A3", 4, None)]),
        ("left.id is null", [("A2", None, 4)]),
        ("left.paid / (right.paid - 10) > 2", [("A2", 3, 3)]),  # by nothing for A1, which is not true
        ("left.weight > 1.7", [("A2", 3, 3)]),
    ],
)
def test_what_a_condition_is_true_of_is_found(chains: Chains, rule: str, keys: list[tuple[Any, ...]]) -> None:
    assert found(chains, f'{{name: odd, when: "{rule}"}}') == [("odd", *each) for each in keys]


def test_a_rule_says_what_it_is_and_stands_beside_other_checkers(chains: Chains) -> None:
    chains_rule = (
        '{name: late, when: "right.at > left.at + interval \'2 days\'", cause: shipped_late, say: "late by far"}'
    )
    statuses = "statuses: {combinations: {never_shipped: {left: missing, right: missing}}}"
    done = chains.one(RECON % f"      - {chains_rule}\n      - {statuses}")
    assert done.result is not None
    assert [each.checker for each in done.result.checked] == ["formula", "statuses"]
    (row,) = done.result.checked[0].findings.to_pylist()
    assert (row["kind"], row["reason"], row["left_file"]) == ("shipped_late", "late by far", "orders.csv")
    kept = chains.session.connection.execute(
        "SELECT checker, kind, key FROM recon.finding WHERE kind <> 'x'"
    ).fetchall()
    assert ("formula", "shipped_late", "A1") in kept


def test_what_a_rule_sees_is_part_of_what_was_compared(chains: Chains) -> None:
    rule = '{name: light, when: "left.weight < 1"}'
    done = [chains.one(RECON % f"      - {rule}")]
    chains.write("orders.csv", ORDERS.replace("1.500", "0.500"))
    done.append(chains.one(RECON % f"      - {rule}"))
    assert [each.result is not None and each.result.changed for each in done] == [True, True]
    assert [row["key"] for row in done[1].result.checked[0].findings.to_pylist()] == ["A1"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ('{name: odd, when: "left.nothing = 1"}', "there is no 'left.nothing' here"),
        ('{name: odd, when: "state = 1"}', "there is no 'state' here"),
        ('{name: odd, when: "left.state = left.paid"}', "checker 'formula'"),
        ('{name: odd, when: "left.paid"}', "a rule is a condition; 'left.paid' is money"),
        ('{name: odd, when: "left.paid > (select 1)"}', "checker 'formula'"),
        ('{name: odd, when: "left.ok", saying: x}', "checker 'formula' has no word 'saying'"),
        ("formula: {name: odd}", "'when' is missing here"),
    ],
)
def test_a_rule_that_does_not_fit_is_told_with_its_place(chains: Chains, rule: str, told: str) -> None:
    with pytest.raises(ModelRefused) as refused:
        chains.one(RECON % f"      - {rule}")
    assert told in str(refused.value)
    assert "scenario.yaml" in str(refused.value)


def test_rows_that_are_carried_on_have_no_further_columns(chains: Chains) -> None:
    carried = RECON % '      - {name: odd, when: "left.ok"}' + "    carry: yes\n"
    with pytest.raises(
        ModelRefused, match=r"'formula': it looks at left.ok, which a row that is open .* `carry` keeps its key"
    ):
        chains.one(carried.replace("key: id", "key: id, occurred_at: at"))


ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(-3, 3) | st.none()), max_size=8)


@settings(max_examples=25)
@given(left=ROWS, right=ROWS)
def test_the_same_is_found_as_by_looking_at_each_pair(left: Any, right: Any, tmp_path_factory: Any) -> None:
    """Rows are paired by their place among those of their key. What is compared and has no value is unknown."""
    import pyarrow as pa

    from everycent.base.engine.types import ColumnType

    def side(rows: Any, file: str) -> pa.Table:
        table = pa.Table.from_pylist(
            [
                {"source_file": file, "source_line": n, "key": key, "amount_minor": 0, "status": None}
                for n, (key, _) in enumerate(rows, 1)
            ],
            SIDE,
        )
        return table.append_column("declared.n", pa.array([value for _, value in rows], pa.int64()))

    types = {"n": ColumnType("integer")}
    words = FormulaWords(name="odd", when="left.n > right.n or left.n is null")
    sides = CheckSides(side(left, "l"), side(right, "r"), pa.table({}), types, types)
    around = Surroundings(tmp_path_factory.getbasetemp(), datetime.now(UTC).date(), tmp_path_factory.getbasetemp())
    expected = []
    for key in "abc":
        of_left, of_right = ([(n, v) for n, (k, v) in enumerate(rows, 1) if k == key] for rows in (left, right))
        for at in range(max(len(of_left), len(of_right))):
            l_line, l_value = of_left[at] if at < len(of_left) else (None, None)
            r_line, r_value = of_right[at] if at < len(of_right) else (None, None)
            if r_value is not None and (l_value is None or l_value > r_value):
                expected.append((key, l_line, r_line))
    rows = CHECKER.check(words, sides, around).to_pylist()
    assert sorted((row["key"], row["left_line"] or 0, row["right_line"] or 0) for row in rows) == sorted(
        (key, l_line or 0, r_line or 0) for key, l_line, r_line in expected
    )
