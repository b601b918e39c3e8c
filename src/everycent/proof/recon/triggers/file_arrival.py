"""Trigger: files that arrived, are whole and were not run before, by their content."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from fnmatch import fnmatch
from typing import Any

from pydantic import Field, model_validator

from everycent.base.engine.declaration import Declaration, Duration, Words
from everycent.proof.recon.chain import Arrived, Awaited, Firing, LinkFailed, Occasion, Surroundings


class FileArrivalWords(Declaration):
    """Which files, and when one is whole."""

    paths: Words = Field(
        description="names, patterns or folders, from the scenario's folder on; of these files those that a side takes",
        examples=["inbox", "inbox/*.csv"],
    )
    settled: Duration = Field(
        default=timedelta(minutes=2),
        description="how long a file must not have changed before it counts as whole",
        examples=["10 minutes"],
    )
    marker: str | None = Field(
        default=None,
        description="a file counts at once where one of the same name and this ending is beside it, and not before",
        examples=[".done"],
    )
    day: str | None = Field(
        default=None,
        description="a pattern that finds the day (year, month, day) in the name: files of a day are one run, for that "
        "day. Without it all that has come is one run, for the day on which it is run",
        examples=[r"bill_(\d{4})(\d{2})(\d{2})"],
    )

    @model_validator(mode="before")
    @classmethod
    def _still_is_settled(cls, given: Any) -> Any:
        if isinstance(given, dict) and "still" in given:
            raise ValueError(f"`still` is called `settled`; write settled: {given['still']}")
        return given


class FileArrival:
    """The trigger `file_arrival`: a run once there is a new file of each side that is a file, day by day."""

    name = "file_arrival"
    words = FileArrivalWords

    def awaits(self, words: FileArrivalWords) -> Awaited:
        """Its files."""
        return Awaited(words.paths, words.settled, words.marker)

    def due(self, words: FileArrivalWords, around: Surroundings, occasion: Occasion) -> Sequence[Firing]:
        """In the order of days. A content is due once on a side, for each day that names say. Raises LinkFailed where
        a name has no day."""
        del around  # a trigger of files is told them
        taken = {(_day(words, name), _sides(occasion, name), digest) for name, digest in _files_done(occasion)}
        by_day: dict[date | None, list[Arrived]] = {}
        for file in occasion.files:
            name = file.path.name
            day = _day(words, name)
            if words.day is not None and day is None:
                raise LinkFailed(f"trigger 'file_arrival': '{words.day}' finds no day in {name}")
            content = (day, _sides(occasion, name), file.digest)
            if content not in taken:
                taken.add(content)
                by_day.setdefault(day, []).append(file)
        return [_firing(by_day[day], day) for day in sorted(by_day, key=str) if _is_whole(by_day[day], occasion)]


def _sides(occasion: Occasion, name: str) -> tuple[bool, ...]:
    """Of each side that is a file, whether this is one of its files."""
    return tuple(any(fnmatch(name, text) for text in side) for side in occasion.sides)


def _is_whole(files: Sequence[Arrived], occasion: Occasion) -> bool:
    of_files = [_sides(occasion, file.path.name) for file in files]
    return all(any(column) for column in zip(*of_files, strict=True))


def _firing(files: Sequence[Arrived], day: date | None) -> Firing:
    content = hashlib.sha256("\x1f".join(sorted(file.digest for file in files)).encode()).hexdigest()[:32]
    mark = " ".join(["file_arrival", *([] if day is None else [day.isoformat()]), content])
    takes = tuple(f"{file.path.name}:{file.digest}" for file in files)
    return Firing(mark, day, files=tuple(file.path for file in files), takes=takes)


def _files_done(occasion: Occasion) -> Iterator[tuple[str, str]]:
    """Name and content of what was run before."""
    for mark in occasion.done:
        name, colon, digest = mark.rpartition(":")
        if colon:
            yield name, digest


def _day(words: FileArrivalWords, name: str) -> date | None:
    found = None if words.day is None else re.search(words.day, name)
    try:
        year, month, day = () if found is None else found.groups()
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


TRIGGER = FileArrival()
