"""A light recheck: both sides are asked again of some keys alone, and no run is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.base.platform.bulk import copy_in
from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.desk import NotDone
from everycent.proof.recon.breaks.observing import BREAK_ID, Observed, look_again, mend
from everycent.proof.recon.breaks.standing import Chosen, StandingBreak, find
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.contract import SIDE
from everycent.proof.recon.core.moves import State
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.stage import reconcile


@dataclass(frozen=True)
class Rechecked:
    """The breaks that were looked at, as they are now; `mended` of them are closed by it."""

    found: tuple[StandingBreak, ...]
    mended: int


def due_again(connection: Connection, tenant: str, model: str, scenario: str, now: datetime) -> list[StandingBreak]:
    """Those whose time has come: they wait for a recheck, or were repaired."""
    chosen = Chosen(model=model, scenario=scenario, states=(State.WAITING, State.REPAIRED))
    return [found for found in find(connection, tenant, chosen, now) if found.due_at is None or found.due_at <= now]


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
    meant: Sequence[StandingBreak],
    now: datetime,
) -> Rechecked:
    """Compares the rows of the breaks' keys. What agrees now is mended; what is due and does not, is found again.

    One transaction. sides: as they are now, with at least all rows of these keys. Raises NotDone.
    """
    refuse_rules(plan)
    keys = sorted({found.key for found in meant})
    some = tuple(_of_keys(side, keys, engine) for side in sides)
    breaks = reconcile(plan, some[0].rows, some[1].rows, engine).breaks
    with connection.transaction():
        _lock(connection, tenant, model, plan.scenario)
        seen = Observed(connection, tenant, model, None, words, now, again=False)
        _keep_seen(seen, breaks)
        mended = mend(seen, engine, sides, keys)
        look_again(seen)
    ids = [str(found.break_id) for found in meant]
    return Rechecked(tuple(find(connection, tenant, Chosen(model=model, ids=ids), now)), len(mended))


def _of_keys(side: SideRows, keys: Sequence[str], engine: LocalEngine) -> SideRows:
    """The side's rows of these keys."""
    columns = ", ".join(map(identifier, SIDE.names))
    rows = engine.query(
        f"SELECT {columns} FROM side SEMI JOIN wanted USING (key)",
        side=side.rows,
        wanted=pa.table({"key": pa.array(keys, pa.string())}),
    ).cast(SIDE)
    return SideRows(rows, side.refused, side.left_out)


def _lock(connection: Connection, tenant: str, model: str, scenario: str) -> None:
    """As runs do: one after the other."""
    name = f"{tenant}\x1f{model}\x1f{scenario}"
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))


def _keep_seen(seen: Observed, breaks: pa.Table) -> None:
    connection = seen.connection
    connection.execute("DROP TABLE IF EXISTS pg_temp.seen_break, pg_temp.seen_finding")
    connection.execute(
        "CREATE TEMP TABLE seen_finding (finding_no bigint, bucket text, key text, cause text) ON COMMIT DROP"
    )
    numbered = breaks.select(["bucket", "key", "cause"]).append_column(
        "finding_no", pa.array(range(1, breaks.num_rows + 1), pa.int64())
    )
    copy_in(connection, "pg_temp.seen_finding", numbered)
    connection.execute(
        f"""CREATE TEMP TABLE seen_break ON COMMIT DROP AS
        SELECT {BREAK_ID} AS break_id, bucket AS kind, key, occurrence, finding_no
        FROM (SELECT *, row_number() OVER (PARTITION BY bucket, key ORDER BY finding_no) AS occurrence
            FROM pg_temp.seen_finding) AS found""",
        seen.names,
    )
