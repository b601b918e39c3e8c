"""The SQL of contracts, relations and events. Callers own the transaction."""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from psycopg.rows import dict_row

from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.bulk import copy_out
from everycent.base.platform.database import Connection
from everycent.flow.parties.contract import CONTRACT_PERIOD, RELATION_FIELDS
from everycent.flow.parties.core.contract_message import ContractMessage
from everycent.flow.parties.core.contract_periods import Revision
from everycent.flow.parties.core.judging import Judged, Party, Standing

#: The relation group's columns, in the order of RELATION_FIELDS.
RELATION_COLUMNS = ("source_system", "source_tenant", *RELATION_FIELDS[2:])

#: The days of each revision that has any. `ends`: where the later ones begin.
_PERIODS = """
    SELECT * FROM (
        SELECT c.*, valid_from AS since, least(valid_to, min(valid_from) OVER (
            PARTITION BY source_system, source_tenant, contract_no ORDER BY revision
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        )) AS until
        FROM parties.contract AS c WHERE tenant = {tenant} AND model = {model}
    ) AS held
    WHERE until IS NULL OR since < until
"""


_TERMS = """
    party_id, role, contract_no, revision, since, until, cycle, mode, legal_entity, reserve_ratio,
    CAST(extract(epoch FROM reserve_release_after) AS bigint), CAST(minimum_payout_minor AS text),
    silent_days, negative, invoice, CAST(charge_groups AS text)
"""


_CONTRACT_COLUMNS = 23


def lock_contracts(connection: Connection, tenant: str, model: str) -> None:
    """Waits until no other transaction takes contracts of the model; holds it until this one ends."""
    name = f"parties contracts\x1f{tenant}\x1f{model}"
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))


def standing(
    connection: Connection, tenant: str, model: str, messages: Sequence[ContractMessage], party_ids: Iterable[str]
) -> Standing:
    """What is known of the messages' contracts and relations, and of every contract of these parties."""
    keys = sorted({message.contract_key for message in messages})
    merchants = sorted({message.merchant for message in messages})
    related = connection.execute(
        f"SELECT {', '.join(RELATION_COLUMNS)}, party_id FROM parties.relation"
        " WHERE tenant = %s AND model = %s AND merchant = ANY(%s)",
        (tenant, model, merchants),
    ).fetchall()
    relations = {tuple(row[:-1]): str(row[-1]) for row in related}
    rows = connection.execute(
        """
        SELECT source_system, source_tenant, contract_no, revision, valid_from, valid_to, party_id, digest
        FROM parties.contract
        WHERE tenant = %s AND model = %s AND (
            (source_system, source_tenant, contract_no) IN (SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]))
            OR party_id = ANY(%s)
        )
        """,
        (tenant, model, *([key[at] for key in keys] for at in range(3)), sorted(set(party_ids))),
    )
    found = (Revision((row[0], row[1], row[2]), *row[3:]) for row in rows)
    return Standing.of(found, relations)


@dataclass(frozen=True)
class Kept:
    """A message and what became of it. `digest`: of what it says, or of its bytes where it says nothing of use."""

    content: bytes
    digest: str
    said: ContractMessage | None
    judged: Judged


def keep(connection: Connection, tenant: str, model: str, kept: Sequence[Kept], now: datetime) -> None:
    """Keeps messages that are no duplicates, and what the taken ones say."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO parties.contract_message AS known
                (tenant, model, digest, content, contract_no, revision, outcome, refusal, reason, recorded_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (tenant, model, digest) DO UPDATE
                SET outcome = excluded.outcome, refusal = excluded.refusal, reason = excluded.reason
                WHERE known.refusal IS NOT NULL
            """,
            [_message_row(tenant, model, each, now) for each in kept],
        )
        taken = [(each.said, each.judged.party) for each in kept if each.said is not None and each.judged.party]
        cursor.executemany(
            f"""
            INSERT INTO parties.relation (tenant, model, {", ".join(RELATION_COLUMNS)}, party_id)
            VALUES (%s, %s, {", ".join(["%s"] * len(RELATION_COLUMNS))}, %s) ON CONFLICT DO NOTHING
            """,
            [(tenant, model, *said.relation, party.party_id) for said, party in taken],
        )
        cursor.executemany(
            f"INSERT INTO parties.contract VALUES ({', '.join(['%s'] * _CONTRACT_COLUMNS)})",
            [_contract_row(tenant, model, said, party) for said, party in taken],
        )


def _message_row(tenant: str, model: str, each: Kept, now: datetime) -> tuple[object, ...]:
    contract = None if each.said is None else each.said.contract
    revision = None if each.said is None else each.said.revision
    refusal = each.judged.refusal
    why = (None, None) if refusal is None else (refusal.name.value, refusal.message)
    return (
        tenant, model, each.digest, each.content, contract, revision, each.judged.outcome.value, *why, now,
    )  # fmt: skip


def _contract_row(tenant: str, model: str, said: ContractMessage, party: Party) -> tuple[object, ...]:
    reserve = (None, None) if said.reserve is None else (said.reserve.ratio, said.reserve.release_after)
    silent_days = None if said.silent_after is None else -(-said.silent_after // timedelta(days=1))
    return (
        tenant, model, *said.contract_key, said.revision, party.party_id, party.role, list(party.values),
        said.valid_from, said.valid_to, said.cycle, said.mode, list(said.charges), said.legal_entity, *reserve,
        json.dumps(said.minimum_minor), said.digest, silent_days, said.negative, said.invoice,
        None if said.group_of_charge is None else json.dumps(said.group_of_charge),
    )  # fmt: skip


def add_parties(connection: Connection, tenant: str, model: str, parties: Iterable[Party]) -> list[str]:
    """Adds the parties that are not known; gives their ids, in order. They stand before every batch."""
    added = []
    for party in sorted(set(parties), key=lambda each: each.party_id):
        row = connection.execute(
            """
            INSERT INTO parties.party AS known (tenant, model, party_id, role, party_key, first_batch_no)
            VALUES (%s, %s, %s, %s, %s, 0)
            ON CONFLICT (tenant, model, party_id) DO UPDATE SET first_batch_no = 0 WHERE known.first_batch_no > 0
            RETURNING party_id
            """,
            (tenant, model, party.party_id, party.role, party.key),
        ).fetchone()
        added += [] if row is None else [str(row[0])]
    return added


def tell(
    connection: Connection, tenant: str, model: str, kind: str, party_id: str, content: Mapping[str, Any], now: datetime
) -> None:
    """Writes an event once: the same content of the same party is the same event."""
    said = json.dumps(dict(content), sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256("\x1f".join((tenant, model, kind, party_id, said)).encode()).digest()
    connection.execute(
        """
        INSERT INTO parties.event (tenant, model, event_id, kind, party_id, content, recorded_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
        """,
        (tenant, model, uuid.UUID(bytes=digest[:16]), kind, party_id, said, now),
    )


def refused_messages(connection: Connection, tenant: str, model: str) -> list[bytes]:
    """The messages that were refused, as they came, the first that came first."""
    rows = connection.execute(
        "SELECT content FROM parties.contract_message WHERE tenant = %s AND model = %s AND outcome = 'refused'"
        " ORDER BY arrived_no",
        (tenant, model),
    )
    return [bytes(content) for (content,) in rows]


def contract_numbers(
    connection: Connection, tenant: str, model: str, role: str, columns: Sequence[str], number: str
) -> pa.Table:
    """The contracts of a role as factors look them up: its key `columns`, `number`, valid_from, valid_to; ordered."""
    keys = [f"key_values[{at}] AS {identifier(column)}" for at, column in enumerate(columns, 1)]
    order = ", ".join(f'key_values[{at}] COLLATE "C"' for at in range(1, len(columns) + 1))
    query = f"""
        SELECT {", ".join(keys)}, contract_no AS {identifier(number)}, since AS valid_from, until AS valid_to
        FROM ({_periods(tenant, model)}) AS held WHERE role = {literal(role)} ORDER BY {order}, since
    """
    texts = [(name, pa.string()) for name in (*columns, number)]
    return copy_out(connection, query, pa.schema([*texts, ("valid_from", pa.date32()), ("valid_to", pa.date32())]))


def contract_periods(connection: Connection, tenant: str, model: str) -> pa.Table:
    """What each party's contract says, and when: CONTRACT_PERIOD rows ordered by party_id, since."""
    query = f'SELECT {_TERMS} FROM ({_periods(tenant, model)}) AS held ORDER BY party_id COLLATE "C", since'
    return CONTRACT_PERIOD.check(copy_out(connection, query, CONTRACT_PERIOD.columns))


def _periods(tenant: str, model: str) -> str:
    return _PERIODS.format(tenant=literal(tenant), model=literal(model))


def related(connection: Connection, tenant: str, model: str | None, where: Mapping[str, str]) -> list[dict[str, Any]]:
    """Relation groups by any of their fields, by party_id or both: model, their columns, party_id; in order."""
    known = {**dict(zip(RELATION_FIELDS, RELATION_COLUMNS, strict=True)), "party_id": "party_id"}
    conditions = ["tenant = %(tenant)s", "(%(model)s::text IS NULL OR model = %(model)s)"]
    conditions += [f"{known[name]} = %(of_{known[name]})s" for name in where]
    values = {f"of_{known[name]}": value for name, value in where.items()}
    columns = ", ".join(("model", *RELATION_COLUMNS, "party_id"))
    query = f"SELECT {columns} FROM parties.relation WHERE {' AND '.join(conditions)} ORDER BY {columns}"
    return _dicts(connection, query, {"tenant": tenant, "model": model, **values})


def parties(
    connection: Connection, tenant: str, model: str | None, where: Mapping[str, str], limit: int
) -> list[dict[str, Any]]:
    """Parties by role, party_id and the fields of their relation groups: model, party_id, role, contracts, in order."""
    own = {"role": "p.role", "party_id": "p.party_id"}
    fields = dict(zip(RELATION_FIELDS, RELATION_COLUMNS, strict=True))
    conditions = ["p.tenant = %(tenant)s", "(%(model)s::text IS NULL OR p.model = %(model)s)"]
    conditions += [f"{own[name]} = %({name})s" for name in where if name in own]
    groups = [f"r.{fields[name]} = %({name})s" for name in where if name in fields]
    if groups:
        conditions.append(
            "EXISTS (SELECT FROM parties.relation r WHERE r.tenant = p.tenant AND r.model = p.model"
            f" AND r.party_id = p.party_id AND {' AND '.join(groups)})"
        )
    query = f"""
        SELECT p.model, p.party_id, p.role, count(DISTINCT (c.source_system, c.source_tenant, c.contract_no))
            FILTER (WHERE c.contract_no IS NOT NULL) AS contracts
        FROM parties.party p LEFT JOIN parties.contract c USING (tenant, model, party_id)
        WHERE {" AND ".join(conditions)}
        GROUP BY p.model, p.party_id, p.role ORDER BY p.model, p.party_id LIMIT %(limit)s
    """
    return _dicts(connection, query, {"tenant": tenant, "model": model, "limit": limit, **where})


def contracts(
    connection: Connection, tenant: str, model: str | None, party_id: str | None = None
) -> list[dict[str, Any]]:
    """Every revision of the contracts, with the days that it holds (`since`, `until`; None: it holds on none)."""
    query = """
        SELECT model, contract_no, revision, source_system, source_tenant, party_id, valid_from, valid_to, cycle, mode,
            charges, legal_entity, reserve_ratio, reserve_release_after, minimum_payout_minor,
            silent_days, negative, invoice, charge_groups,
            CASE WHEN until IS NULL OR since < until THEN since END AS since, until
        FROM (
            SELECT c.*, valid_from AS since, least(valid_to, min(valid_from) OVER (
                PARTITION BY model, source_system, source_tenant, contract_no ORDER BY revision
                ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
            )) AS until
            FROM parties.contract AS c WHERE tenant = %(tenant)s
        ) AS held
        WHERE (%(model)s::text IS NULL OR model = %(model)s) AND (%(party)s::text IS NULL OR party_id = %(party)s)
        ORDER BY model, party_id, valid_from, contract_no, revision
    """
    return _dicts(connection, query, {"tenant": tenant, "model": model, "party": party_id})


def refusals(connection: Connection, tenant: str, model: str | None) -> list[dict[str, Any]]:
    """The messages that were not taken, with the reason, the first that came first."""
    query = """
        SELECT model, digest, contract_no, revision, outcome, refusal, reason, recorded_at,
            content
        FROM parties.contract_message
        WHERE tenant = %(tenant)s AND (%(model)s::text IS NULL OR model = %(model)s) AND refusal IS NOT NULL
        ORDER BY arrived_no
    """
    return _dicts(connection, query, {"tenant": tenant, "model": model})


def events(connection: Connection, tenant: str, model: str | None, party_id: str) -> list[dict[str, Any]]:
    """What others were told of a party, in order."""
    query = """
        SELECT model, event_id, kind, content, recorded_at FROM parties.event
        WHERE tenant = %(tenant)s AND (%(model)s::text IS NULL OR model = %(model)s) AND party_id = %(party)s
        ORDER BY arrived_no
    """
    return _dicts(connection, query, {"tenant": tenant, "model": model, "party": party_id})


def _dicts(connection: Connection, query: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, dict(values)).fetchall()
