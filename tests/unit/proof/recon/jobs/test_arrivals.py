"""Files that arrive start jobs: when they are whole, when each side has one, and never twice on one content."""

import os
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from job_office import Office, many

from everycent.proof.recon.chain import Link, Surroundings
from everycent.proof.recon.jobs import arrivals
from everycent.proof.recon.jobs.firing import Triggered, ask_fired, firings
from everycent.proof.recon.loading import LimitsSpec
from everycent.proof.recon.plugged import choose

DAY = date(2026, 3, 2)
SIDES = (("ours*.csv",), ("bill*.csv",))


class Inbox:
    """A folder that is looked into at times of one day."""

    def __init__(self, place: Office, folder: Path, sides: tuple[tuple[str, ...], ...] = SIDES, **words: Any) -> None:
        self.place, self.folder = place, folder / "inbox"
        self.around = Surroundings(folder, DAY, folder)
        trigger = choose(Link.TRIGGER, {"file_arrival": {"paths": "inbox", **words}})
        self.triggered = Triggered("market", "bill", trigger, LimitsSpec(), sides, {"model": "m"}, 2)

    def put(self, name: str, text: str, changed: str = "09:00") -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_text(text)
        moment = at(changed).timestamp()
        os.utime(self.folder / name, (moment, moment))

    def look(self, time: str) -> list[list[str]]:
        """The names of the files that jobs are asked for on."""
        numbers = ask_fired(self.place.connection, "default", self.triggered, self.around, at(time))
        jobs = [self.place.job(number).asked for number in numbers]
        assert all((asked.shards, asked.asks["model"]) == (2, "m") for asked in jobs)
        return [[Path(file["path"]).name for file in asked.asks["files"]] for asked in jobs]


def at(time: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-02T{time}+08:00")


@pytest.fixture
def inbox(office: Callable[..., Office], tmp_path: Path) -> Callable[..., Inbox]:
    place = office(bill=many(3))
    return lambda **words: Inbox(place, tmp_path, **words)


def test_a_folder_that_is_not_there_holds_nothing(inbox: Any) -> None:
    assert inbox().look("09:00") == []


def test_a_file_counts_once_it_has_not_changed_for_so_long(inbox: Any) -> None:
    box = inbox(settled="10 minutes")
    box.put("ours.csv", "a", "08:00")
    box.put("bill.csv", "b", "09:00")
    box.put("notes.txt", "no side's", "08:00")
    assert box.look("09:09") == [], "the bill may still grow"
    box.put("bill.csv", "b and more", "09:09")
    assert box.look("09:18") == [], "the bill has grown"
    assert box.look("09:19") == [["bill.csv", "ours.csv"]]
    assert box.look("09:21") == []


def test_a_clock_ahead_of_ours_does_not_hold_a_file_up(inbox: Any) -> None:
    box = inbox(settled="10 minutes")
    box.put("ours.csv", "a", "23:00")
    box.put("bill.csv", "b", "23:00")
    assert box.look("09:00") == []
    assert box.look("09:10") == [["bill.csv", "ours.csv"]], "for ten minutes nobody saw it change"


def test_with_a_marker_it_counts_once_that_is_there(inbox: Any) -> None:
    box = inbox(marker=".done")
    box.put("ours.csv", "a")
    box.put("bill.csv", "b")
    box.put("ours.csv.done", "")
    assert box.look("12:00") == []
    box.put("bill.csv.done", "")
    assert box.look("12:01") == [["bill.csv", "ours.csv"]]


def test_each_side_has_to_have_come(inbox: Any) -> None:
    box = inbox(settled="0 minutes")
    box.put("bill-1.csv", "1")
    assert box.look("09:00") == []
    box.put("bill-2.csv", "2")
    box.put("ours-1.csv", "1 of ours")
    assert box.look("09:01") == [["bill-1.csv", "bill-2.csv", "ours-1.csv"]]
    box.put("ours-2.csv", "2 of ours")
    assert box.look("09:02") == [], "a new bill has to come, too"
    box.put("bill-3.csv", "3")
    assert box.look("09:03") == [["bill-3.csv", "ours-2.csv"]]


def test_files_of_a_day_belong_together(inbox: Any) -> None:
    box = inbox(settled="0 minutes", day=r"(\d{4})(\d{2})(\d{2})")
    for name in ("bill-20260301.csv", "bill-20260302.csv", "ours-20260301.csv"):
        box.put(name, "id,amount\n")
    assert box.look("09:00") == [["bill-20260301.csv", "ours-20260301.csv"]]
    box.put("ours-20260302.csv", "id,amount\n")
    assert box.look("09:01") == [["bill-20260302.csv", "ours-20260302.csv"]], "empty bills of two days are two"
    days = box.place.connection.execute("SELECT day::text FROM recon.job ORDER BY job_no").fetchall()
    assert days == [("2026-03-01",), ("2026-03-02",)]


def test_where_no_side_is_a_file_any_is_an_occasion(inbox: Any) -> None:
    box = inbox(sides=(), settled="0 minutes")
    box.put("end-of-day.flag", "")
    assert box.look("09:00") == [["end-of-day.flag"]]


def test_a_content_that_was_taken_is_not_taken_again_under_any_name(inbox: Any) -> None:
    box = inbox(settled="0 minutes")
    for name, text in (("ours.csv", "a"), ("bill.csv", "b"), ("bill-copy.csv", "b")):
        box.put(name, text)
    assert box.look("09:00") == [["bill-copy.csv", "ours.csv"]], "of two alike the first by name"
    box.put("ours-again.csv", "a")
    box.put("bill.csv", "b", "08:00")
    assert box.look("09:01") == []
    box.put("ours.csv", "a, corrected")
    box.put("bill.csv", "b, corrected")
    assert box.look("09:02") == [["bill.csv", "ours.csv"]]
    fired = firings(box.place.connection, "default", box.triggered, box.around, at("09:03"))
    assert fired == (), "nor by hand, what workers were asked for"


def test_a_file_that_does_not_change_is_read_once(inbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box, reads = inbox(settled="0 minutes"), []
    real = arrivals.file_digest
    monkeypatch.setattr(arrivals, "file_digest", lambda path: reads.append(path.name) or real(path))
    box.put("ours.csv", "a")
    for time in ("09:00", "09:01", "09:02"):
        assert box.look(time) == []
    assert reads == ["ours.csv"]
