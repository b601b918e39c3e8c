"""A light recheck: both sides are asked again of some keys alone, and no run is stored."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import among, identifier, literal
from everycent.base.platform.bulk import copy_in, copy_out
from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.desk import NotDone
from everycent.proof.recon.breaks.observing import look_again, mend
from everycent.proof.recon.breaks.seeing import Observed, see_breaks
from everycent.proof.recon.breaks.standing import StandingBreak, find_in
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.contract import SIDE
from everycent.proof.recon.core.moves import State
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.stage import reconcile
from everycent.proof.recon.store import lock_scenario

#: Breaks that are looked at again, by id and key.
LOOKED_AT = pa.schema([pa.field("break_id", pa.string()), pa.field("key", pa.string())])
_ASKED = "pg_temp.asked_break"


@dataclass(frozen=True)
class Rechecked:
    """How many breaks were looked at, and how many are now in which state, or closed for which reason; `mended` of them
    are closed by it. `found`: the first of them, as they are now."""

    looked_at: int
    states: Mapping[str, int]
    mended: int
    found: tuple[StandingBreak, ...]


def due_again(connection: Connection, tenant: str, model: str, scenario: str, now: datetime) -> pa.Table:
    """Those (LOOKED_AT) whose time has come: they wait for a recheck, or were repaired. What checkers found is looked
    at by runs alone."""
    of = {"tenant": tenant, "model": model, "scenario": scenario}
    scope = " AND ".join(f"{column} = {literal(value)}" for column, value in of.items())
    return copy_out(
        connection,
        f"""SELECT break_id::text, key FROM recon.standing_break WHERE {scope} AND finding_no IS NOT NULL
            AND {among("state", [State.WAITING, State.REPAIRED])}
            AND (due_at IS NULL OR due_at <= {literal(now.isoformat())}::timestamptz) ORDER BY break_id""",
        LOOKED_AT,
    )


def meant_again(meant: Sequence[StandingBreak]) -> pa.Table:
    """Those (LOOKED_AT) that a person means. Raises NotDone."""
    for each in meant:
        if each.of_checker:
            raise NotDone(
                f"break {str(each.break_id)[:8]} was found by a checker, which looks at whole sides; run all of it: "
                "everycent breaks rerun"
            )
    return pa.table([[str(each.break_id) for each in meant], [each.key for each in meant]], schema=LOOKED_AT)


def refuse_rules(plan: ReconPlan) -> None:
    """Raises NotDone where a key alone does not say whether its rows are explained."""
    if plan.rules is not None:
        raise NotDone(
            f"'{plan.scenario}' has rules that match rows of several keys; run all of it: everycent breaks rerun"
        )


def recheck(
    connection: Connection,
    engine: LocalEngine,
    tenant: str,
    model: str,
    plan: ReconPlan,
    words: Words,
    sides: tuple[SideRows, SideRows],
    meant: pa.Table,
    now: datetime,
    shown: int = 1000,
) -> Rechecked:
    """Compares the rows of the breaks' keys. What agrees now is mended; what is due and does not, is found again.

    One transaction. meant: LOOKED_AT. sides: as they are now, with at least all rows of these keys. Raises NotDone.
    """
    refuse_rules(plan)
    keys = pa.table({"key": pc.unique(meant["key"])})
    some = tuple(_of_keys(side, keys, engine) for side in sides)
    breaks = reconcile(plan, some[0].rows, some[1].rows, engine).breaks
    with connection.transaction():
        lock_scenario(connection, tenant, model, plan.scenario)
        connection.execute(f"DROP TABLE IF EXISTS {_ASKED}")
        connection.execute("CREATE TEMP TABLE asked_break (break_id uuid, key text) ON COMMIT DROP")
        copy_in(connection, _ASKED, meant)
        connection.execute(f"ANALYZE {_ASKED}")
        seen = Observed(connection, tenant, model, None, words, now, again=False)
        see_breaks(seen, breaks)
        mended = mend(seen, engine, sides, _ASKED)
        look_again(seen)
        states = connection.execute(
            f"""SELECT coalesce(s.reason, s.state), count(*)
            FROM recon.standing_break AS s JOIN {_ASKED} USING (break_id)
            WHERE s.tenant = %s AND s.model = %s GROUP BY 1 ORDER BY 1""",
            (tenant, model),
        ).fetchall()
        found = find_in(connection, tenant, model, _ASKED, shown)
    return Rechecked(meant.num_rows, Counter(dict(states)), mended, tuple(found))


def _of_keys(side: SideRows, keys: pa.Table, engine: LocalEngine) -> SideRows:
    """The side's rows of these keys."""
    columns = ", ".join(map(identifier, SIDE.names))
    rows = engine.query(f"SELECT {columns} FROM side SEMI JOIN wanted USING (key)", side=side.rows, wanted=keys)
    return SideRows(rows.cast(SIDE), side.refused, side.left_out)
