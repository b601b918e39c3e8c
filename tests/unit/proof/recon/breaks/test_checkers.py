"""What checkers find stands as breaks, too: found, looked at again, told, handled, closed."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from everycent.proof.recon.breaks import desk as at
from everycent.proof.recon.breaks.alerting import write_alerts
from everycent.proof.recon.breaks.desk import NotDone
from everycent.proof.recon.breaks.rechecking import due_again, meant_again
from everycent.proof.recon.breaks.standing import Chosen, StandingBreak, find
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.contract import FINDING, CheckerFindings
from everycent.proof.recon.core.moves import Reason, State
from everycent.proof.recon.service import RunKey, SideRows, keep_checked
from everycent.proof.verify.core import breaks
from everycent.proof.verify.tables import stored_tables

from .conftest import Desk, side
from .test_repairing import Told, go, shop

Declared = Callable[[dict[str, Any]], Desk]
EVERY = tuple(State)


def checker(name: str, failure: str | None = None, **keys: str) -> CheckerFindings:
    """What a checker says of keys, each in the first line of the left file."""
    rows = [{"key": key, "kind": "odd", "reason": said, "left_file": "l", "left_line": 1} for key, said in keys.items()]
    return CheckerFindings(name, pa.Table.from_pylist(rows, FINDING), failure)


def checks(desk: Desk, left: SideRows, right: SideRows, *checked: CheckerFindings) -> None:
    """A run, whose checkers find this."""
    with desk.connection.transaction():
        ran = desk.run(left, right)
        words = Words("bill", "CNY", desk.words)
        key = RunKey("default", "shop", ran.run_id)
        keep_checked(desk.connection, desk.engine, key, words, (left, right), checked, ran.again, desk.now)


def every(desk: Desk, **chosen: Any) -> list[StandingBreak]:
    return find(desk.connection, "default", Chosen(model="shop", states=EVERY, **chosen), desk.now)


def verified(desk: Desk) -> bool:
    with stored_tables(desk.connection, desk.engine, "default", "shop", []):
        return not any(desk.engine.query(rule.sql)["bad"][0].as_py() for rule in breaks.RULES)


SAME = side("l", A=1, B=2), side("r", A=1, B=2)


def test_a_finding_stands_in_the_checker_s_words_and_is_mended_when_it_is_gone(desk: Desk) -> None:
    checks(desk, *SAME, checker("limits", A="too much at once"))
    (found,) = every(desk)
    assert (found.kind, found.cause, found.said, found.state, found.difference_minor, found.left_file) == (
        "limits/odd", "odd", "too much at once", "confirmed", 0, "l",
    )  # fmt: skip
    assert verified(desk)
    checks(desk, side("l2", A=1), side("r", A=1), checker("limits"))
    assert desk.states() == {"A/limits/odd": "mended"}
    assert desk.moves("A") == ["find", "mend"] and verified(desk)


def test_the_same_run_with_the_same_findings_changes_nothing(desk: Desk) -> None:
    for _ in range(2):
        checks(desk, *SAME, checker("limits", A="too much"))
        desk.later(days=1)
    assert desk.moves("A") == ["find"]
    checks(desk, *SAME, checker("limits", B="too much"))
    assert desk.states() == {"A/limits/odd": "mended", "B/limits/odd": "confirmed"}, "its words are others now"
    assert verified(desk)


def test_a_checker_that_cannot_look_mends_nothing_and_is_a_break_itself(desk: Desk) -> None:
    checks(desk, *SAME, checker("limits", A="too much"), checker("other"))
    checks(desk, *SAME, checker("limits", "it threw"), checker("other"))
    assert desk.states() == {"/limits/checker_failed": "confirmed", "A/limits/odd": "confirmed"} and verified(desk)
    checks(desk, side("l2", C=1), side("r2", C=1), checker("limits"), checker("other"))
    assert desk.states() == {"/limits/checker_failed": "mended", "A/limits/odd": "confirmed"}, "nobody saw A again"


def test_a_checker_that_is_no_longer_asked_leaves_its_breaks_to_people(desk: Desk) -> None:
    checks(desk, *SAME, checker("limits", A="too much"))
    checks(desk, side("l", A=1, B=2, C=3), side("r", A=1, B=2, C=3), checker("other"))
    assert desk.states() == {"A/limits/odd": "confirmed"}
    at.close(at.Desk(desk.connection, "default", "ann", desk.now), every(desk), Reason.ACCEPTED, None)
    assert desk.states() == {"A/limits/odd": "accepted"} and verified(desk)


def test_what_a_checker_says_of_a_break_s_own_rows_is_that_break_s_reason(desk: Desk) -> None:
    checks(desk, side("l", A=1, B=2), side("r", B=2), checker("statuses", A="paid, never ordered", B="late"))
    assert desk.states() == {"A/missing_right": "confirmed", "B/statuses/odd": "confirmed"}
    assert {each.key: each.said for each in every(desk)} == {"A": "paid, never ordered", "B": "late"}


def test_it_is_looked_at_again_before_it_counts_then_told_and_repaired(declared: Declared) -> None:
    words = {
        "recheck": {"after": "30 minutes"},
        "repair": [{"name": "cure", "handler": "told", "kinds": "limits/odd", "when": "key = 'B'"}],
        "alert": {"to": [{"log": "warning"}], "group_by": "kind"},
    }
    desk, told = declared(words), Told()
    checks(desk, *SAME, checker("limits", A="too much", B="too little"))
    assert set(desk.states().values()) == {"waiting"}
    desk.later(minutes=30)
    assert due_again(desk.connection, "default", "shop", "bill", desk.now).num_rows == 0, "runs alone look at it"
    checks(desk, *SAME, checker("limits", A="too much", B="too little"))
    assert set(desk.states().values()) == {"confirmed"}
    assert [one.found.key for one in go(desk, told)] == ["B"]
    write_alerts(desk.connection, "default", "shop", shop(desk, told).words, desk.now)
    ((text,),) = desk.sql("SELECT body ->> 'text' FROM recon.alert")
    assert "bill: limits/odd, 1 open" in text and "A  0.00 CNY  odd: too much" in text
    desk.later(minutes=30)
    checks(desk, *SAME, checker("limits", A="too much"))
    assert desk.states() == {"A/limits/odd": "alerted", "B/limits/odd": "repaired"} and verified(desk)


@pytest.mark.parametrize(("says", "state"), [("too much", "accepted"), ("far too much", "confirmed")])
def test_what_a_person_decided_stays_decided_in_the_same_words(desk: Desk, says: str, state: str) -> None:
    checks(desk, *SAME, checker("limits", A="too much"))
    at.close(at.Desk(desk.connection, "default", "ann", desk.now), every(desk), Reason.ACCEPTED, None)
    checks(desk, side("l", A=1, B=2, C=3), side("r", A=1, B=2, C=3), checker("limits", A=says))
    assert desk.states() == {"A/limits/odd": state} and verified(desk)


def test_a_light_look_is_refused_for_what_looks_at_whole_sides(desk: Desk) -> None:
    checks(desk, *SAME, checker("limits", A="too much"))
    with pytest.raises(NotDone, match="was found by a checker, which looks at whole sides; run all of it"):
        meant_again(every(desk))
