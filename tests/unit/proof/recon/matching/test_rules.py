"""Each rule by example: two sides in, matches out."""

from collections.abc import Callable
from typing import Any

import pytest

from everycent.proof.recon.core.matching import pairs

Told = Callable[..., Any]


def test_the_same_key_names_the_columns_that_differ(told: Told) -> None:
    story = told(
        "[{key: {may_differ: [status, amount]}}]",
        "key amount_minor status counterparty\nA 100 paid m-1\nB 200 paid m-1\nC 300 paid m-1\nD 400 paid m-1",
        "key amount_minor status counterparty\nA 100 open m-1\nB 205 paid m-1\nC 300 paid m-2\nE 400 paid m-1",
    )
    assert story.lines == ["key unique: L1 = R1 [status]", "key unique: L2 = R2 [amount, amount_differs -5]"]
    assert story.left_over == ["L3", "L4", "R3", "R4"]


def test_a_key_that_comes_twice_is_ambiguous_unless_fewer_differences_decide(told: Told) -> None:
    left = "key amount_minor status\nA 100 paid\nA 100 open"
    right = "key amount_minor status\nA 100 open"
    assert told("[{key: {}}]", left, right).lines == ["key ambiguous: L2 = R1 or L1 = R1"]
    decided = told("[{key: {clear_by: '1'}}]", left, right)
    assert decided.lines == ["key unique: L2 = R1"]
    assert decided.left_over == ["L1"]


def test_a_tolerance_writes_off_what_it_covers(told: Told) -> None:
    story = told(
        "[{tolerance: {absolute: '0.05'}}, {name: part, tolerance: {relative: '0.001'}}]",
        "key amount_minor currency\nA 10000 -\nB 10000 -\nC 100000 -\nD 10000 USD\nE 100000 USD",
        "key amount_minor currency\nA 10005 CNY\nB 10011 CNY\nC 100100 CNY\nD 10005 USD\nE 99999 CNY",
    )
    assert story.lines == [
        "tolerance unique: L1 = R1 [within_tolerance -5]",
        "part unique: L3 = R3 [within_tolerance -100]",
        "part unique: L4 = R4 [within_tolerance -5]",
    ]
    assert story.left_over == ["L2", "L5", "R2", "R5"]


def test_dates_take_the_same_amount_within_a_window(told: Told) -> None:
    story = told(
        "[{dates: {by: counterparty, within: 2 days}}]",
        "amount_minor occurred_on counterparty\n500 03-01 m-1\n500 03-01 m-2\n500 03-31 m-1\n500 - m-1",
        "amount_minor occurred_on counterparty\n500 03-03 m-1\n500 03-04 m-2\n500 04-01 m-1",
    )
    assert story.lines == ["dates unique: L1 = R1", "dates unique: L3 = R3"]
    assert story.left_over == ["L2", "L4", "R2"]


def test_neighbours_with_one_amount_are_solved_together(told: Told) -> None:
    """L2 could take R1, but then L1 would be left: only one assignment explains all."""
    story = told(
        "[{dates: {within: 1 day}}]",
        "amount_minor occurred_on\n500 03-01\n500 03-03",
        "amount_minor occurred_on\n500 03-02\n500 03-04",
    )
    assert story.lines == ["dates unique: L1 = R1", "dates unique: L2 = R2"]


def test_ties_are_ambiguous_and_nearest_decides_only_where_it_is_said(told: Told) -> None:
    left = "amount_minor occurred_on\n500 03-01\n500 03-02"
    right = "amount_minor occurred_on\n500 03-02\n500 03-05"
    assert told("[{dates: {within: 4 days}}]", left, right).lines == [
        "dates ambiguous: L1 = R1 or L2 = R2 or L2 = R1 or L1 = R2"
    ]
    # L1 R1 + L2 R2 and L1 R2 + L2 R1 are both 4 days in all
    assert told("[{dates: {within: 4 days, clear_by: '1'}}]", left, right).lines[0].startswith("dates ambiguous")
    one = told("[{dates: {within: 4 days, clear_by: '2'}}]", left, "amount_minor occurred_on\n500 03-04")
    assert one.lines == ["dates ambiguous: L2 = R1 or L1 = R1"], "3 days and 2 days: not 2 days nearer"
    one = told("[{dates: {within: 4 days, clear_by: '1'}}]", left, "amount_minor occurred_on\n500 03-04")
    assert one.lines == ["dates unique: L2 = R1"]


def test_similar_references(told: Told) -> None:
    story = told(
        "[{reference: {similar: '90'}}]",
        "amount_minor reference\n700 INV-2026-0012\n700 INV-2026-0099\n800 -\n900 ---",
        "amount_minor reference\n700 inv20260012\n700 order_7\n800 -\n900 ---",
    )
    assert story.lines == ["reference unique: L1 = R1"]
    assert story.left_over == ["L2", "L3", "L4", "R2", "R3", "R4"]


def test_a_reference_that_is_clearly_more_similar(told: Told) -> None:
    left = "amount_minor reference\n700 INV-2026-0012\n700 INV-2026-0013"
    right = "amount_minor reference\n700 INV_2026_0012_paid\n700 INV_2026_0013_paid"
    assert told("[{reference: {similar: '70'}}]", left, right).lines[0].startswith("reference ambiguous")
    clear = told("[{reference: {similar: '70', clear_by: '5'}}]", left, right)
    assert clear.lines == ["reference unique: L1 = R1", "reference unique: L2 = R2"]


def test_amounts_in_two_currencies(told: Told) -> None:
    story = told(
        "[{convert: {rates: fx, tolerance_minor: '1'}}]",
        "key amount_minor currency occurred_on\nA 1000 USD 03-04\nB 1000 USD 03-05\nC -1000 USD 03-05\n"
        "D 1005 CNY 03-01\nE 1000 USD 02-01\nF 1000 EUR 03-05",
        "key amount_minor currency\nA 7100 CNY\nB 7201 -\nC -7200 CNY\nD 206 JPY\nE 7100 CNY\nF 7200 CNY",
    )
    assert story.lines == [
        "convert unique: L1 = R1",
        "convert unique: L2 = R2 [conversion_difference -1]",
        "convert unique: L3 = R3",
        "convert unique: L4 = R4",
    ]
    assert story.left_over == ["L5", "L6", "R5", "R6"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("stated: yes", ["L1 = R1 [fee 60]", "L3 = R3 [fee -60]"]),
        ("formula: {rate: '0.006'}", ["L1 = R1 [fee 60]", "L3 = R3 [fee -60]"]),
        ("formula: {rate: '0.006'}, tolerance: '0.01'",
         ["L1 = R1 [fee 60]", "L2 = R2 [fee 60, within_tolerance 1]", "L3 = R3 [fee -60]"]),
        ("formula: {fixed: '0.30', maximum: '0.61', minimum: '0.61'}", ["L2 = R2 [fee 61]"]),
        ("range: {least: '0.0061', most: '0.01'}", ["L2 = R2 [fee 61]"]),
    ],
)  # fmt: skip
def test_gross_against_net(told: Told, words: str, expected: list[str]) -> None:
    gross = "key amount_minor fee_minor\nA 10000 60\nB 10000 60\nC -10000 -60\nD 0 5"
    net = "key amount_minor\nA 9940\nB 9939\nC -9940\nD 100"
    story = told(f"[{{net_of_fees: {{{words}}}}}]".replace("yes", "'yes'"), gross, net)
    assert story.lines == [f"net_of_fees unique: {line}" for line in expected]
    mirrored = told(f"[{{net_of_fees: {{gross: right, {words}}}}}]".replace("yes", "'yes'"), net, gross)
    assert len(mirrored.lines) == len(expected)


IN_CURRENCIES = "key amount_minor currency\nA 1000 -\nA 1000 -\nB 1000 JPY\nB 1000 JPY\nC 1000 USD\nC 1000 USD"
A_LITTLE_LESS = "key amount_minor currency\nA 999 CNY\nA 995 CNY\nB 999 JPY\nB 995 JPY\nC 999 USD\nC 995 USD"


def test_amounts_of_a_rule_hold_in_their_own_currencies(told: Told) -> None:
    """0.05 is of the scenario's currency, CNY: of JPY, where 5 minor units are 5 yen, nothing is written off by it."""
    one = told("[{tolerance: {absolute: '0.05'}}]", IN_CURRENCIES, A_LITTLE_LESS)
    assert one.lines == ["tolerance ambiguous: L1 = R1 or L2 = R2 or L2 = R1 or L1 = R2"]
    each = told("[{tolerance: {absolute: {CNY: '0.01', JPY: '1'}}}]", IN_CURRENCIES, A_LITTLE_LESS)
    assert each.lines == [
        "tolerance ambiguous: L1 = R1 or L2 = R1", "tolerance ambiguous: L3 = R3 or L4 = R3"
    ]  # fmt: skip
    clear = "[{tolerance: {relative: '0.002', clear_by: {JPY: '1'}}}]"
    rows = "key amount_minor currency\nA 1000 CNY\nA 999 CNY\nB 1000 JPY\nB 999 JPY"
    assert [line.partition(":")[0] for line in told(clear, rows, rows).lines] == [
        "tolerance ambiguous", "tolerance unique", "tolerance unique"
    ]  # fmt: skip


def test_a_fee_with_a_fixed_part_is_known_in_the_currencies_that_name_it(told: Told) -> None:
    gross = "key amount_minor currency\nA 10000 CNY\nB 10000 JPY\nC 10000 USD"
    net = "key amount_minor currency\nA 9970 CNY\nB 9970 JPY\nC 9970 USD"
    one = told("[{net_of_fees: {formula: {fixed: '0.30'}}}]", gross, net)
    assert one.lines == ["net_of_fees unique: L1 = R1 [fee 30]"]
    each = told("[{net_of_fees: {formula: {fixed: {USD: '0.20', JPY: '30'}}, tolerance: {USD: '0.10'}}}]", gross, net)
    assert each.lines == [
        "net_of_fees unique: L2 = R2 [fee 30]",
        "net_of_fees unique: L3 = R3 [fee 20, within_tolerance 10]",
    ]
    any_rate = told("[{net_of_fees: {formula: {rate: '0.003'}}}]", gross, net)
    assert [line[-8:] for line in any_rate.lines] == ["[fee 30]"] * 3


def test_sums_of_groups_agree_within_the_tolerance_of_their_currency(told: Told) -> None:
    left = "group amount_minor currency\np 1000 CNY\nq 1000 JPY\nr 1000 USD"
    right = "group amount_minor currency\np 999 CNY\nq 998 JPY\nr 999 USD"
    assert told("[{group: {tolerance: '0.01'}}]", left, right).lines == ["group unique: L1 = R1 [within_tolerance 1]"]
    each = told("[{group: {tolerance: {JPY: '2'}}}]", left, right)
    assert each.lines == ["group unique: L2 = R2 [within_tolerance 2]"]


def test_groups_whose_sums_agree(told: Told) -> None:
    story = told(
        "[{group: {tolerance: '0.01'}}]",
        "group amount_minor\np-1 1000\np-2 300\np-2 200\np-3 50\np-4 7",
        "group amount_minor\np-1 700\np-1 301\np-2 500\np-3 30\np-4 3\np-4 4\np-5 1",
    )
    assert story.lines == [
        "group unique: L1 = R1 R2 [within_tolerance -1]",
        "group unique: L2 L3 = R3",
        "group unique: L5 = R5 R6",
    ]
    assert story.left_over == ["L4", "R4", "R7"]


def test_rows_that_add_up_to_one(told: Told) -> None:
    story = told(
        "[{subset: {}}]",
        "counterparty amount_minor\nm-1 1000\nm-2 60\nm-2 40\nm-3 9",
        "counterparty amount_minor\nm-1 700\nm-1 310\nm-1 -10\nm-1 5\nm-2 100\nm-4 9",
    )
    assert story.lines == ["subset unique: L1 = R1 R2 R3", "subset unique: L2 L3 = R5"]
    assert story.left_over == ["L4", "R4", "R6"]


def test_several_ways_to_add_up_are_all_named(told: Told) -> None:
    story = told("[{subset: {by: counterparty}}]", _block(100), _block(60, 40, 30, 70))
    assert story.lines == ["subset ambiguous: L1 = R1 R2 or L1 = R3 R4"]
    assert story.left_over == []


def test_small_sets_on_both_sides(told: Told) -> None:
    both = "[{subset: {shapes: many_to_many}}]"
    assert told(both, _block(70, 50), _block(100, 20)).lines == ["subset unique: L1 L2 = R1 R2"]
    assert told(both, _block(70, 50), _block(70, 50)).lines == ["subset unique: L1 = R1", "subset unique: L2 = R2"]


def test_a_search_beyond_its_budget_is_said_to_be_so(told: Told) -> None:
    story = told("[{subset: {budget: '10'}}]", _block(100), _block(60, 40, 30, 71, 15, 9, 3))
    assert story.lines == ["subset budget_exhausted: L1 = "]
    assert story.left_over == [f"R{number}" for number in range(1, 8)]
    story = told("[{dates: {within: 9 days, pairs: '3'}}]", *[[{"amount_minor": 5}] * 2] * 2)
    assert story.lines == ["dates budget_exhausted: L1 L2 = R1 R2"]


def test_what_is_undecided_waits_for_a_person_or_for_the_rules_after(told: Told) -> None:
    left = "amount_minor occurred_on reference\n500 03-01 a1\n500 03-01 b2"
    right = "amount_minor occurred_on reference\n500 03-02 b2\n500 03-02 a1"
    rules = "[{{dates: {{within: 1 day, undecided: {}}}}}, {{reference: {{similar: '100'}}}}]"
    assert len(told(rules.format("claim"), left, right).lines) == 1
    assert told(rules.format("leave"), left, right).lines == ["reference unique: L1 = R2", "reference unique: L2 = R1"]


def test_what_one_rule_claims_the_next_does_not_see(told: Told) -> None:
    rules = "[{key: {}}, {dates: {within: 9 days}}, {name: late, dates: {within: 30 days}}]"
    story = told(
        rules,
        "key amount_minor occurred_on\nA 5 03-01\n- 5 03-02\n- 5 03-01",
        "key amount_minor occurred_on\nA 5 03-01\n- 5 03-03",
    )
    assert story.lines == ["key unique: L1 = R1", "dates ambiguous: L2 = R2 or L3 = R2"]


def _block(*amounts: int) -> str:
    return "counterparty amount_minor\n" + "\n".join(f"m-1 {amount}" for amount in amounts)


def test_what_is_ambiguous_is_offered_with_the_best_choice_first(told: Told) -> None:
    """All four pairs are in the window. L1 R1 and L2 R2 are two days in all, the others four."""
    story = told(
        "[{dates: {within: 4 days}}]",
        "amount_minor occurred_on\n500 03-02\n500 03-04",
        "amount_minor occurred_on\n500 03-03\n500 03-05",
    )
    assert story.lines == ["dates ambiguous: L1 = R1 or L2 = R2 or L2 = R1 or L1 = R2"]


def test_the_nearest_pair_does_not_come_first_where_it_would_leave_others_apart(told: Told) -> None:
    """L2 and R1 are one day apart, but then L1 and R2 are five: each two days apart is nearer in all."""
    story = told(
        "[{dates: {within: 6 days}}]",
        "amount_minor occurred_on\n500 03-01\n500 03-04",
        "amount_minor occurred_on\n500 03-03\n500 03-06",
    )
    assert story.lines == ["dates ambiguous: L1 = R1 or L2 = R2 or L2 = R1 or L1 = R2"]


def test_where_the_rule_finds_all_as_good_what_else_the_rows_say_ranks_them(told: Told) -> None:
    story = told(
        "[{dates: {within: 2 days}}]",
        "amount_minor occurred_on counterparty\n500 03-01 m-2",
        "amount_minor occurred_on counterparty\n500 03-01 m-1\n500 03-03 m-2\n500 03-02 m-2",
    )
    assert story.lines == ["dates ambiguous: L1 = R3 or L1 = R2 or L1 = R1"]


def test_sums_of_fewer_rows_come_first_then_those_nearer_each_other(told: Told) -> None:
    story = told(
        "[{subset: {by: counterparty, within: 5 days}}]",
        "amount_minor occurred_on counterparty\n100 03-01 m-1",
        "amount_minor occurred_on counterparty\n60 03-05 m-1\n40 03-01 m-1\n30 03-01 m-1\n10 03-01 m-1\n60 03-02 m-1",
    )
    assert story.lines == ["subset ambiguous: L1 = R2 R5 or L1 = R1 R2 or L1 = R3 R4 R5 or L1 = R1 R3 R4"]


def test_who_says_which_side_is_later_has_half_of_the_window(told: Told) -> None:
    left, right = "amount_minor occurred_on\n500 03-02", "amount_minor occurred_on\n500 03-01\n500 03-04"
    assert told("[{dates: {within: 2 days}}]", left, right).lines == ["dates ambiguous: L1 = R1 or L1 = R2"]
    assert told("[{dates: {within: 2 days, later: right}}]", left, right).lines == ["dates unique: L1 = R2"]
    assert told("[{dates: {within: 2 days, later: left}}]", left, right).lines == ["dates unique: L1 = R1"]


def test_later_alone_is_a_window_without_an_end_and_takes_rows_with_a_date(told: Told) -> None:
    left = "key amount_minor occurred_on\nA 500 03-02\nB 500 03-02\nC 500 -"
    right = "key amount_minor occurred_on\nA 501 12-30\nB 501 03-01\nC 501 03-04"
    story = told("[{tolerance: {absolute: '1', later: right}}]", left, right)
    assert story.lines == ["tolerance unique: L1 = R1 [within_tolerance -1]"]


def test_where_all_blocks_together_have_too_many_pairs_those_with_most_are_given_up(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """12 rows and 8 pairs in all: the block with six pairs is given up, those with one stay."""
    monkeypatch.setattr(pairs, "PAIRS_LEAST", 5)
    monkeypatch.setattr(pairs, "_PAIRS_A_ROW", 0)
    left = "amount_minor occurred_on counterparty\n500 03-01 a\n500 03-01 b\n500 03-02 b\n600 03-01 c\n100 03-09 b"
    right = left + "\n500 03-03 b\n100 03-01 b"
    story = told(
        "[{tolerance: {by: counterparty, absolute: '0', within: 2 days}}, {dates: {within: 9 days}}]", left, right
    )
    assert story.lines == [
        "tolerance unique: L1 = R1",
        "tolerance budget_exhausted: L2 L3 L5 = R2 R3 R5 R6 R7",
        "tolerance unique: L4 = R4",
    ]
