"""Events that were read from lines, ready to be taken in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol, Self

import pyarrow as pa

from everycent.flow.intake.service import cell_of
from everycent.proof.recon.service import ENVELOPE

ID_CHARACTERS_MAX = 400

#: A scenario and its side, left or right.
Place = tuple[str, str]

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
#: Of values that are cells as they stand.
_CELLS = {str, type(None)}


class Arrived(Protocol):
    """Events in the order of their lines."""

    @property
    def lines(self) -> Sequence[int]:
        """The number of each one's line."""

    def of(self, place: Place) -> Self | None:
        """Those that belong to a side; None where none does."""

    def cells(self, column: str) -> pa.Array:
        """What each says of a column, as a text; null where it says nothing."""

    def envelope(self) -> pa.Table:
        """ENVELOPE of them."""


class Event(NamedTuple):
    """A line that is an event, and where it belongs."""

    line: int
    places: Sequence[Place]
    columns: Mapping[str, Any]
    event_id: str
    occurred_at: datetime
    source_file: str
    source_line: int
    shown: str  # the columns as a JSON object
    content_hash: bytes


@dataclass(frozen=True)
class Events:
    """Events that were read one by one."""

    events: Sequence[Event]

    @property
    def lines(self) -> Sequence[int]:
        """The number of each one's line."""
        return [event.line for event in self.events]

    def of(self, place: Place) -> "Events | None":
        """Those that belong to a side; None where none does."""
        mine = [event for event in self.events if place in event.places]
        return Events(mine) if mine else None

    def cells(self, column: str) -> pa.Array:
        """What each says of a column, as a text; null where it says nothing."""
        values = [event.columns.get(column) for event in self.events]
        if not set(map(type, values)) <= _CELLS:
            values = [cell_of(value) for value in values]
        return pa.array(values, pa.string())

    def envelope(self) -> pa.Table:
        """ENVELOPE of them."""
        events = self.events
        rows = len(events)
        at = [(event.occurred_at - _EPOCH) // _MICROSECOND for event in events]
        hashes = pa.array([event.content_hash for event in events], pa.binary(16))
        columns = [
            pa.array(range(rows), pa.int64()),
            pa.array([event.event_id for event in events], pa.string()),
            pa.array(at, pa.int64()).cast(ENVELOPE.field("occurred_at").type),
            pa.array([event.source_file for event in events], pa.string()),
            pa.array([event.source_line for event in events], pa.int64()),
            pa.nulls(rows, ENVELOPE.field("record_id").type),
            pa.array([event.shown for event in events], pa.string()),
            pa.ExtensionArray.from_storage(ENVELOPE.field("content_hash").type, hashes),
        ]
        return pa.Table.from_arrays(columns, schema=ENVELOPE)
