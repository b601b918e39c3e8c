"""What people do with breaks: allowed by the table of moves, kept, and once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from everycent.proof.recon.breaks import desk as at
from everycent.proof.recon.breaks.standing import Chosen, StandingBreak, ages, find, history
from everycent.proof.recon.core.moves import Reason

from .conftest import Desk, side

Declared = Callable[[dict[str, Any]], Desk]


def sits(desk: Desk, who: str = "ann") -> at.Desk:
    return at.Desk(desk.connection, "default", who, desk.now)


def meant(desk: Desk, **chosen: Any) -> list[StandingBreak]:
    return find(desk.connection, "default", Chosen(model="shop", **chosen), desk.now)


@pytest.fixture
def with_breaks(desk: Desk) -> Desk:
    """A differs by 5, B is not on the right (7), C not on the left (9)."""
    desk.run(side("l", A=105, B=7), side("r", A=100, C=9))
    return desk


def test_a_break_is_given_to_a_person_and_is_then_in_hand(with_breaks: Desk) -> None:
    done = at.assign(sits(with_breaks), meant(with_breaks, keys=["A"]), "bob", "knows the bank")
    assert len(done.moved) == 1
    (found,) = meant(with_breaks, owner="bob")
    assert (found.key, found.state, found.owner) == ("A", "in_hand", "bob")
    last = history(with_breaks.connection, "default", found)[-1]
    assert (last["move"], last["who"], last["why"]) == ("assign", "ann", "knows the bank")


def test_the_same_again_changes_nothing_and_says_so(with_breaks: Desk) -> None:
    for _ in range(2):
        done = at.comment(sits(with_breaks), meant(with_breaks, keys=["A"]), "asked the bank")
    assert (len(done.moved), len(done.unchanged)) == (0, 1)
    assert with_breaks.moves("A") == ["find", "comment"]


def test_what_a_state_forbids_is_refused_by_name(with_breaks: Desk) -> None:
    ((_, why),) = at.reopen(sits(with_breaks), meant(with_breaks, keys=["B"]), "hm").refused
    assert why == "it is confirmed; reopen is allowed from closed"


def test_what_was_accepted_stays_closed_until_its_figures_change(with_breaks: Desk) -> None:
    at.close(sits(with_breaks), meant(with_breaks, keys=["A"]), Reason.ACCEPTED, "a known discount")
    with_breaks.run(side("l", A=105, B=7, D=1), side("r", A=100, C=9, D=1))
    assert with_breaks.states()["A/amount_differs"] == "accepted"
    with_breaks.run(side("l", A=104, B=7), side("r", A=100, C=9))
    assert with_breaks.states()["A/amount_differs"] == "confirmed"
    assert with_breaks.moves("A") == ["find", "close", "find_again", "confirm"]


def test_a_person_opens_what_was_closed(with_breaks: Desk) -> None:
    at.close(sits(with_breaks), meant(with_breaks, keys=["A"]), Reason.HANDLED, None)
    at.reopen(sits(with_breaks, "o'hara 100%"), meant(with_breaks, keys=["A"], states=["closed"]), None)
    (found,) = meant(with_breaks, keys=["A"])
    assert (found.state, found.owner) == ("in_hand", "o'hara 100%")


@pytest.mark.parametrize(
    ("key", "state"),
    [("A", "written_off"), ("B", "to_approve"), ("C", "confirmed")],
    ids=["small", "large", "too large"],
)
def test_a_write_off_goes_by_its_size(declared: Declared, key: str, state: str) -> None:
    desk = declared({"write_off": {"limit": "0.08", "approve_above": "0.05"}})
    desk.run(side("l", A=105, B=7), side("r", A=100, C=9))
    done = at.write_off(sits(desk), meant(desk, keys=[key]), "not worth a letter")
    assert {place[0]: found for place, found in desk.states().items()}[key] == state
    if key == "C":
        assert [why for _, why in done.refused] == ["its difference of 0.09 CNY is above the limit of 0.08 CNY"]


def test_a_second_person_approves(declared: Declared) -> None:
    desk = declared({"write_off": {"approve_above": "0"}})
    desk.run(side("l", A=105), side("r", A=100))
    at.write_off(sits(desk), meant(desk), "old")
    for self in ("ann", " ANN "):
        ((_, why),) = at.approve(sits(desk, self), meant(desk)).refused
        assert why == "ann asked for it; a second person must approve"
    assert len(at.approve(sits(desk, "bob"), meant(desk)).moved) == 1
    assert desk.states() == {"A/amount_differs": "written_off"}


@pytest.mark.parametrize("reason", [Reason.ACCEPTED, Reason.DUPLICATE])
def test_what_keeps_a_large_difference_for_good_takes_two_as_a_write_off_does(
    declared: Declared, reason: Reason
) -> None:
    desk = declared({"write_off": {"approve_above": "0.05"}})
    desk.run(side("l", A=105, B=7), side("r", A=100))
    done = at.close(sits(desk), meant(desk), reason, "a known one")
    assert desk.states() == {"A/amount_differs": reason, "B/missing_right": "to_approve"}
    assert done.notes == ["1 wait for another person's yes: everycent breaks approve"]
    assert len(at.approve(sits(desk), meant(desk, keys=["B"])).refused) == 1
    at.approve(sits(desk, "bob"), meant(desk, keys=["B"]))
    assert desk.states()["B/missing_right"] == reason


def test_whoever_waits_for_a_second_person_does_not_close_it_alone(declared: Declared) -> None:
    desk = declared({"write_off": {"approve_above": "0"}})
    desk.run(side("l", A=105), side("r", A=100))
    at.write_off(sits(desk), meant(desk), "old")
    for reason in at.BY_HAND:
        assert len(at.close(sits(desk), meant(desk), reason, "anyway").refused) == 1
    assert desk.states() == {"A/amount_differs": "to_approve"}


def test_what_is_approved_is_what_was_asked(declared: Declared) -> None:
    desk = declared({"write_off": {"approve_above": "0"}})
    desk.run(side("l", A=105), side("r", A=100))
    at.write_off(sits(desk), meant(desk), "old")
    desk.run(side("l", A=999), side("r", A=100))
    ((_, why),) = at.approve(sits(desk, "bob"), meant(desk)).refused
    assert why == "its difference is 8.99 CNY now, 0.05 CNY was asked for; decline, and ask again"
    at.decline(sits(desk, "bob"), meant(desk), "it grew")
    assert desk.states() == {"A/amount_differs": "in_hand"}


def test_a_file_is_attached_and_comes_back_as_it_was(with_breaks: Desk, tmp_path: Path) -> None:
    letter = tmp_path / "letter.pdf"
    letter.write_bytes(b"\x00letter")
    at.attach(sits(with_breaks), meant(with_breaks, keys=["A"]), letter)
    (found,) = meant(with_breaks, keys=["A"])
    detail = history(with_breaks.connection, "default", found)[-1]["detail"]
    assert (detail["file"], detail["bytes"]) == ("letter.pdf", 7)
    assert at.attached(with_breaks.connection, "default", detail["sha256"]) == b"\x00letter"
    with_breaks.sql("UPDATE recon.attachment SET content = 'other'")
    assert at.attached(with_breaks.connection, "default", detail["sha256"]) is None


def test_nobody_and_the_house_are_no_persons(desk: Desk) -> None:
    for name in ("", " ", "everycent"):
        with pytest.raises(at.NotDone, match="is not a person's name"):
            sits(desk, name)


def test_breaks_are_chosen_and_aged(with_breaks: Desk) -> None:
    with_breaks.later(days=2)
    with_breaks.run(side("l", A=105, B=7, D=4), side("r", A=100, C=9))
    assert [found.key for found in meant(with_breaks)] == ["A", "B", "C", "D"]
    assert [found.key for found in meant(with_breaks, kinds=["missing_right"])] == ["B", "D"]
    assert [found.key for found in meant(with_breaks, ids=[str(with_breaks.id_of("C"))[:8]])] == ["C"]
    counted = ages(with_breaks.connection, "default", Chosen(), with_breaks.now)
    assert [(row["age"], row["breaks"], row["difference_minor"]) for row in counted] == [
        ("up to 1 day", 1, 4),
        ("1 to 3 days", 3, 3),
    ]
