"""All SQL of payments. Callers own the transaction.

Each instruction carries a seal, the MD5 of all else that it holds, so that nobody turns a payment to another account
unseen: the statement that writes a row makes its seal, and what pays it or changes it looks at the seal first.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pyarrow as pa
from psycopg.rows import dict_row

from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.batches import seal_sql
from everycent.base.platform.bulk import copy_in, copy_out
from everycent.base.platform.database import Connection
from everycent.flow.payments.charge_store import deposits as deposits
from everycent.flow.payments.charge_store import standings as standings
from everycent.flow.payments.contract import (
    INSTRUCTED_STATEMENT,
    INSTRUCTION,
    Booking,
    InstructionAltered,
    InstructionState,
    Order,
)
from everycent.flow.payments.core.bank_answers import Member
from everycent.flow.payments.core.following import Followed, Known
from everycent.flow.payments.core.limits import SENT
from everycent.flow.payments.core.moves import Standing
from everycent.flow.settlement.contract import STATEMENT

SETTLED = pa.schema([INSTRUCTED_STATEMENT.columns.field(name) for name in INSTRUCTED_STATEMENT.key])
ACCOUNTS = pa.schema(
    [INSTRUCTION.columns.field(name) for name in ("instruction_id", "account", "account_name", "state", "reason")]
)
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


def _sealed_with(change: str) -> str:
    """SQL: the seal of the row `known` once the members of the JSON object `change` are its columns."""
    return f"md5(((to_jsonb(known) || {change}) - 'seal')::text)::uuid"


_HISTORY = (
    "tenant, model, instruction_id, move_no, move, came, from_state, to_state, booking, finding, cause, who, why,"
    " recorded_at"
)

_NOW_FOUND = "CASE found.state WHEN 'created' THEN known.moves + 1 ELSE known.moves END"

_UPDATE_ACCOUNTS = f"""
    WITH changed AS (
        UPDATE payments.instruction AS known
        SET account = found.account, account_name = found.account_name, state = found.state, reason = found.reason,
            moves = {_NOW_FOUND},
            seal = {_sealed_with(f"to_jsonb(found) || jsonb_build_object('moves', {_NOW_FOUND})")}
        FROM staged_account AS found
        WHERE known.tenant = %(tenant)s AND known.model = %(model)s AND known.instruction_id = found.instruction_id
            AND known.state = 'waiting' AND (found.state, found.reason) IS DISTINCT FROM (known.state, known.reason)
        RETURNING known.instruction_id, known.moves, known.booking, known.state),
    logged AS (
        INSERT INTO payments.instruction_move ({_HISTORY}, seal)
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
            seal = {_sealed_with(_FILED)}
        FROM staged_file
        WHERE known.tenant = %(tenant)s AND known.model = %(model)s
            AND known.instruction_id = staged_file.instruction_id AND known.state IN ('created', 'approved')
        RETURNING known.instruction_id, known.moves, known.booking, known.file, known.released_by)
    INSERT INTO payments.instruction_move ({_HISTORY}, seal)
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
    """The parties that have a released statement, in the order of their ids' bytes."""
    rows = connection.execute(
        'SELECT party_id COLLATE "C" AS party FROM settlement.statement'
        " WHERE tenant = %s AND model = %s AND released_as_of IS NOT NULL GROUP BY 1 ORDER BY 1",
        (tenant, model),
    )
    return [str(party) for (party,) in rows]


def unsettled(connection: Connection, tenant: str, model: str, first: str, last: str) -> tuple[pa.Table, pa.Table]:
    """The released statements (STATEMENT rows) with a side without outcome for good, and their sides that have one.

    Of the parties from `first` to `last`, in the order of their ids' bytes.
    """
    where = f"tenant = {literal(tenant)} AND model = {literal(model)}"
    parties = f'party_id COLLATE "C" BETWEEN {literal(first)} AND {literal(last)}'
    columns = ", ".join(f"statement.{identifier(name)}" for name in STATEMENT.columns.names)
    done = f"""
        SELECT statement_id, side FROM payments.instruction_statement
        WHERE {where} AND outcome <> 'carried' AND statement_id IN (
            SELECT statement_id FROM settlement.statement WHERE {where} AND {parties})
    """
    open_statements = f"""
        SELECT {columns}
        FROM settlement.statement AS statement
            LEFT JOIN (SELECT statement_id, count(*) AS sides FROM ({done}) AS side GROUP BY statement_id) AS done
            USING (statement_id)
        WHERE {where} AND {parties} AND released_as_of IS NOT NULL
            AND coalesce(done.sides, 0) < CASE mode WHEN 'net' THEN 1 ELSE 2 END
        ORDER BY statement_id COLLATE "C"
    """
    # Right after a large day cut the database takes both tables for tiny, and would go through one for each row of the
    # other.
    connection.execute("SET LOCAL enable_nestloop = off")
    statements = copy_out(connection, open_statements, STATEMENT.columns)
    # Net statements have one side: where it is settled, the statement is not among these.
    settled = copy_out(connection, f"{done} AND side <> 'net'", SETTLED)
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


def set_accounts(connection: Connection, tenant: str, model: str, found: pa.Table) -> int:
    """Updates waiting instructions from `found` (columns ACCOUNTS); returns how many changed."""
    if found.num_rows == 0:
        return 0
    connection.execute(
        "CREATE TEMPORARY TABLE staged_account"
        " (instruction_id uuid, account text, account_name text, state text, reason text) ON COMMIT DROP"
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


def ready(connection: Connection, tenant: str, model: str, channel: str, four_eyes: Sequence[str]) -> pa.Table:
    """Those that may go to a channel: INSTRUCTION rows ordered by instruction_id. Raises InstructionAltered.

    `four_eyes`: the roles whose payments two persons release first.
    """
    roles = ", ".join(map(literal, four_eyes)) or "NULL"
    free = (
        f"(state = 'approved' OR state = 'created' AND role NOT IN ({roles}))"
        if four_eyes
        else ("state IN ('created', 'approved')")
    )
    return _read_sealed(connection, tenant, model, f"channel = {literal(channel)} AND {free}")


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


_KNOWN = f"""
    SELECT instruction_id, model, party_id, legal_entity, currency, direction, amount_minor, channel, state, booking,
        finding, moves, reason, proposed_by, released_by, filed_as_of, seal <> {seal_sql("t")}
    FROM payments.instruction AS t
    WHERE tenant = %(tenant)s AND instruction_id = ANY(%(ids)s)
    ORDER BY instruction_id FOR UPDATE
"""
_HEARD = """
    SELECT instruction_id, move, cause FROM payments.instruction_move
    WHERE tenant = %(tenant)s AND instruction_id = ANY(%(ids)s) AND came <> 'moved'
"""
#: As unnest() gives them, under the names of the instruction's columns.
_CHANGES = (
    ("instruction_id", "uuid"), ("state", "text"), ("booking", "text"), ("finding", "text"), ("reason", "text"),
    ("proposed_by", "text"), ("released_by", "text"), ("filed_as_of", "date"), ("moves", "bigint"),
)  # fmt: skip
_MOVES = (
    ("model", "text"), ("instruction_id", "uuid"), ("move_no", "bigint"), ("move", "text"), ("came", "text"),
    ("from_state", "text"), ("to_state", "text"), ("booking", "text"), ("finding", "text"), ("cause", "text"),
    ("who", "text"), ("why", "text"),
)  # fmt: skip


def _unnested(columns: Sequence[tuple[str, str]], name: str) -> str:
    arrays = ", ".join(f"%({column})s::{kind}[]" for column, kind in columns)
    return f"unnest({arrays}) AS {name}({', '.join(column for column, _ in columns)})"


_CHANGE = f"""
    UPDATE payments.instruction AS known
    SET {", ".join(f"{column} = found.{column}" for column, _ in _CHANGES[1:])},
        seal = {_sealed_with("to_jsonb(found)")}
    FROM {_unnested(_CHANGES, "found")}
    WHERE known.tenant = %(tenant)s AND known.instruction_id = found.instruction_id
"""
_LOG = f"""
    INSERT INTO payments.instruction_move ({_HISTORY}, seal)
    SELECT t.*, {seal_sql("t")} FROM (
        SELECT %(tenant)s::text AS tenant, moved.*, %(now)s::timestamptz AS recorded_at
        FROM {_unnested(_MOVES, "moved")}) AS t
"""
_REOPEN = """
    WITH gone AS (
        DELETE FROM payments.instruction_statement
        WHERE tenant = %(tenant)s AND instruction_id = ANY(%(ids)s)
        RETURNING tenant, model, statement_id, side, amount_minor, instruction_id)
    INSERT INTO payments.reopened_statement (tenant, model, statement_id, side, amount_minor, instruction_id, as_of)
    SELECT gone.*, %(as_of)s FROM gone
"""
#: What was not instructed anew meanwhile is paid by it again; what was, has been paid twice, and the party owes it.
_COVER = """
    WITH open_ones AS (
        SELECT gone.* FROM payments.reopened_statement AS gone
            LEFT JOIN payments.instruction_statement AS held USING (tenant, model, statement_id, side)
        WHERE gone.tenant = %(tenant)s AND gone.instruction_id = ANY(%(ids)s)
            AND (held.outcome IS NULL OR held.outcome = 'carried')),
    removed AS (
        DELETE FROM payments.reopened_statement AS gone USING open_ones
        WHERE gone.tenant = open_ones.tenant AND gone.model = open_ones.model
            AND gone.instruction_id = open_ones.instruction_id AND gone.statement_id = open_ones.statement_id
            AND gone.side = open_ones.side)
    INSERT INTO payments.instruction_statement (
        tenant, model, statement_id, side, amount_minor, outcome, instruction_id, as_of)
    SELECT tenant, model, statement_id, side, amount_minor, 'instructed', instruction_id, %(as_of)s FROM open_ones
    ON CONFLICT (tenant, model, statement_id, side) DO UPDATE
    SET outcome = excluded.outcome, instruction_id = excluded.instruction_id, as_of = excluded.as_of
"""


def known(connection: Connection, tenant: str, ids: Sequence[UUID]) -> dict[UUID, Known]:
    """The instructions of these ids that are there, locked until the transaction ends. Raises InstructionAltered."""
    # Instructing takes the whole table first; without this it could wait for a row of ours, and we for it.
    connection.execute("LOCK TABLE payments.instruction IN ROW EXCLUSIVE MODE")
    asked = {"tenant": tenant, "ids": sorted(set(ids))}
    rows = connection.execute(_KNOWN, asked).fetchall()
    heard: dict[UUID, set[tuple[str, str]]] = {}
    for key, move, cause in connection.execute(_HEARD, asked):
        heard.setdefault(key, set()).add((move, cause))
    found = {}
    for row in rows:
        key, model, party, entity, code, direction, amount, channel, state, booking, finding, moves, reason = row[:13]
        proposed, released, sent_on, altered = row[13:]
        if altered:
            raise InstructionAltered(key, party)
        standing = Standing(InstructionState(state), Booking(booking), finding, released is not None)
        found[key] = Known(
            key, model, party, entity, code, direction, int(amount), channel, standing, int(moves), reason, proposed,
            released, sent_on, frozenset(heard.get(key, ())),
        )  # fmt: skip
    return found


def keep(connection: Connection, tenant: str, followed: Followed, now: datetime) -> None:
    """Keeps where instructions stand now, and their history."""
    if not followed.now:
        return
    at = list(followed.now.values())
    changes = {
        "instruction_id": [one.instruction_id for one in at],
        "state": [one.standing.state.value for one in at],
        "booking": [one.standing.booking.value for one in at],
        "finding": [one.standing.finding for one in at],
        "reason": [one.reason for one in at],
        "proposed_by": [one.proposed_by for one in at],
        "released_by": [one.released_by for one in at],
        "filed_as_of": [one.sent_on for one in at],
        "moves": [one.moves for one in at],
    }
    changed = connection.execute(_CHANGE, {**changes, "tenant": tenant}).rowcount
    assert changed == len(at), f"{changed} of {len(at)} instructions changed"
    history = [
        (
            one.model, one.said.key, one.move_no, one.said.move.value, one.came.value, one.before.state.value,
            one.after.state.value, one.after.booking.value, one.after.finding, one.said.cause, one.said.who,
            one.said.why,
        )
        for one in followed.moved
    ]  # fmt: skip
    columns = {name: list(values) for (name, _), values in zip(_MOVES, zip(*history, strict=True), strict=True)}
    connection.execute(_LOG, {**columns, "tenant": tenant, "now": now})


def reopen(connection: Connection, tenant: str, ids: Sequence[UUID], as_of: date) -> int:
    """Opens what these instructions were to pay; how many sides of statements."""
    return connection.execute(_REOPEN, {"tenant": tenant, "ids": list(ids), "as_of": as_of}).rowcount if ids else 0


def cover(connection: Connection, tenant: str, ids: Sequence[UUID], as_of: date) -> None:
    """What these instructions were to pay is paid after all."""
    if ids:
        connection.execute(_COVER, {"tenant": tenant, "ids": list(ids), "as_of": as_of})


def reopenings(connection: Connection, tenant: str, model: str) -> int:
    """How many sides of statements were opened so far."""
    row = connection.execute(
        "SELECT count(*) FROM payments.reopened_statement WHERE tenant = %s AND model = %s", (tenant, model)
    ).fetchone()
    assert row is not None, "count gives a row"
    return int(row[0])


def directions(connection: Connection, tenant: str, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Pay or collect, of the instructions of these ids that are there."""
    rows = connection.execute(
        "SELECT instruction_id, direction FROM payments.instruction WHERE tenant = %s AND instruction_id = ANY(%s)",
        (tenant, list(ids)),
    )
    return dict(rows.fetchall())


#: A message is named by its file's name (core/bank_file.py, FileHead.message_id), a block by message and currency.
_MEMBERS = """
    WITH message AS (
        SELECT file, substr(encode(sha256(convert_to(file, 'UTF8')), 'hex'), 1, 28) AS id
        FROM (SELECT DISTINCT file FROM payments.instruction WHERE tenant = %(tenant)s AND file IS NOT NULL) AS filed),
    member AS (
        SELECT i.instruction_id, i.direction, i.amount_minor, i.currency, i.booking <> 'back' AS is_open, message.id
        FROM payments.instruction AS i JOIN message USING (file) WHERE tenant = %(tenant)s)
    SELECT named, instruction_id, direction, amount_minor, currency, is_open
    FROM unnest(%(groups)s::text[]) AS named JOIN member ON named IN (id, id || '-' || currency)
    ORDER BY named, instruction_id
"""


def members(connection: Connection, tenant: str, groups: Sequence[str]) -> dict[str, list[Member]]:
    """The instructions of bank files, by the ids of messages or blocks."""
    found: dict[str, list[Member]] = {}
    if groups:
        for group, key, direction, amount, code, is_open in connection.execute(
            _MEMBERS, {"tenant": tenant, "groups": list(groups)}
        ):
            found.setdefault(group, []).append(Member(key, direction, int(amount), code, is_open))
    return found


def standing_at(connection: Connection, tenant: str, model: str, channel: str, states: Sequence[str]) -> list[Order]:
    """Instructions of a channel in these states, the oldest first, as orders. Raises InstructionAltered."""
    rows = connection.execute(
        f"""SELECT instruction_id, direction, amount_minor, currency, account, account_name, legal_entity, party_id,
            seal <> {seal_sql("t")}
        FROM payments.instruction AS t
        WHERE tenant = %s AND model = %s AND channel = %s AND state = ANY(%s)
        ORDER BY as_of, instruction_id""",
        (tenant, model, channel, list(states)),
    ).fetchall()
    for row in rows:
        if row[8]:
            raise InstructionAltered(row[0], row[7])
    return [Order(row[0], row[1], int(row[2]), *row[3:7]) for row in rows]


def stopped(connection: Connection, tenant: str, channel: str) -> tuple[str, str] | None:
    """Who stopped payments on this channel, and why, where that was not lifted."""
    row = connection.execute(
        "SELECT stopped_by, why FROM payments.stop"
        " WHERE tenant = %s AND lifted_at IS NULL AND (channel IS NULL OR channel = %s) ORDER BY stop_no LIMIT 1",
        (tenant, channel),
    ).fetchone()
    return None if row is None else (str(row[0]), str(row[1]))


def stop(connection: Connection, tenant: str, channel: str | None, who: str, why: str, now: datetime) -> bool:
    """Stops a channel, or all; whether it was not stopped so before."""
    connection.execute("LOCK TABLE payments.stop IN SHARE ROW EXCLUSIVE MODE")
    made = connection.execute(
        """INSERT INTO payments.stop (tenant, stop_no, channel, stopped_by, why, recorded_at)
        SELECT %(tenant)s, coalesce((SELECT max(stop_no) FROM payments.stop WHERE tenant = %(tenant)s), 0) + 1,
            %(channel)s, %(who)s, %(why)s, %(now)s
        WHERE NOT EXISTS (SELECT FROM payments.stop WHERE tenant = %(tenant)s AND lifted_at IS NULL
            AND channel IS NOT DISTINCT FROM %(channel)s::text)""",
        {"tenant": tenant, "channel": channel, "who": who, "why": why, "now": now},
    )
    return made.rowcount == 1


def lift(connection: Connection, tenant: str, channel: str | None, who: str, now: datetime) -> bool:
    """Lifts a stop; whether there was one."""
    lifted = connection.execute(
        "UPDATE payments.stop SET lifted_by = %s, lifted_at = %s"
        " WHERE tenant = %s AND lifted_at IS NULL AND channel IS NOT DISTINCT FROM %s::text",
        (who, now, tenant, channel),
    )
    return lifted.rowcount > 0


def sent_on(connection: Connection, tenant: str, model: str, as_of: date) -> pa.Table:
    """What went to channels on a day, to be paid: columns SENT, in their order."""
    query = f"""
        SELECT role, currency, legal_entity, party_id, sum(amount_minor) AS sent_minor FROM payments.instruction
        WHERE tenant = {literal(tenant)} AND model = {literal(model)} AND direction = 'pay'
            AND filed_as_of = {literal(as_of.isoformat())}
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    """
    return copy_out(connection, query, SENT)


def history(connection: Connection, tenant: str, instruction_id: UUID) -> list[dict[str, Any]]:
    """The moves of an instruction, in their order."""
    return _dicts(
        connection,
        """SELECT move_no, move, came, from_state, to_state, booking, finding, cause, who, why, recorded_at
        FROM payments.instruction_move WHERE tenant = %(tenant)s AND instruction_id = %(id)s ORDER BY move_no""",
        {"tenant": tenant, "id": instruction_id},
    )


_SHOWN = (
    "instruction_id, model, party_id, role, legal_entity, direction, amount_minor, currency, channel, account,"
    " account_name, as_of, state, booking, finding, reason, file, filed_as_of, proposed_by, released_by"
)


def shown(
    connection: Connection, tenant: str, states: Sequence[str], model: str | None, limit: int
) -> list[dict[str, Any]]:
    """Instructions for people, the newest day first; in all states where none is named, of all models."""
    return _dicts(
        connection,
        f"""SELECT {_SHOWN} FROM payments.instruction
        WHERE tenant = %(tenant)s AND (%(model)s::text IS NULL OR model = %(model)s)
            AND (%(states)s::text[] = '{{}}' OR state = ANY(%(states)s))
        ORDER BY as_of DESC, instruction_id LIMIT %(limit)s""",
        {"tenant": tenant, "states": list(states), "model": model, "limit": limit},
    )


def counted(connection: Connection, tenant: str, states: Sequence[str], model: str | None) -> list[dict[str, Any]]:
    """How many instructions stand where, and their amounts, by currency and direction."""
    return _dicts(
        connection,
        """SELECT state, currency, direction, count(*) AS instructions, sum(amount_minor) AS amount_minor
        FROM payments.instruction
        WHERE tenant = %(tenant)s AND (%(model)s::text IS NULL OR model = %(model)s)
            AND (%(states)s::text[] = '{}' OR state = ANY(%(states)s))
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
        {"tenant": tenant, "states": list(states), "model": model},
    )


def named(connection: Connection, tenant: str, digits: str) -> list[dict[str, Any]]:
    """The instructions whose ids begin with these digits."""
    return _dicts(
        connection,
        f"""SELECT {_SHOWN} FROM payments.instruction
        WHERE tenant = %(tenant)s AND starts_with(replace(instruction_id::text, '-', ''), %(digits)s)
        ORDER BY instruction_id LIMIT 3""",
        {"tenant": tenant, "digits": digits.replace("-", "").lower()},
    )


def sides(connection: Connection, tenant: str, instruction_id: UUID) -> list[dict[str, Any]]:
    """The sides of statements that an instruction pays, or was to pay and did not (`opened`)."""
    return _dicts(
        connection,
        """SELECT statement_id, side, amount_minor, false AS opened FROM payments.instruction_statement
        WHERE tenant = %(tenant)s AND instruction_id = %(id)s
        UNION ALL
        SELECT statement_id, side, amount_minor, true FROM payments.reopened_statement
        WHERE tenant = %(tenant)s AND instruction_id = %(id)s
        ORDER BY 1, 2""",
        {"tenant": tenant, "id": instruction_id},
    )


def _dicts(connection: Connection, query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as rows:
        return rows.execute(query, values).fetchall()
