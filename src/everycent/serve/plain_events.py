"""Lines of events as programs mostly write them, read all at once; where a line is any other, none are.

Plain are lines with a topic, an instant and columns that are texts, without escapes. They give, to the byte, what
`event_lines` gives that reads line by line, and understands the others.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

from everycent.proof.recon.service import ENVELOPE
from everycent.serve.arrived import ID_CHARACTERS_MAX, Place

#: So many lines are looked at to learn the names of the columns; a line with another name is none of the plain.
_SAMPLE = 200
#: Instants that all of whose readers read alike.
_INSTANT = r"^(19|20)\d\d-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{3}|\.\d{6})?(Z|[-+](0\d|1[0-3]):[0-5]\d)$"
_TOP = ("id", "topic", "occurred_at")
_UTC = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class PlainEvents:
    """Events whose columns are texts; `rows` has the columns of _TOP, `columns`, `shown`, and what ENVELOPE needs."""

    numbers: pa.Array  # of their lines
    rows: pa.Table
    places: Mapping[str, Sequence[Place]]  # by topic

    @property
    def lines(self) -> Sequence[int]:
        """The number of each one's line."""
        found: list[int] = self.numbers.to_pylist()
        return found

    def of(self, place: Place) -> "PlainEvents | None":
        """Those that belong to a side; None where none does."""
        topics = pa.array([topic for topic, places in self.places.items() if place in places], pa.string())
        mine = pc.is_in(self.rows["topic"], topics)
        rows = self.rows.filter(mine)
        return PlainEvents(self.numbers.filter(mine.combine_chunks()), rows, self.places) if rows.num_rows else None

    def cells(self, column: str) -> pa.Array:
        """What each says of a column."""
        said = self.rows["columns"].combine_chunks()
        if said.type.get_field_index(column) < 0:
            return pa.nulls(len(said), pa.string())
        return said.field(column)

    def envelope(self) -> pa.Table:
        """ENVELOPE, in the order of their lines."""
        count = self.rows.num_rows
        ids = self.rows["id"]
        columns = [
            pa.array(np.arange(count), pa.int64()),
            ids,
            self.rows["at"],
            ids,  # it came from no file that it names
            pa.array(np.ones(count, np.int64)),
            pa.nulls(count, ENVELOPE.field("record_id").type),
            self.rows["shown"],
            pa.ExtensionArray.from_storage(ENVELOPE.field("content_hash").type, self.rows["digest"].combine_chunks()),
        ]
        return pa.Table.from_arrays(columns, schema=ENVELOPE)


def plain_events(lines: Sequence[tuple[int, bytes]], places: Mapping[str, Sequence[Place]]) -> PlainEvents | None:
    """The events on these lines, which belong to `places` by their topics; None where one of the lines is not plain."""
    content = b"\n".join([text for _, text in lines])
    if not _is_plain(content, len(lines)):
        return None
    names = _column_names(lines)
    if names is None:
        return None
    said = pa.struct([(name, pa.string()) for name in names])
    schema = pa.schema([*((name, pa.string()) for name in _TOP), ("columns", said)])
    try:
        rows = pajson.read_json(
            pa.BufferReader(content),
            pajson.ReadOptions(use_threads=False, block_size=len(content) + 1),
            pajson.ParseOptions(schema, newlines_in_values=False, unexpected_field_behavior="error"),
        ).combine_chunks()
    except pa.ArrowInvalid:
        return None
    if rows.num_rows != len(lines) or any(rows[name].null_count for name in (*_TOP, "columns")):
        return None
    known = pc.all(pc.is_in(rows["topic"], pa.array([topic for topic in places if places[topic]], pa.string())))
    length = pc.min_max(pc.utf8_length(rows["id"])).as_py()
    at = _instants(rows["occurred_at"])
    if at is None or not known.as_py() or length["min"] == 0 or length["max"] > ID_CHARACTERS_MAX:
        return None
    shown = _shown(rows["columns"].combine_chunks(), names)
    rows = rows.append_column("at", at).append_column("shown", shown)
    rows = rows.append_column("digest", _digests(at, rows["id"], shown))
    return PlainEvents(pa.array([number for number, _ in lines], pa.int64()), rows, places)


def _is_plain(content: bytes, lines: int) -> bool:
    """One object a line, with nothing in it that is written in more than one way: no escape, null or control."""
    whole = content.startswith(b"{") and content.endswith(b"}") and content.count(b"}\n{") == lines - 1
    if not whole or b"\\" in content or b"null" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return int(np.count_nonzero(np.frombuffer(content, np.uint8) < 0x20)) == lines - 1


def _column_names(lines: Sequence[tuple[int, bytes]]) -> Sequence[str] | None:
    """Of the columns of the first lines, sorted; None where those are no such objects."""
    names: set[str] = set()
    for _, text in lines[:_SAMPLE]:
        try:
            columns = json.loads(text)["columns"]
        except (ValueError, LookupError, TypeError, RecursionError):
            return None
        if not isinstance(columns, dict):
            return None
        names.update(columns)
    return sorted(names)


def _instants(texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
    if not pc.all(pc.match_substring_regex(texts, _INSTANT)).as_py():
        return None
    try:
        return texts.cast(_UTC)
    except pa.ArrowInvalid:  # the 30th of February
        return None


def _shown(columns: pa.StructArray, names: Sequence[str]) -> pa.Array:
    """The columns as a JSON object with sorted names."""
    inside: pa.Array = pa.array([""] * len(columns), pa.string())
    for name in names:
        said = pc.binary_join_element_wise(f', {encode_basestring(name)}: "', columns.field(name), '"', "")
        inside = pc.binary_join_element_wise(inside, pc.fill_null(said, ""), "")
    return pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(inside, 2), "}", "")


def _digests(at: pa.ChunkedArray, ids: pa.ChunkedArray, shown: pa.Array) -> pa.Array:
    """Of all that an event says, as event_lines takes it."""
    written = at.cast(pa.timestamp("us")).cast(pa.string())  # 2026-03-01 10:00:00.000000
    whole = pc.ends_with(written, ".000000")
    instant = pc.binary_join_element_wise(
        pc.utf8_slice_codeunits(written, 0, 10),
        pc.if_else(whole, pc.utf8_slice_codeunits(written, 11, 19), pc.utf8_slice_codeunits(written, 11)),
        "T",
    )
    said = pc.binary_join_element_wise(pc.binary_join_element_wise(instant, "+00:00", ""), ids, "1", shown, "\x1f")
    digests = b"".join(
        [hashlib.md5(each, usedforsecurity=False).digest() for each in said.cast(pa.binary()).to_pylist()]
    )
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(said), [None, pa.py_buffer(digests)])
