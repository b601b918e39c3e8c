"""All SQL of recon. Callers own the transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import among, identifier, literal
from everycent.base.platform.batches import seal_sql
from everycent.base.platform.bulk import copy_in, copy_out
from everycent.base.platform.database import Connection
from everycent.proof.recon.contract import (
    BREAK,
    BREAK_CURRENCY,
    DIMENSION,
    ENTRY,
    MATCH_ALTERNATIVE,
    MATCH_DIFFERENCE,
    MATCHED_ROW,
    RAW_ROW,
    TOTAL_CURRENCY,
    TOTALS,
    Bucket,
    CheckerFindings,
)
from everycent.proof.recon.core.buckets import cause_texts_sql
from everycent.proof.recon.core.carrying import CARRIED, CUT
from everycent.proof.recon.core.in_currencies import InCurrencies
from everycent.proof.recon.core.payout import PAYOUT_CURRENCY, PAYOUT_PART, with_currency, without_currency
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.in_modes import Beyond
from everycent.proof.recon.second_pass import Explained
from everycent.proof.recon.stage import Reconciled, Total

_FINDING = pa.schema([field for field in BREAK if field.name not in ("cause_en", "cause_zh")])


@dataclass(frozen=True)
class RunKey:
    """Names one run."""

    tenant: str
    model: str
    run_id: UUID

    @property
    def sql(self) -> str:
        """As the condition that finds its rows."""
        return " AND ".join(f"{column} = {literal(str(value))}" for column, value in self.constants.items())

    @property
    def constants(self) -> dict[str, str | int]:
        """As the columns that all of its rows have."""
        return {"tenant": self.tenant, "model": self.model, "run_id": str(self.run_id)}


def run_no_of(connection: Connection, key: RunKey) -> int | None:
    """The run's number within its scenario; None where there is no such run."""
    row = connection.execute(f"SELECT run_no FROM recon.run WHERE {key.sql}").fetchone()
    return None if row is None else int(row[0])


def lock_scenario(connection: Connection, tenant: str, model: str, scenario: str) -> None:
    """Waits until no other transaction runs the scenario; holds it until this one ends."""
    name = f"{tenant}\x1f{model}\x1f{scenario}"
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))


def insert_run(
    connection: Connection,
    key: RunKey,
    plan: ReconPlan,
    currency: str,
    left: SideRows,
    right: SideRows,
    done: Reconciled,
    beyond: Beyond,
) -> int:
    """Stores the run with all that it found; returns its number. The scenario must be locked."""
    row = connection.execute(
        """INSERT INTO recon.run (tenant, model, run_id, scenario, run_no, currency, tolerance_minor,
            left_rows, right_rows, left_minor, right_minor, difference_minor, left_not_taken, right_not_taken)
        SELECT %(tenant)s, %(model)s, %(run_id)s, %(scenario)s, coalesce(max(run_no), 0) + 1,
            %(currency)s, %(tolerance)s,
            %(left_rows)s, %(right_rows)s, %(left_minor)s, %(right_minor)s, %(difference)s, %(left_out)s, %(right_out)s
        FROM recon.run WHERE tenant = %(tenant)s AND model = %(model)s AND scenario = %(scenario)s
        RETURNING run_no""",
        {
            **key.constants,
            "scenario": plan.scenario,
            "currency": currency,
            "tolerance": plan.tolerance_minor,
            "left_rows": done.left_total.rows,
            "right_rows": done.right_total.rows,
            "left_minor": done.left_total.amount_minor,
            "right_minor": done.right_total.amount_minor,
            "difference": done.difference_minor,
            "left_out": left.left_out,
            "right_out": right.left_out,
        },
    ).fetchone()
    assert row is not None, "an INSERT ... RETURNING of one row returns it"
    copy_in(connection, "recon.total", done.totals, key.constants)
    for table, found in (("recon.break", done.breaks), ("recon.write_off", done.write_offs)):
        numbered = found.select(_FINDING.names).append_column(
            "finding_no", pa.array(range(1, found.num_rows + 1), pa.int64())
        )
        copy_in(connection, table, numbered, key.constants)
    for name, side in (("left", left), ("right", right)):
        copy_in(connection, "recon.refused", side.refused, {**key.constants, "side": name})
    explained = beyond.explained
    more = (
        explained.matches,
        explained.differences,
        explained.alternatives,
        beyond.dimensions,
        beyond.cut,
        beyond.carried,
        beyond.entries,
        *without_currency(beyond.payouts),
        beyond.money.breaks,
        beyond.money.write_offs,
        beyond.money.totals,
    )
    for table, found in zip(_BEYOND, more, strict=True):
        copy_in(connection, table, found, key.constants)
    _list_rows(connection, key, _FOUND)
    return int(row[0])


def _list_rows(connection: Connection, key: RunKey, tables: Sequence[str]) -> None:
    """The run lists what it has in these tables, and is sealed again."""
    digests = ", ".join(f"{literal(table)}, ({_DIGEST.format(table=table, key=key.sql)})" for table in tables)
    connection.execute(
        f"""UPDATE recon.run SET digests = coalesce(digests, '{{}}') || jsonb_build_object({digests})
        WHERE {key.sql}"""
    )
    connection.execute(f"UPDATE recon.run AS t SET seal = {seal_sql('t')} WHERE {key.sql}")


#: What a run found; its row has a digest of each table's rows, in no order, and a seal over all that it holds.
_BEYOND = {
    "recon.match": (MATCHED_ROW, "match_no, side, row_no"),
    "recon.match_difference": (MATCH_DIFFERENCE, "match_no, cause"),
    "recon.match_alternative": (MATCH_ALTERNATIVE, "match_no, alternative_no, side, row_no"),
    "recon.dimension": (DIMENSION, "dimension_no"),
    "recon.cut": (CUT, "day"),
    "recon.carried": (CARRIED, "carried_no"),
    "recon.entry": (ENTRY, "entry_no"),
    "recon.payout_part": (PAYOUT_PART.remove(PAYOUT_PART.get_field_index("currency")), "part_no"),
    "recon.payout_currency": (PAYOUT_CURRENCY, "part_no"),
    "recon.break_currency": (BREAK_CURRENCY, "finding_no"),
    "recon.write_off_currency": (BREAK_CURRENCY, "finding_no"),
    "recon.total_currency": (TOTAL_CURRENCY, 'bucket COLLATE "C", currency COLLATE "C"'),
}
_FOUND = ("recon.total", "recon.break", "recon.write_off", "recon.refused", *_BEYOND)
_DIGEST = """SELECT md5(coalesce(string_agg(h, '' ORDER BY h), '')) FROM (
    SELECT md5(to_jsonb(r)::text) COLLATE "C" AS h FROM {table} AS r WHERE {key}) AS hashed"""


def load_run(connection: Connection, engine: LocalEngine, key: RunKey) -> Reconciled:
    """The stored run, as the stage gave it."""
    row = connection.execute(
        f"SELECT left_rows, left_minor, right_rows, right_minor FROM recon.run WHERE {key.sql}"
    ).fetchone()
    assert row is not None, f"there is no run {key.run_id}"
    order = ", ".join(f"({literal(bucket)}, {place})" for place, bucket in enumerate(Bucket))
    totals = copy_out(
        connection,
        f"""SELECT {", ".join(TOTALS.names)} FROM recon.total JOIN (VALUES {order}) AS o(bucket, place) USING (bucket)
        WHERE {key.sql} ORDER BY place""",
        TOTALS,
    )
    return Reconciled(
        breaks=_findings(connection, engine, "recon.break", key),
        write_offs=_findings(connection, engine, "recon.write_off", key),
        totals=totals,
        left_total=Total(int(row[0]), int(row[1])),
        right_total=Total(int(row[2]), int(row[3])),
    )


def load_beyond(connection: Connection, key: RunKey) -> Beyond:
    """What the modes of the stored run found."""
    matches, differences, alternatives, dimensions, cut, carried, entries, payouts, paid_in, *money = (
        copy_out(
            connection,
            f"SELECT {', '.join(map(identifier, schema.names))} FROM {table} WHERE {key.sql} ORDER BY {by}",
            schema,
        )
        for table, (schema, by) in _BEYOND.items()
    )
    return Beyond(
        Explained(matches, differences, alternatives),
        dimensions,
        carried=carried,
        cut=cut,
        entries=entries,
        payouts=with_currency(payouts, paid_in),
        money=InCurrencies(*money),
    )


@dataclass(frozen=True)
class Cut:
    """A day cut of a scenario: its newest run."""

    run_id: UUID
    day: date
    through_batch: int


def cut_before(connection: Connection, who: tuple[str, str, str], day: date) -> Cut | None:
    """The last cut before a day. `who`: tenant, model, scenario."""
    row = connection.execute(
        """SELECT run_id, day, through_batch FROM recon.cut JOIN recon.run USING (tenant, model, run_id, scenario)
        WHERE (tenant, model, scenario) = (%s, %s, %s) AND day < %s ORDER BY day DESC, run_no DESC LIMIT 1""",
        (*who, day),
    ).fetchone()
    return None if row is None else Cut(*row)


def latest_cut(connection: Connection, who: tuple[str, str, str]) -> date | None:
    """The last day that was cut."""
    row = connection.execute(
        "SELECT max(day) FROM recon.cut WHERE (tenant, model, scenario) = (%s, %s, %s)", who
    ).fetchone()
    return None if row is None else row[0]


def carried_from(connection: Connection, who: tuple[str, str, str], run_id: UUID) -> pa.Table:
    """CARRIED of a cut."""
    key = RunKey(who[0], who[1], run_id)
    columns = ", ".join(map(identifier, CARRIED.names))
    return copy_out(connection, f"SELECT {columns} FROM recon.carried WHERE {key.sql} ORDER BY carried_no", CARRIED)


def _findings(connection: Connection, engine: LocalEngine, table: str, key: RunKey) -> pa.Table:
    numbered = pa.schema([*_FINDING, pa.field("finding_no", pa.int64())])
    found = copy_out(connection, f"SELECT {', '.join(numbered.names)} FROM {table} WHERE {key.sql}", numbered)
    return engine.query(
        f"SELECT {', '.join(BREAK.names)} FROM found JOIN {cause_texts_sql()} USING (cause) ORDER BY finding_no",
        found=found,
    ).cast(BREAK)


#: The kind of the finding that says that a checker could not look.
CHECKER_FAILED = "checker_failed"


def keep_raw_rows(connection: Connection, key: RunKey, rows: pa.Table) -> None:
    """Keeps rows (RAW_ROW) of a run as they came. Those that are kept already stay."""
    known = connection.execute(f"SELECT EXISTS (SELECT FROM recon.raw_row WHERE {key.sql})").fetchone()
    if known is None or not known[0]:
        copy_in(connection, "recon.raw_row", rows, key.constants)
        _list_rows(connection, key, ["recon.raw_row"])


def raw_rows_of(connection: Connection, key: RunKey, business_key: str | None = None) -> pa.Table:
    """The rows (RAW_ROW) of a run that are kept; those of one key alone where it is named. By side, file, line."""
    only = "" if business_key is None else f" AND key = {literal(business_key)}"
    return copy_out(
        connection,
        f"""SELECT {", ".join(RAW_ROW.names)} FROM recon.raw_row WHERE {key.sql}{only}
        ORDER BY side, source_file COLLATE "C", source_line""",
        RAW_ROW,
    )


def looked_and_failed(checked: Sequence[CheckerFindings]) -> tuple[list[str], list[str]]:
    """The checkers that could look, and those that could not, by name; one that is named twice looks where both do."""
    failed = {each.checker for each in checked if each.failure is not None}
    return sorted({each.checker for each in checked} - failed), sorted(failed)


def keep_findings(connection: Connection, key: RunKey, checked: Sequence[CheckerFindings]) -> None:
    """Keeps what the checkers found this time, instead of what each of them found of this run before. What one that
    could not look found before stays."""
    looked, failed = looked_and_failed(checked)
    gone = f"{among('checker', looked)} OR ({among('checker', failed)} AND {among('kind', [CHECKER_FAILED])})"
    connection.execute(f"DELETE FROM recon.finding WHERE {key.sql} AND ({gone})")
    row = connection.execute(f"SELECT coalesce(max(finding_no), 0) FROM recon.finding WHERE {key.sql}").fetchone()
    assert row is not None, "max gives a row"
    before = int(row[0])
    for each in checked:
        found = each.findings if each.checker in looked else each.findings.slice(0, 0)
        if each.failure is not None:
            told = {"key": "", "kind": CHECKER_FAILED, "reason": each.failure}
            found = pa.Table.from_pylist([told], found.schema)
        numbers = pa.array(range(before + 1, before + found.num_rows + 1), pa.int64())
        numbered = found.append_column("finding_no", numbers)
        before += copy_in(connection, "recon.finding", numbered, {**key.constants, "checker": each.checker})
    _list_rows(connection, key, ["recon.finding"])


def marks_fired(connection: Connection, place: tuple[str, str, str]) -> frozenset[str]:
    """What a scenario's trigger fired before. `place`: tenant, model, scenario."""
    rows = connection.execute("SELECT mark FROM recon.fired WHERE (tenant, model, scenario) = (%s, %s, %s)", place)
    return frozenset(str(mark) for (mark,) in rows)


def keep_fired(
    connection: Connection,
    place: tuple[str, str, str],
    marks: Collection[str],
    run_id: UUID | None = None,
    job_no: int | None = None,
) -> None:
    """What a trigger fired has become a run, or a job."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO recon.fired (tenant, model, scenario, mark, run_id, job_no) VALUES (%s, %s, %s, %s, %s, %s)
            ON CONFLICT DO NOTHING""",
            [(*place, mark, run_id, job_no) for mark in sorted(marks)],
        )


def models_reconciled(connection: Connection, tenant: str) -> list[str]:
    """The models and scenario files that have runs, by name."""
    rows = connection.execute("SELECT DISTINCT model FROM recon.run WHERE tenant = %s ORDER BY 1", (tenant,))
    return [str(name) for (name,) in rows]
