"""Whatever is changed of what was cleared in strict order is named: rows, totals, numbers, generations, frontier."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from forger import reseal
from market_place import MarketPlace, opened
from small_market import returns, sales

from everycent.base.engine.local import LocalEngine
from everycent.proof.verify.core.ledger import ORDERED_POSTED
from everycent.proof.verify.core.ordered import (
    ACCUMULATORS,
    CARRIED,
    CARRIED_ON,
    FRONTIER,
    GENERATIONS,
    NUMBERS,
    TOTALS,
    TURN_TAKEN,
)
from everycent.proof.verify.service import verify

ORDERED = (
    "clearing.waiting_charge", "clearing.sequenced_record", "rating.ordered_charge", "clearing.ordered_obligation",
)  # fmt: skip
SEALED = "each sealed row is as it was written"
LISTED = "each batch's hot rows are those it listed"
LAST = "(SELECT max(sequence_no) FROM clearing.sequenced_record)"
#: A share of the last generation, of a record whose statements are open.
SHARE = "generation = 1 AND sequence_no = 10 AND leaf = 'brand'"


@pytest.fixture
def place(database: Any, engine: LocalEngine, tmp_path: Any) -> MarketPlace:
    """Ten sales and two returns; three came late, so that there is a generation 1; some statements are closed."""
    made = opened(database, engine, tmp_path / "files")
    made.deliver([*sales(range(3, 10)), *returns((4,))], date(2026, 3, 3))
    made.deliver([*sales(range(3)), *returns((1,))], date(2026, 3, 3))
    made.proven()
    return made


def named(place: MarketPlace) -> dict[str, str]:
    session = place.session
    verdict = verify(session.connection, session.details, session.engine, session.tenant)
    return {check.name: str(check.first_bad) for check in verdict.findings}


@contextmanager
def undone(place: MarketPlace, tamper: str, *, resealed: bool) -> Iterator[None]:
    """The tampering, by one who may also remake seals and lists; and after it everything as it was."""
    connection = place.session.connection
    with connection.transaction(force_rollback=True):
        assert connection.execute(tamper).rowcount > 0, tamper
        if resealed:
            reseal(connection, ORDERED)
        yield


#: What is done, and the rules that name it even where seals and lists were remade.
TAMPERED = [
    ("UPDATE rating.ordered_charge SET amount_minor = amount_minor + 1 WHERE sequence_no = 10 AND generation = 1",
     {CARRIED, TURN_TAKEN}),
    (f"UPDATE clearing.ordered_obligation SET amount_minor = amount_minor + 1 WHERE {SHARE}",
     {CARRIED, TOTALS, ORDERED_POSTED}),
    (f"UPDATE clearing.ordered_obligation SET total_before_minor = total_before_minor - 1,"
     f" total_after_minor = total_after_minor - 1 WHERE {SHARE}", {CARRIED_ON}),
    (f"UPDATE clearing.ordered_obligation SET total_after_minor = total_after_minor + 1 WHERE {SHARE}", {TOTALS}),
    (f"UPDATE clearing.ordered_obligation SET pot = 'm-9' WHERE {SHARE}", {CARRIED_ON}),
    (f"UPDATE clearing.ordered_obligation SET debtor = 'brand:b-9' WHERE {SHARE}", {ORDERED_POSTED}),
    (f"DELETE FROM clearing.ordered_obligation WHERE {SHARE}", {CARRIED, ORDERED_POSTED}),
    ("DELETE FROM rating.ordered_charge WHERE sequence_no = 10 AND generation = 1", {CARRIED, TURN_TAKEN}),
    ("UPDATE clearing.waiting_charge SET amount_minor = amount_minor + 1"
     " WHERE record_id = (SELECT record_id FROM clearing.sequenced_record WHERE sequence_no = 10 AND generation = 1)",
     {TURN_TAKEN}),
    (f"UPDATE clearing.sequenced_record SET sequence_no = sequence_no + 1 WHERE sequence_no = {LAST}", {NUMBERS}),
    (f"DELETE FROM clearing.sequenced_record WHERE sequence_no = {LAST}", {FRONTIER}),
    ("DELETE FROM clearing.sequenced_record WHERE sequence_no = 10 AND generation = 1", {NUMBERS}),
    ("UPDATE platform.generation SET state = 'building'", {GENERATIONS}),
    ("UPDATE platform.generation SET starts_at = starts_at + 1", {GENERATIONS}),
    ("DELETE FROM platform.generation", {GENERATIONS}),
    ("INSERT INTO platform.generation (tenant, model, generation, starts_at, state, cause, through_batch)"
     " SELECT tenant, model, 2, 3, 'effective', 'mine', through_batch FROM platform.generation", {GENERATIONS}),
    ("UPDATE clearing.frontier SET last_no = last_no + 1", {FRONTIER}),
    ("UPDATE clearing.accumulator SET total_minor = total_minor + 1 WHERE bearer = 'brand'", {ACCUMULATORS}),
    ("DELETE FROM clearing.accumulator WHERE bearer = 'brand'", {ACCUMULATORS}),
    ("UPDATE platform.kept_sum SET through_batch = 0 WHERE table_name = 'clearing.accumulator'", {ACCUMULATORS}),
]  # fmt: skip

#: Rows that are not sealed: the frontier says where to look, kept sums what need not be added up; their rules look.
UNSEALED = ("clearing.frontier", "clearing.accumulator", "platform.kept_sum")


def test_each_is_named_by_its_seal_or_its_batch(place: MarketPlace) -> None:
    for tamper, _ in TAMPERED:
        if not any(name in tamper for name in UNSEALED) and tamper != "DELETE FROM platform.generation":
            with undone(place, tamper, resealed=False):
                found = named(place)
                assert SEALED in found or LISTED in found, tamper


def test_a_forger_who_also_reseals_is_given_away_by_the_sums(place: MarketPlace) -> None:
    for tamper, rules in TAMPERED:
        with undone(place, tamper, resealed=True):
            found = named(place)
            assert SEALED not in found, tamper
            assert {rule.name for rule in rules} <= set(found), f"{tamper}: {found}"


def test_a_charge_that_would_never_have_its_turn_is_found(place: MarketPlace) -> None:
    """The frontier claims to be beyond a batch whose records wait."""
    connection = place.session.connection
    last = connection.execute("SELECT max(batch_no) FROM platform.batch").fetchone()
    waiting = place.about((place.folder / "model.yaml").read_text().replace("late:", "wait: 30 days, late:"))
    waiting.deliver(sales((12, 13)), date(2026, 3, 3))
    assert last is not None and named(place) == {}
    with undone(place, f"UPDATE clearing.frontier SET through_batch = {last[0] + 1}", resealed=True):
        assert FRONTIER.name in named(place)
