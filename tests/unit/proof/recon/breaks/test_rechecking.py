"""A light recheck asks again of some keys alone, and stores no run."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from everycent.proof.recon.breaks.desk import NotDone
from everycent.proof.recon.breaks.rechecking import Rechecked, due_again, meant_again, recheck, refuse_rules
from everycent.proof.recon.breaks.standing import Chosen, find
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.service import SideRows

from .conftest import PLAN, Desk, side

Declared = Callable[[dict[str, Any]], Desk]


def look(desk: Desk, left: SideRows, right: SideRows, *keys: str) -> Rechecked:
    meant = find(desk.connection, "default", Chosen(model="shop", keys=keys), desk.now)
    words = Words("bill", "CNY", desk.words)
    return recheck(
        desk.connection, desk.engine, "default", "shop", PLAN, words, (left, right), meant_again(meant), desk.now
    )  # fmt: skip


def test_what_agrees_by_now_is_mended_and_others_are_left_alone(declared: Declared) -> None:
    desk = declared({"recheck": {"after": "30 minutes"}})
    desk.run(side("l", A=1, B=2), side("r"))
    done = look(desk, side("l", A=1, B=2), side("r", A=1, B=2), "A")
    assert (done.mended, [found.state for found in done.found]) == (1, ["closed"])
    assert desk.states() == {"A/missing_right": "mended", "B/missing_right": "waiting"}
    assert desk.sql("SELECT count(*) FROM recon.run") == [(1,)]


def test_what_is_due_and_still_differs_is_confirmed(declared: Declared) -> None:
    desk = declared({"recheck": {"after": "30 minutes"}})
    desk.run(side("l", A=1, B=2), side("r", Z=1))
    assert due_again(desk.connection, "default", "shop", "bill", desk.now).num_rows == 0
    look(desk, side("l", A=1, B=2), side("r", Z=1), "A", "B")
    assert set(desk.states().values()) >= {"waiting"}, "before its time a look confirms nothing"
    desk.later(minutes=30)
    due = due_again(desk.connection, "default", "shop", "bill", desk.now)
    assert sorted(due["key"].to_pylist()) == ["A", "B", "Z"]
    look(desk, side("l", A=1, B=2), side("r", Z=1, B=2), "A", "B")
    assert desk.states() == {"A/missing_right": "confirmed", "B/missing_right": "mended", "Z/missing_left": "waiting"}


def test_a_key_that_nobody_has_any_longer_is_not_mended_by_silence(desk: Desk) -> None:
    desk.run(side("monday", A=1), side("bill-monday"))
    look(desk, side("tuesday", B=1), side("bill-tuesday", B=1), "A")
    assert desk.states() == {"A/missing_right": "confirmed"}


def test_where_rules_match_several_keys_all_must_run() -> None:
    with pytest.raises(NotDone, match="'bill' has rules that match rows of several keys; run all of it"):
        refuse_rules(replace(PLAN, rules=object()))  # type: ignore[arg-type]
