"""Events of both sides, as they arrive, and what becomes of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.engine.tables import UTC, UUID
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.live import SAMPLE_PARTS, LiveSpec

#: In the order in which they are told. `taken` are compared; `left_out` do not take part by `when`; `refused` cannot be
#: compared (no key, no amount); a `conflict` has the id of another event; `too_late` ones are older than what is kept;
#: `sampled_out` are not kept; `malformed` is no event. `left_out` and `refused` are kept too.
OUTCOMES = ("taken", "left_out", "refused", "duplicate", "conflict", "too_late", "sampled_out", "malformed")

#: Why an event is not compared that does not take part.
LEFT_OUT = "it does not take part, by when"

#: A key of more bytes does not fit an index.
KEY_BYTES_MAX = 1_000

#: What an event says of itself, beside its columns. `row_no` is its place among those that arrive together.
ENVELOPE = pa.schema(
    [
        pa.field("row_no", pa.int64()),
        pa.field("event_id", pa.string()),
        pa.field("occurred_at", UTC),
        pa.field("source_file", pa.string()),
        pa.field("source_line", pa.int64()),
        pa.field("record_id", UUID),
        pa.field("columns", pa.string()),  # as a JSON object; null for a record of ours
        pa.field("content_hash", UUID),
    ]
)

#: An event read as a row of its side. `reason`: why it is not compared, of outcome refused or left_out.
ARRIVING = pa.schema(
    [
        *ENVELOPE,
        pa.field("scenario", pa.string()),
        pa.field("side", pa.string()),
        pa.field("key", pa.string()),
        pa.field("amount_minor", pa.int64()),
        pa.field("status", pa.string()),
        pa.field("outcome", pa.string()),  # taken | left_out | refused | sampled_out
        pa.field("reason", pa.string()),
    ]
)


class EventSource(Protocol):
    """Where events come from: a file, a pipe, a bus. What was taken in is not lost when this process dies."""

    def take(self, most: int) -> Sequence[tuple[int, bytes]]:
        """The next lines with their numbers, at least one and no more than `most`; none where there are no more."""

    def done(self, lines: int) -> None:
        """The next so many of the lines taken are kept: they need not be given again. More may be taken already."""


@dataclass(frozen=True)
class Put:
    """What became of events: how many by outcome, and of those in `told` the row_no and why."""

    counts: Mapping[str, int] = field(default_factory=dict)
    told: Sequence[tuple[int, str, str]] = ()  # (row_no, outcome, reason)


class QueueFull(Exception):
    """More keys wait to be checked than the scenario allows: nothing was taken; put the events again later."""


def sampled_sql(key: str, live: LiveSpec) -> str:
    """SQL: whether the key (a text) is among those that are checked. The same on both sides, on every machine."""
    if live.parts_kept == SAMPLE_PARTS:
        return "true"
    return f"(md5_number_lower({key}) % {SAMPLE_PARTS} < {live.parts_kept})"


def arriving(
    scenario: str, side: str, live: LiveSpec, envelope: pa.Table, read: SideRows, engine: LocalEngine
) -> pa.Table:
    """ARRIVING, of ENVELOPE and the events read as a side, whose source_line is the row_no."""
    too_long = f"key IS NOT NULL AND strlen(key) > {KEY_BYTES_MAX}"
    found = engine.query(
        f"""SELECT e.*, {literal(scenario)} AS scenario, {literal(side)} AS side,
            CASE WHEN outcome <> 'refused' THEN key END AS key,
            CASE WHEN outcome <> 'refused' THEN amount_minor END AS amount_minor, status, outcome,
            CASE outcome WHEN 'left_out' THEN {literal(LEFT_OUT)} WHEN 'refused' THEN refusal END AS reason
        FROM (
            SELECT e.row_no, s.key, s.amount_minor, s.status,
                CASE WHEN {too_long} THEN 'the key is longer than {KEY_BYTES_MAX} bytes' ELSE r.reason END AS refusal,
                CASE WHEN r.reason IS NOT NULL OR {too_long} THEN 'refused' WHEN s.key IS NULL THEN 'left_out'
                    WHEN {sampled_sql("s.key", live)} THEN 'taken' ELSE 'sampled_out' END AS outcome
            FROM envelope AS e LEFT JOIN compared AS s ON s.source_line = e.row_no
            LEFT JOIN refused AS r ON r.source_line = e.row_no)
        JOIN envelope AS e USING (row_no) ORDER BY row_no""",
        envelope=envelope,
        compared=read.rows,
        refused=read.refused,
    )
    assert found.num_rows == envelope.num_rows, "an event was lost"
    return found.select(ARRIVING.names).cast(ARRIVING)
