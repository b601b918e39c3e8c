"""Each bucket, in the domain's language."""

from collections.abc import Callable
from typing import Any

import pytest

from everycent.proof.recon.contract import BREAK, BY_KEY, CAUSES, Bucket
from everycent.proof.recon.stage import Reconciled

Compare = Callable[..., Reconciled]


def shown(table: Any) -> list[tuple[Any, ...]]:
    return [
        (r["key"], r["cause"], r["left_amount_minor"], r["right_amount_minor"], r["left_line"], r["right_line"])
        for r in table.to_pylist()
    ]


def test_rows_that_agree_leave_no_break(compare: Compare) -> None:
    result = compare("A 100 paid\nB 0 open", "B 0 open\nA 100 paid")
    assert result.breaks.num_rows == 0 and result.breaks.schema == BREAK
    assert result.totals.to_pylist()[0] == {
        "bucket": "equal", "keys": 2, "left_rows": 2, "right_rows": 2,
        "left_minor": 100, "right_minor": 100, "difference_minor": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        ("", "A 100", [("A", "missing_left", None, 100, None, 1)]),
        ("A 100", "", [("A", "missing_right", 100, None, 1, None)]),
        ("A 100", "A 90", [("A", "amount_differs", 100, 90, 1, 1)]),
        ("A 100", "A -100", [("A", "opposite_sign", 100, -100, 1, 1)]),
        ("A 100 paid", "A 100 open", [("A", "status_differs", 100, 100, 1, 1)]),
        ("A 100 paid", "A 100", [("A", "status_differs", 100, 100, 1, 1)]),
        ("A 100 paid", "A 90 open", [("A", "amount_and_status_differ", 100, 90, 1, 1)]),
        # the first of several is the one that the other side agrees with, wherever it stands
        ("A 5\nA 100\nA 100", "A 100",
         [("A", "duplicated_left", 5, None, 1, None), ("A", "duplicated_left", 100, None, 3, None)]),
        ("A 100", "A 7\nA 100", [("A", "duplicated_right", None, 7, None, 1)]),
        ("A 100 paid", "A 100 open\nA 100 paid", [("A", "duplicated_right", None, 100, None, 1)]),
        # none agrees: the lowest line is the first
        ("A 1\nA 2", "A 9", [("A", "amount_differs", 1, 9, 1, 1), ("A", "duplicated_left", 2, None, 2, None)]),
        # a key of one side only: the first is missing over there, the others are its duplicates
        ("A 1\nA 1", "", [("A", "duplicated_left", 1, None, 2, None), ("A", "missing_right", 1, None, 1, None)]),
        # several on both sides agree once, and do not multiply
        ("A 1\nA 1", "A 1\nA 1\nA 1",
         [("A", "duplicated_left", 1, None, 2, None), ("A", "duplicated_right", None, 1, None, 2),
          ("A", "duplicated_right", None, 1, None, 3)]),
    ],
)  # fmt: skip
def test_what_does_not_agree_is_named(compare: Compare, left: str, right: str, wanted: list[tuple[Any, ...]]) -> None:
    assert shown(compare(left, right).breaks) == wanted


def test_a_difference_within_the_tolerance_is_written_off_on_its_own_line(compare: Compare) -> None:
    result = compare("A 101\nB 100\nC 98", "A 100\nB 100\nC 100", tolerance=1)
    assert shown(result.write_offs) == [("A", "within_tolerance", 101, 100, 1, 1)]
    assert shown(result.breaks) == [("C", "amount_differs", 98, 100, 3, 3)]
    lines = {line["bucket"]: line["difference_minor"] for line in result.totals.to_pylist()}
    assert lines["within_tolerance"] == 1 and lines["equal"] == 0 and lines["amount_differs"] == -2
    assert result.difference_minor == -1 and result.residual_minor == 0


def test_the_nearest_of_several_within_the_tolerance_is_the_first(compare: Compare) -> None:
    result = compare("A 50\nA 102\nA 99", "A 100", tolerance=2)
    assert shown(result.write_offs) == [("A", "within_tolerance", 99, 100, 3, 1)]
    assert [line[2] for line in shown(result.breaks)] == [50, 102]


def test_rows_that_add_up_are_compared_as_their_sum(compare: Compare) -> None:
    left, right = "A 60\nA 40\nB 5\nB 5\nB -5", "A 100\nB 6"
    result = compare(left, right, left_sums=True, status=False)
    assert shown(result.breaks) == [("B", "amount_differs", 5, 6, 3, 2)]
    assert result.totals.to_pylist()[0]["left_rows"] == 2
    assert result.breaks["left_rows"].to_pylist() == [3]


def test_rows_that_add_up_agree_in_status_only_if_all_statuses_are_the_same(compare: Compare) -> None:
    both = {"left_sums": True, "right_sums": True}
    assert compare("A 1 paid\nA 1 open", "A 1 open\nA 1 paid", **both).breaks.num_rows == 0
    (line,) = compare("A 1 paid\nA 1 open", "A 1 paid\nA 1 paid", **both).breaks.to_pylist()
    assert (line["cause"], line["left_status"], line["right_status"]) == ("status_differs", "open+paid", "paid")


def test_statuses_are_left_alone_where_only_one_side_has_them(compare: Compare) -> None:
    assert compare("A 1 paid\nB 1\nB 2 x", "A 1\nB 2", status=False).totals.to_pylist()[0]["left_rows"] == 2


def test_two_empty_sides_agree(compare: Compare) -> None:
    result = compare("", "")
    assert result.totals["bucket"].to_pylist() == list(BY_KEY)
    assert result.difference_minor == 0 and result.breaks.num_rows == 0


def test_amounts_at_the_edge_of_int64_do_not_overflow(compare: Compare) -> None:
    most = 2**63 - 1
    result = compare(f"A {most}\nB {most}", f"A {-most}\nB 1", tolerance=5)
    assert result.difference_minor == 3 * most - 1
    assert [line["difference_minor"] for line in result.breaks.to_pylist()] == [2 * most, most - 1]


def test_each_cause_has_a_text_in_both_languages() -> None:
    assert all(text.en and text.zh for text in CAUSES.values())
    agreeing = {Bucket.EQUAL, Bucket.MATCHED, Bucket.ONLY_RIGHT, Bucket.IN_TOTAL}
    assert set(Bucket) - agreeing <= set(CAUSES)
