"""What batches say they wrote against what is there: lake files byte by byte, hot rows seal by seal.

Model versions, batches with their lists of parts, generations, instructions and reconciliations are sealed, too.

The digests are restated here: a file's is its SHA-256 in hex; a hot row's seal is the MD5 of its own JSON text without
the seal; a batch's hot rows of one table have the MD5 of their seals in order.
"""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.database import Connection
from everycent.proof.verify.contract import Check
from everycent.proof.verify.tables import LakeFile

#: Detail tables with the columns that name a row.
KEYS = {
    "intake.record": ("record_id",),
    "intake.quarantine": ("source_file", "source_line", "outcome"),
    "rating.charge": ("record_id", "charge"),
    "rating.held_charge": ("record_id", "charge"),
    "rating.snapshot": ("record_id",),
    "rating.retry": ("record_id", "charge", "attempt"),
    "rating.retry_snapshot": ("record_id", "attempt"),
    "clearing.obligation": ("record_id", "charge", "bearer"),
    "clearing.waiting_charge": ("record_id", "charge"),
    "clearing.sequenced_record": ("generation", "sequence_no"),
    "rating.ordered_charge": ("record_id", "charge", "generation"),
    "rating.ordered_held_charge": ("record_id", "charge", "generation"),
    "rating.running_total": ("record_id", "factor", "generation"),
    "clearing.ordered_obligation": ("record_id", "charge", "bearer", "generation", "booked_on"),
    "rating.corrected_charge": ("record_id", "charge", "revision"),
    "clearing.corrected_obligation": ("record_id", "charge", "bearer", "revision", "reverses"),
}

#: Decided rows with a seal, which no batch lists.
SEALED = {
    "platform.model_version": ("model_version",),
    "platform.batch": ("batch_no",),
    "platform.generation": ("generation",),
    "non_order.charge": ("charge_id",),
    "payments.instruction": ("instruction_id",),
    "payments.instruction_move": ("instruction_id", "move_no"),
    "payments.receipt": ("receipt_id",),
    "payments.receipt_use": ("receipt_id", "instruction_id"),
    "payments.pay_back": ("pay_back_id",),
    "payments.share": ("share_id",),
    "payments.share_part": ("share_id", "receiver"),
    "payments.share_move": ("share_id", "move_no"),
    "payments.share_entry": ("entry_id",),
    "payments.pay_back_undone": ("pay_back_id",),
    "recon.run": ("scenario", "run_no"),
    "recon.observation": ("scenario", "observation_no"),
    "recon.move": ("break_id", "move_no"),
}

_SEAL = "md5((to_jsonb(t) - 'seal')::text)::uuid"
#: A batch's seal is of its row and of the list of its parts.
_BATCH_SEAL = """md5((to_jsonb(t) - 'seal')::text || coalesce((SELECT string_agg(to_jsonb(p)::text, ''
    ORDER BY p.table_name COLLATE "C", p.part_no)
    FROM platform.batch_part p WHERE p.batch_no = t.batch_no), ''))::uuid"""


def check_lake(connection: Connection, lake_dir: Path, tenant: str, model: str) -> tuple[Check, list[LakeFile]]:
    """Each listed file is there, has its digest and its rows. Returns the whole files, for the checks that follow."""
    listed = connection.execute(
        """SELECT p.batch_no, p.table_name, p.part_no, p.rows, p.path, p.digest FROM platform.batch_part p
        JOIN platform.batch b USING (batch_no) WHERE p.tier = 'lake' AND b.tenant = %s AND b.model = %s
        ORDER BY p.batch_no, p.table_name, p.part_no""",
        (tenant, model),
    ).fetchall()
    whole, found = [], []
    for batch_no, table, part_no, rows, path, digest in listed:
        fault = _file_fault(lake_dir / path, rows, digest)
        if fault is None:
            whole.append(LakeFile(table, batch_no, lake_dir / path))
        else:
            found.append(f"batch {batch_no}, {table} part {part_no}, lake file {path}: {fault}")
    return _check(model, "each lake file is as it was written", len(listed), found), whole


def _file_fault(file: Path, rows: int, digest: str) -> str | None:
    if not file.is_file():
        return f"it is missing, {rows} rows are listed"
    with file.open("rb") as stream:
        actual = hashlib.file_digest(stream, "sha256").hexdigest()
    if actual != digest:
        return f"its SHA-256 is {actual}, listed is {digest}"
    try:
        held = pq.read_metadata(file).num_rows
    except pa.ArrowInvalid as error:
        return f"it is no Parquet file: {error}"
    return None if held == rows else f"it holds {held} rows, {rows} are listed"


def check_seals(connection: Connection, tenant: str, model: str) -> Check:
    """Each sealed row's seal is that of its content: this names the row that was altered."""
    rows, found = 0, []
    with connection.transaction():
        connection.execute("SET LOCAL TIME ZONE 'UTC'")  # seals are made of UTC text
        for table, key in {**KEYS, **SEALED}.items():
            place = "'(batch ' || batch_no || ') '" if table in KEYS else "''"
            actual = _BATCH_SEAL if table == "platform.batch" else _SEAL
            of = f"FROM {_quoted(table)} t WHERE tenant = {literal(tenant)} AND model = {literal(model)}"
            named = ", ".join(f"{identifier(column)}::text" for column in key)
            rows += _count(connection, f"SELECT count(*) {of}")
            altered = connection.execute(
                f"""SELECT {place}, concat_ws('/', {named}), seal, {actual} {of}
                AND seal IS DISTINCT FROM {actual} ORDER BY {named}"""
            ).fetchall()
            found += [
                f"{table} {name} {place}was altered: its content gives {gives}, its seal is {seal}"
                for place, name, seal, gives in altered
            ]
    return _check(model, "each sealed row is as it was written", rows, found)


def check_hot_parts(connection: Connection, tenant: str, model: str) -> Check:
    """Each batch's hot rows are those that its manifest lists: none more, none less, none replaced."""
    parts, found = 0, []
    for table in KEYS:
        compared = connection.execute(
            f"""WITH held AS (
                SELECT batch_no, count(*) AS rows, md5(string_agg(seal::text, '' ORDER BY seal)) AS digest
                FROM {_quoted(table)} WHERE tenant = %(tenant)s AND model = %(model)s GROUP BY batch_no),
            listed AS (
                SELECT p.batch_no, p.rows, p.digest FROM platform.batch_part p JOIN platform.batch b USING (batch_no)
                WHERE p.tier = 'postgres' AND p.table_name = %(table)s AND b.tenant = %(tenant)s
                    AND b.model = %(model)s)
            SELECT batch_no, listed.rows, listed.digest, held.rows, held.digest
            FROM held FULL JOIN listed USING (batch_no) ORDER BY batch_no""",
            {"tenant": tenant, "model": model, "table": table},
        ).fetchall()
        parts += len(compared)
        found += [
            f"{table} of batch {batch_no}: {held or 0} rows with digest {digest or 'none'} are stored, "
            f"{listed or 0} with {listed_digest or 'none'} are listed"
            for batch_no, listed, listed_digest, held, digest in compared
            if (listed, listed_digest) != (held, digest)
        ]
    return _check(model, "each batch's hot rows are those it listed", parts, found)


#: What a reconciliation found, by tables; its run lists a digest of each table's rows.
_FOUND = (
    "recon.total", "recon.break", "recon.write_off", "recon.refused",
    "recon.match", "recon.match_difference", "recon.match_alternative",
    "recon.dimension",
    "recon.cut",
    "recon.carried",
    "recon.entry", "recon.payout_part", "recon.payout_currency",
    "recon.break_currency", "recon.write_off_currency", "recon.total_currency",
    "recon.raw_row", "recon.finding",
)  # fmt: skip
#: Of a table that a run did not know: no rows.
_NO_ROWS = "md5('')"


def check_reconciled(connection: Connection, tenant: str, model: str) -> Check:
    """Each reconciliation's rows are those that its run lists: none altered, none more, none less."""
    rows, found = 0, []
    with connection.transaction():
        connection.execute("SET LOCAL TIME ZONE 'UTC'")
        for table in _FOUND:
            compared = connection.execute(
                f"""SELECT run.scenario, run.run_no, count(hashed.h),
                    coalesce(run.digests ->> {literal(table)}, {_NO_ROWS}),
                    md5(coalesce(string_agg(hashed.h, '' ORDER BY hashed.h), ''))
                FROM recon.run AS run LEFT JOIN (
                    SELECT run_id, md5(to_jsonb(r)::text) COLLATE "C" AS h FROM {_quoted(table)} AS r
                    WHERE tenant = %(tenant)s AND model = %(model)s) AS hashed USING (run_id)
                WHERE run.tenant = %(tenant)s AND run.model = %(model)s
                GROUP BY run.run_id, run.scenario, run.run_no, run.digests ORDER BY run.scenario, run.run_no""",
                {"tenant": tenant, "model": model},
            ).fetchall()
            rows += sum(count for _, _, count, _, _ in compared)
            found += [
                f"{table} of {scenario} run {run_no}: its {count} rows have digest {digest}, its run lists {listed}"
                for scenario, run_no, count, listed, digest in compared
                if listed != digest
            ]
    return _check(model, "each reconciliation's rows are those it found", rows, found)


def _check(model: str, name: str, rows: int, found: list[str]) -> Check:
    return Check(model, name, rows, len(found), found[0] if found else None)


def _count(connection: Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None, "count(*) gives a row"
    return int(row[0])


def _quoted(name: str) -> str:
    context, _, table = name.partition(".")
    return f"{identifier(context)}.{identifier(table)}"
