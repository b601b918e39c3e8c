"""The verifier finds standing breaks that are not what the runs and the moves say."""

from collections.abc import Iterator
from typing import Any

import pytest

from everycent.proof.recon.breaks import desk as at
from everycent.proof.recon.breaks.standing import Chosen, find
from everycent.proof.recon.core.moves import MOVES, Move, Reason
from everycent.proof.recon.handling import HandlingSpec
from everycent.proof.verify.core import breaks
from everycent.proof.verify.manifest import check_seals
from everycent.proof.verify.service import verify
from everycent.proof.verify.tables import stored_tables

from .conftest import Desk, side
from .test_repairing import Told, go

SEALED = "each sealed row is as it was written"
FOUND, CHECKED, OBSERVED, LIFE, ALLOWED, APPROVED, ATTEMPTS = (rule.name for rule in breaks.RULES)


@pytest.fixture
def lived(desk: Desk, database: Any) -> Iterator[tuple[Desk, Any]]:
    """A written off by two persons, B repaired, C closed and open again, D duplicated; three runs."""
    desk.words = HandlingSpec.model_validate(
        {
            "write_off": {"approve_above": "0"},
            "repair": [{"name": "cure", "handler": "told", "kinds": "missing_right"}],
        }
    )
    desk.run(side("l", A=105, B=7, D=(1, 1, 1)), side("r", A=100, C=9, D=1))

    def meant(key: str) -> Any:
        return find(desk.connection, "default", Chosen(keys=[key]), desk.now)

    def sits(who: str) -> at.Desk:
        return at.Desk(desk.connection, "default", who, desk.now)

    at.write_off(sits("ann"), meant("A"), "old")
    at.approve(sits("bob"), meant("A"))
    go(desk, Told())
    at.close(sits("ann"), meant("C"), Reason.ACCEPTED, None)
    at.approve(sits("bob"), meant("C"))
    desk.run(side("l", A=105, B=7, D=(1, 1)), side("r", A=100, B=7, C=8, D=1))
    desk.run(side("l", A=105, B=7, D=(1, 1, 1)), side("r", A=100, B=7, C=8, D=1))
    yield desk, database


def faults(lived: tuple[Desk, Any]) -> set[str]:
    desk, _ = lived
    checks = [check_seals(desk.connection, "default", "shop")]
    with stored_tables(desk.connection, desk.engine, "default", "shop", []):
        found = {rule.name for rule in breaks.RULES if desk.engine.query(rule.sql)["bad"][0].as_py()}
    return found | {check.name for check in checks if not check.ok}


def test_what_is_untouched_adds_up(lived: tuple[Desk, Any]) -> None:
    desk, database = lived
    assert faults(lived) == set()
    assert verify(desk.connection, database.details, desk.engine, "default", "shop").ok
    assert lived[0].states() == {
        "A/amount_differs": "written_off",
        "B/missing_right": "repaired",
        "C/missing_left": "confirmed",
        "D/duplicated_left": "confirmed",
        "D/duplicated_left/2": "confirmed",
    }


OF_A = "(SELECT break_id FROM recon.standing_break WHERE key = 'A')"
RESEAL = "; UPDATE recon.move AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid"


#: What is done to the stored rows, and the checks that find it.
TAMPERINGS: tuple[tuple[str, set[str]], ...] = (
    ("UPDATE recon.standing_break SET state = 'confirmed', reason = NULL WHERE key = 'A'", {LIFE}),
    ("UPDATE recon.standing_break SET reason = 'accepted' WHERE key = 'A'", {LIFE}),
    ("UPDATE recon.standing_break SET moves = 9 WHERE key = 'A'", {LIFE}),
    ("UPDATE recon.standing_break SET repairs = 2 WHERE key = 'A'", {ATTEMPTS}),
    ("UPDATE recon.standing_break SET occurrence = 7 WHERE key = 'A'", {FOUND}),
    ("UPDATE recon.standing_break SET finding_no = NULL WHERE key = 'A'", {FOUND, CHECKED}),
    (
        "UPDATE recon.standing_break SET run_id = first_run_id, finding_no = f.finding_no FROM recon.break AS f"
        " WHERE f.key = 'A' AND f.run_id = first_run_id AND standing_break.key = 'A'",
        {FOUND},
    ),
    (f"DELETE FROM recon.move WHERE break_id = {OF_A} AND move = 'approve'", {LIFE}),
    (f"DELETE FROM recon.move WHERE break_id = {OF_A} AND move = 'ask_write_off'", {LIFE}),
    (f"DELETE FROM recon.move WHERE break_id = {OF_A}", {LIFE}),
    ("UPDATE recon.move SET who = 'eve' WHERE move = 'approve'", {SEALED}),
    ("UPDATE recon.move SET why = 'new' WHERE move = 'ask_write_off'", {SEALED}),
    ("UPDATE recon.move SET who = 'Ann' WHERE move = 'approve'" + RESEAL, {APPROVED}),
    ("UPDATE recon.move SET move = 'reopen' WHERE move = 'approve'" + RESEAL, {ALLOWED}),
    ("UPDATE recon.observation SET handling = '{}'", {SEALED}),
    ("DELETE FROM recon.observation WHERE observation_no = 2", {OBSERVED}),
    ("DELETE FROM recon.repair_attempt", {ATTEMPTS}),
)


def test_what_was_tampered_with_is_found(lived: tuple[Desk, Any]) -> None:
    desk, _ = lived
    for tamper, found in TAMPERINGS:
        with desk.connection.transaction(force_rollback=True):
            for statement in tamper.split("; "):
                desk.sql(statement)
            assert faults(lived) >= found, tamper
    assert {name for _, found in TAMPERINGS for name in found} == {SEALED, *(rule.name for rule in breaks.RULES)}


def test_the_verifier_s_table_of_moves_is_the_house_s() -> None:
    """Restated in the verifier on purpose; here the two meet."""
    restated = {
        (move, state, after or state)
        for move, states, after in breaks._ALLOWED
        for state in states.split(" ")
        if move != Move.FIND
    }
    assert restated == {
        (str(move), str(before), str(after)) for move, steps in MOVES.items() for before, after in steps.items()
    }
