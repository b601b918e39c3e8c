"""Breaks in others than their scenario's currency are shown, judged and told in their own."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from everycent.proof.recon.breaks import alerting, repairing
from everycent.proof.recon.breaks import desk as at
from everycent.proof.recon.breaks.amounts import difference_said, side_said
from everycent.proof.recon.breaks.exporting import ageing, export_of
from everycent.proof.recon.breaks.standing import Chosen, StandingBreak, ages, find
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.contract import REFUSED, SIDE
from everycent.proof.recon.core.moves import Reason
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.handling import HandlingSpec
from everycent.proof.recon.service import SideRows, run
from everycent.proof.verify.core import recon
from everycent.proof.verify.manifest import check_reconciled
from everycent.proof.verify.tables import stored_tables

from .conftest import Desk
from .test_repairing import Told, rule, shop

PLAN = ReconPlan("bill", 0, left_sums=True, right_sums=False, compares_status=False, currency="CNY")
WITH_CURRENCY = SIDE.append(pa.field("currency", pa.string()))
LEFT = "A CNY 1000|B JPY 1000|C KWD 1234|D CNY 500|F USD 5|G JPY 7|G USD 100|H CNY 5"
RIGHT = "A CNY 900|B JPY 900|C KWD 1000|D USD 600|E JPY 7|H CNY 5"


def side(rows: str) -> SideRows:
    """`A CNY 1000|...`: keys with their currencies and minor units."""
    given = (row.split() for row in rows.split("|"))
    listed: list[dict[str, Any]] = [
        {"source_file": "f", "source_line": line, "key": key, "currency": code, "amount_minor": int(minor)}
        for line, (key, code, minor) in enumerate(given, 1)
    ]
    return SideRows(pa.Table.from_pylist(listed, WITH_CURRENCY), REFUSED.empty_table(), 0)


def compare(desk: Desk, left: str = LEFT, right: str = RIGHT) -> None:
    words = (desk.words, desk.now)
    run(desk.connection, desk.engine, "default", "shop", "CNY", PLAN, side(left), side(right), *words)


def found(desk: Desk, *keys: str) -> list[StandingBreak]:
    return find(desk.connection, "default", Chosen(keys=keys), desk.now)


def sits(desk: Desk, who: str = "ann") -> at.Desk:
    return at.Desk(desk.connection, "default", who, desk.now)


@pytest.fixture
def compared(desk: Desk) -> Callable[[dict[str, Any]], Desk]:
    def under(words: dict[str, Any]) -> Desk:
        desk.words = HandlingSpec.model_validate(words)
        compare(desk)
        return desk

    return under


Compared = Callable[[dict[str, Any]], Desk]


def test_each_is_shown_with_the_decimals_of_its_own_and_none_is_added_to_another(compared: Compared) -> None:
    desk = compared({})
    said = {
        each.key: (side_said(each, "left"), side_said(each, "right"), difference_said(each)) for each in found(desk)
    }
    assert said == {
        "A": ("10.00 CNY", "9.00 CNY", "1.00 CNY"),
        "B": ("1,000 JPY", "900 JPY", "100 JPY"),
        "C": ("1.234 KWD", "1.000 KWD", "0.234 KWD"),
        "D": ("5.00 CNY", "6.00 USD", "5.00 CNY - 6.00 USD"),
        "E": ("", "7 JPY", "-7 JPY"),
        "F": ("0.05 USD", "", "0.05 USD"),
        "G": ("7 JPY + 1.00 USD", "", "7 JPY + 1.00 USD"),
    }  # fmt: skip
    summed = {row["currency"]: (row["breaks"], row["difference_minor"]) for row in ages(*everything(desk))}
    assert summed == {"CNY": (1, 100), "JPY": (2, 93), "KWD": (1, 234), "USD": (1, 5), None: (2, None)}
    by_state = ageing(*everything(desk)[:3], "state", desk.now)
    assert {row["currency"]: row["at_stake_minor"] for row in by_state} == {
        "CNY": 100, "JPY": 107, "KWD": 234, "USD": 5, None: None
    }  # fmt: skip


def everything(desk: Desk) -> tuple[Any, str, Chosen, Any]:
    return desk.connection, "default", Chosen(), desk.now


def test_a_sheet_has_no_sum_of_several_currencies(compared: Compared) -> None:
    sheet = {row["key"]: row for row in export_of(*everything(compared({}))).to_pylist()}
    told = ("currency", "difference", "left_amount", "left_currency", "right_currency")
    assert [sheet["C"][name] for name in told] == ["KWD", Decimal("0.234"), Decimal("1.234"), "KWD", "KWD"]
    assert [sheet["B"][name] for name in told] == ["JPY", 100, 1000, "JPY", "JPY"]
    assert [sheet["D"][name] for name in told] == [None, None, 5, "CNY", "USD"]
    assert [sheet["G"][name] for name in told] == [None, None, None, "JPY+USD", None]


def test_a_limit_judges_its_own_currency_and_of_another_a_second_person(compared: Compared) -> None:
    """100 yen are not 1.00 yuan: with a limit of 50.00 CNY nobody writes them off alone."""
    desk = compared({"write_off": {"limit": "50.00"}})
    done = at.write_off(sits(desk), found(desk, "A", "B", "D"), "old")
    assert [desk.states()[key] for key in ("A/amount_differs", "B/amount_differs")] == ["written_off", "to_approve"]
    ((refused, why),) = done.refused
    assert (refused.key, why.partition(",")[0]) == ("D", "it is in CNY and USD")
    assert done.notes[0].startswith("bill: limit says nothing of JPY, so another person is asked")
    assert not at.approve(sits(desk, "bob"), found(desk, "B")).refused
    detail = desk.sql("SELECT detail FROM recon.move WHERE move = 'ask_write_off'")[0][0]
    assert detail == {"currency": "JPY", "difference_minor": 100, "reason": "written_off"}


def test_a_limit_by_code_holds_for_each(compared: Compared) -> None:
    words = {"limit": {"CNY": "50.00", "JPY": "99", "KWD": "0.300"}, "approve_above": {"CNY": "50.00", "KWD": "0.233"}}
    desk = compared({"write_off": words})
    done = at.write_off(sits(desk), found(desk, "A", "B", "C", "E"), "old")
    assert [why for _, why in done.refused] == ["its difference of 100 JPY is above the limit of 99 JPY"]
    states = desk.states()
    assert [states[f"{key}"] for key in ("A/amount_differs", "C/amount_differs", "E/missing_left")] == [
        "written_off", "to_approve", "to_approve"
    ]  # fmt: skip
    assert done.notes[0].startswith("bill: approve_above says nothing of JPY")


def test_what_is_approved_is_what_was_asked_in_its_currency(compared: Compared) -> None:
    desk = compared({"write_off": {"approve_above": {"CNY": "0", "JPY": "0"}}})
    at.write_off(sits(desk), found(desk, "B"), "old")
    at.close(sits(desk), found(desk, "D", "G"), Reason.ACCEPTED, "known")
    assert {desk.states()[key] for key in ("D/amount_differs", "G/missing_right")} == {"to_approve"}
    other = LEFT.replace("B JPY", "B USD").replace("D CNY 500", "D CNY 501"), RIGHT.replace("B JPY", "B USD")
    compare(desk, *other)
    refused = at.approve(sits(desk, "bob"), found(desk, "B", "D", "G")).refused
    assert {each.key: why for each, why in refused} == {
        "B": "its difference is 1.00 USD now, 100 JPY was asked for; decline, and ask again",
        "D": "its difference is 5.01 CNY - 6.00 USD now, 5.00 CNY - 6.00 USD was asked for; decline, and ask again",
    }
    assert desk.states()["G/missing_right"] == "accepted"


def test_a_break_that_was_accepted_is_open_again_in_another_currency(compared: Compared) -> None:
    desk = compared({})
    at.close(sits(desk), found(desk, "A", "B"), Reason.ACCEPTED, "known")
    compare(desk, LEFT.replace("B JPY", "B USD"), RIGHT.replace("B JPY", "B USD"))
    assert (desk.states()["A/amount_differs"], desk.states()["B/amount_differs"]) == ("accepted", "confirmed")


def test_an_alert_adds_up_each_currency_by_itself(compared: Compared) -> None:
    desk = compared({"alert": {"to": [{"log": "warning"}], "group_by": "scenario"}})
    alerting.write_alerts(desk.connection, "default", "shop", Words("bill", "CNY", desk.words), desk.now)
    ((body,),) = desk.sql("SELECT body FROM recon.alert")
    assert body["title"] == ("bill: breaks, 7 open, 1.00 CNY + 93 JPY + 0.234 KWD + 0.05 USD, 2 in several currencies")
    assert body["differences_minor"] == {"CNY": 100, "JPY": 93, "KWD": 234, "USD": 5}
    assert (body["currency"], body["difference_minor"]) == (None, None)
    assert "5.00 CNY - 6.00 USD" in body["text"] and "0.234 KWD" in body["text"]


@pytest.mark.parametrize(
    ("words", "repaired", "kept_back"),
    [
        ({"most_amount": "5.00"}, "A", {"JPY", "KWD", "USD", "breaks in several currencies"}),
        ({"most_amount": {"JPY": "100", "KWD": "1"}}, "BC", {"CNY", "JPY", "USD", "breaks in several currencies"}),
        ({"when": "difference >= 1.00"}, "A", set()),
        ({"when": "currency = 'JPY' and difference >= 100.00"}, "B", set()),
        ({"when": "currency = 'KWD' and right_amount = 1.000"}, "C", set()),
        ({"when": "left_amount = 5.00"}, "D", set()),
    ],
)
def test_a_cure_sees_and_limits_amounts_in_their_own_currency(
    compared: Compared, words: dict[str, Any], repaired: str, kept_back: set[str]
) -> None:
    desk, told = compared({"repair": [rule(**words)]}), Told()
    done = repairing.repair(shop(desk, told))
    assert "".join(sorted(attempt.found["key"] for attempt in told.made)) == repaired
    assert {each.why.partition("nothing of ")[2] for each in done.not_tried} >= kept_back - {"JPY"}


@pytest.fixture
def stored(desk: Desk) -> Iterator[Desk]:
    compare(desk)
    yield desk


LISTED = "each reconciliation's rows are those it found"
FINDING, BUCKET = recon.FINDING_CURRENCIES.name, recon.BUCKET_CURRENCIES.name
TAMPERINGS: tuple[tuple[str, set[str]], ...] = (
    ("SELECT 1", set()),
    ("DELETE FROM recon.break_currency WHERE left_currency = 'KWD'", {LISTED, BUCKET}),
    ("UPDATE recon.break_currency SET left_currency = 'USD' WHERE left_currency = 'KWD'", {LISTED, BUCKET}),
    ("UPDATE recon.break_currency SET right_currency = NULL WHERE right_currency = 'USD'", {LISTED, FINDING, BUCKET}),
    ("""UPDATE recon.break_currency SET left_amounts = '{"JPY": 8, "USD": 99}' WHERE left_amounts IS NOT NULL""",
     {LISTED, BUCKET}),
    ("""UPDATE recon.break_currency SET left_amounts = '{"JPY": 8, "USD": 100}' WHERE left_amounts IS NOT NULL""",
     {LISTED, FINDING, BUCKET}),
    ("UPDATE recon.break_currency SET finding_no = 99 WHERE left_currency = 'KWD'", {LISTED, FINDING, BUCKET}),
    ("DELETE FROM recon.total_currency", {LISTED, BUCKET}),
    ("UPDATE recon.total_currency SET currency = 'EUR' WHERE currency = 'KWD'", {LISTED, BUCKET}),
    ("UPDATE recon.total_currency SET left_rows = 2 WHERE bucket = 'equal'", {LISTED, BUCKET}),
    ("UPDATE recon.total_currency SET difference_minor = 1 WHERE currency = 'KWD'", {LISTED, BUCKET}),
)  # fmt: skip


def test_the_verifier_adds_each_currency_up_again(stored: Desk) -> None:
    for tamper, wanted in TAMPERINGS:
        with stored.connection.transaction(force_rollback=True):
            stored.sql(tamper)
            check = check_reconciled(stored.connection, "default", "shop")
            with stored_tables(stored.connection, stored.engine, "default", "shop", []):
                bad = {each.name for each in recon.RULES if stored.engine.query(each.sql)["bad"][0].as_py()}
        assert bad | (set() if check.ok else {LISTED}) == wanted, tamper
