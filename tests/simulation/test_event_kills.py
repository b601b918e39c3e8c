"""Events under kill -9: wherever one dies that puts or checks them, the next goes on: nothing is lost or done twice.

Two scenarios take the same events, so that one dies between what the two of them kept, too.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from small_market import PROMOTIONS
from theatre import Scene, Story, Theatre, playing

from everycent.base.platform.database import Connection

ABOUT = (
    PROMOTIONS
    + """\
recon:
  paid:
    left: {columns: {id: text, due: money}, key: id, amount: due}
    right: {columns: {id: text, paid: money}, key: id, amount: paid}
    live: {left: orders, right: payments, batch: 7, keep: 100 days}
  paid-again:
    left: {columns: {id: text, due: money}, key: id, amount: due}
    right: {columns: {id: text, paid: money}, key: id, amount: paid}
    live: {left: orders, right: payments, batch: 11, keep: 100 days}
"""
)


def event(topic: str, number: int, cents: int) -> str:
    column = {"orders": "due", "payments": "paid"}[topic]
    said = {"id": f"A{number}", column: f"{cents // 100}.{cents % 100:02}"}
    at = {"orders": "2026-03-01T10:00:00Z", "payments": "2026-03-01T10:00:05Z"}[topic]
    return json.dumps({"id": f"{topic}{number}", "topic": topic, "occurred_at": at, "columns": said}) + "\n"


EVENTS = {
    "events.jsonl": "".join(event("orders", n, n * 100) for n in range(1, 60))
    + "".join(event("payments", n, n * 100 + n % 7 % 2) for n in range(1, 62) if n % 11)
}
PUT = Scene(ABOUT, tables=EVENTS, asks=("recon", "put", "MODEL", "BESIDE events.jsonl"))
WATCH = Scene(ABOUT, asks=("recon", "watch", "MODEL", "--once"))


def nothing_twice(connection: Connection) -> None:
    """Each event counts once, each key was checked once, and what waits is counted right."""
    rows = connection.execute(
        """SELECT scenario,
            coalesce(sum(counted) FILTER (WHERE name = 'taken'), 0) - (SELECT count(*) FROM recon.event AS e
                WHERE e.scenario = c.scenario),
            coalesce(sum(counted) FILTER (WHERE name = 'asked'), 0) - (SELECT count(*) FROM recon.pending AS p
                WHERE p.scenario = c.scenario) - coalesce(sum(counted) FILTER (WHERE name = 'checked'), 0),
            coalesce(sum(counted) FILTER (WHERE name = 'checked'), 0) - (SELECT coalesce(sum(checks), 0)
                FROM recon.verdict AS v WHERE v.scenario = c.scenario),
            (SELECT count(*) FROM recon.verdict AS v WHERE v.scenario = c.scenario AND checks <> 1)
        FROM recon.event_count AS c GROUP BY scenario ORDER BY 1"""
    ).fetchall()
    assert rows == [("paid", 0, 0, 0, 0), ("paid-again", 0, 0, 0, 0)]


KEEP, CHECK = "everycent.serve.watching:_keep", "everycent.serve.watch_loop:_check"
COUNT, JUDGE = ("everycent.proof.recon.watching.store:" + name for name in ("count", "judge_marked"))
STORIES = {
    "putting": Story([KEEP, COUNT], [], PUT, audit=nothing_twice),
    "watching": Story([CHECK, JUDGE], [PUT], WATCH, audit=nothing_twice),
}


@pytest.fixture(scope="module")
def theatre(databases: Any) -> Iterator[Theatre]:
    with playing(databases, STORIES) as made:
        yield made


@pytest.mark.parametrize("name", STORIES)
def test_one_that_dies_is_followed_by_another(theatre: Theatre, name: str) -> None:
    stage = theatre.stage(name)
    table = {"putting": b"recon.event\t", "watching": b"recon.verdict_break\t"}[name]
    assert any(line.startswith(table) for line in stage.undisturbed.lines)
    assert theatre.killed(name, 1000) or theatre.killed(name, 1004), "at least one died at work"


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", STORIES)
def test_sixty_kills(theatre: Theatre, name: str) -> None:
    hits = sum(theatre.killed(name, seed) for seed in range(60))
    print(f"{hits} of 60 kills hit the work, of {theatre.stage(name).statements} statements")
    assert hits >= 40, "the kills hit the work"
