"""The SQL of instructing and filing. Callers own the transaction.

Each instruction carries a seal, the MD5 of all else that it holds, so that nobody turns a payment to another account
unseen: the statement that writes a row makes its seal, and what pays it or changes it looks at the seal first.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import pyarrow as pa

from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.batches import seal_sql
from everycent.base.platform.bulk import copy_in, copy_out
from everycent.base.platform.database import Connection
from everycent.base.platform.statistics import count_anew
from everycent.flow.payments.charge_store import deposits as deposits
from everycent.flow.payments.charge_store import standings as standings
from everycent.flow.payments.contract import INSTRUCTED_STATEMENT, INSTRUCTION, InstructionAltered, InstructionState
from everycent.flow.payments.sealing import HISTORY, sealed_with
from everycent.flow.settlement.contract import STATEMENT

SETTLED = pa.schema([INSTRUCTED_STATEMENT.columns.field(name) for name in INSTRUCTED_STATEMENT.key])
_FOUND = ("account", "account_id", "account_name", "mandate", "mandate_signed_on", "state", "reason")
ACCOUNTS = pa.schema([INSTRUCTION.columns.field(name) for name in ("instruction_id", *_FOUND)])
FILES = pa.schema([INSTRUCTION.columns.field(name) for name in ("instruction_id", "file")])

#: Instructing and filing exclude each other, so that no statement is paid twice; reading goes on beside them.
_ALONE = "LOCK TABLE payments.instruction IN SHARE ROW EXCLUSIVE MODE"
_COLUMNS = ", ".join(["tenant", "model", *(identifier(name) for name in INSTRUCTION.columns.names)])

_INSERT_INSTRUCTIONS = f"""
    INSERT INTO payments.instruction ({_COLUMNS}, seal)
    SELECT {_COLUMNS}, {seal_sql("staged")} FROM staged_instruction AS staged
"""

_UPSERT_STATEMENTS = """
    INSERT INTO payments.instruction_statement AS known (
        tenant, model, statement_id, side, amount_minor, outcome, instruction_id, as_of
    )
    SELECT tenant, model, statement_id, side, amount_minor, outcome, instruction_id, as_of
    FROM staged_statement
    ORDER BY statement_id, side
    ON CONFLICT (tenant, model, statement_id, side) DO UPDATE
    SET outcome = excluded.outcome, instruction_id = excluded.instruction_id, as_of = excluded.as_of
    WHERE known.outcome = 'carried' AND excluded.outcome <> 'carried'
"""
_NOW_FOUND = "CASE found.state WHEN 'created' THEN known.moves + 1 ELSE known.moves END"

_UPDATE_ACCOUNTS = f"""
    WITH changed AS (
        UPDATE payments.instruction AS known
        SET {", ".join(f"{name} = found.{name}" for name in _FOUND)},
            moves = {_NOW_FOUND},
            seal = {sealed_with(f"to_jsonb(found) || jsonb_build_object('moves', {_NOW_FOUND})")}
        FROM staged_account AS found
        WHERE known.tenant = %(tenant)s AND known.model = %(model)s AND known.instruction_id = found.instruction_id
            AND known.state = 'waiting' AND (found.state, found.reason) IS DISTINCT FROM (known.state, known.reason)
        RETURNING known.instruction_id, known.moves, known.booking, known.state),
    logged AS (
        INSERT INTO payments.instruction_move ({HISTORY}, seal)
        SELECT t.*, {seal_sql("t")} FROM (
            SELECT %(tenant)s::text AS tenant, %(model)s::text AS model, instruction_id, moves AS move_no,
                'find_account' AS move, 'moved' AS came, 'waiting' AS from_state, 'created' AS to_state, booking,
                NULL::text AS finding, 'closing' AS cause, 'everycent' AS who, NULL::text AS why, now() AS recorded_at
            FROM changed WHERE state = 'created') AS t)
    SELECT count(*) FROM changed
"""
_FILED = """jsonb_build_object(
    'state', 'filed', 'file', staged_file.file, 'filed_as_of', %(as_of)s::date, 'moves', known.moves + 1)"""

_FILE = f"""
    WITH filed AS (
        UPDATE payments.instruction AS known
        SET state = 'filed', file = staged_file.file, filed_as_of = %(as_of)s, moves = known.moves + 1,
            seal = {sealed_with(_FILED)}
        FROM staged_file
        WHERE known.tenant = %(tenant)s AND known.model = %(model)s
            AND known.instruction_id = staged_file.instruction_id AND known.state IN ('created', 'approved')
        RETURNING known.instruction_id, known.moves, known.booking, known.file, known.released_by)
    INSERT INTO payments.instruction_move ({HISTORY}, seal)
    SELECT t.*, {seal_sql("t")} FROM (
        SELECT %(tenant)s::text AS tenant, %(model)s::text AS model, instruction_id, moves AS move_no, 'file' AS move,
            'moved' AS came, CASE WHEN released_by IS NULL THEN 'created' ELSE 'approved' END AS from_state,
            'filed' AS to_state, booking, NULL::text AS finding, file AS cause, 'everycent' AS who, NULL::text AS why,
            now() AS recorded_at
        FROM filed) AS t
"""


def alone(connection: Connection) -> None:
    """Keeps other instructing and filing out until the transaction ends."""
    connection.execute(_ALONE)


def parties_with_closed(connection: Connection, tenant: str, model: str) -> list[str]:
    """The parties that have a released statement that nobody holds back, in the order of their ids' bytes."""
    rows = connection.execute(
        'SELECT party_id COLLATE "C" AS party FROM settlement.statement'
        " WHERE tenant = %s AND model = %s AND released_as_of IS NOT NULL AND parked_as_of IS NULL"
        " GROUP BY 1 ORDER BY 1",
        (tenant, model),
    )
    return [str(party) for (party,) in rows]


def unsettled(connection: Connection, tenant: str, model: str, first: str, last: str) -> tuple[pa.Table, pa.Table]:
    """The released statements that nobody holds back (STATEMENT rows) with a side without outcome for good, and their
    sides that have one.

    Of the parties from `first` to `last`, in the order of their ids' bytes. A side whose payment failed or came back,
    and of which the bank now says otherwise, waits for the person who judges it: it may be paid already.
    """
    where = f"tenant = {literal(tenant)} AND model = {literal(model)}"
    parties = f'party_id COLLATE "C" BETWEEN {literal(first)} AND {literal(last)}'
    columns = ", ".join(f"statement.{identifier(name)}" for name in STATEMENT.columns.names)
    done = f"""
        SELECT statement_id, side FROM payments.instruction_statement
        WHERE {where} AND outcome <> 'carried' AND statement_id IN (
            SELECT statement_id FROM settlement.statement WHERE {where} AND {parties})
        UNION
        SELECT statement_id, side
        FROM payments.reopened_statement JOIN payments.instruction USING (tenant, model, instruction_id)
        WHERE {where} AND {parties} AND state = 'parked'
    """
    open_statements = f"""
        SELECT {columns}
        FROM settlement.statement AS statement
            LEFT JOIN (SELECT statement_id, count(*) AS sides FROM ({done}) AS side GROUP BY statement_id) AS done
            USING (statement_id)
        WHERE {where} AND {parties} AND released_as_of IS NOT NULL AND parked_as_of IS NULL
            AND coalesce(done.sides, 0) < CASE mode WHEN 'net' THEN 1 ELSE 2 END
        ORDER BY statement_id COLLATE "C"
    """
    # Right after a large day cut the database takes both tables for tiny, and would go through one for each row of the
    # other.
    connection.execute("SET LOCAL enable_nestloop = off")
    statements = copy_out(connection, open_statements, STATEMENT.columns)
    # Net statements have one side: where it is settled, the statement is not among these.
    settled = copy_out(connection, f"SELECT * FROM ({done}) AS side WHERE side <> 'net'", SETTLED)
    connection.execute("SET LOCAL enable_nestloop = on")
    return STATEMENT.check(statements), settled


def write(connection: Connection, tenant: str, model: str, instructions: pa.Table, statements: pa.Table) -> None:
    """Keeps new INSTRUCTION rows, and what became of each statement's sides (INSTRUCTED_STATEMENT rows)."""
    constants: dict[str, str | int] = {"tenant": tenant, "model": model}
    connection.execute(
        "CREATE TEMPORARY TABLE staged_instruction (LIKE payments.instruction INCLUDING DEFAULTS) ON COMMIT DROP;"
        "ALTER TABLE pg_temp.staged_instruction DROP COLUMN seal"
    )
    copy_in(connection, "pg_temp.staged_instruction", instructions, constants)
    copied = connection.execute(_INSERT_INSTRUCTIONS).rowcount
    connection.execute("DROP TABLE pg_temp.staged_instruction")
    assert copied == instructions.num_rows, f"{copied} of {instructions.num_rows} instructions reached the database"
    if statements.num_rows == 0:
        return
    connection.execute("CREATE TEMPORARY TABLE staged_statement (LIKE payments.instruction_statement) ON COMMIT DROP")
    copy_in(connection, "pg_temp.staged_statement", statements, constants)
    connection.execute(_UPSERT_STATEMENTS)
    connection.execute("DROP TABLE pg_temp.staged_statement")


def count_after_instructing(connection: Connection, made: int) -> None:
    """Has the database count instructions anew where many were made: they are filed, and heard of, by joins."""
    count_anew(connection, made, "payments.instruction", "payments.instruction_statement")


def set_accounts(connection: Connection, tenant: str, model: str, found: pa.Table) -> int:
    """Updates waiting instructions from `found` (columns ACCOUNTS); returns how many changed."""
    if found.num_rows == 0:
        return 0
    connection.execute(
        "CREATE TEMPORARY TABLE staged_account"
        " (instruction_id uuid, account text, account_id uuid, account_name text, mandate text,"
        " mandate_signed_on date, state text, reason text) ON COMMIT DROP"
    )
    copy_in(connection, "pg_temp.staged_account", found.cast(ACCOUNTS))
    row = connection.execute(_UPDATE_ACCOUNTS, {"tenant": tenant, "model": model}).fetchone()
    assert row is not None, "count gives a row"
    changed = int(row[0])
    connection.execute("DROP TABLE pg_temp.staged_account")
    assert changed <= found.num_rows, f"{changed} of {found.num_rows} instructions changed"
    return changed


def set_files(connection: Connection, tenant: str, model: str, files: pa.Table, as_of: date) -> None:
    """Files instructions that are ready (columns FILES)."""
    if files.num_rows == 0:
        return
    connection.execute("CREATE TEMPORARY TABLE staged_file (instruction_id uuid, file text) ON COMMIT DROP")
    copy_in(connection, "pg_temp.staged_file", files.cast(FILES))
    filed = connection.execute(_FILE, {"tenant": tenant, "model": model, "as_of": as_of}).rowcount
    connection.execute("DROP TABLE pg_temp.staged_file")
    assert filed == files.num_rows, f"filed {filed} of {files.num_rows} instructions"


def instructions(connection: Connection, tenant: str, model: str) -> pa.Table:
    """All instructions of a model: INSTRUCTION rows ordered by instruction_id."""
    return _read(connection, tenant, model, "true")


def in_state(connection: Connection, tenant: str, model: str, state: InstructionState) -> pa.Table:
    """The instructions in a state: INSTRUCTION rows ordered by instruction_id. Raises InstructionAltered."""
    return _read_sealed(connection, tenant, model, f"state = {literal(state)}")


def ready(connection: Connection, tenant: str, model: str, channel: str, released: Sequence[str]) -> pa.Table:
    """Those that may go to a channel: INSTRUCTION rows ordered by instruction_id. Raises InstructionAltered.

    `released`: the roles whose payments people release first. One that pays anew what a parked one may have paid after
    all waits for the person who judges that.
    """
    roles = ", ".join(map(literal, released)) or "NULL"
    free = (
        f"(state = 'approved' OR state = 'created' AND role NOT IN ({roles}))"
        if released
        else ("state IN ('created', 'approved')")
    )
    in_doubt = f"""
        SELECT held.instruction_id
        FROM payments.instruction_statement AS held
            JOIN payments.reopened_statement AS gone USING (tenant, model, statement_id, side)
            JOIN payments.instruction AS before ON before.tenant = gone.tenant AND before.model = gone.model
                AND before.instruction_id = gone.instruction_id
        WHERE held.tenant = {literal(tenant)} AND held.model = {literal(model)}
            AND held.instruction_id IS NOT NULL AND before.state = 'parked'
    """
    condition = f"channel = {literal(channel)} AND {free} AND instruction_id NOT IN ({in_doubt})"
    return _read_sealed(connection, tenant, model, condition)


def filed(connection: Connection, tenant: str, model: str, as_of: date) -> pa.Table:
    """The instructions filed as of a day: INSTRUCTION rows ordered by instruction_id. Raises InstructionAltered."""
    return _read_sealed(connection, tenant, model, f"file IS NOT NULL AND filed_as_of = {literal(as_of.isoformat())}")


def statement_outcomes(connection: Connection, tenant: str, model: str) -> pa.Table:
    """What became of every side of every closed statement: INSTRUCTED_STATEMENT rows ordered by key."""
    names = ", ".join(identifier(name) for name in INSTRUCTED_STATEMENT.columns.names)
    query = f"""
        SELECT {names} FROM payments.instruction_statement
        WHERE tenant = {literal(tenant)} AND model = {literal(model)}
        ORDER BY statement_id COLLATE "C", side COLLATE "C"
    """
    return copy_out(connection, query, INSTRUCTED_STATEMENT.columns)


def _read_sealed(connection: Connection, tenant: str, model: str, condition: str) -> pa.Table:
    altered = connection.execute(
        f"""SELECT instruction_id, party_id FROM payments.instruction AS t
        WHERE tenant = %s AND model = %s AND {condition} AND seal <> {seal_sql("t")} ORDER BY instruction_id LIMIT 1""",
        (tenant, model),
    ).fetchone()
    if altered is not None:
        raise InstructionAltered(*altered)
    return _read(connection, tenant, model, condition)


def _read(connection: Connection, tenant: str, model: str, condition: str) -> pa.Table:
    names = ", ".join(identifier(name) for name in INSTRUCTION.columns.names)
    query = f"""
        SELECT {names} FROM payments.instruction
        WHERE tenant = {literal(tenant)} AND model = {literal(model)} AND {condition}
        ORDER BY instruction_id
    """
    return INSTRUCTION.check(copy_out(connection, query, INSTRUCTION.columns))


def reopenings(connection: Connection, tenant: str, model: str) -> int:
    """How many sides of statements were opened so far."""
    row = connection.execute(
        "SELECT count(*) FROM payments.reopened_statement WHERE tenant = %s AND model = %s", (tenant, model)
    ).fetchone()
    assert row is not None, "count gives a row"
    return int(row[0])


def legal_entities(connection: Connection, tenant: str, model: str, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Whose instructions these are, of those that are instructions."""
    found = connection.execute(
        """SELECT instruction_id, legal_entity FROM payments.instruction
        WHERE tenant = %s AND model = %s AND instruction_id = ANY(%s)""",
        (tenant, model, list(ids)),
    )
    return dict(found.fetchall())
