"""A scenario whose sides are written as tables of key and amount, and whose clock is turned by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.contract import REFUSED, SIDE
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.handling import HandlingSpec
from everycent.proof.recon.service import ReconRun, SideRows, run

PLAN = ReconPlan("bill", tolerance_minor=0, left_sums=False, right_sums=False, compares_status=False)
MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)


def side(file: str, **amounts: int | tuple[int, ...]) -> SideRows:
    """Keys with their amounts; a tuple gives a key several rows."""
    rows: list[dict[str, Any]] = []
    for key, given in amounts.items():
        for amount in given if isinstance(given, tuple) else (given,):
            rows.append({"source_file": file, "source_line": len(rows) + 1, "key": key, "amount_minor": amount})
    return SideRows(pa.Table.from_pylist(rows, SIDE), REFUSED.empty_table(), 0)


@dataclass
class Desk:
    """Where breaks are looked at."""

    connection: Any
    engine: LocalEngine
    now: datetime = MORNING
    words: HandlingSpec = field(default_factory=HandlingSpec)

    def run(self, left: SideRows, right: SideRows) -> ReconRun:
        return run(self.connection, self.engine, "default", "shop", "CNY", PLAN, left, right, self.words, self.now)

    def later(self, **by: int) -> None:
        self.now += timedelta(**by)

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(query, values or None)
        return cursor.fetchall() if cursor.description else []

    def states(self) -> dict[str, str]:
        """key/kind -> state, or how it was closed."""
        rows = self.sql(
            "SELECT key, kind, occurrence, coalesce(reason, state) FROM recon.standing_break ORDER BY 1,2,3"
        )
        return {f"{key}/{kind}" + (f"/{no}" if no > 1 else ""): state for key, kind, no, state in rows}

    def moves(self, key: str) -> list[str]:
        return [
            move
            for (move,) in self.sql(
                "SELECT m.move FROM recon.move m JOIN recon.standing_break s USING (tenant, model, break_id)"
                " WHERE s.key = %s ORDER BY s.kind, s.occurrence, m.move_no",
                key,
            )
        ]

    def id_of(self, key: str) -> Any:
        ((found,),) = self.sql("SELECT break_id FROM recon.standing_break WHERE key = %s", key)
        return found


@pytest.fixture
def desk(database: Any, engine: LocalEngine) -> Desk:
    return Desk(database.connection, engine)


@pytest.fixture
def declared(desk: Desk) -> Callable[[dict[str, Any]], Desk]:
    def with_words(words: dict[str, Any]) -> Desk:
        desk.words = HandlingSpec.model_validate(words)
        return desk

    return with_words
