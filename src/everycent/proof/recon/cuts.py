"""A run at a day cut: it takes in what was open at the cut before, and leaves to the next what is open still."""

from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.base.platform.database import Connection
from everycent.proof.recon.core.carrying import (
    CARRIED,
    CUT,
    at_places_of_their_own,
    of_the_day,
    open_rows,
    with_carried,
)
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.in_modes import Beyond
from everycent.proof.recon.stage import Reconciled
from everycent.proof.recon.store import carried_from, cut_before, latest_cut


class CutRefused(ValueError):
    """The scenario carries what is open from day to day, and this day cannot be cut now."""


@dataclass(frozen=True)
class Batches:
    """Whose stored records are on a run's sides: batches after the one, up to the other. What is committed while sides
    are loaded has a higher number, since numbers are given in the order of commits, and is the next cut's."""

    after: int = 0
    through: int = 0


@dataclass(frozen=True)
class AtCut:
    """A day, what was carried to it (CARRIED), and both sides with that, up to the cut; `ahead`: rows after it."""

    day: date
    before_run_id: str | None
    before: pa.Table
    left: SideRows
    right: SideRows
    ahead: tuple[pa.Table, pa.Table]
    batches: Batches


def carry_in(
    connection: Connection,
    engine: LocalEngine,
    who: tuple[str, str, str],
    day: date | None,
    left: SideRows,
    right: SideRows,
    batches: Batches,
) -> AtCut:
    """`who`: tenant, model, scenario, which must be locked. Tables of the engine's keep their names.

    Raises CutRefused without a day, and where the day before was cut while the sides were loaded.
    """
    if day is None:
        raise CutRefused(f"recon '{who[2]}' carries what is open from day to day; run it with a day")
    last = cut_before(connection, who, day)
    if last is not None and last.through_batch != batches.after:
        raise CutRefused(f"recon '{who[2]}': {last.day} was cut while the sides of {day} were loaded; run {day} again")
    before = CARRIED.empty_table() if last is None else carried_from(connection, who, last.run_id)
    before = at_places_of_their_own(before, left.rows, right.rows, engine)
    parts = [
        of_the_day(with_carried(side, rows.rows, before, engine), day, engine)
        for side, rows in (("left", left), ("right", right))
    ]
    sides = [_with(given, *part, engine) for given, part in zip((left, right), parts, strict=True)]
    before_run_id = None if last is None else str(last.run_id)
    return AtCut(day, before_run_id, before, sides[0], sides[1], (parts[0][1], parts[1][1]), batches)


def _with(given: SideRows, here: pa.Table, ahead: pa.Table, engine: LocalEngine) -> SideRows:
    """The side with other rows; those ahead of the cut do not take part today."""
    left_out = given.left_out + ahead.num_rows
    if not isinstance(given.rows, str):
        return replace(given, rows=here, left_out=left_out)
    engine.connection.register("at_cut", here)
    engine.connection.execute(f"CREATE OR REPLACE TABLE {identifier(given.rows)} AS FROM at_cut")
    engine.connection.unregister("at_cut")
    return replace(given, left_out=left_out)


def refuse_passed(connection: Connection, who: tuple[str, str, str], day: date) -> None:
    """Days are cut in order. Raises CutRefused where a later one was cut, which took in what is carried."""
    later = latest_cut(connection, who)
    if later is not None and later > day:
        raise CutRefused(
            f"recon '{who[2]}': {later} was cut already, and {day} lies before it; the next cut takes its rows in"
        )


def carry_on(plan: ReconPlan, at: AtCut, done: Reconciled, found: Beyond, engine: LocalEngine) -> Beyond:
    """`found` with the cut and the rows that are open at it."""
    rows = [engine.query("FROM side", side=side.rows) for side in (at.left, at.right)]
    sums = (plan.left_sums, plan.right_sums)
    carried = open_rows(at.day, (rows[0], rows[1]), at.ahead, done.breaks, sums, at.before, engine)
    cut = {
        "scenario": plan.scenario,
        "day": at.day,
        "before_run_id": at.before_run_id,
        "through_batch": at.batches.through,
    }
    return replace(found, carried=carried, cut=pa.Table.from_pylist([cut], CUT))
