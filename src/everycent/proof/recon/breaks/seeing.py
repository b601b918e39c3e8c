"""What a look found, as temporary tables of the transaction, so that all that follows is set-wise.

pg_temp.seen_break: break_id, kind, key, occurrence, finding_no and the figures that a person decides about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pyarrow as pa

from everycent.base.engine.sql import among, literal
from everycent.base.platform.bulk import copy_in
from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.moving import Moving
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.core.moves import Move
from everycent.proof.recon.store import CHECKER_FAILED


@dataclass(frozen=True)
class Observed:
    """What is looked at, at the moment of the look: a run, or (`run_id` None) the rows of some keys, asked again.

    `again`: the run is the one that was observed last. `checkers`: None: the comparison's findings are looked at; or
    those of the checkers that could look, and that the checkers of `failed` could not.
    """

    connection: Connection
    tenant: str
    model: str
    run_id: UUID | None
    words: Words
    now: datetime
    again: bool
    checkers: Sequence[str] | None = None
    failed: Sequence[str] = ()

    def moving(self, move: Move, **given: object) -> Moving:
        return Moving(self.tenant, self.model, move, self.now, run_id=self.run_id, **given)  # type: ignore[arg-type]

    @property
    def names(self) -> dict[str, object]:
        return {
            "tenant": self.tenant,
            "model": self.model,
            "run_id": self.run_id,
            "scenario": self.words.scenario,
            "now": self.now,
            "due_at": self.now + self.words.handling.waits,
        }


#: SQL: a break's id, from whose it is and what it is.
_BREAK_ID = """substr(encode(sha256(convert_to(concat_ws(E'\\x1f', %(tenant)s::text, %(model)s::text,
            %(scenario)s::text, kind, occurrence, key), 'UTF8')), 'hex'), 1, 32)::uuid"""
#: What a person decides about: with other figures what was accepted is open again.
_IN = ("left_currency", "right_currency", "left_amounts", "right_amounts")
FIGURES = ("left_amount_minor", "right_amount_minor", "left_status", "right_status", "cause", *_IN)
#: SQL: breaks with what they are in.
BREAKS = "recon.break LEFT JOIN recon.break_currency USING (tenant, model, run_id, finding_no)"
_NUMBERED = "*, row_number() OVER (PARTITION BY kind, key ORDER BY finding_no) AS occurrence"
#: Where the rows of a break, or of a finding, are.
PLACES = ("left_file", "left_line", "right_file", "right_line")
#: A checker's kinds have its name before them, so that two checkers never mean the same break.
_CHECKER_KIND = "checker || '/' || kind"


def see_run(seen: Observed) -> None:
    """Keeps what the run's comparison found."""
    _keep(
        seen,
        f"""SELECT {_BREAK_ID} AS break_id, kind, key, occurrence, finding_no, {", ".join(FIGURES)}
        FROM (SELECT {_NUMBERED} FROM (SELECT *, bucket AS kind FROM {BREAKS}
            WHERE tenant = %(tenant)s AND model = %(model)s AND run_id = %(run_id)s) AS f) AS found""",
    )


def see_findings(seen: Observed) -> None:
    """Keeps what the run's checkers found, save what they say of the very rows of a break: that is its reason."""
    looked, failed = (among("checker", list(names)) for names in (seen.checkers or (), seen.failed))
    could_not = f"{failed} AND kind = {literal(CHECKER_FAILED)}"
    of_run = "tenant = %(tenant)s AND model = %(model)s AND run_id = %(run_id)s"
    of_b, of_f = (", ".join(f"{row}.{place}" for place in PLACES) for row in ("b", "f"))
    _keep(
        seen,
        f"""SELECT {_BREAK_ID} AS break_id, kind, key, occurrence, finding_no, checker, cause, reason AS said,
            {", ".join(PLACES)}
        FROM (SELECT {_NUMBERED} FROM (
            SELECT finding_no, checker, key, {_CHECKER_KIND} AS kind, kind AS cause, reason, {", ".join(PLACES)}
            FROM recon.finding WHERE {of_run} AND ({looked} OR {could_not})) AS f
            WHERE NOT EXISTS (SELECT FROM (SELECT * FROM recon.break WHERE {of_run}) AS b
                WHERE b.key = f.key AND ({of_b}) IS NOT DISTINCT FROM ({of_f}))) AS found""",
    )


def see_breaks(seen: Observed, breaks: pa.Table) -> None:
    """Keeps breaks (BREAK) that belong to no run."""
    connection = seen.connection
    connection.execute("DROP TABLE IF EXISTS pg_temp.seen_finding")
    connection.execute("CREATE TEMP TABLE seen_finding (finding_no bigint, kind text, key text) ON COMMIT DROP")
    numbers = pa.array(range(1, breaks.num_rows + 1), pa.int64())
    found = breaks.select(["bucket", "key"]).rename_columns(["kind", "key"]).append_column("finding_no", numbers)
    copy_in(connection, "pg_temp.seen_finding", found)
    _keep(
        seen,
        f"""SELECT {_BREAK_ID} AS break_id, kind, key, occurrence, finding_no
        FROM (SELECT {_NUMBERED} FROM pg_temp.seen_finding) AS found""",
    )


def keep_ids(connection: Connection, table: str, ids: pa.ChunkedArray | pa.Array) -> None:
    """Breaks' ids, as texts, as a temporary table."""
    connection.execute(f"DROP TABLE IF EXISTS pg_temp.{table}")
    connection.execute(f"CREATE TEMP TABLE {table} (break_id uuid PRIMARY KEY) ON COMMIT DROP")
    copy_in(connection, f"pg_temp.{table}", pa.table({"break_id": ids}))
    connection.execute(f"ANALYZE pg_temp.{table}")


def _keep(seen: Observed, select: str) -> None:
    seen.connection.execute("DROP TABLE IF EXISTS pg_temp.seen_break")
    seen.connection.execute(f"CREATE TEMP TABLE seen_break ON COMMIT DROP AS {select}", seen.names)
    seen.connection.execute("ANALYZE pg_temp.seen_break")
