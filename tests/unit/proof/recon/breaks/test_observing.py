"""Standing breaks follow the runs: found once, seen again, mended by evidence alone."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Desk, side

Declared = Callable[[dict[str, Any]], Desk]
TWICE = {"recheck": {"after": "30 minutes", "times": 2}}


def test_without_words_a_break_counts_as_it_is_found(desk: Desk) -> None:
    desk.run(side("l", A=1, B=2), side("r", A=1, B=3, C=4))
    assert desk.states() == {"B/amount_differs": "confirmed", "C/missing_left": "confirmed"}
    assert desk.moves("B") == ["find"]


def test_the_same_run_again_changes_nothing(desk: Desk) -> None:
    desk.run(side("l", A=1), side("r"))
    before = desk.sql("SELECT * FROM recon.standing_break"), desk.sql("SELECT * FROM recon.observation")
    desk.later(days=1)
    desk.run(side("l", A=1), side("r"))
    assert before == (desk.sql("SELECT * FROM recon.standing_break"), desk.sql("SELECT * FROM recon.observation"))


def test_what_mends_before_its_recheck_was_never_confirmed(declared: Declared) -> None:
    desk = declared(TWICE)
    desk.run(side("l", A=1), side("r", Z=0))
    desk.later(minutes=10)
    desk.run(side("l", A=1), side("r", A=1, Z=0))
    assert desk.states()["A/missing_right"] == "mended"
    assert desk.moves("A") == ["find", "mend"]


def test_it_is_confirmed_by_as_many_looks_as_declared_each_after_its_delay(declared: Declared) -> None:
    desk = declared(TWICE)
    sides = side("l", A=1), side("r")
    desk.run(*sides)
    desk.later(minutes=29)
    desk.run(*sides)
    assert desk.moves("A") == ["find"], "it is not due"
    desk.later(minutes=1)
    desk.run(*sides)
    desk.run(*sides)
    assert desk.moves("A") == ["find", "recheck"]
    desk.later(minutes=30)
    desk.run(side("l", A=1, B=1), side("r", B=1))
    assert desk.moves("A") == ["find", "recheck", "confirm"]
    assert desk.states() == {"A/missing_right": "confirmed"}


def test_a_run_that_never_saw_the_key_mends_nothing(desk: Desk) -> None:
    desk.run(side("monday", A=1), side("bill-monday"))
    desk.run(side("tuesday", B=1), side("bill-tuesday", B=1))
    assert desk.states() == {"A/missing_right": "confirmed"}


def test_a_row_that_is_gone_from_its_own_file_is_mended(desk: Desk) -> None:
    desk.run(side("monday", A=1, B=1), side("bill", B=1))
    desk.run(side("monday", B=1), side("bill", B=1))
    assert desk.states() == {"A/missing_right": "mended"}


def test_what_mended_and_is_found_again_is_open_again(declared: Declared) -> None:
    desk = declared(TWICE)
    desk.run(side("l", A=1), side("r"))
    desk.run(side("l", A=1), side("r", A=1))
    desk.run(side("l", A=1, B=1), side("r", B=1))
    assert desk.states() == {"A/missing_right": "waiting"}
    assert desk.moves("A") == ["find", "mend", "find_again"]


def test_the_surplus_rows_of_a_key_are_breaks_of_their_own(desk: Desk) -> None:
    desk.run(side("l", A=(5, 5, 5)), side("r", A=5))
    assert desk.states() == {"A/duplicated_left": "confirmed", "A/duplicated_left/2": "confirmed"}
    desk.run(side("l", A=(5, 5)), side("r", A=5))
    assert desk.states() == {"A/duplicated_left": "confirmed", "A/duplicated_left/2": "mended"}


def test_a_break_that_changes_its_kind_is_another(desk: Desk) -> None:
    desk.run(side("l", A=1), side("r"))
    desk.run(side("l", A=1), side("r", A=2))
    assert desk.states() == {"A/amount_differs": "confirmed", "A/missing_right": "mended"}


@pytest.mark.parametrize("times", [None, 2])
@given(
    days=st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from("ABC"), st.integers(1, 2), min_size=1),
            st.dictionaries(st.sampled_from("ABC"), st.integers(1, 2), min_size=1),
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_open_breaks_are_those_of_the_last_run_that_saw_their_key(desk: Desk, times: int | None, days: Any) -> None:
    """An oracle in plain Python: by key, the kind that the last run says which had the key on either side."""
    desk.sql("TRUNCATE recon.run CASCADE")
    desk.words = type(desk.words).model_validate({} if times is None else {"recheck": {"times": times}})
    stands: dict[str, str] = {}
    for number, (left, right) in enumerate(days):
        desk.later(hours=1)
        desk.run(side(f"l{number}", **left), side(f"r{number}", **right))
        for key in {*left, *right}:
            kind = (
                "missing_left" if key not in left else
                "missing_right" if key not in right else
                "amount_differs" if left[key] != right[key] else None
            )  # fmt: skip
            stands.pop(key, None)
            if kind is not None:
                stands[key] = f"{key}/{kind}"
    still = {place for place, state in desk.states().items() if state != "mended"}
    assert still == set(stands.values())
