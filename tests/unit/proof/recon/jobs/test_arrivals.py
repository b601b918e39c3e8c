"""Files that arrive start jobs: when they are complete, when each side has one, and never twice on one content."""

import os
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from job_office import Office, many

from everycent.proof.recon.jobs import arrivals
from everycent.proof.recon.jobs.arrivals import Watched, ask_arrived
from everycent.proof.recon.timing import ArrivalSpec

DAY = date(2026, 3, 2)


class Inbox:
    """A folder that is looked into at times of one day."""

    def __init__(self, place: Office, folder: Path, **words: Any) -> None:
        self.place, self.folder = place, folder
        spec = ArrivalSpec.model_validate({"folder": "inbox", **words})
        self.watched = Watched("market", "bill", spec, folder, [["ours*.csv"], ["bill*.csv"]], {"model": "m"}, 2)

    def put(self, name: str, text: str) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_text(text)

    def look(self, time: str) -> list[str] | None:
        """The names of the files that a job is asked for on."""
        now = datetime.fromisoformat(f"2026-03-02T{time}+08:00")
        number = ask_arrived(self.place.connection, "default", self.watched, now, DAY)
        if number is None:
            return None
        asked = self.place.job(number).asked
        assert (asked.day, asked.shards, asked.asks["model"]) == (DAY, 2, "m")
        return [Path(file["path"]).name for file in asked.asks["files"]]


@pytest.fixture
def inbox(office: Callable[..., Office], tmp_path: Path) -> Callable[..., Inbox]:
    place = office(bill=many(3))
    return lambda **words: Inbox(place, tmp_path / "inbox", **words)


def test_a_folder_that_is_not_there_holds_nothing(inbox: Any) -> None:
    assert inbox().look("09:00") is None


def test_a_file_counts_once_it_has_not_changed_for_so_long(inbox: Any) -> None:
    box = inbox(settled="10 minutes")
    box.put("ours.csv", "a")
    box.put("bill.csv", "b")
    box.put("notes.txt", "no side's")
    assert box.look("09:00") is None, "nobody knows yet whether it still grows"
    assert box.look("09:09") is None
    box.put("bill.csv", "b and more")
    assert box.look("09:10") is None, "the bill has grown"
    assert box.look("09:19") is None
    assert box.look("09:20") == ["bill.csv", "ours.csv"]
    assert box.look("09:21") is None


def test_with_a_marker_it_counts_once_that_is_there(inbox: Any) -> None:
    box = inbox(marker=".done")
    box.put("ours.csv", "a")
    box.put("bill.csv", "b")
    box.put("ours.csv.done", "")
    assert box.look("09:00") is None
    assert box.look("12:00") is None
    box.put("bill.csv.done", "")
    assert box.look("12:01") == ["bill.csv", "ours.csv"]


def test_each_side_has_to_have_come(inbox: Any) -> None:
    box = inbox(settled="0 minutes")
    box.put("bill-1.csv", "1")
    assert box.look("09:00") is None
    box.put("bill-2.csv", "2")
    box.put("ours-1.csv", "1 of ours")
    assert box.look("09:01") == ["bill-1.csv", "bill-2.csv", "ours-1.csv"]
    box.put("ours-2.csv", "2 of ours")
    assert box.look("09:02") is None, "a new bill has to come, too"
    box.put("bill-3.csv", "3")
    assert box.look("09:03") == ["bill-3.csv", "ours-2.csv"]


def test_a_content_that_was_taken_is_not_taken_again_under_any_name(inbox: Any) -> None:
    box = inbox(settled="0 minutes")
    for name, text in (("ours.csv", "a"), ("bill.csv", "b"), ("bill-copy.csv", "b")):
        box.put(name, text)
    assert box.look("09:00") == ["bill-copy.csv", "ours.csv"], "of two alike the first by name"
    box.put("ours-again.csv", "a")
    os.utime(box.folder / "bill.csv", (1, 1))
    assert box.look("09:01") is None
    box.put("ours.csv", "a, corrected")
    box.put("bill.csv", "b, corrected")
    assert box.look("09:02") == ["bill.csv", "ours.csv"]


def test_a_file_that_does_not_change_is_read_once(inbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box, reads = inbox(settled="0 minutes"), []
    real = arrivals.file_digest
    monkeypatch.setattr(arrivals, "file_digest", lambda path: reads.append(path.name) or real(path))
    box.put("ours.csv", "a")
    for time in ("09:00", "09:01", "09:02"):
        assert box.look(time) is None
    assert reads == ["ours.csv"]
