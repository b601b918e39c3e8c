"""Repairs: by the first rule that fits, within limits, and never twice for one attempt."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from repair_service import Service, repair_service
from sessions import wait_until_alone

from everycent.base.platform.database import connect
from everycent.proof.recon.breaks import repairing
from everycent.proof.recon.breaks.desk import NotDone
from everycent.proof.recon.breaks.repairers import RestRepair, ScriptRepair, UnknownRepair, handler_of
from everycent.proof.recon.breaks.repairing import Repaired, Workshop
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.cures import RepairAttempt, RepairEnd, RepairOutcome
from everycent.proof.recon.handling import RepairRuleSpec

from .conftest import Desk, side

Declared = Callable[[dict[str, Any]], Desk]


@dataclass
class Told:
    """A handler that does as it is told, and remembers what it was asked."""

    ends: list[RepairEnd] = field(default_factory=list)
    asked: dict[UUID, RepairEnd] = field(default_factory=dict)
    made: list[RepairAttempt] = field(default_factory=list)

    def repair(self, attempt: RepairAttempt) -> RepairOutcome:
        self.made.append(attempt)
        return RepairOutcome(self.ends.pop(0) if self.ends else RepairEnd.DONE, "as told")

    def ask(self, key: UUID) -> RepairOutcome | None:
        return RepairOutcome(self.asked[key], "asked") if key in self.asked else None


def rule(**words: Any) -> dict[str, Any]:
    return {"name": "cure", "handler": "told", **words}


def shop(desk: Desk, handler: Any) -> Workshop:
    words = Words("bill", "CNY", desk.words)
    handlers = {each.name: handler for each in desk.words.repair}
    return Workshop(desk.connection, desk.engine, "default", "shop", words, handlers, desk.now)


def go(desk: Desk, handler: Any, **given: Any) -> list[Repaired]:
    return list(repairing.repair(shop(desk, handler), **given).repaired)


def three(desk: Desk) -> Desk:
    """A differs by 5, B lacks 7 on the right, C lacks 9 on the left."""
    desk.run(side("l", A=105, B=7, Z=1), side("r", A=100, C=9, Z=1))
    return desk


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ({}, "ABC"),
        ({"kinds": "missing_left"}, "C"),
        ({"causes": ["missing_right", "missing_left"]}, "BC"),
        ({"when": "difference between 0.05 and 0.07 and key <> 'A'"}, "B"),
        ({"when": "left_amount > 1.00"}, "A"),
        ({"most": 2}, "AB"),
        ({"most_amount": "0.12"}, "AB"),
    ],
)
def test_a_rule_repairs_what_it_fits_within_its_limits(declared: Declared, words: dict[str, Any], keys: str) -> None:
    desk, told = three(declared({"repair": [rule(**words)]})), Told()
    go(desk, told)
    assert [attempt.found["key"] for attempt in told.made] == list(keys)
    go(desk, told)
    assert len(told.made) == len(keys), "of one reconciliation no more, however often it is tried"


def test_what_the_limits_keep_back_is_counted_and_what_is_too_large_is_passed_over(declared: Declared) -> None:
    desk, told = declared({"repair": [rule(most=2, most_amount="0.08")]}), Told()
    desk.run(side("l", A=109, B=3, C=4, D=1), side("r", A=100))
    done = repairing.repair(shop(desk, told))
    assert [attempt.found["key"] for attempt in told.made] == ["B", "C"]
    assert {each.why: each.breaks for each in done.not_tried} == {
        "cure repairs at most 2 breaks of a reconciliation": 1,
        "cure repairs at most 0.08 CNY of a reconciliation": 1,
    }


def test_two_passes_at_once_keep_the_limits_of_one(declared: Declared, database: Any) -> None:
    class Meanwhile(Told):
        def repair(self, attempt: RepairAttempt) -> RepairOutcome:
            with connect(database.settings) as other, pytest.raises(NotDone, match="are being repaired right now"):
                repairing.repair(replace(shop(desk, Told()), connection=other))
            return super().repair(attempt)

    desk, told = three(declared({"repair": [rule(most=1)]})), Meanwhile()
    go(desk, told)
    assert len(told.made) == 1
    assert repairing.repair(shop(desk, Told())).repaired == [], "what was locked is free again, the limit is reached"


def test_a_repair_that_helped_is_closed_by_the_next_run(declared: Declared) -> None:
    desk = three(declared({"repair": [rule(kinds="amount_differs")]}))
    go(desk, Told())
    assert desk.states()["A/amount_differs"] == "repaired"
    desk.run(side("l", A=100, B=7), side("r", A=100, C=9))
    assert desk.states()["A/amount_differs"] == "repaired"
    assert desk.moves("A") == ["find", "repair", "succeed", "mend"]


def test_a_repair_that_did_not_help_counts_again_and_is_not_repeated(declared: Declared) -> None:
    desk, told = three(declared({"repair": [rule(kinds="amount_differs")]})), Told()
    go(desk, told)
    desk.later(hours=1)
    desk.run(side("l", A=105, B=7, Y=1), side("r", A=100, C=9, Y=1))
    assert desk.states()["A/amount_differs"] == "confirmed"
    go(desk, told)
    assert len(told.made) == 1


def test_what_failed_is_tried_as_often_as_declared_each_time_with_another_key(declared: Declared) -> None:
    desk, told = three(declared({"repair": [rule(kinds="amount_differs", attempts=2)]})), Told([RepairEnd.FAILED] * 9)
    for _ in range(4):
        go(desk, told)
    assert [attempt.attempt_no for attempt in told.made] == [1, 2]
    assert len({attempt.idempotency_key for attempt in told.made}) == 2
    assert desk.moves("A") == ["find", "repair", "fail", "repair", "fail"]


def test_a_handler_that_throws_leaves_doubt(declared: Declared) -> None:
    class Throws(Told):
        def repair(self, attempt: RepairAttempt) -> RepairOutcome:
            raise OSError("cable")

    desk = three(declared({"repair": [rule(kinds="amount_differs", attempts=5)]}))
    (one,) = go(desk, Throws())
    assert (one.end, one.said) == (RepairEnd.IN_DOUBT, "it threw OSError: cable")
    assert go(desk, Told()) == [], "doubt is not repaired away"


@pytest.mark.parametrize("way", ["first", "only"])
def test_a_dry_run_comes_first_or_alone(declared: Declared, way: str) -> None:
    desk, told = three(declared({"repair": [rule(kinds="amount_differs", dry_run=way)]})), Told()
    go(desk, told)
    assert [attempt.dry_run for attempt in told.made] == ([True, False] if way == "first" else [True])
    assert desk.states()["A/amount_differs"] == ("repaired" if way == "first" else "confirmed")
    assert ("try" in desk.moves("A")) == (way == "only")


def test_an_asked_for_dry_run_keeps_nothing(declared: Declared) -> None:
    desk, told = three(declared({"repair": [rule()]})), Told()
    before = desk.sql("SELECT * FROM recon.move ORDER BY 3, 4")
    assert [one.dry_run for one in go(desk, told, dry_run=True)] == [True] * 3
    assert desk.sql("SELECT * FROM recon.move ORDER BY 3, 4") == before


_DIES = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import connect
from everycent.base.platform.settings import Settings
from everycent.proof.recon.breaks.repairing import Workshop, repair
from everycent.proof.recon.breaks.standing import words_of

class Dies:
    def repair(self, attempt):
        Path(sys.argv[2]).write_text(str(attempt.idempotency_key))
        os.kill(os.getpid(), signal.SIGKILL)

settings = Settings(data_dir=Path(sys.argv[3]), database_url=sys.argv[1])
with connect(settings) as connection, LocalEngine(1, 256, Path(sys.argv[3])) as engine:
    words = words_of(connection, "default", "shop")["bill"]
    repair(Workshop(connection, engine, "default", "shop", words, {"cure": Dies()}, datetime.now(UTC)))
"""


@pytest.mark.parametrize(
    ("asked", "state"), [(None, "in_doubt"), (RepairEnd.DONE, "repaired"), (RepairEnd.FAILED, "confirmed")]
)
def test_a_process_that_dies_between_call_and_commit_repairs_nothing_twice(
    declared: Declared, database: Any, tmp_path: Path, asked: RepairEnd | None, state: str
) -> None:
    desk = three(declared({"repair": [rule(kinds="amount_differs")]}))
    key, told = tmp_path / "key", Told()
    ended = subprocess.run(
        [sys.executable, "-c", _DIES, database.settings.database_url, str(key), str(tmp_path)], check=False
    )
    assert ended.returncode == -signal.SIGKILL
    wait_until_alone(desk.connection)
    assert desk.states()["A/amount_differs"] == "repairing"
    if asked is not None:
        told.asked[UUID(key.read_text())] = asked
    go(desk, told)
    assert told.made == []
    assert desk.states()["A/amount_differs"] == state


@pytest.fixture
def service() -> Iterator[Service]:
    with repair_service() as running:
        yield running


def attempt() -> RepairAttempt:
    return RepairAttempt("default", "cure", 1, UUID(int=7), False, {"key": "A"})


@pytest.mark.parametrize(
    ("answers", "end", "sent"),
    [
        ([200], RepairEnd.DONE, 1),
        ([503, 200], RepairEnd.DONE, 2),
        ([0, 200], RepairEnd.DONE, 2),
        ([422], RepairEnd.FAILED, 1),
        ([503, 503, 503], RepairEnd.IN_DOUBT, 3),
        ([0, 503, 429], RepairEnd.IN_DOUBT, 3),
        ([429, 429, 429], RepairEnd.FAILED, 3),
    ],
)
def test_a_service_is_sent_one_key_until_it_answers(
    service: Service, answers: list[int], end: RepairEnd, sent: int
) -> None:
    service.answers = answers
    outcome = RestRepair(service.url, 10, 3, sleep=lambda _: None).repair(attempt())
    assert outcome.end is end
    assert [key for key, _ in service.got] == [str(UUID(int=7))] * sent
    assert service.got[0][1]["break"] == {"key": "A"}


def test_a_service_that_is_not_there_surely_did_nothing() -> None:
    outcome = RestRepair("http://127.0.0.1:9/repairs", 5, 2, sleep=lambda _: None).repair(attempt())
    assert (outcome.end, outcome.said) == (RepairEnd.FAILED, "it cannot be reached (ConnectError), 2 times")


def test_a_service_is_asked_what_became_of_an_attempt(service: Service) -> None:
    service.states[str(UUID(int=7))] = "done"
    rest = RestRepair(service.url, 10, 1, ask_url=service.url)
    outcomes = [rest.ask(UUID(int=number)) for number in (7, 8)]
    assert [outcome and outcome.end for outcome in outcomes] == [RepairEnd.DONE, RepairEnd.FAILED]
    assert RestRepair(service.url, 10, 1).ask(UUID(int=7)) is None


@pytest.mark.parametrize(
    ("body", "end", "said"),
    [
        ("import json, sys; print(json.load(sys.stdin)['break']['key'])", RepairEnd.DONE, "exit code 0: A"),
        ("import sys; sys.exit('no such order')", RepairEnd.FAILED, "exit code 1: no such order"),
        ("import os; os.abort()", RepairEnd.IN_DOUBT, "it was ended by signal 6"),
        ("import time; time.sleep(600)", RepairEnd.IN_DOUBT, "it was ended after 3 s"),
    ],
)
def test_a_program_says_how_it_ended(tmp_path: Path, body: str, end: RepairEnd, said: str) -> None:
    program = tmp_path / "cure.py"
    program.write_text(f"#!{sys.executable}\n{body}\n")
    program.chmod(0o755)
    timeout_s = 3 if "sleep" in body else 60
    assert ScriptRepair(tmp_path, "cure.py", timeout_s).repair(attempt()) == RepairOutcome(end, said)


def test_what_is_no_program_below_the_folder_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    (tmp_path / "out").symlink_to("/bin/true")
    for name in ("plain", "out", "none"):
        assert ScriptRepair(tmp_path, name, 5).repair(attempt()).end is RepairEnd.FAILED


def test_a_handler_that_nobody_installed_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnknownRepair, match="repair handler 'told' is not installed; installed are: none"):
        handler_of(RepairRuleSpec.model_validate(rule()), tmp_path)
