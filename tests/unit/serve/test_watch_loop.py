"""A watcher's limit of keys a second, and what sampling and routing do, with a clock that the test moves."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from everycent.flow.pipeline.service import Session, open_session
from everycent.proof.recon.service import Watch
from everycent.serve.cli.watching import open_live
from everycent.serve.event_lines import LineSource
from everycent.serve.watch_loop import Until, watch
from everycent.serve.watching import Live, put
from everycent.serve.wiring import migrations

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FILE = """\
name: order-checks
currency: CNY
calendar: {time_zone: Asia/Shanghai}
recon:
  paid:
    left: {columns: {id: text, sum: money, kind: text}, when: kind <> 'refund', key: id, amount: sum}
    right: {columns: {id: text, sum: money, kind: text}, when: kind <> 'refund', key: id, amount: sum}
    live: {left: orders, right: payments, WORDS}
  refunded:
    left: {columns: {id: text, sum: money, kind: text}, when: kind = 'refund', key: id, amount: sum}
    right: {columns: {id: text, sum: money, kind: text}, key: id, amount: sum}
    live: {left: orders, WORDS}
"""


class Street:
    """A scenario file and a clock; whoever sleeps moves it."""

    def __init__(self, session: Session, live: Live) -> None:
        self.session, self.live, self.now = session, live, NOON
        self.checked: list[tuple[float, int]] = []  # seconds since noon, and keys checked by then

    def put(self, *events: tuple[str, str, str]) -> tuple[Mapping[str, int], list[str]]:
        """(where, key, kind): a topic, or a scenario and its side. The outcomes, and what was told."""
        lines, told = [], []
        for number, (where, key, kind) in enumerate(events):
            scenario, _, side = where.partition(" ")
            place = {"scenario": scenario, "side": side} if side else {"topic": where}
            columns = {"id": key, "sum": 1, "kind": kind}
            row = {"id": f"e{number}", **place, "occurred_at": NOON.isoformat(), "columns": columns}
            lines.append(json.dumps(row))
        source = LineSource(io.BytesIO("\n".join(lines).encode()))
        taken = put(self.session, self.live, source, lambda *said: told.append(said[2]), _raise, lambda: self.now)
        return taken.counts, told

    def watch(self) -> Mapping[str, Watch]:
        def sleep(seconds: float) -> None:
            self.now += timedelta(seconds=seconds)

        def report(stage: str, done: int, total: int | None) -> None:
            self.checked.append(((self.now - NOON).total_seconds(), done))

        return watch(self.session, self.live, Until.EMPTY, report, _never, lambda: self.now, sleep)


def _raise(full: Exception) -> None:
    raise full


def _never(said: str) -> None:
    raise AssertionError(said)


@pytest.fixture
def street(database: Any, tmp_path: Path) -> Iterator[Callable[[str], Street]]:
    with ExitStack() as opened:

        def with_words(words: str) -> Street:
            (tmp_path / "file.yaml").write_text(FILE.replace("WORDS", words))
            session = opened.enter_context(open_session(database.settings, migrations()))
            return Street(session, open_live(session, tmp_path / "file.yaml"))

        yield with_words


def test_no_more_keys_are_checked_a_second_than_the_limit_allows(street: Callable[[str], Street]) -> None:
    paid = street("keys_per_second: 5, batch: 4")
    paid.put(*[("orders", f"A{n}", "sale") for n in range(23)])
    found = paid.watch()["paid"]
    assert found.counts["checked"] == 23 and found.waiting == 0
    assert all(keys <= 4 + 5 * seconds for seconds, keys in paid.checked), "a turn of 4, then 5 a second"
    assert paid.checked[-1][0] >= (23 - 4) / 5


def test_watchers_share_the_limit(street: Callable[[str], Street]) -> None:
    one, other = street("keys_per_second: 5"), street("keys_per_second: 5")
    one.put(*[("orders", f"A{n}", "sale") for n in range(10)])
    one.watch()
    other.put(*[("payments", f"B{n}", "sale") for n in range(5)])
    other.watch()
    assert other.checked[-1][0] >= 2, "by its clock it is noon, but ten keys were checked since"


def test_what_is_sampled_out_is_counted_and_the_rest_is_checked_on_both_sides(street: Callable[[str], Street]) -> None:
    paid = street("sample: 0.3")
    keys = [f"A{n}" for n in range(200)]
    counts, _ = paid.put(*[(topic, key, "sale") for key in keys for topic in ("orders", "payments")])
    found = paid.watch()["paid"]
    out = found.counts["sampled_out"]
    assert 0 < found.counts["taken"] < 200 and out + found.counts["taken"] == 400
    assert counts["sampled_out"] == out, "of the other scenario none took part by when, which comes first"
    assert found.verdicts == {"equal": found.counts["taken"] // 2}, "of a key both sides are kept, or none"


def test_an_event_goes_where_its_topic_and_its_side_say(street: Callable[[str], Street]) -> None:
    both = street("delay: 0 minutes")
    counts, told = both.put(
        ("orders", "A", "sale"), ("orders", "B", "refund"), ("refunded right", "B", "x"), ("nowhere", "C", "sale")
    )
    assert {name: number for name, number in counts.items() if number} == {"taken": 3, "left_out": 2, "malformed": 1}
    assert told == ["no scenario takes the topic 'nowhere'; the topics are orders, payments"]
    found = both.watch()
    assert (found["paid"].verdicts, found["refunded"].verdicts) == ({"break": 1}, {"equal": 1})
