"""Trigger: a file that arrived, is whole and was not run before, by its content."""

import hashlib
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from pydantic import Field

from everycent.base.engine.declaration import Declaration, Duration, Words
from everycent.proof.recon.chain import Firing, LinkFailed, Occasion, Surroundings


class FileArrivalWords(Declaration):
    """Which files, and when one is whole."""

    paths: Words = Field(description="names or patterns, from the scenario's folder on", examples=["inbox/*.csv"])
    still: Duration = Field(
        default=timedelta(minutes=1), description="how long a file must not have changed before it counts as whole"
    )
    day: str | None = Field(
        default=None,
        description="a pattern that finds the day (year, month, day) in the name; the run's own day otherwise",
        examples=[r"bill_(\d{4})(\d{2})(\d{2})"],
    )


class FileArrival:
    """The trigger `file_arrival`: a run for each file."""

    name = "file_arrival"
    words = FileArrivalWords

    def due(self, words: FileArrivalWords, around: Surroundings, occasion: Occasion) -> Sequence[Firing]:
        """In the order of names. Raises LinkFailed where a name has no day."""
        found = sorted({path for text in words.paths for path in around.folder.glob(around.filled(text))})
        firings = []
        for path in found:
            changed = datetime.fromtimestamp(path.stat().st_mtime, occasion.now.tzinfo)
            if path.is_file() and occasion.now - changed >= words.still:
                with path.open("rb") as file:
                    mark = f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}"
                if mark not in occasion.done:
                    firings.append(Firing(mark, _day(words, path), files=(path,)))
        return firings


def _day(words: FileArrivalWords, path: Path) -> date | None:
    if words.day is None:
        return None
    found = re.search(words.day, path.name)
    try:
        assert found is not None
        year, month, day = found.groups()
        return date(int(year), int(month), int(day))
    except (AssertionError, ValueError):
        raise LinkFailed(f"trigger 'file_arrival': '{words.day}' finds no day in {path.name}") from None


TRIGGER = FileArrival()
