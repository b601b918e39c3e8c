"""Lines of events: from a file, from a pipe that is slow, and lines that no machine should hold."""

import json
import os
from datetime import UTC, datetime
from io import BytesIO
from threading import Thread
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from everycent.serve.event_lines import Event, LineSource, Routes, envelope_of, read_event

NOWHERE = Routes({}, (), ())


def all_of(source: LineSource, most: int) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    while lines := source.take(most):
        assert len(lines) <= most
        found += lines
    return found


def test_lines_come_with_their_numbers_however_few_are_taken() -> None:
    content = b"one\n\n three\nfour" * 20_000
    expected = [(n, line) for n, line in enumerate(content.split(b"\n"), 1) if line.strip()]
    for most in (7_001, 1_000_000):
        assert all_of(LineSource(BytesIO(content)), most) == expected


def test_what_a_pipe_holds_is_given_before_it_ends() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as pipe:
        source = LineSource(stream)
        pipe.write(b"one\ntw")
        assert source.take(10) == [(1, b"one")]
        pipe.write(b"o\n")
        assert source.take(10) == [(2, b"two")]
        pipe.close()
        assert source.take(10) == []


def test_a_writer_waits_while_nobody_takes() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream:
        source = LineSource(stream)
        line = b"x" * 999 + b"\n"

        def write() -> None:
            with os.fdopen(writing, "wb") as pipe:
                for _ in range(20_000):
                    pipe.write(line)

        writer = Thread(target=write, daemon=True)
        writer.start()
        writer.join(0.5)
        assert writer.is_alive(), "20 MB are more than is read ahead"
        assert len(all_of(source, 1_000)) == 20_000
        writer.join(30)


def test_a_line_that_is_too_long_is_told_and_not_held() -> None:
    content = b"a" * (5 << 20) + b"\nshort\n"
    (number, line), (other, short) = all_of(LineSource(BytesIO(content)), 10)
    assert (number, other, short) == (1, 2, b"short") and len(line) <= (1 << 20) + (1 << 16) + 1
    assert read_event(number, line, NOWHERE) == "the line is longer than 1,048,576 bytes"


@given(
    st.dictionaries(st.text(max_size=5), st.one_of(st.text(max_size=8), st.none(), st.booleans(), st.lists(st.text())))
)
def test_what_is_kept_of_an_event_is_its_columns_as_json_with_sorted_keys(columns: dict[str, Any]) -> None:
    assume("\\u0000" not in json.dumps(columns))
    row = {"id": "e1", "topic": "orders", "occurred_at": "2026-03-01T10:00:00+08:00", "columns": columns}
    read = read_event(7, json.dumps(row).encode(), Routes({"orders": [("paid", "left")]}, (), ()))
    assert isinstance(read, Event)
    assert read.shown == json.dumps(columns, ensure_ascii=False, sort_keys=True)
    table = envelope_of([read])
    assert table["occurred_at"][0].as_py() == datetime(2026, 3, 1, 2, tzinfo=UTC)
    assert table["content_hash"][0].as_py().bytes == read.content_hash
