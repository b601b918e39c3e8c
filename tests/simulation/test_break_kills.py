"""Breaks under kill -9: wherever a pass dies, the next ends where an undisturbed one would have.

Passes that are one transaction, or whose second try does nothing that was done, end in the same rows, to the byte: a
run is observed, keys are asked again, people are told. A repair is never made twice; where nobody heard its end, its
service is asked.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from repair_service import Service, repair_service
from small_market import PROMOTIONS
from theatre import Scene, Story, Theatre, playing

HANDLING = "everycent.serve.handling"
ABOUT = (
    PROMOTIONS
    + """\
recon:
  bill:
    left: {file: ours.csv, columns: {id: text, paid: money}, key: id, amount: paid}
    right: {file: bill.csv, columns: {id: text, paid: money}, key: id, amount: paid}
    trigger: {file_arrival: {paths: ., settled: 0 minutes}}
    shards: 1
    breaks: WORDS
"""
)
TELLS = "{alert: {to: [{log: warning}, {log: error}], group_by: kind}}"
WAITS = "{recheck: {after: 0 minutes}, alert: {to: [{log: warning}]}}"
REPAIRS = """{repair: [{name: book, kinds: missing_right, rest: {url: "URL", ask: "URL"}, attempts: 9}],
      alert: {to: [{log: warning}], group_by: scenario}}"""
ORDERS = ["id,paid\n" + "".join(f"A{n},{n}.00\n" for n in range(1, last)) for last in (30, 34)]
BILLS = [
    "id,paid\n" + "".join(f"A{n},{n}.{n % few:02}\n" for n in range(1, 32) if n % 5 != lacking)
    for few, lacking in ((7, 1), (3, 2))
]
WORK = ("recon", "work", "MODEL", "--once")
HANDLE = ("breaks", "handle", "MODEL")
RECHECK = ("breaks", "recheck", "MODEL", "--left", "BESIDE ours.csv", "--right", "BESIDE bill.csv")


def scene(words: str, day: int, asks: tuple[str, ...]) -> Scene:
    return Scene(ABOUT.replace("WORDS", words), tables={"ours.csv": ORDERS[day], "bill.csv": BILLS[day]}, asks=asks)


STORIES = {
    "observed": Story(["everycent.proof.recon.service:observe"], [scene(TELLS, 0, WORK)], scene(TELLS, 1, WORK)),
    "asked again": Story([f"{HANDLING}:recheck"], [scene(WAITS, 0, WORK)], scene(WAITS, 1, RECHECK)),
    "told": Story(
        [f"{HANDLING}:write_alerts", f"{HANDLING}:deliver"],
        [scene(TELLS, 0, WORK)],
        scene(TELLS, 0, HANDLE),
    ),
}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with repair_service() as running:
        yield running


@pytest.fixture(scope="module")
def theatre(databases: Any, service: Service) -> Iterator[Theatre]:
    words = REPAIRS.replace("URL", service.url)
    repaired = Story([f"{HANDLING}:repair"], [scene(words, 0, WORK)], scene(words, 0, HANDLE), ends=(0, 1))
    with playing(databases, {**STORIES, "repaired": repaired}) as made:
        yield made


def test_people_are_told_once_whoever_dies_over_it(theatre: Theatre) -> None:
    stage = theatre.stage("told")
    assert min(stage.statements) > 3
    alerts = [line for line in stage.undisturbed.lines if line.startswith(b"recon.alert\t")]
    assert len(alerts) == 6, "three kinds, two ways each"
    assert theatre.killed("told", 1014), "it died at work"


def repaired(theatre: Theatre, service: Service, seed: int) -> bool:
    """Kills repairs at a statement that the seed chooses, lets the next pass go on, and looks at what the service got.
    Whether it hit the work."""
    stage = theatre.stage("repaired")
    service.got.clear()
    death = {"work": 0, "nth": random.Random(seed).randint(1, stage.statements[0]), "after_s": 0}
    found, first = theatre.played(stage, f"killed-{seed}", {}, death)
    standing = [json.loads(line.split(b"\t")[1]) for line in found.lines if line.startswith(b"recon.standing_break\t")]
    lacking = {one["key"]: one["state"] for one in standing if one["kind"] == "missing_right"}
    assert len(lacking) == 6 and set(lacking.values()) == {"repaired"}, (death, lacking)
    made = sorted(body["break"]["key"] for _, body in service.got)
    assert made == sorted(lacking), (death, made)
    return first.inside[0]


def test_no_repair_is_made_twice_whoever_dies_over_it(theatre: Theatre, service: Service) -> None:
    hits = [repaired(theatre, service, seed) for seed in (0, 1)]
    assert any(hits), "at least one died at work"


@pytest.mark.soak
def test_eighty_kills(theatre: Theatre, service: Service) -> None:
    hits = {name: sum(theatre.killed(name, seed) for seed in range(20)) for name in STORIES}
    hits["repaired"] = sum(repaired(theatre, service, seed) for seed in range(20))
    print(f"of 20 kills of each, these hit the work: {hits}")
    assert all(hit >= 8 for hit in hits.values())
