"""The SQL of a channel's desk: what may go, what went, and the stop button. Callers own the transaction."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import pyarrow as pa

from everycent.base.engine.sql import literal
from everycent.base.platform.batches import seal_sql
from everycent.base.platform.bulk import copy_out
from everycent.base.platform.database import Connection
from everycent.flow.payments.contract import InstructionAltered, Order
from everycent.flow.payments.core.limits import SENT


def standing_at(
    connection: Connection, tenant: str, model: str, channel: str, states: Sequence[str]
) -> list[tuple[Order, UUID | None]]:
    """Instructions of a channel in these states, the oldest first, as orders; with the verified account that each pays
    to, of which the order has the number masked. Raises InstructionAltered."""
    rows = connection.execute(
        f"""SELECT instruction_id, direction, amount_minor, currency, account, account_name, legal_entity, party_id,
            account_id, seal <> {seal_sql("t")}
        FROM payments.instruction AS t
        WHERE tenant = %s AND model = %s AND channel = %s AND state = ANY(%s)
        ORDER BY as_of, instruction_id""",
        (tenant, model, channel, list(states)),
    ).fetchall()
    for row in rows:
        if row[9]:
            raise InstructionAltered(row[0], row[7])
    return [(Order(row[0], row[1], int(row[2]), *row[3:7]), row[8]) for row in rows]


def is_of(connection: Connection, tenant: str, model: str, channel: str, key: UUID) -> bool:
    """Whether there is such an instruction, of this model and channel."""
    row = connection.execute(
        "SELECT FROM payments.instruction WHERE tenant = %s AND model = %s AND channel = %s AND instruction_id = %s",
        (tenant, model, channel, key),
    ).fetchone()
    return row is not None


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
        SELECT role, channel, currency, legal_entity, party_id, sum(amount_minor) AS sent_minor
        FROM payments.instruction
        WHERE tenant = {literal(tenant)} AND model = {literal(model)} AND direction = 'pay'
            AND filed_as_of = {literal(as_of.isoformat())}
        GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    """
    return copy_out(connection, query, SENT)
