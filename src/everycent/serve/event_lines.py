"""Events as they are written: one JSON object a line."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader, BytesIO
from json.encoder import encode_basestring
from queue import Empty, Queue
from threading import Thread
from typing import Any

from everycent.flow.intake.service import cell_of, object_of
from everycent.serve.arrived import ID_CHARACTERS_MAX, Arrived, Event, Events, Place
from everycent.serve.plain_events import plain_events

_LINE_BYTES_MAX = 1 << 20

#: So much is read ahead, in blocks; then the reader waits, and with it whoever writes into the pipe.
_BLOCKS_AHEAD, _BLOCK_BYTES = 64, 1 << 16
#: How long lines are gathered before fewer than asked for are given on.
_GATHERED_S = 0.05

_TEXTS = {str}


@dataclass(frozen=True)
class Routes:
    """Which sides take which events: by topic, and by name. `stored`: sides whose events are records of the store."""

    topics: Mapping[str, Sequence[Place]]
    named: Sequence[Place]
    stored: Sequence[Place]

    def taking(self, topic: str) -> Sequence[Place]:
        """The sides that take its events."""
        return [place for place in self.topics.get(topic, ()) if place not in self.stored]

    def of(self, row: Mapping[str, Any]) -> Sequence[Place] | str:
        """The sides that the event belongs to, or why to none."""
        if "topic" in row:
            places = self.taking(str(row["topic"]))
            there = ", ".join(self.topics) or "none"
            return places or f"no scenario takes the topic '{row['topic']}'; the topics are {there}"
        place = (str(row.get("scenario", "")), str(row.get("side", "")))
        if place not in self.named:
            there = ", ".join(" ".join(known) for known in self.named)
            return f'\'{" ".join(place)}\' is no scenario and side; write "topic", or "scenario" and "side": {there}'
        if place in self.stored:
            return f"the {place[1]} side of {place[0]} is records, which come from the store; put no events of it"
        return [place]


class LineSource:
    """Lines of a file or a pipe, read ahead by a thread into a bounded queue. Fulfils recon's EventSource."""

    def __init__(self, stream: BufferedReader | BytesIO) -> None:
        self._queue: Queue[list[tuple[int, bytes]] | None] = Queue(_BLOCKS_AHEAD)
        self._read_ahead: list[tuple[int, bytes]] = []
        self._ended = False
        Thread(target=self._read, args=(stream,), daemon=True).start()

    def take(self, most: int) -> Sequence[tuple[int, bytes]]:
        """Waits for a line; then gives what comes at once."""
        while not self._ended and len(self._read_ahead) < most:
            try:
                lines = self._queue.get(timeout=_GATHERED_S if self._read_ahead else None)
            except Empty:
                break
            if lines is None:
                self._ended = True
            else:
                self._read_ahead += lines
        taken, self._read_ahead = self._read_ahead[:most], self._read_ahead[most:]
        return taken

    def done(self, lines: int) -> None:
        """A file is given again from its beginning; events that are known do no harm."""

    def _read(self, stream: BufferedReader | BytesIO) -> None:
        left, number = b"", 0
        while block := stream.read1(_BLOCK_BYTES):
            *whole, left = (left + block).split(b"\n")
            left = left[: _LINE_BYTES_MAX + 1]  # what is too long is told as such, and never held
            lines = [(at, line) for at, line in enumerate(whole, number + 1) if line.strip()]
            number += len(whole)
            if lines:
                self._queue.put(lines)
        if left.strip():
            self._queue.put([(number + 1, left)])
        self._queue.put(None)


def read_events(lines: Sequence[tuple[int, bytes]], routes: Routes) -> tuple[Arrived, Sequence[tuple[int, str]]]:
    """The events on these lines; and of the other lines why they are none."""
    if all(len(text) <= _LINE_BYTES_MAX for _, text in lines):
        plain = plain_events(lines, {topic: routes.taking(topic) for topic in routes.topics})
        if plain is not None:
            return plain, []
    events: list[Event] = []
    malformed: list[tuple[int, str]] = []
    for line, text in lines:
        read = read_event(line, text, routes)
        if isinstance(read, str):
            malformed.append((line, read))
        else:
            events.append(read)
    return Events(events), malformed


def read_event(line: int, text: bytes, routes: Routes) -> Event | str:
    """The event on a line, or why it is none."""
    if len(text) > _LINE_BYTES_MAX:
        return f"the line is longer than {_LINE_BYTES_MAX:,} bytes"
    row = object_of(text)
    if isinstance(row, str):
        return row
    if b"\\u0000" in text:
        return "it holds a NUL character, which cannot be stored"
    event_id, columns = cell_of(row.get("id")), row.get("columns")
    if not event_id or len(event_id) > ID_CHARACTERS_MAX:
        return f'"id" is missing or longer than {ID_CHARACTERS_MAX} characters; each event of a side needs its own'
    if not isinstance(columns, dict):
        return '"columns" is missing; write {"columns": {"order_id": "A1", ...}}'
    places = routes.of(row)
    if isinstance(places, str):
        return places
    at = _time(row.get("occurred_at"))
    if at is None:
        return '"occurred_at" is no time with its zone; write for example "2026-03-01T10:00:00+08:00"'
    file, place = cell_of(row.get("file")) or event_id, cell_of(row.get("line")) or "1"
    if not (place.isascii() and place.isdigit() and len(place) <= 18):
        return f'"line" is {place}; write a whole number'
    shown = _shown(columns)
    try:
        content = "\x1f".join((at.isoformat(), file, place, shown)).encode()
        event_id.encode()
    except UnicodeEncodeError:
        return "it holds half a character (a lone surrogate), which is no text"
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    return Event(line, places, columns, event_id, at, file, int(place), shown, digest)


def _shown(columns: Mapping[str, Any]) -> str:
    """As json.dumps writes it, its keys sorted: by hand where all values are texts, as most are, in a third of the
    time."""
    if set(map(type, columns.values())) <= _TEXTS:
        written = [f"{encode_basestring(name)}: {encode_basestring(columns[name])}" for name in sorted(columns)]
        return f"{{{', '.join(written)}}}"
    return json.dumps(columns, ensure_ascii=False, sort_keys=True)


def _time(value: Any) -> datetime | None:
    """An instant, by ISO 8601 with its zone."""
    try:
        at = datetime.fromisoformat(value)
        return None if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
