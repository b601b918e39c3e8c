"""Lines of events: from a file, from a pipe that is slow, and lines that no machine should hold."""

import json
import os
from datetime import UTC, datetime
from io import BytesIO
from threading import Thread
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from everycent.serve.arrived import Arrived, Event, Events
from everycent.serve.event_lines import LineSource, Routes, read_event, read_events
from everycent.serve.plain_events import PlainEvents

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
    table = Events([read]).envelope()
    assert table["occurred_at"][0].as_py() == datetime(2026, 3, 1, 2, tzinfo=UTC)
    assert table["content_hash"][0].as_py().bytes == read.content_hash


ROUTES = Routes({"orders": [("paid", "left"), ("again", "left")], "payments": [("paid", "right")]}, (), ())
#: As a plain line says each of these, and in another way or wrongly.
IDS = ["e1", "é2", "e" * 400, "", "e" * 401, 7, None]
TOPICS = ["orders", "payments", "other", None]
INSTANTS = [
    "2026-03-01T10:00:00Z",
    "2026-03-01T10:00:00.250+08:00",
    "2026-12-31T23:59:59.000001-03:30",
    "2026-02-30T10:00:00Z",
    "2026-03-01 10:00:00Z",
    "2026-03-01T10:00:00",
    "2026-03-01T10:00:00.5Z",
    "0001-01-01T00:00:00+08:00",
]
CELLS = ["", "12.50", "一", "a: b, c", 'a"b', "a\\b", "a\nb", "null", None, 12.5, True, {"x": "y"}]
LINES = st.fixed_dictionaries(
    {
        "id": st.sampled_from(IDS),
        "topic": st.sampled_from(TOPICS),
        "occurred_at": st.sampled_from(INSTANTS),
        "columns": st.dictionaries(st.sampled_from(["price", "id", "", "名"]), st.sampled_from(CELLS), max_size=3),
    },
    optional={"line": st.sampled_from([3, "4", "x"]), "more": st.just("1")},
)
PLAIN_LINES = st.fixed_dictionaries(
    {
        "id": st.sampled_from(IDS[:3]),
        "topic": st.sampled_from(TOPICS[:2]),
        "occurred_at": st.sampled_from(INSTANTS[:3]),
        "columns": st.dictionaries(st.sampled_from(["price", "id", "", "名"]), st.sampled_from(CELLS[:4]), max_size=3),
    }
)


def one_by_one(lines: list[tuple[int, bytes]]) -> tuple[Events, list[tuple[int, str]]]:
    read = [(number, read_event(number, text, ROUTES)) for number, text in lines]
    events = Events([each for _, each in read if isinstance(each, Event)])
    return events, [(number, each) for number, each in read if isinstance(each, str)]


def same(some: Arrived | None, others: Arrived | None) -> bool:
    if some is None or others is None:
        return some is others
    cells = all(some.cells(name).equals(others.cells(name)) for name in ("price", "id", "", "名", "none"))
    return cells and list(some.lines) == list(others.lines) and some.envelope().equals(others.envelope())


@given(st.one_of(st.lists(PLAIN_LINES, min_size=1, max_size=6), st.lists(LINES, min_size=1, max_size=3)))
def test_read_all_at_once_they_are_as_read_one_by_one(rows: list[dict[str, Any]]) -> None:
    lines = [(at, json.dumps(row, ensure_ascii=False).encode()) for at, row in enumerate(rows, 5)]
    events, malformed = read_events(lines, ROUTES)
    expected, told = one_by_one(lines)
    assert list(malformed) == told
    for place in (("paid", "left"), ("paid", "right"), ("again", "left"), ("other", "left")):
        assert same(events.of(place), expected.of(place))


ORDINARY = b'{"id": "e1", "topic": "orders", "occurred_at": "2026-03-01T10:00:00Z", "columns": {"price": "1"}}'


def test_lines_as_programs_write_them_are_read_all_at_once() -> None:
    assert isinstance(read_events([(1, ORDINARY), (2, ORDINARY)], ROUTES)[0], PlainEvents)


@pytest.mark.parametrize(
    "odd",
    [
        ORDINARY + ORDINARY,
        ORDINARY[:-1],
        ORDINARY + b"}",
        ORDINARY.replace(b'"1"', b"1.10"),
        ORDINARY.replace(b'"1"', b'"1", "price": "2"'),
        ORDINARY.replace(b'"id": "e1"', b'"id": "e1", "id": "e2"'),
        ORDINARY.replace(b'"1"', b'"\\u0031"'),
        ORDINARY.replace(b"e1", b"e\x01"),
        ORDINARY.replace(b"orders", b"payments").replace(b"price", b"paid "),
        b"[" + ORDINARY + b"]",
        b'"columns"',
        b"{}",
    ],
)
def test_an_odd_line_among_others_is_what_it_is_alone(odd: bytes) -> None:
    lines = [(1, ORDINARY), (2, odd), (3, ORDINARY.replace(b"e1", b"e3"))]
    for given_lines in (lines, lines[1:], lines[1:2] * 2):
        events, malformed = read_events(given_lines, ROUTES)
        expected, told = one_by_one(given_lines)
        assert list(malformed) == told
        for place in (("paid", "left"), ("paid", "right")):
            assert same(events.of(place), expected.of(place))


def test_two_halves_of_a_line_and_a_line_of_two_are_none_of_them_lost() -> None:
    """Three lines, three objects, but not one on each."""
    head, _, tail = ORDINARY.partition(b', "columns"')
    lines = [(1, ORDINARY + ORDINARY), (2, head + b","), (3, b'"columns"' + tail)]
    assert [number for number, _ in read_events(lines, ROUTES)[1]] == [1, 2, 3]
