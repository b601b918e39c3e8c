"""Which of a scenario's entries stand in the ledger: what its runs write off, and what people do.

An entry is booked when a run states it, and taken back by a run that looked at it and does not state it any more. As
with breaks, absence alone says nothing: a run that never saw a key leaves its entries as they are. Each function gives
the transfers (TRANSFER) that are to be posted in the same transaction.
"""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.platform.bulk import copy_in, copy_into_engine, copy_out
from everycent.base.platform.database import Connection
from everycent.flow.ledger.contract import TRANSFER
from everycent.proof.recon.breaks.standing import words_of
from everycent.proof.recon.core.booking import Booking
from everycent.proof.recon.core.moves import Reason, State
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.store import RunKey, latest_cut

_UNSEEN = "unseen_entry"
_UNSEEN_ROW = pa.schema([(name, pa.string()) for name in ("transfer_id", "key", "side", "file")])

#: Whose entries, in SQL.
_HERE = "(b.tenant, b.model, b.scenario) = (%(tenant)s, %(model)s, %(scenario)s)"
#: What makes two runs' entries the same; a match's number is not part of it.
_SAME = "cause, key, debit_account, credit_account, amount_minor, currency"
_NTH = f"row_number() OVER (PARTITION BY {_SAME} ORDER BY {{by}}) AS nth"
#: A transfer's id, from what is booked or taken back.
_ID = """substr(encode(sha256(convert_to(concat_ws(E'\\x1f', %(tenant)s::text, %(model)s::text, {of}), 'UTF8')), 'hex'),
        1, 32)::uuid"""
_WRITTEN_OFF = f"s.state = {literal(State.CLOSED)} AND s.reason = {literal(Reason.WRITTEN_OFF)}"
_ITS_BREAK = "(s.tenant, s.model, s.break_id) = (b.tenant, b.model, b.break_id)"


def rebook(
    connection: Connection,
    engine: LocalEngine,
    key: RunKey,
    scenario: str,
    sides: tuple[SideRows, SideRows],
    day: date,
    cut: date | None = None,
) -> pa.Table:
    """In the transaction that stored a run, or found it stored: its entries are booked on `day`, those that it looked
    at and does not state are taken back. `cut`: the day to which it is cut; of one before the last nothing changes."""
    where = {"tenant": key.tenant, "model": key.model, "scenario": scenario, "run_id": key.run_id, "day": day}
    if cut is not None and latest_cut(connection, (key.tenant, key.model, scenario)) != cut:
        return TRANSFER.columns.empty_table()
    if not _concerned(connection, where):
        return TRANSFER.columns.empty_table()
    _begin(connection)
    for name, table, by, of in (
        ("stated_entry", "entry", "entry_no", "(b.tenant, b.model, b.run_id) = (%(tenant)s, %(model)s, %(run_id)s)"),
        ("standing_entry", "booked_entry", "transfer_id", f"{_HERE} AND back_id IS NULL AND run_id IS NOT NULL"),
    ):
        connection.execute(f"DROP TABLE IF EXISTS pg_temp.{name}")
        connection.execute(
            f"""CREATE TEMP TABLE {name} ON COMMIT DROP AS
            SELECT {by}, {_SAME}, {_NTH.format(by=by)} FROM recon.{table} AS b WHERE {of}""",
            where,
        )
        connection.execute(f"ANALYZE pg_temp.{name}")
    _take_back(connection, where, f"b.transfer_id IN ({_looked_at(connection, engine, where, sides)})")
    _take_back(connection, where, _undecided())
    _book_stated(connection, where)
    return _to_post(connection)


def book_written_off(connection: Connection, tenant: str, moved: Sequence[UUID], now: datetime) -> dict[str, pa.Table]:
    """In the transaction of what a person did with breaks: those that are written off now are booked, where their
    scenario names an account for it, and those that no longer are so are taken back. By model, in order."""
    places = connection.execute(
        """SELECT DISTINCT model, scenario FROM recon.standing_break WHERE tenant = %s AND break_id = ANY(%s)
        ORDER BY 1, 2""",
        (tenant, list(moved)),
    ).fetchall()
    booked: dict[str, pa.Table] = {}
    for model in dict.fromkeys(model for model, _ in places):
        _begin(connection)
        for scenario, words in words_of(connection, tenant, model).items():
            if (model, scenario) in places and words.booking is not None:
                where = {"tenant": tenant, "model": model, "scenario": scenario, "ids": list(moved)}
                where["day"] = _today(words.booking, now)
                _take_back(connection, where, f"b.break_id = ANY(%(ids)s) AND {_undecided()}")
                _book_decided(connection, where, words.booking)
        booked[model] = _to_post(connection)
    return booked


def _today(booking: Booking, now: datetime) -> date:
    return BusinessCalendar.parse(booking.time_zone, booking.day_cut).today(now)


def _concerned(connection: Connection, where: dict[str, object]) -> bool:
    """Whether the run has entries, or the scenario has some that stand."""
    row = connection.execute(
        f"""SELECT EXISTS (SELECT FROM recon.entry AS b
                WHERE (b.tenant, b.model, b.run_id) = (%(tenant)s, %(model)s, %(run_id)s))
            OR EXISTS (SELECT FROM recon.booked_entry AS b WHERE {_HERE} AND back_id IS NULL)""",
        where,
    ).fetchone()
    return row is not None and bool(row[0])


def _begin(connection: Connection) -> None:
    connection.execute("DROP TABLE IF EXISTS pg_temp.to_post")
    connection.execute(
        """CREATE TEMP TABLE to_post (transfer_id uuid, booked_on date, debit_account text, credit_account text,
            amount_minor numeric, currency text, cause text) ON COMMIT DROP"""
    )


def _to_post(connection: Connection) -> pa.Table:
    schema = TRANSFER.columns
    return copy_out(connection, f"SELECT {', '.join(schema.names)} FROM pg_temp.to_post ORDER BY transfer_id", schema)


def _looked_at(
    connection: Connection, engine: LocalEngine, where: dict[str, object], sides: tuple[SideRows, SideRows]
) -> str:
    """SQL of what stands, is not stated any more, and was looked at: its key is on a side, or each file that its rows
    were in was given again, and every row of it read."""
    unseen = f"""SELECT u.transfer_id::text, p.key, p.side, p.file FROM (
            SELECT b.transfer_id, b.run_id, e.match_no, b.key FROM pg_temp.standing_entry AS s
            JOIN recon.booked_entry AS b ON {_here(where)} AND b.transfer_id = s.transfer_id
            JOIN recon.entry AS e USING (tenant, model, run_id, entry_no)
            WHERE NOT EXISTS (SELECT FROM pg_temp.stated_entry AS n WHERE (s.nth, {_of("s")}) = (n.nth, {_of("n")}))
        ) AS u CROSS JOIN LATERAL (
            SELECT u.key, side, file FROM recon.write_off AS w,
                LATERAL (VALUES ('left', w.left_file), ('right', w.right_file)) AS placed (side, file)
            WHERE u.match_no IS NULL AND {_of_run("w", where)} AND w.run_id = u.run_id AND w.key = u.key
            UNION ALL
            SELECT m.key, m.side, m.source_file FROM recon.match AS m
            WHERE {_of_run("m", where)} AND m.run_id = u.run_id AND m.match_no = u.match_no) AS p
        UNION ALL
        SELECT b.transfer_id::text, b.key, side, file FROM recon.booked_entry AS b
            JOIN recon.standing_break AS s ON {_ITS_BREAK}
            JOIN recon.break AS f ON (f.tenant, f.model, f.run_id, f.finding_no)
                = (s.tenant, s.model, s.run_id, s.finding_no),
            LATERAL (VALUES ('left', f.left_file), ('right', f.right_file)) AS placed (side, file)
        WHERE {_here(where)} AND b.back_id IS NULL AND s.run_id <> {literal(str(where["run_id"]))}"""
    copy_into_engine(connection, unseen, _UNSEEN_ROW, engine.connection, _UNSEEN)
    left, right = sides
    found = engine.query(
        f"""SELECT transfer_id FROM unseen GROUP BY transfer_id
        HAVING bool_or(key IN (SELECT key FROM left_side) OR key IN (SELECT key FROM right_side))
            OR bool_and(file IS NULL OR ({_given("left", left)}) OR ({_given("right", right)}))""",
        unseen=_UNSEEN,
        left_side=left.rows,
        right_side=right.rows,
    )
    engine.connection.execute(f"DROP TABLE {_UNSEEN}")
    connection.execute("DROP TABLE IF EXISTS pg_temp.gone_entry")
    connection.execute("CREATE TEMP TABLE gone_entry (transfer_id uuid PRIMARY KEY) ON COMMIT DROP")
    copy_in(connection, "pg_temp.gone_entry", found)
    return "SELECT transfer_id FROM pg_temp.gone_entry"


def _given(word: str, side: SideRows) -> str:
    if side.refused.num_rows:
        return "false"
    return f"side = {literal(word)} AND file IN (SELECT source_file FROM {word}_side)"


def _here(where: dict[str, object]) -> str:
    """As _HERE, with its values: COPY takes none."""
    values = ", ".join(literal(str(where[name])) for name in ("tenant", "model", "scenario"))
    return f"(b.tenant, b.model, b.scenario) = ({values})"


def _of_run(row: str, where: dict[str, object]) -> str:
    return f"({row}.tenant, {row}.model) = ({literal(str(where['tenant']))}, {literal(str(where['model']))})"


def _of(row: str) -> str:
    return ", ".join(f"{row}.{column}" for column in _SAME.split(", "))


def _undecided() -> str:
    """That a person wrote it off, and it is open again, or closed for another reason."""
    return f"""b.break_id IS NOT NULL AND NOT EXISTS (SELECT FROM recon.standing_break AS s
        WHERE {_ITS_BREAK} AND {_WRITTEN_OFF})"""


def _take_back(connection: Connection, where: dict[str, object], which: str) -> None:
    """What stands and is meant is booked back, its accounts exchanged."""
    connection.execute(
        f"""WITH back AS (
            UPDATE recon.booked_entry AS b SET back_on = %(day)s, back_id = {_ID.format(of="'back', b.transfer_id")}
            WHERE {_HERE} AND b.back_id IS NULL AND {which}
            RETURNING *)
        INSERT INTO pg_temp.to_post
        SELECT back_id, back_on, credit_account, debit_account, amount_minor, currency, 'recon back ' || transfer_id
        FROM back""",
        where,
    )


def _book_stated(connection: Connection, where: dict[str, object]) -> None:
    """What the run states and does not stand. It may have been booked before, and taken back by a run between."""
    connection.execute("DROP TABLE IF EXISTS pg_temp.new_entry")
    connection.execute(
        f"""CREATE TEMP TABLE new_entry ON COMMIT DROP AS SELECT n.*,
            (SELECT count(*) FROM recon.booked_entry AS b WHERE (b.tenant, b.model, b.run_id, b.entry_no)
                = (%(tenant)s, %(model)s, %(run_id)s, n.entry_no)) AS times
        FROM pg_temp.stated_entry AS n
        WHERE NOT EXISTS (SELECT FROM pg_temp.standing_entry AS s WHERE (s.nth, {_of("s")}) = (n.nth, {_of("n")}))""",
        where,
    )
    connection.execute(
        f"""WITH booked AS (
            INSERT INTO recon.booked_entry (tenant, model, transfer_id, scenario, run_id, entry_no, times, {_SAME},
                booked_on)
            SELECT %(tenant)s, %(model)s, {_ID.format(of="'entry', %(run_id)s::text, entry_no, times")}, %(scenario)s,
                %(run_id)s, entry_no, times, {_SAME}, %(day)s
            FROM pg_temp.new_entry RETURNING *)
        INSERT INTO pg_temp.to_post
        SELECT transfer_id, booked_on, debit_account, credit_account, amount_minor, currency,
            concat_ws(' ', 'recon entry', run_id, entry_no) FROM booked""",
        where,
    )


def _book_decided(connection: Connection, where: dict[str, object], booking: Booking) -> None:
    """Breaks that a person wrote off: the difference that was agreed to, by the last move that says it."""
    connection.execute(
        f"""WITH booked AS (
            INSERT INTO recon.booked_entry (tenant, model, transfer_id, scenario, break_id, move_no, {_SAME}, booked_on)
            SELECT s.tenant, s.model, {_ID.format(of="'write-off', s.break_id, s.moves")}, s.scenario, s.break_id,
                s.moves, {literal(Reason.WRITTEN_OFF)}, s.key,
                CASE WHEN minor > 0 THEN %(account)s ELSE %(against)s END,
                CASE WHEN minor > 0 THEN %(against)s ELSE %(account)s END, abs(minor), currency, %(day)s
            FROM recon.standing_break AS s CROSS JOIN LATERAL (
                SELECT (m.detail ->> 'difference_minor')::numeric AS minor, m.detail ->> 'currency' AS currency
                FROM recon.move AS m
                WHERE (m.tenant, m.model, m.break_id) = (s.tenant, s.model, s.break_id)
                    AND jsonb_exists(m.detail, 'difference_minor')
                ORDER BY m.move_no DESC LIMIT 1) AS agreed
            WHERE (s.tenant, s.model, s.scenario) = (%(tenant)s, %(model)s, %(scenario)s)
                AND s.break_id = ANY(%(ids)s) AND {_WRITTEN_OFF} AND minor <> 0
                AND NOT EXISTS (SELECT FROM recon.booked_entry AS b WHERE {_ITS_BREAK} AND b.back_id IS NULL)
            RETURNING *)
        INSERT INTO pg_temp.to_post
        SELECT transfer_id, booked_on, debit_account, credit_account, amount_minor, currency,
            concat_ws(' ', 'recon write-off', break_id, move_no) FROM booked""",
        {**where, "account": booking.account, "against": booking.against},
    )
