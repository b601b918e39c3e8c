"""All SQL of approvals. Callers own the transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from everycent.base.platform.database import Connection
from everycent.flow.approvals.contract import (
    Decision,
    Delegation,
    Level,
    Request,
    RequestState,
    Subject,
)

_KEEP = """
    INSERT INTO approvals.request (tenant, model, request_id, kind, subject_id, digest, amount_minor, currency,
        requested_by, levels, state, recorded_at, due_at, finished_at)
    SELECT %s, %s, request_id, kind, subject_id, digest, amount_minor, currency, requested_by, levels, state,
        %s, due_at, CASE WHEN state <> 'pending' THEN %s END
    FROM json_to_recordset(%s) AS asked (request_id uuid, kind text, subject_id text, digest text, amount_minor numeric,
        currency text, requested_by text, levels jsonb, state text, due_at timestamptz)
    ORDER BY request_id
    ON CONFLICT DO NOTHING
"""
_REQUESTS = """
    SELECT request_id, kind, subject_id, digest, amount_minor, currency, requested_by, levels, state, recorded_at
    FROM approvals.request WHERE tenant = %(tenant)s AND model = %(model)s AND {condition} ORDER BY request_id {lock}
"""
_DECISIONS = """
    SELECT request_id, level, person, on_behalf_of, yes, reason, recorded_at FROM approvals.decision
    WHERE tenant = %s AND model = %s AND request_id = ANY(%s) ORDER BY request_id, level
"""
_DECIDE = """
    INSERT INTO approvals.decision (tenant, model, request_id, level, person, on_behalf_of, yes, reason, recorded_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_STAND = """
    UPDATE approvals.request SET state = %(state)s, due_at = %(due_at)s,
        finished_at = CASE WHEN %(state)s <> 'pending' THEN %(now)s::timestamptz END
    WHERE tenant = %(tenant)s AND model = %(model)s AND request_id = ANY(%(ids)s) AND state = 'pending'
"""
_MEMBERS = """
    SELECT group_name, person FROM approvals.member
    WHERE tenant = %s AND group_name = ANY(%s) AND finished_at IS NULL ORDER BY 1, 2
"""
_LENT = """
    SELECT lent_by, lent_to, kinds, valid_from, valid_to FROM approvals.delegation
    WHERE tenant = %(tenant)s AND {condition} ORDER BY lent_by, lent_to, valid_from, valid_to, kinds
"""
_LEND = """
    INSERT INTO approvals.delegation (tenant, lent_by, lent_to, kinds, valid_from, valid_to, recorded_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_ADD = """
    INSERT INTO approvals.member (tenant, group_name, person, added_by, recorded_at) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT DO NOTHING
"""
_REMOVE = """
    UPDATE approvals.member SET finished_at = greatest(%s, recorded_at), removed_by = %s
    WHERE tenant = %s AND group_name = %s AND person = %s AND finished_at IS NULL
"""


def keep(
    connection: Connection,
    tenant: str,
    model: str,
    asked: Sequence[tuple[Request, datetime | None]],
    now: datetime,
) -> None:
    """Keeps requests with the moment until which their first level waits; those that are there stay as they are."""
    rows = [
        {
            **asdict(request.subject),
            "request_id": str(request.request_id),
            "levels": [asdict(level) for level in request.levels],
            "state": request.state,
            "due_at": None if due_at is None else due_at.isoformat(),
        }
        for request, due_at in asked
    ]
    connection.execute(_KEEP, (tenant, model, now, now, json.dumps(rows, ensure_ascii=False)))


def requests(
    connection: Connection,
    tenant: str,
    model: str,
    *,
    ids: Sequence[UUID] | None = None,
    due: datetime | None = None,
    state: RequestState | None = None,
    kind: str | None = None,
    subject_id: str | None = None,
    lock: bool = False,
) -> list[Request]:
    """Requests by their ids, those whose level's time is over at `due`, in a state, of a kind, of a subject, in the
    order of their ids. With `lock` nobody else decides them until the transaction ends."""
    conditions = {
        "request_id = ANY(%(ids)s)": ids,
        "state = 'pending' AND due_at < %(due)s": due,
        "state = %(state)s": state,
        "kind = %(kind)s": kind,
        "subject_id = %(subject_id)s": subject_id,
    }
    condition = " AND ".join([said for said, given in conditions.items() if given is not None] or ["true"])
    rows = connection.execute(
        _REQUESTS.format(condition=condition, lock="FOR UPDATE" if lock else ""),
        {
            "tenant": tenant, "model": model, "ids": None if ids is None else list(ids), "due": due, "state": state,
            "kind": kind, "subject_id": subject_id,
        },
    ).fetchall()  # fmt: skip
    decided = _decisions(connection, tenant, model, [row[0] for row in rows])
    return [_request(row, decided.get(row[0], ())) for row in rows]


def _decisions(
    connection: Connection, tenant: str, model: str, ids: Sequence[UUID]
) -> Mapping[UUID, tuple[Decision, ...]]:
    found: dict[UUID, tuple[Decision, ...]] = {}
    for request_id, *rest in connection.execute(_DECISIONS, (tenant, model, list(ids))):
        found[request_id] = (*found.get(request_id, ()), Decision(*rest))
    return found


def _request(row: Sequence[Any], decisions: tuple[Decision, ...]) -> Request:
    request_id, kind, subject_id, digest, amount_minor, currency, requested_by, levels, state, at = row
    subject = Subject(kind, subject_id, digest, int(amount_minor), currency, requested_by)
    return Request(request_id, subject, tuple(Level(**level) for level in levels), RequestState(state), at, decisions)


def decide(
    connection: Connection,
    tenant: str,
    model: str,
    request_id: UUID,
    decision: Decision,
    state: RequestState,
    due_at: datetime | None,
) -> None:
    """Keeps a decision, and where the request stands after it."""
    told = (decision.level, decision.by, decision.on_behalf_of, decision.yes, decision.reason, decision.at)
    connection.execute(_DECIDE, (tenant, model, request_id, *told))
    moved = stand(connection, tenant, model, [request_id], state, decision.at, due_at)
    assert moved == 1, f"request {request_id} was locked, and is pending"


def stand(
    connection: Connection,
    tenant: str,
    model: str,
    ids: Sequence[UUID],
    state: RequestState,
    now: datetime,
    due_at: datetime | None = None,
) -> int:
    """Moves pending requests to a state; how many there were."""
    told = {"tenant": tenant, "model": model, "ids": list(ids), "state": state, "now": now, "due_at": due_at}
    return connection.execute(_STAND, told).rowcount


def members(connection: Connection, tenant: str, groups: Sequence[str]) -> dict[str, frozenset[str]]:
    """Who is in which of the groups now."""
    found: dict[str, frozenset[str]] = {}
    for group, name in connection.execute(_MEMBERS, (tenant, list(groups))):
        found[group] = found.get(group, frozenset()) | {name}
    return found


def groups(connection: Connection, tenant: str) -> list[str]:
    """The groups that anybody is in, by name."""
    rows = connection.execute(
        'SELECT DISTINCT group_name COLLATE "C" FROM approvals.member WHERE tenant = %s AND finished_at IS NULL'
        " ORDER BY 1",
        (tenant,),
    )
    return [str(name) for (name,) in rows]


def lent_to(connection: Connection, tenant: str, name: str) -> list[Delegation]:
    """All delegations that lend a voice to this person."""
    return _lent(connection, tenant, "lent_to = %(name)s", name)


def lent_by(connection: Connection, tenant: str, name: str) -> list[Delegation]:
    """All delegations of this person's voice."""
    return _lent(connection, tenant, "lent_by = %(name)s", name)


def _lent(connection: Connection, tenant: str, condition: str, name: str) -> list[Delegation]:
    rows = connection.execute(_LENT.format(condition=condition), {"tenant": tenant, "name": name})
    return [Delegation(by, to, tuple(kinds), first, last) for by, to, kinds, first, last in rows]


def lend(connection: Connection, tenant: str, given: Delegation, now: datetime) -> bool:
    """Keeps a delegation; False where it is there already."""
    told = (given.lent_by, given.lent_to, sorted(given.kinds), given.valid_from, given.valid_to, now)
    return connection.execute(_LEND, (tenant, *told)).rowcount == 1


def hold_delegations(connection: Connection) -> None:
    """Nobody else lends a voice until the transaction ends, so that two never lend them to each other at once."""
    connection.execute("LOCK TABLE approvals.delegation IN SHARE ROW EXCLUSIVE MODE")


def add_member(connection: Connection, tenant: str, group: str, name: str, by: str, now: datetime) -> bool:
    """Puts a person into a group; False where that is so already."""
    return connection.execute(_ADD, (tenant, group, name, by, now)).rowcount == 1


def remove_member(connection: Connection, tenant: str, group: str, name: str, by: str, now: datetime) -> bool:
    """Takes a person out of a group; False where that is so already."""
    return connection.execute(_REMOVE, (now, by, tenant, group, name)).rowcount == 1
